#include "virtual/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "virtual/catalogue.h"
#include "virtual/layout.h"

/* BPF jumps forwards only. So the program is written from its end to its beginning: whatever an instruction jumps to
 * is there already. A place is a number of instructions, counted from the end. */
struct program {
	struct sock_filter code[BPF_MAXINSNS]; /* the end of it is filled */
	unsigned n;
	bool full;
};

/* Leaves that several numbers share. */
struct leaves {
	unsigned allow, trap, enosys;
	unsigned refuse[256]; /* by errno; 0: not there yet */
};

#define X32_BIT 0x40000000u /* __X32_SYSCALL_BIT, asm/unistd.h */
#define DATA(field) ((uint32_t)offsetof(struct seccomp_data, field))

static unsigned prepend(struct program *p, struct sock_filter f)
{
	if (p->n == BPF_MAXINSNS) {
		p->full = true;
		return p->n;
	}
	p->code[BPF_MAXINSNS - ++p->n] = f;
	return p->n;
}

static unsigned answer(struct program *p, uint32_t action)
{
	return prepend(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static unsigned load(struct program *p, uint32_t offset)
{
	return prepend(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

/* Makes sure that the next instruction but one, or the next, reaches `to` with the 8 bits of a conditional jump. */
static unsigned near(struct program *p, unsigned to)
{
	if (p->n - to <= 254)
		return to;
	return prepend(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, p->n - to));
}

static unsigned jump(struct program *p, uint16_t test, uint32_t k, unsigned yes, unsigned no)
{
	yes = near(p, yes);
	no = near(p, no);
	return prepend(p, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, k, (uint8_t)(p->n - yes),
						       (uint8_t)(p->n - no)));
}

/* Goes to allow when the call comes from a gate, else to `other`. */
static unsigned at_gate(struct program *p, const struct filter_places *at, unsigned allow, unsigned other)
{
	unsigned to = jump(p, BPF_JEQ, (uint32_t)at->birth_gate, allow, other);

	to = jump(p, BPF_JEQ, (uint32_t)at->gate, allow, to);
	load(p, DATA(instruction_pointer));
	to = jump(p, BPF_JEQ, (uint32_t)(at->gate >> 32), p->n, other);
	return load(p, DATA(instruction_pointer) + 4);
}

/* Is argument i this? Else to `no`. */
static unsigned argument(struct program *p, unsigned i, uint64_t is, unsigned yes, unsigned no)
{
	jump(p, BPF_JEQ, (uint32_t)(is >> 32), yes, no);
	yes = load(p, DATA(args) + 8 * i + 4);
	jump(p, BPF_JEQ, (uint32_t)is, yes, no);
	return load(p, DATA(args) + 8 * i);
}

/* As at_gate(), with the trap as the other, but the bell rings, and so does a new image (SHIM_RING). */
static unsigned own_pid(struct program *p, const struct filter_places *at, const struct leaves *l)
{
	unsigned ring = answer(p, SECCOMP_RET_USER_NOTIF);
	unsigned image = argument(p, 5, SHIM_TEXT_AT, ring, l->trap), low;

	image = argument(p, 1, SHIM_TEXT_SIZE, image, l->trap);
	image = argument(p, 0, SHIM_TEXT, image, l->trap);
	jump(p, BPF_JEQ, (uint32_t)at->bell, ring, image);
	low = load(p, DATA(instruction_pointer));
	jump(p, BPF_JEQ, (uint32_t)(at->bell >> 32), low, image);
	return load(p, DATA(instruction_pointer) + 4);
}

/* The same; what the guest's handlers return by goes on in the shim (shim/entry.S), which makes the call itself. */
static unsigned sigreturn(struct program *p, const struct filter_places *at, const struct leaves *l)
{
	unsigned low = jump(p, BPF_JEQ, (uint32_t)at->handler_return, l->enosys, l->trap);

	low = load(p, DATA(instruction_pointer));
	jump(p, BPF_JEQ, (uint32_t)(at->handler_return >> 32), low, l->trap);
	return load(p, DATA(instruction_pointer) + 4);
}

static unsigned refusal(struct program *p, const struct filter_places *at, struct leaves *l, unsigned error)
{
	if (!l->refuse[error])
		l->refuse[error] = at_gate(p, at, l->allow, answer(p, SECCOMP_RET_ERRNO | error));
	return l->refuse[error];
}

static unsigned row_leaf(struct program *p, const struct filter_places *at, struct leaves *l,
			 const struct catalogue_row *r)
{
	if (r->policy == POLICY_PASS)
		return l->allow;
	if (r->policy == POLICY_REFUSE)
		return refusal(p, at, l, r->error);
	return r->nr == SYS_getpid ? own_pid(p, at, l) : r->nr == SYS_rt_sigreturn ? sigreturn(p, at, l) : l->trap;
}

static unsigned condition(struct program *p, const struct catalogue_condition *c, unsigned yes, unsigned no)
{
	uint32_t low = DATA(args) + 8 * c->arg;

	if (c->op == CONDITION_NULL) {
		jump(p, BPF_JEQ, 0, yes, no);
		yes = load(p, low + 4);
		jump(p, BPF_JEQ, 0, yes, no);
		return load(p, low);
	}
	jump(p, BPF_JEQ, c->value, yes, no);
	if (c->mask != UINT32_MAX)
		prepend(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, c->mask));
	return load(p, low);
}

/* The rows of one number, last to first: each that does not hold leads to the one behind it. */
static unsigned number(struct program *p, const struct filter_places *at, struct leaves *l, unsigned nr)
{
	const struct catalogue_row *first = &catalogue_rows[catalogue_first[nr] - 1], *r = first;
	unsigned to = 0;

	while (r->n_conditions)
		r++;
	for (;; r--) {
		unsigned no = to;
		to = row_leaf(p, at, l, r);
		for (unsigned i = r->n_conditions; i-- > 0;)
			to = condition(p, &r->condition[i], to, no);
		if (r == first)
			return to;
	}
}

static bool in_hole(unsigned nr)
{
	for (size_t i = 0; i < sizeof catalogue_holes / sizeof *catalogue_holes; i++)
		if (nr >= catalogue_holes[i].first && nr <= catalogue_holes[i].last)
			return true;
	return false;
}

/* The place where numbers first..last-1 are told apart; where all lead to one place it is that. */
static unsigned search(struct program *p, const unsigned *leaf, unsigned first, unsigned last)
{
	unsigned middle = first, changes = 0, at = 0;

	for (unsigned i = first + 1; i < last; i++)
		changes += leaf[i] != leaf[i - 1];
	if (!changes)
		return leaf[first];
	/* Halve the changes, not the numbers. */
	for (middle = first + 1;; middle++)
		if (leaf[middle] != leaf[middle - 1] && ++at > changes / 2)
			break;
	unsigned high = search(p, leaf, middle, last);
	unsigned low = search(p, leaf, first, middle);
	return jump(p, BPF_JGE, middle, high, low);
}

static void write_program(struct program *p, const struct filter_places *at)
{
	struct leaves l = {0};
	unsigned leaf[SHIM_UNKNOWN_LAST + 2], to;

	l.enosys = answer(p, SECCOMP_RET_ERRNO | ENOSYS);
	l.allow = answer(p, SECCOMP_RET_ALLOW);
	l.trap = at_gate(p, at, l.allow, answer(p, SECCOMP_RET_TRAP | SHIM_TRAP));
	for (unsigned nr = 0; nr <= CATALOGUE_LAST; nr++)
		leaf[nr] = in_hole(nr) ? l.enosys : catalogue_first[nr] ? number(p, at, &l, nr) : l.allow;
	for (unsigned nr = CATALOGUE_LAST + 1; nr <= SHIM_UNKNOWN_LAST; nr++)
		leaf[nr] = l.trap; /* ENOSYS as well, once it has been told */
	leaf[SHIM_UNKNOWN_LAST + 1] = l.enosys; /* and all above; X32_BIT is one of them */
	_Static_assert(CATALOGUE_LAST < SHIM_UNKNOWN_LAST && SHIM_UNKNOWN_LAST < X32_BIT,
		       "numbers with the x32 bit lie beyond the last");

	to = search(p, leaf, 0, SHIM_UNKNOWN_LAST + 2);
	/* i386 comes with its own numbers. */
	unsigned foreign = near(p, l.enosys);
	if (to != p->n)
		prepend(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, p->n - to));
	to = load(p, DATA(nr));
	jump(p, BPF_JEQ, AUDIT_ARCH_X86_64, to, foreign);
	load(p, DATA(arch));
}

int filter_build(const struct filter_places *places, struct sock_filter **ret, size_t *ret_n)
{
	struct program *p;
	struct sock_filter *code;

	if (places->gate >> 32 != places->birth_gate >> 32 || places->gate >> 32 != places->bell >> 32 ||
	    places->gate >> 32 != places->handler_return >> 32)
		return -EINVAL;
	p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	write_program(p, places);
	code = p->full ? NULL : malloc(p->n * sizeof *code);
	if (code) {
		memcpy(code, &p->code[BPF_MAXINSNS - p->n], p->n * sizeof *code);
		*ret = code;
		*ret_n = p->n;
	}
	free(p);
	return code ? 0 : -ENOMEM;
}
