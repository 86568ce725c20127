#pragma once
/* Looking at all tasks, or all mappings, of the kernel at once: BPF iterators (Documentation/bpf/bpf_iterators.rst,
 * Linux 5.8). A program is put together here, instruction by instruction; the kernel runs it once for each task or
 * mapping, and it answers with one record of fixed size, copied from kernel memory. Needs CAP_BPF and CAP_PERFMON.
 *
 * A program works with a buffer in which the record comes together, and with two registers that hold addresses: */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct bpf_insn;

struct bpf_program {
	VEC(struct bpf_insn) code;
	VEC(size_t) leaves;  /* jumps to the end */
	int buffer;          /* a map with one value */
	bool failed;         /* no memory */
};

#define BPF_BUFFER 16384 /* bytes */

enum bpf_register { /* callee-saved by convention; the rest belongs to this module */
	BPF_OBJECT = 7,  /* what the iterator is at */
	BPF_BASE = 8,
};

/* -EPERM, -ENOSYS: no BPF for us. */
int bpf_program_begin(struct bpf_program *p);
/* reg = the context's pointer at this offset; the end if it is NULL. */
void bpf_take_context(struct bpf_program *p, enum bpf_register reg, unsigned offset);
/* buffer[to … to + n) = memory of the kernel at reg + at; zeros if there is none. */
void bpf_copy(struct bpf_program *p, unsigned to, enum bpf_register reg, unsigned at, unsigned n);
/* The same for as many 32-bit words as the one at buffer[count] says, divided by 2^shift, up to max; the end if there are
 * more. The rest of the buffer's words becomes 0; max is even. */
void bpf_copy_counted(struct bpf_program *p, unsigned to, enum bpf_register reg, unsigned at, unsigned count,
		      unsigned shift, unsigned max);
/* BPF_BASE = the word at buffer[from]. */
void bpf_follow(struct bpf_program *p, unsigned from);
/* BPF_BASE += the 32-bit word at buffer[from], times 2^shift. */
void bpf_index(struct bpf_program *p, unsigned from, unsigned shift);
/* The word at buffer[to] = 0. */
void bpf_clear(struct bpf_program *p, unsigned to);
/* buffer[to] |= the word at buffer[from]. */
void bpf_or(struct bpf_program *p, unsigned to, unsigned from);
/* Skips what comes until bpf_land() if the word at buffer[from] is 0. Returns what bpf_land() needs. */
size_t bpf_skip_if_zero(struct bpf_program *p, unsigned from);
void bpf_land(struct bpf_program *p, size_t jump);
/* The end unless the 32-bit words at buffer[a] and buffer[b] are the same, or that at a is this value. */
void bpf_leave_unless_same(struct bpf_program *p, unsigned a, unsigned b);
void bpf_leave_unless(struct bpf_program *p, unsigned a, uint32_t value);
/* Answers with buffer[0 … n). The last step. */
void bpf_program_end(struct bpf_program *p, unsigned n);
void bpf_program_done(struct bpf_program *p);

/* Runs it over everything: the iterator is the function of this BTF id ("bpf_iter_task", "bpf_iter_task_vma"). fn gets
 * each record of n bytes, its own to change during the call; what it returns below 0 ends the walk. -errno. */
int bpf_walk(const struct bpf_program *p, uint32_t iterator, size_t n, int (*fn)(void *arg, uint8_t *record),
	     void *arg);
