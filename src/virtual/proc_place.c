#include "virtual/proc_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/proc_stat.h"
#include "virtual/proc_shadow.h"

#define PROC_ROOT_INO 1 /* include/linux/proc_ns.h */

/* As name_to_int() in fs/proc/util.c reads it: digits only, none of them a leading zero. 0: no pid. */
static pid_t number_of(const char *name)
{
	char *end;
	unsigned long n;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	n = strtoul(name, &end, 10);
	return *end || n > INT_MAX ? 0 : (pid_t)n;
}

static int append(char *path, const char *name)
{
	size_t n = strlen(path), k = strlen(name);

	if (n + k + 2 > PROC_PLACE_MAX)
		return -ENAMETOOLONG;
	if (n)
		path[n++] = '/';
	memcpy(path + n, name, k + 1);
	return 0;
}

static int append_both(struct proc_place *p, const char *guest, const char *host)
{
	int r = append(p->guest, guest);

	return r < 0 ? r : append(p->host, host);
}

static int enter_number(const struct proc_view *v, struct proc_place *p, pid_t n, enum proc_level level)
{
	char guest[16], host[16];
	struct hpid h;

	if (v->pids->to_host(v->pids->arg, vpid_of(n), &h) < 0)
		return -ENOENT;
	snprintf(guest, sizeof guest, "%d", n);
	snprintf(host, sizeof host, "%d", h.n);
	p->level = level;
	p->task = h;
	p->pid = vpid_of(n);
	return append_both(p, guest, host);
}

/* /proc/PID/map_files has names of addresses, "start-end". */
static bool is_hidden_mapping(const struct proc_view *v, const char *below)
{
	uint64_t start;

	if (strncmp(below, "map_files/", 10))
		return false;
	start = strtoull(below + 10, NULL, 16);
	return start >= v->pids->hidden_start && start < v->pids->hidden_end;
}

static int enter_name(const struct proc_view *v, struct proc_place *p, const char *name, bool *ret_unknown)
{
	const char *below;
	int r;

	if (p->level != PROC_BELOW) {
		p->owner = p->level;
		p->base = strlen(p->guest) + (p->level != PROC_AT_ROOT);
		p->level = PROC_BELOW;
	}
	r = append_both(p, name, name);
	if (r < 0)
		return r;
	below = p->guest + p->base;
	p->rule = proc_rule_find(p->owner, below);
	if (!p->rule && ret_unknown)
		*ret_unknown = true;
	if (!p->rule || p->rule->handling == PROC_HIDDEN || is_hidden_mapping(v, below))
		return -ENOENT;
	return 0;
}

int proc_place_child(const struct proc_view *v, struct proc_place *p, const char *name, bool *ret_unknown)
{
	pid_t n = number_of(name);

	if (ret_unknown)
		*ret_unknown = false;
	switch (p->level) {
	case PROC_AT_ROOT:
		return n ? enter_number(v, p, n, PROC_AT_TASK) : enter_name(v, p, name, ret_unknown);
	case PROC_AT_TASK:
		if (strcmp(name, "task"))
			return enter_name(v, p, name, ret_unknown);
		p->level = PROC_AT_THREADS;
		return append_both(p, name, name);
	case PROC_AT_THREADS:
		return n ? enter_number(v, p, n, PROC_AT_THREAD) : -ENOENT;
	default:
		return enter_name(v, p, name, ret_unknown);
	}
}

int proc_place_parse(const struct proc_view *v, const char *guest, struct proc_place *ret)
{
	struct proc_place p = {.level = PROC_AT_ROOT};
	char name[NAME_MAX + 1];

	while (*guest) {
		size_t n = strcspn(guest, "/");
		int r;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, guest, n);
		name[n] = 0;
		r = n ? proc_place_child(v, &p, name, NULL) : 0;
		if (r < 0)
			return r;
		guest += n + (guest[n] == '/');
	}
	*ret = p;
	return 0;
}

int proc_place_parent(const struct proc_view *v, struct proc_place *p)
{
	char path[PROC_PLACE_MAX], *slash;

	memcpy(path, p->guest, sizeof path);
	slash = strrchr(path, '/');
	if (slash)
		*slash = 0;
	else
		path[0] = 0;
	return proc_place_parse(v, path, p);
}

