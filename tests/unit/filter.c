/* The seccomp filter does with every call what the catalogue says, wherever it comes from.
 *
 * The program is run here by an interpreter of its own, so that all numbers and argument values can be tried without
 * making the calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/nsfs.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtual/catalogue.h"
#include "virtual/filter.h"
#include "virtual/layout.h"

#include "virtual/catalogue_check.h"
_Static_assert(IOPRIO_WHO_PROCESS == 1 && IOPRIO_WHO_PGRP == 2, "enums, which #ifdef cannot ask for");
_Static_assert(PRIO_PROCESS == 0 && PRIO_PGRP == 1, "the same");
_Static_assert(BPF_TASK_FD_QUERY == 20, "the same");

static const struct filter_places places = {
	.gate = SHIM_GATE, .birth_gate = SHIM_GATE_BIRTH, .bell = SHIM_BELL, .handler_return = SHIM_RETURN,
};

#define GUEST 0x7f0012345678u
#define TRAP (SECCOMP_RET_TRAP | SHIM_TRAP)
#define HIGH UINT64_C(0xdead00000000) /* in the half that the kernel does not look at */

struct filter {
	struct sock_filter *code;
	size_t n;
	size_t steps; /* of the last run */
};

static uint32_t word(const struct seccomp_data *d, uint32_t offset)
{
	uint32_t ret;
	assert_true(offset % 4 == 0 && offset < sizeof *d);
	memcpy(&ret, (const char *)d + offset, sizeof ret);
	return ret;
}

static bool holds(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGE:
		return a >= k;
	default:
		fail_msg("jump %#x", code);
		return false;
	}
}

/* The answer. by_number: as the kernel does it once for its bitmap: what looks at anything but the number and the
 * architecture is no answer, 0 (SECCOMP_RET_KILL_THREAD, which we never give); kernel/seccomp.c
 * seccomp_is_const_allow(). */
static uint32_t run(struct filter *f, const struct seccomp_data *d, bool by_number)
{
	uint32_t a = 0;

	f->steps = 0;
	for (size_t pc = 0; pc < f->n; pc++) {
		const struct sock_filter *i = &f->code[pc];
		f->steps++;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (by_number && i->k != offsetof(struct seccomp_data, nr) &&
			    i->k != offsetof(struct seccomp_data, arch))
				return 0;
			a = word(d, i->k);
			break;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += holds(i->code, a, i->k) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("ran over the end");
	return 0;
}

static uint32_t ask(struct filter *f, int nr, uint64_t from, const uint64_t arg[6])
{
	struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = from};
	memcpy(d.args, arg, sizeof d.args);
	return run(f, &d, false);
}

static bool hole(int nr)
{
	for (size_t i = 0; i < sizeof catalogue_holes / sizeof *catalogue_holes; i++)
		if (nr >= catalogue_holes[i].first && nr <= catalogue_holes[i].last)
			return true;
	return nr > SHIM_UNKNOWN_LAST || nr < 0;
}

/* Newer than the catalogue: trapped, so that it can be told, wherever it comes from; but from a gate the kernel answers. */
static bool newer(int nr)
{
	return nr > CATALOGUE_LAST && nr <= SHIM_UNKNOWN_LAST;
}

static uint32_t expected(int nr, uint64_t from, const uint64_t arg[6])
{
	const struct catalogue_row *r = catalogue_find(nr, arg);

	if (hole(nr))
		return SECCOMP_RET_ERRNO | ENOSYS;
	if (newer(nr) && from != places.gate && from != places.birth_gate)
		return TRAP;
	if (nr == SYS_getpid && SHIM_RING(arg))
		return SECCOMP_RET_USER_NOTIF;
	if (!r || r->policy == POLICY_PASS || from == places.gate || from == places.birth_gate)
		return SECCOMP_RET_ALLOW;
	if (nr == SYS_getpid && from == places.bell)
		return SECCOMP_RET_USER_NOTIF;
	if (nr == SYS_rt_sigreturn && from == places.handler_return)
		return SECCOMP_RET_ERRNO | ENOSYS;
	return r->policy == POLICY_REFUSE ? SECCOMP_RET_ERRNO | r->error : TRAP;
}

