/* epoll(7). The kernel keys an entry by (description, descriptor number), so one entry may watch a
 * description whose number has been closed or given to something else since. */
#include "kinds/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "epoll.pb-c.h"
#include "kernel/sys.h"
#include "kinds/description.h"
#include "kinds/message.h"

/* EP_PRIVATE_BITS of fs/eventpoll.c: what is left of the events of a spent EPOLLONESHOT entry. */
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

static bool epoll_claims(const struct save *s, const struct saved_file *f)
{
	return !strcmp(f->link, "anon_inode:[eventpoll]");
}

/* --- saving --- */

static bool watches(const struct saved_file *f, const struct sys_kcmp_epoll_slot *slot,
		    const struct saved_file *o)
{
	return sys_kcmp(getpid(), getpid(), SYS_KCMP_EPOLL_TFD, (unsigned long)o->local,
			(unsigned long)slot) == 0;
}

/* The description that the entry in slot is for; ino is a hint. */
static const struct saved_file *find_target(const struct save *s, const struct saved_file *f,
					    const struct sys_kcmp_epoll_slot *slot, ino_t ino)
{
	const struct saved_file *o = save_file(s, save_file_id(s, f->holder, (int)slot->tfd));

	if (o && watches(f, slot, o))
		return o;
	vec_each(any, &s->files) {
		if (any->st.st_ino == ino && watches(f, slot, any))
			return any;
	}
	return NULL;
}

/* How many lines before this one in the list name the same number: kcmp(2) counts them so. */
static uint32_t times_before(const Epoll *m, uint32_t number)
{
	uint32_t n = 0;

	for (size_t i = 0; i < m->n_entry; i++)
		n += m->entry[i]->number == number;
	return n;
}

static EpollEntry *add_entry(Epoll *m)
{
	EpollEntry **more = reallocarray(m->entry, m->n_entry + 1, sizeof *more);

	if (!more)
		return NULL;
	m->entry = more;
	EpollEntry *e = malloc(sizeof *e);
	if (e) {
		epoll_entry__init(e);
		m->entry[m->n_entry++] = e;
	}
	return e;
}

static int read_entry(struct save *s, const struct saved_file *f, const char *line, Epoll *m,
		      struct pidspace_error *err)
{
	uint32_t number, events;
	uint64_t data, ino = 0;

	/* fs/eventpoll.c ep_show_fdinfo */
	if (sscanf(line, "tfd: %" SCNu32 " events: %" SCNx32 " data: %" SCNx64 " pos:%*d ino:%" SCNx64,
		   &number, &events, &data, &ino) != 4)
		return error_sys(err, -EBADMSG, "cannot read the entries of an epoll instance");
	struct sys_kcmp_epoll_slot slot = {(uint32_t)f->local, number, times_before(m, number)};
	EpollEntry *e = add_entry(m);
	if (!e)
		return error_sys(err, -ENOMEM, "cannot save an epoll instance");
	e->number = number;
	e->events = events;
	e->data = data;
	const struct saved_file *o = find_target(s, f, &slot, (ino_t)ino);
	if (!o) {
		save_refuse(s, f, "E_EPOLL_OUTSIDE",
			    "what it watches is open in no process of the container",
			    "remove it (EPOLL_CTL_DEL) before closing it", "the epoll entry of descriptor %u",
			    number);
		return 0;
	}
	/* fs/signalfd.c signalfd_poll() waits for the signals of whoever adds the entry: that would be us. */
	if (!strcmp(o->link, "anon_inode:[signalfd]"))
		save_refuse(s, f, "E_EPOLL_SIGNALFD", "a signalfd can only be added by the task itself",
			    "remove it (EPOLL_CTL_DEL) before the checkpoint",
			    "the epoll entry of descriptor %u (a signalfd)", number);
	if (fd_kind_of(s, o)->late_open)
		save_refuse(s, f, "E_EPOLL_LATE", "that can only be opened again by the task itself",
			    "remove it (EPOLL_CTL_DEL) before the checkpoint",
			    "the epoll entry of descriptor %u (%.150s)", number, o->link);
	e->file = o->id;
	return 0;
}

static int epoll_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		      struct pidspace_error *err)
{
	_cleanup_free_ char *info = NULL;
	Epoll m = EPOLL__INIT;
	int k = description_own_info(f->local, &info);

	if (k < 0)
		error_sys(err, k, "cannot read an epoll instance");
	for (const char *line = info; k >= 0 && line && *line;) {
		if (!strncmp(line, "tfd:", 4))
			k = read_entry(s, f, line, &m, err);
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (k >= 0)
		k = message_pack(&m.base, ret_body, err);
	for (size_t i = 0; i < m.n_entry; i++)
		free(m.entry[i]);
	free(m.entry);
	return k;
}

/* --- restoring --- */

static int epoll_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_close_ int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return error_sys(err, -errno, "cannot make an epoll instance");
	int k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set the flags of an epoll instance") : fd_take(&fd);
}

