/* What the kernel says about a task in /proc is read right, and nothing else is believed. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kernel/proc_stat.h"

#define STAT_TAIL                                                                                  \
	" S 1 2 3 34816 7 4194304 101 8 9 10 11 12 13 14 20 -5 16 0 266367 3133440 388 "           \
	"18446744073709551615 100 101 102 0 0 0 0 0 0 0 0 0 17 1 50 2 0 0 0 200 201 202 203 204 "  \
	"205 206 256\n"

#define STATUS                                                                                     \
	"Name:\ta\\nUid: 0\nUmask:\t0027\nState:\tS (sleeping)\nTgid:\t7\nNgid:\t0\nPid:\t8\n"     \
	"PPid:\t1\nTracerPid:\t3\nUid:\t1000\t1001\t1002\t4294967295\nGid:\t5\t6\t7\t8\n"          \
	"FDSize:\t64\nGroups:\t4 24 4294967294 \nNStgid:\t7\t2\nNSpid:\t8\t3\nNSpgid:\t7\t2\n"     \
	"NSsid:\t0\t0\nThreads:\t2\nSigPnd:\t0000000000000200\nShdPnd:\t8000000000000000\n"        \
	"SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\nSigCgt:\t0000000180000000\n"        \
	"CapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000000001\n"        \
	"CapBnd:\t0000000000000002\nCapAmb:\t0000000000000003\nNoNewPrivs:\t1\nSeccomp:\t2\n"      \
	"Seccomp_filters:\t3\n"

static int self_proc(void)
{
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void every_field_lands_in_its_place(void **state)
{
	struct proc_stat s;

	assert_int_equal(proc_stat_parse("42 (sh)" STAT_TAIL, &s), 0);
	assert_int_equal(s.pid, 42);
	assert_string_equal(s.comm, "sh");
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.pgid, 2);
	assert_int_equal(s.sid, 3);
	assert_int_equal(s.tty_nr, 34816);
	assert_int_equal(s.tpgid, 7);
	assert_int_equal(s.flags, 4194304);
	assert_int_equal(s.min_flt, 101);
	assert_int_equal(s.maj_flt, 9);
	assert_int_equal(s.utime_ticks, 11);
	assert_int_equal(s.stime_ticks, 12);
	assert_int_equal(s.cutime_ticks, 13);
	assert_int_equal(s.cstime_ticks, 14);
	assert_int_equal(s.priority, 20);
	assert_int_equal(s.nice, -5);
	assert_int_equal(s.threads, 16);
	assert_int_equal(s.start_ticks, 266367);
	assert_int_equal(s.vsize, 3133440);
	assert_int_equal(s.rss_pages, 388);
	assert_true(s.rss_limit == UINT64_MAX);
	assert_int_equal(s.start_code, 100);
	assert_int_equal(s.end_code, 101);
	assert_int_equal(s.start_stack, 102);
	assert_int_equal(s.exit_signal, 17);
	assert_int_equal(s.processor, 1);
	assert_int_equal(s.rt_priority, 50);
	assert_int_equal(s.policy, 2);
	assert_int_equal(s.start_data, 200);
	assert_int_equal(s.end_data, 201);
	assert_int_equal(s.start_brk, 202);
	assert_int_equal(s.arg_start, 203);
	assert_int_equal(s.arg_end, 204);
	assert_int_equal(s.env_start, 205);
	assert_int_equal(s.env_end, 206);
	assert_int_equal(s.exit_code, 256);
}

static void a_name_cannot_pretend_to_be_fields(void **state)
{
	static const char *const names[] = {"a b", ") R 9 9 9", "((", "))", "x\ny", "", "(a) S 1"};
	struct proc_stat s;
	char text[1024];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(text, sizeof text, "42 (%s)" STAT_TAIL, names[i]);
		assert_int_equal(proc_stat_parse(text, &s), 0);
		assert_string_equal(s.comm, names[i]);
		assert_int_equal(s.ppid, 1);
	}
}

/* Cut anywhere, an error or (when only the last number lost digits) an answer; never a crash. */
static void a_cut_stat_is_refused(void **state)
{
	const char *whole = "42 (a) b)" STAT_TAIL;
	size_t len = strlen(whole), last = (size_t)(strrchr(whole, ' ') - whole) + 1;
	struct proc_stat s;

	for (size_t n = 0; n < len; n++) {
		char *cut = strndup(whole, n);
		assert_int_equal(proc_stat_parse(cut, &s), n <= last ? -EBADMSG : 0);
		free(cut);
	}
}

static void nonsense_in_stat_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "x (a)" STAT_TAIL, "42" STAT_TAIL, "42 a)" STAT_TAIL, "42 (a" STAT_TAIL, "42 )a(" STAT_TAIL,
		"99999999999999999999 (a)" STAT_TAIL, "4294967296 (a)" STAT_TAIL, "- (a)" STAT_TAIL,
	};
	struct proc_stat s = {.pid = 77};
	char text[1024], name[70];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(proc_stat_parse(bad[i], &s), -EBADMSG);
	memset(name, 'n', 64);
	name[64] = 0;
	snprintf(text, sizeof text, "42 (%s)" STAT_TAIL, name);
	assert_int_equal(proc_stat_parse(text, &s), 0);
	s.pid = 77;
	name[64] = 'n';
	name[65] = 0;
	snprintf(text, sizeof text, "42 (%s)" STAT_TAIL, name);
	assert_int_equal(proc_stat_parse(text, &s), -EBADMSG);
	assert_int_equal(s.pid, 77); /* untouched */
}

