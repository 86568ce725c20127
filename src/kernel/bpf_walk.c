#include "kernel/bpf_walk.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define REG_CONTEXT BPF_REG_6
#define REG_BUFFER BPF_REG_9

static int bpf(int command, union bpf_attr *a)
{
	long r = syscall(SYS_bpf, command, a, sizeof *a);

	return r < 0 ? -errno : (int)r;
}

static size_t emit(struct bpf_program *p, uint8_t code, unsigned dst, unsigned src, int off, int32_t imm)
{
	struct bpf_insn *i = vec_push(&p->code);

	if (!i) {
		p->failed = true;
		return 0;
	}
	*i = (struct bpf_insn){.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = (int16_t)off, .imm = imm};
	return p->code.n - 1;
}

static void move(struct bpf_program *p, unsigned dst, unsigned src)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void set(struct bpf_program *p, unsigned dst, int32_t value)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

static void add(struct bpf_program *p, unsigned dst, int32_t value)
{
	emit(p, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value);
}

static void load(struct bpf_program *p, unsigned size, unsigned dst, unsigned src, int off)
{
	emit(p, (uint8_t)(BPF_LDX | BPF_MEM | size), dst, src, off, 0);
}

static void call(struct bpf_program *p, int helper)
{
	emit(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* A jump to the end: where that is will be known then. */
static void leave(struct bpf_program *p, size_t jump)
{
	size_t *slot = vec_push(&p->leaves);

	if (slot)
		*slot = jump;
	else
		p->failed = true;
}

int bpf_program_begin(struct bpf_program *p)
{
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = BPF_BUFFER, .max_entries = 1};

	*p = (struct bpf_program){.buffer = -1};
	int fd = bpf(BPF_MAP_CREATE, &a);
	if (fd < 0)
		return fd;
	p->buffer = fd;
	move(p, REG_CONTEXT, BPF_REG_1);
	emit(p, BPF_LD | BPF_DW | BPF_IMM, REG_BUFFER, BPF_PSEUDO_MAP_VALUE, 0, fd);
	emit(p, 0, 0, 0, 0, 0);
	return 0;
}

void bpf_take_context(struct bpf_program *p, enum bpf_register reg, unsigned offset)
{
	load(p, BPF_DW, reg, REG_CONTEXT, (int)offset);
	leave(p, emit(p, BPF_JMP | BPF_JEQ | BPF_K, reg, 0, 0, 0));
}

void bpf_copy(struct bpf_program *p, unsigned to, enum bpf_register reg, unsigned at, unsigned n)
{
	move(p, BPF_REG_1, REG_BUFFER);
	add(p, BPF_REG_1, (int32_t)to);
	set(p, BPF_REG_2, (int32_t)n);
	move(p, BPF_REG_3, reg);
	add(p, BPF_REG_3, (int32_t)at);
	call(p, BPF_FUNC_probe_read_kernel);
}

void bpf_copy_counted(struct bpf_program *p, unsigned to, enum bpf_register reg, unsigned at, unsigned count,
		      unsigned shift, unsigned max)
{
	for (unsigned i = 0; i < max; i += 2)
		bpf_clear(p, to + 4 * i);
	load(p, BPF_W, BPF_REG_2, REG_BUFFER, (int)count);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, (int32_t)shift);
	leave(p, emit(p, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_2, 0, 0, (int32_t)max));
	emit(p, BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_2, 0, 0, 2);
	move(p, BPF_REG_1, REG_BUFFER);
	add(p, BPF_REG_1, (int32_t)to);
	move(p, BPF_REG_3, reg);
	add(p, BPF_REG_3, (int32_t)at);
	call(p, BPF_FUNC_probe_read_kernel);
}

void bpf_follow(struct bpf_program *p, unsigned from)
{
	load(p, BPF_DW, BPF_BASE, REG_BUFFER, (int)from);
}

void bpf_index(struct bpf_program *p, unsigned from, unsigned shift)
{
	load(p, BPF_W, BPF_REG_1, REG_BUFFER, (int)from);
	emit(p, BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_1, 0, 0, (int32_t)shift);
	emit(p, BPF_ALU64 | BPF_ADD | BPF_X, BPF_BASE, BPF_REG_1, 0, 0);
}

void bpf_clear(struct bpf_program *p, unsigned to)
{
	emit(p, BPF_ST | BPF_MEM | BPF_DW, REG_BUFFER, 0, (int)to, 0);
}

