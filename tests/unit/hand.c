/* A hand in somebody else's address space: it makes calls there, gives way when it is stopped, and leaves nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kernel/proc_maps.h"
#include "tracee/hand.h"

#define SCRATCH (SCRATCH_CODE + SCRATCH_SLOT)
#define DEADLINE_MS 20000

struct world {
	pid_t pid;  /* waits in read(2) */
	int fd;     /* a byte ends it */
	char *maps; /* as they were */
	struct hand hand;
};

static const uint64_t no_args[6];

static char *maps_of(pid_t pid)
{
	char path[32], *text = NULL;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	assert_true(fd_slurp_at(AT_FDCWD, path, &text, NULL) >= 0);
	return text;
}

static unsigned tasks_of(pid_t pid)
{
	char path[32];
	unsigned n = 0;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static uint64_t vdso_of(pid_t pid)
{
	struct proc_maps maps;
	uint64_t at = 0;
	char *text = maps_of(pid);

	assert_int_equal(proc_maps_parse(text, &maps), 0);
	vec_each(m, &maps.map)
		if (!strcmp(m->name, "[vdso]"))
			at = m->start;
	proc_maps_done(&maps); /* and text */
	return at;
}

static void wait_until(bool (*true_of)(const struct world *w), const struct world *w)
{
	struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < DEADLINE_MS && !true_of(w); i++)
		nanosleep(&ms, NULL);
	assert_true(true_of(w));
}

static void stop(struct tracee *t, pid_t pid)
{
	struct timespec ms = {.tv_nsec = 1000000};

	assert_int_equal(tracee_seize(t, hpid_of(pid), hpid_of(pid), 0), 0);
	assert_int_equal(tracee_interrupt(t), 0);
	for (int i = 0; i < DEADLINE_MS && !tracee_poll_stop(t); i++)
		nanosleep(&ms, NULL);
	assert_int_equal(t->state, TRACEE_STOPPED);
	t->vdso = vdso_of(pid);
	t->done_signal = SIGURG;
	t->stack_below = true;
}

static bool waits_in_read(const struct world *w)
{
	char path[48], *text = NULL;

	snprintf(path, sizeof path, "/proc/%d/syscall", w->pid);
	bool yes = fd_slurp_at(AT_FDCWD, path, &text, NULL) >= 0 && !strncmp(text, "0 ", 2);
	free(text);
	return yes;
}

static void begin(struct world *w)
{
	struct tracee t;
	struct vpid tid;
	uint64_t scratch;
	int p[2];
	char c;

	assert_int_equal(pipe(p), 0);
	w->pid = fork();
	if (w->pid == 0) {
		close(p[1]);
		_exit(read(p[0], &c, 1) != 1);
	}
	close(p[0]);
	w->fd = p[1];
	wait_until(waits_in_read, w);
	w->maps = maps_of(w->pid);
	stop(&t, w->pid);
	assert_int_equal(scratch_map(&t, SCRATCH, &scratch, NULL), 0);
	assert_int_equal(hand_make(&t, &w->hand, &tid, NULL), 0);
	assert_int_equal(hand_begin(&w->hand, hpid_of(tid.n), NULL), 0);
	assert_int_equal(scratch_unmap(&t, scratch, SCRATCH, NULL), 0);
	tracee_release(&t);
	assert_int_equal(tasks_of(w->pid), 2);
}

static bool is_alone(const struct world *w)
{
	return tasks_of(w->pid) == 1;
}

static void end(struct world *w)
{
	int status;

	assert_int_equal(hand_leave(&w->hand), 0);
	wait_until(is_alone, w);
	char *maps = maps_of(w->pid);
	assert_string_equal(maps, w->maps);
	free(maps);
	free(w->maps);
	assert_int_equal(write(w->fd, "x", 1), 1);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	close(w->fd);
}

static void it_makes_calls_there(void **state)
{
	struct world w;

	begin(&w);
	assert_int_equal(hand_call(&w.hand, SYS_getpid, no_args, NULL, 0), w.pid);
	assert_int_equal(hand_call(&w.hand, SYS_gettid, no_args, NULL, 0), w.hand.tid.n);
	const uint64_t nowhere[6] = {hand_data(&w.hand)};
	assert_int_equal(hand_call(&w.hand, SYS_chdir, nowhere, "/nowhere", 9), -ENOENT);
	end(&w);
}

/* Its own table: the process has none of it. */
static void it_takes_a_descriptor(void **state)
{
	struct world w;
	int p[2];
	char c = 0;

	begin(&w);
	assert_int_equal(pipe(p), 0);
	int there = hand_give(&w.hand, p[1]);
	assert_true(there >= 0);
	close(p[1]);
	const uint64_t x[6] = {(uint64_t)there, hand_data(&w.hand), 1};
	assert_int_equal(hand_call(&w.hand, SYS_write, x, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	end(&w);
	assert_int_equal(read(p[0], &c, 1), 0); /* closed with it */
	close(p[0]);
}

/* The room is one that a huge page fits, and is written to from outside. */
static void its_room_can_be_filled(void **state)
{
	char text[] = "text";
	struct world w;

	begin(&w);
	assert_int_equal(w.hand.room % HAND_ROOM, 0);
	struct iovec l = {text, sizeof text}, r = {(void *)(w.hand.room + HAND_ROOM - sizeof text), sizeof text};
	assert_int_equal(process_vm_writev(w.hand.tid.n, &l, 1, &r, 1, 0), sizeof text);
	end(&w);
}

/* What is asked of one that is stopped is not done later either. */
static void a_stopped_one_is_not_waited_for(void **state)
{
	struct pollfd quiet = {.events = POLLIN};
	struct world w;
	int p[2], status;
	char c;

	begin(&w);
	assert_int_equal(pipe(p), 0);
	int there = hand_give(&w.hand, p[1]);
	assert_int_equal(kill(w.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(w.pid, &status, WUNTRACED), w.pid);
	const uint64_t x[6] = {(uint64_t)there, hand_data(&w.hand), 1};
	assert_int_equal(hand_call(&w.hand, SYS_write, x, "x", 1), -ETIMEDOUT);
	assert_false(hand_ready(&w.hand));
	assert_int_equal(hand_call(&w.hand, SYS_write, x, "x", 1), -ETIMEDOUT);
	assert_int_equal(hand_leave(&w.hand), -EBUSY);
	assert_int_equal(kill(w.pid, SIGCONT), 0);
	struct pollfd answer = {.fd = w.hand.sock, .events = POLLIN};
	assert_int_equal(poll(&answer, 1, DEADLINE_MS), 1);
	assert_true(hand_ready(&w.hand));
	quiet.fd = p[0];
	assert_int_equal(poll(&quiet, 1, 0), 0);
	assert_int_equal(hand_call(&w.hand, SYS_write, x, "y", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	close(p[0]);
	close(p[1]);
	end(&w);
}

static void one_whose_process_has_ended_is_no_more(void **state)
{
	struct world w;
	int status;

	begin(&w);
	assert_int_equal(kill(w.pid, SIGKILL), 0);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	assert_int_equal(hand_call(&w.hand, SYS_getpid, no_args, NULL, 0), -ESRCH);
	assert_false(hand_ready(&w.hand));
	assert_int_equal(hand_leave(&w.hand), 0);
	free(w.maps);
	close(w.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_makes_calls_there),
		cmocka_unit_test(it_takes_a_descriptor),
		cmocka_unit_test(its_room_can_be_filled),
		cmocka_unit_test(a_stopped_one_is_not_waited_for),
		cmocka_unit_test(one_whose_process_has_ended_is_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
