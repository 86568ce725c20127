/* Calls that take a path, on one in /proc of a process inside and of nobody's. Ways around: proc_escapes.c. */
#include "path_calls.h"

#include <sys/auxv.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static char small[16384];

/* Makes the call with the stack pointer at the end of `small`. */
static long on_small_stack(long nr, const char *path, long a, long b)
{
	register char *top __asm__("r12") = small + sizeof(small);
	long ret;

	memset(small, 0x5a, sizeof(small));
	__asm__ volatile("xchg %%rsp, %%r12; syscall; xchg %%rsp, %%r12"
			 : "=a"(ret), "+r"(top)
			 : "a"(nr), "D"(path), "S"(a), "d"(b)
			 : "rcx", "r11", "memory");
	return ret;
}

static size_t used_of_it(void)
{
	size_t n = 0;

	while (n < sizeof(small) && small[n] == 0x5a)
		n++;
	return sizeof(small) - n;
}

/* A call may be made where there is room for a signal's frame, which is what such stacks are made for, and little more. */
static void little_stack_is_taken(void)
{
	size_t frame = getauxval(AT_MINSIGSTKSZ), most = (frame ? frame : MINSIGSTKSZ) + 1280;
	pid_t child = bd_sleeper();
	char path[2048], buf[4096];

	snprintf(path, sizeof(path), "/proc/%d/cwd", child);
	BD_OP(on_small_stack(SYS_readlink, path, (long)buf, sizeof(buf)), >, 0);
	BD_OP(used_of_it(), <, most);
	BD_DO(on_small_stack(SYS_access, path, R_OK, 0));
	BD_OP(used_of_it(), <, most);
	BD_DO(raw(SYS_chdir, "/proc/self/task"));
	BD_OP(on_small_stack(SYS_getcwd, buf, sizeof(buf), 0), >, 0);
	BD_OP(used_of_it(), <, most);
	for (int i = 0; i < 300; i++) /* as long as it is, no longer */
		strcat(path, "/.");
	BD_DO(on_small_stack(SYS_access, path, R_OK, 0));
	BD_OP(used_of_it(), <, most + 1000);
	bd_end(child);
}

static void executed_from_within(void)
{
	char *argv[] = { "x", "--list", NULL }, *env[] = { NULL }, path[64];
	pid_t child;

	child = (pid_t)BD_DO(raw(SYS_fork));
	if (child == 0) {
		snprintf(path, sizeof(path), "/proc/%ld", raw(SYS_getppid));
		raw(SYS_chdir, path);
		raw(SYS_close, 1);
		raw(SYS_open, "/dev/null", O_WRONLY);
		raw(SYS_execve, "exe", argv, env);
		raw(SYS_exit_group, 127);
	}
	bd_reap_ok(child);
}

static const long by_path[] = { SYS_stat, SYS_lstat, SYS_statfs };

static void answer_for_the_living(const char *path)
{
	struct stat st;
	struct statfs fs;
	char buf[4096];

	BD_DO(raw(SYS_stat, path, &st));
	BD_CHECK(S_ISDIR(st.st_mode));
	BD_EQ(st.st_uid, geteuid());
	BD_DO(raw(SYS_statfs, path, &fs));
	BD_EQ(fs.f_type, 0x9fa0); /* PROC_SUPER_MAGIC */
	BD_DO(raw(SYS_access, path, R_OK));
	BD_DO(raw(SYS_faccessat, AT_FDCWD, path, R_OK));
	BD_DO(raw(SYS_statx, AT_FDCWD, path, 0, 0x7ff, buf));
	BD_DO(raw(SYS_chdir, path));
	BD_OP(raw(SYS_getcwd, buf, sizeof(buf)), >, 0);
	BD_CHECK(!strcmp(buf, path));
	BD_DO(raw(SYS_readlink, "cwd", buf, sizeof(buf)));
	BD_DO(raw(SYS_chdir, "/"));
}

