/* The order of saving: stop, collect everything, refuse completely or not at all, write metadata, write
 * memory, commit, and only then kill or let go. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/host.h"
#include "container.pb-c.h"
#include "kinds/content.h"
#include "kinds/fd_kind.h"
#include "kinds/tree_file.h"

#define RUNS_PER_BLOCK 512

struct job {
	const struct checkpoint_options *o;
	struct save s;
	struct save_engine e;
	struct engine_stats *st;
	uint64_t last_progress;
};

static void progress(struct job *j)
{
	uint64_t now = freeze_now();

	if (!j->o->progress || now - j->last_progress < 100000000)
		return;
	j->last_progress = now;
	j->o->progress(j->o->progress_arg, j->st);
}

static int write_message(struct save *s, uint16_t type, const ProtobufCMessage *m, struct pidspace_error *err)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	_cleanup_free_ uint8_t *buf = malloc(len + 1);

	if (!buf)
		return error_sys(err, -ENOMEM, "cannot write the image");
	protobuf_c_message_pack(m, buf);
	return image_write(s->out, type, buf, len, err);
}

static int64_t clock_offset(int proc_fd, const char *path, const char *clock)
{
	_cleanup_free_ char *text = NULL;
	long long sec, ns;
	char *p;

	if (fd_slurp_at(proc_fd, path, &text, NULL) < 0 || !(p = strstr(text, clock)) ||
	    sscanf(p + strlen(clock), "%lld %lld", &sec, &ns) != 2)
		return 0;
	return sec * 1000000000 + ns;
}

/* What a clock reads inside now: ours, less our own time namespace's offset, plus the container's. */
static int64_t clock_inside(const struct space *s, const char *name, clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - clock_offset(AT_FDCWD, "/proc/self/timens_offsets", name) +
	       clock_offset(s->proc_fd, "1/timens_offsets", name);
}

/* Clocks as the container reads them at the stop go into its own message. */
static int write_container(struct job *j, struct pidspace_error *err)
{
	Container *c = container__unpack(NULL, j->o->container_len, j->o->container);
	if (!c)
		return error_set(err, -EBADMSG, "E_INTERNAL", "the container's description cannot be read");
	c->monotonic_ns = clock_inside(j->o->space, "monotonic", CLOCK_MONOTONIC);
	c->boottime_ns = clock_inside(j->o->space, "boottime", CLOCK_BOOTTIME);
	size_t len = container__get_packed_size(c);
	_cleanup_free_ uint8_t *buf = malloc(len + 1);
	if (buf)
		container__pack(c, buf);
	container__free_unpacked(c, NULL);
	if (!buf)
		return error_sys(err, -ENOMEM, "cannot write the image");
	return image_write(j->s.out, FRAME_CONTAINER, buf, len, err);
}

static int collect(struct job *j, struct pidspace_error *err)
{
	struct save *s = &j->s;
	int r = collect_unlock(s, err);

	if (r == 0)
		r = collect_tree(s, err);
	if (r == 0 && collect_twins(s) < 0)
		r = error_sys(err, -ENOMEM, "cannot compare processes");
	if (r == 0)
		r = collect_sharing(s, err);
	if (r == 0)
		r = collect_outside(s, err);
	if (r == 0)
		r = collect_surroundings(s, err);
	if (r == 0)
		r = collect_files(s, err);
	if (r == 0)
		r = collect_maps(s, err);
	/* Before the work inside: its guard frames touch stack pages that hold nothing. */
	if (r == 0)
		r = collect_pages(s, err);
	if (r == 0)
		r = collect_tasks(s, err);
	if (r == 0)
		r = collect_cloexec(s, err);
	return r == 0 ? collect_words(s, err) : r;
}

/* What can still be refused: frames are held back until it is known that nothing is. */
static int save_files(struct job *j, struct pidspace_error *err)
{
	int r = tree_file_save_all(&j->s, "/dev/shm", err);

	return r == 0 ? collect_write_files(&j->s, err) : r;
}

