/* rt_sigaction: what is set is what is told, and what happens. */
#include "case.h"

#include <setjmp.h>
#include <sys/prctl.h>
#include <ucontext.h>

struct action { /* the kernel's struct */
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

enum { RESTORER = 0x04000000 };

static volatile int calls, nested;
static siginfo_t last;

static void count(int sig)
{
	calls++;
}

static void told_as_set(void)
{
	unsigned long flags[] = { 0, SA_RESTART, SA_SIGINFO | SA_ONSTACK, SA_NODEFER | SA_RESETHAND,
				  SA_NOCLDSTOP | SA_NOCLDWAIT };

	for (int sig = 1; sig < 65; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP) {
			struct action a = { .handler = count };

			BD_ERR(raw(SYS_rt_sigaction, sig, &a, NULL, 8), EINVAL);
			BD_DO(raw(SYS_rt_sigaction, sig, NULL, &a, 8));
			continue;
		}
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			struct action a = { (void *)count, flags[i] | RESTORER, (void *)0x123450, 0 }, got = {};

			a.mask = 0xaaaaaaaaaaaaaaaaULL & ~(1ULL << (SIGKILL - 1)) & ~(1ULL << (SIGSTOP - 1));
			a.mask |= 1ULL << (SIGSYS - 1);
			BD_DO(raw(SYS_rt_sigaction, sig, &a, NULL, 8));
			BD_DO(raw(SYS_rt_sigaction, sig, NULL, &got, 8));
			BD_CHECK(got.handler == a.handler);
			BD_EQ(got.flags, a.flags);
			BD_EQ(got.mask, a.mask);
			BD_CHECK(got.restorer == a.restorer);
			a.flags = flags[i]; /* it is never delivered, but told */
			a.restorer = (void *)0x567890;
			BD_DO(raw(SYS_rt_sigaction, sig, &a, &got, 8));
			BD_CHECK(got.restorer == (void *)0x123450);
			BD_DO(raw(SYS_rt_sigaction, sig, NULL, &got, 8));
			BD_EQ(got.flags, flags[i]);
			BD_CHECK(got.restorer == (void *)0x567890);
			a = (struct action){ SIG_IGN };
			BD_DO(raw(SYS_rt_sigaction, sig, &a, &got, 8));
			BD_EQ(got.flags, flags[i]);
			BD_DO(raw(SYS_rt_sigaction, sig, NULL, &got, 8));
			BD_CHECK(got.handler == (void *)SIG_IGN && got.flags == 0);
		}
	}
	BD_ERR(raw(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	BD_ERR(raw(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	BD_ERR(raw(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 7), EINVAL);
	BD_ERR(raw(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), EFAULT);
}

static void resets_and_defers(void)
{
	struct sigaction sa = { .sa_handler = count, .sa_flags = SA_RESETHAND }, got;

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(calls, 1);
	BD_SYS(sigaction(SIGUSR1, NULL, &got));
	BD_CHECK(got.sa_handler == SIG_DFL);
}

static void once_more(int sig)
{
	if (calls++ == 0) {
		raw(SYS_kill, raw(SYS_getpid), sig);
		nested = calls;
	}
}

static void nodefer_nests(void)
{
	struct sigaction sa = { .sa_handler = once_more };

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(nested, 1);
	BD_EQ(calls, 2);
	calls = 0;
	sa.sa_flags = SA_NODEFER;
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(nested, 2);
}

static uint64_t mask_inside;

static void look_at_mask(int sig, siginfo_t *si, void *context)
{
	raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask_inside, 8);
	last = *si;
	calls++;
}

static void mask_of_the_handler(void)
{
	struct sigaction sa = { .sa_sigaction = look_at_mask, .sa_flags = SA_SIGINFO };
	uint64_t before, after;

	sigfillset(&sa.sa_mask);
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &before, 8));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(mask_inside | 3ULL << 31, bd_blocked(~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1))) | 3ULL << 31);
	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &after, 8));
	BD_EQ(before, after);
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGTERM);
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(mask_inside, before | 1ULL << (SIGTERM - 1) | 1ULL << (SIGUSR1 - 1));
}

static char *volatile stack_inside;

static void look_at_stack(int sig)
{
	char here;

	stack_inside = &here;
	raw(SYS_getppid);
	bd_pause_ms(0);
	calls++;
}

static int changed_inside;

static void change_stack(int sig)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	changed_inside = (int)raw(SYS_sigaltstack, &none, NULL);
}