static void inside_and_outside(void)
{
	pid_t child = bd_sleeper(), all[BD_OUTSIDE_MAX + 1];
	int n = bd_outside(all);
	char path[64], buf[4096];

	snprintf(path, sizeof(path), "/proc/%d", child);
	answer_for_the_living(path);
	bd_end(child);
	all[n++] = child; /* who was here is nobody now */
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/%d", all[i]);
		for (size_t k = 0; k < sizeof(by_path) / sizeof(by_path[0]); k++)
			BD_ERR(raw(by_path[k], path, buf), ENOENT);
		BD_ERR(raw(SYS_statx, AT_FDCWD, path, 0, 0x7ff, buf), ENOENT);
		BD_ERR(raw(SYS_access, path, 0), ENOENT);
		BD_ERR(raw(SYS_faccessat2, AT_FDCWD, path, 0, 0), ENOENT);
		BD_ERR(raw(SYS_truncate, path, 0), ENOENT);
		BD_ERR(raw(SYS_chmod, path, 0), ENOENT);
		BD_ERR(raw(SYS_readlink, path, buf, 64), ENOENT);
		BD_ERR(raw(SYS_getxattr, path, "user.x", buf, 64), ENOENT);
		BD_ERR(raw(SYS_inotify_add_watch, raw(SYS_inotify_init1, 0), path, 1), ENOENT);
		strcat(path, "/cwd/x");
		BD_ERR(raw(SYS_mkdir, path, 0700), ENOENT);
		BD_ERR(raw(SYS_unlink, path), ENOENT);
		BD_ERR(raw(SYS_rename, path, "/tmp/x"), ENOENT);
		BD_ERR(raw(SYS_creat, path, 0600), ENOENT);
	}
}

/* --- every call of the table --- */

static void file_again(const char *path)
{
	raw(SYS_rmdir, path);
	raw(SYS_unlink, path);
	BD_DO(raw(SYS_close, BD_DO(raw(SYS_open, path, O_CREAT | O_WRONLY | O_EXCL, 0600))));
}

static void compare(const struct call *c, const char *path, long answer, long wanted)
{
	if (answer != wanted)
		BD_FAIL("%s(%s): %ld (%s), not %ld (%s)", c->name, path, answer,
			answer < 0 ? strerror((int)-answer) : "no error", wanted,
			wanted < 0 ? strerror((int)-wanted) : "no error");
}

/* By the root directory of a process outside everything could be reached, and all these calls would do something. */
static void all_calls_find_nobody_outside(void)
{
	pid_t all[BD_OUTSIDE_MAX];
	int n = bd_outside(all);
	char there[1024], path[2048];

	prepare();
	snprintf(there, sizeof(there), "%s/there", getenv("BD_DIR"));
	snprintf(beside, sizeof(beside), "%s/there-is-no-such/directory", getenv("BD_DIR"));
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		long wanted = call_on(&calls[i], "/there-is-no-such/file");

		file_again(there);
		BD_OP(wanted, <, 0);
		for (int k = 0; k < n; k++) {
			long answer;

			snprintf(path, sizeof(path), "/proc/%d/root%s", all[k], there);
			answer = call_on(&calls[i], path);
			/* Or what the kernel says before it has looked for it. */
			compare(&calls[i], path, answer, answer == -ENOENT ? -ENOENT : wanted);
		}
		BD_DO(raw(SYS_unlink, there));
	}
}

/* By our own root directory, named with a number of the container's, they do what they do on the path itself. */
static void all_calls_work_through_a_process_inside(void)
{
	pid_t child = bd_sleeper();
	char there[1024], path[2048];

	prepare();
	BD_SYS(chdir(getenv("BD_DIR")));
	snprintf(there, sizeof(there), "%s/there", getenv("BD_DIR"));
	snprintf(beside, sizeof(beside), "%s/beside", getenv("BD_DIR"));
	snprintf(path, sizeof(path), "/proc/%d/root%s", child, there);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		long answer[2];

		if (calls[i].machine)
			continue;
		for (int k = 0; k < 2; k++) {
			file_again(there);
			file_again(beside);
			answer[k] = call_on(&calls[i], k ? path : there);
		}
		compare(&calls[i], path, answer[1], answer[0]);
	}
	raw(SYS_unlink, there);
	raw(SYS_unlink, beside);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "of a process inside, and of nobody", inside_and_outside },
	{ "every call that takes a path finds nobody outside", all_calls_find_nobody_outside },
	{ "little stack is taken", little_stack_is_taken },
	{ "a program is executed by a name in the working directory, which is in /proc", executed_from_within },
	{ "every call that takes a path works through a process inside", all_calls_work_through_a_process_inside },
	{},
};
