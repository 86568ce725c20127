#include "tracee/batch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "kernel/x86_64/sigframe.h"

/* As the stub reads it (stub.c). */
struct wire_call {
	uint64_t nr, arg[6];
	int64_t ret;
	uint16_t use[6];
	uint8_t may_fail, pad[3];
};
_Static_assert(sizeof(struct wire_call) == 80, "stub.c counts on it");

#define FRAME_ROOM ((size_t)20 << 10) /* at the slot's start, living tasks only */

static size_t data_add(struct batch *b, const void *bytes, size_t n)
{
	size_t at = (b->data_len + 15) & ~(size_t)15;

	if (at + n > b->data_cap) {
		size_t cap = (at + n) * 2 + 1024;
		uint8_t *p = realloc(b->data, cap);
		if (!p) {
			b->failed = true;
			return 0;
		}
		b->data = p;
		b->data_cap = cap;
	}
	if (bytes)
		memcpy(b->data + at, bytes, n);
	else
		memset(b->data + at, 0, n);
	b->data_len = at + n;
	return at;
}

size_t batch_in(struct batch *b, const void *bytes, size_t n)
{
	return data_add(b, bytes, n);
}

size_t batch_str(struct batch *b, const char *s)
{
	return data_add(b, s, strlen(s) + 1);
}

size_t batch_out(struct batch *b, size_t n)
{
	b->has_out = true;
	return data_add(b, NULL, n);
}

void batch_relocate(struct batch *b, size_t at, size_t to)
{
	struct batch_pointer *p = vec_push(&b->pointers);

	if (!p)
		b->failed = true;
	else
		*p = (struct batch_pointer){at, to};
}

int batch_call(struct batch *b, const char *what, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
	       uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct batch_call *c = vec_push(&b->calls);
	uint64_t a[6] = {a0, a1, a2, a3, a4, a5};

	if (!c) {
		b->failed = true;
		return 0;
	}
	c->nr = (uint64_t)nr;
	c->what = what;
	for (int i = 0; i < 6; i++) {
		c->data[i] = a[i] >> 48 == BATCH_TOKEN >> 48;
		c->arg[i] = c->data[i] ? a[i] & ~BATCH_TOKEN : a[i];
	}
	c->data_start = b->data_mark;
	c->data_end = b->data_mark = b->data_len;
	return (int)(b->calls.n - 1);
}

void batch_use(struct batch *b, int call, int arg, int result_of)
{
	if (!b->failed)
		b->calls.at[call].use[arg] = (uint16_t)(result_of + 1);
}

void batch_may_fail(struct batch *b, int call)
{
	if (!b->failed)
		b->calls.at[call].may_fail = true;
}

int64_t batch_result(const struct batch *b, int call)
{
	return b->calls.at[call].done ? b->calls.at[call].result : -ECANCELED;
}

const void *batch_bytes(const struct batch *b, size_t token)
{
	return b->data + token;
}

void batch_reset(struct batch *b)
{
	b->calls.n = b->pointers.n = 0;
	b->data_len = b->data_mark = b->at = b->end = 0;
	b->has_out = b->failed = false;
}

void batch_done(struct batch *b)
{
	vec_free(&b->calls);
	vec_free(&b->pointers);
	free(b->data);
	*b = (struct batch){};
}

/* How many calls from b->at on fit into room bytes. */
static size_t round_end(const struct batch *b, size_t room)
{
	size_t i = b->at, data0 = (b->calls.at[i].data_start + 15) & ~(size_t)15;

	for (; i < b->calls.n; i++) {
		size_t calls = (i - b->at + 1) * sizeof(struct wire_call);
		if (calls + (b->calls.at[i].data_end - data0) + 16 > room)
			break;
	}
	return i;
}