void bpf_or(struct bpf_program *p, unsigned to, unsigned from)
{
	load(p, BPF_DW, BPF_REG_1, REG_BUFFER, (int)from);
	load(p, BPF_DW, BPF_REG_2, REG_BUFFER, (int)to);
	emit(p, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
	emit(p, BPF_STX | BPF_MEM | BPF_DW, REG_BUFFER, BPF_REG_1, (int)to, 0);
}

size_t bpf_skip_if_zero(struct bpf_program *p, unsigned from)
{
	load(p, BPF_DW, BPF_REG_1, REG_BUFFER, (int)from);
	return emit(p, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
}

void bpf_land(struct bpf_program *p, size_t jump)
{
	if (!p->failed)
		p->code.at[jump].off = (int16_t)(p->code.n - jump - 1);
}

void bpf_leave_unless_same(struct bpf_program *p, unsigned a, unsigned b)
{
	load(p, BPF_W, BPF_REG_1, REG_BUFFER, (int)a);
	load(p, BPF_W, BPF_REG_2, REG_BUFFER, (int)b);
	leave(p, emit(p, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0));
}

void bpf_leave_unless(struct bpf_program *p, unsigned a, uint32_t value)
{
	load(p, BPF_W, BPF_REG_1, REG_BUFFER, (int)a);
	emit(p, BPF_ALU | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, (int32_t)value);
	leave(p, emit(p, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0));
}

void bpf_program_end(struct bpf_program *p, unsigned n)
{
	/* ctx->meta->seq: the first member of both (kernel/bpf/task_iter.c, struct bpf_iter_meta). */
	load(p, BPF_DW, BPF_REG_1, REG_CONTEXT, 0);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_1, 0);
	move(p, BPF_REG_2, REG_BUFFER);
	set(p, BPF_REG_3, (int32_t)n);
	call(p, BPF_FUNC_seq_write);
	if (!p->failed)
		vec_each(jump, &p->leaves)
			bpf_land(p, *jump);
	set(p, BPF_REG_0, 0);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void bpf_program_done(struct bpf_program *p)
{
	fd_closep(&p->buffer);
	vec_free(&p->code);
	vec_free(&p->leaves);
}

/* A descriptor that gives all records when read. */
static int start(const struct bpf_program *p, uint32_t iterator)
{
	union bpf_attr a = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = BPF_TRACE_ITER,
		.attach_btf_id = iterator,
		.insns = (uint64_t)p->code.at,
		.insn_cnt = (uint32_t)p->code.n,
		/* The helpers that copy memory are for such programs only. */
		.license = (uint64_t)"Dual MIT/GPL",
		.prog_name = "pidspace_look",
	};
	_cleanup_close_ int program = bpf(BPF_PROG_LOAD, &a);
	if (program < 0)
		return program;
	memset(&a, 0, sizeof a);
	a.link_create.prog_fd = (uint32_t)program;
	a.link_create.attach_type = BPF_TRACE_ITER;
	_cleanup_close_ int link = bpf(BPF_LINK_CREATE, &a);
	if (link < 0)
		return link;
	memset(&a, 0, sizeof a);
	a.iter_create.link_fd = (uint32_t)link;
	return bpf(BPF_ITER_CREATE, &a);
}

#define READ_BYTES ((size_t)32 << 10) /* as much as the kernel gives at once */

int bpf_walk(const struct bpf_program *p, uint32_t iterator, size_t n, int (*fn)(void *arg, uint8_t *record),
	     void *arg)
{
	if (p->failed || !n || n > READ_BYTES)
		return p->failed ? -ENOMEM : -EINVAL;
	_cleanup_close_ int fd = start(p, iterator);
	if (fd < 0)
		return fd;
	_cleanup_free_ uint8_t *buf = malloc(n + READ_BYTES);
	size_t have = 0;
	int r = buf ? 0 : -ENOMEM;

	while (r == 0) {
		ssize_t k = read(fd, buf + have, READ_BYTES);
		if (k < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (k <= 0) {
			r = k < 0 ? -errno : have ? -EIO : 0;
			break;
		}
		have += (size_t)k;
		size_t done = 0;
		for (; have - done >= n && r == 0; done += n)
			r = fn(arg, buf + done);
		memmove(buf, buf + done, have - done);
		have -= done;
	}
	return r;
}
