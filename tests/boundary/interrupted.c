/* Signals whose handlers do not restart calls, in the middle of calls that do not sleep: nobody may notice. And in the middle of
 * those that do: a handler sees the program at its own instruction, whoever makes the call. */
#include "case.h"

#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	ticks++;
}

static void storm(void)
{
	struct sigaction a = { .sa_handler = tick };
	struct itimerval often = { { 0, 50 }, { 0, 50 } };

	BD_SYS(sigaction(SIGALRM, &a, NULL));
	BD_SYS(setitimer(ITIMER_REAL, &often, NULL));
}

static void calm_down(void)
{
	struct itimerval never = { 0 };

	BD_SYS(setitimer(ITIMER_REAL, &never, NULL));
}

static void calm(void)
{
	calm_down();
	BD_OP(ticks, >, 0);
}

static void opens_in_proc(void)
{
	storm();
	for (int i = 0; i < 2000; i++) {
		long fd = BD_DO(raw(SYS_openat, AT_FDCWD, "/proc/1/status", O_RDONLY | O_CLOEXEC));

		BD_OP(fd, >, 2);
		BD_EQ(raw(SYS_close, fd), 0);
	}
	calm();
}

static void stats_in_proc(void)
{
	struct stat st;

	storm();
	for (int i = 0; i < 2000; i++) {
		memset(&st, 0, sizeof(st));
		BD_EQ(raw(SYS_stat, "/proc/1", &st), 0);
		BD_CHECK(S_ISDIR(st.st_mode));
	}
	calm();
}

/* long waits_here(pid_t pid, int *status, int options): wait4(2). A library that cancels threads is made like this: its handler
 * compares the instruction pointer with these places, and may go to the last. */
long waits_here(pid_t pid, int *status, int options);
extern const char waits_call[], waits_after[], waits_cancelled[];
__asm__(".text\n"
	"waits_here:\n"
	"	mov $61, %eax\n"
	"	xor %r10d, %r10d\n"
	"waits_call:\n"
	"	syscall\n"
	"waits_after:\n"
	"	ret\n"
	"waits_cancelled:\n"
	"	mov $-125, %rax\n"
	"	ret\n");

static volatile pid_t sleeper;
static volatile sig_atomic_t seen;

/* The one of the two that it shall see ends the wait: then the sleeper ends. */
static void look(ucontext_t *uc, const char *place, long rax)
{
	greg_t *g = uc->uc_mcontext.gregs;

	if (g[REG_RIP] != (greg_t)place || g[REG_RAX] != rax || g[REG_RDI] != sleeper)
		return;
	seen++;
	raw(SYS_kill, sleeper, SIGKILL);
}

static void look_undone(int sig, siginfo_t *info, void *uc)
{
	look(uc, waits_call, SYS_wait4);
}

static void look_ended(int sig, siginfo_t *info, void *uc)
{
	look(uc, waits_after, -EINTR);
}

static void cancel(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if (uc->uc_mcontext.gregs[REG_RIP] == (greg_t)waits_after)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)waits_cancelled;
}

static void again_and_again(void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } };

	BD_SYS(sigaction(SIGALRM, &a, NULL));
	sleeper = bd_sleeper();
	BD_SYS(setitimer(ITIMER_REAL, &often, NULL));
}

static void handler_sees_undone_call(void)
{
	int status;

	again_and_again(look_undone, SA_RESTART);
	BD_EQ(waits_here(sleeper, &status, 0), sleeper);
	BD_CHECK(seen && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void handler_sees_interrupted_call(void)
{
	long r;
	int status;

	again_and_again(look_ended, 0);
	BD_UNTIL((r = waits_here(sleeper, &status, 0)) != -EINTR);
	BD_EQ(r, sleeper);
	BD_CHECK(seen && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static char large[32768]; /* as Go's, where traps are handled */

static void handler_on_alternative_stack_sees_it(void)
{
	stack_t ss = { .ss_sp = large, .ss_size = sizeof(large) }, now;
	int status;

	BD_DO(raw(SYS_sigaltstack, &ss, NULL));
	again_and_again(look_undone, SA_RESTART | SA_ONSTACK);
	BD_EQ(waits_here(sleeper, &status, 0), sleeper);
	BD_CHECK(seen);
	BD_DO(raw(SYS_sigaltstack, NULL, &now));
	BD_CHECK(now.ss_sp == large && now.ss_size == sizeof(large) && now.ss_flags == 0);
}

static void handler_cancels_call(void)
{
	long r;
	int status;

	again_and_again(cancel, 0);
	BD_UNTIL((r = waits_here(sleeper, &status, 0)) != -EINTR);
	BD_EQ(r, -ECANCELED);
	BD_DO(raw(SYS_kill, sleeper, SIGKILL));
	calm_down();
	BD_EQ(waits_here(sleeper, &status, 0), sleeper);
}

static void look_over(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	BD_EQ(info->si_pid, sleeper);
	if (g[REG_RIP] == (greg_t)waits_after && g[REG_RAX] == sleeper)
		seen++;
}

static void exit_at_once(void *arg)
{
}

/* The end of the child that is waited for ends the call and sends the signal. */
static void handler_sees_call_that_is_over(void)
{
	struct sigaction a = { .sa_sigaction = look_over, .sa_flags = SA_SIGINFO | SA_RESTART };
	uint64_t child = UINT64_C(1) << (SIGCHLD - 1);
	int status, rounds = 0;

	BD_SYS(sigaction(SIGCHLD, &a, NULL));
	while (seen < 5) {
		BD_OP(++rounds, <, 5000);
		BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, &child, 0, 8)); /* until sleeper is known */
		sleeper = bd_child(exit_at_once, NULL);
		BD_DO(raw(SYS_rt_sigprocmask, SIG_UNBLOCK, &child, 0, 8));
		BD_EQ(waits_here(sleeper, &status, 0), sleeper);
		BD_CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	}
}

const struct bd_case bd_cases[] = {
	{ "a handler sees a call that is made again at its own instruction", handler_sees_undone_call },
	{ "a handler sees a call that was interrupted at its own instruction", handler_sees_interrupted_call },
	{ "the same on a large alternative stack", handler_on_alternative_stack_sees_it },
	{ "a handler sees a call that is over after its instruction, with its result", handler_sees_call_that_is_over },
	{ "a handler goes elsewhere instead of back into an interrupted call", handler_cancels_call },
	{ "a signal does not interrupt the opening of a file in /proc", opens_in_proc },
	{ "a signal does not interrupt the look at a directory in /proc", stats_in_proc },
	{ 0 },
};
