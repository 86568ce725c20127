/* Pids in the text of /proc files are converted and nothing else is touched. The texts are what Linux prints; the
 * container has 7 (host 1007), 8 (host 1008) and 123456 (host 9). */
#include <errno.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtual/proc_rules.h"

static int to_guest(void *arg, struct hpid host, struct vpid *ret)
{
	ret->n = host.n == 9 ? 123456 : host.n - 1000;
	return host.n == 1007 || host.n == 1008 || host.n == 9 ? 0 : -ESRCH;
}

static const struct pid_view pids = {
	.to_guest = to_guest, .pid_max = 32768, .last_pid = 42,
	.hidden_start = 0x300000000000, .hidden_end = 0x300010000000,
};

static int run(proc_rewriter *fn, uint32_t fs, const char *text, char **ret)
{
	struct proc_reading r = {.pids = &pids, .task = hpid_of(1007), .fs_magic = fs};
	char *in = strdup(text);
	size_t n;
	FILE *out = open_memstream(ret, &n);
	int e = fn(&r, in, out);

	fclose(out);
	free(in);
	return e;
}

static void expect(proc_rewriter *fn, const char *text, const char *want)
{
	char *got;

	assert_int_equal(run(fn, 0, text, &got), 0);
	assert_string_equal(got, want);
	free(got);
}

static void refuse(proc_rewriter *fn, const char *text, int error)
{
	char *got;

	assert_int_equal(run(fn, 0, text, &got), error);
	free(got);
}

static void stat_of_any_name(void **state)
{
	expect(proc_text_stat, "1007 (a) b (1008) R 1 2) S 1008 1007 555 34816 1008 4194304 1 1008 0\n",
	       "7 (a) b (1008) R 1 2) S 8 7 0 34816 8 4194304 1 1008 0\n");
	expect(proc_text_stat, "1007 (x) S 0 0 0 0 -1 9 9\n", "7 (x) S 0 0 0 0 -1 9 9\n");
	refuse(proc_text_stat, "1009 (x) S 0 0 0 0 -1 9 9\n", -ESRCH);
	refuse(proc_text_stat, "nonsense", -EBADMSG);
}

/* SIGSYS is bit 30: 1073741824. Fields 31 to 34. */
static void stat_hides_our_handler(void **state)
{
	expect(proc_text_stat,
	       "1007 (x) S 0 0 0 0 -1 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 0 0 4096 "
	       "1073741826 35 36 37 17 39\n",
	       "7 (x) S 0 0 0 0 -1 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 0 0 4096 "
	       "2 35 36 37 17 39\n");
}

static void status_lines(void **state)
{
	expect(proc_text_status,
	       "Name:\tPid:\\n1008\nTgid:\t1007\nNgid:\t1008\nPid:\t1007\nPPid:\t1\nTracerPid:\t55\nUid:\t1008\t0\t0\t0\n"
	       "NStgid:\t1007\t1\nNSpid:\t1008\nNSpgid:\t55\nNSsid:\t1008\t3\t1\nSigCgt:\t0000000040000002\n"
	       "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\nx86_Thread_features_locked:\t\n",
	       "Name:\tPid:\\n1008\nTgid:\t7\nNgid:\t8\nPid:\t7\nPPid:\t0\nTracerPid:\t0\nUid:\t1008\t0\t0\t0\n"
	       "NStgid:\t7\t1\nNSpid:\t8\nNSpgid:\t0\nNSsid:\t8\t3\t1\nSigCgt:\t0000000000000002\n"
	       "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\nx86_Thread_features_locked:\t\n");
	/* A filter of its own beside ours. */
	expect(proc_text_status, "Seccomp:\t2\nSeccomp_filters:\t3\n", "Seccomp:\t2\nSeccomp_filters:\t2\n");
	expect(proc_text_status, "Seccomp:\t2\n", "Seccomp:\t0\n");
	expect(proc_text_status, "Seccomp:\t0\nSeccomp_filters:\t0\n", "Seccomp:\t0\nSeccomp_filters:\t0\n");
}

