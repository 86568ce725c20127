/* clone3: its arguments lie in memory, and so do its answers. */
#include "case.h"

#include <linux/sched.h>
#include <pthread.h>

static long clone3(struct clone_args *a)
{
	return raw(SYS_clone3, a, sizeof(*a));
}

static void like_fork(void)
{
	int *seen = bd_shared(4096);
	struct clone_args a = { .exit_signal = SIGCHLD };
	long pid = clone3(&a);

	if (pid == -ENOSYS)
		bd_skip("clone3 is denied here");
	BD_DO(pid);
	if (pid == 0) {
		*seen = (int)raw(SYS_getpid);
		raw(SYS_exit, 0);
	}
	bd_reap_ok((pid_t)pid);
	BD_EQ(*seen, pid);
}

static void words_and_pidfd(void)
{
	int *words = bd_shared(4096), fd = -1;
	struct clone_args a = { .flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_PIDFD,
				.exit_signal = SIGCHLD, .parent_tid = (uintptr_t)&words[0],
				.child_tid = (uintptr_t)&words[1], .pidfd = (uintptr_t)&fd };
	char path[64];
	long pid = BD_DO(clone3(&a));

	if (pid == 0)
		raw(SYS_exit, words[1] != (int)raw(SYS_getpid));
	BD_EQ(words[0], pid);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	BD_EQ(atoi(bd_line(path, "Pid:") ?: "-9"), pid);
	bd_reap_ok((pid_t)pid);
	BD_EQ(words[1], pid);
}

static void in_a_given_stack(void)
{
	enum { SIZE = 65536 };
	int *seen = bd_shared(4096);
	char *stack = BD_SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct clone_args a = { .exit_signal = SIGCHLD, .stack = (uintptr_t)stack, .stack_size = SIZE };
	register struct clone_args *args __asm__("rdi") = &a;
	long pid;

	/* The child has an empty stack: it answers by its exit status, from registers alone. */
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %%rsp, %%rdi\n\t"
			 "sub %3, %%rdi\n\t"
			 "sub %4, %%rdi\n\t" /* 0: the stack pointer is the end of the stack */
			 "mov $231, %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(pid)
			 : "a"(SYS_clone3), "r"(args), "r"(stack), "r"((long)SIZE), "S"(sizeof(a))
			 : "rcx", "r11", "memory");
	BD_DO(pid);
	bd_reap_ok((pid_t)pid);
	BD_EQ(*seen, 0);
}

static void size_and_flags_are_checked(void)
{
	struct clone_args a = { .exit_signal = SIGCHLD };
	struct {
		struct clone_args a;
		uint64_t more;
	} longer = { .a = a, .more = 1 };
	long pid;

	BD_ERR(raw(SYS_clone3, &a, CLONE_ARGS_SIZE_VER0 - 1), EINVAL);
	BD_ERR(raw(SYS_clone3, &a, 4097), E2BIG);
	BD_ERR(raw(SYS_clone3, &longer, sizeof(longer)), E2BIG);
	BD_ERR(raw(SYS_clone3, 8, sizeof(a)), EFAULT);
	a.exit_signal = 65;
	BD_ERR(clone3(&a), EINVAL);
	a.exit_signal = SIGCHLD;
	a.flags = CLONE_DETACHED;
	BD_ERR(clone3(&a), EINVAL);
	a.flags = 0;
	a.stack_size = 4096;
	BD_ERR(clone3(&a), EINVAL);
	longer.more = 0;
	pid = BD_DO(raw(SYS_clone3, &longer, sizeof(longer)));
	if (pid == 0)
		raw(SYS_exit, 0);
	bd_reap_ok((pid_t)pid);
}

/* Virtual pids cannot be chosen (doc/BOUNDARY.md). */
static void set_tid_of_the_container(void)
{
	pid_t want = 1234, mine = (pid_t)raw(SYS_getpid), two[2] = { 1235, 1 };
	struct clone_args a = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&want, .set_tid_size = 1 };
	long pid = clone3(&a);

	if (bd_virtual()) {
		BD_ERR(pid, EPERM);
		return;
	}
	BD_DO(pid);
	if (pid == 0)
		raw(SYS_exit, raw(SYS_getpid) != 1234);
	BD_EQ(pid, 1234);
	bd_reap_ok(want);
	a.set_tid = (uintptr_t)&mine;
	BD_ERR(clone3(&a), EEXIST);
	want = -1;
	a.set_tid = (uintptr_t)&want;
	BD_ERR(clone3(&a), EINVAL);
	a.set_tid_size = 33; /* MAX_PID_NS_LEVEL + 1 */
	BD_ERR(clone3(&a), EINVAL);
	a.set_tid = (uintptr_t)two;
	a.set_tid_size = 0;
	BD_ERR(clone3(&a), EINVAL);
}

static void set_tid_needs_privilege(void)
{
	pid_t want = 1234;
	struct clone_args a = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&want, .set_tid_size = 1 };

	if (geteuid() == 0)
		BD_SYS(setresuid(65534, 65534, 65534));
	BD_ERR(clone3(&a), EPERM);
}

/* Another thread writes into the arguments all the time; whatever it hits, numbers are the container's. */
struct race {
	struct clone_args a;
	_Atomic int stop, started;
	int word;
};

static void *change_it(void *arg)
{
	struct race *r = arg;
	volatile uint64_t *flags = (volatile uint64_t *)&r->a.flags;

	while (!r->stop) {
		*flags = CLONE_PARENT_SETTID;
		*flags = CLONE_PARENT_SETTID | CLONE_UNTRACED;
		*flags = CLONE_CHILD_SETTID | CLONE_UNTRACED;
		r->started = 1;
	}
	return NULL;
}

static void arguments_that_change(void)
{
	static struct race r;
	int last = 0;
	pthread_t t;

	r.a = (struct clone_args){ .exit_signal = SIGCHLD, .parent_tid = (uintptr_t)&r.word,
				   .child_tid = (uintptr_t)&r.word };
	BD_PT(pthread_create(&t, NULL, change_it, &r));
	BD_UNTIL(r.started);
	for (int i = 0; i < 200; i++) {
		long pid;

		r.word = 0;
		pid = BD_DO(clone3(&r.a));
		if (pid == 0) {
			int w = r.word;

			raw(SYS_exit, w && w != (int)raw(SYS_getpid));
		}
		BD_OP(pid, >, last);
		BD_OP(pid, <, 3000);
		last = (int)pid;
		BD_CHECK(r.word == 0 || r.word == last);
		bd_reap_ok((pid_t)pid);
	}
	r.stop = 1;
	BD_PT(pthread_join(t, NULL));
}

const struct bd_case bd_cases[] = {
	{ "as fork", like_fork },
	{ "tid words and a pidfd", words_and_pidfd },
	{ "a stack given by its start", in_a_given_stack },
	{ "size and flags are checked", size_and_flags_are_checked },
	{ "set_tid chooses a number of the container", set_tid_of_the_container, .root = true },
	{ "set_tid needs privilege", set_tid_needs_privilege },
	{ "arguments that another thread changes meanwhile", arguments_that_change },
	{},
};
