/* Growing the tree by the plan: who forks whom, in which session; then groups; then those leave that
 * were only needed on the way, and zombies die. */
#include "checkpoint/restore.h"
#include "checkpoint/restore_terminals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "kernel/sys.h"

/* Adds the clone of a process; returns the call. The child starts at the stub's next instruction, but
 * stopped: CLONE_PTRACE makes it ours without a stop of the parent (kernel/fork.c, ptrace_init_task). */
static int add_clone(struct batch *b, int32_t pid, uint64_t flags, int exit_signal)
{
	struct sys_clone_args a = {.flags = flags | CLONE_PTRACE, .exit_signal = (uint64_t)exit_signal,
				   .set_tid_size = pid ? 1 : 0};
	int32_t want = pid;

	if (flags & CLONE_PARENT)
		a.exit_signal = 0; /* taken from the caller */
	size_t tid = batch_in(b, &want, sizeof want), args = batch_in(b, &a, sizeof a);
	if (pid)
		batch_relocate(b, args + offsetof(struct sys_clone_args, set_tid), tid);
	return BATCH_CALL(b, "clone3 with a chosen pid", SYS_clone3, BATCH_DATA(args), sizeof a);
}

static uint64_t sharing(const struct restore_engine *e, const struct restored *c, const struct restored *forker)
{
	uint64_t flags = 0;

	if (!c->mm || !forker->mm)
		return 0;
	if (c->mm == forker->mm)
		flags |= CLONE_VM;
	if (c->fds == forker->fds)
		flags |= CLONE_FILES;
	if (c->p->fs == forker->p->fs)
		flags |= CLONE_FS;
	if (c->p->handlers == forker->p->handlers && (flags & CLONE_VM))
		flags |= CLONE_SIGHAND;
	(void)e;
	return flags;
}

static int take_child(struct restore_engine *e, struct tracee *t, int32_t pid, const struct tracee *like,
		      struct pidspace_error *err)
{
	struct hpid host;
	int r = space_to_host(e->r->space, vpid_of(pid), &host);

	if (r == 0)
		r = tracee_take_newborn(t, host, host);
	if (r < 0)
		return error_sys(err, r, "new process %d did not come up", pid);
	t->stub = like->stub;
	t->slot = like->slot;
	t->slot_size = like->slot_size;
	t->done_signal = like->done_signal;
	t->vdso = like->vdso;
	return 0;
}

static bool forked_by(const struct plan_step *s, size_t i, enum plan_how how)
{
	return s->forker == (int)i && s->how == how;
}

static int note_born(struct restore_engine *e, size_t c, const struct restored *f, const struct tracee *like,
		     int64_t pid, struct pidspace_error *err)
{
	struct restored *p = &e->at[c];

	if (pid != p->p->pid)
		return error_set(err, -EBUSY, "E_PID_TAKEN", "process %d got pid %lld instead", p->p->pid,
				 (long long)pid);
	int r = take_child(e, &p->t, p->p->pid, like, err);
	if (r < 0)
		return r;
	p->state = BORN;
	p->sid_now = f->sid_now;
	p->pgid_now = f->pgid_now;
	e->st.tasks++;
	return 0;
}

/* Clones the children that `how` selects, in process i itself or (with CLONE_PARENT) as its siblings. */
static int clone_some(struct restore_engine *e, size_t i, enum plan_how how, struct pidspace_error *err)
{
	struct restored *f = &e->at[i];
	struct batch b = {};
	VEC(size_t) who = {};
	int r = 0;

	for (size_t c = f->first_fork; c; c = e->at[c].next_fork) {
		if (!forked_by(e->at[c].step, i, how))
			continue;
		size_t *w = vec_push(&who);
		if (!w)
			r = error_sys(err, -ENOMEM, "cannot clone");
		else
			*w = c;
		uint64_t flags = sharing(e, &e->at[c], f) | (how == PLAN_BY_SIBLING ? CLONE_PARENT : 0);
		add_clone(&b, e->at[c].p->pid, flags, (int)e->at[c].p->exit_signal);
	}
	if (r == 0 && b.calls.n)
		r = batch_run(&f->t, &b, err);
	for (size_t k = 0; k < who.n && r == 0; k++)
		r = note_born(e, who.at[k], f, &f->t, batch_result(&b, (int)k), err);
	vec_free(&who);
	batch_done(&b);
	return r < 0 ? error_add(err, r, "children of process %d", f->p->pid) : 0;
}