static void title_of_sched(void **state)
{
	expect(proc_text_sched, "a (1, b (1007, #threads: 2)\n-----\nse.exec_start : 1007\n",
	       "a (1, b (7, #threads: 2)\n-----\nse.exec_start : 1007\n");
	refuse(proc_text_sched, "a", -EBADMSG);
}

/* ~1008 << 3 | 2 is -8070, ~8 << 3 | 2 is -70. */
static void timers_and_their_clocks(void **state)
{
	expect(proc_text_timers,
	       "ID: 1007\nsignal: 14/0000000000000000\nnotify: signal/pid.1007\nClockID: 1\n"
	       "ID: 1\nsignal: 14/0\nnotify: none/tid.1008\nClockID: -8070\nID: 2\nnotify: thread/pid.5\nClockID: -6\n",
	       "ID: 1007\nsignal: 14/0000000000000000\nnotify: signal/pid.7\nClockID: 1\n"
	       "ID: 1\nsignal: 14/0\nnotify: none/tid.8\nClockID: -70\nID: 2\nnotify: thread/pid.0\nClockID: -6\n");
	expect(proc_text_timers, "", "");
}

static void children_of_the_container_only(void **state)
{
	expect(proc_text_children, "1007 55 9 ", "7 123456 ");
	expect(proc_text_children, "", "");
}

static void call_made_by_our_own_code(void **state)
{
	expect(proc_text_syscall, "61 0x3ef 0x0 0x0 0x0 0x0 0x0 0x7ffd00 0x300000000042\n", "running\n");
	expect(proc_text_syscall, "61 0x3ef 0x0 0x0 0x0 0x0 0x0 0x7ffd00 0x400000000042\n",
	       "61 0x3ef 0x0 0x0 0x0 0x0 0x0 0x7ffd00 0x400000000042\n");
	expect(proc_text_syscall, "running\n", "running\n");
}

static void locks_of_strangers_vanish_with_who_waits(void **state)
{
	expect(proc_text_locks,
	       "1: POSIX  ADVISORY  WRITE 1007 fe:00:1008 0 EOF\n"
	       "1: -> POSIX  ADVISORY  WRITE 1008 fe:00:1008 0 EOF\n"
	       "1: -> POSIX  ADVISORY  READ  55 fe:00:1008 0 9\n"
	       "2: FLOCK  ADVISORY  WRITE 55 fe:00:1098041 0 EOF\n"
	       "2: -> FLOCK  ADVISORY  WRITE 1008 fe:00:1098041 0 EOF\n"
	       "3: OFDLCK ADVISORY  READ  -1 00:01:1007 0 EOF\n"
	       "4: LEASE  ACTIVE    READ  9 fe:00:12 0 EOF\n"
	       "5: POSIX  *NOINODE* WRITE 1007 <none>:0 0 EOF\n",
	       "1: POSIX  ADVISORY  WRITE 7 fe:00:1008 0 EOF\n"
	       "1: -> POSIX  ADVISORY  WRITE 8 fe:00:1008 0 EOF\n"
	       "1: -> POSIX  ADVISORY  READ  0 fe:00:1008 0 9\n"
	       "3: OFDLCK ADVISORY  READ  -1 00:01:1007 0 EOF\n"
	       "4: LEASE  ACTIVE    READ  123456 fe:00:12 0 EOF\n"
	       "5: POSIX  *NOINODE* WRITE 7 <none>:0 0 EOF\n");
	expect(proc_text_locks, "", "");
	refuse(proc_text_locks, "1: whatever\n", -EBADMSG);
}

