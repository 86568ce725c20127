/* The order of restoring: read what there is to know, check it, make namespaces and files, grow the tree as
 * its pages arrive, then threads, attributes, registers, and one moment in which it lives. Whatever
 * fails before that moment kills what was made. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/freeze.h"
#include "checkpoint/host.h"
#include "image/lend.h"
#include "kinds/content.h"
#include "kernel/sys.h"

static int corrupt(const struct image_frame *f, const char *what, struct pidspace_error *err)
{
	return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "frame %llu (offset %llu) of the image: %s",
			 (unsigned long long)f->number, (unsigned long long)f->offset, what);
}

/* What comes is nearly always like what came before. */
#define BORROW(m, list) ((m) && (list)->n ? message_borrow(&(m)->base, &(list)->at[(list)->n - 1]->base) : (void)0)
#define FREE_ALL(list, free_one)                                                                            \
	do {                                                                                                \
		for (size_t i_ = (list)->n; i_-- > 0; free_one((list)->at[i_], NULL))                       \
			if (i_)                                                                             \
				message_give_back(&(list)->at[i_]->base, &(list)->at[i_ - 1]->base);        \
		vec_free(list);                                                                             \
	} while (0)
#define KEEP(list, pointer) (vec_push(list) ? ((list)->at[(list)->n - 1] = (pointer), 0) : -ENOMEM)

static int take_mm(struct restore_engine *e, const struct image_frame *f, struct pidspace_error *err)
{
	AddressSpace *m = address_space__unpack(NULL, f->len, f->body);

	if (!m || m->id != e->mms.n + 1) {
		if (m)
			address_space__free_unpacked(m, NULL);
		return corrupt(f, "address space", err);
	}
	BORROW(m, &e->mms);
	if (KEEP(&e->mms, m) < 0)
		return error_sys(err, -ENOMEM, "cannot read the image");
	for (size_t i = 0; i < m->n_file; i++) {
		if (m->file[i]->id != e->mapped.n + 1)
			return corrupt(f, "mapped files out of order", err);
		if (KEEP(&e->mapped, m->file[i]) < 0)
			return error_sys(err, -ENOMEM, "cannot read the image");
	}
	for (size_t i = 0; i < m->n_vma; i++)
		if (m->vma[i]->start >= m->vma[i]->end || (m->vma[i]->start | m->vma[i]->end) & 4095 ||
		    (i && m->vma[i]->start < m->vma[i - 1]->end) || m->vma[i]->end > 0x7ffffffff000ULL)
			return corrupt(f, "mappings out of order", err);
	return 0;
}

static int take_frame(struct restore_engine *e, const struct image_frame *f, struct pidspace_error *err)
{
	void *m = NULL;
	int r = 0;

	switch (f->type) {
	case FRAME_HOST:
		return host_check(f->body, f->len, err);
	case FRAME_CONTAINER:
	case FRAME_EARLY_PAGES: /* the reader has them ready for the frames that name them */
		return 0;
	case FRAME_PROCESS:
		m = process__unpack(NULL, f->len, f->body);
		BORROW((Process *)m, &e->processes);
		r = m ? KEEP(&e->processes, m) : 0;
		break;
	case FRAME_ADDRESS_SPACE:
		return take_mm(e, f, err);
	case FRAME_FD_TABLE:
		m = fd_table__unpack(NULL, f->len, f->body);
		BORROW((FdTable *)m, &e->tables);
		r = m ? KEEP(&e->tables, m) : 0;
		break;
	case FRAME_OPEN_FILE:
		m = open_file__unpack(NULL, f->len, f->body);
		if (m && ((OpenFile *)m)->id != e->open_files.n + 1)
			return corrupt(f, "files out of order", err);
		r = m ? KEEP(&e->open_files, m) : 0;
		break;
	case FRAME_TREE_FILE: {
		struct kept_frame *k = vec_push(&e->trees);
		m = malloc(f->len + 1);
		if (!k || !m)
			return error_sys(err, -ENOMEM, "cannot read the image");
		memcpy(m, f->body, f->len);
		*k = (struct kept_frame){.type = f->type, .body = m, .len = f->len};
		return 0;
	}
	default:
		r = restore_keep_frame(e->r, f->type, f->body, f->len);
		return r < 0 ? corrupt(f, "a part of a file or socket", err) : 0;
	}
	if (!m)
		return corrupt(f, "a message that cannot be read", err);
	return r < 0 ? error_sys(err, r, "cannot read the image") : 0;
}

