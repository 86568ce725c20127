/* si_pid in what a handler gets, whatever sent the signal. */
#include "case.h"

#include <pthread.h>
#include <sys/time.h>

static siginfo_t *got;

static void keep(int sig, siginfo_t *si, void *context)
{
	got[sig] = *si;
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_sigaction = keep, .sa_flags = SA_SIGINFO };

	if (!got)
		got = bd_shared(sizeof(siginfo_t) * 65);
	BD_SYS(sigaction(sig, &sa, NULL));
}

static void kill_parent(void *sig)
{
	BD_DO(raw(SYS_kill, raw(SYS_getppid), *(int *)sig));
}

static void of_kill(void)
{
	int usr1 = SIGUSR1;
	pid_t child;

	handle(SIGUSR1);
	child = bd_child(kill_parent, &usr1);
	bd_reap_ok(child);
	BD_UNTIL(got[SIGUSR1].si_signo);
	BD_EQ(got[SIGUSR1].si_pid, child);
	BD_EQ(got[SIGUSR1].si_code, SI_USER);
	BD_EQ(got[SIGUSR1].si_uid, getuid());
}

static void of_oneself(void)
{
	handle(SIGUSR2);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR2));
	BD_EQ(got[SIGUSR2].si_pid, raw(SYS_getpid));
	BD_DO(raw(SYS_tkill, raw(SYS_gettid), SIGUSR2));
	BD_EQ(got[SIGUSR2].si_pid, raw(SYS_getpid));
	BD_EQ(got[SIGUSR2].si_code, SI_TKILL);
}

static void exit_with(void *arg)
{
	raw(SYS_exit_group, 9);
}

static void of_a_childs_end(void)
{
	pid_t child;

	handle(SIGCHLD);
	child = bd_child(exit_with, NULL);
	BD_UNTIL(got[SIGCHLD].si_signo);
	BD_EQ(got[SIGCHLD].si_pid, child);
	BD_EQ(got[SIGCHLD].si_status, 9);
	BD_EQ(got[SIGCHLD].si_code, CLD_EXITED);
	bd_reap(child);
	got[SIGCHLD].si_signo = 0;
	child = bd_sleeper();
	BD_DO(raw(SYS_kill, child, SIGSTOP));
	BD_UNTIL(got[SIGCHLD].si_signo);
	BD_EQ(got[SIGCHLD].si_pid, child);
	BD_EQ(got[SIGCHLD].si_code, CLD_STOPPED);
	got[SIGCHLD].si_signo = 0;
	BD_DO(raw(SYS_kill, child, SIGCONT));
	BD_UNTIL(got[SIGCHLD].si_signo);
	BD_EQ(got[SIGCHLD].si_code, CLD_CONTINUED);
	BD_EQ(got[SIGCHLD].si_pid, child);
	bd_end(child);
}

/* A signal without a sender carries addresses and the like, which are no pids. */
static void of_a_fault(void)
{
	char *p = BD_SYS(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));
	int status;

	if (child == 0) {
		struct sigaction sa = { .sa_sigaction = keep, .sa_flags = SA_SIGINFO | SA_RESETHAND };

		got = bd_shared(sizeof(siginfo_t) * 65);
		BD_SYS(sigaction(SIGSEGV, &sa, NULL));
		handle(SIGSEGV); /* the handler returns and faults for ever: let it end by its second */
		sa.sa_flags = SA_SIGINFO | SA_RESETHAND;
		BD_SYS(sigaction(SIGSEGV, &sa, NULL));
		*(volatile char *)(p + 0x123) = 1;
		raw(SYS_exit, 0);
	}
	status = bd_reap(child);
	BD_EQ(WTERMSIG(status), SIGSEGV);
}

static void *fault_address;

static void skip_page(int sig, siginfo_t *si, void *context)
{
	fault_address = si->si_addr;
	mprotect((void *)((uintptr_t)si->si_addr & ~4095UL), 4096, PROT_READ | PROT_WRITE);
}

