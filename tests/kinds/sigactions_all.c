/* Shows: the action, flags and mask of every signal, as the kernel has them.
 *
 *	first ── child with other actions
 */
#include "kindtest.h"

/* struct sigaction of the kernel, arch/x86/include/uapi/asm/signal.h */
struct action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};
static volatile int hits[65];

static void handler(int sig)
{
	hits[sig]++;
}

static void get(int sig, struct action *a)
{
	KT_SYS(syscall(SYS_rt_sigaction, sig, NULL, a, 8));
}

static void hold(void (*wait)(void))
{
	struct action before[65], now;

	for (int s = 1; s <= 64; s++)
		get(s, &before[s]);
	wait();
	for (int s = 1; s <= 64; s++) {
		get(s, &now);
		if (now.handler != before[s].handler || now.flags != before[s].flags ||
		    now.restorer != before[s].restorer || now.mask != before[s].mask)
			KT_FAIL("signal %d: handler %p flags 0x%lx mask 0x%lx, were %p 0x%lx 0x%lx", s,
				now.handler, now.flags, now.mask, before[s].handler, before[s].flags,
				before[s].mask);
	}
}

static void up_and_wait(void)
{
	kt_mark("child");
	kt_wait_go();
}

/* A third of the signals is handled, a third ignored, a third default. */
static void set_all(int shift)
{
	static const int flags[] = {SA_RESTART, SA_NODEFER, SA_ONSTACK | SA_SIGINFO, SA_RESETHAND, 0};

	for (int s = 1; s <= 64; s++) {
		struct sigaction sa = {.sa_flags = flags[(s + shift) % 5]};

		if (s == SIGKILL || s == SIGSTOP || s == 32 || s == 33) /* libc's own */
			continue;
		sa.sa_handler = (s + shift) % 3 == 0 ? handler : (s + shift) % 3 == 1 ? SIG_IGN : SIG_DFL;
		if (s == SIGCHLD) /* what waiting means hangs on this one */
			sa.sa_handler = SIG_DFL;
		sigemptyset(&sa.sa_mask);
		for (int m = 1; m < 64; m++)
			if (m != 32 && m != 33 && (m * (s + shift)) % 7 == 0)
				sigaddset(&sa.sa_mask, m);
		KT_SYS(sigaction(s, &sa, NULL));
	}
}

static void child(void *arg)
{
	set_all(1);
	hold(up_and_wait);
	KT_SYS(raise(SIGHUP + 4)); /* 5: handled */
	KT_EQ(hits[5], 1);
	KT_SYS(raise(SIGQUIT)); /* 3: ignored */
	KT_SYS(raise(SIGRTMIN + 1));
	KT_EQ(hits[SIGRTMIN + 1], 1);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("child");
	set_all(0);
	hold(kt_ready_and_wait);
	KT_SYS(raise(SIGQUIT));
	KT_EQ(hits[SIGQUIT], 1);
	kt_reap_ok(pid);
	kt_pass();
}
