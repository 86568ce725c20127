#include "container/describe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "container.pb-c.h"

/* --- clocks --- */

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Offset of a clock in the time namespace of a process, ns (time_namespaces(7)); 0 without one. */
static int64_t offset_ns(int proc, const char *path, const char *clock)
{
	_cleanup_free_ char *text = NULL;
	long long sec, nsec;
	char *at;

	if (fd_slurp_at(proc, path, &text, NULL) < 0)
		return 0;
	at = strstr(text, clock);
	if (!at || sscanf(at + strlen(clock), "%lld %lld", &sec, &nsec) != 2)
		return 0;
	return sec * 1000000000LL + nsec;
}

static int64_t inside_ns(const struct space *s, clockid_t id, const char *clock)
{
	return clock_ns(id) - offset_ns(AT_FDCWD, "/proc/self/timens_offsets", clock) +
	       offset_ns(s->proc_fd, "1/timens_offsets", clock);
}

/* --- the Container message --- */

int describe_container(const struct record *r, const struct space *s, void **ret, size_t *ret_len,
		       struct pidspace_error *err)
{
	Container c = CONTAINER__INIT;
	uint8_t *body;

	c.name = (char *)r->name;
	c.id = (char *)r->id;
	c.kind = r->pids == PIDSPACE_VIRTUAL ? "virtual" : "space";
	c.user_namespace = r->user_namespace;
	c.map_root = r->map_root;
	c.rootfs = r->rootfs ? r->rootfs : "";
	c.hostname = r->hostname ? r->hostname : "";
	c.pid_max = r->pid_max;
	c.detached = r->detached;
	c.terminal = r->terminal;
	c.init = r->init_wrapper;
	c.rm = r->remove;
	c.command = r->command;
	while (r->command && r->command[c.n_command])
		c.n_command++;
	c.created_ns = (uint64_t)r->created_ns;
	c.checkpoint_ns = (uint64_t)clock_ns(CLOCK_REALTIME);
	c.monotonic_ns = inside_ns(s, CLOCK_MONOTONIC, "monotonic");
	c.boottime_ns = inside_ns(s, CLOCK_BOOTTIME, "boottime");
	c.uid = geteuid();
	c.gid = getegid();
	body = malloc(container__get_packed_size(&c) + 1);
	if (!body)
		return error_sys(err, -ENOMEM, "cannot describe container %s", r->name);
	*ret_len = container__pack(&c, body);
	*ret = body;
	return 0;
}

static char *text_or_null(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

int describe_restored(const void *body, size_t len, struct record *r, struct space_options *o,
		      struct pidspace_error *err)
{
	Container *c = container__unpack(NULL, len, body);
	int e = 0;

	if (!c || (strcmp(c->kind, "space") && strcmp(c->kind, "virtual"))) {
		container__free_unpacked(c, NULL);
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "the image's description of its container is not readable");
	}
	if (!r->name[0])
		snprintf(r->name, sizeof r->name, "%s", c->name);
	if (c->id[0])
		snprintf(r->id, sizeof r->id, "%s", c->id);
	r->pids = strcmp(c->kind, "virtual") ? PIDSPACE_SPACE : PIDSPACE_VIRTUAL;
	r->user_namespace = c->user_namespace;
	r->map_root = c->map_root;
	r->rootfs = text_or_null(c->rootfs);
	r->hostname = text_or_null(c->hostname);
	r->pid_max = c->pid_max;
	r->detached = c->detached;
	r->terminal = c->terminal;
	r->init_wrapper = c->init;
	r->created_ns = (int64_t)c->created_ns;
	r->command = calloc(c->n_command + 1, sizeof *r->command);
	for (size_t i = 0; r->command && i < c->n_command; i++)
		r->command[i] = strdup(c->command[i]);
	if (!r->command)
		e = error_sys(err, -ENOMEM, "cannot describe container %s", r->name);
	*o = (struct space_options){
		.new_user = c->user_namespace, .map_root = c->map_root, .rootfs = r->rootfs,
		.hostname = r->hostname, .pid_max = c->pid_max, .set_clocks = true,
		.monotonic_ns = c->monotonic_ns, .boottime_ns = c->boottime_ns,
	};
	container__free_unpacked(c, NULL);
	return e;
}

