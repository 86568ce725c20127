#include "kinds/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/content.h"
#include "kinds/description.h"
#include "kinds/fd_kind.h"
#include "kinds/message.h"

#define MEMFD_PREFIX "/memfd:"
#define DELETED_SUFFIX " (deleted)"
#define ANONYMOUS_LINK "/dev/zero (deleted)"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020 /* linux/fcntl.h, Linux 6.3 */
#endif

bool shm_object_is(const char *link)
{
	return !strncmp(link, MEMFD_PREFIX, strlen(MEMFD_PREFIX)) || !strcmp(link, ANONYMOUS_LINK);
}

/* "/memfd:NAME (deleted)" without its ends. */
static void memfd_name(const char *link, char *ret, size_t size)
{
	size_t n;

	link += strlen(MEMFD_PREFIX);
	n = strlen(link);
	if (n >= strlen(DELETED_SUFFIX) && !strcmp(link + n - strlen(DELETED_SUFFIX), DELETED_SUFFIX))
		n -= strlen(DELETED_SUFFIX);
	snprintf(ret, size, "%.*s", (int)n, link);
}

int shm_object_save(struct save *s, const struct saved_file *f, dev_t dev, ino_t ino, const char *link,
		    int fd, uint64_t size, uint32_t *ret_id, bool *ret_new, struct pidspace_error *err)
{
	SharedMemory m = SHARED_MEMORY__INIT;
	char name[256] = "";
	bool fresh;
	struct stat st;

	*ret_id = save_object_id(s, OBJECT_SHARED_MEMORY, dev, ino, &fresh);
	if (!*ret_id)
		return error_sys(err, -ENOMEM, "cannot save shared memory");
	if (ret_new)
		*ret_new = fresh;
	if (!fresh)
		return 0;
	m.id = *ret_id;
	m.size = size;
	m.mode = 0777;
	/* Anonymous memory also shows as "[anon_shmem:NAME]" when it was named by prctl(2). */
	if (!strncmp(link, MEMFD_PREFIX, strlen(MEMFD_PREFIX)))
		memfd_name(link, name, sizeof name);
	else
		m.kind = SHARED_MEMORY__KIND__ANONYMOUS;
	m.name = name;
	if (fd >= 0) {
		if (description_fs(fd) == HUGETLBFS_MAGIC) {
			save_refuse(s, f, "E_HUGETLB", "huge page files are not carried yet",
				    "use transparent huge pages (madvise MADV_HUGEPAGE)", "%.200s", link);
			return -ENOTSUP;
		}
		int seals = fcntl(fd, F_GET_SEALS);
		if (fstat(fd, &st) < 0)
			return error_sys(err, -errno, "cannot look at %.200s", link);
		/* An object without MFD_ALLOW_SEALING has F_SEAL_SEAL from its birth. */
		m.seals = seals < 0 ? F_SEAL_SEAL : (uint32_t)seals;
		m.size = (uint64_t)st.st_size;
		m.mode = st.st_mode & 07777;
		m.uid = st.st_uid;
		m.gid = st.st_gid;
		if (s->out) {
			int k = content_add(s, m.id, fd, m.size, err);
			if (k < 0)
				return k;
		}
	}
	return message_save(s, FRAME_SHARED_MEMORY, &m.base, err);
}

/* What mmap(2) MAP_SHARED|MAP_ANONYMOUS makes, by a descriptor, so that maps shows the same name again.
 * Opening map_files needs CAP_CHECKPOINT_RESTORE (proc(5)). */
static int make_anonymous(uint64_t size)
{
	char path[64];

	if (!size)
		return -EINVAL;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			0);
	if (at == MAP_FAILED)
		return -errno;
	uint64_t end = (uint64_t)(uintptr_t)at + (size + 4095) / 4096 * 4096;
	snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)(uintptr_t)at,
		 (unsigned long)end);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int k = fd < 0 ? -errno : fd;
	munmap(at, size);
	return k;
}

/* MFD_NOEXEC_SEAL (Linux 6.3) is the one way to an object with F_SEAL_EXEC and MFD_EXEC the one that
 * vm.memfd_noexec cannot change; kernels before know neither. */
static int make_memfd(const SharedMemory *m)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	if (m->seals & F_SEAL_EXEC)
		return memfd_create(m->name, flags | 0x0008U /* MFD_NOEXEC_SEAL */);
	int fd = memfd_create(m->name, flags | 0x0010U /* MFD_EXEC */);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(m->name, flags);
	return fd;
}

int shm_object_make(struct restore *r, uint32_t id, struct pidspace_error *err)
{
	struct made_object *o = restore_object(r, OBJECT_SHARED_MEMORY, id);
	_cleanup_message_ SharedMemory *m = NULL;
	_cleanup_close_ int fd = -1;

	if (!o)
		return error_sys(err, -ENOMEM, "cannot restore shared memory %u", id);
	if (o->fd[0] >= 0)
		return o->fd[0];
	m = message_of_frame(r, FRAME_SHARED_MEMORY, id, &shared_memory__descriptor, "shared memory",
			     err);
	if (!m)
		return -EBADMSG;
	bool anonymous = m->kind == SHARED_MEMORY__KIND__ANONYMOUS;
	if (anonymous)
		fd = make_anonymous(m->size);
	if (fd < 0)
		fd = make_memfd(m);
	if (fd < 0)
		return error_sys(err, -errno, "cannot make shared memory \"%s\"", m->name);
	if (ftruncate(fd, (off_t)m->size) < 0)
		return error_sys(err, -errno, "cannot make shared memory \"%s\" %llu bytes large", m->name,
				 (unsigned long long)m->size);
	struct placed_content c = {
		.id = id, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), .seals = anonymous ? 0 : m->seals,
		.set_mode = !anonymous, .mode = m->mode, .uid = m->uid, .gid = m->gid,
	};
	if (c.fd < 0)
		return error_sys(err, -errno, "cannot restore shared memory");
	int k = content_expect(r, &c, err);
	if (k < 0)
		return k;
	return o->fd[0] = fd_take(&fd);
}

int shm_object_open(struct restore *r, uint32_t id, uint32_t flags, struct pidspace_error *err)
{
	int fd = shm_object_make(r, id, err);

	if (fd < 0)
		return fd;
	int again = description_reopen(fd, flags);
	return again < 0 ? error_sys(err, again, "cannot open shared memory %u again", id) : again;
}
