/* What kinds see of a save and a restore: ids, names, frames. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "checkpoint/context.h"
#include "image/frame.h"

static void objects_are_known_by_identity(void **state)
{
	struct save s = {0};
	bool fresh;
	uint32_t a = save_object_id(&s, 1, 5, 6, &fresh);

	assert_true(a && fresh);
	assert_int_equal(save_object_id(&s, 1, 5, 6, &fresh), a);
	assert_false(fresh);
	/* Another kind, device or inode is another object, and ids are unique over all of them. */
	uint32_t other[3] = {save_object_id(&s, 2, 5, 6, &fresh), save_object_id(&s, 1, 6, 6, &fresh),
			     save_object_id(&s, 1, 5, 7, &fresh)};
	for (int i = 0; i < 3; i++) {
		assert_int_not_equal(other[i], a);
		assert_int_not_equal(other[i], other[(i + 1) % 3]);
	}
	save_done(&s);
}

/* A child that has fd under the number 200 and waits. */
static pid_t start_holder(int fd)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent && dup2(fd, 200) == 200)
			for (;;)
				pause();
		_exit(1);
	}
	assert_true(pid > 0);
	return pid;
}

static void wait_for_number(pid_t pid, int number)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, number);
	for (int i = 0; access(path, F_OK) < 0; i++) {
		assert_true(i < 10000);
		usleep(1000);
	}
}

static void add_file(struct save *s, pid_t holder, int number, int local)
{
	struct saved_file *f = vec_push(&s->files);

	*f = (struct saved_file){.id = (uint32_t)s->files.n, .holder = vpid_of(7), .fd = number, .local = local,
				 .holder_host = hpid_of(holder)};
	assert_int_equal(fstat(local, &f->st), 0);
}

static void descriptors_of_another_process_are_found(void **state)
{
	struct save s = {0};
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = start_holder(ends[1]);
	wait_for_number(child, 200);
	/* Two descriptions of one inode: only the right one answers. */
	add_file(&s, child, 150, ends[0]);
	add_file(&s, child, 151, ends[1]);
	assert_int_equal(save_file_id(&s, vpid_of(7), 150), 1);
	assert_int_equal(save_file_id(&s, vpid_of(7), 200), 2);
	assert_int_equal(save_file_id(&s, vpid_of(7), 201), 0);
	assert_int_equal(save_file_id(&s, vpid_of(8), 200), 0);
	assert_ptr_equal(save_file(&s, 2), &s.files.at[1]);
	assert_null(save_file(&s, 3));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ends[0]);
	close(ends[1]);
	vec_free(&s.files);
	save_done(&s);
}

static void kept_frames_are_found_by_their_first_field(void **state)
{
	struct restore r = {0};
	const uint8_t id300[] = {0x08, 0xac, 0x02, 0x12, 0x01, 'x'}, none[] = {0x12, 0x01, 'y'},
		      broken[] = {0x08, 0x80, 0x80}, huge[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0x7f};
	size_t len = 0;

	assert_int_equal(restore_keep_frame(&r, FRAME_PIPE, id300, sizeof id300), 0);
	assert_int_equal(restore_keep_frame(&r, FRAME_PIPE, none, sizeof none), 0);
	assert_int_equal(restore_keep_frame(&r, FRAME_PIPE, NULL, 0), 0);
	assert_int_equal(restore_keep_frame(&r, FRAME_PIPE, broken, sizeof broken), -EBADMSG);
	assert_int_equal(restore_keep_frame(&r, FRAME_PIPE, huge, sizeof huge), -EBADMSG);
	const void *p = restore_frame(&r, FRAME_PIPE, 300, &len);
	assert_non_null(p);
	assert_int_equal(len, sizeof id300);
	assert_memory_equal(p, id300, len);
	assert_null(restore_frame(&r, FRAME_TERMINAL, 300, &len));
	assert_null(restore_frame(&r, FRAME_PIPE, 301, &len));
	assert_non_null(restore_frame(&r, FRAME_PIPE, 0, &len));
	assert_int_equal(len, sizeof none);
	restore_done(&r);
}

static void paths_stay_below_the_root(void **state)
{
	char dir[] = "/tmp/pidspace-context.XXXXXX", path[128];
	struct restore r = {0};
	struct stat st, out;

	assert_non_null(mkdtemp(dir));
	r.root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat("/inner", r.root_fd, "link"), 0);
	assert_int_equal(symlinkat("../../../..", r.root_fd, "up"), 0);
	int fd = restore_open(&r, "/inner", O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	fd = restore_open(&r, "/link", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &out), 0);
	assert_int_equal(out.st_ino, st.st_ino);
	close(fd);
	fd = restore_open(&r, "/up/inner", O_PATH, 0);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(restore_open(&r, "/etc/passwd", O_RDONLY, 0), -ENOENT);

	struct save s = {.root_fd = r.root_fd};
	fd = save_open_same(&s, "/inner", &st);
	assert_true(fd >= 0);
	close(fd);
	st.st_ino++;
	assert_int_equal(save_open_same(&s, "/inner", &st), -ESTALE);
	assert_int_equal(save_open_same(&s, "/gone", &st), -ENOENT);
	close(r.root_fd);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, (const char *[]){"inner", "link", "up"}[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void refusals_say_who_and_what(void **state)
{
	struct save s = {0};
	struct saved_file f = {.holder = vpid_of(12), .fd = 3};

	save_refuse(&s, &f, "E_TEST", "because", "do this", "the %s", "thing");
	save_refuse(&s, NULL, "E_TEST", "because", "do this", "all");
	assert_int_equal(s.refusals.n, 2);
	assert_int_equal(s.refusals.at[0].pid.n, 12);
	assert_int_equal(s.refusals.at[0].fd, 3);
	assert_string_equal(s.refusals.at[0].what, "the thing");
	assert_int_equal(s.refusals.at[1].pid.n, 0);
	assert_int_equal(s.refusals.at[1].fd, -1);
	save_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_known_by_identity),
		cmocka_unit_test(descriptors_of_another_process_are_found),
		cmocka_unit_test(kept_frames_are_found_by_their_first_field),
		cmocka_unit_test(paths_stay_below_the_root),
		cmocka_unit_test(refusals_say_who_and_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
