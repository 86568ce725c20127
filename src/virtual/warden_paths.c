/* What a path of the container names, where it may lead into /proc, and the call's answer: a descriptor, a stat, a link's
 * text, or the path by which the caller can make its call itself. */
#include "virtual/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "virtual/catalogue.h"
#include "virtual/link_itself.h"
#include "virtual/proc_shadow.h"

/* --- the container's pids as the view of /proc wants them --- */

static int to_host(void *arg, struct vpid pid, struct hpid *ret)
{
	const struct warden *w = arg;
	struct hpid h = pid_map_to_hpid(w->place.map, pid);

	if (!h.n || !place_is_ours(&w->place, h, pid))
		return -ESRCH;
	*ret = h;
	return 0;
}

/* Groups and sessions that outlive their leader have no task any more: the map alone knows. */
static int to_guest(void *arg, struct hpid host, struct vpid *ret)
{
	const struct warden *w = arg;

	*ret = pid_map_to_vpid(w->place.map, host);
	return ret->n ? 0 : -ESRCH;
}

static int each(void *arg, int (*fn)(void *fn_arg, struct vpid pid, struct hpid host), void *fn_arg)
{
	const struct warden *w = arg;
	struct vpid at = {0};
	int r = 0;

	while (r >= 0 && (at = pid_map_next(w->place.map, at)).n) {
		struct hpid h = pid_map_to_hpid(w->place.map, at);
		if (!(pid_map_flags(w->place.map, h, at) & TASK_THREAD) && place_is_ours(&w->place, h, at))
			r = fn(fn_arg, at, h);
	}
	return r;
}

static void traces(void *arg, struct hpid task, struct proc_traces *ret)
{
	const struct warden *w = arg;
	uint32_t flags = pid_map_flags(w->place.map, task, pid_map_to_vpid(w->place.map, task));

	*ret = (struct proc_traces){
		.caught = UINT64_C(1) << (SIGSYS - 1),
		.ignored = task.n == w->init.n ? w->place.common->init_default : 0,
		.seccomp_filters = 1,
		.no_new_privs = flags & TASK_NO_NEW_PRIVS,
	};
}

int warden_view_init(struct warden *w, const char *state_dir, struct pidspace_error *err)
{
	const char *dirs[] = {state_dir, "/dev/shm", "/tmp"};
	struct stat st;
	int r;

	w->pids = (struct pid_view){.arg = w, .to_host = to_host, .to_guest = to_guest, .each = each, .traces = traces,
				    .hidden_start = SHIM_BASE, .hidden_end = SHIM_END};
	r = proc_view_init(&w->view, &w->pids, dirs + !state_dir, 3 - !state_dir, err);
	if (r >= 0 && proc_shadow_stat(w->view.shadow, "", &st) >= 0)
		w->place.common->shadow_dev = st.st_dev;
	return r;
}

/* --- a question --- */

struct question {
	struct warden *w;
	struct bell *b;
	const struct catalogue_row *row;
	struct proc_caller caller;
	char path[PROC_PATH_MAX];
	int dirfd;
};

static int guest_read(const struct question *q, uint64_t from, void *to, size_t n)
{
	struct iovec ours = {to, n}, theirs = {(void *)from, n};

	return process_vm_readv(q->caller.tid.n, &ours, 1, &theirs, 1, 0) == (ssize_t)n ? 0 : -EFAULT;
}

static int guest_write(const struct question *q, uint64_t to, const void *from, size_t n)
{
	struct iovec ours = {(void *)from, n}, theirs = {(void *)to, n};

	return process_vm_writev(q->caller.tid.n, &ours, 1, &theirs, 1, 0) == (ssize_t)n ? 0 : -EFAULT;
}

/* A string, page by page: what lies behind its end need not exist. */
static int guest_string(const struct question *q, uint64_t from, char *to, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t n = 4096 - (from + at) % 4096;
		if (n > size - at)
			n = size - at;
		if (guest_read(q, from + at, to + at, n) < 0)
			return -EFAULT;
		if (memchr(to + at, 0, n))
			return 0;
		at += n;
	}
	return -ENAMETOOLONG;
}

