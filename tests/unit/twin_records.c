/* What BPF copies out of the kernel's records of processes, and the types by which it finds its way. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/vec.h"
#include "checkpoint/twin_records.h"
#include "kernel/btf.h"
#include "kernel/probe.h"

static void members_are_found_as_c_sees_them(void **state)
{
	static const char *const names[] = {"task_struct", "no_such_struct"};
	struct btf b;
	struct btf_field tgid, pid, nested, outer;
	uint32_t id[2];
	int r = btf_open(&b);

	(void)state;
	if (r < 0) {
		assert_int_equal(r, -ENOENT); /* a kernel without */
		return;
	}
	btf_structs(&b, names, 2, id);
	assert_true(id[0]);
	assert_false(id[1]);
	assert_int_equal(btf_field(&b, id[0], "tgid", &tgid), 0);
	assert_int_equal(btf_field(&b, id[0], "pid", &pid), 0);
	assert_int_equal(tgid.size, sizeof(pid_t));
	assert_int_equal(tgid.at, pid.at + pid.size); /* include/linux/sched.h, ever since */
	assert_int_equal(btf_field(&b, id[0], "pending", &outer), 0);
	assert_int_equal(btf_field(&b, id[0], "pending.signal", &nested), 0);
	assert_in_range(nested.at, outer.at, outer.at + outer.size - nested.size);
	assert_int_equal(nested.size, 8);
	assert_int_equal(btf_field(&b, id[0], "tgid.of", &nested), -ENOENT);
	assert_int_equal(btf_field(&b, id[0], "no_such_member", &nested), -ENOENT);
	btf_close(&b);
}

struct found {
	struct one {
		pid_t pid;
		uint64_t mm, files;
		uint64_t cloexec;
		size_t len[TWIN_PARTS];
		uint8_t *part[TWIN_PARTS];
		VEC(uint8_t) maps;
	} one[2];
};

static struct one *of(struct found *f, pid_t pid)
{
	return pid == f->one[0].pid ? &f->one[0] : pid == f->one[1].pid ? &f->one[1] : NULL;
}

static int take_process(void *arg, const struct twin_record *r)
{
	struct one *o = of(arg, r->pid);

	if (!o)
		return 0;
	o->mm = r->mm;
	o->files = r->files;
	o->cloexec = r->cloexec;
	for (int i = 0; i < TWIN_PARTS; i++) {
		o->len[i] = r->len[i];
		o->part[i] = malloc(r->len[i]);
		memcpy(o->part[i], r->part[i], r->len[i]);
	}
	return 0;
}

static int take_mapping(void *arg, const struct twin_mapping *m)
{
	struct one *o = of(arg, m->pid);

	for (size_t i = 0; o && i < m->len; i++)
		*vec_push(&o->maps) = m->bytes[i];
	return 0;
}

static char *page;

static void nothing(void) {}
static void other_umask(void) { umask(0123); }
static void advised(void) { madvise(page, 4096, MADV_DONTDUMP); }
static void closed(void) { close(0); }

/* Two children, of which the second changes something; which of their parts are the same? */
static void compare(void (*change)(void), bool process, bool fds, bool maps)
{
	struct found f = {};
	struct twin_calls calls = {&f, take_process, take_mapping};
	struct stat ns;
	int ready[2];
	char c;

	assert_int_equal(stat("/proc/self/ns/pid", &ns), 0);
	assert_int_equal(pipe(ready), 0);
	for (int i = 0; i < 2; i++) {
		f.one[i].pid = fork();
		if (f.one[i].pid == 0) {
			if (i)
				change();
			_exit(write(ready[1], "", 1) == 1 ? pause() : 1);
		}
		assert_int_equal(read(ready[0], &c, 1), 1);
	}
	int r = twin_records_read(ns.st_ino, &calls);
	for (int i = 0; i < 2; i++) {
		kill(f.one[i].pid, SIGKILL);
		waitpid(f.one[i].pid, NULL, 0);
	}
	close(ready[0]);
	close(ready[1]);
	if (!probe_one(PROBE_BPF_ITER)) {
		assert_true(r < 0);
		return;
	}
	assert_int_equal(r, 0);
	struct one *a = &f.one[0], *b = &f.one[1];
	assert_true(a->mm && b->mm && a->mm != b->mm);
	assert_true(a->files && b->files && a->files != b->files);
	assert_int_equal(!memcmp(a->part[TWIN_PROCESS], b->part[TWIN_PROCESS], a->len[TWIN_PROCESS]), process);
	assert_int_equal(!memcmp(a->part[TWIN_FDS], b->part[TWIN_FDS], a->len[TWIN_FDS]), fds);
	assert_int_equal(a->maps.n && a->maps.n == b->maps.n && !memcmp(a->maps.at, b->maps.at, a->maps.n), maps);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < TWIN_PARTS; k++)
			free(f.one[i].part[k]);
		vec_free(&f.one[i].maps);
	}
}

static void siblings_are_the_same(void **state)
{
	(void)state;
	compare(nothing, true, true, true);
}

static void a_umask_is_of_the_process(void **state)
{
	(void)state;
	compare(other_umask, false, true, true);
}

static void advice_shows_in_mappings(void **state)
{
	(void)state;
	compare(advised, true, true, false);
}

static void a_closed_descriptor_shows(void **state)
{
	(void)state;
	compare(closed, true, false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_as_c_sees_them),
		cmocka_unit_test(siblings_are_the_same),
		cmocka_unit_test(a_umask_is_of_the_process),
		cmocka_unit_test(advice_shows_in_mappings),
		cmocka_unit_test(a_closed_descriptor_shows),
	};

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
