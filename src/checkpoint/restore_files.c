/* Descriptions are made here, in the restorer, handed to init in one go as a pool of descriptors above all
 * numbers the tree uses, and inherited by every process, which gives them their numbers. Mapped files and
 * shared memory travel in the same pool. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/deleted.h"
#include "kinds/description.h"
#include "kinds/fd_kind.h"
#include "kinds/shared_memory.h"
#include "kinds/tree_file.h"

static int make_one(struct restore_engine *e, const OpenFile *f, struct pidspace_error *err)
{
	const struct fd_kind *k = fd_kind_by_id(f->kind);
	struct made_file *m = vec_push(&e->r->files);

	if (!k)
		return error_set(err, -ENOTSUP, "E_IMAGE_FEATURE",
				 "the image holds a kind of file (%u) that this version does not know", f->kind);
	if (!m)
		return error_sys(err, -ENOMEM, "cannot make files");
	m->id = f->id;
	m->fd = -1;
	if (k->late_open)
		return 0;
	int fd = k->make(e->r, f, err);
	if (fd < 0)
		return error_add(err, fd, "%s (file %u)", k->name, f->id);
	e->r->files.at[e->r->files.n - 1].fd = fd;
	return 0;
}

static int open_mapped(struct restore_engine *e, const MappedFile *f, struct pidspace_error *err)
{
	struct stat st;
	int *slot = vec_push(&e->mapped_fd), fd;

	if (!slot)
		return error_sys(err, -ENOMEM, "cannot open mapped files");
	*slot = -1;
	int flags = f->writable ? O_RDWR : O_RDONLY;
	fd = f->deleted ? deleted_open(e->r, f->deleted - 1, (uint32_t)flags, err)
			: restore_open(e->r, f->path, flags | O_CLOEXEC, 0);
	if (fd < 0) {
		if (f->deleted)
			return fd;
		restore_refuse(e->r, "E_MAPPED_FILE", strerror(-fd), "put the file back where it was", "mapped file %s",
			       f->path);
		return 0;
	}
	e->mapped_fd.at[f->id - 1] = fd;
	if (f->deleted || e->r->policy == FILES_IGNORE || fstat(fd, &st) < 0)
		return 0;
	int64_t mtime = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	if ((uint64_t)st.st_size != f->size || (mtime != f->mtime_ns && !f->writable))
		restore_refuse(e->r, "E_MAPPED_FILE", "its size or time differs from the one that was mapped",
			       "restore where the same version is installed, or use --files ignore at your own risk",
			       "mapped file %s", f->path);
	return 0;
}

int restore_make_files(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	vec_each(t, &e->trees)
		if (r == 0)
			r = tree_file_restore(e->r, t->body, t->len, err);
	for (size_t i = 0; i < e->open_files.n && r == 0; i++) {
		const struct fd_kind *k = fd_kind_by_id(e->open_files.at[i]->kind);
		if (k && k->precheck)
			r = k->precheck(e->r, e->open_files.at[i], err);
	}
	for (size_t i = 0; i < e->mapped.n && r == 0; i++)
		r = open_mapped(e, e->mapped.at[i], err);
	if (r < 0 || e->r->refusals.n)
		return r;
	for (size_t i = 0; i < e->open_files.n && r == 0; i++)
		r = make_one(e, e->open_files.at[i], err);
	for (size_t i = 0; i < e->open_files.n && r == 0; i++) {
		const OpenFile *f = e->open_files.at[i];
		const struct fd_kind *k = fd_kind_by_id(f->kind);
		int fd = restore_file_fd(e->r, f->id);
		if (k->connect && fd >= 0)
			r = k->connect(e->r, f, fd, err);
		if (r < 0)
			error_add(err, r, "%s (file %u)", k->name, f->id);
	}
	return r;
}

/* A number that the tree has this description under; -1: none. */
static int any_number(const struct restore_engine *e, uint32_t file_id)
{
	vec_each(t, &e->tables)
		for (size_t i = 0; i < (*t)->n_fd; i++)
			if ((*t)->fd[i]->file == file_id)
				return (int)(*t)->fd[i]->number;
	return -1;
}

