/* fork and clone: what they answer, and what they write into memory. */
#include "case.h"

#include <linux/futex.h>
#include <pthread.h>

static void parent_and_child_tid_words(void)
{
	int *words = bd_shared(4096);
	long pid = BD_DO(raw(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &words[0],
			     &words[1]));

	if (pid == 0) {
		words[2] = (int)raw(SYS_getpid);
		raw(SYS_exit, 0);
	}
	BD_EQ(words[0], pid);
	bd_reap_ok((pid_t)pid);
	BD_EQ(words[1], pid);
	BD_EQ(words[2], pid);
}

/* --- a second thread never sees anything but 0 or the child's number --- */

struct watched {
	_Atomic int word;
	_Atomic int stop;
	_Atomic int seen_max;
	_Atomic long looks;
};

static void *watch(void *arg)
{
	struct watched *w = arg;

	while (!w->stop) {
		int v = w->word;

		if (v > w->seen_max || v < 0)
			w->seen_max = v < 0 ? INT32_MAX : v;
		w->looks++;
	}
	return NULL;
}

static void the_word_is_never_another_number(void)
{
	struct watched *w = bd_shared(4096);
	int last = 0;
	pthread_t t;

	BD_PT(pthread_create(&t, NULL, watch, w));
	BD_UNTIL(w->looks > 0);
	for (int i = 0; i < 300; i++) {
		long pid;

		w->word = 0;
		pid = BD_DO(raw(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL,
				(int *)&w->word, (int *)&w->word));
		if (pid == 0)
			raw(SYS_exit, 0);
		BD_EQ(w->word, pid);
		bd_reap_ok((pid_t)pid);
		BD_OP(pid, >, last);
		last = (int)pid;
	}
	w->stop = 1;
	BD_PT(pthread_join(t, NULL));
	BD_OP(w->seen_max, <=, last);
}

static void cleared_and_woken_at_the_end(void)
{
	int *word = bd_shared(4096);
	long pid;

	*word = 77;
	/* With the memory still in use by others, as clear_child_tid asks for. */
	pid = BD_DO(raw(SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
			NULL, NULL, word));
	if (pid == 0)
		raw(SYS_exit, *word == 77);
	bd_reap_ok((pid_t)pid);
	BD_EQ(*word, 0);
}

static void sibling_by_clone_parent(void)
{
	pid_t *seen = bd_shared(4096);
	pid_t mine = (pid_t)raw(SYS_getpid), child = (pid_t)BD_DO(raw(SYS_fork));

	if (child == 0) {
		long sibling = BD_DO(raw(SYS_clone, CLONE_PARENT | SIGCHLD));

		if (sibling == 0) {
			seen[0] = (pid_t)raw(SYS_getppid);
			seen[1] = (pid_t)raw(SYS_getpid);
			raw(SYS_exit, 0);
		}
		seen[2] = (pid_t)sibling;
		raw(SYS_exit, raw(SYS_wait4, -1, NULL, 0, NULL) != -ECHILD);
	}
	bd_reap_ok(child);
	bd_reap_ok(seen[2]);
	BD_EQ(seen[1], seen[2]);
	BD_EQ(seen[0], mine);
}

static void untraced_is_no_way_out(void)
{
	pid_t *seen = bd_shared(4096);
	long pid = BD_DO(raw(SYS_clone, CLONE_UNTRACED | SIGCHLD));

	if (pid == 0) {
		seen[0] = (pid_t)raw(SYS_getpid);
		seen[1] = (pid_t)raw(SYS_getppid);
		BD_OUTSIDE_ERR(raw(SYS_kill, outside, 0), ESRCH);
		raw(SYS_exit, 0);
	}
	bd_reap_ok((pid_t)pid);
	BD_EQ(seen[0], pid);
	BD_EQ(seen[1], raw(SYS_getpid));
}

