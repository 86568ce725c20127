/* vfork: child and parent use one stack, one after the other. */
#include "case.h"

#include <spawn.h>

extern char **environ;

static void parent_waits_for_the_child(void)
{
	volatile int ran = 0;
	pid_t mine = (pid_t)raw(SYS_getpid);
	long pid = BD_DO(raw(SYS_vfork));

	if (pid == 0) {
		ran = (int)raw(SYS_getpid);
		raw(SYS_exit, raw(SYS_getppid) != mine);
	}
	BD_EQ(ran, pid);
	bd_reap_ok((pid_t)pid);
	BD_EQ(raw(SYS_getpid), mine);
}

/* Fills much of the stack below its caller with words that no address is. */
static __attribute__((noinline)) int dig(int depth)
{
	volatile uint64_t fill[512];

	for (size_t i = 0; i < 512; i++)
		fill[i] = 0x4141414141414141;
	raw(SYS_getppid);
	return depth ? dig(depth - 1) + (int)(fill[depth] & 1) : (int)(fill[0] & 1);
}

static void child_uses_the_stack_deeply(void)
{
	for (int i = 0; i < 20; i++) {
		long pid = BD_DO(raw(SYS_vfork));

		if (pid == 0) {
			dig(40);
			raw(SYS_exit, 7);
		}
		BD_EQ(bd_reap((pid_t)pid), 7 << 8);
	}
}

static void child_execs(void)
{
	static char *argv[] = { "sh", "-c", "echo $$ $PPID", NULL };
	char text[64] = "";
	int p[2], a, b;
	long pid;

	BD_SYS(pipe(p));
	pid = BD_DO(raw(SYS_vfork));
	if (pid == 0) {
		raw(SYS_dup2, p[1], 1);
		raw(SYS_execve, "/bin/sh", argv, environ);
		raw(SYS_exit, 127);
	}
	bd_reap_ok((pid_t)pid);
	BD_OP(read(p[0], text, sizeof(text) - 1), >, 0);
	BD_EQ(sscanf(text, "%d %d", &a, &b), 2);
	BD_EQ(a, pid);
	BD_EQ(b, raw(SYS_getpid));
}

static void on_usr1(int sig)
{
}

/* Signal actions are not shared by vfork, though memory is. */
static void child_changes_handlers(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 }, now;
	long pid;

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	pid = BD_DO(raw(SYS_vfork));
	if (pid == 0) {
		struct sigaction ignore = { .sa_handler = SIG_IGN }, dfl = { .sa_handler = SIG_DFL };

		sigaction(SIGUSR1, &ignore, NULL);
		sigaction(SIGUSR2, &ignore, NULL);
		sigaction(SIGTERM, &dfl, NULL);
		raw(SYS_exit, 0);
	}
	bd_reap_ok((pid_t)pid);
	BD_SYS(sigaction(SIGUSR1, NULL, &now));
	BD_CHECK(now.sa_handler == on_usr1);
	BD_SYS(sigaction(SIGUSR2, NULL, &now));
	BD_CHECK(now.sa_handler == SIG_DFL);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
}

static void killed_before_exec(void)
{
	long pid = BD_DO(raw(SYS_vfork));

	if (pid == 0) {
		raw(SYS_kill, raw(SYS_getpid), SIGKILL);
		raw(SYS_exit, 0);
	}
	BD_EQ(bd_reap((pid_t)pid), SIGKILL);
}

static void inside_each_other(void)
{
	volatile int inner = 0;
	long pid = BD_DO(raw(SYS_vfork));

	if (pid == 0) {
		long second = raw(SYS_vfork);

		if (second == 0) {
			inner = (int)raw(SYS_getpid);
			raw(SYS_exit, 0);
		}
		raw(SYS_exit, raw(SYS_wait4, second, NULL, 0, NULL) != second || inner != second);
	}
	bd_reap_ok((pid_t)pid);
	BD_OP(inner, >, pid);
}

static void spawned(posix_spawnattr_t *a, const char *script, char *out, size_t size, pid_t *ret_pid)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	posix_spawn_file_actions_t files;
	int p[2];
	size_t len = 0;
	ssize_t n;

	BD_SYS(pipe2(p, O_CLOEXEC));
	BD_PT(posix_spawn_file_actions_init(&files));
	BD_PT(posix_spawn_file_actions_adddup2(&files, p[1], 1));
	BD_PT(posix_spawn(ret_pid, "/bin/sh", &files, a, argv, environ));
	close(p[1]);
	while ((n = BD_SYS(read(p[0], out + len, size - 1 - len))) > 0)
		len += (size_t)n;
	out[len] = 0;
	close(p[0]);
	posix_spawn_file_actions_destroy(&files);
	bd_reap_ok(*ret_pid);
}

static void by_posix_spawn(void)
{
	posix_spawnattr_t a;
	sigset_t set;
	char text[256];
	int pid, group, session;
	pid_t child;

	BD_PT(posix_spawnattr_init(&a));
	sigfillset(&set);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	sigemptyset(&set);
	BD_PT(posix_spawnattr_setsigmask(&a, &set));
	BD_PT(posix_spawnattr_setpgroup(&a, 0));
	sigfillset(&set);
	BD_PT(posix_spawnattr_setsigdefault(&a, &set));
	BD_PT(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP |
						   POSIX_SPAWN_SETSIGDEF));
	spawned(&a, "read p n s pp g ss r </proc/self/stat; echo $$ $g $ss; grep SigBlk /proc/self/status", text,
		sizeof(text), &child);
	BD_EQ(sscanf(text, "%d %d %d", &pid, &group, &session), 3);
	BD_EQ(pid, child);
	BD_EQ(group, child);
	BD_EQ(session, raw(SYS_getsid, 0));
	BD_CHECK(strstr(text, "0000000000000000"));
	BD_PT(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSID));
	spawned(&a, "read p n s pp g ss r </proc/self/stat; echo $$ $g $ss", text, sizeof(text), &child);
	BD_EQ(sscanf(text, "%d %d %d", &pid, &group, &session), 3);
	BD_EQ(session, child);
	BD_EQ(group, child);
}

static void spawn_of_nothing(void)
{
	char *argv[] = { "nothing", NULL };
	pid_t pid;

	BD_EQ(posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ), ENOENT);
	BD_ERR(raw(SYS_wait4, -1, NULL, WNOHANG, NULL), ECHILD);
}

const struct bd_case bd_cases[] = {
	{ "the parent waits until the child has ended", parent_waits_for_the_child },
	{ "the child uses the parent's stack deeply", child_uses_the_stack_deeply },
	{ "the child executes a program", child_execs },
	{ "handlers the child sets are not the parent's", child_changes_handlers },
	{ "the child is killed before it executes anything", killed_before_exec },
	{ "a vfork inside a vfork", inside_each_other },
	{ "posix_spawn with a mask, default actions, a group, a session", by_posix_spawn },
	{ "posix_spawn of a program that is not there", spawn_of_nothing },
	{},
};
