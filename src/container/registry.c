#include "container/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"

/* --- the state directory --- */

static int default_dir(char *buf, size_t size)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return snprintf(buf, size, "/run/pidspace");
	if (run && *run == '/') {
		mkdir(run, 0700);
		return snprintf(buf, size, "%s/pidspace", run);
	}
	return snprintf(buf, size, "/tmp/pidspace-%u", geteuid());
}

int pidspace_open(struct pidspace **ret, const char *state_dir, struct pidspace_error *err)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct pidspace *p;
	struct stat st;

	if (state_dir)
		snprintf(path, sizeof path, "%s", state_dir);
	else
		default_dir(path, sizeof path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_sys(err, -errno, "cannot make the state directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "E_STATE_DIR", "cannot open the state directory %s: %s",
				 path, strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & 0022))
		return error_set(err, -EACCES, "E_STATE_DIR",
				 "the state directory %s is not ours alone: it must belong to user %u "
				 "and be writable for nobody else", path, geteuid());
	p = calloc(1, sizeof *p);
	if (!p)
		return error_sys(err, -ENOMEM, "cannot open the registry");
	p->dir = realpath(path, NULL);
	p->dir_fd = fd_take(&fd);
	if (!p->dir) {
		pidspace_close(p);
		return error_sys(err, -errno, "cannot resolve the state directory %s", path);
	}
	*ret = p;
	return 0;
}

void pidspace_close(struct pidspace *p)
{
	if (!p)
		return;
	free(p->dir);
	fd_closep(&p->dir_fd);
	free(p);
}

/* --- entries --- */

static int check_name(const char *name, struct pidspace_error *err)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!name || !*name || strlen(name) > 128 || strspn(name, ok) != strlen(name) ||
	    name[0] == '.' || name[0] == '-')
		return error_set(err, -EINVAL, "E_NAME",
				 "'%s' is no name for a container: letters, digits, '_', '.' and '-', at "
				 "most 128, not beginning with '.' or '-'", name ? name : "");
	return 0;
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	fd_closep(&e->dir_fd);
	record_done(&e->record);
	free(e);
}

static struct entry *entry_new(struct pidspace *p)
{
	struct entry *e = calloc(1, sizeof *e);

	if (e) {
		e->registry = p;
		e->dir_fd = -1;
	}
	return e;
}

/* Field 22 of /proc/PID/stat (proc(5)); the comm before it may hold anything, so from its last ')'. */
static int start_time(struct hpid pid, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	char *at;
	int r;

	snprintf(path, sizeof path, "/proc/%d/stat", pid.n);
	r = fd_slurp_at(AT_FDCWD, path, &text, NULL);
	if (r < 0)
		return r;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EBADMSG;
	*ret = strtoull(at, NULL, 10);
	return 0;
}

/* Is the recorded init still there, and the same? Order matters: the reference first, then what is
 * read by number, then whether the reference still holds. */
