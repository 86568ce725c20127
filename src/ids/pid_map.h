#pragma once
/* The pid map of a container under `--pids=virtual`: which vpid is which host pid.
 *
 * One number in four roles, as in the kernel (struct pid): a vpid is bound to one host pid, whether
 * it is used as thread, process, group or session. A number is
 *
 *   free      nobody has it
 *   reserved  a host task (the owner) is about to fork with it; it reads as not existing
 *   bound     both look-ups find the other number. With PID_MAP_FLAG_GONE the task itself was
 *             reaped, but a group or session still goes by the number, so the kernel keeps it too
 *
 * The life of one: pid_map_reserve() by the task that forks; pid_map_bind() by parent and child,
 * whoever comes first, before either returns to code of the guest, or pid_map_cancel() when the
 * fork failed; and pid_map_release() by whoever finds that the kernel uses the host pid in no role
 * any more.
 *
 * The map lies in memory that all processes of the container and the warden share, and that others
 * map read-only. Any of them may be stopped or killed at any instruction, so there are no locks:
 * each change takes effect at one compare-and-swap, and what a killed one leaves half-done reads as
 * not existing and is cleared by pid_map_sweep(). Nobody ever gets a number that somebody has. A
 * guest can scribble over the map, so what is read from it is always in range, but no more can be
 * relied on than on the guest itself.
 *
 * Three kinds behind this interface, one header each; doc/PERFORMANCE.md has their costs. Code that
 * serves one kind only defines PID_MAP_ONLY as that kind before including this.
 *
 * Freestanding (see pid_map_layout.h). Making, opening, dumping and sweeping a map: pid_map_file.h.
 */
#include "ids/pid_map_layout.h"

#include "ids/pid_map_direct.h"
#include "ids/pid_map_hash.h"
#include "ids/pid_map_masked.h"

static inline bool pid_map_is(const struct pid_map_header *m, enum pid_map_kind kind)
{
#ifdef PID_MAP_ONLY
	return kind == PID_MAP_ONLY;
#else
	return m->kind == (uint32_t)kind;
#endif
}

