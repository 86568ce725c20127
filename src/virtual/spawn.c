/* How a container with virtual pids comes to be: caller -> warden -> vpid 1 -> its spawner. */
#include "virtual/virtual.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "virtual/filter.h"
#include "virtual/landlock.h"
#include "virtual/warden.h"

/* include/uapi/linux/seccomp.h, Linux 6.6 */
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#define NOTIF_SYNC_WAKE_UP 1UL

struct birth {
	const struct virtual_options *o;
	int (*first)(void *arg);
	void *arg;
	int memfd;
	int up[2];   /* warden to caller: struct outcome */
	int down[2]; /* warden and vpid 1: go, then the listener or an error */
};

struct outcome {
	struct hpid init;
	struct pidspace_error error;
};

static _Noreturn void fail(int sock, const struct pidspace_error *err)
{
	struct outcome o = {.error = *err};

	fd_send_fds(sock, &o, sizeof o, NULL, 0);
	_exit(127);
}

/* --- vpid 1 --- */

static int filter_install(struct pidspace_error *err)
{
	const struct filter_places places = {SHIM_GATE, SHIM_GATE_BIRTH, SHIM_BELL, SHIM_RETURN};
	struct sock_fprog prog;
	size_t n;
	int r = filter_build(&places, &prog.filter, &n);

	if (r < 0)
		return error_sys(err, r, "cannot make the filter of system calls");
	prog.len = (unsigned short)n;
	r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &prog);
	if (r < 0 && errno == EINVAL) /* before Linux 5.19; what a signal interrupts is asked again */
		r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	free(prog.filter);
	if (r < 0)
		return error_set(err, -errno, "E_VIRTUAL", "virtual pids need a system call filter with notification "
				 "(seccomp_unotify(2)), and this host refuses one: %s%s", strerror(errno),
				 errno == EBUSY ? " (we run under one already)" : "");
	return r;
}

/* A child of vpid 1 that the map does not know: made from the gate, so not counted; without an exit signal, so not
 * found by wait(2). */
static void make_spawner(const struct birth *b, int warden)
{
	long (*call)(long, long, long, long, long, long, long) = (__typeof__(call))SHIM_ENTRY_CALL;

	if (b->o->spawner && call(SYS_clone, 0, 0, 0, 0, 0, 0) == 0) {
		close(b->down[1]);
		setsid();
		prctl(PR_SET_NAME, "pidspace-spawn");
		b->o->spawner(b->o->spawner_arg, warden);
		_exit(0);
	}
}

static _Noreturn void be_init(const struct birth *b)
{
	struct pidspace_error err = {0};
	int listener, scoped, warden = sys_pidfd_open(getppid(), 0);
	char go;

	close(b->down[0]);
	close(b->up[1]);
	/* Its warden's death is its own. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (recv(b->down[1], &go, 1, 0) != 1)
		_exit(127);
	if (place_enter(b->memfd, &err) < 0)
		fail(b->down[1], &err);
	close(b->memfd);
	scoped = landlock_restrict(&err);
	if (scoped < 0)
		fail(b->down[1], &err);
	((struct shim_common *)SHIM_COMMON)->scoped = (uint32_t)scoped;
	listener = filter_install(&err);
	if (listener < 0)
		fail(b->down[1], &err);
	fd_send_fds(b->down[1], "f", 1, &listener, 1);
	close(listener);
	make_spawner(b, warden);
	close(warden);
	close(b->down[1]);
	_exit(b->first(b->arg));
}

/* --- the warden --- */

/* In a session of its own: the user's ^C is for the monitor to pass on. */
static int settle(struct warden *w, struct pidspace_error *err)
{
	sigset_t all, child;

	setsid();
	prctl(PR_SET_NAME, "pidspace-warden");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	w->signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (w->signals < 0)
		return error_sys(err, -errno, "cannot make a signalfd");
	int r = place_open(&w->place, w->memfd, true);
	return r < 0 ? error_sys(err, r, "cannot map the memory that the container shares") : 0;
}

/* Keeps nothing of what vpid 1 was given: an end of a pipe here would keep its reader waiting. */
static void let_go(struct warden *w, int *up)
{
	enum { N = 4 };
	int keep[N] = {w->signals, w->listener, *up, w->log}, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < N; i++)
		keep[i] = keep[i] < 0 ? -1 : fcntl(keep[i], F_DUPFD_CLOEXEC, 100);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	if (w->memfd != WARDEN_MEMFD)
		dup3(w->memfd, WARDEN_MEMFD, O_CLOEXEC);
	w->memfd = WARDEN_MEMFD;
	close_range(WARDEN_MEMFD + 1, 99, 0);
	w->signals = keep[0];
	w->listener = keep[1];
	*up = keep[2];
	w->log = keep[3];
	for (unsigned at = 100, i = 0; i <= N; i++) { /* everything between those and above them */
		unsigned next = ~0u;
		for (int k = 0; k < N; k++)
			if ((unsigned)keep[k] >= at && (unsigned)keep[k] < next)
				next = (unsigned)keep[k];
		if (next > at)
			close_range(at, next == ~0u ? ~0u : next - 1, 0);
		if (next == ~0u)
			break;
		at = next + 1;
	}
}

