/* A signal that is ignored interrupts nothing: not even calls that no handler lets go on. */
#include "case.h"

#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>

/* Sends ignored signals while the parent waits, then lets it see that it did not end early: what
 * the parent waits for comes only now. */
static void disturb(void *fd)
{
	pid_t parent = (pid_t)raw(SYS_getppid);

	for (int i = 0; i < 20; i++) {
		bd_await_asleep(parent);
		BD_DO(raw(SYS_kill, parent, SIGUSR1));
		BD_DO(raw(SYS_kill, parent, SIGWINCH));
		bd_pause_ms(1);
	}
	BD_EQ(write(*(int *)fd, "x", 1), 1);
	raw(SYS_pause);
}

static int end_of_pair[2];

static pid_t disturbed(void)
{
	signal(SIGUSR1, SIG_IGN);
	BD_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, end_of_pair));
	return bd_child(disturb, &end_of_pair[1]);
}

static void epoll_waits_on(void)
{
	struct epoll_event e = { .events = EPOLLIN }, got;
	pid_t child = disturbed();
	int ep = BD_SYS(epoll_create1(0));

	BD_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, end_of_pair[0], &e));
	BD_EQ(raw(SYS_epoll_wait, ep, &got, 1, -1), 1);
	bd_end(child);
}

static void recv_with_a_limit(void)
{
	struct timeval limit = { .tv_sec = 20 };
	pid_t child = disturbed();
	char c;

	BD_SYS(setsockopt(end_of_pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	BD_EQ(raw(SYS_recvfrom, end_of_pair[0], &c, 1, 0, NULL, NULL), 1);
	bd_end(child);
}

static void a_read_and_a_poll(void)
{
	struct pollfd p = { .events = POLLIN };
	pid_t child = disturbed();
	char c;

	p.fd = end_of_pair[0];
	BD_EQ(raw(SYS_poll, &p, 1, -1), 1);
	BD_EQ(raw(SYS_read, p.fd, &c, 1), 1);
	bd_end(child);
}

static int sem;

static void disturb_and_post(void *arg)
{
	struct sembuf up = { 0, 1, 0 };

	for (int i = 0; i < 20; i++) {
		bd_await_asleep((pid_t)raw(SYS_getppid));
		BD_DO(raw(SYS_kill, raw(SYS_getppid), SIGUSR1));
		bd_pause_ms(1);
	}
	BD_DO(raw(SYS_semop, sem, &up, 1));
}

static void semop_waits_on(void)
{
	struct sembuf down = { 0, -1, 0 };
	pid_t child;

	signal(SIGUSR1, SIG_IGN);
	sem = (int)BD_DO(raw(SYS_semget, IPC_PRIVATE, 1, 0600));
	child = bd_child(disturb_and_post, NULL);
	BD_DO(raw(SYS_semop, sem, &down, 1));
	BD_DO(raw(SYS_semctl, sem, 0, IPC_RMID, 0));
	bd_reap_ok(child);
}

static void disturb_and_signal(void *arg)
{
	pid_t parent = (pid_t)raw(SYS_getppid);

	for (int i = 0; i < 20; i++) {
		bd_await_asleep(parent);
		BD_DO(raw(SYS_kill, parent, SIGUSR1));
		bd_pause_ms(1);
	}
	BD_DO(raw(SYS_kill, parent, SIGUSR2));
}

static void sigtimedwait_waits_on(void)
{
	struct timespec limit = { .tv_sec = 20 };
	sigset_t set;
	pid_t child;

	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	child = bd_child(disturb_and_signal, NULL);
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, NULL, &limit, 8), SIGUSR2);
	bd_reap_ok(child);
}

const struct bd_case bd_cases[] = {
	{ "epoll_wait waits on", epoll_waits_on },
	{ "recv with SO_RCVTIMEO waits on", recv_with_a_limit },
	{ "poll and read wait on", a_read_and_a_poll },
	{ "semop waits on", semop_waits_on },
	{ "sigtimedwait waits on", sigtimedwait_waits_on },
	{},
};
