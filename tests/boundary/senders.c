/* Whatever makes the kernel send a signal or look into a process, aimed at everybody outside: tests/boundary/outside/canary.c
 * stands there and listens. Which errno each answers is the other programs' matter. */
#include "case.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const int signals[] = { SIGUSR1, SIGHUP, SIGIO, SIGCONT, 34 /* SIGRTMIN */, SIGTSTP, SIGSTOP, SIGTERM, SIGKILL };

#define FAILS(call) BD_OP(call, <, 0)

static void by_number(pid_t pid, int sig)
{
	siginfo_t si = { .si_signo = sig };
	pid_t me = (pid_t)raw(SYS_getpid);

	FAILS(raw(SYS_kill, pid, sig));
	FAILS(raw(SYS_kill, -pid, sig));
	FAILS(raw(SYS_kill, 5L << 32 | (uint32_t)pid, sig)); /* an int: the upper half is not looked at */
	FAILS(raw(SYS_tkill, pid, sig));
	FAILS(raw(SYS_tgkill, pid, pid, sig));
	FAILS(raw(SYS_tgkill, me, pid, sig));
	FAILS(raw(SYS_tgkill, pid, me, sig));
	for (int code = SI_ASYNCNL; code <= SI_KERNEL; code++) {
		si.si_code = code;
		si.si_pid = pid;
		FAILS(raw(SYS_rt_sigqueueinfo, pid, sig, &si));
		FAILS(raw(SYS_rt_tgsigqueueinfo, pid, pid, sig, &si));
		FAILS(raw(SYS_rt_tgsigqueueinfo, me, pid, sig, &si));
	}
	FAILS(raw(SYS_pidfd_open, pid, 0));
	FAILS(raw(SYS_pidfd_open, pid, O_EXCL /* PIDFD_THREAD */));
}

/* What can be read there raises the signal for whoever is said to own the descriptor. */
static void by_owner(pid_t pid, int sig)
{
	const struct f_owner_ex ex[] = { { F_OWNER_TID, pid }, { F_OWNER_PID, pid }, { F_OWNER_PGRP, pid } };
	int negative = -pid, s[2];

	BD_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	BD_DO(raw(SYS_fcntl, s[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	BD_DO(raw(SYS_fcntl, s[0], F_SETSIG, sig));
	for (int i = 0; i < 9; i++) {
		long r = i < 3 ? raw(SYS_fcntl, s[0], F_SETOWN_EX, &ex[i]) : i == 3 ? raw(SYS_fcntl, s[0], F_SETOWN, pid) :
			 i == 4 ? raw(SYS_fcntl, s[0], F_SETOWN, -pid) : i == 5 ? raw(SYS_ioctl, s[0], FIOSETOWN, &pid) :
			 i == 6 ? raw(SYS_ioctl, s[0], FIOSETOWN, &negative) :
			 i == 7 ? raw(SYS_ioctl, s[0], SIOCSPGRP, &pid) : raw(SYS_ioctl, s[0], SIOCSPGRP, &negative);

		BD_OP(r, <, 0);
		BD_EQ(raw(SYS_write, s[1], "x", 1), 1);
		raw(SYS_read, s[0], (char[8]){}, 8);
	}
	close(s[0]);
	close(s[1]);
}

static void by_other_calls(pid_t pid, int sig)
{
	struct perf_event_attr perf = { .size = sizeof(perf), .type = PERF_TYPE_SOFTWARE };
	struct sigevent e = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig };
	char byte;
	struct iovec here = { &byte, 1 };
	int timer;

	e._sigev_un._tid = pid;
	FAILS(raw(SYS_timer_create, CLOCK_MONOTONIC, &e, &timer));
	FAILS(raw(SYS_perf_event_open, &perf, pid, -1, -1, 0));
	FAILS(raw(SYS_ptrace, 16 /* PTRACE_ATTACH */, pid, 0, 0));
	FAILS(raw(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, pid, 0, 0));
	FAILS(raw(SYS_process_vm_readv, pid, &here, 1, &here, 1, 0));
	FAILS(raw(SYS_process_vm_writev, pid, &here, 1, &here, 1, 0));
	FAILS(raw(SYS_setpgid, 0, pid)); /* signals of its group would reach us, and ours it */
	FAILS(raw(SYS_setpgid, pid, pid));
}

static void reach_nobody_outside(void)
{
	pid_t all[BD_OUTSIDE_MAX + 1];
	int n = bd_outside(all);

	all[n] = bd_sleeper(); /* and who is no more */
	bd_end(all[n++]);
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(signals) / sizeof(signals[0]); k++) {
			by_number(all[i], signals[k]);
			if (signals[k] != SIGKILL && signals[k] != SIGSTOP)
				by_owner(all[i], signals[k]);
			by_other_calls(all[i], signals[k]);
		}
}

/* A descriptor of one outside that was handed in. */
static void reach_nobody_by_a_descriptor(void)
{
	int fd = bd_ask("pidfd");
	siginfo_t si = { .si_code = SI_QUEUE };

	for (size_t k = 0; k < sizeof(signals) / sizeof(signals[0]); k++) {
		si.si_signo = signals[k];
		FAILS(raw(SYS_pidfd_send_signal, fd, signals[k], NULL, 0));
		FAILS(raw(SYS_pidfd_send_signal, fd, signals[k], &si, 0));
		FAILS(raw(SYS_pidfd_send_signal, fd, signals[k], NULL, 4 /* PIDFD_SIGNAL_PROCESS_GROUP */));
	}
}

const struct bd_case bd_cases[] = {
	{ "reach nobody outside", reach_nobody_outside },
	{ "reach nobody by a descriptor", reach_nobody_by_a_descriptor },
	{},
};