static void wire_encode(const struct batch *b, const struct batch_call *c, struct wire_call *w,
			uint64_t data_address, size_t data0)
{
	*w = (struct wire_call){.nr = c->nr, .may_fail = c->may_fail};
	for (int k = 0; k < 6; k++) {
		w->arg[k] = c->data[k] ? data_address + (c->arg[k] - data0) : c->arg[k];
		if (!c->use[k])
			continue;
		size_t of = c->use[k] - 1U;
		if (of < b->at)
			w->arg[k] = (uint64_t)b->calls.at[of].result;
		else
			w->use[k] = (uint16_t)(of - b->at + 1);
	}
}

static uint64_t done_mask(const struct tracee *t)
{
	return ~(UINT64_C(1) << (t->done_signal - 1));
}

/* A frame in the slot that puts a living task back on its way should we die meanwhile. */
static int place_frame(struct tracee *t)
{
	uint8_t xstate[TRACEE_XSTATE_MAX], frame[FRAME_ROOM];
	size_t xlen = sizeof xstate;
	int r = tracee_get_xstate(t, xstate, &xlen);

	if (r < 0)
		return r;
	struct user_regs_struct regs = t->regs;
	if (tracee_cut_short(t, &regs))
		tracee_step_back(t, &regs);
	size_t n = sigframe_build(frame, sizeof frame, t->slot, &regs, t->sigmask, xstate, xlen, 0);
	return n ? tracee_write(t, t->slot, frame, n) : -E2BIG;
}

static int round_start(struct tracee *t, struct batch *b)
{
	size_t skip = t->newborn ? 0 : FRAME_ROOM;
	size_t data0 = (b->calls.at[b->at].data_start + 15) & ~(size_t)15;
	int r;

	b->end = round_end(b, t->slot_size - skip);
	if (b->end == b->at)
		return -E2BIG;
	size_t n = b->end - b->at, calls_len = n * sizeof(struct wire_call);
	size_t data_end = b->calls.at[b->end - 1].data_end;
	size_t data_len = data_end > data0 ? data_end - data0 : 0;
	_cleanup_free_ uint8_t *buf = malloc(calls_len + data_len);
	if (!buf)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		wire_encode(b, &b->calls.at[b->at + i], (struct wire_call *)buf + i,
			    t->slot + skip + calls_len, data0);
	if (data_len)
		memcpy(buf + calls_len, b->data + data0, data_len);
	vec_each(p, &b->pointers) {
		uint64_t to = t->slot + skip + calls_len + (p->to - data0);
		if (p->at >= data0 && p->at + 8 <= data_end)
			memcpy(buf + calls_len + (p->at - data0), &to, sizeof to);
	}
	if (!t->newborn && !t->worked_in && (r = place_frame(t)) < 0)
		return r;
	r = tracee_write(t, t->slot + skip, buf, calls_len + data_len);
	if (r < 0)
		return r;

	struct user_regs_struct regs = t->regs;
	regs.rip = t->stub;
	regs.rbx = regs.r13 = t->slot + skip;
	regs.r12 = n;
	regs.rbp = (uint64_t)t->done_signal;
	regs.r15 = t->slot + 8; /* rt_sigreturn looks one word below */
	regs.orig_rax = (uint64_t)-1;
	r = tracee_set_regs(t, &regs);
	if (r < 0)
		return r;
	r = tracee_set_mask(t, done_mask(t));
	if (r < 0)
		return r;
	t->state = TRACEE_ATTACHED;
	return ptrace(PTRACE_CONT, t->tid.n, NULL, NULL) < 0 ? -errno : 0;
}

/* Waits until the stub hands the task back. Signals from outside that nothing can block wait. */
static int round_wait(struct tracee *t)
{
	int status, r;

	for (;;) {
		r = tracee_wait(t, &status);
		if (r < 0)
			return r;
		int event = status >> 16, sig = WSTOPSIG(status);
		if (!event && sig == t->done_signal)
			break;
		if (!event && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGTRAP ||
			       sig == SIGSYS))
			return t->state = TRACEE_STOPPED, -EFAULT;
		ptrace(PTRACE_CONT, t->tid.n, NULL, (void *)(long)(event ? 0 : sig));
	}
	t->state = TRACEE_STOPPED;
	return 0;
}