static void compare(struct filter *f, int nr, const uint64_t arg[6])
{
	const uint64_t from[] = {GUEST, places.gate, places.birth_gate, places.bell, places.handler_return, places.gate + 1,
				 places.gate ^ UINT64_C(1) << 40, places.bell ^ UINT64_C(1) << 40, 0};

	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		uint32_t is = ask(f, nr, from[i], arg), should = expected(nr, from[i], arg);
		if (is != should)
			fail_msg("call %d from %#lx with %#lx %#lx %#lx: %#x instead of %#x", nr, from[i], arg[0],
				 arg[1], arg[2], is, should);
	}
}

/* Every value of the rows' conditions, and its neighbours, in all combinations of the arguments that are tested. */
static size_t edges(int nr, unsigned arg, uint64_t *ret)
{
	static const uint64_t ring[6] = {SHIM_TEXT, SHIM_TEXT_SIZE, 0, 0, 0, SHIM_TEXT_AT};
	size_t n = 0;

	ret[n++] = 0;
	ret[n++] = UINT64_MAX;
	if (nr == SYS_getpid && ring[arg]) {
		ret[n++] = ring[arg];
		ret[n++] = ring[arg] ^ 1;
		ret[n++] = ring[arg] ^ UINT64_C(1) << 32;
	}
	for (unsigned i = 0; i < CATALOGUE_ROWS; i++) {
		const struct catalogue_row *r = &catalogue_rows[i];
		for (unsigned c = 0; r->nr == nr && c < r->n_conditions; c++) {
			const struct catalogue_condition *t = &r->condition[c];
			const uint64_t v[] = {t->value, t->value + 1u, t->value - 1u, t->value ^ 0x80000000u,
					      t->value | HIGH, t->value | (~t->mask & UINT32_MAX)};
			for (size_t k = 0; t->arg == arg && k < sizeof v / sizeof *v; k++)
				ret[n++] = v[k];
		}
	}
	return n;
}

static void at_the_edges(struct filter *f, int nr)
{
	uint64_t value[6][256], arg[6];
	size_t n[6], at[6] = {0};
	unsigned i;

	for (i = 0; i < 6; i++)
		n[i] = edges(nr, i, value[i]);
	do {
		for (i = 0; i < 6; i++)
			arg[i] = value[i][at[i]];
		compare(f, nr, arg);
		for (i = 0; i < 6 && ++at[i] == n[i]; i++)
			at[i] = 0;
	} while (i < 6);
}

static void every_call_gets_what_its_rows_say(void **state)
{
	for (int nr = 0; nr <= 600; nr++)
		at_the_edges(*state, nr);
}

