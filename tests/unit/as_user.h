#pragma once
/* Test bodies that run in a child, as the caller or as an ordinary user (uid 65534). The parent is the
 * subreaper, so that what a body leaves behind is reaped as an init would do it. */
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s (errno %s)\n", __FILE__, __LINE__, #x,          \
				strerror(errno));                                                  \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static inline int run_as(bool ordinary, int (*body)(void))
{
	int status, result = -1;
	pid_t pid, gone;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0) {
		if (ordinary && geteuid() == 0) {
			if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
			    setresuid(65534, 65534, 65534))
				_exit(99);
			prctl(PR_SET_DUMPABLE, 1); /* as after an exec */
		}
		alarm(100);
		_exit(body());
	}
	if (pid < 0)
		return -1;
	do
		gone = waitpid(-1, &status, __WALL);
	while (gone != pid && (gone > 0 || errno == EINTR));
	if (gone == pid)
		result = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
	/* Monitors that are just leaving may stay zombies; a failed body's may never end. */
	return result;
}

#define BOTH(name)                                                                                 \
	static void name##_as_caller(void **state)                                                 \
	{                                                                                          \
		assert_int_equal(run_as(false, name##_body), 0);                                   \
	}                                                                                          \
	static void name##_as_ordinary_user(void **state)                                          \
	{                                                                                          \
		assert_int_equal(run_as(true, name##_body), 0);                                    \
	}

#define BOTH_TESTS(name) cmocka_unit_test(name##_as_caller), cmocka_unit_test(name##_as_ordinary_user)
