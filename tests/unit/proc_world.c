#include "proc_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/sys.h"

static int to_host(void *arg, struct vpid pid, struct hpid *ret)
{
	const struct world *w = arg;

	for (size_t i = 0; i < w->n; i++)
		if (w->task[i].vpid == pid.n) {
			ret->n = w->task[i].host;
			return 0;
		}
	return -ESRCH;
}

static int to_guest(void *arg, struct hpid host, struct vpid *ret)
{
	const struct world *w = arg;

	for (size_t i = 0; i < w->n; i++)
		if (w->task[i].host == host.n) {
			ret->n = w->task[i].vpid;
			return 0;
		}
	return -ESRCH;
}

static int each(void *arg, int (*fn)(void *, struct vpid, struct hpid), void *fn_arg)
{
	const struct world *w = arg;
	int r = 0;

	for (size_t i = 0; i < w->n && r >= 0; i++)
		if (w->task[i].process)
			r = fn(fn_arg, vpid_of(w->task[i].vpid), hpid_of(w->task[i].host));
	return r;
}

/* Returns when the test closes its end. */
static void wait_for_end(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

struct born {
	pid_t host, vpid;
	bool process;
};

struct ends {
	int die, say, go[2]; /* go: whoever is born before says so to init */
	int lock;
};

static void say(const struct ends *e, pid_t vpid, pid_t host, bool process)
{
	struct born b = {host, vpid, process};

	if (write(e->say, &b, sizeof b) != sizeof b || write(e->go[1], "", 1) != 1)
		_exit(1);
}

static void wait_for_birth(const struct ends *e)
{
	char c;

	if (read(e->go[0], &c, 1) != 1)
		_exit(1);
}

struct start {
	struct ends e;
	pid_t vpid;
};

static void *thread(void *arg)
{
	const struct start *s = arg;

	prctl(PR_SET_NAME, "a (b) c");
	say(&s->e, s->vpid, (pid_t)syscall(SYS_gettid), false);
	wait_for_end(s->e.die);
	return NULL;
}

static void run_threads(const struct ends *e)
{
	struct ends own = *e;
	struct start s[2];
	pthread_t t;

	if (pipe2(own.go, O_CLOEXEC) < 0)
		_exit(1);
	for (int i = 0; i < 2; i++) {
		s[i] = (struct start){own, 3 + i};
		pthread_create(&t, NULL, thread, &s[i]);
		wait_for_birth(&own);
	}
	say(e, 2, getpid(), true);
	wait_for_end(e->die);
	_exit(0);
}

/* A clock of another process is named by its number, and so is a thread to be notified. */
static void make_timers(pid_t init)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t t;
	clockid_t clock;

	if (clock_getcpuclockid(init, &clock) != 0 || timer_create(CLOCK_MONOTONIC, &ev, &t) < 0 ||
	    timer_create(clock, &ev, &t) < 0)
		_exit(1);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &t) < 0)
		_exit(1);
}

static void make_objects(const struct ends *e, pid_t sibling)
{
	struct flock range = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
	int shm = shmget(IPC_PRIVATE, 4096, 0600);

	if (dup2(sys_pidfd_open(sibling, 0), WORLD_PIDFD) < 0 || dup2(e->lock, WORLD_LOCKED) < 0 ||
	    flock(WORLD_LOCKED, LOCK_EX) < 0 || fcntl(WORLD_LOCKED, F_SETLK, &range) < 0)
		_exit(1);
	/* Ends with the last who has it attached. */
	if (shm < 0 || shmat(shm, NULL, 0) == (void *)-1 || shmctl(shm, IPC_RMID, NULL) < 0)
		_exit(1);
}

static void run_caller(const struct ends *e, pid_t sibling)
{
	pid_t init = getppid();

	setsid();
	prctl(PR_SET_NAME, "caller) S 1");
	make_timers(init);
	make_objects(e, sibling);
	say(e, 5, getpid(), true);
	wait_for_end(e->die);
	_exit(0);
}

