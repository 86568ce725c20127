/* Who waits for whom decides how much is compressed: all of it into a slow sink, next to nothing into one that takes
 * everything at once. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/effort.h"
#include "image/image.h"

#define BLOCKS 96

/* --- the account --- */

static unsigned wanted(struct effort *e, unsigned of)
{
	unsigned n = 0;

	for (unsigned i = 0; i < of; i++)
		n += effort_wants(e);
	return n;
}

static void debit(struct effort *e, uint64_t ns)
{
	for (int i = 0; i < 10; i++)
		effort_debit(e, ns / 10);
}

static void all_until_something_is_known(void **state)
{
	struct effort e;

	effort_init(&e, 2);
	assert_int_equal(wanted(&e, 100), 100);
	/* a little more debit than credit, now and then, changes nothing */
	effort_debit(&e, EFFORT_FULL / 4);
	assert_int_equal(wanted(&e, 100), 100);
}

static void nothing_when_all_are_busy_and_all_again_when_the_sink_is_waited_for(void **state)
{
	struct effort e;

	effort_init(&e, 2);
	debit(&e, EFFORT_MOST);
	assert_int_equal(wanted(&e, 100), 0);
	for (int i = 0; i < 30; i++)
		effort_credit(&e, EFFORT_FULL / 20);
	assert_int_equal(wanted(&e, 100), 100);
}

static void a_share_is_spread_evenly(void **state)
{
	struct effort e;

	effort_init(&e, 2);
	debit(&e, EFFORT_MOST - EFFORT_FULL / 4);
	for (int i = 0; i < 10; i++)
		assert_int_equal(wanted(&e, 4), 1);
}

static void one_long_step_does_not_turn_it_off(void **state)
{
	struct effort e;

	effort_init(&e, 2);
	effort_debit(&e, UINT64_MAX);
	assert_int_equal(wanted(&e, 100), 100);
	debit(&e, EFFORT_MOST);
	effort_credit(&e, UINT64_MAX);
	assert_int_equal(wanted(&e, 100), 100);
}

static void idle_time_is_what_passes_while_idle(void **state)
{
	struct effort e;

	effort_init(&e, 2);
	uint64_t at = e.since;
	e.lent = 1;
	e.writing = true;
	effort_note(&e, at + 1000);
	e.writing = false; /* one reads, the other cpu is free */
	effort_note(&e, at + 1100);
	effort_note(&e, at + 1150);
	e.packing = 1;
	effort_note(&e, at + 1200);
	e.lent = 0;        /* a caller that does not wait is about to read */
	effort_note(&e, at + 3000);
	e.waiting = 1;
	effort_note(&e, at + 4000);
	e.packing = 2;
	effort_note(&e, at + 4010);
	assert_int_equal(e.idle_ns, 100 + 10);
}

static uint64_t after_waiting(bool packing, bool sink_busy, unsigned waiting)
{
	struct effort e;
	struct effort_mark from;

	effort_init(&e, 2);
	e.account = EFFORT_FULL;
	e.waiting = waiting;
	effort_mark(&e, &from);
	effort_note(&e, from.wall);
	effort_note(&e, from.wall + 1000);
	effort_waited(&e, &from, packing, sink_busy);
	return e.account;
}

static void who_is_waited_for(void **state)
{
	/* a caller, while a cpu has nothing to do */
	assert_true(after_waiting(false, false, 0) > EFFORT_FULL);
	/* a compressor: by the writing thread alone, by everybody, and by everybody but the sink */
	assert_true(after_waiting(true, false, 0) > EFFORT_FULL);
	assert_int_equal(after_waiting(true, false, 1), EFFORT_FULL - 1000);
	assert_int_equal(after_waiting(true, true, 1), EFFORT_FULL);
}

static void waiting_for_a_processor_is_not_sleeping(void **state)
{
	struct effort_mark a = {.wall = 100, .cpu = 10, .sleeps = 5}, b = {.wall = 200, .cpu = 30, .sleeps = 5};

	assert_int_equal(effort_slept(&a, &b), 0);
	b.sleeps = 6;
	assert_int_equal(effort_slept(&a, &b), 80);
}

/* --- the writer --- */

static char text[IMAGE_BLOCK + BLOCKS];

static int make_text(void **state)
{
	static const char *const words[] = {"the ", "process ", "of ", "memory ", "is\n", "0x7ffe", "page ", "which "};
	uint64_t x = 1;

	for (size_t at = 0; at < sizeof text;) {
		const char *word = words[(x = x * 6364136223846793005ULL + 1) >> 61];
		size_t n = strlen(word) < sizeof text - at ? strlen(word) : sizeof text - at;
		memcpy(text + at, word, n);
		at += n;
	}
	return 0;
}

/* Writes BLOCKS blocks of `bytes`; how many bytes of them were stored raw to be faster. */
static uint64_t write_text(int fd, int level, size_t bytes)
{
	const struct image_options o = {.compress = IMAGE_LZ4, .level = level};
	struct image_run run = {0x10000, bytes};
	struct image_writer *w;
	struct pidspace_error err = {0};

	assert_int_equal(image_writer_open(&w, fd, &o, &err), 0);
	for (unsigned i = 0; i < BLOCKS; i++, run.address += bytes) {
		void *p = image_page_buffer(w);
		assert_non_null(p);
		memcpy(p, text + i, bytes);
		assert_int_equal(image_write_pages(w, 1, 0, p, &run, 1, &err), 0);
	}
	assert_int_equal(image_commit(w, &err), 0);
	uint64_t raw = image_bytes_raw(w);
	image_writer_free(w);
	return raw;
}

