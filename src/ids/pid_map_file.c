#include "ids/pid_map_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

_Static_assert(PID_MAP_ESRCH == -ESRCH && PID_MAP_EAGAIN == -EAGAIN && PID_MAP_ENOMEM == -ENOMEM &&
		       PID_MAP_EEXIST == -EEXIST && PID_MAP_EINVAL == -EINVAL &&
		       PID_MAP_ESTALE == -ESTALE,
	       "the map's errors are errno's");

uint64_t pid_map_size(enum pid_map_kind kind)
{
	switch (kind) {
	case PID_MAP_DIRECT:
		return PID_MAP_DIRECT_SIZE;
	case PID_MAP_HASH:
		return PID_MAP_HASH_SIZE;
	case PID_MAP_MASKED:
		return PID_MAP_MASKED_SIZE;
	default:
		return 0;
	}
}

/* The bits of masked numbers, or that they make no sense. */
static int mask(const struct pid_map_options *o, struct pid_map_header *h,
		struct pidspace_error *err)
{
	uint32_t bits = o->masked_bits ? o->masked_bits : PID_MAP_MASKED_USUAL;
	uint32_t containers;

	if (bits < PID_MAP_MASKED_LEAST || bits > PID_MAP_MASKED_MOST)
		return error_sys(err, -EINVAL, "pids of %u bits in a masked pid map (%d to %d)",
				 bits, PID_MAP_MASKED_LEAST, PID_MAP_MASKED_MOST);
	containers = PID_MAP_CAPACITY >> bits;
	if (o->container_id < 1 || o->container_id >= containers)
		return error_sys(err, -EINVAL, "container %llu of a masked pid map (1 to %u)",
				 (unsigned long long)o->container_id, containers - 1);
	h->masked_bits = bits;
	if (!o->pid_max)
		h->pid_max = 1U << bits;
	if (h->pid_max > 1U << bits)
		return error_sys(err, -EINVAL, "pid_max %u of a masked pid map (301 to %u)",
				 h->pid_max, 1U << bits);
	return 0;
}

int pid_map_create(const struct pid_map_options *o, struct pidspace_error *err)
{
	struct pid_map_header h = {
		.magic = PID_MAP_MAGIC,
		.version = PID_MAP_VERSION,
		.kind = o->kind,
		.size = pid_map_size(o->kind),
		.container_id = o->container_id,
		.pid_max = o->pid_max ? o->pid_max : PID_MAP_CAPACITY,
		.cursor = 1,
	};
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r;

	if (!h.size)
		return error_sys(err, -EINVAL, "pid map of kind %d", (int)o->kind);
	if (h.pid_max <= PID_MAP_RESERVED || h.pid_max > PID_MAP_CAPACITY)
		return error_sys(err, -EINVAL, "pid_max %u of a pid map (301 to %d)", h.pid_max,
				 PID_MAP_CAPACITY);
	if (o->kind == PID_MAP_MASKED && (r = mask(o, &h, err)) < 0)
		return r;
	fd = memfd_create("pidspace-pids", MFD_CLOEXEC);
	if (fd < 0)
		return error_sys(err, -errno, "make memory for the pid map");
	if (ftruncate(fd, (off_t)h.size) < 0)
		return error_sys(err, -errno, "give the pid map its size, %llu bytes",
				 (unsigned long long)h.size);
	n = pwrite(fd, &h, sizeof h, 0);
	if (n != sizeof h)
		return error_sys(err, n < 0 ? -errno : -EIO, "write the header of the pid map");
	return fd_take(&fd);
}

/* Is fd a pid map that this program understands? Asked before it is mapped: a short file would be a
 * SIGBUS. */
static int check(int fd, uint64_t *ret_size, struct pidspace_error *err)
{
	struct pid_map_header h;
	struct stat st;
	ssize_t n = pread(fd, &h, sizeof h, 0);

	if (n < 0 || fstat(fd, &st) < 0)
		return error_sys(err, -errno, "read the header of the pid map");
	if (n != sizeof h || h.magic != PID_MAP_MAGIC)
		return error_sys(err, -EINVAL, "the file given as pid map is none");
	if (h.version != PID_MAP_VERSION)
		return error_sys(err, -EPROTO, "the pid map has version %u, this program knows %d",
				 h.version, PID_MAP_VERSION);
	if (!h.size || h.size != pid_map_size((enum pid_map_kind)h.kind) ||
	    st.st_size < (off_t)h.size)
		return error_sys(err, -EINVAL,
				 "the pid map has kind %u and %lld bytes, which do not agree",
				 h.kind, (long long)st.st_size);
	if (h.kind == PID_MAP_MASKED &&
	    (h.masked_bits < PID_MAP_MASKED_LEAST || h.masked_bits > PID_MAP_MASKED_MOST))
		return error_sys(err, -EINVAL, "the pid map is masked to %u bits", h.masked_bits);
	*ret_size = h.size;
	return 0;
}

int pid_map_map(int fd, void *address, bool writable, struct pid_map_header **ret,
		struct pidspace_error *err)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	uint64_t size = 0;
	void *p;
	int r = check(fd, &size, err);

	if (r < 0)
		return r;
	p = mmap(address, size, prot,
		 MAP_SHARED | MAP_NORESERVE | (address ? MAP_FIXED_NOREPLACE : 0), fd, 0);
	if (p == MAP_FAILED)
		return error_sys(err, -errno, "map the pid map");
	madvise(p, size, MADV_DONTDUMP); /* 80 MiB of numbers are no part of anybody's core */
	*ret = p;
	return 0;
}

