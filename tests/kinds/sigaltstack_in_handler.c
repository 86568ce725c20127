/* Shows: a handler that was running, on the alternative stack, returns to where it interrupted.
 *
 *	first ── child, within a handler within a handler
 */
#include "kindtest.h"

enum { SIZE = 65536 };
static _Alignas(16) char stack[SIZE];
static volatile int depth;

static void on_usr2(int sig)
{
	char here;

	KT_CHECK(&here >= stack && &here < stack + SIZE);
	depth = 2;
	kt_mark("inside");
	kt_wait_go();
	KT_CHECK(&here >= stack && &here < stack + SIZE);
	depth = 3;
}

static void on_usr1(int sig)
{
	stack_t now;
	sigset_t mask;

	depth = 1;
	KT_SYS(raise(SIGUSR2));
	KT_EQ(depth, 3);
	KT_SYS(sigaltstack(NULL, &now));
	KT_EQ(now.ss_flags, SS_ONSTACK);
	KT_ERR(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = SIZE}, NULL), EPERM);
	KT_SYS(sigprocmask(SIG_BLOCK, NULL, &mask));
	KT_CHECK(sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGWINCH));
	depth = 4;
}

static void child(void *arg)
{
	struct sigaction one = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
	struct sigaction two = {.sa_handler = on_usr2, .sa_flags = SA_ONSTACK};
	stack_t want = {.ss_sp = stack, .ss_size = SIZE}, now;
	double d = 0.125;
	sigset_t mask;

	sigaddset(&one.sa_mask, SIGWINCH);
	KT_SYS(sigaction(SIGUSR1, &one, NULL));
	KT_SYS(sigaction(SIGUSR2, &two, NULL));
	KT_SYS(sigaltstack(&want, NULL));
	KT_SYS(raise(SIGUSR1));
	KT_EQ(depth, 4);
	KT_CHECK(d == 0.125);
	KT_SYS(sigaltstack(NULL, &now));
	KT_EQ(now.ss_flags, 0);
	KT_EQ(now.ss_size, SIZE);
	KT_CHECK(now.ss_sp == stack);
	KT_SYS(sigprocmask(SIG_BLOCK, NULL, &mask));
	KT_CHECK(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGWINCH));
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("inside");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