static void the_caller_is_read_as_it_is(void **state)
{
	_cleanup_close_ int proc = self_proc();
	struct proc_stat s;

	assert_int_equal(prctl(PR_SET_NAME, "odd) (na\nme"), 0);
	assert_int_equal(proc_stat_read(proc, getpid(), 0, &s), 0);
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.pgid, getpgrp());
	assert_int_equal(s.sid, getsid(0));
	assert_string_equal(s.comm, "odd) (na\nme");
	assert_int_equal(s.state, 'R');
	assert_int_equal(s.threads, 1);
	assert_int_equal(s.exit_signal, SIGCHLD);
	assert_true(s.rss_pages > 0 && s.arg_start && s.arg_start < s.arg_end);
	assert_int_equal(proc_stat_read(proc, getpid(), (pid_t)syscall(SYS_gettid), &s), 0);
	assert_int_equal(s.pid, getpid());
}

static void one_that_is_gone_is_esrch(void **state)
{
	_cleanup_close_ int proc = self_proc();
	struct proc_stat s;
	struct proc_status t;
	pid_t child = fork();

	if (child == 0)
		_exit(3);
	siginfo_t si;
	assert_int_equal(waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_stat_read(proc, child, 0, &s), 0);
	assert_int_equal(s.state, 'Z');
	assert_int_equal(s.exit_code, 3 << 8);
	assert_int_equal(proc_status_read(proc, child, 0, &t), 0);
	assert_int_equal(t.umask, -1);
	proc_status_done(&t);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(proc_stat_read(proc, child, 0, &s), -ESRCH);
	assert_int_equal(proc_status_read(proc, child, 0, &t), -ESRCH);
	assert_int_equal(proc_stat_read(proc, getpid(), child, &s), -ESRCH);
}

static void every_line_of_status_lands_in_its_place(void **state)
{
	struct proc_status s;

	assert_int_equal(proc_status_parse(STATUS, &s), 0);
	assert_int_equal(s.umask, 027);
	assert_int_equal(s.tgid, 7);
	assert_int_equal(s.pid, 8);
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.tracer, 3);
	assert_int_equal(s.uid[0], 1000);
	assert_int_equal(s.uid[2], 1002);
	assert_true(s.uid[3] == (uid_t)-1);
	assert_int_equal(s.gid[3], 8);
	assert_int_equal(s.n_groups, 3);
	assert_int_equal(s.groups[1], 24);
	assert_true(s.groups[2] == 4294967294);
	assert_int_equal(s.n_ns, 2);
	assert_int_equal(s.nspid[1], 3);
	assert_int_equal(s.nspgid[0], 7);
	assert_int_equal(s.nssid[0], 0);
	assert_int_equal(s.threads, 2);
	assert_int_equal(s.pending, 0x200);
	assert_true(s.shared_pending == 1ULL << 63);
	assert_int_equal(s.blocked, 1);
	assert_int_equal(s.ignored, 0x1000);
	assert_int_equal(s.caught, 0x180000000);
	assert_int_equal(s.cap_inheritable, 0);
	assert_int_equal(s.cap_permitted, 0x1ffffffffff);
	assert_int_equal(s.cap_effective, 1);
	assert_int_equal(s.cap_bounding, 2);
	assert_int_equal(s.cap_ambient, 3);
	assert_true(s.no_new_privs);
	assert_int_equal(s.seccomp, 2);
	assert_int_equal(s.seccomp_filters, 3);
	proc_status_done(&s);
}

/* text with the line that begins with key replaced (by nothing: left out). */
static char *with_line(const char *key, const char *instead)
{
	const char *at = strstr(STATUS, key), *end = strchr(at + 1, '\n') + 1;
	char *ret = NULL;

	assert_true(asprintf(&ret, "%.*s%s%s", (int)(at - STATUS), STATUS, instead, end) > 0);
	return ret;
}

