/* execve: who executes keeps its number, or gets its leader's. */
#include "case.h"

#include <pthread.h>

static char *env[] = { "PATH=/usr/bin:/bin", NULL };

/* The script's words, which `sh` prints, as numbers. */
static int run_shell(bool by_thread, const char *script, int *ret, int max);

static int out;

static void *exec_shell(void *script)
{
	char *argv[] = { "sh", "-c", script, NULL };

	raw(SYS_dup2, out, 1);
	raw(SYS_execve, "/bin/sh", argv, env);
	raw(SYS_exit_group, 127);
	return NULL;
}

static pid_t shell;

static int run_shell(bool by_thread, const char *script, int *ret, int max)
{
	char text[512], *at = text, *end;
	int p[2], n = 0;
	size_t len = 0;
	ssize_t got;

	BD_SYS(pipe2(p, O_CLOEXEC));
	out = p[1];
	shell = BD_SYS(fork());
	if (shell == 0) {
		pthread_t t;

		if (!by_thread)
			exec_shell((void *)script);
		BD_PT(pthread_create(&t, NULL, exec_shell, (void *)script));
		for (;;)
			raw(SYS_pause);
	}
	close(p[1]);
	while ((got = read(p[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = 0;
	bd_reap_ok(shell);
	for (; n < max; n++, at = end) {
		ret[n] = (int)strtol(at, &end, 10);
		if (end == at)
			break;
	}
	return n;
}

static void keeps_its_number(void)
{
	int n[3];

	BD_EQ(run_shell(false, "echo $$ $PPID; read a rest </proc/self/stat; echo $a", n, 3), 3);
	BD_EQ(n[0], shell);
	BD_EQ(n[1], raw(SYS_getpid));
	BD_EQ(n[2], shell);
}

static void a_thread_gets_its_leaders(void)
{
	int n[4];

	for (int i = 0; i < 5; i++) {
		BD_EQ(run_shell(true, "echo $$ $PPID; read a rest </proc/self/stat; echo $a; sh -c 'echo $PPID'", n, 4), 4);
		BD_EQ(n[0], shell);
		BD_EQ(n[1], raw(SYS_getpid));
		BD_EQ(n[2], shell);
		BD_EQ(n[3], shell);
	}
}

/* And has the signal mask that it had: nobody but a test sees that all are blocked meanwhile. */
static void keeps_its_mask(void)
{
	uint64_t mask = UINT64_C(1) << (SIGUSR2 - 1) | UINT64_C(1) << (SIGTERM - 1), none = 0;
	int n[1];

	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
	BD_EQ(run_shell(false, "while read a b; do [ $a != SigBlk: ] || echo $(( 0x$b )); done </proc/self/status", n, 1), 1);
	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8));
	BD_EQ(n[0], mask);
}

static void what_cannot_be_executed(void)
{
	char *argv[] = { "x", NULL };
	char path[4096];
	int fd;

	BD_ERR(raw(SYS_execve, "/nonexistent", argv, env), ENOENT);
	BD_ERR(raw(SYS_execve, "/etc/passwd", argv, env), EACCES);
	BD_ERR(raw(SYS_execve, "/", argv, env), EACCES);
	BD_ERR(raw(SYS_execve, 8, argv, env), EFAULT);
	snprintf(path, sizeof(path), "%s/broken", getenv("BD_DIR"));
	fd = BD_SYS(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
	BD_EQ(write(fd, "neither\n", 8), 8);
	close(fd);
	BD_ERR(raw(SYS_execve, path, argv, env), ENOEXEC);
	BD_EQ(raw(SYS_getppid), 1);
}

static void by_descriptor(void)
{
	char *argv[] = { "sh", "-c", "exit $(( $$ == $1 ? 0 : 1 ))", "sh", NULL, NULL }, number[16];
	int fd = BD_SYS(open("/bin/sh", O_PATH | O_CLOEXEC));
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));

	if (child == 0) {
		snprintf(number, sizeof(number), "%ld", raw(SYS_getpid));
		argv[4] = number;
		raw(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
		raw(SYS_exit_group, 126);
	}
	bd_reap_ok(child);
}

/* Two threads execute at once, a third forks: one of them wins, and nobody is left behind. */
static void *forks(void *arg)
{
	for (;;)
		if (raw(SYS_fork) == 0)
			raw(SYS_exit_group, 0);
	return NULL;
}

static void *exec_true(void *arg)
{
	char *argv[] = { "true", NULL };

	raw(SYS_execve, "/bin/true", argv, env);
	return NULL;
}

static void races(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t child = BD_SYS(fork());
		pthread_t t;

		if (child == 0) {
			signal(SIGCHLD, SIG_IGN);
			pthread_create(&t, NULL, forks, NULL);
			pthread_create(&t, NULL, exec_true, NULL);
			pthread_create(&t, NULL, exec_true, NULL);
			for (;;)
				raw(SYS_pause);
		}
		bd_reap_ok(child);
	}
}

/* All threads execute at the same moment, the leader among them: one of them does, and nobody waits for another that
 * waits for him. */
static volatile int ready;

static void *exec_with_all(void *arg)
{
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (ready < 4)
		raw(SYS_sched_yield);
	return exec_true(arg);
}

static void all_threads_at_once(void)
{
	for (int i = 0; i < 100; i++) {
		pid_t child = BD_SYS(fork());
		pthread_t t;

		if (child == 0) {
			for (int k = 0; k < 3; k++)
				pthread_create(&t, NULL, exec_with_all, NULL);
			exec_with_all(NULL);
			for (;;)
				raw(SYS_pause);
		}
		bd_reap_ok(child);
	}
}

const struct bd_case bd_cases[] = {
	{ "who executes keeps its number", keeps_its_number },
	{ "a thread that is not the leader gets the leader's", a_thread_gets_its_leaders },
	{ "and its signal mask", keeps_its_mask },
	{ "what cannot be executed", what_cannot_be_executed },
	{ "by descriptor", by_descriptor },
	{ "threads that execute and fork at once", races },
	{ "all threads execute at once", all_threads_at_once },
	{},
};