/* All metadata; *f is the first frame of pages afterwards. 1: there is one, 0: the stream is over. */
static int read_metadata(struct restore_engine *e, struct image_frame *f, struct pidspace_error *err)
{
	int r;

	while ((r = image_next(e->o->image, f, err)) == 1) {
		if (f->type == FRAME_PAGES)
			return 1;
		int q = take_frame(e, f, err);
		if (q < 0)
			return q;
	}
	return r;
}

static int bad_process(const Process *p, const char *what, struct pidspace_error *err)
{
	return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "process %d of the image: %s", p->pid, what);
}

static void list_forks(struct restore_engine *e)
{
	for (size_t i = e->plan.n; i-- > 1;) {
		struct restored *p = &e->at[i], *f = p->step->forker >= 0 ? &e->at[p->step->forker] : NULL;
		if (!f)
			continue;
		p->next_fork = f->first_fork;
		f->first_fork = i;
	}
	vec_each(h, &e->plan.helpers)
		e->at[h->forker].helped = true;
}

static int link_processes(struct restore_engine *e, struct pidspace_error *err)
{
	int r = plan_make(&e->plan, e->processes.at, e->processes.n, err);

	if (r < 0)
		return r;
	if (!e->plan.n || e->processes.at[0]->pid != 1)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the image holds no init process");
	e->at = calloc(e->plan.n, sizeof *e->at);
	e->helpers = calloc(e->plan.helpers.n + 1, sizeof *e->helpers);
	e->held = calloc(e->mms.n + 1, sizeof *e->held);
	bool *mm_seen = calloc(e->mms.n + 1, 1), *table_seen = calloc(e->tables.n + 1, 1);
	if (!e->at || !e->helpers || !e->held || !mm_seen || !table_seen)
		r = error_sys(err, -ENOMEM, "cannot restore");
	for (size_t i = 0; i < e->plan.n && r == 0; i++) {
		struct restored *p = &e->at[i];
		p->p = e->processes.at[i];
		p->step = &e->plan.step[i];
		if (p->p->state == PROCESS_STATE__PROCESS_ZOMBIE)
			continue;
		uint32_t mm = p->p->address_space, fds = p->p->fd_table;
		if (!mm || mm > e->mms.n || !fds || fds > e->tables.n || !p->p->n_thread ||
		    p->p->thread[0]->tid != p->p->pid) {
			r = bad_process(p->p, "it lacks memory, descriptors or threads", err);
			break;
		}
		p->mm = e->mms.at[mm - 1];
		p->owns_mm = !mm_seen[mm];
		mm_seen[mm] = true;
		p->fds = e->tables.at[fds - 1];
		p->owns_fds = !table_seen[fds];
		table_seen[fds] = true;
	}
	free(mm_seen);
	free(table_seen);
	if (r == 0)
		list_forks(e);
	return r;
}

/* Numbers above all that any table uses, for the pool. */
static void choose_pool(struct restore_engine *e)
{
	uint32_t top = POOL_AT_ONCE - 1;

	vec_each(t, &e->tables)
		for (size_t i = 0; i < (*t)->n_fd; i++)
			if ((*t)->fd[i]->number > top && (*t)->fd[i]->number < 1 << 30)
				top = (*t)->fd[i]->number;
	e->sock_inside = (int)top + 1;
	e->pool = (int)top + 2;
}

/* Init's beginnings, in C and still our program: nothing open but the socket, then wait to be taken. */
static int first(void *arg)
{
	const struct restore_engine *e = arg;

	/* The tree inherits what is not set: also what libc keeps from sigaction(2) and a caller had ignored. */
	sys_signals_default();
	if (dup2(e->sock[1], e->sock_inside) < 0)
		return 127;
	if (e->sock_inside)
		close_range(0, (unsigned)e->sock_inside - 1, 0);
	close_range((unsigned)e->sock_inside + 1, ~0U, 0);
	fcntl(e->sock_inside, F_SETFD, FD_CLOEXEC);
	/* Only now may it be stopped: what it is made to call needs this socket. */
	if (write(e->sock_inside, "", 1) != 1)
		return 127;
	/* Its other side closes when the restorer dies before it has taken us. */
	char never;
	while (read(e->sock_inside, &never, 1) != 0)
		;
	return 127;
}

static int take_init(struct restore_engine *e, struct pidspace_error *err)
{
	struct tracee *t = &e->at[0].t;
	int r;

	char ready;

	e->init_host = e->r->space->init.host;
	fd_closep(&e->sock[1]);
	if (fd_read_all(e->sock[0], &ready, 1) != 1)
		return error_sys(err, -ESRCH, "the new init has ended");
	r = tracee_seize(t, e->init_host, e->init_host, RESTORE_OPTIONS);
	if (r < 0)
		return error_sys(err, r, "cannot take hold of the new init");
	tracee_interrupt(t);
	while (!tracee_poll_stop(t)) {
		struct timespec us = {.tv_nsec = 20000};
		nanosleep(&us, NULL);
	}
	if (t->state == TRACEE_GONE)
		return error_sys(err, -ESRCH, "the new init has ended");
	e->at[0].state = BORN;
	e->st.tasks = 1;
	return restore_enter_init(e, err);
}

