/* Shows: a signal pending for one thread is still for that thread, one for the process for any.
 *
 *	first (SIGHUP for the process) ═╦═ a (SIGUSR1, value 1, value 2)
 *	                                ╚═ b (SIGUSR2)
 */
#include "kindtest.h"

#include <pthread.h>

static pid_t tids[2];
static pthread_t t[2];

static void *thread(void *arg)
{
	const struct timespec at_once = {0, 0};
	int i = (int)(intptr_t)arg, sig = i ? SIGUSR2 : SIGUSR1;
	sigset_t mine, other;
	siginfo_t si;

	tids[i] = kt_gettid();
	kt_mark("up.%d", i);
	kt_wait_go();
	sigemptyset(&mine);
	sigaddset(&mine, sig);
	sigemptyset(&other);
	sigaddset(&other, i ? SIGUSR1 : SIGUSR2);
	sigaddset(&other, SIGRTMIN + (i ? 3 : 4));
	KT_ERR(sigtimedwait(&other, NULL, &at_once), EAGAIN);
	/* libc would turn SI_TKILL into SI_USER */
	KT_EQ(KT_SYS(syscall(SYS_rt_sigtimedwait, &mine, &si, &at_once, 8)), sig);
	KT_EQ(si.si_code, SI_TKILL);
	KT_EQ(si.si_pid, getpid());
	sigemptyset(&mine);
	sigaddset(&mine, SIGRTMIN + (i ? 4 : 3));
	for (int n = 0; n < 2; n++) {
		KT_EQ(KT_SYS(sigtimedwait(&mine, &si, &at_once)), SIGRTMIN + (i ? 4 : 3));
		KT_EQ(si.si_value.sival_int, 10 * i + n);
	}
	kt_mark("took.%d", i);
	kt_await("took.%d", !i);
	return NULL;
}

int main(void)
{
	const struct timespec at_once = {0, 0};
	sigset_t all, hup;

	sigfillset(&all);
	KT_PT(pthread_sigmask(SIG_SETMASK, &all, NULL));
	for (intptr_t i = 0; i < 2; i++) {
		KT_PT(pthread_create(&t[i], NULL, thread, (void *)i));
		kt_await("up.%d", (int)i);
	}
	KT_PT(pthread_kill(t[0], SIGUSR1));
	KT_PT(pthread_kill(t[1], SIGUSR2));
	for (int n = 0; n < 2; n++)
		for (int i = 0; i < 2; i++)
			KT_PT(pthread_sigqueue(t[i], SIGRTMIN + (i ? 4 : 3),
					       (union sigval){.sival_int = 10 * i + n}));
	KT_SYS(kill(getpid(), SIGHUP));
	kt_ready_and_wait();
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	KT_EQ(KT_SYS(sigtimedwait(&hup, NULL, &at_once)), SIGHUP);
	KT_PT(pthread_join(t[0], NULL));
	KT_PT(pthread_join(t[1], NULL));
	kt_pass();
}
