#include "migrate/page_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "migrate/filler.h"
#include "migrate/guard.h"

#define LOST "container %s was killed because its memory could not be completed: %s"
#define DIED "the process that brought it has died"
#define HANDS_MS 20 /* how often to ask for a hand back that cannot be had */

/* The server's own side. */
struct serving {
	const struct page_server_options *o;
	struct filler filler;
	struct guard guard;
	struct extents *extents; /* by client */
	int self;                /* pidfd */
	int sock;
	bool go;
	char why[512];           /* for the guard */
};

/* --- setting up --- */

/* By space id: the client's number and one, 0: none. Ids are small, the address spaces of one image counted. NULL:
 * no memory. */
static uint32_t *number_clients(const struct page_server_options *o, size_t *ret_n)
{
	size_t n = 0;

	for (size_t c = 0; c < o->n_clients; c++)
		if (o->clients[c].space_id >= n)
			n = (size_t)o->clients[c].space_id + 1;
	uint32_t *of = calloc(n + 1, sizeof *of);
	for (size_t c = 0; c < o->n_clients && of; c++)
		of[o->clients[c].space_id] = (uint32_t)c + 1;
	*ret_n = n;
	return of;
}

static int sort_extents(struct serving *s, struct pidspace_error *err)
{
	size_t n_ids;
	_cleanup_free_ uint32_t *client_of = number_clients(s->o, &n_ids);
	int r = 0;

	s->extents = calloc(s->o->n_clients + 1, sizeof *s->extents);
	if (!s->extents || !client_of)
		r = -ENOMEM;
	for (size_t i = 0; i < s->o->n_extents && r == 0; i++) {
		const struct page_extent *x = &s->o->extents[i];
		uint32_t c = x->space_id < n_ids && !x->here ? client_of[x->space_id] : 0;
		if (c)
			r = extents_add(&s->extents[c - 1], i, x->start, x->end);
	}
	for (size_t c = 0; c < s->o->n_clients && r == 0; c++)
		r = extents_sort(&s->extents[c]);
	return r < 0 ? error_sys(err, r, "cannot serve pages") : 0;
}

static int set_up(struct serving *s, struct pidspace_error *err)
{
	int r = sort_extents(s, err);

	if (r == 0)
		r = filler_init(&s->filler, s->o->source, err);
	for (size_t c = 0; c < s->o->n_clients && r == 0; c++) {
		struct page_client *client = &s->o->clients[c];
		r = filler_add(&s->filler, client->uffd, &s->extents[c], &client->missing,
			       &client->huge, err);
	}
	snprintf(s->why, sizeof s->why, "pidspace: " LOST " [E_LAZY_LOST]\n", s->o->name, DIED);
	s->self = sys_pidfd_open(getpid(), 0);
	if (r == 0 && s->self < 0)
		r = error_sys(err, s->self, "cannot serve pages");
	/* Before there are threads. */
	if (r == 0 && (r = guard_start(&s->guard, s->self, s->o->init, s->o->log_fd, s->why)) < 0)
		error_sys(err, r, "cannot start a guard for the server of pages");
	return r == 0 ? s->o->source->ops->begin(s->o->source, err) : r;
}

/* --- ends --- */

static void say(int sock, const struct pidspace_error *e)
{
	/* Nobody may be there to hear it. */
	(void)!send(sock, e, sizeof *e, MSG_NOSIGNAL);
}

static void wait_for_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 || !p.revents)
		;
}

/* Nobody in the container may go on: those who wait for pages least of all. */
static _Noreturn void give_up(struct serving *s, const struct pidspace_error *why)
{
	struct pidspace_error e = {0};

	error_set(&e, why->status, "E_LAZY_LOST", LOST " [%s]", s->o->name, why->message, why->code);
	if (s->o->log_fd >= 0)
		dprintf(s->o->log_fd, "pidspace: %s [%s]\n", e.message, e.code);
	sys_pidfd_send_signal(s->o->init, SIGKILL);
	wait_for_end(s->o->init);
	guard_dismiss(&s->guard);
	say(s->sock, &e);
	_exit(1);
}

static _Noreturn void finish(struct serving *s)
{
	struct pidspace_error none = {0};

	guard_dismiss(&s->guard);
	say(s->sock, &none);
	_exit(0);
}

/* --- the loop --- */

/* What the caller says: with a hand, or with nothing: go. */
struct word {
	bool go;
	uint32_t space_id;
	struct hand hand;
};

/* Until it says go there are no spaces but those of the clients, in their order. */
static void take_hand(struct serving *s, const struct word *w, int sock)
{
	struct hand h = w->hand;

	h.sock = sock;
	for (size_t c = 0; c < s->o->n_clients; c++)
		if (s->o->clients[c].space_id == w->space_id) {
			filler_lend(&s->filler, s->filler.spaces.at[c], &h);
			return;
		}
	hand_leave(&h);
}

static void hear_monitor(struct serving *s)
{
	struct word w;
	size_t n = 0;
	int fd;

	if (fd_recv_fds(s->sock, &w, sizeof w, &fd, 1, &n) == (ssize_t)sizeof w) {
		s->go |= w.go;
		if (n)
			take_hand(s, &w, fd);
		return;
	}
	/* Dead before it let the container run: that dies with it, if it has not already. */
	if (!s->go) {
		sys_pidfd_send_signal(s->o->init, SIGKILL);
		wait_for_end(s->o->init);
		finish(s);
	}
	fd_closep(&s->sock);
}

