#include "kinds/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"

#define PAGE ((uint64_t)4096)
#define RUNS 512 /* of one buffer */

int content_add(struct save *s, uint32_t id, int fd, uint64_t size, struct pidspace_error *err)
{
	/* A description of our own: SEEK_DATA moves the position. */
	_cleanup_close_ int own = description_reopen(fd, O_RDONLY);

	if (own < 0)
		return error_set(err, own, "E_FILE_UNREADABLE",
				 "cannot read the content of object %u to save it: %s", id,
				 strerror(-own));
	struct saved_content *c = vec_push(&s->contents);
	if (!c)
		return error_sys(err, -ENOMEM, "cannot note the content of object %u", id);
	*c = (struct saved_content){.id = id, .fd = fd_take(&own), .size = size};
	return 0;
}

/* The next stretch of data at or after *at, rounded to pages, up to size. False: no more. */
static bool next_data(const struct saved_content *c, uint64_t at, uint64_t *ret_from, uint64_t *ret_to)
{
	if (at >= c->size)
		return false;
	off_t from = lseek(c->fd, (off_t)at, SEEK_DATA);
	if (from < 0 && errno == ENXIO)
		return false;
	off_t to = from < 0 ? -1 : lseek(c->fd, from, SEEK_HOLE);
	/* A file system without SEEK_DATA: all of it is data. */
	*ret_from = from < 0 ? at : (uint64_t)from / PAGE * PAGE;
	*ret_to = to < 0 ? c->size : (uint64_t)to;
	if (*ret_from < at)
		*ret_from = at;
	if (*ret_to > c->size)
		*ret_to = c->size;
	*ret_to = (*ret_to + PAGE - 1) / PAGE * PAGE;
	return *ret_from < *ret_to;
}

/* A page buffer being filled. */
struct filling {
	struct save *s;
	uint32_t id;
	uint8_t *buffer;
	size_t used, n_runs;
	struct image_run runs[RUNS];
};

static int flush(struct filling *fill, struct pidspace_error *err)
{
	int k = 0;

	if (fill->buffer)
		k = image_write_pages(fill->s->out, CONTENT_SPACE | fill->id, 0, fill->buffer,
				      fill->runs, fill->n_runs, err);
	fill->buffer = NULL;
	fill->used = fill->n_runs = 0;
	return k;
}

static int add_piece(struct filling *fill, const struct saved_content *c, uint64_t at, size_t n,
		     struct pidspace_error *err)
{
	if (!fill->buffer) {
		fill->buffer = image_page_buffer(fill->s->out);
		if (!fill->buffer)
			return error_sys(err, -ENOMEM, "cannot save object %u", c->id);
	}
	ssize_t k = fd_pread_all(c->fd, fill->buffer + fill->used, n, (off_t)at);
	if (k < 0)
		return error_sys(err, (int)k, "cannot read object %u at %llu", c->id,
				 (unsigned long long)at);
	memset(fill->buffer + fill->used + k, 0, n - (size_t)k);
	fill->runs[fill->n_runs++] = (struct image_run){at, n};
	fill->used += n;
	if (fill->used == IMAGE_BLOCK || fill->n_runs == RUNS)
		return flush(fill, err);
	return 0;
}

static int write_one(struct filling *fill, const struct saved_content *c, struct pidspace_error *err)
{
	uint64_t at = 0, from, to;

	fill->id = c->id;
	while (next_data(c, at, &from, &to)) {
		for (at = from; at < to;) {
			uint64_t n = IMAGE_BLOCK - fill->used;
			if (n > to - at)
				n = to - at;
			int k = add_piece(fill, c, at, n, err);
			if (k < 0)
				return k;
			at += n;
		}
	}
	return flush(fill, err);
}

int content_write_all(struct save *s, struct pidspace_error *err)
{
	_cleanup_free_ struct filling *fill = NULL;

	if (!s->out || !s->contents.n)
		return 0;
	fill = calloc(1, sizeof *fill);
	if (!fill)
		return error_sys(err, -ENOMEM, "cannot save the content of files");
	fill->s = s;
	vec_each(c, &s->contents) {
		int k = write_one(fill, c, err);
		if (k < 0)
			return k;
	}
	return 0;
}

