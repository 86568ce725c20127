#include "kernel/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/bpf_walk.h"
#include "kernel/btf.h"
#include "kernel/sys.h"
#include "kernel/uffd.h"

#define OVERFLOW_ID 65534 /* nobody; /proc/sys/kernel/overflowuid */
#define DEADLINE_S 5      /* a probe that hangs is killed by SIGALRM and counts as absent */

/* --- children --- */

struct child {
	int pidfd;
	pid_t pid;
};

/* Like fork(2) with more flags. Exit signal 0: no SIGCHLD, and wait(2) of an unaware thread of our
 * caller does not see the child (wait(2), __WCLONE). 0 in the child. */
static pid_t child_start(struct child *ret, uint64_t flags, pid_t *set_tid)
{
	int fd = -1;
	struct sys_clone_args a = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&fd,
		.set_tid = (uint64_t)(uintptr_t)set_tid,
		.set_tid_size = set_tid ? 1 : 0,
	};
	pid_t pid = sys_clone3(&a);
	if (pid > 0)
		*ret = (struct child){fd, pid};
	return pid;
}

/* Waits for it and closes its pidfd. The exit status, or -1 when a signal ended it. */
static int child_wait(struct child *c)
{
	siginfo_t si = {0};
	int r;
	do
		r = waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | __WALL);
	while (r < 0 && errno == EINTR);
	close(c->pidfd);
	return r == 0 && si.si_code == CLD_EXITED ? si.si_status : -1;
}

/* Runs test() in a child (flags: namespaces it gets) and tells whether it said yes. */
static bool in_child(uint64_t flags, bool (*test)(void))
{
	struct child c;
	pid_t pid = child_start(&c, flags, NULL);
	if (pid < 0)
		return false;
	if (pid == 0) {
		/* Dispositions, masks and timers of the caller must not decide. */
		signal(SIGALRM, SIG_DFL);
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		alarm(DEADLINE_S);
		_exit(test() ? 0 : 1);
	}
	return child_wait(&c) == 0;
}

static bool write_file(const char *path, const char *text)
{
	return fd_write_str_at(AT_FDCWD, path, text) >= 0;
}

/* Moves the calling child into namespaces: with the caller's own right, or through a user namespace
 * as an ordinary user's container does it. */
static bool enter(int flags)
{
	if (unshare(flags) == 0)
		return true;
	return unshare(flags | CLONE_NEWUSER) == 0;
}

/* --- namespaces and pids --- */

static bool is_first(void)
{
	return getpid() == 1;
}

/* A PID namespace is no use without its procfs, which is refused in a user namespace where parts of /proc are covered
 * (fs/namespace.c, mount_too_revealing()). It is mounted nowhere. */
static bool is_first_with_proc(void)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
	_cleanup_close_ int proc = -1;

	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		proc = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return is_first() && proc >= 0;
}

/* Made as a container's init is: CLONE_CLEAR_SIGHAND needs clone3(2). */
static bool try_pidns(void)
{
	return enter(CLONE_NEWPID | CLONE_NEWNS) && in_child(CLONE_CLEAR_SIGHAND, is_first_with_proc);
}

/* Whether somebody without any right can: so root puts its own aside first. */
static bool become_ordinary(void)
{
	if (geteuid() == 0 && (setresgid(OVERFLOW_ID, OVERFLOW_ID, OVERFLOW_ID) < 0 ||
			       setresuid(OVERFLOW_ID, OVERFLOW_ID, OVERFLOW_ID) < 0))
		return false;
	/* Changing ids made /proc/self root's (proc(5)); the id maps are written there. */
	return prctl(PR_SET_DUMPABLE, 1) == 0;
}

static bool ordinary_user_namespace(int more)
{
	char map[64];
	if (!become_ordinary())
		return false;
	snprintf(map, sizeof map, "0 %d 1\n", (int)geteuid());
	return unshare(CLONE_NEWUSER | more) == 0 && write_file("/proc/self/uid_map", map);
}