static int refused(struct restore *r, struct pidspace_error *err)
{
	if (!r->refusals.n)
		return 0;
	const struct refusal *f = r->refusals.at;
	return error_set(err, -ENOTSUP, "E_REFUSED", "%s (%s): %s; %s", f->what, f->code, f->why, f->advice);
}

static int make_surroundings(struct restore_engine *e, struct space *space, struct pidspace_error *err)
{
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->sock) < 0)
		return error_sys(err, -errno, "cannot make a socket");
	r = space_spawn(space, e->o->space, first, e, err);
	if (r < 0)
		return r;
	e->r->space = space;
	close(e->sock[1]);
	e->sock[1] = -1;
	e->r->root_fd = openat(space->proc_fd, "1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (e->r->root_fd < 0)
		return error_sys(err, -errno, "cannot open the new container's root");
	r = take_init(e, err);
	if (r == 0)
		r = restore_make_files(e, err);
	if (r == 0)
		r = refused(e->r, err);
	if (r == 0)
		r = restore_send_pool(e, err);
	return r;
}

static void progress(struct restore_engine *e)
{
	uint64_t now = freeze_now();

	if (!e->o->progress || now - e->last_progress < 100000000)
		return;
	e->last_progress = now;
	e->o->progress(e->o->progress_arg, &e->st);
}

static int next_frame(struct restore_engine *e, struct image_frame *f, struct pidspace_error *err)
{
	stats_enter(&e->st, PHASE_READ);
	int r = e->o->lazy ? restore_lazy_next(e, f, err) : image_next(e->o->image, f, err);
	stats_enter(&e->st, PHASE_MEMORY);
	return r;
}

static int read_pages(struct restore_engine *e, struct image_frame *f, int r, struct pidspace_error *err)
{
	bool sealed = false;

	for (; r == 1; r = next_frame(e, f, err)) {
		int q = 0;
		/* The bytes of files come first; nothing has mapped any of them yet. */
		if (!sealed && !content_is(f)) {
			q = restore_fill_finish(e, err);
			if (q == 0)
				q = content_seal_written(e->r, err);
			sealed = true;
		}
		if (q == 0)
			q = f->type != FRAME_PAGES ? corrupt(f, "metadata after memory", err)
			    : content_is(f)        ? restore_fill(e, NULL, f, err)
			    : e->o->lazy           ? restore_lazy_pages(e, f, err)
						   : restore_pages(e, f, err);
		if (q < 0)
			return q;
		e->st.bytes_done += f->data_len;
		progress(e);
	}
	if (r == 0)
		r = restore_fill_finish(e, err);
	restore_fill_free(e);
	return r == 0 && !sealed ? content_seal_written(e->r, err) : r;
}

static int build(struct restore_engine *e, struct space *space, struct pidspace_error *err)
{
	struct image_frame f;
	int more = read_metadata(e, &f, err), r;

	if (more < 0)
		return more;
	r = link_processes(e, err);
	if (r == 0)
		r = restore_choose_scratch(e, err);
	if (r == 0 && e->o->lazy)
		r = restore_lazy_choose(e, err);
	if (r < 0)
		return r;
	if (e->o->lazy && more)
		more = next_frame(e, &f, err); /* what was found is only where they begin */
	if (more < 0)
		return more;
	choose_pool(e);
	stats_enter(&e->st, PHASE_FILES);
	r = make_surroundings(e, space, err);
	stats_enter(&e->st, PHASE_MEMORY);
	if (r == 0)
		r = read_pages(e, &f, more, err);
	stats_enter(&e->st, PHASE_TREE);
	if (r == 0)
		r = restore_build_tree(e, err);
	if (r == 0)
		r = restore_groups(e, err);
	stats_enter(&e->st, PHASE_FILES);
	if (r == 0)
		r = content_finish(e->r, err);
	stats_enter(&e->st, PHASE_TASKS);
	if (r == 0)
		r = restore_leave(e, err);
	if (r == 0)
		r = restore_lazy_leave(e, err);
	if (r == 0)
		r = restore_threads(e, err);
	if (r == 0)
		r = restore_terminals(e, err);
	if (r == 0)
		r = restore_attributes(e, err);
	if (r == 0)
		r = restore_file_owners(e, err);
	if (r == 0)
		r = restore_lazy_hands(e, err);
	if (r == 0)
		restore_lazy_touch(e);
	if (r == 0)
		r = restore_registers(e, err);
	stats_enter(&e->st, PHASE_GATE);
	return r == 0 ? restore_release(e, err) : r;
}

