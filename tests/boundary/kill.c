/* kill: one, a group, all, and init. */
#include "case.h"

static void one_process(void)
{
	pid_t child = bd_sleeper();

	BD_DO(raw(SYS_kill, child, 0));
	BD_DO(raw(SYS_kill, child, SIGUSR1));
	BD_EQ(bd_reap(child), SIGUSR1);
	BD_ERR(raw(SYS_kill, child, 0), ESRCH);
	BD_ERR(raw(SYS_kill, child, SIGUSR1), ESRCH);
	BD_ERR(raw(SYS_kill, raw(SYS_getpid), 65), EINVAL);
	BD_ERR(raw(SYS_kill, INT32_MIN, 0), ESRCH);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), 0));
}

static void a_zombie_is_there(void)
{
	pid_t child = bd_sleeper();

	BD_DO(raw(SYS_kill, child, SIGKILL));
	BD_UNTIL(bd_state(child) == 'Z');
	BD_DO(raw(SYS_kill, child, 0));
	BD_DO(raw(SYS_kill, child, SIGTERM));
	bd_reap(child);
}

static void nobody_outside(void)
{
	for (int sig = 0; sig < 65; sig += 3) {
		BD_OUTSIDE_ERR(raw(SYS_kill, outside, sig), ESRCH);
		BD_OUTSIDE_ERR(raw(SYS_kill, -outside, sig), ESRCH);
	}
}

static void a_group(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper(), c = bd_sleeper();

	BD_DO(raw(SYS_setpgid, a, a));
	BD_DO(raw(SYS_setpgid, b, a));
	BD_DO(raw(SYS_kill, -a, SIGUSR2));
	BD_EQ(bd_reap(a), SIGUSR2);
	BD_EQ(bd_reap(b), SIGUSR2);
	BD_DO(raw(SYS_kill, c, 0));
	BD_EQ(bd_state(c), 'S');
	BD_ERR(raw(SYS_kill, -a, 0), ESRCH);
	BD_ERR(raw(SYS_kill, -c, SIGTERM), ESRCH);
	bd_end(c);
}

static void in_a_group_of_its_own(void *seen)
{
	pid_t child;

	BD_DO(raw(SYS_setpgid, 0, 0));
	child = bd_sleeper();
	signal(SIGUSR1, SIG_IGN);
	BD_DO(raw(SYS_kill, 0, SIGUSR1));
	BD_EQ(bd_reap(child), SIGUSR1);
	*(int *)seen = 1;
}

static void own_group(void)
{
	int *seen = bd_shared(4096);

	bd_reap_ok(bd_child(in_a_group_of_its_own, seen));
	BD_EQ(*seen, 1);
}

static int *counts;

static void count(int sig)
{
	__atomic_add_fetch(&counts[sig], 1, __ATOMIC_SEQ_CST);
}

static void all_but_the_caller(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper();

	counts = bd_shared(4096);
	signal(SIGUSR1, count);
	BD_DO(raw(SYS_kill, -1, SIGUSR1));
	BD_EQ(bd_reap(a), SIGUSR1);
	BD_EQ(bd_reap(b), SIGUSR1);
	BD_EQ(counts[SIGUSR1], 0);
	BD_EQ(raw(SYS_getppid), 1);
	BD_DO(bd_ask("hello")); /* who stands outside lives on */
}

static void alone_there_is_nobody(void)
{
	BD_ERR(raw(SYS_kill, -1, SIGUSR1), ESRCH);
}

static void send_all(void *arg)
{
	BD_DO(raw(SYS_kill, -1, SIGUSR1));
}

static void all_but_init(void)
{
	pid_t bystander;

	counts = bd_shared(4096);
	bystander = bd_sleeper();
	signal(SIGUSR1, count);
	bd_reap_ok(bd_child(send_all, NULL));
	BD_EQ(bd_reap(bystander), SIGUSR1);
	BD_EQ(counts[SIGUSR1], 0);
}

static void to_init(void *arg)
{
	for (int sig = 1; sig < 65; sig++)
		if (sig != 32 && sig != 33) /* glibc's own */
			BD_DO(raw(SYS_kill, 1, sig));
}