/* OP of the map's kind. A chain, not a table: tables need relocations. */
#define PID_MAP_OF(m, op, ...)                                                                     \
	(pid_map_is(m, PID_MAP_DIRECT) ? pid_map_direct_##op(m, __VA_ARGS__)                       \
	 : pid_map_is(m, PID_MAP_HASH) ? pid_map_hash_##op(m, __VA_ARGS__)                         \
				       : pid_map_masked_##op(m, __VA_ARGS__))

/* --- looking up: any context; one or two loads --- */

/* What the container calls host (tid, tgid, pgid or sid). 0: not one of the container's. */
static inline struct vpid pid_map_to_vpid(const struct pid_map_header *m, struct hpid host)
{
	if (!pid_map_in_range(host.n))
		return vpid_of(0);
	return vpid_of((int32_t)PID_MAP_OF(m, to_vpid, (uint32_t)host.n));
}

/* What the kernel calls pid. 0: there is no such number. The task may have died since; ask the
 * kernel. */
static inline struct hpid pid_map_to_hpid(const struct pid_map_header *m, struct vpid pid)
{
	if (!pid_map_in_range(pid.n))
		return hpid_of(0);
	return hpid_of((int32_t)PID_MAP_OF(m, to_hpid, (uint32_t)pid.n));
}

/* --- handing out --- */

/* alloc_pid() and idr_alloc_cyclic(): upwards from the cursor, then once more from the bottom,
 * which is RESERVED_PIDS once the cursor has passed it. */
static inline uint32_t pid_map_candidate(const struct pid_map_header *m, uint32_t cursor)
{
	uint32_t bottom = cursor > PID_MAP_RESERVED ? PID_MAP_RESERVED : 1;
	uint32_t max = pid_map_load32(&m->pid_max), from = cursor > bottom ? cursor : bottom, v = 0;

	if (max > PID_MAP_CAPACITY)
		max = PID_MAP_CAPACITY;
	if (from < max)
		v = PID_MAP_OF(m, find_free, from, max);
	if (!v && from > bottom)
		v = PID_MAP_OF(m, find_free, bottom, from < max ? from : max);
	return v;
}

/* Hands out the next number, in the kernel's order, to the host task owner (tid role; 0: to nobody
 * whose death would give it back). 0; -EAGAIN: all are taken; -ENOMEM: init is gone, as fork(2)
 * says it then. The cursor moves first and by one compare-and-swap: a number that it passed isn't
 * looked at again before the next lap, even when its reserver dies here. */
static inline int pid_map_reserve(struct pid_map_header *m, struct hpid owner, struct vpid *ret)
{
	uint32_t cursor = pid_map_load32(&m->cursor), v;

	for (;;) {
		if (pid_map_load32(&m->flags) & PID_MAP_DYING)
			return PID_MAP_ENOMEM;
		v = pid_map_candidate(m, cursor);
		if (!v)
			return PID_MAP_EAGAIN;
		if (!pid_map_cas32(&m->cursor, &cursor, v + 1))
			continue;
		cursor = v + 1;
		if (PID_MAP_OF(m, claim, (uint32_t)owner.n, v)) {
			*ret = vpid_of((int32_t)v);
			return 0;
		}
	}
}

/* Hands out the number pid, as clone3 with set_tid: the cursor stays. -EEXIST: somebody has it;
 * -EINVAL: not between 1 and pid_max - 1; -ENOMEM as above. */
static inline int pid_map_reserve_given(struct pid_map_header *m, struct hpid owner,
					struct vpid pid)
{
	if (!pid_map_in_range(pid.n) || (uint32_t)pid.n >= pid_map_load32(&m->pid_max))
		return PID_MAP_EINVAL;
	if (pid_map_load32(&m->flags) & PID_MAP_DYING)
		return PID_MAP_ENOMEM;
	return PID_MAP_OF(m, claim, (uint32_t)owner.n, (uint32_t)pid.n) ? 0 : PID_MAP_EEXIST;
}

/* Gives back what owner reserved and nobody bound: the fork failed. The cursor has moved on, as in
 * the kernel. False: pid is not reserved by owner. */
static inline bool pid_map_cancel(struct pid_map_header *m, struct hpid owner, struct vpid pid)
{
	return pid_map_in_range(pid.n) &&
	       PID_MAP_OF(m, clear, (uint32_t)pid.n, PID_MAP_RESERVED_BY, (uint32_t)owner.n);
}

/* --- binding --- */

/* The host pid that a task with this vpid must be made with (clone3 set_tid); 0: any will do. */
static inline struct hpid pid_map_wanted(const struct pid_map_header *m, struct vpid pid)
{
	return hpid_of(pid_map_is(m, PID_MAP_MASKED) && pid_map_in_range(pid.n)
			       ? (int32_t)pid_map_masked_wanted(m, (uint32_t)pid.n)
			       : 0);
}

/* Makes pid, reserved by owner, the number of host. Called by parent (with its child's host tid)
 * and child (with its own and its parent's): the second finds it done. What an earlier task left at
 * host is replaced, and that task's number is free from then on. 0. -ESTALE: pid is not reserved by
 * owner, or it is no longer: the owner died and the number was given back, or the child has come,
 * bound, and gone. A child that is told so reserves afresh (nobody has seen its number: who could
 * have told it is dead); a parent has nothing to do. -EINVAL: not a pid. */
static inline int pid_map_bind(struct pid_map_header *m, struct hpid owner, struct hpid host,
			       struct vpid pid)
{
	if (!pid_map_in_range(host.n) || !pid_map_in_range(pid.n))
		return PID_MAP_EINVAL;
	return PID_MAP_OF(m, bind, (uint32_t)owner.n, (uint32_t)host.n, (uint32_t)pid.n);
}

/* Takes the binding of host and pid away and frees the number, if it is (still) bound so. To be
 * called when the kernel uses host as thread, process, group and session no more. */
static inline bool pid_map_release(struct pid_map_header *m, struct hpid host, struct vpid pid)
{
	if (!pid_map_in_range(host.n) || !pid_map_in_range(pid.n))
		return false;
	return PID_MAP_OF(m, release, (uint32_t)host.n, (uint32_t)pid.n);
}

/* --- what else is known of a bound number --- */

/* NULL: host and pid are not bound to each other. */
static inline struct pid_map_entry *pid_map_entry(const struct pid_map_header *m, struct hpid host,
						  struct vpid pid)
{
	if (!pid_map_in_range(host.n) || !pid_map_in_range(pid.n))
		return (struct pid_map_entry *)0;
	return PID_MAP_OF(m, bound, (uint32_t)host.n, (uint32_t)pid.n);
}

/* The flags of the binding of host and pid; 0 when there is none. */
static inline uint32_t pid_map_flags(const struct pid_map_header *m, struct hpid host,
				     struct vpid pid)
{
	const struct pid_map_entry *e = pid_map_entry(m, host, pid);
	uint64_t w = e ? pid_map_load64(&e->word) : 0;

	return pid_map_word_vpid(w) == (uint32_t)pid.n
		       ? pid_map_word_flags(w) & ~PID_MAP_FLAG_PENDING
		       : 0;
}

/* Sets and clears flags at once. 0, or -ESRCH: host and pid are not bound to each other. */
static inline int pid_map_change_flags(struct pid_map_header *m, struct hpid host, struct vpid pid,
				       uint32_t set, uint32_t clear)
{
	struct pid_map_entry *e = pid_map_entry(m, host, pid);
	uint32_t was;
	int r = e ? pid_map_entry_change(e, (uint32_t)pid.n, set & ~PID_MAP_FLAG_PENDING,
					 clear & ~PID_MAP_FLAG_PENDING, &was)
		  : PID_MAP_ESRCH;

	if (r == 0 && (set & PID_MAP_FLAG_GONE) && !(was & PID_MAP_FLAG_GONE))
		pid_map_count(m, -1);
	return r;
}

/* When the task began (field 22 of /proc/PID/stat, in clock ticks since boot; 42 bits): with the
 * host pid it tells a task from one that got the same number later. 0: not known. */
static inline uint64_t pid_map_start(const struct pid_map_header *m, struct hpid host,
				     struct vpid pid)
{
	const struct pid_map_entry *e = pid_map_entry(m, host, pid);
	uint64_t s = e ? pid_map_load64(&e->start) : 0;

	return pid_map_word_vpid(s) == (uint32_t)pid.n ? s >> 22 : 0;
}

static inline void pid_map_set_start(struct pid_map_header *m, struct hpid host, struct vpid pid,
				     uint64_t ticks)
{
	struct pid_map_entry *e = pid_map_entry(m, host, pid);

	if (e)
		__atomic_store_n(&e->start, ticks << 22 | (uint32_t)pid.n, __ATOMIC_RELEASE);
}

/* --- all of them --- */

/* The lowest vpid above pid that is not free, reserved and left-over ones included; 0: none. */
static inline struct vpid pid_map_next_used(const struct pid_map_header *m, struct vpid pid)
{
	return vpid_of((int32_t)PID_MAP_OF(m, next_used, (uint32_t)pid.n));
}

/* The lowest vpid above pid that has a task; 0: none. From vpid 0 on this gives all in order, each
 * once; those that come or go meanwhile may be missed or given. */
static inline struct vpid pid_map_next(const struct pid_map_header *m, struct vpid pid)
{
	while ((pid = pid_map_next_used(m, pid)).n) {
		struct hpid h = pid_map_to_hpid(m, pid);

		if (h.n && !(pid_map_flags(m, h, pid) & PID_MAP_FLAG_GONE))
			break;
	}
	return pid;
}

/* What there is to know of pid, for those who look after the map. */
static inline enum pid_map_state pid_map_look(const struct pid_map_header *m, struct vpid pid,
					      struct hpid *ret)
{
	uint32_t number = 0;
	enum pid_map_state state = PID_MAP_FREE;

	if (pid_map_in_range(pid.n))
		state = PID_MAP_OF(m, state, (uint32_t)pid.n, &number);
	*ret = hpid_of((int32_t)(number & PID_MAP_NUMBER));
	return state;
}

/* Frees what pid_map_look() found reserved or left by number. False: it is no longer so. */
static inline bool pid_map_clear(struct pid_map_header *m, struct vpid pid,
				 enum pid_map_state state, struct hpid number)
{
	return (state == PID_MAP_RESERVED_BY || state == PID_MAP_LEFT_BY) &&
	       pid_map_in_range(pid.n) &&
	       PID_MAP_OF(m, clear, (uint32_t)pid.n, state, (uint32_t)number.n);
}

/* How many bound numbers have a task. A process killed between a binding and its counting makes it
 * one wrong until the next pid_map_sweep() of a quiet moment. */
static inline uint32_t pid_map_tasks(const struct pid_map_header *m)
{
	return pid_map_load32(&m->tasks);
}