static int run_one(struct tracee *t, const char *what, long nr, uint64_t a0, uint64_t a1, int64_t *ret,
		   struct pidspace_error *err)
{
	struct batch b = {};
	BATCH_CALL(&b, what, nr, a0, a1);
	int r = batch_run(t, &b, err);

	if (ret)
		*ret = r < 0 ? r : batch_result(&b, 0);
	batch_done(&b);
	return r;
}

/* A helper is forked by process i, makes the session if it stands for a leader that is gone, and clones
 * those that only it can. */
static int use_helper(struct restore_engine *e, size_t i, size_t h, struct pidspace_error *err)
{
	const struct plan_helper *ph = &e->plan.helpers.at[h];
	struct restored_helper *helper = &e->helpers[h];
	struct restored *f = &e->at[i];
	struct batch b = {};
	struct restored as = {};
	int r;

	add_clone(&b, ph->pid, 0, SIGCHLD);
	r = batch_run(&f->t, &b, err);
	int64_t pid = r == 0 ? batch_result(&b, 0) : 0;
	batch_reset(&b);
	if (r == 0)
		r = take_child(e, &helper->t, (int32_t)pid, &f->t, err);
	if (r < 0)
		goto out;
	helper->born = true;
	as.sid_now = f->sid_now;
	as.pgid_now = f->pgid_now;
	if (ph->setsid) {
		r = run_one(&helper->t, "setsid", SYS_setsid, 0, 0, NULL, err);
		as.sid_now = as.pgid_now = ph->pid;
	}
	for (size_t c = f->first_fork; c && r == 0; c = e->at[c].next_fork) {
		const struct plan_step *s = e->at[c].step;
		if (s->helper != (int)h)
			continue;
		batch_reset(&b);
		add_clone(&b, e->at[c].p->pid, s->how == PLAN_BY_LEADER ? CLONE_PARENT : 0,
			  (int)e->at[c].p->exit_signal);
		r = batch_run(&helper->t, &b, err);
		if (r == 0)
			r = note_born(e, c, &as, &f->t, batch_result(&b, 0), err);
		if (s->parent >= 0)
			e->at[s->parent].drain_sigchld = true;
	}
	f->drain_sigchld = true;
out:
	batch_done(&b);
	return r;
}

/* Everything process i forks. */
static int fork_children(struct restore_engine *e, size_t i, struct pidspace_error *err)
{
	struct restored *p = &e->at[i];
	bool leads = p->p->pid == p->p->sid;
	int r;

	if (p->state == FORKED)
		return 0;
	p->state = FORKED;
	/* Most have nothing to do here, and are not waited for. */
	if (!p->first_fork && !p->helped && !leads)
		return 0;
	r = restore_queue_finish(e, err);
	if (r == 0)
		r = clone_some(e, i, PLAN_BY_PARENT_EARLY, err);
	if (r == 0 && p->step->leader && p->sid_now != p->p->pid) {
		r = run_one(&p->t, "setsid", SYS_setsid, 0, 0, NULL, err);
		p->sid_now = p->pgid_now = p->p->pid;
	}
	if (r == 0)
		r = restore_take_terminal(e, p->p, &p->t, err);
	if (r == 0)
		r = clone_some(e, i, PLAN_BY_PARENT, err);
	if (r == 0)
		r = clone_some(e, i, PLAN_BY_SIBLING, err);
	for (size_t h = 0; p->helped && h < e->plan.helpers.n && r == 0; h++)
		if (e->plan.helpers.at[h].forker == (int)i)
			r = use_helper(e, i, h, err);
	return r;
}