/* The child does not outlive a parent that was killed. */
static pid_t fork_bound(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void run_init(int die, int say_to, int lock)
{
	struct ends e = {.die = die, .say = say_to, .lock = lock};
	pid_t sibling;

	if (pipe2(e.go, O_CLOEXEC) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "init");
	setsid();
	say(&e, 1, getpid(), true);
	wait_for_birth(&e);
	sibling = fork_bound();
	if (sibling == 0)
		run_threads(&e);
	wait_for_birth(&e);
	if (fork_bound() == 0)
		run_caller(&e, sibling);
	wait_for_birth(&e);
	close(say_to);
	wait_for_end(die);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static int by_vpid(const void *a, const void *b)
{
	return ((const struct born *)a)->vpid - ((const struct born *)b)->vpid;
}

/* clone(2) as fork(2) does it, into namespaces. As an ordinary user that takes a user namespace. */
static pid_t fork_into(unsigned long flags)
{
	if (flags && geteuid() != 0)
		flags |= CLONE_NEWUSER;
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void start(struct world *w, unsigned long flags)
{
	struct born b;
	int die[2], tell[2], lock;
	char path[80];

	*w = (struct world){0};
	snprintf(w->dir, sizeof w->dir, "/tmp/proc-world-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(path, sizeof path, "%s/lock", w->dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(lock >= 0);
	assert_int_equal(pipe2(die, O_CLOEXEC), 0);
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	w->init = fork_into(flags);
	if (w->init == 0) {
		close(die[1]);
		close(tell[0]);
		if (flags && (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			      mount("proc", "/proc", "proc", 0, NULL) < 0))
			_exit(1);
		run_init(die[0], tell[1], lock);
	}
	close(lock);
	close(die[0]);
	close(tell[1]);
	w->die = die[1];
	while (w->init > 0 && w->n < 5 && read(tell[0], &b, sizeof b) == sizeof b) {
		w->task[w->n].host = b.host;
		w->task[w->n].vpid = b.vpid;
		w->task[w->n++].process = b.process;
	}
	close(tell[0]);
	qsort(w->task, w->n, sizeof *w->task, by_vpid);
}

void world_new(struct world *w)
{
	static const char *const dirs[] = {"/tmp", "/dev/shm"};
	struct pidspace_error err;

	start(w, 0);
	assert_int_equal(w->n, 5);
	w->pids = (struct pid_view){
		.arg = w, .to_host = to_host, .to_guest = to_guest, .each = each,
		.pid_max = 4194304, .last_pid = 5,
	};
	assert_int_equal(proc_view_init(&w->view, &w->pids, dirs, 2, &err), 0);
}

bool world_new_space(struct world *w)
{
	start(w, CLONE_NEWPID | CLONE_NEWNS);
	if (w->n == 5)
		return true;
	world_done(w);
	return false;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

void world_done(struct world *w)
{
	close(w->die);
	if (w->init > 0)
		assert_int_equal(waitpid(w->init, NULL, 0), w->init);
	proc_view_done(&w->view);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

pid_t world_host(const struct world *w, pid_t vpid)
{
	struct hpid h = {0};

	assert_int_equal(to_host((void *)w, vpid_of(vpid), &h), 0);
	return h.n;
}

struct proc_caller world_caller(const struct world *w, pid_t tgid, pid_t tid)
{
	return (struct proc_caller){hpid_of(world_host(w, tgid)), hpid_of(world_host(w, tid))};
}

int world_open(struct world *w, struct proc_caller c, int dirfd, const char *path, int flags)
{
	struct proc_answer a;
	int r = proc_view_resolve(&w->view, &c, dirfd, path, flags & O_NOFOLLOW ? PROC_NOFOLLOW : 0, &a);

	if (r < 0)
		return r;
	r = a.what == PROC_ELSEWHERE ? -EXDEV : a.what == PROC_OUTSIDE ? -EXFULL
							    : proc_view_open(&w->view, &a, flags);
	proc_answer_done(&a);
	return r;
}

int world_open_path(struct world *w, const char *path)
{
	return world_open(w, world_caller(w, 5, 5), AT_FDCWD, path, O_RDONLY);
}

int world_setup(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_new(w);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	world_done(*state);
	free(*state);
	return 0;
}
