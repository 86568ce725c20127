#include "virtual/warden.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

int warden_hand_over(const struct warden *w, const struct bell *b, int fd, unsigned flags)
{
	struct seccomp_notif_addfd a = {.id = b->id, .srcfd = (uint32_t)fd, .newfd_flags = flags};
	int r = ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);

	return r < 0 ? -errno : r;
}

static void alive(struct warden *w, struct bell *b)
{
	struct hpid h = hpid_of((pid_t)b->q.arg[0]);
	struct vpid v = pid_map_to_vpid(w->place.map, h);

	b->q.ret = v.n && place_is_ours(&w->place, h, v);
}

static void answer(struct warden *w, struct bell *b)
{
	b->q.answer = ANSWER_DONE;
	switch (b->q.ask) {
	case ASK_EXEC:
		warden_exec_ask(w, b);
		break;
	case ASK_EXEC_FAILED:
		warden_exec_failed(w, b);
		break;
	case ASK_RETURN:
		warden_lend_return(w, b);
		break;
	case ASK_PATH:
		warden_path(w, b);
		break;
	case ASK_PLACE:
		warden_place(w, b);
		break;
	case ASK_SWEEP:
		warden_sweep(w);
		break;
	case ASK_WATCH:
		warden_watch_ask(w, b);
		break;
	case ASK_UNKNOWN:
		warden_tell_unknown(w, b);
		break;
	case ASK_ALIVE:
		alive(w, b);
		break;
	default:
		b->q.answer = ANSWER_NATIVE;
		b->q.ret = -ENOSYS;
	}
}

/* What lies in the memory of the one who asks, who waits in the kernel meanwhile. */
static int answer_in_memory(struct warden *w, struct bell *b)
{
	struct iovec ours = {&b->q, sizeof b->q}, theirs = {(void *)b->at, sizeof b->q};

	if (process_vm_readv(b->tid.n, &ours, 1, &theirs, 1, 0) != sizeof b->q)
		return -EFAULT;
	answer(w, b);
	return process_vm_writev(b->tid.n, &ours, 1, &theirs, 1, 0) == sizeof b->q ? 0 : -EFAULT;
}

static void serve(struct warden *w)
{
	struct seccomp_notif n = {0};
	struct seccomp_notif_resp resp = {0};
	struct bell b = {0};
	const uint64_t *arg = (const uint64_t *)n.data.args;

	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	if (SHIM_RING(n.data.args)) {
		warden_lend(w, hpid_of((pid_t)n.pid), n.id);
		return;
	}
	b.id = resp.id = n.id;
	b.tid = hpid_of((pid_t)n.pid);
	b.at = n.data.args[0];
	if (b.at) {
		resp.error = answer_in_memory(w, &b);
	} else {
		b.q = (struct shim_request){.ask = (uint32_t)arg[1], .tgid = (int32_t)arg[2], .arg = {arg[3], arg[4]}};
		answer(w, &b);
		resp.error = b.q.ret < 0 ? (int)b.q.ret : 0;
		resp.val = b.q.ret < 0 ? 0 : b.q.ret;
	}
	if (!b.answered)
		ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

int warden_see_children(struct warden *w)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	w->children = fopen(path, "re");
	return w->children ? 0 : -errno;
}

static void kill_children(struct warden *w)
{
	pid_t pid;

	rewind(w->children);
	while (fscanf(w->children, "%d", &pid) == 1)
		kill(pid, SIGKILL);
}

/* Takes what one of our children has to tell. 0: nobody has anything; -1: we have none. */
static int wait_for_one(struct warden *w, int flags)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(-1, &status, flags | __WALL);
	while (pid < 0 && errno == EINTR);
	if (pid == w->init.n && !WIFSTOPPED(status))
		w->place.common->init_status = status;
	return pid;
}

/* Whatever lives of the container has become our child by now, or is about to: it dies, and is reaped; vpid 1 not before
 * those who made it have looked at it. Whoever ends is waited for, not one in particular: a thread that was about
 * to execute is ours to reap, and its process does not end before. */
static void end_all(struct warden *w)
{
	char c;

	__atomic_fetch_or(&w->place.map->flags, PID_MAP_DYING, __ATOMIC_SEQ_CST);
	kill_children(w);
	while (recv(w->hold, &c, 1, 0) > 0)
		;
	do {
		kill_children(w);
		if (wait_for_one(w, 0) < 0)
			break;
		while (wait_for_one(w, WNOHANG) > 0)
			;
	} while (true);
	__atomic_store_n(&w->place.common->ended, 1, __ATOMIC_RELEASE);
}

/* Takes what waits to be told: stops of those we follow, and that job control has stopped vpid 1 (of no use, but it would be
 * told again and again), then ends. Stops first, and in one call: somebody waits for us to let him go on. */
static void reap(struct warden *w)
{
	siginfo_t si = {0};
	int status;

	for (; waitid(P_ALL, 0, &si, WSTOPPED | WNOHANG | __WALL) == 0 && si.si_pid; si.si_pid = 0)
		warden_exec_stop(w, hpid_of(si.si_pid), W_STOPCODE(si.si_status));
	for (; !w->init_ended && waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 && si.si_pid; si.si_pid = 0)
		if (si.si_pid == w->init.n)
			w->init_ended = true;
		else if (waitpid(si.si_pid, &status, WNOHANG | __WALL) == si.si_pid)
			warden_exec_stop(w, hpid_of(si.si_pid), status);
}

void warden_run(struct warden *w)
{
	struct pollfd p[3] = {{.fd = w->listener, .events = POLLIN}, {.fd = w->signals, .events = POLLIN},
			      {.fd = w->watches, .events = POLLIN}};

	while (!w->init_ended) {
		struct signalfd_siginfo si;

		if (poll(p, 3, -1) < 0)
			continue;
		if (p[0].revents & POLLIN)
			serve(w);
		if (p[1].revents) {
			if (read(w->signals, &si, sizeof si) == sizeof si)
				reap(w);
		}
		if (p[2].revents)
			warden_watch_tell(w);
		if (p[0].revents & POLLHUP)
			p[0].fd = -1;
	}
	end_all(w);
	proc_view_done(&w->view);
}
