/* Where every trapped system call arrives, and where it leaves with its answer. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

static long special(struct trap *t, const struct catalogue_row *r)
{
	switch (r->handler) {
#define X(function, number) case number: return function(t, r);
	CATALOGUE_HANDLERS(X)
#undef X
	default:
		return -ENOSYS;
	}
}

/* A call newer than the catalogue might carry pids. It is told once in a container, whoever makes it. */
static long unknown(long nr)
{
	struct shim_request q = {.ask = ASK_UNKNOWN, .nr = (int32_t)nr, .tgid = ids_self()};
	uint64_t bit = UINT64_C(1) << (nr % 64);

	if (nr > CATALOGUE_LAST && nr <= SHIM_UNKNOWN_LAST &&
	    !(__atomic_fetch_or(&common()->unknown[nr / 64], bit, __ATOMIC_RELAXED) & bit))
		shim_bell(&q);
	return -ENOSYS;
}

long trap_dispatch(struct trap *t, const struct catalogue_row *r)
{
	/* Reads are trapped by another filter than the catalogue's. */
	if (t->nr == __NR_read || t->nr == __NR_readv || t->nr == __NR_preadv2)
		return records_read(t);
	if (!r)
		return unknown(t->nr);
	switch (r->policy) {
	case POLICY_TRANSLATE:
		return rows_translate(t, r);
	case POLICY_SPECIAL:
		return special(t, r);
	case POLICY_WARDEN:
		return rare_call(t);
	default:
		return trap_native(t);
	}
}

/* The kernel has undone the call (syscall_rollback()): rax is its number again, rip lies behind it. */
void shim_sigsys(int sig, siginfo_t *info, struct ucontext *uc)
{
	struct sigcontext *m = (struct sigcontext *)&uc->uc_mcontext;
	struct trap t = {
		.nr = (long)m->rax,
		.arg = {(long)m->rdi, (long)m->rsi, (long)m->rdx, (long)m->r10, (long)m->r8, (long)m->r9},
		.uc = uc,
	};
	unsigned long rip = m->rip;
	const struct catalogue_row *r;
	long ret;

	if (info->si_code != 1 /* SYS_SECCOMP */ || info->si_errno != SHIM_TRAP) {
		actions_own_sigsys(info, uc);
		return;
	}
	r = catalogue_find(t.nr, (const uint64_t *)t.arg);
	patch_consider(r, rip, (uint32_t)t.nr);
	ret = trap_dispatch(&t, r);
	/* A birth goes on elsewhere, with registers of its own. */
	if (m->rip == rip)
		m->rax = (unsigned long)ret;
}

bool guest_readable(const void *p, unsigned long len)
{
	unsigned long at = (unsigned long)p, end = at + len;

	if (end < at)
		return false;
	/* rt_sigprocmask(2) reads the set before it looks at an impossible `how`. An aligned word never crosses
	 * into the next page. NULL would be no set at all, so the first page is asked for by its second word. */
	for (at &= ~7ul; at < end; at = (at | 4095) + 1)
		if (CALL4(__NR_rt_sigprocmask, -1, at ? at : 8, 0, 8) == -EFAULT)
			return false;
	return true;
}

bool guest_write(void *to, const void *from, unsigned long len)
{
	struct {
		const void *at;
		unsigned long len;
	} ours = {from, len}, theirs = {to, len};

	return shim_call(__NR_process_vm_writev, CALL0(__NR_getpid), (long)&ours, 1, (long)&theirs, 1, 0) == (long)len;
}