static int write_space(struct save *s, struct saved_mm *mm, struct pidspace_error *err)
{
	int r = mm->parent && collect_note_inherited(mm) < 0 ? error_sys(err, -ENOMEM, "cannot write the image") : 0;

	if (r == 0)
		r = write_message(s, FRAME_ADDRESS_SPACE, &mm->m->base, err);
	free(mm->m->inherit);
	mm->m->inherit = NULL;
	mm->m->n_inherit = 0;
	return r;
}

/* One message after the other: packed, all of them would need as much memory again. */
static int write_processes(struct job *j, struct pidspace_error *err)
{
	struct save *s = &j->s;
	int r = 0;

	for (size_t i = 0; i < j->e.mms.n && r == 0; i++)
		r = write_space(s, j->e.mms.at[i], err);
	for (size_t i = 0; i < j->e.processes.n && r == 0; i++) {
		struct saved_process *p = j->e.processes.at[i];
		if (p->owns_fds)
			r = write_message(s, FRAME_FD_TABLE, &p->fds->base, err);
		if (r == 0)
			r = write_message(s, FRAME_PROCESS, &p->m->base, err);
	}
	return r;
}

/* --- memory --- */

struct block {
	struct job *j;
	struct saved_mm *mm, *from; /* whose pages, and in whose memory they are */
	uint32_t phase;
	uint8_t *buf;
	size_t len, n;
	bool shared; /* some of it may be mapped elsewhere as well */
	struct image_run runs[RUNS_PER_BLOCK];
};

static int block_flush(struct block *b, struct pidspace_error *err)
{
	struct iovec remote[RUNS_PER_BLOCK], local = {b->buf, b->len};
	size_t done = 0;

	if (!b->n)
		return 0;
	for (size_t i = 0; i < b->n; i++)
		remote[i] = (struct iovec){(void *)b->runs[i].address, b->runs[i].bytes};
	ssize_t k = b->shared
			    ? -1
			    : process_vm_readv(b->from->owner->first->t.tid.n, &local, 1, remote, b->n, 0);
	/* Not readable that way (no read permission), or not without side effects: one by one. */
	for (size_t i = 0; k != (ssize_t)b->len && i < b->n; done += b->runs[i++].bytes) {
		int e = collect_read(b->from, b->runs[i].address, b->buf + done, b->runs[i].bytes);
		if (e < 0)
			return error_sys(err, e, "cannot read memory %llx of process %d",
					 (unsigned long long)b->runs[i].address, b->from->owner->m->pid);
	}
	int r = image_write_pages(b->j->s.out, b->mm->id, b->phase, b->buf, b->runs, b->n, err);
	b->j->st->bytes_done += b->len;
	progress(b->j);
	b->buf = NULL;
	b->len = b->n = 0;
	b->shared = false;
	return r;
}

static int block_add(struct block *b, const struct page_run *run, struct pidspace_error *err)
{
	uint64_t start = run->start, end = run->end;
	struct saved_mm *from = run->from ? run->from : b->mm;
	int r = from == b->from ? 0 : block_flush(b, err);

	if (r < 0)
		return r;
	b->from = from;
	while (start < end) {
		if (b->len == IMAGE_BLOCK || b->n == RUNS_PER_BLOCK) {
			r = block_flush(b, err);
			if (r < 0)
				return r;
		}
		if (!b->buf && !(b->buf = image_page_buffer(b->j->s.out)))
			return error_sys(err, -EIO, "cannot write memory");
		size_t n = end - start < IMAGE_BLOCK - b->len ? end - start : IMAGE_BLOCK - b->len;
		b->runs[b->n++] = (struct image_run){start, n};
		b->shared |= b->mm->has_family && !run->alone;
		b->len += n;
		start += n;
	}
	return 0;
}