int restore_until_mapped(struct restore_engine *e, size_t i, struct pidspace_error *err)
{
	struct restored *p = &e->at[i];
	int r = 0;

	if (p->state >= MAPPED)
		return 0;
	if (p->state == UNBORN) {
		if (p->step->forker < 0 || p->step->forker >= (int)i)
			return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "process %d stands before its forker",
					 p->p->pid);
		r = restore_until_mapped(e, (size_t)p->step->forker, err);
		if (r == 0)
			r = fork_children(e, (size_t)p->step->forker, err);
	}
	if (r == 0 && p->state != BORN)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "process %d cannot be forked", p->p->pid);
	if (r == 0)
		r = restore_map(e, i, err);
	if (r == 0)
		p->state = MAPPED;
	return r;
}

int restore_build_tree(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	if (e->built)
		return 0;
	for (size_t i = 0; i < e->plan.n && r == 0; i++) {
		r = restore_until_mapped(e, i, err);
		if (r == 0)
			r = fork_children(e, i, err);
	}
	if (r == 0)
		r = restore_queue_finish(e, err);
	e->built = r == 0;
	return r;
}

/* --- process groups --- */

static struct restored *find_process(struct restore_engine *e, int32_t pid)
{
	for (size_t i = 0; i < e->plan.n; i++)
		if (e->at[i].p->pid == pid)
			return &e->at[i];
	return NULL;
}

static int make_group(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	int r = run_one(&p->t, "setpgid", SYS_setpgid, 0, 0, NULL, err);

	p->pgid_now = p->p->pid;
	(void)e;
	return r;
}

/* A group whose leader is gone: a helper with its number makes it, and leaves once all have joined. */
static int borrow_group(struct restore_engine *e, struct restored *p, struct tracee *helper,
			struct pidspace_error *err)
{
	struct batch b = {};
	int r;

	add_clone(&b, p->p->pgid, 0, SIGCHLD);
	r = batch_run(&p->t, &b, err);
	batch_done(&b);
	if (r == 0)
		r = take_child(e, helper, p->p->pgid, &p->t, err);
	if (r == 0)
		r = run_one(helper, "setpgid", SYS_setpgid, 0, 0, NULL, err);
	p->drain_sigchld = true;
	return r;
}

static int let_exit(struct tracee *t, int status, struct pidspace_error *err);

static int join_group(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	int32_t want = p->p->pgid;
	struct tracee helper = {};
	int r = 0;

	if (!want || p->pgid_now == want || p->step->leader)
		return 0;
	if (find_process(e, want)) {
		r = run_one(&p->t, "setpgid", SYS_setpgid, 0, (uint64_t)want, NULL, err);
		p->pgid_now = want;
		return r;
	}
	r = borrow_group(e, p, &helper, err);
	for (size_t i = 0; i < e->plan.n && r == 0; i++) {
		struct restored *m = &e->at[i];
		if (m->p->pgid != want || m->step->leader)
			continue;
		r = run_one(&m->t, "setpgid", SYS_setpgid, 0, (uint64_t)want, NULL, err);
		m->pgid_now = want;
	}
	if (r == 0)
		r = let_exit(&helper, 0, err);
	if (r == 0)
		r = run_one(&p->t, "wait4 for a helper", SYS_wait4, (uint64_t)want, 0, NULL, err);
	return r;
}

int restore_groups(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->plan.n && r == 0; i++) {
		struct restored *p = &e->at[i];
		if (p->p->pgid == p->p->pid && p->pgid_now != p->p->pid && !p->step->leader)
			r = make_group(e, p, err);
	}
	for (size_t i = 0; i < e->plan.n && r == 0; i++)
		r = join_group(e, &e->at[i], err);
	return r < 0 ? error_add(err, r, "process groups") : 0;
}

/* --- leaving --- */