static bool try_userns(void)
{
	return ordinary_user_namespace(0);
}

static bool try_timens(void)
{
	return enter(SYS_CLONE_NEWTIME) && write_file("/proc/self/timens_offsets", "monotonic 1000 0\n");
}

static bool chosen_is_777(void)
{
	struct child c;
	pid_t want = 777;
	pid_t pid = child_start(&c, 0, &want);
	if (pid == 0)
		_exit(getpid() == 777 ? 0 : 1);
	return pid > 0 && child_wait(&c) == 0;
}

static bool try_set_tid(void)
{
	return enter(CLONE_NEWPID) && in_child(0, chosen_is_777);
}

static bool try_pidfd(void)
{
	_cleanup_close_ int fd = sys_pidfd_open(getpid(), 0);
	return fd >= 0 && sys_pidfd_send_signal(fd, 0) == 0;
}

static bool try_pidfd_exit(void)
{
	struct child c;
	pid_t pid = child_start(&c, 0, NULL);
	if (pid == 0)
		_exit(7);
	if (pid < 0)
		return false;
	_cleanup_close_ int again = fcntl(c.pidfd, F_DUPFD_CLOEXEC, 0);
	if (child_wait(&c) != 7)
		return false;
	struct sys_pidfd_info info = {.mask = SYS_PIDFD_INFO_EXIT};
	return ioctl(again, SYS_PIDFD_GET_INFO, &info) == 0 && (info.mask & SYS_PIDFD_INFO_EXIT) &&
	       info.exit_code == 7 << 8;
}

static bool try_nsfs_pid(void)
{
	_cleanup_close_ int fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && ioctl(fd, SYS_NS_GET_TGID_IN_PIDNS, getpid()) == getpid();
}

/* Writable in an unprivileged PID namespace only where it is the namespace's own: the older global
 * one belongs to the host's root (kernel/pid_namespace.c, pid_table_root_permissions). So this
 * never changes the host's. */
static bool own_pid_max(void)
{
	char *text = NULL;
	bool ok = write_file("/proc/sys/kernel/pid_max", "4242\n") &&
		  fd_slurp_at(AT_FDCWD, "/proc/sys/kernel/pid_max", &text, NULL) >= 0 &&
		  atoi(text) == 4242;
	free(text);
	return ok;
}

static bool try_ns_pid_max(void)
{
	return ordinary_user_namespace(CLONE_NEWPID) && in_child(0, own_pid_max);
}

/* --- another process's state --- */