static int replace_guard(struct serving *s, struct pidspace_error *err)
{
	guard_dismiss(&s->guard);
	int r = guard_start(&s->guard, s->self, s->o->init, s->o->log_fd, s->why);
	return r < 0 ? error_sys(err, r, "cannot start another guard") : 0;
}

static int step(struct serving *s, bool *ret_more, struct pidspace_error *err)
{
	struct pollfd p[] = {{.fd = s->filler.epoll, .events = POLLIN},
			     {.fd = s->sock, .events = POLLIN},
			     {.fd = s->o->init, .events = POLLIN},
			     {.fd = s->guard.pidfd, .events = POLLIN}};
	int r = poll(p, 4, s->go ? 0 : -1);

	if (r < 0 && errno != EINTR)
		return error_sys(err, -errno, "cannot wait for faults");
	if (p[2].revents)
		finish(s);
	if (p[1].revents)
		hear_monitor(s);
	r = p[3].revents ? replace_guard(s, err) : 0;
	if (r == 0)
		r = filler_serve(&s->filler, err);
	if (r == 0 && s->go) {
		r = filler_push(&s->filler, err);
		*ret_more = r > 0;
	}
	return r < 0 ? r : 0;
}

/* One that somebody traces is waited for. */
static void let_hands_go(struct serving *s)
{
	struct pollfd p = {.fd = s->o->init, .events = POLLIN};

	while (!filler_take_hands(&s->filler) && poll(&p, 1, HANDS_MS) <= 0)
		;
}

static _Noreturn void serve(const struct page_server_options *o, int sock)
{
	struct serving s = {.o = o, .sock = sock, .self = -1, .guard.pidfd = -1};
	struct pidspace_error err = {0};
	bool more = true;
	int r = set_up(&s, &err);
	char ready = 0;

	if (r == 0 && send(sock, &ready, 1, MSG_NOSIGNAL) == 1)
		while (more && r == 0)
			r = step(&s, &more, &err);
	if (r < 0)
		give_up(&s, &err);
	filler_make_huge(&s.filler);
	let_hands_go(&s);
	finish(&s);
}

/* --- the caller's side --- */

/* Lets go of all that was the caller's but what it needs; stdin to stderr too, which somebody may wait to see
 * closed. */
static void keep_only(const struct page_server_options *o, int sock)
{
	_cleanup_free_ int *keep = malloc((3 + o->n_keep + 2 * o->n_clients) * sizeof *keep);
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t n = 0;

	if (!keep)
		return;
	keep[n++] = sock;
	keep[n++] = o->init;
	keep[n++] = o->log_fd;
	for (size_t i = 0; i < o->n_keep; i++)
		keep[n++] = o->keep[i];
	for (size_t i = 0; i < o->n_clients; i++) {
		keep[n++] = o->clients[i].uffd;
		keep[n++] = o->clients[i].huge.process;
	}
	for (int fd = 0; fd < 3 && null >= 0; fd++) {
		bool kept = false;

		for (size_t i = 0; i < n; i++)
			kept |= keep[i] == fd;
		if (!kept)
			dup2(null, fd);
	}
	fd_close_others(keep, n);
}

static void become_server(const struct page_server_options *o, int sock)
{
	sigset_t all;

	/* ^C of a terminal, SIGTERM of whoever ends a session: none of it is for us. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "pidspace-pages");
	keep_only(o, sock);
}

static int await_ready(struct page_server *s, struct pidspace_error *err)
{
	struct pidspace_error why;
	ssize_t n;

	do
		n = recv(s->sock, &why, sizeof why, 0);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	if (n == sizeof why && err)
		*err = why;
	waitpid(s->pid, NULL, 0);
	return n == sizeof why ? why.status : error_sys(err, -ECHILD, "the server of pages did not start");
}

int page_server_start(struct page_server *ret, const struct page_server_options *o,
		      struct pidspace_error *err)
{
	struct page_server s = PAGE_SERVER_NONE;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, -errno, "cannot start the server of pages");
	s.pid = fork();
	if (s.pid == 0) {
		become_server(o, pair[1]);
		serve(o, pair[1]);
	}
	close(pair[1]);
	s.sock = pair[0];
	r = s.pid < 0 ? error_sys(err, -errno, "cannot start the server of pages") : await_ready(&s, err);
	if (r == 0 && (s.pidfd = sys_pidfd_open(s.pid, 0)) < 0)
		r = error_sys(err, s.pidfd, "cannot watch the server of pages");
	if (r < 0)
		fd_closep(&s.sock);
	else
		*ret = s;
	return r;
}

void page_server_go(struct page_server *s)
{
	struct word w = {.go = true};

	(void)!send(s->sock, &w, sizeof w, MSG_NOSIGNAL);
}

void page_server_hand(struct page_server *s, uint32_t space_id, const struct hand *h)
{
	struct word w = {.space_id = space_id, .hand = *h};

	fd_send_fds(s->sock, &w, sizeof w, &h->sock, 1);
}

int page_server_hear(struct page_server *s, struct pidspace_error *err)
{
	struct pidspace_error why;
	ssize_t n = recv(s->sock, &why, sizeof why, 0);
	int r = 0;

	if (n != sizeof why)
		r = error_set(err, -ECHILD, "E_LAZY_LOST", "the container was killed because its memory could not "
			      "be completed: " DIED);
	else if (why.status) {
		r = why.status;
		if (err)
			*err = why;
	}
	waitpid(s->pid, NULL, 0);
	fd_closep(&s->pidfd);
	fd_closep(&s->sock);
	s->pid = 0;
	return r;
}
