/* What prctl(2) and friends keep for a process or thread: identity, limits, scheduling, and the
 * addresses the kernel writes to when a thread ends. */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/error.h"
#include "kernel/sys.h"
#include "kinds/task_kind.h"

#define CWD_MAX 512
#define AUXV_MAX 1024

/* What /proc would tell as well, at the price of an entry there each. */
static void ask_words(struct task_view *v, struct batch *b)
{
	v->q.personality = BATCH_CALL(b, "personality", SYS_personality, 0xffffffff);
	v->q.cwd = batch_out(b, CWD_MAX);
	v->q.getcwd = BATCH_CALL(b, "getcwd", SYS_getcwd, BATCH_DATA(v->q.cwd), CWD_MAX);
	batch_may_fail(b, v->q.getcwd); /* a removed or a long one */
	v->q.root = batch_out(b, sizeof(struct statx));
	size_t path = batch_str(b, "/");
	v->q.statx = BATCH_CALL(b, "statx", SYS_statx, AT_FDCWD, BATCH_DATA(path), 0, STATX_INO | STATX_MNT_ID,
				BATCH_DATA(v->q.root));
	batch_may_fail(b, v->q.statx);
	v->q.auxv = batch_out(b, AUXV_MAX);
	v->q.get_auxv = BATCH_CALL(b, "prctl(PR_GET_AUXV)", SYS_prctl, SYS_PR_GET_AUXV, BATCH_DATA(v->q.auxv), AUXV_MAX);
	batch_may_fail(b, v->q.get_auxv); /* before Linux 6.4 */
}

static void process_ask(struct task_view *v, struct batch *b)
{
	v->q.tid_address = batch_out(b, 8);
	BATCH_CALL(b, "prctl(PR_GET_TID_ADDRESS)", SYS_prctl, SYS_PR_GET_TID_ADDRESS,
		   BATCH_DATA(v->q.tid_address));
	v->q.pdeath = batch_out(b, 4);
	BATCH_CALL(b, "prctl(PR_GET_PDEATHSIG)", SYS_prctl, PR_GET_PDEATHSIG, BATCH_DATA(v->q.pdeath));
	v->q.slack = BATCH_CALL(b, "prctl(PR_GET_TIMERSLACK)", SYS_prctl, PR_GET_TIMERSLACK);
	v->q.securebits = BATCH_CALL(b, "prctl(PR_GET_SECUREBITS)", SYS_prctl, PR_GET_SECUREBITS);
	if (!v->first)
		return;
	v->q.subreaper = batch_out(b, 4);
	BATCH_CALL(b, "prctl(PR_GET_CHILD_SUBREAPER)", SYS_prctl, PR_GET_CHILD_SUBREAPER,
		   BATCH_DATA(v->q.subreaper));
	v->q.dumpable = BATCH_CALL(b, "prctl(PR_GET_DUMPABLE)", SYS_prctl, PR_GET_DUMPABLE);
	v->q.thp = BATCH_CALL(b, "prctl(PR_GET_THP_DISABLE)", SYS_prctl, PR_GET_THP_DISABLE);
	v->q.brk = BATCH_CALL(b, "brk", SYS_brk, 0);
	ask_words(v, b);
	/* Inside, since from outside another user's limits take CAP_SYS_RESOURCE (prlimit(2)). */
	v->q.limits = batch_out(b, RLIM_NLIMITS * sizeof(struct rlimit));
	for (size_t i = 0; i < RLIM_NLIMITS; i++)
		BATCH_CALL(b, "prlimit64", SYS_prlimit64, 0, i, 0,
			   BATCH_DATA(v->q.limits + i * sizeof(struct rlimit)));
}

static int dup_u32(const unsigned *in, size_t n, size_t *ret_n, uint32_t **ret)
{
	*ret = malloc(n * sizeof **ret + 1);
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = in[i];
	*ret_n = n;
	return 0;
}

static int take_credentials(const struct task_view *v, uint32_t securebits, Credentials **ret)
{
	const struct proc_status *s = v->status;
	Credentials *c = malloc(sizeof *c);

	if (!c)
		return -ENOMEM;
	credentials__init(c);
	*ret = c;
	c->cap_inheritable = s->cap_inheritable;
	c->cap_permitted = s->cap_permitted;
	c->cap_effective = s->cap_effective;
	c->cap_bounding = s->cap_bounding;
	c->cap_ambient = s->cap_ambient;
	c->securebits = securebits;
	if (dup_u32((const unsigned *)s->uid, 4, &c->n_uid, &c->uid) < 0 ||
	    dup_u32((const unsigned *)s->gid, 4, &c->n_gid, &c->gid) < 0 ||
	    dup_u32((const unsigned *)s->groups, s->n_groups, &c->n_group, &c->group) < 0)
		return -ENOMEM;
	return 0;
}