static bool init_lives(const struct record *r)
{
	struct task_ref ref;
	uint64_t start = 0;
	char path[64];
	struct stat st;
	bool same;

	if (r->init.n <= 0 || task_ref_open(&ref, r->init, vpid_of(1)) < 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d/ns/pid", r->init.n);
	same = start_time(r->init, &start) == 0 && start == r->init_start &&
	       (stat(path, &st) < 0 ? errno == EACCES : st.st_ino == r->pidns_ino);
	same = same && task_ref_alive(&ref);
	task_ref_done(&ref);
	return same;
}

static uint64_t pidns_of(struct hpid pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/ns/pid", pid.n);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

int entry_identify(struct entry *e, struct hpid init, struct hpid warden, struct pidspace_error *err)
{
	int r = start_time(init, &e->record.init_start);

	e->record.init = init;
	e->record.pidns_ino = pidns_of(init);
	e->record.warden = warden;
	return r < 0 ? error_sys(err, r, "cannot read the start time of process %d", init.n) : 0;
}

int entry_note_page_server(struct entry *e, pid_t pid)
{
	e->record.page_server = hpid_of(pid);
	return start_time(e->record.page_server, &e->record.page_server_start);
}

int entry_page_server(const struct entry *e)
{
	const struct record *r = &e->record;
	struct task_ref ref;
	uint64_t start;

	if (r->page_server.n <= 0 || task_ref_open(&ref, r->page_server, vpid_of(0)) < 0)
		return -ESRCH;
	if (start_time(r->page_server, &start) == 0 && start == r->page_server_start &&
	    task_ref_alive(&ref))
		return ref.pidfd;
	task_ref_done(&ref);
	return -ESRCH;
}

static void refresh(struct entry *e)
{
	struct record *r = &e->record;

	if (r->state == PIDSPACE_STOPPED || init_lives(r))
		return;
	/* Its monitor may be about to say how it ended; without one nobody knows. */
	r->state = PIDSPACE_STOPPED;
	r->exit_status = -1;
	r->init = hpid_of(0);
}

static int load(struct pidspace *p, const char *name, struct entry **ret)
{
	struct entry *e = entry_new(p);
	int r;

	if (!e)
		return -ENOMEM;
	e->dir_fd = openat(p->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = e->dir_fd < 0 ? -errno : record_load(&e->record, e->dir_fd);
	if (r == -ENOENT && e->dir_fd >= 0)
		r = -EAGAIN;
	if (r < 0) {
		entry_free(e);
		return r;
	}
	refresh(e);
	*ret = e;
	return 0;
}

int entry_open(struct pidspace *p, const char *name, struct entry **ret, struct pidspace_error *err)
{
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = load(p, name, ret);
	if (r == -ENOENT)
		return error_set(err, r, "E_NO_CONTAINER", "there is no container %s (pidspace list shows "
							   "what there is)", name);
	if (r == -EAGAIN)
		return error_set(err, r, "E_STARTING", "container %s is only starting", name);
	if (r == -EBADMSG)
		return error_set(err, r, "E_STATE", "the state of container %s in %s/%s/state.json is "
						    "not readable by this version", name, p->dir, name);
	return r < 0 ? error_sys(err, r, "cannot open container %s", name) : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct entry *const *)a)->record.name, (*(struct entry *const *)b)->record.name);
}

void entry_list_free(struct entry **list)
{
	for (struct entry **e = list; e && *e; e++)
		entry_free(*e);
	free(list);
}

int entry_list(struct pidspace *p, struct entry ***ret, size_t *ret_n, struct pidspace_error *err)
{
	VEC(struct entry *) list = {0};
	struct dirent *d;
	DIR *dir;
	int fd = openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_sys(err, -errno, "cannot read the state directory %s", p->dir);
	while ((d = readdir(dir))) {
		struct entry *e, **at;

		if (d->d_name[0] == '.' || load(p, d->d_name, &e) < 0)
			continue;
		at = vec_push(&list);
		if (at)
			*at = e;
	}
	closedir(dir);
	if (!vec_push(&list))
		return error_sys(err, -ENOMEM, "cannot list containers");
	list.n--;
	qsort(list.at, list.n, sizeof *list.at, by_name);
	*ret = list.at;
	*ret_n = list.n;
	return 0;
}

/* --- reaching the container --- */

static int reach_virtual(struct entry *e, struct pids *ret, struct pidspace_error *err)
{
	struct virtual_pids v;
	int r = virtual_attach(&v, e->record.init, e->record.warden, err);

	if (r < 0)
		return r;
	pids_take_virtual(ret, &v);
	return 0;
}

static int reach_space(struct entry *e, struct pids *ret, bool read, struct pidspace_error *err)
{
	int r;

	*ret = PIDS_EMPTY;
	r = read ? space_adopt(&ret->space, e->record.init, err) : space_attach(&ret->space, e->record.init, err);
	if (r >= 0 && ret->space.pidns_ino != e->record.pidns_ino) {
		space_done(&ret->space);
		r = error_set(err, -ESRCH, "E_STOPPED", "its init is gone");
	}
	return r;
}

static int reach_pids(struct entry *e, struct pids *ret, bool read, struct pidspace_error *err)
{
	int r;

	if (e->record.state == PIDSPACE_STOPPED)
		return error_set(err, -ESRCH, "E_STOPPED", "container %s has ended", e->record.name);
	r = e->record.pids == PIDSPACE_VIRTUAL ? reach_virtual(e, ret, err) : reach_space(e, ret, read, err);
	return r < 0 ? error_add(err, r, "container %s", e->record.name) : 0;
}

int entry_pids(struct entry *e, struct pids *ret, struct pidspace_error *err)
{
	return reach_pids(e, ret, true, err);
}