struct adding {
	const Epoll *epoll;
	int fd;       /* of the instance */
	int *targets; /* ours, one an entry */
	int status;
	uint32_t failed; /* the number it failed at */
};

/* Spends an EPOLLONESHOT entry: only an event does that. What is not ready for anything now stays
 * armed for EPOLLERR and EPOLLHUP, which the kernel always adds. */
static int add_spent(int epfd, int target, struct epoll_event *e)
{
	struct epoll_event any = *e, got;

	any.events |= EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, target, &any) < 0)
		return -errno;
	if (epoll_wait(epfd, &got, 1, 0) == 1)
		return 0;
	return epoll_ctl(epfd, EPOLL_CTL_MOD, target, e) < 0 ? -errno : 0;
}

static int add_entry_at(int epfd, int target, const EpollEntry *entry, bool spent)
{
	struct epoll_event e = {.events = entry->events, .data.u64 = entry->data};

	if (dup2(target, (int)entry->number) < 0)
		return -errno;
	if (spent)
		return add_spent(epfd, (int)entry->number, &e);
	return epoll_ctl(epfd, EPOLL_CTL_ADD, (int)entry->number, &e) < 0 ? -errno : 0;
}

static bool is_spent(const EpollEntry *e)
{
	return (e->events & EPOLLONESHOT) && !(e->events & ~(uint32_t)PRIVATE_BITS);
}

/* Moves what we need above every number that entries want. */
static int move_up(struct adding *a, int *ret_epfd)
{
	uint32_t top = 0;

	for (size_t i = 0; i < a->epoll->n_entry; i++) {
		if (a->epoll->entry[i]->number > top)
			top = a->epoll->entry[i]->number;
	}
	*ret_epfd = fcntl(a->fd, F_DUPFD_CLOEXEC, (int)top + 1);
	if (*ret_epfd < 0)
		return -errno;
	for (size_t i = 0; i < a->epoll->n_entry; i++) {
		a->targets[i] = fcntl(a->targets[i], F_DUPFD_CLOEXEC, (int)top + 1);
		if (a->targets[i] < 0)
			return -errno;
	}
	return 0;
}

/* A thread with a descriptor table of its own, where any number can be taken; the entries stay when
 * the table goes, for the descriptions live on in ours. */
static void *add_all(void *arg)
{
	struct adding *a = arg;
	int epfd = -1;

	a->status = unshare(CLONE_FILES) < 0 ? -errno : move_up(a, &epfd);
	/* The spent ones first, while no other entry can answer their epoll_wait. */
	for (int spent = 1; spent >= 0; spent--) {
		for (size_t i = 0; a->status >= 0 && i < a->epoll->n_entry; i++) {
			const EpollEntry *e = a->epoll->entry[i];
			if (is_spent(e) != (bool)spent)
				continue;
			a->failed = e->number;
			a->status = add_entry_at(epfd, a->targets[i], e, spent);
		}
	}
	return NULL;
}

static int epoll_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ Epoll *m =
		message_unpack(&epoll__descriptor, f->body.data, f->body.len, "an epoll instance", err);
	_cleanup_free_ int *targets = NULL;
	pthread_t thread;

	if (!m)
		return -EBADMSG;
	if (!m->n_entry)
		return 0;
	targets = calloc(m->n_entry, sizeof *targets);
	if (!targets)
		return error_sys(err, -ENOMEM, "cannot restore an epoll instance");
	for (size_t i = 0; i < m->n_entry; i++) {
		targets[i] = restore_file_fd(r, m->entry[i]->file);
		if (targets[i] < 0 || m->entry[i]->number >= INT32_MAX)
			return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
					 "the image has an epoll entry for file %u, which it lacks",
					 m->entry[i]->file);
	}
	struct adding a = {.epoll = m, .fd = fd, .targets = targets};
	uint64_t limit = fd_limit_raise(); /* any number may be wanted */
	int k = -pthread_create(&thread, NULL, add_all, &a);
	if (!k)
		pthread_join(thread, NULL);
	fd_limit_set(limit);
	if (k < 0)
		return error_sys(err, k, "cannot start a thread");
	if (a.status < 0)
		return error_sys(err, a.status, "cannot watch descriptor %u by epoll again", a.failed);
	return 0;
}

const struct fd_kind epoll_kind = {
	.name = "epoll",
	.id = KIND_EPOLL,
	.claims = epoll_claims,
	.save = epoll_save,
	.make = epoll_make,
	.connect = epoll_connect,
	.body = &epoll__descriptor,
};
