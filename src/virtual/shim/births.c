/* fork, vfork, clone, clone3. The call is not made here but on a trampoline (entry.S) after the frame of this signal is
 * gone: parent and child may share the stack, and the child of vfork(2) would overwrite what its parent still needs. */
#include "virtual/shim/map.h"
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/sched.h>

extern const char shim_birth_entry[];
_Static_assert(sizeof(struct sigaction) == sizeof(((struct shim_birth *)0)->sigsys), "room for an action");

#define SETTID (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID)

static struct shim_birth *free_slot(int owner)
{
	struct shim_birth *all = common()->births;
	uint32_t users = (uint32_t)owner << BIRTH_OWNER_SHIFT | BIRTH_PARENT | BIRTH_CHILD;

	/* From the first on: so all of a container use the same page, and have it. */
	for (unsigned i = 0; i < SHIM_BIRTHS; i++) {
		struct shim_birth *b = &all[i];
		uint32_t was = __atomic_load_n(&b->users, __ATOMIC_RELAXED);
		if (!(was & (BIRTH_PARENT | BIRTH_CHILD)) &&
		    __atomic_compare_exchange_n(&b->users, &was, users, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return b;
	}
	return 0;
}

/* When all are taken, some may be of the killed. */
static struct shim_birth *take_slot(int owner)
{
	struct shim_birth *b = free_slot(owner);

	if (b)
		return b;
	shim_ring(ASK_SWEEP, 0, 0, 0);
	return free_slot(owner);
}

/* Where the kernel would store a thread id and not mind whether it can (kernel/fork.c ignores put_user()). */
static void store_tid(uint64_t where, int vpid)
{
	if (where)
		guest_write((void *)where, &vpid, sizeof vpid);
}

/* All four calls as the arguments of clone3(2). -EINVAL, -E2BIG, -EFAULT as that. */
static long arguments(const struct trap *t, struct clone_args *a, unsigned long *ret_size)
{
	unsigned long size = sizeof *a;

	__builtin_memset(a, 0, sizeof *a);
	if (t->nr == __NR_fork) {
		a->exit_signal = SIGCHLD;
	} else if (t->nr == __NR_vfork) {
		a->flags = CLONE_VFORK | CLONE_VM;
		a->exit_signal = SIGCHLD;
	} else if (t->nr == __NR_clone) {
		a->flags = (uint64_t)t->arg[0] & 0xffffff00u;
		a->exit_signal = (uint64_t)t->arg[0] & 0xff;
		a->parent_tid = (uint64_t)t->arg[2];
		a->child_tid = (uint64_t)t->arg[3];
	} else {
		size = (unsigned long)t->arg[1];
		if (size < CLONE_ARGS_SIZE_VER0)
			return -EINVAL;
		if (size > 4096)
			return -E2BIG;
		if (!guest_readable((void *)t->arg[0], size))
			return -EFAULT;
		for (unsigned long i = sizeof *a; i < size; i++)
			if (((const char *)t->arg[0])[i])
				return -E2BIG;
		size = size < sizeof *a ? size : sizeof *a;
		__builtin_memcpy(a, (void *)t->arg[0], size);
	}
	*ret_size = size;
	return 0;
}

/* Who the child is, the kernel writes into the slot before the child runs: so the warden knows whom the slot waits for when the
 * parent is killed meanwhile. fork(2) and vfork(2) become the clone(2) that they are. Not under a filter of the guest's, which may
 * look at the call and its flags; and with a pidfd the place is taken. */
static void ask_for_child(const struct trap *t, struct shim_birth *b, const struct clone_args *a)
{
	struct sigcontext *m = (struct sigcontext *)&t->uc->uc_mcontext;

	b->child = BIRTH_UNTOLD;
	if (b->flags & TASK_FILTERED)
		return;
	if (t->nr == __NR_clone3) {
		b->args[0] |= CLONE_PARENT_SETTID; /* flags */
		b->args[3] = (uint64_t)&b->child;  /* parent_tid */
	} else if (t->nr == __NR_clone && !(a->flags & CLONE_PIDFD)) {
		m->rdi |= CLONE_PARENT_SETTID;
		m->rdx = (uint64_t)&b->child;
	} else if (t->nr != __NR_clone) {
		m->rax = __NR_clone;
		m->rdi = a->flags | a->exit_signal | CLONE_PARENT_SETTID;
		m->rsi = 0;
		m->rdx = (uint64_t)&b->child;
	} else {
		return;
	}
	__atomic_store_n(&b->child, 0, __ATOMIC_RELEASE);
}

static void go(const struct trap *t, struct shim_birth *b, const struct clone_args *a, unsigned long size)
{
	struct sigcontext *m = (struct sigcontext *)&t->uc->uc_mcontext;

	b->rip = m->rip;
	b->r9 = m->r9;
	b->rdi = m->rdi;
	b->rsi = m->rsi;
	b->rdx = m->rdx;
	m->rip = (uint64_t)shim_birth_entry;
	m->r9 = (uint64_t)b;
	m->rax = (uint64_t)t->nr;
	if (b->from_init) {
		b->mask = *(uint64_t *)&t->uc->uc_sigmask;
		b->defaults = common()->init_default;
		*(uint64_t *)&t->uc->uc_sigmask = ~SIG_BIT(SIGSYS);
	}
	if (t->nr == __NR_clone)
		m->rdi &= ~(uint64_t)(SETTID | CLONE_UNTRACED);
	if (t->nr == __NR_clone3) {
		__builtin_memcpy(b->args, a, sizeof *a);
		b->args[0] &= ~(uint64_t)(SETTID | CLONE_UNTRACED); /* flags */
		m->rdi = (uint64_t)b->args;
		m->rsi = size;
	}
	ask_for_child(t, b, a);
}

SPECIAL(births_begin)
{
	struct clone_args a;
	struct shim_birth *b;
	unsigned long size;
	long e = arguments(t, &a, &size);
	int vpid, owner;

	if (e < 0)
		return e;
	/* Both want the same place (kernel/fork.c kernel_clone()); we take the second flag away. */
	if ((a.flags & CLONE_PIDFD) && (a.flags & CLONE_PARENT_SETTID) &&
	    (t->nr == __NR_clone || a.pidfd == a.parent_tid))
		return -EINVAL;
	if ((a.flags & CLONE_PARENT) && ids_is_init())
		return -EINVAL; /* a sibling of init would be outside (kernel/fork.c copy_process()) */
	/* Numbers inside numbers, or numbers of its own choice, are what virtual pids do not give. */
	if ((a.flags & CLONE_NEWPID) || a.set_tid_size)
		return -EPERM;
	owner = (int)CALL0(__NR_gettid);
	e = map_reserve(owner, &vpid);
	if (e < 0)
		return e;
	b = take_slot(owner);
	if (!b) {
		pid_map_cancel(map(), hpid_of(owner), vpid_of(vpid));
		return -EAGAIN;
	}
	b->vpid = vpid;
	b->owner = owner;
	b->child_tid = a.flags & CLONE_CHILD_SETTID ? a.child_tid : 0;
	b->thread = !!(a.flags & CLONE_THREAD);
	b->from_init = ids_is_init() && !(a.flags & CLONE_SIGHAND);
	if (b->from_init)
		own()->once[1] = own()->once[0];
	b->flags = (ids_flags(owner) & (TASK_NO_NEW_PRIVS | TASK_FILTERED)) |
		   (ids_flags(ids_self()) & (TASK_IN_PROC | TASK_UNDUMPABLE | TASK_RECORDS));
	if ((a.flags & CLONE_THREAD) || (a.flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM)
		own()->threaded = 1;
	if ((a.flags & (CLONE_FILES | CLONE_THREAD)) == CLONE_FILES)
		own()->shares_files = 1;
	b->bound = 0;
	b->lends = (a.flags & (CLONE_VFORK | CLONE_VM | CLONE_SIGHAND)) == (CLONE_VFORK | CLONE_VM);
	if (b->lends)
		__builtin_memcpy(b->sigsys, &own()->sigsys, sizeof b->sigsys);
	if (a.flags & CLONE_PARENT_SETTID)
		store_tid(a.parent_tid, vpid);
	/* With shared memory somebody may look before the child has got as far as storing it. */
	if ((a.flags & CLONE_VM) && b->child_tid) {
		store_tid(b->child_tid, vpid);
		b->child_tid = 0;
	}
	go(t, b, &a, size);
	return 0;
}

/* Parent and child alike, whoever comes first makes the number known, before the guest sees it. What a late parent says is
 * not needed when the child has spoken, and could be untrue by then; a late child is spared its first look at the map,
 * page after page that it does not have yet. */
static long known(long result, struct shim_birth *b)
{
	uint32_t flags = b->flags | (b->thread ? TASK_THREAD : 0);

	if (result < 0) {
		pid_map_cancel(map(), hpid_of(b->owner), vpid_of(b->vpid));
		__atomic_and_fetch(&b->users, ~BIRTH_CHILD, __ATOMIC_RELEASE);
		return result;
	}
	if (result > 0) {
		__atomic_store_n(&b->child, (int)result, __ATOMIC_RELEASE);
		if (!__atomic_load_n(&b->bound, __ATOMIC_ACQUIRE))
			map_bind(b->owner, (int)result, b->vpid, flags);
		__atomic_store_n(&b->bound, 1, __ATOMIC_RELEASE);
		return b->vpid;
	}
	if (!__atomic_load_n(&b->bound, __ATOMIC_ACQUIRE))
		map_bind(b->owner, (int)CALL0(__NR_gettid), b->vpid, flags);
	__atomic_store_n(&b->bound, 1, __ATOMIC_RELEASE);
	if (pid_map_load32(&map()->flags) & PID_MAP_DYING)
		CALL1(__NR_exit_group, SIGKILL);
	if (b->child_tid)
		store_tid(b->child_tid, b->vpid);
	if (b->from_init)
		actions_default(b->defaults);
	return 0;
}

long shim_born(long result, struct shim_birth *b)
{
	uint64_t mask = b->mask;
	bool blocked = b->from_init;
	long ret = known(result, b);

	if (result && b->lends)
		__builtin_memcpy(&own()->sigsys, b->sigsys, sizeof b->sigsys);
	if (blocked)
		CALL4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	return ret;
}