int entry_attach(struct entry *e, struct pids *ret, struct pidspace_error *err)
{
	return reach_pids(e, ret, false, err);
}

/* sun_path is short, so the socket is reached through the directory's descriptor. */
int entry_connect(struct entry *e)
{
	return entry_connect_to(e, "control.sock");
}

int entry_connect_to(struct entry *e, const char *name)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (sock < 0)
		return -errno;
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", e->dir_fd, name);
	if (connect(sock, (struct sockaddr *)&a, sizeof a) < 0)
		return errno == ENOENT ? -ECONNREFUSED : -errno;
	return fd_take(&sock);
}

pid_t entry_monitor(struct entry *e)
{
	_cleanup_close_ int sock = entry_connect(e);
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	return peer.pid;
}

/* --- making and removing --- */

int entry_lock(struct entry *e)
{
	return flock(e->dir_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int entry_save(struct entry *e, struct pidspace_error *err)
{
	int r = record_save(&e->record, e->dir_fd);

	return r < 0 ? error_sys(err, r, "cannot write %s/%s/state.json", e->registry->dir,
				 e->record.name)
		     : 0;
}

static void new_id(char id[40])
{
	unsigned char bytes[16] = {0};

	if (getrandom(bytes, sizeof bytes, 0) < 0)
		clock_gettime(CLOCK_REALTIME, (struct timespec *)bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

/* Moved aside first, so that nobody meets half an entry. */
static int remove_dir(struct pidspace *p, const char *name, int dir_fd, const char *id)
{
	static const char *const files[] = {"state.json", "state.json.new", "control.sock", "spawn.sock", "log"};
	char aside[64];

	snprintf(aside, sizeof aside, ".gone-%s", id);
	if (name && renameat(p->dir_fd, name, p->dir_fd, aside) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		unlinkat(dir_fd, files[i], 0);
	return unlinkat(p->dir_fd, aside, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int entry_remove(struct entry *e)
{
	return remove_dir(e->registry, e->record.name, e->dir_fd, e->record.id);
}

/* The name is taken: does what holds it give way? 1: it did. */
static int displace(struct pidspace *p, const char *name, struct pidspace_error *err)
{
	_cleanup_close_ int fd = openat(p->dir_fd, name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct record r = {0};
	char id[40];
	int gone = 0;

	if (fd < 0)
		return errno == ENOENT ? 1 : error_sys(err, -errno, "cannot open %s/%s", p->dir, name);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		int e = record_load(&r, fd);

		gone = e == -ENOENT || (e == 0 && r.remove && !init_lives(&r));
	}
	record_done(&r);
	new_id(id);
	if (gone && remove_dir(p, name, fd, id) == 0)
		return 1;
	return error_set(err, -EEXIST, "E_NAME_IN_USE",
			 "a container %s exists already: choose another name or delete it (pidspace "
			 "delete %s)", name, name);
}

int entry_create(struct pidspace *p, const char *name, struct entry **ret, struct pidspace_error *err)
{
	struct entry *e;
	char path[64];
	struct timespec now;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	e = entry_new(p);
	if (!e)
		return error_sys(err, -ENOMEM, "cannot make container %s", name);
	snprintf(e->record.name, sizeof e->record.name, "%s", name);
	new_id(e->record.id);
	clock_gettime(CLOCK_REALTIME, &now);
	e->record.created_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	/* Locked before it gets its name, so that no one takes it for a dead creator's. */
	snprintf(path, sizeof path, ".gone-%s", e->record.id);
	if (mkdirat(p->dir_fd, path, 0700) < 0 ||
	    (e->dir_fd = openat(p->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    flock(e->dir_fd, LOCK_EX | LOCK_NB) < 0)
		r = error_sys(err, -errno, "cannot make a directory in %s", p->dir);
	while (r >= 0 && renameat2(p->dir_fd, path, p->dir_fd, name, RENAME_NOREPLACE) < 0)
		r = errno == EEXIST ? displace(p, name, err)
				    : error_sys(err, -errno, "cannot make %s/%s", p->dir, name);
	if (r < 0) {
		unlinkat(p->dir_fd, path, AT_REMOVEDIR);
		entry_free(e);
		return r;
	}
	*ret = e;
	return 0;
}