/* Visible from outside: sched_getattr(2), getpriority(2), ioprio_get(2), sched_getaffinity(2). */
static int take_schedule(Thread *th, pid_t tid)
{
	struct sched_param sp;
	cpu_set_t set;
	int policy = sched_getscheduler(tid);

	th->sched_policy = policy < 0 ? 0 : (uint32_t)policy;
	if (sched_getparam(tid, &sp) == 0)
		th->sched_priority = (uint32_t)sp.sched_priority;
	errno = 0;
	th->nice = getpriority(PRIO_PROCESS, (id_t)tid);
	long io = syscall(SYS_ioprio_get, 1, tid);
	th->ioprio = io > 0 ? (uint32_t)io : 0;
	if (sched_getaffinity(tid, sizeof set, &set) < 0)
		return 0;
	th->affinity.data = malloc(sizeof set);
	if (!th->affinity.data)
		return -ENOMEM;
	memcpy(th->affinity.data, &set, th->affinity.len = sizeof set);
	return 0;
}

static int take_limits(Process *p, const void *limits)
{
	p->limit = calloc(RLIM_NLIMITS, sizeof *p->limit);
	if (!p->limit)
		return -ENOMEM;
	for (; p->n_limit < RLIM_NLIMITS; p->n_limit++) {
		struct rlimit l;
		Limit *m = malloc(sizeof *m);
		if (!m)
			return -ENOMEM;
		limit__init(m);
		p->limit[p->n_limit] = m;
		memcpy(&l, (const struct rlimit *)limits + p->n_limit, sizeof l);
		m->soft = l.rlim_cur;
		m->hard = l.rlim_max;
	}
	return 0;
}

/* The whole vector comes, entries after AT_NULL too. */
static int take_auxv(struct told *t, const struct batch *b, size_t at, int64_t len)
{
	const uint64_t *word = batch_bytes(b, at);
	size_t n = 0;

	if (len <= 0 || len > AUXV_MAX)
		return 0;
	while ((n + 2) * sizeof *word < (size_t)len && word[n])
		n += 2;
	t->auxv_len = (n + 2) * sizeof *word;
	t->auxv = malloc(t->auxv_len);
	if (!t->auxv)
		return -ENOMEM;
	memcpy(t->auxv, word, t->auxv_len);
	return 0;
}

static int take_words(struct task_view *v, const struct batch *b)
{
	struct told *t = &v->k->told;
	const char *cwd = batch_bytes(b, v->q.cwd);
	struct statx st;

	t->brk = (uint64_t)batch_result(b, v->q.brk);
	v->process->personality = (uint32_t)batch_result(b, v->q.personality);
	/* One outside the root begins with "(unreachable)" (getcwd(2)). */
	if (batch_result(b, v->q.getcwd) > 0 && *cwd == '/' && !(t->cwd = strdup(cwd)))
		return -ENOMEM;
	memcpy(&st, batch_bytes(b, v->q.root), sizeof st);
	if (batch_result(b, v->q.statx) == 0 && st.stx_mask & STATX_MNT_ID) {
		t->root[0] = makedev(st.stx_dev_major, st.stx_dev_minor);
		t->root[1] = st.stx_ino;
		t->root[2] = st.stx_mnt_id;
	}
	return take_auxv(t, b, v->q.auxv, batch_result(b, v->q.get_auxv));
}

int task_outside_take(Thread *th, struct hpid tid)
{
	struct sys_rseq_configuration rs = {};

	sys_get_robust_list(tid.n, &th->robust_list, &th->robust_list_size);
	if (ptrace(SYS_PTRACE_GET_RSEQ_CONFIGURATION, tid.n, sizeof rs, &rs) > 0 && rs.rseq_abi_pointer) {
		th->rseq = rs.rseq_abi_pointer;
		th->rseq_size = rs.rseq_abi_size;
		th->rseq_signature = rs.signature;
	}
	return take_schedule(th, tid.n);
}