/* Says of pages that came before that they are still what they were. */
static int write_earlier(struct job *j, const struct saved_mm *mm, bool before, struct pidspace_error *err)
{
	struct image_run runs[RUNS_PER_BLOCK];
	uint64_t bytes = 0;
	size_t n = 0;
	int r = 0;

	vec_each(run, &mm->pages) {
		if (!run->earlier || run->before != before)
			continue;
		for (uint64_t at = run->start; at < run->end && r == 0;) {
			uint64_t take = run->end - at < IMAGE_BLOCK - bytes ? run->end - at : IMAGE_BLOCK - bytes;
			runs[n++] = (struct image_run){at, take};
			at += take;
			bytes += take;
			if (bytes < IMAGE_BLOCK && n < RUNS_PER_BLOCK)
				continue;
			r = image_write_earlier(j->s.out, mm->id, before ? 0 : 1, mm->earlier_id, runs, n, err);
			n = bytes = 0;
		}
	}
	return r == 0 ? image_write_earlier(j->s.out, mm->id, before ? 0 : 1, mm->earlier_id, runs, n, err) : r;
}

static int write_phase(struct job *j, struct saved_mm *mm, bool before, struct pidspace_error *err)
{
	struct block *b = calloc(1, sizeof *b);
	int r = b ? 0 : error_sys(err, -ENOMEM, "cannot write memory");

	if (!b)
		return r;
	b->j = j;
	b->mm = b->from = mm;
	b->phase = before ? 0 : 1;
	r = write_earlier(j, mm, before, err);
	vec_each(run, &mm->pages)
		if (r == 0 && run->before == before && !run->earlier)
			r = block_add(b, run, err);
	vec_each(run, &mm->for_children)
		if (r == 0 && before)
			r = block_add(b, run, err);
	if (r == 0)
		r = block_flush(b, err);
	free(b);
	return r;
}

/* Shared anonymous memory that only mappings reach (no descriptor, no privilege): read through the first
 * mapping that was met; see collect_maps.c. */
static int write_shared_through_maps(struct job *j, struct saved_mm *mm, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < mm->m->n_vma && r == 0; i++) {
		Vma *v = mm->m->vma[i];
		if (!(v->flags & COLLECT_THROUGH_MAP))
			continue;
		for (uint64_t at = 0; at < v->end - v->start && r == 0; at += IMAGE_BLOCK) {
			uint64_t left = v->end - v->start - at;
			struct image_run run = {v->offset + at, left < IMAGE_BLOCK ? left : IMAGE_BLOCK};
			uint8_t *buf = image_page_buffer(j->s.out);
			if (!buf)
				return error_sys(err, -EIO, "cannot write memory");
			if (tracee_read(&mm->owner->first->t, v->start + at, buf, run.bytes) < 0)
				memset(buf, 0, run.bytes);
			r = image_write_pages(j->s.out, CONTENT_SPACE | v->object, 1, buf, &run, 1, err);
		}
	}
	return r;
}

static int write_memory(struct job *j, struct pidspace_error *err)
{
	int r = content_write_all(&j->s, err);

	for (size_t i = 0; i < j->e.mms.n && r == 0; i++)
		r = write_phase(j, j->e.mms.at[i], true, err);
	for (size_t i = 0; i < j->e.mms.n && r == 0; i++)
		r = write_phase(j, j->e.mms.at[i], false, err);
	for (size_t i = 0; i < j->e.mms.n && r == 0; i++)
		r = write_shared_through_maps(j, j->e.mms.at[i], err);
	return r;
}

static int refused(struct job *j, struct pidspace_error *err)
{
	const struct refusal *f = j->s.refusals.at;

	if (!j->s.refusals.n)
		return 0;
	return error_set(err, -ENOTSUP, "E_REFUSED",
			 "process %d: %s (%s): %s; %s%s", f->pid.n, f->what, f->code, f->why, f->advice,
			 j->s.refusals.n > 1 ? "; `pidspace check` lists everything" : "");
}

static void before_kill(struct job *j)
{
	vec_each(f, &j->s.files) {
		const struct fd_kind *k = fd_kind_of(&j->s, f);
		if (k->before_kill)
			k->before_kill(&j->s, f);
	}
}