/* A child that lies still until it is killed. */
static bool child_idle(struct child *ret)
{
	pid_t pid = child_start(ret, 0, NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid > 0;
}

static void child_kill(struct child *c)
{
	sys_pidfd_send_signal(c->pidfd, SIGKILL);
	child_wait(c);
}

static bool seize_and(bool (*look)(pid_t pid), long options)
{
	struct child c;
	int status;
	if (!child_idle(&c))
		return false;
	bool ok = ptrace(PTRACE_SEIZE, c.pid, 0, options) == 0 &&
		  ptrace(PTRACE_INTERRUPT, c.pid, 0, 0) == 0 &&
		  waitpid(c.pid, &status, __WALL) == c.pid && WIFSTOPPED(status) && look(c.pid);
	child_kill(&c);
	return ok;
}

static bool look_stopped(pid_t pid)
{
	(void)pid;
	return true;
}

static bool look_rseq(pid_t pid)
{
	struct sys_rseq_configuration conf;
	return ptrace(SYS_PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof conf, &conf) == sizeof conf;
}

static bool try_seize(void)
{
	return seize_and(look_stopped, 0);
}

static bool try_rseq(void)
{
	return seize_and(look_rseq, 0);
}

static bool try_suspend_seccomp(void)
{
	return seize_and(look_stopped, PTRACE_O_SUSPEND_SECCOMP);
}

static bool try_readv(void)
{
	static int there = 4711;
	int here = 0;
	struct child c;
	if (!child_idle(&c))
		return false;
	struct iovec to = {&here, sizeof here}, from = {&there, sizeof there};
	bool ok = process_vm_readv(c.pid, &to, 1, &from, 1, 0) == sizeof here && here == 4711;
	child_kill(&c);
	return ok;
}

static bool try_kcmp(void)
{
	struct child c;
	if (!child_idle(&c))
		return false;
	bool ok = sys_kcmp(getpid(), getpid(), SYS_KCMP_VM, 0, 0) == 0 &&
		  sys_kcmp(getpid(), c.pid, SYS_KCMP_VM, 0, 0) > 0;
	child_kill(&c);
	return ok;
}

static bool try_getfd(void)
{
	struct child c;
	_cleanup_close_ int mine = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (mine < 0 || !child_idle(&c))
		return false;
	_cleanup_close_ int got = sys_pidfd_getfd(c.pidfd, mine);
	child_kill(&c);
	return got >= 0;
}

static bool try_set_mm_map(void)
{
	unsigned size = 0;
	return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 && size > 0;
}

/* --- memory --- */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void *touched_page(void)
{
	char *p = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	*p = 1;
	return p;
}

static bool try_map_query(void)
{
	void *page = touched_page();
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct sys_procmap_query q = {.size = sizeof q, .query_addr = (uint64_t)(uintptr_t)page};
	return page && fd >= 0 && ioctl(fd, SYS_PROCMAP_QUERY, &q) == 0 && q.vma_start <= q.query_addr &&
	       q.query_addr < q.vma_end;
}

static int end_at_first(void *arg, uint8_t *record)
{
	*(bool *)arg = true;
	return -ECANCELED;
}

/* A program that goes through all mappings. */
static bool try_bpf_iter(void)
{
	static const char *const name[] = {"bpf_iter_task_vma"};
	struct bpf_program p;
	struct btf b;
	uint32_t id;
	bool seen = false;

	if (btf_open(&b) < 0)
		return false;
	btf_functions(&b, name, 1, &id);
	btf_close(&b);
	if (id && bpf_program_begin(&p) == 0) {
		bpf_take_context(&p, BPF_OBJECT, 16);
		bpf_copy(&p, 0, BPF_OBJECT, 0, 8);
		bpf_program_end(&p, 8);
		bpf_walk(&p, id, 8, end_at_first, &seen);
		bpf_program_done(&p);
	}
	return seen;
}

static bool try_map_files(void)
{
	char path[128];
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE, file, 0);
	if (file < 0 || p == MAP_FAILED)
		return false;
	snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)(uintptr_t)p,
		 (unsigned long)(uintptr_t)p + page_size());
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

/* Scans one page of our own for categories. The number of regions found, or negative. */
static int scan_page(void *page, uint64_t categories)
{
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct sys_page_region found[1];
	struct sys_pm_scan_arg a = {
		.size = sizeof a,
		.start = (uint64_t)(uintptr_t)page,
		.end = (uint64_t)(uintptr_t)page + page_size(),
		.vec = (uint64_t)(uintptr_t)found,
		.vec_len = 1,
		.category_mask = categories,
		.return_mask = categories,
	};
	return fd < 0 ? -1 : ioctl(fd, SYS_PAGEMAP_SCAN, &a);
}

static bool try_pagemap_scan(void)
{
	void *page = touched_page();
	return page && scan_page(page, SYS_PAGE_IS_PRESENT) == 1;
}

static bool try_page_guard(void)
{
	void *page = touched_page();
	return page && madvise(page, page_size(), SYS_MADV_GUARD_INSTALL) == 0 &&
	       scan_page(page, SYS_PAGE_IS_GUARD) == 1;
}