/* On one as large as Go's traps are handled; it may be taken away and exchanged all the same, as long as no handler stands on it. */
static void large_alternative_stacks(void)
{
	static char stack[2][32768];
	stack_t ss[2] = { { .ss_sp = stack[0], .ss_size = sizeof(stack[0]) }, { .ss_sp = stack[1], .ss_size = sizeof(stack[1]) } };
	stack_t none = { .ss_flags = SS_DISABLE, .ss_size = 32768 }, bad = { .ss_flags = 4 }, got, small = { .ss_sp = stack, .ss_size = 2000 };
	struct sigaction sa = { .sa_handler = change_stack, .sa_flags = SA_ONSTACK };

	BD_DO(raw(SYS_sigaltstack, &ss[0], NULL));
	BD_DO(raw(SYS_sigaltstack, &ss[1], &got));
	BD_CHECK(got.ss_sp == stack[0] && got.ss_size == sizeof(stack[0]) && got.ss_flags == 0);
	BD_ERR(raw(SYS_sigaltstack, &bad, NULL), EINVAL);
	BD_ERR(raw(SYS_sigaltstack, &small, NULL), ENOMEM);
	BD_ERR(raw(SYS_sigaltstack, 8, NULL), EFAULT);
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(changed_inside, -EPERM);
	BD_DO(raw(SYS_sigaltstack, &none, &got));
	BD_CHECK(got.ss_sp == stack[1] && got.ss_size == sizeof(stack[1]) && got.ss_flags == 0);
	BD_DO(raw(SYS_sigaltstack, NULL, &got));
	BD_CHECK(got.ss_flags == SS_DISABLE && got.ss_size == 0);
}

static void small_alternative_stacks(void)
{
	static char stack[8192];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, got;
	struct sigaction sa = { .sa_handler = look_at_stack, .sa_flags = SA_ONSTACK };

	BD_DO(raw(SYS_sigaltstack, &ss, NULL));
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_CHECK(stack_inside >= stack && stack_inside < stack + sizeof(stack));
	BD_DO(raw(SYS_sigaltstack, NULL, &got));
	BD_CHECK(got.ss_sp == stack && got.ss_size == sizeof(stack) && got.ss_flags == 0);
}

/* Allowed where no signal comes any more that would be handled on it. */
static void an_alternative_stack_is_unmapped(void)
{
	enum { SIZE = 1 << 16 };
	char *stack = BD_SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	stack_t ss = { .ss_sp = stack, .ss_size = SIZE };

	BD_DO(raw(SYS_sigaltstack, &ss, NULL));
	BD_DO(raw(SYS_getppid));
	BD_SYS(munmap(stack, SIZE));
	BD_DO(raw(SYS_getppid));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), 0));
}

static sigjmp_buf jump;

static void jump_out(int sig)
{
	raw(SYS_getpid);
	siglongjmp(jump, ++calls);
}

static void jumps_out_of_handlers(void)
{
	struct sigaction sa = { .sa_handler = jump_out };
	uint64_t before, after;

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &before, 8));
	for (volatile int i = 0; i < 200; i++) {
		int n = sigsetjmp(jump, 1);

		if (!n)
			raw(SYS_kill, raw(SYS_getpid), SIGUSR1);
		BD_EQ(n, i + 1);
	}
	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &after, 8));
	BD_EQ(before, after);
}

static ucontext_t here, there;

static void in_another_context(void)
{
	for (;;) {
		calls += raw(SYS_getppid) == 1;
		swapcontext(&there, &here);
	}
}

static void contexts_are_swapped(void)
{
	static char stack[65536];

	BD_SYS(getcontext(&there));
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	makecontext(&there, in_another_context, 0);
	for (int i = 0; i < 100; i++)
		BD_SYS(swapcontext(&here, &there));
	BD_EQ(calls, 100);
}

static void ask_for_ids(void *arg)
{
	BD_OP(raw(SYS_getpid), >, 2);
	BD_OP(raw(SYS_getppid), >, 1);
}

