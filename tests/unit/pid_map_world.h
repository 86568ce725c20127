#pragma once
/* A pid map of one of the three kinds, for tests, and short ways to use it. Host pids here are
 * numbers only: no such tasks exist. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ids/pid_map_file.h"

#define OWNER hpid_of(77)

struct world {
	int fd;
	struct pid_map_header *m;
	enum pid_map_kind kind;
};

static inline struct pid_map_header *a_map(struct world *w, uint32_t pid_max)
{
	struct pid_map_options o = {.kind = w->kind, .pid_max = pid_max, .container_id = 7};
	struct pidspace_error err = {0};

	w->fd = pid_map_create(&o, &err);
	if (w->fd < 0 || pid_map_map(w->fd, NULL, true, &w->m, &err) < 0)
		fail_msg("%s", err.message);
	return w->m;
}

static inline int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	w->kind = *(const enum pid_map_kind *)*state;
	w->fd = -1;
	*state = w;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	pid_map_unmap(w->m);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return 0;
}

static inline int reserve(struct pid_map_header *m)
{
	struct vpid v;
	int r = pid_map_reserve(m, OWNER, &v);

	return r < 0 ? r : v.n;
}

/* A host pid for v, any unless the way of keeping wants a certain one. */
static inline struct hpid host_of(const struct pid_map_header *m, int v)
{
	struct hpid wanted = pid_map_wanted(m, vpid_of(v));

	return wanted.n ? wanted : hpid_of((100000 + v) % PID_MAP_CAPACITY);
}

static inline struct hpid give(struct pid_map_header *m, int v)
{
	struct hpid h = host_of(m, v);

	assert_int_equal(pid_map_reserve_given(m, OWNER, vpid_of(v)), 0);
	assert_int_equal(pid_map_bind(m, OWNER, h, vpid_of(v)), 0);
	return h;
}

static inline int born(struct pid_map_header *m)
{
	int v = reserve(m);

	assert_true(v > 0);
	assert_int_equal(pid_map_bind(m, OWNER, host_of(m, v), vpid_of(v)), 0);
	return v;
}

static inline bool freed(const struct pid_map_header *m, int v)
{
	struct hpid h;

	return pid_map_look(m, vpid_of(v), &h) == PID_MAP_FREE;
}

static inline bool died(struct pid_map_header *m, int v)
{
	return pid_map_release(m, host_of(m, v), vpid_of(v));
}

static inline blkcnt_t pages(const struct world *w)
{
	struct stat st;

	assert_int_equal(fstat(w->fd, &st), 0);
	return st.st_blocks * 512 / PID_MAP_PAGE;
}

static enum pid_map_kind direct = PID_MAP_DIRECT, hash = PID_MAP_HASH, masked = PID_MAP_MASKED;

#define ONE(f, kind)                                                                               \
	{                                                                                          \
#f " (" #kind ")", f, set_up, tear_down, &kind                                     \
	}