int proc_place_parse_host(const struct proc_view *v, const char *host, struct proc_place *ret)
{
	char guest[PROC_PLACE_MAX] = "", name[NAME_MAX + 1];
	int r = 0;

	for (int depth = 0; *host && r == 0; depth++) {
		size_t n = strcspn(host, "/");
		pid_t number;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, host, n);
		name[n] = 0;
		/* Numbers are pids as the first component, and behind N/task. */
		number = depth == 0 || (depth == 2 && strstr(guest, "/task")) ? number_of(name) : 0;
		if (number) {
			number = proc_guest_number(v->pids, number);
			if (!number)
				return -ENOENT;
			snprintf(name, sizeof name, "%d", number);
		}
		r = n ? append(guest, name) : 0;
		host += n + (host[n] == '/');
	}
	return r < 0 ? r : proc_place_parse(v, guest, ret);
}

bool proc_on_procfs(int fd)
{
	struct statfs f;

	return fstatfs(fd, &f) == 0 && f.f_type == PROC_SUPER_MAGIC;
}

bool proc_is_known(const struct proc_view *v, dev_t dev)
{
	for (size_t i = 0; i < v->n_same; i++)
		if (v->same[i] == dev)
			return true;
	return false;
}

/* How many PID namespaces there are from the one of this procfs down to our own, both included. 0: unknown. */
static size_t levels_below(int proc_root)
{
	struct proc_status s;
	size_t n;

	if (proc_status_read(proc_root, getpid(), 0, &s) < 0)
		return 0;
	n = s.tgid == getpid() ? s.n_ns : 0;
	proc_status_done(&s);
	return n;
}

bool proc_is_ours(struct proc_view *v, int root_fd)
{
	struct stat st;
	char self[16] = "";
	size_t levels;

	if (fstat(root_fd, &st) < 0 || st.st_ino != PROC_ROOT_INO)
		return false;
	if (proc_is_known(v, st.st_dev))
		return true;
	/* In a namespace that we are not in we have no `self`; in one above ours, our number differs, or
	 * else there are more levels from there to us. */
	if (readlinkat(root_fd, "self", self, sizeof self - 1) < 0 || atoi(self) != getpid())
		return false;
	levels = levels_below(root_fd);
	if (!levels || levels != levels_below(v->proc_fd))
		return false;
	if (v->n_same < sizeof v->same / sizeof *v->same)
		v->same[v->n_same++] = st.st_dev;
	return true;
}

int proc_fd_text(const struct proc_view *v, int fd, char *ret, size_t size)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof path, "self/fd/%d", fd);
	n = readlinkat(v->proc_fd, path, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = 0;
	return 0;
}

/* mountinfo escapes blanks, tabs, newlines and backslashes (mangle_path()). */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	*to = 0;
}

/* The line of mount id in the caller's mountinfo: which part of the file system is mounted where. */
static int find_mount(const struct proc_view *v, const struct proc_caller *c, uint64_t id, char *ret_root,
		      char *ret_point)
{
	_cleanup_free_ char *text = NULL;
	char path[48];
	int r;

	snprintf(path, sizeof path, "%d/mountinfo", c->tgid.n);
	r = fd_slurp_at(v->proc_fd, path, &text, NULL);
	if (r < 0)
		return r;
	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strtoull(line, NULL, 10) == id &&
		    sscanf(line, "%*d %*d %*s %4095s %4095s", ret_root, ret_point) == 2) {
			unescape(ret_root);
			unescape(ret_point);
			return 0;
		}
	return -ENOENT;
}

/* d_path() tells where the object is as seen through its mount, mountinfo which directory of the procfs
 * that mount begins at (a bind mount of /proc/7 elsewhere). */
int proc_place_of_fd(struct proc_view *v, const struct proc_caller *c, int fd, struct proc_place *ret)
{
	char text[PATH_MAX], root[PATH_MAX], point[PATH_MAX], host[2 * PATH_MAX];
	struct statx sx;
	size_t n;
	int r;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &sx) < 0)
		return -errno;
	r = proc_fd_text(v, fd, text, sizeof text);
	if (r == 0)
		r = find_mount(v, c, sx.stx_mnt_id, root, point);
	if (r < 0)
		return r;
	n = strlen(point);
	if (strcmp(point, "/") == 0)
		n = 0;
	if (strncmp(text, point, n) || (text[n] && text[n] != '/'))
		return -ENOENT;
	snprintf(host, sizeof host, "%s%s", strcmp(root, "/") ? root : "", text + n);
	return proc_place_parse_host(v, host[0] == '/' ? host + 1 : host, ret);
}

ssize_t proc_self_text(const struct proc_view *v, const struct proc_caller *c, const char *name, char *ret,
		       size_t size)
{
	pid_t tgid = proc_guest_number(v->pids, c->tgid.n), tid = proc_guest_number(v->pids, c->tid.n);
	int n;

	if (!tgid || !tid)
		return -ENOENT;
	n = !strcmp(name, "self") ? snprintf(ret, size, "%d", tgid)
				  : snprintf(ret, size, "%d/task/%d", tgid, tid);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : n;
}