/* SIGSYS is a signal like any other: blocked, ignored, handled, sent. */
static void sigsys_is_the_programs(void)
{
	struct sigaction sa = { .sa_sigaction = look_at_mask, .sa_flags = SA_SIGINFO }, got;
	uint64_t all = ~0ULL, old = 0, pending = 0;

	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &old, 8));
	BD_EQ(old & 1ULL << (SIGSYS - 1), bd_blocked(1ULL << (SIGSYS - 1)));
	BD_OP(raw(SYS_getpid), >, 1);
	bd_reap_ok(bd_child(ask_for_ids, NULL));
	BD_SYS(sigaction(SIGSYS, &sa, NULL));
	BD_SYS(sigaction(SIGSYS, NULL, &got));
	BD_CHECK(got.sa_sigaction == look_at_mask && got.sa_flags & SA_SIGINFO);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGSYS));
	BD_EQ(calls, bd_virtual()); /* it is never blocked there */
	BD_DO(raw(SYS_rt_sigpending, &pending, 8));
	BD_EQ(pending & 1ULL << (SIGSYS - 1), bd_blocked(1ULL << (SIGSYS - 1)));
	all = 0;
	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
	BD_EQ(calls, 1);
	BD_EQ(last.si_signo, SIGSYS);
	BD_EQ(last.si_pid, raw(SYS_getpid));
	signal(SIGSYS, SIG_IGN);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGSYS));
	BD_OP(raw(SYS_getpid), >, 1);
}

static void sigsys_by_default_kills(void)
{
	pid_t child = bd_sleeper();

	BD_DO(raw(SYS_kill, child, SIGSYS));
	BD_EQ(bd_reap(child) & 0x7f, SIGSYS);
}

static void ignores_sigsys_and_executes(void *arg)
{
	signal(SIGSYS, SIG_IGN);
	execl("/bin/sh", "sh", "-c", "kill -SYS $$; exit 7", NULL);
}

static void exec_keeps_an_ignored_sigsys(void)
{
	pid_t child = bd_child(ignores_sigsys_and_executes, NULL);

	BD_EQ(bd_reap(child), 7 << 8);
}

static void exec_keeps_what_is_ignored(void)
{
	char *argv[] = { "grep", "Sig[BIC]", "/proc/self/status", NULL }, *env[] = { NULL };
	char text[512];
	uint64_t set = 1ULL << (SIGUSR2 - 1) | 1ULL << (SIGSYS - 1), n;
	int p[2];
	pid_t child;
	ssize_t len;

	BD_SYS(pipe(p));
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, count);
	child = (pid_t)BD_DO(raw(SYS_fork));
	if (child == 0) {
		raw(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8);
		raw(SYS_dup2, p[1], 1);
		raw(SYS_execve, "/bin/grep", argv, env);
		raw(SYS_exit, 127);
	}
	bd_reap_ok(child);
	len = BD_SYS(read(p[0], text, sizeof(text) - 1));
	text[len] = 0;
	BD_CHECK(strstr(text, "SigBlk:"));
	n = strtoull(strstr(text, "SigBlk:") + 7, NULL, 16);
	BD_EQ(n, bd_blocked(set));
	n = strtoull(strstr(text, "SigIgn:") + 7, NULL, 16);
	BD_CHECK(n & 1ULL << (SIGUSR1 - 1));
	BD_CHECK(!(n & 1ULL << (SIGUSR2 - 1)));
	n = strtoull(strstr(text, "SigCgt:") + 7, NULL, 16);
	BD_EQ(n & 1ULL << (SIGSYS - 1), 0);
}

/* An action of vpid 1 that is reset is init's default: nothing. */
static void signal_init(void *arg)
{
	for (int i = 0; i < 3; i++)
		BD_DO(raw(SYS_kill, 1, SIGUSR1));
	BD_DO(raw(SYS_kill, 1, SIGUSR2));
}

static void raise_twice(void *arg)
{
	int before = calls;

	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(calls, before + 1);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
}

static void raise_twice_by_default(void *arg)
{
	raw(SYS_kill, raw(SYS_getpid), SIGUSR1);
}

