/* struct record as state.json. */
#include "container/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define RECORD_VERSION 1

static const char *const states[] = {"running", "paused", "stopped", "checkpointed"};

void record_done(struct record *r)
{
	free(r->rootfs);
	free(r->hostname);
	free(r->reason);
	for (char **c = r->command; c && *c; c++)
		free(*c);
	free(r->command);
	memset(r, 0, sizeof *r);
}

static int64_t get_int(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

static const char *get_str(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static char *get_copy(struct json_object *o, const char *key)
{
	const char *s = get_str(o, key);

	return s ? strdup(s) : NULL;
}

static int get_command(struct record *r, struct json_object *o)
{
	struct json_object *v;
	size_t n;

	if (!json_object_object_get_ex(o, "command", &v) || !json_object_is_type(v, json_type_array))
		return -EBADMSG;
	n = json_object_array_length(v);
	r->command = calloc(n + 1, sizeof *r->command);
	if (!r->command)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(v, i));

		r->command[i] = strdup(s ? s : "");
		if (!r->command[i])
			return -ENOMEM;
	}
	return 0;
}

static int parse(struct record *r, struct json_object *o)
{
	const char *state = get_str(o, "state"), *pids = get_str(o, "pids");
	const char *name = get_str(o, "name"), *id = get_str(o, "id");

	if (get_int(o, "version") != RECORD_VERSION || !state || !name || !id)
		return -EBADMSG;
	snprintf(r->name, sizeof r->name, "%s", name);
	snprintf(r->id, sizeof r->id, "%s", id);
	r->state = PIDSPACE_STOPPED;
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (!strcmp(state, states[i]))
			r->state = (enum pidspace_state)i;
	r->pids = pids && !strcmp(pids, "virtual") ? PIDSPACE_VIRTUAL : PIDSPACE_SPACE;
	r->init = hpid_of((pid_t)get_int(o, "init_host_pid"));
	r->init_start = (uint64_t)get_int(o, "init_start");
	r->pidns_ino = (uint64_t)get_int(o, "pidns_ino");
	r->warden = hpid_of((pid_t)get_int(o, "warden_host_pid"));
	r->created_ns = get_int(o, "created_ns");
	r->exit_status = (int)get_int(o, "exit_status");
	r->detached = get_int(o, "detached");
	r->terminal = get_int(o, "terminal");
	r->remove = get_int(o, "remove");
	r->init_wrapper = get_int(o, "init");
	r->user_namespace = get_int(o, "user_namespace");
	r->map_root = get_int(o, "map_root");
	r->pid_max = (pid_t)get_int(o, "pid_max");
	r->rootfs = get_copy(o, "rootfs");
	r->hostname = get_copy(o, "hostname");
	r->page_server = hpid_of((pid_t)get_int(o, "page_server_host_pid"));
	r->page_server_start = (uint64_t)get_int(o, "page_server_start");
	r->reason = get_copy(o, "reason");
	return get_command(r, o);
}

int record_load(struct record *ret, int dir_fd)
{
	_cleanup_free_ char *text = NULL;
	struct record r = {0};
	struct json_object *o;
	int e = fd_slurp_at(dir_fd, "state.json", &text, NULL);

	if (e < 0)
		return e;
	o = json_tokener_parse(text);
	e = o && json_object_is_type(o, json_type_object) ? parse(&r, o) : -EBADMSG;
	json_object_put(o);
	if (e < 0) {
		record_done(&r);
		return e;
	}
	*ret = r;
	return 0;
}

static void add_int(struct json_object *o, const char *key, int64_t n)
{
	json_object_object_add(o, key, json_object_new_int64(n));
}

static void add_bool(struct json_object *o, const char *key, bool b)
{
	json_object_object_add(o, key, json_object_new_boolean(b));
}

static void add_str(struct json_object *o, const char *key, const char *s)
{
	if (s)
		json_object_object_add(o, key, json_object_new_string(s));
}

int record_save(const struct record *r, int dir_fd)
{
	struct json_object *o = json_object_new_object(), *command = json_object_new_array();
	_cleanup_close_ int fd = -1;
	const char *text;
	int e = 0;

	for (char **c = r->command; c && *c; c++)
		json_object_array_add(command, json_object_new_string(*c));
	add_int(o, "version", RECORD_VERSION);
	add_str(o, "name", r->name);
	add_str(o, "id", r->id);
	add_str(o, "state", states[r->state]);
	add_str(o, "pids", r->pids == PIDSPACE_VIRTUAL ? "virtual" : "space");
	add_int(o, "init_host_pid", r->init.n);
	add_int(o, "init_start", (int64_t)r->init_start);
	add_int(o, "pidns_ino", (int64_t)r->pidns_ino);
	if (r->warden.n)
		add_int(o, "warden_host_pid", r->warden.n);
	add_int(o, "created_ns", r->created_ns);
	add_int(o, "exit_status", r->exit_status);
	add_bool(o, "detached", r->detached);
	add_bool(o, "terminal", r->terminal);
	add_bool(o, "remove", r->remove);
	add_bool(o, "init", r->init_wrapper);
	add_bool(o, "user_namespace", r->user_namespace);
	add_bool(o, "map_root", r->map_root);
	add_int(o, "pid_max", r->pid_max);
	add_str(o, "rootfs", r->rootfs);
	add_str(o, "hostname", r->hostname);
	if (r->page_server.n) {
		add_int(o, "page_server_host_pid", r->page_server.n);
		add_int(o, "page_server_start", (int64_t)r->page_server_start);
	}
	add_str(o, "reason", r->reason);
	json_object_object_add(o, "command", command);

	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
	fd = openat(dir_fd, "state.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		e = -errno;
	else if (fd_write_all(fd, text, strlen(text)) < 0)
		e = -EIO;
	else if (renameat(dir_fd, "state.json.new", dir_fd, "state.json") < 0)
		e = -errno;
	json_object_put(o);
	return e;
}