/* Written down here once more, from the manual pages and not from the table. */
static void what_matters_is_as_we_mean_it(void **state)
{
	static const struct {
		int nr;
		uint64_t arg[6];
		uint32_t answer;
	} is[] = {
		{SYS_read, {0}, SECCOMP_RET_ALLOW},
		{SYS_getpid, {0}, TRAP},
		{SYS_openat, {0}, TRAP},
		{SYS_kill, {1, 9}, TRAP},
		{SYS_prlimit64, {0}, SECCOMP_RET_ALLOW},
		{SYS_prlimit64, {HIGH}, SECCOMP_RET_ALLOW},
		{SYS_prlimit64, {HIGH | 1}, TRAP},
		{SYS_fcntl, {3, F_GETFL}, SECCOMP_RET_ALLOW},
		{SYS_fcntl, {3, HIGH | F_GETLK}, TRAP},
		{SYS_fcntl, {3, F_SETLK}, SECCOMP_RET_ALLOW},
		{SYS_ioctl, {0, TIOCGPGRP}, TRAP},
		{SYS_ioctl, {0, TCGETS}, SECCOMP_RET_ALLOW},
		{SYS_ioctl, {0, _IOC(3, 0xff, 11, 64)}, TRAP},
		{SYS_ioctl, {0, _IOC(3, 0xff, 11, 4000)}, TRAP},
		{SYS_ioctl, {0, _IO(0xff, 2)}, SECCOMP_RET_ALLOW},
		{SYS_getsockopt, {0, SOL_SOCKET, SO_PEERCRED}, TRAP},
		{SYS_getsockopt, {0, SOL_SOCKET, SO_ERROR}, SECCOMP_RET_ALLOW},
		{SYS_getsockopt, {0, 6, SO_PEERCRED}, SECCOMP_RET_ALLOW},
		{SYS_ppoll, {0}, SECCOMP_RET_ALLOW},
		{SYS_ppoll, {0, 0, 0, HIGH}, TRAP},
		{SYS_rt_sigprocmask, {SIG_BLOCK, 1}, TRAP},
		{SYS_rt_sigprocmask, {SIG_BLOCK, 0, 1}, SECCOMP_RET_ALLOW},
		{SYS_rt_sigprocmask, {SIG_UNBLOCK, 1}, SECCOMP_RET_ALLOW},
		{SYS_clock_gettime, {CLOCK_MONOTONIC}, SECCOMP_RET_ALLOW},
		{SYS_clock_gettime, {(uint32_t)-8 | 2}, TRAP},
		{SYS_futex, {1, FUTEX_WAIT_PRIVATE}, SECCOMP_RET_ALLOW},
		{SYS_futex, {1, FUTEX_WAIT, 2}, SECCOMP_RET_ALLOW},
		{SYS_futex, {1, FUTEX_WAIT, FUTEX_WAITERS | 5}, TRAP},
		{SYS_futex, {1, HIGH | FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, HIGH | FUTEX_WAITERS | 5}, TRAP},
		{SYS_futex, {1, FUTEX_WAIT_PRIVATE, FUTEX_WAITERS | 5}, SECCOMP_RET_ALLOW},
		{SYS_futex, {1, FUTEX_WAKE, FUTEX_WAITERS | 5}, SECCOMP_RET_ALLOW},
		{SYS_futex, {1, FUTEX_WAIT, FUTEX_WAITERS | FUTEX_OWNER_DIED | 5}, SECCOMP_RET_ALLOW},
		{SYS_futex, {1, FUTEX_LOCK_PI_PRIVATE}, SECCOMP_RET_ERRNO | ENOSYS},
		{SYS_futex, {1, HIGH | FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME}, SECCOMP_RET_ERRNO | ENOSYS},
		{SYS_prctl, {PR_SET_NAME}, SECCOMP_RET_ALLOW},
		{SYS_prctl, {PR_GET_NO_NEW_PRIVS}, TRAP},
		{SYS_unshare, {CLONE_NEWNS}, SECCOMP_RET_ALLOW},
		{SYS_unshare, {CLONE_NEWNS | CLONE_NEWPID}, SECCOMP_RET_ERRNO | EPERM},
		{SYS_ptrace, {0}, SECCOMP_RET_ERRNO | EPERM},
		{SYS_io_uring_setup, {0}, SECCOMP_RET_ERRNO | EPERM},
		{SYS_sendto, {3, 1, 1, 0, 0, 0}, SECCOMP_RET_ALLOW},
		{SYS_sendto, {3, 1, 1, 0, 1, 16}, TRAP},
		{400, {0}, SECCOMP_RET_ERRNO | ENOSYS},
		{CATALOGUE_LAST + 1, {0}, TRAP},
		{SHIM_UNKNOWN_LAST, {0}, TRAP},
		{SHIM_UNKNOWN_LAST + 1, {0}, SECCOMP_RET_ERRNO | ENOSYS},
		{-1, {0}, SECCOMP_RET_ERRNO | ENOSYS},
	};

	for (size_t i = 0; i < sizeof is / sizeof *is; i++) {
		uint32_t got = ask(*state, is[i].nr, GUEST, is[i].arg);
		if (got != is[i].answer)
			fail_msg("example %zu, call %d: %#x instead of %#x", i, is[i].nr, got, is[i].answer);
	}
}

static void calls_that_pass_are_decided_by_their_number(void **state)
{
	struct filter *f = *state;
	size_t most = 0;

	for (int nr = 0; nr <= 600; nr++) {
		struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = GUEST};
		bool free = nr <= CATALOGUE_LAST && !hole(nr) && !catalogue_first[nr];
		assert_int_equal(run(f, &d, true), free ? SECCOMP_RET_ALLOW : hole(nr) ? SECCOMP_RET_ERRNO | ENOSYS : 0);
		run(f, &d, false);
		most = f->steps > most ? f->steps : most;
	}
	print_message("%zu instructions, at most %zu for a call\n", f->n, most);
	assert_true(f->n < 1024);
}