/* From inside, no default action reaches init: not even SIGKILL's and SIGSTOP's. */
static void default_actions_of_init(void)
{
	bd_reap_ok(bd_child(to_init, NULL));
	for (int sig = 1; sig < 32; sig++)
		BD_DO(raw(SYS_kill, 1, sig));
	BD_DO(raw(SYS_kill, 0, SIGTERM));
	BD_CHECK(strchr("RS", bd_state(1)));
}

/* A signal that is blocked is kept even though its action is the default one. */
static void blocked_at_init(void)
{
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	BD_DO(raw(SYS_kill, 1, SIGTERM));
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGTERM);
	BD_EQ(si.si_pid, 1);
	BD_DO(raw(SYS_kill, 1, SIGTERM));
	BD_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

static void handled_by_init(void)
{
	counts = bd_shared(4096);
	signal(SIGUSR1, count);
	BD_DO(raw(SYS_kill, 1, SIGUSR1));
	BD_EQ(counts[SIGUSR1], 1);
}

static void stop_init_from_inside(void *arg)
{
	BD_DO(raw(SYS_kill, 1, SIGSTOP));
	BD_DO(raw(SYS_kill, 1, SIGKILL));
	BD_DO(raw(SYS_tkill, 1, SIGKILL));
	BD_DO(raw(SYS_tgkill, 1, 1, SIGSTOP));
}

static void sigkill_and_sigstop_from_inside(void)
{
	bd_reap_ok(bd_child(stop_init_from_inside, NULL));
	BD_CHECK(strchr("RS", bd_state(1)));
}

static void outside_default_is_dropped(void)
{
	bd_ask("signal 1 TERM");
	bd_ask("signal 1 USR1");
	bd_ask("signal 1 TSTP");
	bd_ask("signal 1 SEGV");
	BD_CHECK(strchr("RS", bd_state(1)));
}

static void outside_sigkill_acts(void)
{
	bd_sleeper();
	bd_ask("signal 1 KILL");
	raw(SYS_pause);
}

static void stopped_by_the_outside(void *seen)
{
	volatile int *s = seen;

	bd_ask("signal 1 STOP");
	BD_UNTIL(bd_state(1) == 'T');
	s[0] = 1;
	bd_ask("signal 1 CONT");
	BD_UNTIL(bd_state(1) != 'T');
}

static void outside_sigstop_acts(void)
{
	int *seen = bd_shared(4096);

	bd_reap_ok(bd_child(stopped_by_the_outside, seen));
	BD_EQ(*seen, 1);
}

static siginfo_t *got;

static void keep(int sig, siginfo_t *si, void *context)
{
	*got = *si;
}

static void outside_sender_is_nobody(void)
{
	struct sigaction sa = { .sa_sigaction = keep, .sa_flags = SA_SIGINFO };
	sigset_t set;
	siginfo_t si;

	got = bd_shared(4096);
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	got->si_pid = -1;
	bd_ask("signal 1 USR1");
	BD_UNTIL(got->si_signo == SIGUSR1);
	BD_EQ(got->si_pid, 0);
	BD_EQ(got->si_code, SI_USER);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	bd_ask("signal 1 USR2");
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGUSR2);
	BD_EQ(si.si_pid, 0);
}

const struct bd_case bd_cases[] = {
	{ "one process", one_process },
	{ "a zombie is still there", a_zombie_is_there },
	{ "nobody outside", nobody_outside },
	{ "a group", a_group },
	{ "the own group", own_group },
	{ "all but the caller", all_but_the_caller },
	{ "all, with nobody there", alone_there_is_nobody },
	{ "all but init", all_but_init, .init = true },
	{ "default actions do not reach init", default_actions_of_init, .init = true },
	{ "what init blocks is kept for it", blocked_at_init, .init = true },
	{ "what init handles reaches it", handled_by_init, .init = true },
	{ "SIGKILL and SIGSTOP from inside do not reach init", sigkill_and_sigstop_from_inside, .init = true },
	{ "default actions from outside do not reach init", outside_default_is_dropped, .init = true },
	{ "SIGKILL from outside ends init", outside_sigkill_acts, .init = true, .ends = 128 + SIGKILL },
	{ "SIGSTOP from outside stops init", outside_sigstop_acts, .init = true },
	{ "a sender outside is process 0", outside_sender_is_nobody, .init = true },
	{},
};
