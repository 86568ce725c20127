/* The i386 entry and x32 numbers: covered or refused, never a way around. */
#include "case.h"

enum { I386_GETPID = 20, I386_KILL = 37, I386_FORK = 2, I386_TGKILL = 270, X32 = 0x40000000 };

/* The answer, or -ENOSYS if the entry kills or is not there: in a child, since it may. */
static long in_a_child(long (*call)(long a, long b), long a, long b)
{
	long *answer = bd_shared(4096);
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));
	int status;

	if (child == 0) {
		answer[0] = call(a, b);
		raw(SYS_exit_group, 0);
	}
	status = bd_reap(child);
	if (WIFSIGNALED(status)) {
		BD_CHECK(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
		return -ENOSYS;
	}
	BD_EQ(status, 0);
	return answer[0];
}

static long getpid_i386(long a, long b)
{
	return raw_int80(I386_GETPID, 0, 0, 0) == raw(SYS_getpid) ? 1 : raw_int80(I386_GETPID, 0, 0, 0);
}

static long kill_i386(long pid, long sig)
{
	return raw_int80(I386_KILL, pid, sig, 0);
}

static long tgkill_i386(long pid, long sig)
{
	return raw_int80(I386_TGKILL, pid, pid, sig);
}

static long fork_i386(long a, long b)
{
	long pid = raw_int80(I386_FORK, 0, 0, 0);

	if (pid == 0) {
		BD_OP(raw(SYS_getpid), <, 3000);
		raw(SYS_exit_group, 0);
	}
	if (pid > 0)
		bd_reap_ok((pid_t)pid);
	return pid;
}

static long getpid_x32(long a, long b)
{
	long pid = raw(X32 | SYS_getpid);

	return pid == raw(SYS_getpid) ? 1 : pid;
}

static long kill_x32(long pid, long sig)
{
	return raw(X32 | SYS_kill, pid, sig);
}

static void i386(void)
{
	long r = in_a_child(getpid_i386, 0, 0);

	if (r != 1)
		BD_ERR(r, ENOSYS);
	r = in_a_child(fork_i386, 0, 0);
	if (r != -ENOSYS) {
		BD_OP(r, >, 1);
		BD_OP(r, <, 3000);
	}
	BD_OUTSIDE_ERR(({
			       r = in_a_child(kill_i386, outside, 0);
			       r == -ENOSYS ? -ESRCH : r;
		       }),
		       ESRCH);
	BD_OUTSIDE_ERR(({
			       r = in_a_child(tgkill_i386, outside, 0);
			       r == -ENOSYS ? -ESRCH : r;
		       }),
		       ESRCH);
}

static void x32(void)
{
	long r = in_a_child(getpid_x32, 0, 0);

	if (r != 1)
		BD_ERR(r, ENOSYS);
	BD_OUTSIDE_ERR(({
			       r = in_a_child(kill_x32, outside, 0);
			       r == -ENOSYS ? -ESRCH : r;
		       }),
		       ESRCH);
}

static void numbers_of_no_call(void)
{
	BD_ERR(raw(1999), ENOSYS);
	for (int i = 0; i < 3; i++) /* newer than this kernel and we know */
		BD_ERR(raw(1000), ENOSYS);
	BD_ERR(raw(400), ENOSYS);
	BD_ERR(raw(-1), ENOSYS);
	BD_ERR(raw(0x7fffffff), ENOSYS);
}

const struct bd_case bd_cases[] = {
	{ "the i386 entry", i386 },
	{ "x32 numbers", x32 },
	{ "numbers of no call", numbers_of_no_call },
	{},
};
