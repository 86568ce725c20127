#include "container/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"

void control_message_done(struct control_message *m)
{
	for (size_t i = 0; i < m->n_fds; i++)
		fd_closep(&m->fds[i]);
	free(m->argv);
	free(m->env);
	free(m->external);
	free(m->text);
	memset(m, 0, sizeof *m);
}

int control_listen(int dir_fd)
{
	return control_listen_at(dir_fd, "control.sock");
}

int control_listen_at(int dir_fd, const char *name)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (sock < 0)
		return -errno;
	/* Linux gives the socket file the mode of the socket's inode, less the umask (unix(7)). */
	if (fchmod(sock, 0600) < 0)
		return -errno;
	unlinkat(dir_fd, name, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
	if (bind(sock, (struct sockaddr *)&a, sizeof a) < 0 || listen(sock, 64) < 0)
		return -errno;
	return fd_take(&sock);
}

bool control_peer_allowed(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* --- strings --- */

static uint32_t count(char *const *list)
{
	uint32_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static int put_strings(FILE *f, char *const *list)
{
	for (; list && *list; list++)
		if (fwrite(*list, strlen(*list) + 1, 1, f) != 1)
			return -EIO;
	return 0;
}

/* Cuts n strings off *at. */
static char **take_strings(char **at, const char *end, uint32_t n)
{
	char **list = calloc((size_t)n + 1, sizeof *list);

	for (uint32_t i = 0; list && i < n; i++) {
		char *nul = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;

		if (!nul) {
			free(list);
			return NULL;
		}
		list[i] = *at;
		*at = nul + 1;
	}
	return list;
}

static int parse_strings(struct control_message *m, size_t len)
{
	const char *end = m->text + len;
	char *at = m->text, **cwd;

	if ((size_t)m->head.n_argv + m->head.n_env + m->head.n_external > len)
		return -EPROTO;
	cwd = take_strings(&at, end, 1);
	if (!cwd)
		return -EPROTO;
	m->cwd = cwd[0];
	free(cwd);
	m->argv = take_strings(&at, end, m->head.n_argv);
	m->env = take_strings(&at, end, m->head.n_env);
	m->external = take_strings(&at, end, m->head.n_external);
	return m->argv && m->env && m->external ? 0 : -EPROTO;
}

/* --- requests --- */

int control_ask(int sock, struct control_request *q, char *const *argv, char *const *env,
		char *const *external, const char *cwd, const int *fds, size_t n_fds)
{
	int all[CONTROL_FDS], r = 0, mem;
	ssize_t k;
	FILE *f;

	if (n_fds + 1 > CONTROL_FDS)
		return -EINVAL;
	mem = memfd_create("pidspace-request", MFD_CLOEXEC);
	f = mem < 0 ? NULL : fdopen(mem, "w");
	if (!f)
		return -errno;
	q->magic = CONTROL_MAGIC;
	q->version = CONTROL_VERSION;
	q->n_argv = count(argv);
	q->n_env = count(env);
	q->n_external = count(external);
	if (fwrite(cwd ? cwd : "", strlen(cwd ? cwd : "") + 1, 1, f) != 1 || put_strings(f, argv) < 0 ||
	    put_strings(f, env) < 0 || put_strings(f, external) < 0 || fflush(f))
		r = -EIO;
	all[0] = mem;
	if (n_fds)
		memcpy(all + 1, fds, n_fds * sizeof *fds);
	if (r == 0) {
		k = fd_send_fds(sock, q, sizeof *q, all, n_fds + 1);
		r = k < 0 ? (int)k : 0;
	}
	fclose(f);
	return r;
}

int control_hear(int sock, struct control_message *ret)
{
	struct control_message m = {0};
	ssize_t k = fd_recv_fds(sock, &m.head, sizeof m.head, m.fds, CONTROL_FDS, &m.n_fds);
	struct stat st;
	int r = 0;

	if (k <= 0)
		r = k < 0 ? (int)k : -EPIPE;
	else if (k != sizeof m.head || m.head.magic != CONTROL_MAGIC ||
		 m.head.version != CONTROL_VERSION || m.n_fds < 1 || fstat(m.fds[0], &st) < 0 ||
		 !S_ISREG(st.st_mode) || st.st_size > 16 << 20)
		r = -EPROTO;
	if (r == 0) {
		m.text = malloc((size_t)st.st_size + 1);
		if (!m.text)
			r = -ENOMEM;
		else if (fd_pread_all(m.fds[0], m.text, (size_t)st.st_size, 0) != st.st_size)
			r = -EPROTO;
		else
			r = parse_strings(&m, (size_t)st.st_size);
	}
	if (r < 0) {
		control_message_done(&m);
		return r;
	}
	close(m.fds[0]);
	m.n_fds--;
	memmove(m.fds, m.fds + 1, m.n_fds * sizeof *m.fds);
	*ret = m;
	return 0;
}

/* --- replies --- */

int control_reply(int sock, struct control_reply *r, const int *fds, size_t n_fds)
{
	ssize_t k;

	if (sock < 0)
		return -EPIPE;
	r->magic = CONTROL_MAGIC;
	r->version = CONTROL_VERSION;
	k = fd_send_fds(sock, r, sizeof *r, fds, n_fds);
	return k < 0 ? (int)k : 0;
}

int control_done(int sock, int r, const struct pidspace_error *err)
{
	struct control_reply reply = {.type = CONTROL_DONE};

	if (r < 0) {
		reply.error = *err;
		reply.error.status = r;
	}
	return control_reply(sock, &reply, NULL, 0);
}

int control_confirm(int sock, struct pidspace_error *err)
{
	struct control_reply q = {.type = CONTROL_WRITTEN}, a;
	int fds[1], r = control_reply(sock, &q, NULL, 0);
	size_t n;

	if (r == 0 && fd_recv_fds(sock, &a, sizeof a, fds, 0, &n) == sizeof a && a.type == CONTROL_DONE) {
		if (a.error.status < 0 && err)
			*err = a.error;
		return a.error.status;
	}
	return error_set(err, -ECANCELED, "E_CANCELED", "whoever asked for it has gone; the container runs on");
}

static void answer_written(int sock, struct control_answer *a)
{
	struct pidspace_error err = {0};
	int r = a->written ? a->written(a->written_arg, &err) : 0;

	a->confirmed = control_done(sock, r, &err) == 0 && r >= 0;
}

static void tell_progress(const struct control_answer *a, const struct control_reply *r)
{
	struct pidspace_progress now = {.phase = r->phase, .bytes = r->bytes, .total = r->total,
					.elapsed_ns = r->elapsed_ns};

	if (a->progress)
		a->progress(a->progress_arg, &now);
}

static int keep_refusal(struct control_answer *a, const struct pidspace_refusal *row)
{
	struct pidspace_refusal *at = vec_grow((void **)&a->refusals, &a->n_refusals, &a->cap_refusals,
					       sizeof *row);

	if (!at)
		return -ENOMEM;
	*at = *row;
	return 0;
}

int control_answer(int sock, struct control_answer *a, struct control_reply *ret_started,
		   int *ret_fds, size_t *ret_n_fds)
{
	int fds[CONTROL_FDS];
	struct control_reply r;
	size_t n = 0;
	ssize_t k = fd_recv_fds(sock, &r, sizeof r, fds, CONTROL_FDS, &n);

	if (k == 0 || k == -ECONNRESET)
		return -EPIPE;
	if (k < 0)
		return (int)k;
	if (k == sizeof r && r.type == CONTROL_STARTED && ret_started) {
		*ret_started = r;
		memcpy(ret_fds, fds, n * sizeof *fds);
		*ret_n_fds = n;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	if (k != sizeof r || r.magic != CONTROL_MAGIC || r.version != CONTROL_VERSION)
		return -EPROTO;
	r.phase[sizeof r.phase - 1] = 0;
	if (r.type == CONTROL_PROGRESS)
		tell_progress(a, &r);
	else if (r.type == CONTROL_REFUSAL)
		return keep_refusal(a, &r.refusal);
	else if (r.type == CONTROL_WRITTEN)
		answer_written(sock, a);
	else if (r.type == CONTROL_DONE) {
		a->done = r;
		return 1;
	}
	return 0;
}

/* Until something comes. The other side sees its end of the connection hang up, and answers that it has given up. */
static void await_answer(int sock, struct control_answer *a)
{
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = a->cancel_fd, .events = POLLIN}};

	while (a->cancel_fd && !a->confirmed && !p[0].revents) {
		if (poll(p, 2, -1) < 0 || !p[1].revents)
			continue;
		shutdown(sock, SHUT_WR);
		a->cancel_fd = 0;
	}
}

int control_converse(int sock, struct control_answer *a, const char *gone, struct pidspace_error *err)
{
	int r;

	do {
		await_answer(sock, a);
		r = control_answer(sock, a, NULL, NULL, NULL);
	} while (r == 0);
	if (r == -EPIPE)
		return error_set(err, r, "E_MONITOR", "%s", gone);
	if (r == -EPROTO)
		return error_set(err, r, "E_PROTOCOL",
				 "the container's monitor is of another version of pidspace");
	if (r < 0)
		return error_sys(err, r, "cannot hear from the container's monitor");
	if (a->done.error.status < 0 && err)
		*err = a->done.error;
	return a->done.error.status;
}

void control_take_refusals(struct control_answer *a, struct pidspace_refusal **ret, size_t *ret_n)
{
	if (ret && ret_n) {
		*ret = a->refusals;
		*ret_n = a->n_refusals;
	} else
		free(a->refusals);
	a->refusals = NULL;
	a->n_refusals = a->cap_refusals = 0;
}
