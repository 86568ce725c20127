#include "virtual/proc_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtual/proc_place.h"

static int add(struct proc_entries *e, const char *name, unsigned char type)
{
	struct proc_entry *x;

	if (strlen(name) >= sizeof x->name)
		return 0; /* none of the kernel's in these directories is */
	x = vec_push(&e->list);
	if (!x)
		return -ENOMEM;
	strcpy(x->name, name);
	x->type = type;
	return 0;
}

static int each_name(int path_fd, int (*fn)(void *arg, const struct dirent *d), void *arg)
{
	int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			r = fn(arg, d);
	closedir(dir);
	return r;
}

static int keep_fixed(void *arg, const struct dirent *d)
{
	struct proc_view *v = arg;
	struct proc_name *n;

	/* self and thread-self the kernel lists behind all of these. */
	if ((d->d_name[0] >= '0' && d->d_name[0] <= '9') || !strcmp(d->d_name, "self") ||
	    !strcmp(d->d_name, "thread-self"))
		return 0;
	n = vec_push(&v->fixed);
	if (!n)
		return -ENOMEM;
	n->type = d->d_type;
	n->name = strdup(d->d_name);
	return n->name ? 0 : -ENOMEM;
}

int proc_list_fixed(struct proc_view *v)
{
	return each_name(v->proc_fd, keep_fixed, v);
}

struct listing {
	struct proc_view *v;
	const struct proc_place *at;
	struct proc_entries *to;
};

/* Is the name one that the container may see here? */
static bool shown(struct listing *l, const char *name)
{
	struct proc_place p = *l->at;
	bool unknown;
	int r = proc_place_child(l->v, &p, name, &unknown);

	if (unknown) {
		l->v->unknown++;
		snprintf(l->v->last_unknown, sizeof l->v->last_unknown, "%s", p.guest);
	}
	return r == 0;
}

static int add_shown(void *arg, const struct dirent *d)
{
	struct listing *l = arg;

	return shown(l, d->d_name) ? add(l->to, d->d_name, d->d_type) : 0;
}

static int add_thread(void *arg, const struct dirent *d)
{
	struct listing *l = arg;
	pid_t tid = proc_guest_number(l->v->pids, atol(d->d_name));
	char name[16];

	if (tid <= 0)
		return 0;
	snprintf(name, sizeof name, "%d", tid);
	return add(l->to, name, DT_DIR);
}

static int add_process(void *arg, struct vpid pid, struct hpid host)
{
	char name[16];

	snprintf(name, sizeof name, "%d", pid.n);
	return add(arg, name, DT_DIR);
}

static int list_root(struct listing *l)
{
	int r = 0;

	vec_each(n, &l->v->fixed)
		if (r == 0 && shown(l, n->name))
			r = add(l->to, n->name, n->type);
	if (r == 0)
		r = add(l->to, "self", DT_LNK);
	if (r == 0)
		r = add(l->to, "thread-self", DT_LNK);
	return r < 0 ? r : l->v->pids->each(l->v->pids->arg, add_process, l->to);
}

int proc_list(struct proc_view *v, const struct proc_answer *a, struct proc_entries *ret)
{
	struct listing l = {v, &a->place, ret};

	switch (a->place.level) {
	case PROC_AT_ROOT:
		return list_root(&l);
	case PROC_AT_THREADS:
		return each_name(a->fd, add_thread, &l);
	default:
		return each_name(a->fd, add_shown, &l);
	}
}