static int process_take(struct task_view *v, const struct batch *b, struct pidspace_error *err)
{
	Thread *th = v->thread;
	Process *p = v->process;
	uint32_t word;
	int r;

	memcpy(&th->clear_child_tid, batch_bytes(b, v->q.tid_address), 8);
	memcpy(&word, batch_bytes(b, v->q.pdeath), 4);
	th->pdeath_signal = word;
	th->timer_slack_ns = (uint64_t)batch_result(b, v->q.slack);
	th->no_new_privs = v->status->no_new_privs;
	r = take_credentials(v, (uint32_t)batch_result(b, v->q.securebits), &th->cred);
	if (r == 0)
		r = task_outside_take(th, v->k->t.tid);
	if (r == 0 && v->first) {
		memcpy(&word, batch_bytes(b, v->q.subreaper), 4);
		p->child_subreaper = word;
		p->dumpable = v->k->was_locked ? 0 : (uint32_t)batch_result(b, v->q.dumpable);
		p->thp_disable = batch_result(b, v->q.thp) == 1;
		p->umask = (uint32_t)v->status->umask;
		r = take_limits(p, batch_bytes(b, v->q.limits));
		if (r == 0)
			r = take_words(v, b);
	}
	return r < 0 ? error_sys(err, r, "cannot read the attributes of task %d", v->k->tid.n) : 0;
}

const struct task_kind task_process = {"process", process_ask, process_take};

extern const struct task_kind task_signals, task_timers;
const struct task_kind *const task_kinds[] = {&task_process, &task_signals, &task_timers, NULL};

void task_memory_words_late(const Thread *th, struct batch *b)
{
	if (th->clear_child_tid)
		BATCH_CALL(b, "set_tid_address", SYS_set_tid_address, th->clear_child_tid);
	if (th->robust_list)
		BATCH_CALL(b, "set_robust_list", SYS_set_robust_list, th->robust_list,
			   th->robust_list_size);
	if (th->rseq)
		BATCH_CALL(b, "rseq", SYS_rseq, th->rseq, th->rseq_size, 0, th->rseq_signature);
}

int task_schedule_late(const Thread *th, struct hpid tid, struct pidspace_error *err)
{
	struct sched_param sp = {.sched_priority = (int)th->sched_priority};

	if (th->sched_policy && sched_setscheduler(tid.n, (int)th->sched_policy, &sp) < 0)
		return error_sys(err, -errno, "cannot give thread %d scheduling policy %u", th->tid,
				 th->sched_policy);
	if (th->nice && setpriority(PRIO_PROCESS, (id_t)tid.n, th->nice) < 0)
		return error_sys(err, -errno, "cannot give thread %d nice value %d", th->tid, th->nice);
	if (th->ioprio && syscall(SYS_ioprio_set, 1, tid.n, th->ioprio) < 0)
		return error_sys(err, -errno, "cannot give thread %d its I/O priority", th->tid);
	/* Cpus the new host lacks cannot be had: the kernel keeps those that exist, and with none in
	 * common the thread may run anywhere. */
	if (th->affinity.len)
		sched_setaffinity(tid.n, th->affinity.len, (const cpu_set_t *)th->affinity.data);
	return 0;
}

int task_limits_late(const Process *p, struct hpid pid, struct pidspace_error *err)
{
	for (size_t i = 0; i < p->n_limit && i < RLIM_NLIMITS; i++) {
		struct rlimit want = {p->limit[i]->soft, p->limit[i]->hard}, have;
		if (prlimit(pid.n, (int)i, NULL, &have) == 0 && have.rlim_cur == want.rlim_cur &&
		    have.rlim_max == want.rlim_max)
			continue;
		if (prlimit(pid.n, (int)i, &want, NULL) == 0)
			continue;
		/* A hard limit above ours takes CAP_SYS_RESOURCE. What we may give is given. */
		if (errno == EPERM && want.rlim_max > have.rlim_max) {
			want.rlim_max = have.rlim_max;
			if (want.rlim_cur > want.rlim_max)
				want.rlim_cur = want.rlim_max;
			if (prlimit(pid.n, (int)i, &want, NULL) == 0)
				continue;
		}
		return error_sys(err, -errno, "cannot set limit %zu of process %d", i, p->pid);
	}
	return 0;
}

