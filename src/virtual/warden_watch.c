/* Telling when a task has ended that holds a robust mutex for which others wait (shim/robust.c): a pidfd for each, and a word in
 * the shared memory that is counted up. There are places for SHIM_WATCHES; when all are taken, the next goes to whom was given
 * one longest ago: who waits there is woken, and asks again. */
#include "virtual/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"

#define PIDFD_THREAD_ 0x80 /* O_EXCL; include/uapi/linux/pidfd.h, Linux 6.9 */

static void let_go(struct warden *w, int i)
{
	struct shim_watch *s = &w->place.common->watches[i];

	__atomic_store_n(&s->host, 0, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&s->deaths, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &s->deaths, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	fd_closep(&w->watched[i]);
}

static bool ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) != 0;
}

/* Before Linux 6.9 that of the process: a thread of it that ends alone looks after its locks itself (shim/exits.c). */
static int open_task(struct hpid tid)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *at;
	int fd = sys_pidfd_open(tid.n, PIDFD_THREAD_);

	if (fd != -EINVAL)
		return fd;
	snprintf(path, sizeof path, "/proc/%d/status", tid.n);
	if (fd_slurp_at(AT_FDCWD, path, &text, NULL) < 0 || !(at = strstr(text, "\nTgid:")))
		return -ESRCH;
	return sys_pidfd_open(atoi(at + strlen("\nTgid:")), 0);
}

static int place_for(struct warden *w, struct hpid tid)
{
	struct shim_watch *all = w->place.common->watches;
	int none = -1;

	for (int i = 0; i < SHIM_WATCHES; i++) {
		if (w->watched[i] >= 0 && all[i].host == tid.n && !ended(w->watched[i]))
			return i;
		if (w->watched[i] < 0)
			none = i;
	}
	if (none < 0) {
		none = w->next_watch++ % SHIM_WATCHES;
		let_go(w, none);
	}
	return none;
}

int warden_watch_init(struct warden *w)
{
	for (int i = 0; i < SHIM_WATCHES; i++)
		w->watched[i] = -1;
	w->watches = epoll_create1(EPOLL_CLOEXEC);
	return w->watches < 0 ? -errno : 0;
}

void warden_watch_ask(struct warden *w, struct bell *b)
{
	struct hpid tid = hpid_of((pid_t)b->q.arg[0]);
	struct vpid pid = pid_map_to_vpid(w->place.map, tid);
	_cleanup_close_ int fd = open_task(tid);
	struct epoll_event e = {.events = EPOLLIN};
	int i;

	/* Its number may be a stranger's by now; the descriptor is open, so nobody else gets it from here on. */
	if (fd == -ESRCH || (fd >= 0 && (!pid.n || !place_is_ours(&w->place, tid, pid) || ended(fd)))) {
		b->q.ret = -ESRCH;
		return;
	}
	if (fd < 0) {
		b->q.ret = fd;
		return;
	}
	i = place_for(w, tid);
	b->q.ret = i;
	if (w->watched[i] >= 0)
		return;
	e.data.u32 = (uint32_t)i;
	if (epoll_ctl(w->watches, EPOLL_CTL_ADD, fd, &e) < 0) {
		b->q.ret = -errno;
		return;
	}
	w->watched[i] = fd_take(&fd);
	__atomic_store_n(&w->place.common->watches[i].host, tid.n, __ATOMIC_SEQ_CST);
}

void warden_watch_tell(struct warden *w)
{
	struct epoll_event e[16];
	int n = epoll_wait(w->watches, e, 16, 0);

	for (int k = 0; k < n; k++)
		if (w->watched[e[k].data.u32] >= 0 && ended(w->watched[e[k].data.u32]))
			let_go(w, (int)e[k].data.u32);
}
