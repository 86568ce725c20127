/* rt_sigqueueinfo and rt_tgsigqueueinfo: the sender says who it is. */
#include "case.h"

static siginfo_t from_me(int value)
{
	siginfo_t si = { .si_code = SI_QUEUE };

	si.si_pid = (pid_t)raw(SYS_getpid);
	si.si_uid = getuid();
	si.si_value.sival_int = value;
	return si;
}

static sigset_t blocked(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	return set;
}

static void send_to_parent(void *arg)
{
	siginfo_t si = from_me(42);

	BD_DO(raw(SYS_rt_sigqueueinfo, raw(SYS_getppid), SIGRTMIN, &si));
	si = from_me(43);
	BD_DO(raw(SYS_rt_tgsigqueueinfo, raw(SYS_getppid), raw(SYS_getppid), SIGRTMIN, &si));
}

static void pid_and_value_arrive(void)
{
	sigset_t set = blocked(SIGRTMIN);
	siginfo_t si;
	pid_t child = bd_child(send_to_parent, NULL);
	int sum = 0;

	for (int i = 0; i < 2; i++) {
		BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGRTMIN);
		BD_EQ(si.si_code, SI_QUEUE);
		BD_EQ(si.si_pid, child);
		sum += si.si_value.sival_int;
	}
	BD_EQ(sum, 85);
	bd_reap_ok(child);
}

/* What the sender wrote is carried as it is, also a number that is nobody's. */
static void any_number_is_carried(void)
{
	sigset_t set = blocked(SIGRTMIN);
	siginfo_t si = from_me(1), got;
	pid_t numbers[] = { 1, 0, 77777, -5 };

	for (size_t i = 0; i < 4; i++) {
		si.si_pid = numbers[i];
		BD_DO(raw(SYS_rt_sigqueueinfo, raw(SYS_getpid), SIGRTMIN, &si));
		BD_EQ(raw(SYS_rt_sigtimedwait, &set, &got, NULL, 8), SIGRTMIN);
		BD_EQ(got.si_pid, numbers[i]);
	}
	BD_OUTSIDE_ERR(({
			       si.si_pid = outside;
			       BD_DO(raw(SYS_rt_sigqueueinfo, raw(SYS_getpid), SIGRTMIN, &si));
			       BD_EQ(raw(SYS_rt_sigtimedwait, &set, &got, NULL, 8), SIGRTMIN);
			       BD_EQ(got.si_pid, outside);
			       0;
		       }),
		       0);
}

static void codes_of_the_kernel_are_refused(void)
{
	pid_t child = bd_sleeper();
	siginfo_t si = from_me(0);

	si.si_code = SI_USER;
	BD_ERR(raw(SYS_rt_sigqueueinfo, child, SIGUSR1, &si), EPERM);
	si.si_code = SI_TKILL;
	BD_ERR(raw(SYS_rt_sigqueueinfo, child, SIGUSR1, &si), EPERM);
	BD_ERR(raw(SYS_rt_tgsigqueueinfo, child, child, SIGUSR1, &si), EPERM);
	si.si_code = SI_QUEUE;
	BD_ERR(raw(SYS_rt_sigqueueinfo, child, 65, &si), EINVAL);
	BD_ERR(raw(SYS_rt_sigqueueinfo, child, SIGUSR1, 8), EFAULT);
	BD_DO(raw(SYS_rt_sigqueueinfo, child, SIGUSR1, &si));
	BD_EQ(bd_reap(child), SIGUSR1);
}

static void nobody_outside(void)
{
	siginfo_t si = from_me(0);
	long mine = raw(SYS_getpid);

	BD_OUTSIDE_ERR(raw(SYS_rt_sigqueueinfo, outside, 0, &si), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_rt_sigqueueinfo, outside, SIGUSR1, &si), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_rt_tgsigqueueinfo, outside, outside, SIGUSR1, &si), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_rt_tgsigqueueinfo, mine, outside, SIGUSR1, &si), ESRCH);
	BD_ERR(raw(SYS_rt_tgsigqueueinfo, 0, 1, SIGUSR1, &si), EINVAL);
}

const struct bd_case bd_cases[] = {
	{ "number and value arrive", pid_and_value_arrive },
	{ "any number is carried as it is", any_number_is_carried },
	{ "codes of the kernel's are refused", codes_of_the_kernel_are_refused },
	{ "nobody outside", nobody_outside },
	{},
};