static void a_faults_address(void)
{
	struct sigaction sa = { .sa_sigaction = skip_page, .sa_flags = SA_SIGINFO };
	char *p = BD_SYS(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	BD_SYS(sigaction(SIGSEGV, &sa, NULL));
	*(volatile char *)(p + 0x123) = 1;
	BD_CHECK(fault_address == p + 0x123);
}

static void of_a_timer(void)
{
	struct itimerval it = { .it_value.tv_usec = 1000 };

	handle(SIGALRM);
	BD_SYS(setitimer(ITIMER_REAL, &it, NULL));
	BD_UNTIL(got[SIGALRM].si_signo);
	BD_EQ(got[SIGALRM].si_pid, 0);
	BD_EQ(got[SIGALRM].si_code, SI_KERNEL);
}

static void of_a_broken_pipe(void)
{
	int p[2];

	handle(SIGPIPE);
	BD_SYS(pipe(p));
	close(p[0]);
	BD_ERR(raw(SYS_write, p[1], "x", 1), EPIPE);
	BD_EQ(got[SIGPIPE].si_pid, raw(SYS_getpid));
}

static void *end_of_thread(void *arg)
{
	raw(SYS_kill, raw(SYS_getpid), SIGUSR1);
	return NULL;
}

/* The sender of a thread's kill() is its process. */
static void of_a_thread(void)
{
	pthread_t t;

	handle(SIGUSR1);
	BD_PT(pthread_create(&t, NULL, end_of_thread, NULL));
	BD_PT(pthread_join(t, NULL));
	BD_UNTIL(got[SIGUSR1].si_signo);
	BD_EQ(got[SIGUSR1].si_pid, raw(SYS_getpid));
}

static void by_a_dead_sender(void)
{
	int usr1 = SIGUSR1;
	sigset_t set;
	pid_t child;

	handle(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	child = bd_child(kill_parent, &usr1);
	bd_reap_ok(child);
	BD_ERR(raw(SYS_kill, child, 0), ESRCH);
	BD_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
	BD_EQ(got[SIGUSR1].si_pid, child);
}

static void outside_is_process_0(void)
{
	handle(SIGUSR1);
	got[SIGUSR1].si_pid = -1;
	bd_ask("signal %ld USR1", raw(SYS_getpid));
	BD_UNTIL(got[SIGUSR1].si_signo);
	BD_EQ(got[SIGUSR1].si_pid, 0);
}

/* PR_SET_PDEATHSIG names the parent that died. */
static void of_a_parents_death(void)
{
	int *ready = bd_shared(4096);
	pid_t parent;

	handle(SIGUSR1);
	parent = (pid_t)BD_DO(raw(SYS_fork));
	if (parent == 0) {
		if (raw(SYS_fork) == 0) {
			raw(SYS_prctl, 1 /* PR_SET_PDEATHSIG */, SIGUSR1);
			ready[0] = 1;
			BD_UNTIL(got[SIGUSR1].si_signo);
			ready[1] = 1;
			raw(SYS_exit_group, 0);
		}
		BD_UNTIL(ready[0]);
		raw(SYS_exit_group, 0);
	}
	bd_reap_ok(parent);
	BD_UNTIL(ready[1]);
	BD_EQ(got[SIGUSR1].si_pid, parent);
}

const struct bd_case bd_cases[] = {
	{ "of kill", of_kill },
	{ "of oneself", of_oneself },
	{ "of a child's end, stop and continuation", of_a_childs_end },
	{ "of a fault, whose default action follows", of_a_fault },
	{ "a fault's address", a_faults_address },
	{ "of a timer", of_a_timer },
	{ "of a broken pipe", of_a_broken_pipe },
	{ "of another thread", of_a_thread },
	{ "of a sender that is dead meanwhile", by_a_dead_sender },
	{ "of a sender outside", outside_is_process_0 },
	{ "of a parent's death", of_a_parents_death },
	{},
};