void task_process_late(const Process *p, struct batch *b)
{
	size_t at = batch_str(b, p->cwd);
	BATCH_CALL(b, "chdir to the working directory", SYS_chdir, BATCH_DATA(at));
	if (p->root && strcmp(p->root, "/")) {
		at = batch_str(b, p->root);
		BATCH_CALL(b, "chroot", SYS_chroot, BATCH_DATA(at));
	}
	BATCH_CALL(b, "umask", SYS_umask, p->umask);
	BATCH_CALL(b, "personality", SYS_personality, p->personality);
	if (p->thp_disable)
		BATCH_CALL(b, "prctl(PR_SET_THP_DISABLE)", SYS_prctl, PR_SET_THP_DISABLE, 1);
}

static void set_capabilities(const Credentials *c, struct batch *b)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {
		{(uint32_t)c->cap_effective, (uint32_t)c->cap_permitted, (uint32_t)c->cap_inheritable},
		{(uint32_t)(c->cap_effective >> 32), (uint32_t)(c->cap_permitted >> 32),
		 (uint32_t)(c->cap_inheritable >> 32)},
	};
	size_t hat = batch_in(b, &h, sizeof h), dat = batch_in(b, d, sizeof d);

	BATCH_CALL(b, "capset", SYS_capset, BATCH_DATA(hat), BATCH_DATA(dat));
}

void task_credentials_late(const Process *p, const Thread *th, bool first, struct batch *b)
{
	const Credentials *c = th->cred;
	int call;

	/* Bounding set first, while CAP_SETPCAP is there; then ids with kept capabilities; then the
	 * capabilities themselves; what only looks at the result (dumpable, death signal) last. */
	for (int cap = 0; cap < 64; cap++) {
		if (c->cap_bounding >> cap & 1)
			continue;
		call = BATCH_CALL(b, "prctl(PR_CAPBSET_DROP)", SYS_prctl, PR_CAPBSET_DROP, cap);
		batch_may_fail(b, call); /* numbers the kernel does not know */
	}
	BATCH_CALL(b, "prctl(PR_SET_SECUREBITS)", SYS_prctl, PR_SET_SECUREBITS,
		   1 << 2 | 1 << 4); /* SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS */
	if (c->n_group) {
		size_t at = batch_in(b, c->group, c->n_group * sizeof *c->group);
		call = BATCH_CALL(b, "setgroups", SYS_setgroups, c->n_group, BATCH_DATA(at));
	} else {
		call = BATCH_CALL(b, "setgroups", SYS_setgroups, 0, 0);
	}
	batch_may_fail(b, call); /* denied in an ordinary user's namespace: they are inherited there */
	BATCH_CALL(b, "setresgid", SYS_setresgid, c->gid[0], c->gid[1], c->gid[2]);
	BATCH_CALL(b, "setfsgid", SYS_setfsgid, c->gid[3]);
	BATCH_CALL(b, "setresuid", SYS_setresuid, c->uid[0], c->uid[1], c->uid[2]);
	BATCH_CALL(b, "setfsuid", SYS_setfsuid, c->uid[3]);
	call = BATCH_CALL(b, "prctl(PR_SET_SECUREBITS)", SYS_prctl, PR_SET_SECUREBITS, c->securebits);
	set_capabilities(c, b);
	for (int cap = 0; cap < 64; cap++)
		if (c->cap_ambient >> cap & 1)
			BATCH_CALL(b, "prctl(PR_CAP_AMBIENT_RAISE)", SYS_prctl, PR_CAP_AMBIENT,
				   PR_CAP_AMBIENT_RAISE, cap);
	if (th->no_new_privs)
		BATCH_CALL(b, "prctl(PR_SET_NO_NEW_PRIVS)", SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
	BATCH_CALL(b, "prctl(PR_SET_TIMERSLACK)", SYS_prctl, PR_SET_TIMERSLACK, th->timer_slack_ns);
	if (th->pdeath_signal)
		BATCH_CALL(b, "prctl(PR_SET_PDEATHSIG)", SYS_prctl, PR_SET_PDEATHSIG, th->pdeath_signal);
	/* Not dumpable comes last of all (checkpoint/): it shuts us out of the memory. */
	if (first && p->dumpable == 1)
		BATCH_CALL(b, "prctl(PR_SET_DUMPABLE)", SYS_prctl, PR_SET_DUMPABLE, p->dumpable);
	if (first && p->child_subreaper)
		BATCH_CALL(b, "prctl(PR_SET_CHILD_SUBREAPER)", SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
}