static void init_resets(void)
{
	for (int i = 0; i < 3; i++) {
		struct sigaction sa = { .sa_handler = count, .sa_flags = SA_RESETHAND | (i == 2 ? SA_NODEFER : 0) };
		struct sigaction got;

		calls = 0;
		sigemptyset(&sa.sa_mask);
		sigaddset(&sa.sa_mask, SIGTERM);
		BD_SYS(sigaction(SIGUSR1, &sa, NULL));
		BD_SYS(sigaction(SIGUSR1, NULL, &got));
		BD_CHECK(got.sa_handler == count && (got.sa_flags & ~RESTORER) == sa.sa_flags);
		BD_EQ(bd_reap(bd_child(raise_twice, NULL)) & 0x7f, SIGUSR1); /* a child inherits it, and is no init */
		BD_EQ(calls, 0);
		sa.sa_flags = 0;
		BD_SYS(sigaction(SIGUSR2, &sa, NULL));
		bd_reap_ok(bd_child(signal_init, NULL));
		BD_UNTIL(calls >= 2);
		BD_EQ(calls, 2); /* one of either */
		BD_SYS(sigaction(SIGUSR1, NULL, &got));
		BD_CHECK(got.sa_handler == SIG_DFL);
		BD_EQ(got.sa_flags & SA_RESETHAND, SA_RESETHAND);
		BD_EQ(sigismember(&got.sa_mask, SIGTERM), 1);
		BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
		BD_EQ(bd_reap(bd_child(raise_twice_by_default, NULL)) & 0x7f, SIGUSR1);
	}
	raw(SYS_exit_group, 0);
}

/* Its child of vfork(2) has the same memory, but actions of its own. */
static void a_vfork_child_resets_its_own(void)
{
	struct sigaction sa = { .sa_handler = count, .sa_flags = SA_RESETHAND }, got;
	pid_t child;
	int st;

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	child = vfork();
	if (child == 0) {
		signal(SIGUSR1, SIG_DFL);
		_exit(0);
	}
	BD_SYS(child);
	BD_SYS(waitpid(child, &st, 0));
	BD_SYS(sigaction(SIGUSR1, NULL, &got));
	BD_EQ(got.sa_flags & SA_RESETHAND, SA_RESETHAND);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(calls, 1);
	BD_SYS(sigaction(SIGUSR1, NULL, &got));
	BD_CHECK(got.sa_handler == SIG_DFL);
	raw(SYS_exit_group, 0);
}

static void a_vfork_child_has_its_own_sigsys(void)
{
	struct sigaction got;
	pid_t child;
	int st;

	signal(SIGSYS, count);
	child = vfork();
	if (child == 0) {
		signal(SIGSYS, SIG_DFL);
		_exit(0);
	}
	BD_SYS(child);
	BD_SYS(waitpid(child, &st, 0));
	BD_SYS(sigaction(SIGSYS, NULL, &got));
	BD_CHECK(got.sa_handler == count);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGSYS));
	BD_EQ(calls, 1);
}

static void sigsys_handlers_like_others(void)
{
	struct sigaction sa = { .sa_sigaction = look_at_mask, .sa_flags = SA_SIGINFO | SA_RESETHAND }, got;

	sigaddset(&sa.sa_mask, SIGTERM);
	BD_SYS(sigaction(SIGSYS, &sa, NULL));
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGSYS));
	BD_EQ(calls, 1);
	BD_EQ(mask_inside, bd_blocked(1ULL << (SIGTERM - 1) | 1ULL << (SIGSYS - 1)));
	BD_SYS(sigaction(SIGSYS, NULL, &got));
	BD_CHECK(got.sa_handler == SIG_DFL);
	bd_reap_ok(bd_child(ask_for_ids, NULL));
}

const struct bd_case bd_cases[] = {
	{ "told as set, for all signals", told_as_set },
	{ "SA_RESETHAND", resets_and_defers },
	{ "SA_RESETHAND as pid 1", init_resets, .init = true },
	{ "SA_RESETHAND as pid 1, and a vfork(2)ed child resets", a_vfork_child_resets_its_own, .init = true },
	{ "SA_NODEFER", nodefer_nests },
	{ "the mask inside a handler, and afterwards", mask_of_the_handler },
	{ "a large alternative stack", large_alternative_stacks },
	{ "a small alternative stack", small_alternative_stacks },
	{ "an alternative stack is unmapped while it is set", an_alternative_stack_is_unmapped },
	{ "siglongjmp out of handlers", jumps_out_of_handlers },
	{ "contexts are swapped", contexts_are_swapped },
	{ "SIGSYS is the program's own", sigsys_is_the_programs },
	{ "SIGSYS kills by default", sigsys_by_default_kills },
	{ "the action of SIGSYS has a mask and flags", sigsys_handlers_like_others },
	{ "exec keeps the mask and what is ignored", exec_keeps_what_is_ignored },
	{ "a vfork(2)ed child has its own action of SIGSYS", a_vfork_child_has_its_own_sigsys },
	{ "exec keeps an ignored SIGSYS", exec_keeps_an_ignored_sigsys },
	{},
};