/* What vpid 1 says after it has put itself under the filter: "f" and the listener, or what is wrong. */
static int hear_init(struct warden *w, int sock, struct pidspace_error *err)
{
	struct outcome o = {0};
	size_t n;
	ssize_t k = fd_recv_fds(sock, &o, sizeof o, &w->listener, 1, &n);

	if (k == 1 && n == 1) {
		/* Who asks and who answers take turns: on one cpu that costs a tenth. Without it (before Linux 6.6) it works
		 * all the same. */
		ioctl(w->listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
		return 0;
	}
	if (k == sizeof o && err)
		*err = o.error;
	return k == sizeof o ? o.error.status : error_sys(err, -EPIPE, "process 1 of the container died early");
}

/* Number 1, before it runs. */
static void make_first(struct warden *w)
{
	struct vpid one = {1};
	struct timespec t;

	pid_map_reserve(w->place.map, hpid_of(0), &one);
	pid_map_bind(w->place.map, hpid_of(0), w->init, one);
	clock_gettime(CLOCK_BOOTTIME, &t);
	pid_map_set_start(w->place.map, w->init, one,
			  (uint64_t)t.tv_sec * 100 + (uint64_t)t.tv_nsec / 10000000);
}

static _Noreturn void be_warden(struct birth *b)
{
	struct warden w = {.memfd = b->memfd, .listener = -1, .log = b->o->log};
	struct outcome o = {0};
	int r = settle(&w, &o.error);

	close(b->up[0]);
	if (r < 0)
		fail(b->up[1], &o.error);
	w.init = hpid_of(fork());
	if (w.init.n == 0)
		be_init(b);
	if (w.init.n < 0) {
		error_sys(&o.error, -errno, "cannot fork");
		fail(b->up[1], &o.error);
	}
	close(b->down[1]);
	make_first(&w);
	w.place.common->init_host = w.init.n;
	w.place.common->warden_host = getpid();
	if (send(b->down[0], "g", 1, MSG_NOSIGNAL) != 1 || (r = hear_init(&w, b->down[0], &o.error)) < 0) {
		kill(w.init.n, SIGKILL);
		fail(b->up[1], &o.error);
	}
	let_go(&w, &b->up[1]);
	r = warden_watch_init(&w);
	if (r < 0)
		error_sys(&o.error, r, "cannot make an epoll instance");
	else if ((r = warden_see_children(&w)) < 0)
		error_sys(&o.error, r, "cannot open the list of children in /proc");
	if (r < 0 || warden_view_init(&w, NULL, &o.error) < 0) {
		kill(w.init.n, SIGKILL);
		fail(b->up[1], &o.error);
	}
	o.init = w.init;
	fd_send_fds(b->up[1], &o, sizeof o, NULL, 0);
	w.hold = b->up[1];
	warden_run(&w);
	_exit(0);
}

/* --- the caller --- */

static int hear_warden(struct birth *b, pid_t warden, struct virtual_pids *ret, struct pidspace_error *err)
{
	struct outcome o = {0};
	size_t n;
	ssize_t k = fd_recv_fds(b->up[0], &o, sizeof o, NULL, 0, &n);
	int r;

	if (k != sizeof o)
		return error_sys(err, -EPIPE, "the warden died early");
	if (o.error.status < 0) {
		if (err)
			*err = o.error;
		return o.error.status;
	}
	*ret = VIRTUAL_PIDS_EMPTY;
	r = task_ref_open(&ret->warden, hpid_of(warden), vpid_of(0));
	if (r >= 0)
		r = task_ref_open(&ret->init, o.init, vpid_of(1));
	if (r >= 0)
		r = place_open(&ret->place, b->memfd, false);
	if (r < 0)
		virtual_done(ret);
	else
		ret->hold = fd_take(&b->up[0]);
	return r < 0 ? error_sys(err, r, "cannot watch the new container") : 0;
}

int virtual_spawn(struct virtual_pids *ret, const struct virtual_options *o, int (*first)(void *arg), void *arg,
		  struct pidspace_error *err)
{
	struct birth b = {.o = o, .first = first, .arg = arg, .memfd = place_create(o->pid_max, err)};
	pid_t warden;
	int r;

	if (b.memfd < 0)
		return b.memfd;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b.up) < 0) {
		close(b.memfd);
		return error_sys(err, -errno, "cannot make a socket pair");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b.down) < 0) {
		r = error_sys(err, -errno, "cannot make a socket pair");
	} else {
		warden = fork();
		if (warden == 0)
			be_warden(&b);
		close(b.up[1]);
		b.up[1] = -1;
		r = warden < 0 ? error_sys(err, -errno, "cannot fork") : hear_warden(&b, warden, ret, err);
		if (r < 0 && warden > 0) {
			kill(warden, SIGKILL);
			waitpid(warden, NULL, 0);
		}
		close(b.down[0]);
		close(b.down[1]);
	}
	fd_closep(&b.up[0]);
	fd_closep(&b.up[1]);
	close(b.memfd);
	return r;
}