static void fdinfo_of_any_kind(void **state)
{
	expect(proc_text_fdinfo, "pos:\t1007\nflags:\t02\nmnt_id:\t15\nino:\t1007\nPid:\t1008\nNSpid:\t1008\t3\n",
	       "pos:\t1007\nflags:\t02\nmnt_id:\t15\nino:\t1007\nPid:\t8\nNSpid:\t8\t3\n");
	expect(proc_text_fdinfo, "Pid:\t-1\nNSpid:\t-1\n", "Pid:\t-1\nNSpid:\t-1\n");
	expect(proc_text_fdinfo, "Pid:\t55\nNSpid:\t55\n", "Pid:\t0\nNSpid:\t0\n");
	expect(proc_text_fdinfo, "pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 55 fe:00:3 0 EOF\n",
	       "pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 0 fe:00:3 0 EOF\n");
}

static void system_v_tables_keep_their_columns(void **state)
{
	expect(proc_text_shm,
	       "       key      shmid perms                  size  cpid  lpid nattch\n"
	       "         0       1007  1600                  4096  1007     0      1\n"
	       "      1007          1  1600                  4096     9    55      1\n",
	       "       key      shmid perms                  size  cpid  lpid nattch\n"
	       "         0       1007  1600                  4096     7     0      1\n"
	       "      1007          1  1600                  4096 123456     0      1\n");
	expect(proc_text_msg,
	       "       key      msqid perms      cbytes       qnum lspid lrpid   uid\n"
	       "         0       1007   600        1007       1007  1007  1008  1007\n",
	       "       key      msqid perms      cbytes       qnum lspid lrpid   uid\n"
	       "         0       1007   600        1007       1007     7     8  1007\n");
}

static void netlink_ports_that_are_pids(void **state)
{
	expect(proc_text_netlink,
	       "sk               Eth Pid        Groups   Rmem\n"
	       "00000000b0d58d47 0   0          00000000 1007     \n"
	       "00000000b0d58d47 15  1007       00000000 0        \n"
	       "00000000b0d58d47 15  4294963199 00000000 0        \n",
	       "sk               Eth Pid        Groups   Rmem\n"
	       "00000000b0d58d47 0   0          00000000 1007     \n"
	       "00000000b0d58d47 15  7          00000000 0        \n"
	       "00000000b0d58d47 15  4294963199 00000000 0        \n");
	expect(proc_text_nfqueue, "    1   1007     0 2 65531     0     0        0  1\n",
	       "    1      7     0 2 65531     0     0        0  1\n");
}

static void flow_labels_of_processes(void **state)
{
	expect(proc_text_flowlabel,
	       "Label S Owner  Users  Linger Expires  Dst                              Opt\n"
	       "00001 2 1007   1007   6      0        00000000000000000000000000000001 0   \n"
	       "00002 3 1007   1      6      0        00000000000000000000000000000001 0   \n",
	       "Label S Owner  Users  Linger Expires  Dst                              Opt\n"
	       "00001 2 7      1007   6      0        00000000000000000000000000000001 0   \n"
	       "00002 3 1007   1      6      0        00000000000000000000000000000001 0   \n");
}

static void lists_of_cgroups(void **state)
{
	char *got;

	assert_int_equal(run(proc_text_pid_list, CGROUP_SUPER_MAGIC, "9\n55\n1008\n1007\n", &got), 0);
	assert_string_equal(got, "7\n8\n123456\n");
	free(got);
	assert_int_equal(run(proc_text_pid_list, CGROUP2_SUPER_MAGIC, "9\n55\n1008\n", &got), 0);
	assert_string_equal(got, "123456\n0\n8\n");
	free(got);
}

static void numbers_of_the_system(void **state)
{
	expect(proc_text_loadavg, "0.78 0.64 0.48 3/110 1007\n", "0.78 0.64 0.48 3/110 42\n");
	expect(proc_text_pid_max, "4194304\n", "32768\n");
	expect(proc_text_last_pid, "1007\n", "42\n");
	expect(proc_text_nobody, "1\n", "0\n");
}