static bool try_wp_async(void)
{
	_cleanup_close_ int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = SYS_UFFD_FEATURE_WP_UNPOPULATED | SYS_UFFD_FEATURE_WP_ASYNC,
	};
	return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0;
}

static bool try_uffd_events(void)
{
	return uffd_allowed() == 0;
}

/* Bit 55 of the pagemap entry (proc(5)). */
static int soft_dirty_bit(void *page)
{
	uint64_t entry;
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)((uintptr_t)page / page_size() * sizeof entry);
	if (fd < 0 || pread(fd, &entry, sizeof entry, at) != sizeof entry)
		return -1;
	return entry >> 55 & 1;
}

/* By what the bit does: clear_refs takes the "4" and answers success on kernels that cannot. */
static bool try_soft_dirty(void)
{
	char *page = touched_page();
	if (!page || soft_dirty_bit(page) != 1 || !write_file("/proc/self/clear_refs", "4\n") ||
	    soft_dirty_bit(page) != 0)
		return false;
	*(volatile char *)page = 2;
	return soft_dirty_bit(page) == 1;
}

/* --- timers, files, sockets, the rest --- */

static bool try_timer_ids(void)
{
	int id = 4242;
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	return prctl(SYS_PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &id) == 0 && id == 4242;
}

static bool try_timerfd_ticks(void)
{
	uint64_t ticks = 3, got = 0;
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return fd >= 0 && ioctl(fd, SYS_TFD_IOC_SET_TICKS, &ticks) == 0 &&
	       read(fd, &got, sizeof got) == sizeof got && got == 3;
}

static bool try_openat2(void)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_DIRECTORY, .resolve = RESOLVE_IN_ROOT};
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
	return fd >= 0;
}

static bool try_tcp_peek_off(void)
{
	int off = 0;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off) == 0;
}

static bool try_tcp_repair(void)
{
	int on = 1; /* on the host's own network: containers use that */
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && setsockopt(fd, SOL_TCP, TCP_REPAIR, &on, sizeof on) == 0;
}

/* The mount point of cgroup v2 followed by our own group in it; a group inside another is looked
 * for where the mount shows it (cgroups(7), /proc/PID/cgroup). False: there is none. */
static bool own_cgroup2(char *ret, size_t n)
{
	char *mounts = NULL, *groups = NULL;
	bool ok = false;
	char where[1024] = "";
	if (fd_slurp_at(AT_FDCWD, "/proc/self/mounts", &mounts, NULL) >= 0 &&
	    fd_slurp_at(AT_FDCWD, "/proc/self/cgroup", &groups, NULL) >= 0) {
		char *state = NULL;
		for (char *l = strtok_r(mounts, "\n", &state); l; l = strtok_r(NULL, "\n", &state)) {
			char at[1000], type[32];
			if (sscanf(l, "%*s %999s %31s", at, type) == 2 && !strcmp(type, "cgroup2"))
				snprintf(where, sizeof where, "%s", at);
		}
		char *own = strncmp(groups, "0::", 3) ? strstr(groups, "\n0::") : groups - 1;
		if (where[0] && own) {
			own += 4;
			own[strcspn(own, "\n")] = 0;
			ok = snprintf(ret, n, "%s%s", where, strcmp(own, "/") ? own : "") < (int)n;
		}
	}
	free(mounts);
	free(groups);
	return ok;
}

/* In a group of its own, so that nothing else is ever frozen. */
static bool try_cgroup_freeze(void)
{
	char group[1400], dir[1500], file[1600];
	if (!own_cgroup2(group, sizeof group))
		return false;
	snprintf(dir, sizeof dir, "%s/pidspace-probe-%d", group, (int)getpid());
	if (mkdirat(AT_FDCWD, dir, 0700) < 0)
		return false;
	snprintf(file, sizeof file, "%s/cgroup.freeze", dir);
	bool ok = write_file(file, "1\n") && write_file(file, "0\n");
	rmdir(dir);
	return ok;
}