/* *ret_forbidden: PROC_NO_XDEV and the others, which are RESOLVE_* one bit up. */
static int open_flags(const struct question *q, uint64_t *ret, unsigned *ret_forbidden)
{
	const uint64_t *arg = q->b->q.arg;
	struct open_how how;

	*ret = q->b->q.nr == SYS_open ? arg[1] : q->b->q.nr == SYS_openat ? arg[2] : q->b->q.nr == SYS_creat
		? O_CREAT | O_WRONLY | O_TRUNC : 0;
	if (q->b->q.nr != SYS_openat2)
		return 0;
	if (arg[3] < sizeof how)
		return -EINVAL;
	if (guest_read(q, arg[2], &how, sizeof how) < 0)
		return -EFAULT;
	*ret = how.flags;
	*ret_forbidden = (unsigned)how.resolve << 1 & (PROC_NO_XDEV | PROC_NO_MAGICLINKS | PROC_NO_SYMLINKS | PROC_BENEATH |
						      PROC_IN_ROOT);
	return 0;
}

static void mark_in_proc(const struct question *q)
{
	struct pid_map_header *m = q->w->place.map;

	pid_map_change_flags(m, q->caller.tgid, pid_map_to_vpid(m, q->caller.tgid), TASK_IN_PROC, 0);
}

static int64_t answer_open(struct question *q, const struct proc_answer *a, uint64_t flags)
{
	_cleanup_close_ int fd = proc_view_open(&q->w->view, a, (int)flags);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		mark_in_proc(q);
	return warden_hand_over(q->w, q->b, fd, flags & O_CLOEXEC);
}

static void to_statx(const struct stat *st, struct statx *x)
{
	*x = (struct statx){
		.stx_mask = STATX_BASIC_STATS, .stx_blksize = (uint32_t)st->st_blksize, .stx_nlink = (uint32_t)st->st_nlink,
		.stx_uid = st->st_uid, .stx_gid = st->st_gid, .stx_mode = (uint16_t)st->st_mode, .stx_ino = st->st_ino,
		.stx_size = (uint64_t)st->st_size, .stx_blocks = (uint64_t)st->st_blocks,
		.stx_atime = {.tv_sec = st->st_atim.tv_sec, .tv_nsec = (uint32_t)st->st_atim.tv_nsec},
		.stx_mtime = {.tv_sec = st->st_mtim.tv_sec, .tv_nsec = (uint32_t)st->st_mtim.tv_nsec},
		.stx_ctime = {.tv_sec = st->st_ctim.tv_sec, .tv_nsec = (uint32_t)st->st_ctim.tv_nsec},
		.stx_dev_major = major(st->st_dev), .stx_dev_minor = minor(st->st_dev),
	};
}

static int64_t answer_stat(const struct question *q, const struct proc_answer *a, int buffer, bool extended)
{
	struct stat st;
	struct statx x;
	int r = proc_view_stat(&q->w->view, a, &st);

	if (r < 0)
		return r;
	to_statx(&st, &x);
	return guest_write(q, q->b->q.arg[buffer], extended ? (void *)&x : (void *)&st, extended ? sizeof x : sizeof st);
}

static int64_t answer_readlink(const struct question *q, const struct proc_answer *a)
{
	const uint64_t *arg = q->b->q.arg + (q->b->q.nr == SYS_readlinkat);
	char text[PROC_PATH_MAX];
	ssize_t n;

	if ((int)arg[2] <= 0)
		return -EINVAL;
	n = proc_view_readlink(&q->w->view, a, text, sizeof text);
	if (n > (int)arg[2])
		n = (int)arg[2];
	return n < 0 ? n : guest_write(q, arg[1], text, (size_t)n) < 0 ? -EFAULT : n;
}

static void rename_to(const struct question *q, const char *path)
{
	struct shim_request *r = &q->b->q;
	size_t n = strlen(path) + 1;

	if (r->text && r->room < n) {
		r->answer = ANSWER_LONGER;
		r->ret = (int64_t)n;
	} else if (!r->text || guest_write(q, r->text, path, n) < 0) {
		r->answer = ANSWER_DONE;
		r->ret = -EFAULT;
	} else {
		r->answer = ANSWER_RENAMED;
	}
}

static void enter(const struct question *q, const struct proc_answer *a)
{
	char path[PROC_PATH_MAX];
	int r = proc_view_enter(&q->w->view, a, path, sizeof path);

	q->b->q.ret = r;
	if (r < 0)
		return;
	mark_in_proc(q);
	rename_to(q, path);
}