uint64_t content_bytes(const struct save *s)
{
	uint64_t sum = 0;

	vec_each(c, &s->contents) {
		for (uint64_t at = 0, from, to; next_data(c, at, &from, &to); at = to)
			sum += to - from;
	}
	return sum;
}

int content_expect(struct restore *r, const struct placed_content *c, struct pidspace_error *err)
{
	struct placed_content *p = vec_push(&r->contents);

	if (!p) {
		if (c->fd >= 0)
			close(c->fd);
		return error_sys(err, -ENOMEM, "cannot restore object %u", c->id);
	}
	*p = *c;
	return 0;
}

static int corrupt(uint32_t id, const char *why, struct pidspace_error *err)
{
	return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
			 "the image holds bytes of object %u %s: it is damaged, take another copy", id,
			 why);
}

static int write_at(int fd, const uint8_t *data, uint64_t n, uint64_t at)
{
	while (n) {
		ssize_t k = pwrite(fd, data, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		data += k;
		at += (uint64_t)k;
		n -= (uint64_t)k;
	}
	return 0;
}

int content_pages(struct restore *r, const struct image_frame *f, struct pidspace_error *err)
{
	uint32_t id = f->space_id & ~CONTENT_SPACE;
	const struct placed_content *c = NULL;
	const uint8_t *data = f->data;
	size_t left = f->data_len;
	struct stat st;

	vec_each(p, &r->contents) {
		if (p->id == id)
			c = p;
	}
	if (!c || !id)
		return corrupt(id, "that it does not describe", err);
	if (fstat(c->fd, &st) < 0)
		return error_sys(err, -errno, "cannot restore object %u", id);
	uint64_t end = ((uint64_t)st.st_size + PAGE - 1) / PAGE * PAGE;
	for (size_t i = 0; i < f->n_runs; i++) {
		const struct image_page_run *run = &f->runs[i];
		if (run->address % PAGE || run->address > end || run->bytes > end - run->address)
			return corrupt(id, "beyond its end", err);
		/* The file was made empty, so that a hole already reads as zero. */
		if (run->zero)
			continue;
		if (run->bytes > left)
			return corrupt(id, "that are missing", err);
		uint64_t n = run->bytes;
		if (n && n > (uint64_t)st.st_size - run->address)
			n = (uint64_t)st.st_size - run->address;
		int k = write_at(c->fd, data, n, run->address);
		if (k < 0)
			return error_sys(err, k, "cannot write the content of object %u", id);
		data += run->bytes;
		left -= run->bytes;
	}
	return 0;
}

static int seal(const struct placed_content *c, struct pidspace_error *err)
{
	if (c->seals && fcntl(c->fd, F_ADD_SEALS, (int)c->seals) < 0)
		return error_sys(err, -errno, "cannot seal shared memory %u again (seals 0x%x)", c->id,
				 c->seals);
	return 0;
}

int content_seal_written(struct restore *r, struct pidspace_error *err)
{
	vec_each(c, &r->contents) {
		int k = c->seals & F_SEAL_WRITE ? seal(c, err) : 0;
		if (k < 0)
			return k;
		if (c->seals & F_SEAL_WRITE)
			c->seals = 0;
	}
	return 0;
}

static int finish_one(const struct placed_content *c, struct pidspace_error *err)
{
	/* EPERM: an ordinary user restores a file of someone else, and keeps it. */
	if (c->set_mode) {
		if (fchown(c->fd, c->uid, c->gid) < 0 && errno != EPERM && errno != EINVAL)
			return error_sys(err, -errno, "cannot give object %u its owner", c->id);
		if (fchmod(c->fd, c->mode & 07777) < 0 && errno != EPERM)
			return error_sys(err, -errno, "cannot give object %u its mode", c->id);
	}
	if (c->mtime_ns) {
		struct timespec t[2] = {
			{.tv_nsec = UTIME_OMIT},
			{c->mtime_ns / 1000000000, c->mtime_ns % 1000000000},
		};
		if (futimens(c->fd, t) < 0 && errno != EPERM)
			return error_sys(err, -errno, "cannot give object %u its time", c->id);
	}
	return seal(c, err);
}

int content_finish(struct restore *r, struct pidspace_error *err)
{
	int ret = 0;

	vec_each(c, &r->contents) {
		if (!ret)
			ret = finish_one(c, err);
		fd_closep(&c->fd);
	}
	vec_free(&r->contents);
	return ret;
}