static void nonsense_in_status_is_refused(void **state)
{
	static const struct {
		const char *key, *instead;
	} bad[] = {
		{"\nPid:", "\n"}, {"\nNSpid:", "\n"}, {"\nCapAmb:", "\n"},
		{"\nPid:", "\nPid:\n"}, {"\nPid:", "\nPid:\tx\n"}, {"\nPid:", "\nPid:\t1 2\n"},
		{"\nPid:", "\nPid:\t99999999999\n"}, {"\nUid:", "\nUid:\t1\t2\t3\n"},
		{"\nUid:", "\nUid:\t1\t2\t3\t4\t5\n"}, {"\nGroups:", "\nGroups:\t1\nGroups:\t1\n"},
		{"\nGroups:", "\nGroups:\t1 x\n"}, {"\nNSpgid:", "\nNSpgid:\t1\n"},
		{"\nNSpid:", "\nNSpid:\n"}, {"\nSigPnd:", "\nSigPnd:\t\n"},
		{"\nSigPnd:", "\nSigPnd:\t10000000000000000\n"}, {"\nSigPnd:", "\nSigPnd:\t0x1\n"},
		{"\nUmask:", "\nUmask:\t0088\n"}, {"\nUmask:", "\nUmask:\t77777\n"},
		{"\nTgid:", "\nno colon\nTgid:\t1\n"},
	};
	struct proc_status s = {.pid = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		_cleanup_free_ char *text = with_line(bad[i].key, bad[i].instead);
		assert_int_equal(proc_status_parse(text, &s), -EBADMSG);
	}
	assert_int_equal(proc_status_parse("", &s), -EBADMSG);
	assert_int_equal(s.pid, 77);
}

static void a_cut_status_neither_crashes_nor_leaks(void **state)
{
	size_t len = strlen(STATUS);

	for (size_t n = 0; n < len; n++) {
		_cleanup_free_ char *cut = strndup(STATUS, n);
		struct proc_status s;
		if (proc_status_parse(cut, &s) == 0)
			proc_status_done(&s);
	}
}

static void more_levels_than_the_kernel_has_are_refused(void **state)
{
	char line[512] = "\nNSpid:", *p = line + strlen(line);
	struct proc_status s;

	for (int i = 0; i <= PROC_NS_LEVELS; i++)
		p += sprintf(p, "\t%d", i + 1);
	strcpy(p, "\n");
	_cleanup_free_ char *text = with_line("\nNSpid:", line);
	assert_int_equal(proc_status_parse(text, &s), -EBADMSG);
}

static void the_callers_status_is_read_as_it_is(void **state)
{
	_cleanup_close_ int proc = self_proc();
	struct proc_status s;
	sigset_t usr1;
	uid_t ids[3];
	int n_groups = getgroups(0, NULL);
	mode_t mask = umask(0);
	umask(mask);

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR1);                /* to this thread */
	kill(getpid(), SIGUSR1);       /* to the process */
	assert_int_equal(proc_status_read(proc, getpid(), 0, &s), 0);
	signal(SIGUSR1, SIG_IGN);      /* throws both away */
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);

	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.tgid, getpid());
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.umask, mask);
	getresuid(&ids[0], &ids[1], &ids[2]);
	assert_memory_equal(s.uid, ids, sizeof ids);
	assert_int_equal(s.n_groups, n_groups);
	assert_int_equal(s.threads, 1);
	assert_true(s.blocked & 1ULL << (SIGUSR1 - 1));
	assert_true(s.ignored & 1ULL << (SIGUSR2 - 1));
	assert_true(s.pending & 1ULL << (SIGUSR1 - 1));
	assert_true(s.shared_pending & 1ULL << (SIGUSR1 - 1));
	assert_true(s.n_ns >= 1);
	assert_int_equal(s.nspid[0], getpid());
	assert_int_equal(s.nspgid[0], getpgrp());
	assert_int_equal(s.nssid[0], getsid(0));
	proc_status_done(&s);
}

/* A status file longer than the buffer on the stack is read whole. Needs CAP_SETGID. */
static void many_groups_are_read_whole(void **state)
{
	enum { N = 5000 };
	_cleanup_close_ int proc = self_proc();
	gid_t groups[N];
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	for (int i = 0; i < N; i++)
		groups[i] = (gid_t)(100000 + i);
	child = fork();
	if (child == 0) {
		struct proc_status s;
		if (setgroups(N, groups) < 0)
			_exit(2);
		if (proc_status_read(proc, getpid(), 0, &s) < 0 || s.n_groups != N)
			_exit(1);
		_exit(memcmp(s.groups, groups, sizeof groups) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void reading_cuts_at_the_buffer(void **state)
{
	_cleanup_close_ int proc = self_proc();
	char small[8];

	assert_int_equal(proc_read_file(proc, getpid(), 0, "stat", small, sizeof small), 7);
	assert_int_equal(strlen(small), 7);
	assert_int_equal(proc_read_file(proc, getpid(), 0, "no-such-file", small, sizeof small), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_lands_in_its_place),
		cmocka_unit_test(a_name_cannot_pretend_to_be_fields),
		cmocka_unit_test(a_cut_stat_is_refused),
		cmocka_unit_test(nonsense_in_stat_is_refused),
		cmocka_unit_test(the_caller_is_read_as_it_is),
		cmocka_unit_test(one_that_is_gone_is_esrch),
		cmocka_unit_test(every_line_of_status_lands_in_its_place),
		cmocka_unit_test(nonsense_in_status_is_refused),
		cmocka_unit_test(a_cut_status_neither_crashes_nor_leaks),
		cmocka_unit_test(more_levels_than_the_kernel_has_are_refused),
		cmocka_unit_test(the_callers_status_is_read_as_it_is),
		cmocka_unit_test(many_groups_are_read_whole),
		cmocka_unit_test(reading_cuts_at_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