static void foreign_entries_do_not_exist(void **state)
{
	for (int nr = 0; nr <= 600; nr++) {
		struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_I386, .instruction_pointer = places.gate};
		assert_int_equal(run(*state, &d, true), SECCOMP_RET_ERRNO | ENOSYS);
		d.arch = AUDIT_ARCH_X86_64;
		d.nr |= 0x40000000; /* x32 */
		assert_int_equal(run(*state, &d, true), SECCOMP_RET_ERRNO | ENOSYS);
	}
}

/* Whoever works with a row relies on these. */
static void rows_are_in_order_and_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CATALOGUE_ROWS; i++) {
		const struct catalogue_row *r = &catalogue_rows[i];
		assert_true(!i || r->nr >= r[-1].nr);
		if (!i || r->nr != r[-1].nr)
			assert_int_equal(catalogue_first[r->nr], i + 1);
		assert_int_equal(r->policy == POLICY_SPECIAL, r->handler != HANDLER_NONE);
		for (int k = 0; k < 2; k++)
			assert_true(r->path[k] == CATALOGUE_NO_ARG || r->in[r->path[k]] == ROLE_PATH);
	}
	assert_true(sizeof catalogue_rows < 24 * 1024);
}

static void places_that_lie_far_apart_are_refused(void **state)
{
	struct filter_places far = places;
	struct filter f;

	(void)state;
	far.bell ^= UINT64_C(1) << 40;
	assert_int_equal(filter_build(&far, &f.code, &f.n), -EINVAL);
	far = places;
	far.handler_return ^= UINT64_C(1) << 40;
	assert_int_equal(filter_build(&far, &f.code, &f.n), -EINVAL);
}

/* What the child below, which cannot even exit, leaves for us. */
struct seen {
	volatile long uid, ptrace, trapped, code, number, io_uring, beyond;
};
static struct seen *seen;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	seen->trapped++;
	seen->code = info->si_errno;
	seen->number = info->si_syscall;
}

static void under_the_filter(struct filter *f)
{
	const struct sigaction act = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
	struct sock_fprog prog = {.len = (unsigned short)f->n, .filter = f->code};

	signal(SIGILL, SIG_DFL); /* cmocka would go on with its own tests */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sigaction(SIGSYS, &act, NULL);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0) {
		seen->uid = syscall(SYS_getuid);
		seen->ptrace = syscall(SYS_ptrace, 0, 0, 0, 0) < 0 ? -errno : 0;
		seen->io_uring = syscall(SYS_io_uring_setup, 0, NULL) < 0 ? -errno : 0;
		seen->beyond = syscall(SHIM_UNKNOWN_LAST + 1) < 0 ? -errno : 0;
		syscall(SYS_getppid);
	}
	__builtin_trap();
}

static void the_kernel_takes_it(void **state)
{
	int status;
	pid_t pid;

	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	seen->uid = -1;
	pid = fork();
	if (pid == 0)
		under_the_filter(*state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(seen->uid, getuid());
	assert_int_equal(seen->ptrace, -EPERM);
	assert_int_equal(seen->io_uring, -EPERM);
	assert_int_equal(seen->beyond, -ENOSYS);
	assert_int_equal(seen->trapped, 1);
	assert_int_equal(seen->code, SHIM_TRAP);
	assert_int_equal(seen->number, SYS_getppid);
	munmap(seen, sizeof *seen);
}

static int build(void **state)
{
	static struct filter f;
	*state = &f;
	return filter_build(&places, &f.code, &f.n);
}

static int done(void **state)
{
	free(((struct filter *)*state)->code);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_in_order_and_whole),
		cmocka_unit_test(every_call_gets_what_its_rows_say),
		cmocka_unit_test(what_matters_is_as_we_mean_it),
		cmocka_unit_test(calls_that_pass_are_decided_by_their_number),
		cmocka_unit_test(foreign_entries_do_not_exist),
		cmocka_unit_test(the_kernel_takes_it),
		cmocka_unit_test(places_that_lie_far_apart_are_refused),
	};
	return cmocka_run_group_tests(tests, build, done);
}