void pid_map_unmap(struct pid_map_header *m)
{
	if (m)
		munmap(m, pid_map_size((enum pid_map_kind)m->kind));
}

static const char *state_name(enum pid_map_state state)
{
	switch (state) {
	case PID_MAP_RESERVED_BY:
		return "reserved by host";
	case PID_MAP_BOUND_TO:
		return "host";
	case PID_MAP_LEFT_BY:
		return "left by host";
	default:
		return "free";
	}
}

void pid_map_dump(const struct pid_map_header *m, FILE *to)
{
	fprintf(to, "kind %u, container %llx, pid_max %u, next %u, tasks %u%s\n", m->kind,
		(unsigned long long)m->container_id, pid_map_load32(&m->pid_max),
		pid_map_load32(&m->cursor), pid_map_tasks(m),
		pid_map_load32(&m->flags) & PID_MAP_DYING ? ", dying" : "");
	for (struct vpid v = {0}; (v = pid_map_next_used(m, v)).n;) {
		struct hpid h;
		enum pid_map_state state = pid_map_look(m, v, &h);
		uint32_t flags = pid_map_flags(m, h, v);
		uint64_t start = pid_map_start(m, h, v);

		fprintf(to, "%d: %s %d", v.n, state_name(state), h.n);
		if (flags)
			fprintf(to, ", flags %#x", flags);
		if (start)
			fprintf(to, ", began at %llu", (unsigned long long)start);
		fputc('\n', to);
	}
}

/* Sets the count right, unless something was bound or released while we counted. */
static void recount(struct pid_map_header *m)
{
	uint32_t said = pid_map_tasks(m), n = 0;

	for (struct vpid v = {0}; (v = pid_map_next(m, v)).n;)
		n++;
	pid_map_swap32(&m->tasks, said, n);
}

/* One of those that have left something at v. */
static bool sweep_one(struct pid_map_header *m, struct vpid v, bool (*in_use)(void *arg, struct hpid host), void *arg)
{
	struct hpid h;
	enum pid_map_state state = pid_map_look(m, v, &h);

	if (state == PID_MAP_LEFT_BY || (state == PID_MAP_RESERVED_BY && h.n && !in_use(arg, h)))
		return pid_map_clear(m, v, state, h);
	return state == PID_MAP_BOUND_TO && !in_use(arg, h) && pid_map_release(m, h, v);
}

size_t pid_map_sweep(struct pid_map_header *m, bool (*in_use)(void *arg, struct hpid host),
		     void *arg)
{
	size_t freed = 0;

	/* Where a number can be in two places, two that were killed may both have tried for it. */
	for (struct vpid v = {0}; (v = pid_map_next_used(m, v)).n;)
		while (sweep_one(m, v, in_use, arg))
			freed++;
	recount(m);
	return freed;
}

/* Is every number on this page free? start times don't matter. step: 4-byte words from one to the
 * next. */
static bool page_is_empty(const uint32_t *page, size_t step)
{
	for (size_t i = 0; i < PID_MAP_PAGE / sizeof *page; i += step)
		if (__atomic_load_n(&page[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

/* 1: the page went back; 0: it is in use; -errno. Writers may come at any moment: pid_map_layout.h.
 */
static int trim_page(uint32_t *chunk, void *page, size_t step)
{
	uint32_t c = pid_map_load32(chunk);
	int r;

	if (!(c & PID_MAP_CHUNK_USED) || !page_is_empty(page, step))
		return 0;
	if (!pid_map_cas32(chunk, &c, c | PID_MAP_CHUNK_CLOSING))
		return 0;
	c |= PID_MAP_CHUNK_CLOSING;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!page_is_empty(page, step)) {
		pid_map_cas32(chunk, &c, c - PID_MAP_CHUNK_CLOSING + PID_MAP_CHUNK_GENERATION);
		return 0;
	}
	if (!pid_map_cas32(chunk, &c,
			   c - PID_MAP_CHUNK_CLOSING - PID_MAP_CHUNK_USED + PID_MAP_CHUNK_PUNCHING))
		return 0;
	c += PID_MAP_CHUNK_PUNCHING - PID_MAP_CHUNK_CLOSING - PID_MAP_CHUNK_USED;
	r = madvise(page, PID_MAP_PAGE, MADV_REMOVE) < 0 ? -errno : 1;
	__atomic_store_n(chunk,
			 c - PID_MAP_CHUNK_PUNCHING + PID_MAP_CHUNK_GENERATION +
				 (r < 0 ? PID_MAP_CHUNK_USED : 0),
			 __ATOMIC_SEQ_CST);
	return r;
}

ssize_t pid_map_trim(struct pid_map_header *m)
{
	uint32_t cursor = pid_map_load32(&m->cursor) & PID_MAP_NUMBER;
	ssize_t freed = 0;
	int r;

	if (m->kind != PID_MAP_DIRECT)
		return 0;
	for (uint32_t v = 0; v < PID_MAP_CAPACITY; v += PID_MAP_PAGE / 4) {
		if (v == cursor / (PID_MAP_PAGE / 4) * (PID_MAP_PAGE / 4))
			continue; /* needed again at once */
		r = trim_page(pid_map_direct_vchunk(m, v), pid_map_direct_slot(m, v), 1);
		if (r < 0)
			return r;
		freed += r;
	}
	for (uint32_t h = 0; h < PID_MAP_CAPACITY; h += PID_MAP_PAGE / 16) {
		r = trim_page(pid_map_direct_hchunk(m, h), pid_map_direct_entry(m, h), 4);
		if (r < 0)
			return r;
		freed += r;
	}
	return freed;
}