/* Ends a task of ours with this wait status, and reaps it as tracer; its parent can wait for it then. */
static int let_exit(struct tracee *t, int status, struct pidspace_error *err)
{
	struct batch b = {};
	int sig = WTERMSIG(status), r, got;

	if (WIFSIGNALED(status) && sig != SIGKILL) {
		uint64_t dfl[4] = {};
		size_t at = batch_in(&b, dfl, sizeof dfl);
		batch_may_fail(&b, BATCH_CALL(&b, "rt_sigaction", SYS_rt_sigaction, sig, BATCH_DATA(at), 0, 8));
		uint64_t none[2] = {};
		at = batch_in(&b, none, sizeof none);
		/* No core file of something that died long ago. */
		BATCH_CALL(&b, "setrlimit", SYS_setrlimit, 4, BATCH_DATA(at));
		r = batch_run(t, &b, err);
		batch_done(&b);
		if (r < 0)
			return r;
		tracee_set_mask(t, ~(UINT64_C(1) << (sig - 1)));
		sys_tgkill(t->tgid.n, t->tid.n, sig);
		ptrace(PTRACE_CONT, t->tid.n, NULL, NULL);
		r = tracee_wait(t, &got);
		if (r == 0) /* the signal's delivery: let it have its way */
			ptrace(PTRACE_CONT, t->tid.n, NULL, (void *)(long)sig);
	} else if (WIFSIGNALED(status)) {
		sys_tgkill(t->tgid.n, t->tid.n, SIGKILL);
	} else {
		BATCH_CALL(&b, "exit_group", SYS_exit_group, WEXITSTATUS(status));
		r = batch_start(t, &b, err);
		batch_done(&b);
		if (r < 0)
			return r;
	}
	while (tracee_wait(t, &got) == 0)
		ptrace(PTRACE_CONT, t->tid.n, NULL, NULL);
	return 0;
}

static int helpers_leave(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t h = 0; h < e->plan.helpers.n && r == 0; h++) {
		struct restored_helper *helper = &e->helpers[h];
		struct restored *f = &e->at[e->plan.helpers.at[h].forker];
		struct vpid pid;
		if (!helper->born || helper->left)
			continue;
		r = space_to_guest(e->r->space, helper->t.tid, &pid);
		if (r < 0)
			return error_sys(err, r, "a helper of the restore is lost");
		r = let_exit(&helper->t, 0, err);
		if (r == 0)
			r = run_one(&f->t, "wait4 for a helper", SYS_wait4, (uint64_t)pid.n, 0, NULL, err);
		helper->left = true;
	}
	return r;
}

/* SIGCHLD of helpers and zombies was not in the image: away with it. */
static int drain(struct restored *p, struct pidspace_error *err)
{
	uint64_t set = UINT64_C(1) << (SIGCHLD - 1), zero[2] = {};

	for (int64_t got = SIGCHLD; got == SIGCHLD;) {
		struct batch b = {};
		size_t s = batch_in(&b, &set, sizeof set), z = batch_in(&b, zero, sizeof zero);
		batch_may_fail(&b, BATCH_CALL(&b, "rt_sigtimedwait", SYS_rt_sigtimedwait, BATCH_DATA(s), 0,
					      BATCH_DATA(z), 8));
		int r = batch_run(&p->t, &b, err);
		got = r == 0 ? batch_result(&b, 0) : 0;
		batch_done(&b);
		if (r < 0)
			return r;
	}
	return 0;
}

int restore_leave(struct restore_engine *e, struct pidspace_error *err)
{
	int r = helpers_leave(e, err);

	for (size_t i = e->plan.n; i-- > 0 && r == 0;) {
		struct restored *p = &e->at[i];
		if (p->p->state != PROCESS_STATE__PROCESS_ZOMBIE)
			continue;
		r = let_exit(&p->t, (int)p->p->exit_status, err);
		p->gone = true;
		if (p->step->parent >= 0)
			e->at[p->step->parent].drain_sigchld = true;
	}
	for (size_t i = 0; i < e->plan.n && r == 0; i++)
		if (e->at[i].drain_sigchld && !e->at[i].gone)
			r = drain(&e->at[i], err);
	return r;
}