static int round_finish(struct tracee *t, struct batch *b, size_t *ret_failed)
{
	size_t skip = t->newborn ? 0 : FRAME_ROOM, n = b->end - b->at;
	size_t data0 = (b->calls.at[b->at].data_start + 15) & ~(size_t)15;
	size_t calls_len = n * sizeof(struct wire_call);
	size_t data_end = b->calls.at[b->end - 1].data_end;
	size_t data_len = b->has_out && data_end > data0 ? data_end - data0 : 0;
	_cleanup_free_ uint8_t *buf = malloc(calls_len + data_len);
	int r = round_wait(t);

	*ret_failed = SIZE_MAX;
	if (r < 0)
		return r;
	if (!buf)
		return -ENOMEM;
	r = tracee_read(t, t->slot + skip, buf, calls_len + data_len);
	if (r < 0)
		return r;
	if (data_len)
		memcpy(b->data + data0, buf + calls_len, data_len);
	for (size_t i = 0; i < n; i++) {
		struct batch_call *c = &b->calls.at[b->at + i];
		c->result = ((struct wire_call *)buf)[i].ret;
		c->done = true;
		if (c->result < 0 && c->result >= -4095 && !c->may_fail) {
			*ret_failed = b->at + i;
			return (int)c->result;
		}
	}
	b->at = b->end;
	return 0;
}

int batch_start(struct tracee *t, struct batch *b, struct pidspace_error *err)
{
	int r;

	if (b->failed)
		return error_sys(err, -ENOMEM, "cannot prepare calls for task %d", t->tid.n);
	b->at = b->end = 0;
	if (!b->calls.n)
		return 0;
	r = round_start(t, b);
	if (r < 0)
		return error_sys(err, r, "cannot start calls in task (host %d)", t->tid.n);
	return 0;
}

int batch_finish(struct tracee *t, struct batch *b, struct pidspace_error *err)
{
	size_t failed;
	int r;

	while (b->at < b->calls.n) {
		r = round_finish(t, b, &failed);
		if (r < 0 && failed != SIZE_MAX)
			return error_sys(err, r, "%s in task (host %d)", b->calls.at[failed].what, t->tid.n);
		if (r < 0)
			return error_sys(err, r, "task (host %d) did not carry out its calls (%s …)", t->tid.n,
					 b->calls.at[b->at].what);
		if (b->at < b->calls.n && (r = round_start(t, b)) < 0)
			return error_sys(err, r, "cannot start calls in task (host %d)", t->tid.n);
	}
	return 0;
}

int batch_meet(struct batch *b, const struct tracee *t, struct vpid tgid, struct vpid tid)
{
	return BATCH_CALL(b, "tgkill", SYS_tgkill, tgid.n, tid.n, t->done_signal);
}

int batch_wait_meeting(struct tracee *t, struct batch *b, int meeting, struct pidspace_error *err)
{
	size_t skip = t->newborn ? 0 : FRAME_ROOM;
	int r = round_wait(t);

	for (size_t i = b->at; i < (size_t)meeting && r == 0; i++) {
		struct wire_call w;
		r = tracee_read(t, t->slot + skip + (i - b->at) * sizeof w, &w, sizeof w);
		b->calls.at[i].result = w.ret;
		b->calls.at[i].done = true;
	}
	return r < 0 ? error_sys(err, r, "cannot meet task (host %d)", t->tid.n) : 0;
}

int batch_go_on(struct tracee *t)
{
	t->state = TRACEE_ATTACHED;
	return ptrace(PTRACE_CONT, t->tid.n, NULL, NULL) < 0 ? -errno : 0;
}

int batch_run(struct tracee *t, struct batch *b, struct pidspace_error *err)
{
	int r = batch_start(t, b, err);

	return r < 0 ? r : batch_finish(t, b, err);
}