/* Who gets SIGIO or SIGURG (F_SETOWN_EX in fcntl(2)): a task, so only now. One that has gone gets none. */
int restore_file_owners(struct restore_engine *e, struct pidspace_error *err)
{
	for (size_t i = 0; i < e->open_files.n; i++) {
		const OpenFile *f = e->open_files.at[i];
		int fd = f->owner || f->owner_signal ? restore_file_fd(e->r, f->id) : -1;
		struct hpid host;
		if (fd < 0)
			continue;
		if (f->owner && space_to_host(e->r->space, vpid_of(f->owner), &host) == 0) {
			struct f_owner_ex owner = {.type = f->owner_type, .pid = host.n};
			if (fcntl(fd, F_SETOWN_EX, &owner) < 0)
				return error_sys(err, -errno, "cannot give file %u its owner %d", f->id,
						 f->owner);
		}
		if (f->owner_signal && fcntl(fd, F_SETSIG, (int)f->owner_signal) < 0)
			return error_sys(err, -errno, "cannot set the signal of file %u", f->id);
		int number = f->flags & O_ASYNC ? any_number(e, f->id) : -1;
		int r = number >= 0 ? description_set_async(fd, number) : 0;
		if (r < 0)
			return error_sys(err, r, "cannot make file %u asynchronous", f->id);
	}
	return 0;
}

/* --- the pool --- */

/* Pool order: descriptions, mapped files, shared memory objects, /dev/userfaultfd. */
static size_t shared_count(const struct restore_engine *e)
{
	size_t n = 0;

	vec_each(f, &e->r->frames)
		n += f->type == FRAME_SHARED_MEMORY;
	return n;
}

static int pool_fd(struct restore_engine *e, size_t k, struct pidspace_error *err)
{
	if (k < e->open_files.n)
		return restore_file_fd(e->r, e->open_files.at[k]->id);
	k -= e->open_files.n;
	if (k < e->mapped.n)
		return e->mapped_fd.at[k];
	k -= e->mapped.n;
	vec_each(f, &e->r->frames)
		if (f->type == FRAME_SHARED_MEMORY && k-- == 0)
			return shm_object_make(e->r, f->id, err);
	return e->uffd_device;
}

int restore_pool_number(const struct restore_engine *e, uint32_t file_id)
{
	for (size_t i = 0; i < e->open_files.n; i++)
		if (e->open_files.at[i]->id == file_id)
			return e->pool + (int)i;
	return -EBADMSG;
}

int restore_pool_mapped(const struct restore_engine *e, uint32_t id)
{
	if (!id || id > e->mapped.n || e->mapped_fd.at[id - 1] < 0)
		return -EBADMSG;
	return e->pool + (int)e->open_files.n + (int)id - 1;
}

int restore_pool_shared(struct restore_engine *e, uint32_t object_id)
{
	size_t k = 0;

	vec_each(f, &e->r->frames) {
		if (f->type != FRAME_SHARED_MEMORY)
			continue;
		if (f->id == object_id)
			return e->pool + (int)(e->open_files.n + e->mapped.n + k);
		k++;
	}
	return -EBADMSG;
}

int restore_pool_uffd(const struct restore_engine *e)
{
	return e->uffd_device < 0 ? -1 : e->pool + (int)(e->open_files.n + e->mapped.n + shared_count(e));
}

/* One message of descriptors: sent by us, received by init, moved up to pool numbers there. */
static int send_some(struct restore_engine *e, const int *fds, const int *numbers, size_t n,
		     struct pidspace_error *err)
{
	uint8_t control[CMSG_SPACE(POOL_AT_ONCE * sizeof(int))] = {};
	char byte = 0;
	struct iovec iov = {};
	struct msghdr m = {.msg_iovlen = 1, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct batch b = {};