static void mappings_of_ours(void **state)
{
	expect(proc_text_maps,
	       "2fffffff0000-300000000000 r--p 00000000 fe:00 1 /x\n300000000000-300000010000 r-xp 0 00:01 2 /memfd:y\n"
	       "300010000000-300010001000 rw-p 0 00:00 0 \nffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]\n",
	       "2fffffff0000-300000000000 r--p 00000000 fe:00 1 /x\n"
	       "300010000000-300010001000 rw-p 0 00:00 0 \nffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]\n");
	expect(proc_text_smaps,
	       "2fffffff0000-300000000000 r--p 0 fe:00 1 /x\nSize: 4 kB\nVmFlags: rd\n"
	       "300000000000-300000010000 r-xp 0 00:01 2 /memfd:y\nSize: 64 kB\nVmFlags: rd\n"
	       "7ffe0000-7fff0000 rw-p 0 00:00 0 [stack]\nSize: 8 kB\n",
	       "2fffffff0000-300000000000 r--p 0 fe:00 1 /x\nSize: 4 kB\nVmFlags: rd\n"
	       "7ffe0000-7fff0000 rw-p 0 00:00 0 [stack]\nSize: 8 kB\n");
	expect(proc_text_numa_maps, "300000000000 default file=/memfd:y\n7ffe0000 default anon=1\n",
	       "7ffe0000 default anon=1\n");
}

static void rules_name_what_they_mean(void **state)
{
	assert_int_equal(proc_rule_find(PROC_AT_TASK, "fd/3")->handling, PROC_MAGIC);
	assert_int_equal(proc_rule_find(PROC_AT_TASK, "fd")->handling, PROC_PASS);
	assert_null(proc_rule_find(PROC_AT_TASK, "fd/3/x"));
	assert_null(proc_rule_find(PROC_AT_TASK, "statx"));
	assert_null(proc_rule_find(PROC_AT_TASK, "sta"));
	assert_null(proc_rule_find(PROC_AT_TASK, "children"));
	assert_non_null(proc_rule_find(PROC_AT_THREAD, "children"));
	assert_null(proc_rule_find(PROC_AT_THREAD, "timers"));
	assert_int_equal(proc_rule_find(PROC_AT_ROOT, "sys/kernel/pid_max")->handling, PROC_REWRITE);
	assert_int_equal(proc_rule_find(PROC_AT_ROOT, "sys/kernel/pid_max2")->handling, PROC_PASS);
	assert_int_equal(proc_rule_find(PROC_AT_ROOT, "sys")->handling, PROC_PASS);
	assert_null(proc_rule_find(PROC_AT_ROOT, "system"));
	assert_int_equal(proc_rule_find(PROC_AT_TASK, "net/netlink")->handling, PROC_REWRITE);
	assert_int_equal(proc_rule_find(PROC_AT_TASK, "net/tcp")->handling, PROC_PASS);
	assert_int_equal(proc_rule_find(PROC_AT_ROOT, "asound/card0/pcm0p")->handling, PROC_HIDDEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_of_any_name),
		cmocka_unit_test(stat_hides_our_handler),
		cmocka_unit_test(status_lines),
		cmocka_unit_test(title_of_sched),
		cmocka_unit_test(timers_and_their_clocks),
		cmocka_unit_test(children_of_the_container_only),
		cmocka_unit_test(call_made_by_our_own_code),
		cmocka_unit_test(locks_of_strangers_vanish_with_who_waits),
		cmocka_unit_test(fdinfo_of_any_kind),
		cmocka_unit_test(system_v_tables_keep_their_columns),
		cmocka_unit_test(netlink_ports_that_are_pids),
		cmocka_unit_test(flow_labels_of_processes),
		cmocka_unit_test(lists_of_cgroups),
		cmocka_unit_test(numbers_of_the_system),
		cmocka_unit_test(mappings_of_ours),
		cmocka_unit_test(rules_name_what_they_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