/* O_PATH: a descriptor that only names something is not handed over by the kernel (SECCOMP_IOCTL_NOTIF_ADDFD), so the caller
 * makes it itself. */
static void answer_name(const struct question *q, const struct proc_answer *a)
{
	char path[PROC_PATH_MAX];
	int r = 0;

	if (a->what == PROC_LIST)
		r = proc_view_enter(&q->w->view, a, path, sizeof path);
	q->b->q.ret = r;
	if (r < 0)
		return;
	mark_in_proc(q);
	rename_to(q, a->what == PROC_LIST ? path : a->path);
}

static int with_role(const struct catalogue_row *r, enum role role)
{
	for (int i = 0; i < 6; i++)
		if (r->in[i] == role)
			return i;
	return -1;
}

/* It names something of /proc. */
static void answer_proc(struct question *q, const struct proc_answer *a, uint64_t flags)
{
	struct shim_request *r = &q->b->q;
	int stat_at = with_role(q->row, ROLE_STAT), statx_at = with_role(q->row, ROLE_STATX);

	r->answer = ANSWER_DONE;
	if (q->row->out == ROLE_FD && flags & O_PATH)
		answer_name(q, a);
	else if (r->nr == SYS_open || r->nr == SYS_openat || r->nr == SYS_openat2 || r->nr == SYS_creat)
		r->ret = answer_open(q, a, flags);
	else if (stat_at >= 0 || statx_at >= 0)
		r->ret = answer_stat(q, a, stat_at >= 0 ? stat_at : statx_at, statx_at >= 0);
	else if (r->nr == SYS_readlink || r->nr == SYS_readlinkat)
		r->ret = answer_readlink(q, a);
	else if (r->nr == SYS_chdir)
		enter(q, a);
	else
		rename_to(q, a->path);
}

static void update(struct warden *w)
{
	w->pids.pid_max = (pid_t)pid_map_load32(&w->place.map->pid_max);
	w->pids.last_pid = (pid_t)pid_map_load32(&w->place.map->cursor) - 1;
}

void warden_path(struct warden *w, struct bell *b)
{
	struct question q = {.w = w, .b = b, .row = catalogue_find(b->q.nr, b->q.arg),
			     .caller = {.tgid = hpid_of(b->q.tgid), .tid = b->tid},
			     .dirfd = b->q.dirfd_arg < 6 ? (int)b->q.arg[b->q.dirfd_arg] : AT_FDCWD};
	struct proc_answer a;
	uint64_t flags = 0;
	unsigned forbidden = 0;
	int r;

	b->q.answer = ANSWER_NATIVE;
	if (!q.row || b->q.path_arg >= 6)
		return;
	r = guest_string(&q, b->q.arg[b->q.path_arg], q.path, sizeof q.path);
	if (r >= 0)
		r = open_flags(&q, &flags, &forbidden);
	update(w);
	if (r >= 0)
		r = proc_view_resolve(&w->view, &q.caller, q.dirfd, q.path,
				      forbidden | (names_link_itself(q.row, b->q.arg, flags) ? PROC_NOFOLLOW : 0), &a);
	if (r < 0) {
		b->q.answer = ANSWER_DONE;
		b->q.ret = r;
		return;
	}
	if (a.what == PROC_OUTSIDE)
		rename_to(&q, a.path);
	else if (a.what != PROC_ELSEWHERE)
		answer_proc(&q, &a, flags);
	proc_answer_done(&a);
}

void warden_place(struct warden *w, struct bell *b)
{
	struct question q = {.w = w, .b = b, .caller = {.tgid = hpid_of(b->q.tgid), .tid = b->tid}};
	char path[PROC_PLACE_MAX + 16];
	int r = proc_view_place(&w->view, &q.caller, AT_FDCWD, path, sizeof path);

	b->q.answer = ANSWER_DONE;
	if (r == 0)
		r = (int)strlen(path) + 1;
	b->q.ret = r < 0		       ? r
		   : (uint64_t)r > b->q.room ? -ERANGE
		   : guest_write(&q, b->q.text, path, (size_t)r) < 0 ? -EFAULT : r;
}