/* --- externals --- */

/* Pipes and sockets live in one file system of the kernel each; a fresh one tells which. */
static int anonymous_dev(bool pipe_like, dev_t *ret)
{
	int p[2], r;
	struct stat st;

	r = pipe_like ? pipe2(p, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p);
	if (r < 0)
		return -errno;
	r = fstat(p[0], &st) < 0 ? -errno : 0;
	close(p[0]);
	close(p[1]);
	*ret = st.st_dev;
	return r;
}

int describe_external(const struct space *s, const char *key, struct external *e)
{
	unsigned long long ino;
	char path[4200];
	struct stat st;
	int pid, fd, r;

	*e = (struct external){.fd = -1};
	snprintf(e->name, sizeof e->name, "%s", key);
	if (sscanf(key, "pipe:[%llu]", &ino) == 1 || sscanf(key, "socket:[%llu]", &ino) == 1) {
		e->ino = (ino_t)ino;
		return anonymous_dev(key[0] == 'p', &e->dev);
	}
	if (key[0] == '/')
		snprintf(path, sizeof path, "1/root%s", key);
	else if (sscanf(key, "%d:%d", &pid, &fd) == 2)
		snprintf(path, sizeof path, "%d/fd/%d", pid, fd);
	else
		return -ENOENT;
	r = fstatat(s->proc_fd, path, &st, 0);
	if (r < 0)
		return -errno;
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	return 0;
}

/* --- numbers --- */

_Static_assert(PHASE_COUNT - 1 <= PIDSPACE_PHASES, "every phase has a row");
_Static_assert(ENGINE_ROUNDS == PIDSPACE_ROUNDS, "and every round");

void describe_progress(const struct engine_stats *st, struct control_reply *ret)
{
	snprintf(ret->phase, sizeof ret->phase, "%s", stats_phase_name(st->now));
	ret->bytes = st->bytes_done;
	ret->total = st->bytes_total;
	ret->elapsed_ns = (uint64_t)clock_ns(CLOCK_MONOTONIC) - st->start_ns;
}

void describe_stats(const struct engine_stats *st, struct pidspace_stats *ret)
{
	struct rusage usage;

	*ret = (struct pidspace_stats){
		.paused_ns = stats_paused_ns(st),
		.total_ns = st->done_ns - st->start_ns,
		.memory_bytes = st->bytes_done,
		.image_bytes = st->image_bytes,
		.raw_bytes = st->raw_bytes,
		.tasks = st->tasks,
		.threads = st->threads,
	};
	for (int p = PHASE_NONE + 1; p < PHASE_COUNT; p++) {
		struct pidspace_phase *to = &ret->phases[ret->n_phases];

		if (!st->in_ns[p])
			continue;
		snprintf(to->name, sizeof to->name, "%s", stats_phase_name((enum engine_phase)p));
		to->ns = st->in_ns[p];
		ret->n_phases++;
	}
	ret->n_rounds = st->n_rounds;
	for (unsigned i = 0; i < st->n_rounds && i < PIDSPACE_ROUNDS; i++)
		ret->rounds[i] = (struct pidspace_round){.bytes = st->round[i].pages * 4096, .ns = st->round[i].ns,
							 .stopped_ns = st->round[i].stopped_ns};
	snprintf(ret->no_rounds, sizeof ret->no_rounds, "%s", st->no_rounds);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		ret->engine_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

void describe_refusal(const struct refusal *from, struct pidspace_refusal *to)
{
	*to = (struct pidspace_refusal){.pid = from->pid.n, .fd = from->fd, .address = from->address};
	snprintf(to->code, sizeof to->code, "%s", from->code);
	snprintf(to->what, sizeof to->what, "%s", from->what);
	snprintf(to->why, sizeof to->why, "%s", from->why);
	snprintf(to->advice, sizeof to->advice, "%s", from->advice);
}