static int save_stopped(struct job *j, struct pidspace_error *err)
{
	int r = 0;

	stats_enter(j->st, PHASE_COLLECT);
	if (j->o->earlier)
		j->s.out = j->o->earlier->out;
	else if (!j->o->check_only)
		r = image_writer_open(&j->s.out, j->o->image_fd, &j->o->image, err);
	j->s.hold = true;
	if (r == 0)
		r = collect(j, err);
	stats_enter(j->st, PHASE_METADATA);
	if (r == 0)
		r = save_files(j, err);
	if (r == 0)
		r = refused(j, err);
	if (r < 0 || j->o->check_only)
		return r;
	vec_each(mm, &j->e.mms)
		j->st->bytes_total += (*mm)->bytes;
	j->st->bytes_total += content_bytes(&j->s);

	/* Only now can nothing refuse any more. */
	r = host_write(j->s.out, err);
	if (r == 0)
		r = write_container(j, err);
	if (r == 0)
		r = save_write_held(&j->s, err);
	if (r == 0)
		r = write_processes(j, err);
	stats_enter(j->st, PHASE_MEMORY);
	if (r == 0)
		r = write_memory(j, err);
	return r;
}

static void leave(struct job *j)
{
	stats_enter(j->st, PHASE_RELEASE);
	collect_leave(&j->s);
	collect_lock(&j->s);
}

/* Everything has been read. Who runs on does so now; the image becomes whole meanwhile. */
static int finish(struct job *j, struct pidspace_error *err)
{
	if (j->o->leave_running && j->o->let_go) {
		leave(j);
		j->o->let_go(j->o->let_go_arg);
		j->e.frozen = NULL;
		stats_resumed(j->st);
	}
	stats_enter(j->st, PHASE_COMMIT);
	int r = image_commit(j->s.out, err);
	j->st->image_bytes = image_bytes_written(j->s.out);
	j->st->raw_bytes = image_bytes_raw(j->s.out);
	return r == 0 && j->o->written ? j->o->written(j->o->written_arg, err) : r;
}

int checkpoint_run(const struct checkpoint_options *o, struct refusal **ret_refusals,
		   size_t *ret_n_refusals, struct engine_stats *stats, struct pidspace_error *err)
{
	struct job *j = calloc(1, sizeof *j);
	struct pidspace_error own = {};
	bool killed = false;
	int r;

	if (!j)
		return error_sys(err, -ENOMEM, "cannot checkpoint");
	err = err ? err : &own;
	j->o = o;
	j->st = stats;
	uint64_t limit = fd_limit_raise(); /* of every description there is a duplicate */
	j->e.frozen = o->frozen;
	j->e.earlier = o->earlier;
	j->s.space = o->space;
	j->s.externals = o->externals;
	j->s.n_externals = o->n_externals;
	j->s.leave_running = o->leave_running;
	j->s.engine = &j->e;
	j->s.root_fd = openat(o->space->proc_fd, "1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = j->s.root_fd < 0 ? error_sys(err, -errno, "cannot open the container's root") : 0;
	if (r == 0 && !o->frozen) {
		stats_enter(j->st, PHASE_FREEZE);
		r = freeze_tree(&j->e.frozen, o->space, err);
	}
	if (r == 0) {
		j->st->tasks = j->e.frozen->processes;
		/* pagemap and perhaps mem of each, and what they have open. A few fit as it is, and even this one
		 * growth may have to wait 10 ms. */
		if (j->st->tasks >= 32)
			fd_table_reserve(j->s.root_fd, (int)j->st->tasks * 3 + 64);
		j->st->threads = j->e.frozen->tasks.n;
		r = save_stopped(j, err);
	}
	if (r == 0 && !o->check_only)
		r = finish(j, err);
	if (r == 0 && !o->leave_running && !o->check_only) {
		stats_enter(j->st, PHASE_KILL);
		before_kill(j);
		r = freeze_kill(j->e.frozen, err);
		killed = r == 0;
	}
	if (j->e.frozen && !killed)
		leave(j);
	if (j->e.frozen && !o->frozen)
		freeze_release(j->e.frozen);
	if (ret_refusals) {
		*ret_refusals = j->s.refusals.at;
		*ret_n_refusals = j->s.refusals.n;
		j->s.refusals.at = NULL;
	}
	if (o->earlier)
		j->s.out = NULL; /* borrowed */
	collect_free(&j->s);
	free(j);
	fd_limit_set(limit);
	return r;
}