/* Landlock's ABI number stands for its features: 6 brought the scopes for signals and abstract sockets. */
static bool try_landlock_signal(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 6;
}

/* Puts a filter that notifies over the calling child. The listener, or -1. */
static int notifying_filter(unsigned flags)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program);
}

/* Nobody waits, so a descriptor can be handed to nobody; a kernel that does not know how says EINVAL. */
static bool try_seccomp_notify(void)
{
	_cleanup_close_ int listener = notifying_filter(0);
	struct seccomp_notif_addfd a = {.id = 1, .srcfd = (uint32_t)listener};
	return listener >= 0 && ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a) < 0 && errno == ENOENT;
}

static bool try_seccomp_killable(void)
{
	_cleanup_close_ int listener = notifying_filter(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	return listener >= 0;
}

/* --- the table --- */

static const struct {
	enum probe_id id;
	bool (*test)(void);
	struct probe_feature f;
} rows[] = {
	/* clang-format off */
	{PROBE_PIDNS,           try_pidns,           {"PID namespaces",            "3.8",  "--pids=space does not work: run takes --pids=virtual"}},
	{PROBE_USERNS,          try_userns,          {"user namespaces for all",   "3.8",  "an ordinary user cannot run --pids=space containers; root can, and --pids=virtual works"}},
	{PROBE_TIMENS,          try_timens,          {"time namespaces",           "5.6",  "CLOCK_MONOTONIC and CLOCK_BOOTTIME jump when a container is restored after a reboot or on another host"}},
	{PROBE_SET_TID,         try_set_tid,         {"clone3 set_tid",            "5.5",  "restore is impossible: pids cannot be chosen"}},
	{PROBE_PIDFD,           try_pidfd,           {"pidfd",                     "5.3",  "nothing works: processes are reached through pidfds only"}},
	{PROBE_PIDFD_EXIT,      try_pidfd_exit,      {"PIDFD_GET_INFO exit",       "6.15", "the exit status of a container whose monitor has died is unknown"}},
	{PROBE_NSFS_PID,        try_nsfs_pid,        {"NS_GET_PID_IN_PIDNS",       "6.11", "pids are translated by reading NSpid in /proc, which is slower"}},
	{PROBE_NS_PID_MAX,      try_ns_pid_max,      {"pid_max per namespace",     "6.14", "run --pid-max is refused"}},
	{PROBE_SEIZE,           try_seize,           {"PTRACE_SEIZE",              "3.4",  "checkpoint, restore and --pids=virtual are impossible; a sandbox or Yama forbids tracing"}},
	{PROBE_RSEQ,            try_rseq,            {"PTRACE_GET_RSEQ_CONFIGURATION", "5.13", "programs that use restartable sequences (glibc since 2.35 does) cannot be carried right"}},
	{PROBE_SUSPEND_SECCOMP, try_suspend_seccomp, {"PTRACE_O_SUSPEND_SECCOMP",  "4.3",  "nothing yet: programs under a seccomp filter of their own are refused anyway"}},
	{PROBE_READV,           try_readv,           {"process_vm_readv",          "3.2",  "checkpoint, restore and --pids=virtual are impossible: memory cannot be read"}},
	{PROBE_KCMP,            try_kcmp,            {"kcmp",                      "3.5",  "checkpoint is impossible: what tasks share cannot be told"}},
	{PROBE_GETFD,           try_getfd,           {"pidfd_getfd",               "5.6",  "checkpoint is impossible: open files cannot be looked at"}},
	{PROBE_SET_MM_MAP,      try_set_mm_map,      {"PR_SET_MM_MAP",             "3.18", "restore is impossible: heap and stack borders cannot be set"}},
	{PROBE_MAP_QUERY,       try_map_query,       {"PROCMAP_QUERY",             "6.11", "nothing: mappings are read as text"}},
	{PROBE_MAP_FILES,       try_map_files,       {"map_files",                 "3.3",  "a file that is mapped, unlinked and open nowhere cannot be saved; it needs root"}},
	{PROBE_BPF_ITER,        try_bpf_iter,        {"BPF iterators",             "5.12", "a checkpoint of many processes that are alike takes twice as long: each is asked; it needs root, and the kernel's own types (BTF)"}},
	{PROBE_PAGEMAP_SCAN,    try_pagemap_scan,    {"PAGEMAP_SCAN",              "6.7",  "which pages exist is read entry by entry, slower for large sparse mappings"}},
	{PROBE_PAGE_GUARD,      try_page_guard,      {"PAGE_IS_GUARD",             "6.15", "guard pages made by MADV_GUARD_INSTALL (6.13) come back as ordinary empty pages"}},
	{PROBE_WP_ASYNC,        try_wp_async,        {"userfaultfd WP_ASYNC",      "6.7",  "memory cannot be copied while a container runs: --leave-running pauses it until all is copied"}},
	{PROBE_UFFD_EVENTS,     try_uffd_events,     {"userfaultfd events",        "4.11", "restore --lazy is refused; it needs CAP_SYS_PTRACE in the first user namespace"}},
	{PROBE_SOFT_DIRTY,      try_soft_dirty,      {"soft-dirty pages",          "3.11", "nothing: userfaultfd WP_ASYNC is the better way"}},
	{PROBE_TIMER_IDS,       try_timer_ids,       {"PR_TIMER_CREATE_RESTORE_IDS", "6.15", "containers with POSIX timers (timer_create) cannot be restored"}},
	{PROBE_TIMERFD_TICKS,   try_timerfd_ticks,   {"TFD_IOC_SET_TICKS",         "3.18", "of several expirations of a timerfd that nobody has read, one is kept"}},
	{PROBE_OPENAT2,         try_openat2,         {"openat2",                   "5.6",  "restore is impossible: files cannot be opened safely below a root"}},
	{PROBE_TCP_PEEK_OFF,    try_tcp_peek_off,    {"SO_PEEK_OFF for TCP",       "6.9",  "unread data of TCP connections is read in one piece, which needs more memory"}},
	{PROBE_TCP_REPAIR,      try_tcp_repair,      {"TCP_REPAIR",                "3.5",  "data that a TCP connection could not send yet is refused; it needs root"}},
	{PROBE_CGROUP_FREEZE,   try_cgroup_freeze,   {"cgroup v2 freezer",         "5.2",  "nothing yet: trees are stopped task by task"}},
	{PROBE_SECCOMP_NOTIFY,  try_seccomp_notify,  {"seccomp notification",      "5.9",  "--pids=virtual does not work; a sandbox that has such a filter itself forbids it"}},
	{PROBE_SECCOMP_KILLABLE, try_seccomp_killable, {"seccomp WAIT_KILLABLE_RECV", "5.19", "with --pids=virtual a signal that interrupts an open(2) in /proc may leave a second descriptor of the file behind"}},
	{PROBE_LANDLOCK_SIGNAL, try_landlock_signal, {"Landlock signal scope",     "6.12", "with --pids=virtual a signal that the translation should miss is not stopped by the kernel"}},
	/* clang-format on */
};
_Static_assert(sizeof rows / sizeof rows[0] == PROBE_N, "one row per feature");

const struct probe_feature *probe_feature(enum probe_id id)
{
	for (size_t i = 0; i < PROBE_N; i++)
		if (rows[i].id == id)
			return &rows[i].f;
	return NULL;
}

bool probe_one(enum probe_id id)
{
	for (size_t i = 0; i < PROBE_N; i++)
		if (rows[i].id == id)
			return in_child(0, rows[i].test);
	return false;
}

void probe_all(struct probe *ret)
{
	for (size_t i = 0; i < PROBE_N; i++)
		ret->has[rows[i].id] = in_child(0, rows[i].test);
}