/* Blocks of pages by how they are stored; all of it can be read. */
static void count_frames(int fd, unsigned count[3])
{
	struct image_reader *r;
	struct image_frame f;
	struct pidspace_error err = {0};
	int status;

	memset(count, 0, 3 * sizeof *count);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(image_reader_new(&r, fd, &err), 0);
	while ((status = image_next(r, &f, &err)) > 0)
		if (f.type == FRAME_PAGES)
			count[f.compress]++;
	assert_int_equal(status, 0);
	image_reader_free(r);
}

/* On more processors compressing may keep up with anything. */
static void on_one_processor(cpu_set_t *old)
{
	cpu_set_t one;
	int cpu = 0;

	sched_getaffinity(0, sizeof *old, old);
	while (!CPU_ISSET(cpu, old))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static void a_sink_that_takes_everything_gets_it_raw(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	unsigned count[3];
	cpu_set_t old;

	on_one_processor(&old);
	uint64_t raw = write_text(fd, 0, IMAGE_BLOCK);
	sched_setaffinity(0, sizeof old, &old);
	count_frames(fd, count);
	assert_int_equal(raw, count[IMAGE_NONE] * IMAGE_BLOCK);
	assert_true(count[IMAGE_NONE] >= BLOCKS / 2);
	close(fd);
}

/* Whoever names a level means it; and in small blocks lies the memory of many processes. */
static void what_is_compressed_all_the_same(void **state)
{
	static const struct {
		int level;
		size_t bytes;
	} all[] = {{1, IMAGE_BLOCK}, {3, IMAGE_BLOCK}, {0, (size_t)128 << 10}};
	cpu_set_t old;
	unsigned count[3];

	on_one_processor(&old);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		int fd = memfd_create("image", MFD_CLOEXEC);
		assert_int_equal(write_text(fd, all[i].level, all[i].bytes), 0);
		count_frames(fd, count);
		assert_int_equal(count[IMAGE_LZ4], BLOCKS);
		close(fd);
	}
	sched_setaffinity(0, sizeof old, &old);
}

/* --- a slow sink: takes something when nobody of the others has anything left to do, and not at once even then --- */

static bool asleep(pid_t pid, const char *tid)
{
	char path[300], state = 'R';
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, tid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'R';
	if (f)
		fclose(f);
	return state == 'S' || state == 'Z';
}

static bool all_asleep(pid_t pid)
{
	char path[64];
	bool all = true;
	struct dirent *d;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	while (dir && all && (d = readdir(dir)))
		all = *d->d_name == '.' || asleep(pid, d->d_name);
	if (dir)
		closedir(dir);
	return all;
}

static void pass_on_slowly(int from, int to, pid_t of)
{
	char *buf = malloc(IMAGE_BLOCK);
	uint64_t began = effort_now();
	ssize_t n;

	do {
		while (!all_asleep(of) || !all_asleep(of))
			sched_yield();
		/* Four times as long as they have needed: that is what makes it slow, on any machine. */
		uint64_t hold = 4 * (effort_now() - began) + 1000000;
		const struct timespec t = {.tv_sec = (time_t)(hold / 1000000000), .tv_nsec = (long)(hold % 1000000000)};
		nanosleep(&t, NULL);
		began = effort_now();
		n = read(from, buf, IMAGE_BLOCK);
		if (n > 0 && write(to, buf, (size_t)n) != n)
			n = -1;
	} while (n > 0);
	_exit(n < 0);
}

static void a_slow_sink_gets_everything_compressed(void **state)
{
	int p[2], fd = memfd_create("image", MFD_CLOEXEC), status;
	unsigned count[3];
	pid_t us = getpid(), child;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[1]);
		pass_on_slowly(p[0], fd, us);
	}
	close(p[0]);
	uint64_t raw = write_text(p[1], 0, IMAGE_BLOCK);
	close(p[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	count_frames(fd, count);
	assert_int_equal(raw, count[IMAGE_NONE] * IMAGE_BLOCK);
	/* It shows only when the pipe is full, and on a busy machine any step before can be slow. */
	assert_in_range(count[IMAGE_NONE], 0, BLOCKS / 16);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_until_something_is_known),
		cmocka_unit_test(nothing_when_all_are_busy_and_all_again_when_the_sink_is_waited_for),
		cmocka_unit_test(a_share_is_spread_evenly),
		cmocka_unit_test(one_long_step_does_not_turn_it_off),
		cmocka_unit_test(idle_time_is_what_passes_while_idle),
		cmocka_unit_test(who_is_waited_for),
		cmocka_unit_test(waiting_for_a_processor_is_not_sleeping),
		cmocka_unit_test(a_sink_that_takes_everything_gets_it_raw),
		cmocka_unit_test(what_is_compressed_all_the_same),
		cmocka_unit_test(a_slow_sink_gets_everything_compressed),
	};

	return cmocka_run_group_tests(tests, make_text, NULL);
}
