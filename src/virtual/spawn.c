#include "virtual/virtual.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "virtual/filter.h"
#include "virtual/warden.h"

struct birth {
	int memfd;
	int sock[2];
	int (*first)(void *arg);
	void *arg;
	const struct virtual_options *o;
};

static int filter_install(void)
{
	const struct filter_places places = {SHIM_GATE, SHIM_GATE_BIRTH, SHIM_BELL};
	struct sock_fprog prog;
	size_t n;
	int r = filter_build(&places, &prog.filter, &n);

	if (r < 0)
		return r;
	prog.len = (unsigned short)n;
	r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &prog);
	free(prog.filter);
	return r < 0 ? -errno : r;
}

static _Noreturn void be_init(struct birth *b)
{
	struct pidspace_error err = {0};
	int listener;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (place_enter(b->memfd, &err) < 0 || recv(b->sock[1], &go, 1, 0) != 1)
		_exit(127);
	listener = filter_install();
	if (listener < 0) {
		fprintf(stderr, "filter: %s\n", strerror(-listener));
		_exit(127);
	}
	fd_send_fds(b->sock[1], "f", 1, &listener, 1);
	close(listener);
	_exit(b->first(b->arg));
}

static _Noreturn void be_warden(struct birth *b, pid_t *told)
{
	struct warden w = {.memfd = b->memfd, .listener = -1};
	sigset_t set;
	size_t n;
	char c;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCHLD, SIG_DFL);
	w.signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (place_open(&w.place, b->memfd, true) < 0)
		_exit(127);
	w.init = hpid_of(fork());
	if (w.init.n == 0) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		be_init(b);
	}
	place_bind(&w.place, w.init, vpid_of(1));
	w.place.common->init_host = w.init.n;
	w.place.common->warden_host = getpid();
	if (send(b->sock[0], "g", 1, 0) != 1 || fd_recv_fds(b->sock[0], &c, 1, &w.listener, 1, &n) != 1)
		_exit(127);
	warden_run(&w);
	_exit(0);
}

int virtual_spawn(struct virtual_pids *ret, const struct virtual_options *o, int (*first)(void *arg), void *arg,
		  struct pidspace_error *err)
{
	struct birth b = {.first = first, .arg = arg, .o = o};
	pid_t pid;

	b.memfd = place_create(o->pid_max, err);
	if (b.memfd < 0)
		return b.memfd;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b.sock) < 0)
		return error_sys(err, -errno, "cannot make a socket pair");
	pid = fork();
	if (pid == 0)
		be_warden(&b, NULL);
	ret->warden.host = hpid_of(pid);
	ret->memfd = b.memfd;
	return place_open(&ret->place, b.memfd, false);
}