static void pidfd_of_the_child(void)
{
	char path[64];
	int fd = -1;
	long pid = BD_DO(raw(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &fd));

	if (pid == 0)
		raw(SYS_exit, 3);
	BD_OP(fd, >=, 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	BD_EQ(atoi(bd_line(path, "Pid:") ?: "-9"), pid);
	BD_EQ(bd_reap((pid_t)pid), 3 << 8);
	close(fd);
}

static void another_exit_signal(void)
{
	siginfo_t si;
	sigset_t set;
	long pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	pid = BD_DO(raw(SYS_clone, SIGUSR1));
	if (pid == 0)
		raw(SYS_exit, 5);
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGUSR1);
	BD_EQ(si.si_pid, pid);
	BD_EQ(si.si_code, CLD_EXITED);
	BD_ERR(raw(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
	BD_EQ(raw(SYS_wait4, pid, NULL, __WCLONE, NULL), pid);
}

/* --- threads and shared memory on stacks of their own --- */

struct born {
	_Atomic int tid, pid, word, done;
};

static int be_born(void *arg)
{
	struct born *b = arg;

	b->tid = (int)raw(SYS_gettid);
	b->pid = (int)raw(SYS_getpid);
	b->done = 1;
	return 0;
}

enum { STACK = 65536 };

static char *new_stack(void)
{
	return (char *)BD_SYS(mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
	       + STACK;
}

static void raw_thread(void)
{
	struct born b = {};
	int parent_word = 0;
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			      CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	long tid;

	b.word = 99;
	tid = BD_DO(raw_clone_onto(flags, new_stack(), &parent_word, (int *)&b.word, NULL, be_born, &b));
	BD_EQ(parent_word, tid);
	while (b.word) /* as pthread_join() */
		raw(SYS_futex, &b.word, FUTEX_WAIT, 99, NULL);
	BD_EQ(b.tid, tid);
	BD_EQ(b.pid, raw(SYS_getpid));
	BD_UNTIL(raw(SYS_tgkill, b.pid, tid, 0) == -ESRCH); /* the word is cleared before the thread is gone */
}

static void process_in_the_same_memory(void)
{
	struct born b = {};
	long pid = BD_DO(raw_clone_onto(CLONE_VM | SIGCHLD, new_stack(), NULL, NULL, NULL, be_born, &b));

	bd_reap_ok((pid_t)pid);
	BD_EQ(b.done, 1);
	BD_EQ(b.tid, pid);
	BD_EQ(b.pid, pid);
}

static void vfork_like_on_another_stack(void)
{
	struct born b = {};
	long pid = BD_DO(raw_clone_onto(CLONE_VM | CLONE_VFORK | SIGCHLD, new_stack(), NULL, NULL, NULL, be_born,
					&b));

	BD_EQ(b.done, 1); /* no wait: the parent slept until the child was gone */
	BD_EQ(b.pid, pid);
	bd_reap_ok((pid_t)pid);
}

static void bad_flags(void)
{
	BD_ERR(raw(SYS_clone, CLONE_THREAD | SIGCHLD), EINVAL);
	BD_ERR(raw(SYS_clone, CLONE_SIGHAND | SIGCHLD), EINVAL);
	BD_ERR(raw(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD), EINVAL);
	BD_ERR(raw(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, NULL), EINVAL);
}

/* A failed copy costs nobody a number; a word that cannot be written is nobody's error. */
static void word_that_cannot_be_written(void)
{
	long pid = raw(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, 8, 8);

	if (pid == 0)
		raw(SYS_exit, 0);
	BD_OP(pid, >, 0);
	bd_reap_ok((pid_t)pid);
}

static void end_at_once(void *arg)
{
}

static void *forks(void *arg)
{
	for (int i = 0; i < 20; i++)
		bd_reap_ok(bd_child(end_at_once, NULL));
	return NULL;
}

static void forks_of_many_threads(void)
{
	pthread_t t[8];

	for (int i = 0; i < 8; i++)
		BD_PT(pthread_create(&t[i], NULL, forks, NULL));
	for (int i = 0; i < 8; i++)
		BD_PT(pthread_join(t[i], NULL));
	BD_ERR(raw(SYS_wait4, -1, NULL, WNOHANG, NULL), ECHILD);
}

/* Whatever is kept of a birth while it lasts is given back when somebody is killed in it: more of them than could be kept. */
enum { MANY = 2200 };

static void children_killed_at_once(void)
{
	for (int i = 0; i < MANY; i++) {
		pid_t child = (pid_t)BD_DO(raw(SYS_fork));

		if (child == 0)
			raw(SYS_pause);
		bd_end(child);
	}
}

static void give_birth_and_wait(void *arg)
{
	_Atomic int *child = arg;

	if (BD_DO(raw(SYS_vfork)) == 0) {
		*child = (int)raw(SYS_getpid);
		for (;;)
			raw(SYS_pause);
	}
}

static void parents_killed_in_vfork(void)
{
	_Atomic int *child = bd_shared(4096);

	for (int i = 0; i < MANY; i++) {
		pid_t parent;

		*child = 0;
		parent = bd_child(give_birth_and_wait, (void *)child);
		while (!*child)
			bd_pause_ms(0);
		bd_end(parent);
		BD_DO(raw(SYS_kill, *child, SIGKILL));
	}
}

const struct bd_case bd_cases[] = {
	{ "CLONE_PARENT_SETTID and CLONE_CHILD_SETTID write the number", parent_and_child_tid_words },
	{ "the tid word never holds another number", the_word_is_never_another_number },
	{ "CLONE_CHILD_CLEARTID clears the word", cleared_and_woken_at_the_end },
	{ "CLONE_PARENT makes a sibling", sibling_by_clone_parent },
	{ "CLONE_UNTRACED does not lead out", untraced_is_no_way_out },
	{ "CLONE_PIDFD hands over a pidfd of the child", pidfd_of_the_child },
	{ "an exit signal other than SIGCHLD tells the number", another_exit_signal },
	{ "a thread by raw clone, joined by its word", raw_thread },
	{ "CLONE_VM on a stack of its own", process_in_the_same_memory },
	{ "CLONE_VM and CLONE_VFORK on a stack of its own", vfork_like_on_another_stack },
	{ "flags that exclude each other", bad_flags },
	{ "a tid word that cannot be written does no harm", word_that_cannot_be_written },
	{ "forks of eight threads at once", forks_of_many_threads },
	{ "children are killed when they have hardly been born", children_killed_at_once },
	{ "parents are killed while they wait in vfork", parents_killed_in_vfork },
	{},
};