	ssize_t k = fd_send_fds(e->sock[0], &byte, 1, fds, n);
	if (k < 0)
		return error_sys(err, (int)k, "cannot hand descriptors to the new init");
	size_t data = batch_in(&b, &byte, 1), io = batch_in(&b, &iov, sizeof iov);
	size_t ctl = batch_in(&b, control, sizeof control), msg;
	iov.iov_len = 1;
	memcpy(b.data + io, &iov, sizeof iov);
	batch_relocate(&b, io + offsetof(struct iovec, iov_base), data);
	msg = batch_in(&b, &m, sizeof m);
	batch_relocate(&b, msg + offsetof(struct msghdr, msg_iov), io);
	batch_relocate(&b, msg + offsetof(struct msghdr, msg_control), ctl);
	BATCH_CALL(&b, "recvmsg", SYS_recvmsg, e->sock_inside, BATCH_DATA(msg), MSG_CMSG_CLOEXEC);
	/* Init has nothing open but the socket, far up: they arrive as 0, 1, 2 … */
	for (size_t i = 0; i < n; i++)
		BATCH_CALL(&b, "dup3", SYS_dup3, i, numbers[i], O_CLOEXEC);
	BATCH_CALL(&b, "close_range", SYS_close_range, 0, n - 1, 0);
	int r = batch_run(&e->at[0].t, &b, err);
	batch_done(&b);
	return r;
}

int restore_send_pool(struct restore_engine *e, struct pidspace_error *err)
{
	size_t total = e->open_files.n + e->mapped.n + shared_count(e) + (e->uffd_device >= 0), n = 0;
	int fds[POOL_AT_ONCE], numbers[POOL_AT_ONCE], r = 0;
	struct rlimit have, want;

	if (prlimit(e->init_host.n, RLIMIT_NOFILE, NULL, &have) < 0)
		return error_sys(err, -errno, "cannot read the new init's limits");
	want = have;
	want.rlim_cur = (rlim_t)e->pool + total + 8;
	if (want.rlim_cur > want.rlim_max)
		want.rlim_max = want.rlim_cur;
	if (have.rlim_cur < want.rlim_cur && prlimit(e->init_host.n, RLIMIT_NOFILE, &want, NULL) < 0)
		return error_set(err, -errno, "E_TOO_MANY_FILES",
				 "the image needs %llu descriptors, the hard limit is %llu (ulimit -Hn); raise it",
				 (unsigned long long)want.rlim_cur, (unsigned long long)have.rlim_max);
	for (size_t k = 0; k <= total && r == 0; k++) {
		if (n == POOL_AT_ONCE || (k == total && n)) {
			r = send_some(e, fds, numbers, n, err);
			n = 0;
		}
		if (k == total || r < 0)
			break;
		int fd = pool_fd(e, k, err);
		if (fd < 0)
			continue; /* opened late, by a task */
		fds[n] = fd;
		numbers[n++] = e->pool + (int)k;
	}
	return r;
}

/* --- tables --- */

static const Descriptor *find_number(const FdTable *t, uint32_t number)
{
	for (size_t i = 0; t && i < t->n_fd; i++)
		if (t->fd[i]->number == number)
			return t->fd[i];
	return NULL;
}

static const OpenFile *file_by_id(const struct restore_engine *e, uint32_t id)
{
	if (id && id <= e->open_files.n && e->open_files.at[id - 1]->id == id)
		return e->open_files.at[id - 1];
	return NULL;
}

/* Gives descriptors their numbers: what differs from the forker's table, which was inherited. */
void restore_table(struct restore_engine *e, size_t i, struct batch *b)
{
	struct restored *p = &e->at[i];
	const struct restored *f = p->step->forker >= 0 ? &e->at[p->step->forker] : NULL;
	const FdTable *had = f ? f->fds : NULL;

	if (!p->fds || !p->owns_fds)
		return;
	for (size_t k = 0; had && k < had->n_fd; k++)
		if (!find_number(p->fds, had->fd[k]->number))
			batch_may_fail(b, BATCH_CALL(b, "close", SYS_close, had->fd[k]->number));
	for (size_t k = 0; k < p->fds->n_fd; k++) {
		const Descriptor *d = p->fds->fd[k], *h = find_number(had, d->number);
		const OpenFile *file = file_by_id(e, d->file);
		const struct fd_kind *kind = file ? fd_kind_by_id(file->kind) : NULL;
		if (h && h->file == d->file && h->cloexec == d->cloexec)
			continue;
		if (!file || (kind && kind->late_open))
			continue;
		BATCH_CALL(b, "dup3", SYS_dup3, restore_pool_number(e, d->file), d->number,
			   d->cloexec ? O_CLOEXEC : 0);
	}
}