/* Kills what there is of the tree and reaps what is ours. */
static void undo(struct restore_engine *e, struct space *space)
{
	int status;

	if (!e->r->space)
		return;
	task_ref_kill(&space->init, SIGKILL);
	for (size_t i = e->plan.n; i-- > 0;) {
		struct restored *p = &e->at[i];
		for (size_t k = p->threads ? p->p->n_thread : 0; k-- > 1;)
			while (p->threads[k].state != TRACEE_GONE && tracee_wait(&p->threads[k], &status) == 0)
				ptrace(PTRACE_CONT, p->threads[k].tid.n, NULL, NULL);
		if (i && p->state != UNBORN && p->t.state != TRACEE_GONE)
			while (tracee_wait(&p->t, &status) == 0)
				ptrace(PTRACE_CONT, p->t.tid.n, NULL, NULL);
	}
	for (size_t h = 0; e->helpers && h < e->plan.helpers.n; h++)
		if (e->helpers[h].born && !e->helpers[h].left)
			while (tracee_wait(&e->helpers[h].t, &status) == 0)
				ptrace(PTRACE_CONT, e->helpers[h].t.tid.n, NULL, NULL);
	/* Others that were cloned and not yet taken die with init; any that are still ours as tracer: */
	while (task_ref_wait_exit(&space->init, 0) == -ETIMEDOUT) {
		pid_t got = waitpid(-1, &status, __WALL | WNOHANG | __WNOTHREAD);
		if (got == e->init_host.n && (WIFEXITED(status) || WIFSIGNALED(status)))
			break;
		struct timespec ms = {.tv_nsec = 200000};
		nanosleep(&ms, NULL);
	}
	waitpid(space->init.host.n, &status, __WALL);
	space_done(space);
}

static void engine_free(struct restore_engine *e)
{
	for (size_t i = 0; e->at && i < e->plan.n; i++)
		free(e->at[i].threads);
	for (size_t i = 0; e->held && i < e->mms.n; i++)
		vec_free(&e->held[i].span);
	restore_queue_free(e);
	restore_lazy_free(e);
	fd_closep(&e->uffd_device);
	free(e->at);
	free(e->helpers);
	free(e->held);
	plan_done(&e->plan);
	FREE_ALL(&e->processes, process__free_unpacked);
	FREE_ALL(&e->mms, address_space__free_unpacked);
	FREE_ALL(&e->tables, fd_table__free_unpacked);
	vec_each(f, &e->open_files)
		open_file__free_unpacked(*f, NULL);
	vec_each(t, &e->trees)
		free(t->body);
	vec_each(fd, &e->mapped_fd)
		fd_closep(fd);
	vec_free(&e->open_files);
	vec_free(&e->trees);
	vec_free(&e->mapped);
	vec_free(&e->mapped_fd);
	fd_closep(&e->sock[0]);
	fd_closep(&e->sock[1]);
}

int restore_run(const struct restore_options *o, struct space *ret, struct refusal **ret_refusals,
		size_t *ret_n_refusals, struct engine_stats *ret_stats, struct pidspace_error *err)
{
	struct restore rs = {.externals = o->externals, .n_externals = o->n_externals, .policy = o->files,
			     .root_fd = -1, .privileged = geteuid() == 0};
	struct restore_engine *e = calloc(1, sizeof *e);
	struct space space = {};
	int r;

	if (!e)
		return error_sys(err, -ENOMEM, "cannot restore");
	e->o = o;
	e->r = &rs;
	e->sock[0] = e->sock[1] = -1;
	e->uffd_device = o->lazy ? open("/dev/userfaultfd", O_RDWR | O_CLOEXEC) : -1;
	rs.engine = e;
	stats_enter(&e->st, PHASE_READ);
	uint64_t limit = fd_limit_raise(); /* every description is made here first */
	r = build(e, &space, err);
	restore_fill_free(e);
	stats_enter(&e->st, PHASE_NONE);
	if (r < 0)
		undo(e, &space);
	else
		*ret = space;
	if (ret_stats)
		*ret_stats = e->st;
	if (ret_refusals) {
		*ret_refusals = rs.refusals.at;
		*ret_n_refusals = rs.refusals.n;
		rs.refusals.at = NULL;
		rs.refusals.n = 0;
	}
	fd_closep(&rs.root_fd);
	restore_done(&rs);
	engine_free(e);
	free(e);
	fd_limit_set(limit);
	return r;
}
