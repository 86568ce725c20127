#pragma once
/* Containers in a registry of the test's own, and short ways to run, read and enter them. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <pidspace/pidspace.h>

#include "as_user.h"
#include "base/fd.h"

static char state_dir[64];

static inline struct pidspace *registry(void)
{
	struct pidspace_error err = {0};
	struct pidspace *p = NULL;

	snprintf(state_dir, sizeof state_dir, "/tmp/pidspace-test.XXXXXX");
	if (!mkdtemp(state_dir) || pidspace_open(&p, state_dir, &err) < 0) {
		fprintf(stderr, "registry: %s\n", err.message);
		_exit(98);
	}
	return p;
}

/* Empty again? Then it goes. A monitor of a container run with remove may still be at that. */
static inline int finish(struct pidspace *p)
{
	int r;

	pidspace_close(p);
	for (int i = 0; i < 1000 && (r = rmdir(state_dir)) < 0; i++)
		poll(NULL, 0, 5);
	CHECK(r == 0);
	return 0;
}

#define SH(text) ((char *[]){"/bin/sh", "-c", text, NULL})

static inline int say(int r, const struct pidspace_error *err)
{
	if (r < 0)
		fprintf(stderr, "  %s [%s]\n", err->message, err->code);
	return r;
}

static inline int start(struct pidspace *p, const char *name, char *const *argv, bool remove)
{
	struct pidspace_error err = {0};
	struct pidspace_run o = {.name = name, .argv = argv, .detach = true, .remove = remove,
				 .stdio = {-1, -1, -1}};

	return say(pidspace_run(p, &o, NULL, &err), &err);
}

/* A foreground container whose stdin is text; what it writes (stdout and stderr) comes into out. */
static inline int run(struct pidspace *p, struct pidspace_run *o, const char *text, char *out, size_t size,
	       struct pidspace_error *err)
{
	int in[2], from[2], status = -1, r;
	ssize_t n;

	memset(err, 0, sizeof *err);
	if (pipe2(in, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return -errno;
	if (fd_write_all(in[1], text, strlen(text)) < 0)
		return -EIO;
	close(in[1]);
	o->stdio[0] = in[0];
	o->stdio[1] = o->stdio[2] = from[1];
	r = pidspace_run(p, o, &status, err);
	close(in[0]);
	close(from[1]);
	n = fd_read_all(from[0], out, size - 1);
	out[n < 0 ? 0 : n] = 0;
	close(from[0]);
	return r < 0 ? r : status;
}

/* The log of a container once it has (at least) this many bytes. */
static inline int read_log(struct pidspace *p, const char *name, char *out, size_t size, size_t at_least)
{
	int fd = pidspace_log(p, name, NULL);
	ssize_t n = 0;

	for (int i = 0; i < 3000 && fd >= 0; i++) {
		n = fd_pread_all(fd, out, size - 1, 0);
		if (n >= (ssize_t)at_least)
			break;
		poll(NULL, 0, 10);
	}
	close(fd);
	out[n < 0 ? 0 : n] = 0;
	return (int)n;
}

static inline int exec_text(struct pidspace *p, const char *name, char *const *argv, char *out, size_t size,
		     int *ret_status, pid_t *ret_pid)
{
	struct pidspace_error err = {0};
	struct pidspace_exec o = {.name = name, .argv = argv, .stdio = {-1, -1, -1}};
	int from[2], r;
	ssize_t n;

	if (pipe2(from, O_CLOEXEC))
		return -errno;
	o.stdio[1] = from[1];
	r = say(pidspace_exec(p, &o, ret_pid, ret_status, &err), &err);
	close(from[1]);
	n = fd_read_all(from[0], out, size - 1);
	out[n < 0 ? 0 : n] = 0;
	close(from[0]);
	return r;
}
