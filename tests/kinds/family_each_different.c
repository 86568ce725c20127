/* Shows: of many children that are alike, each keeps the one thing in which it differs from the others.
 *
 *	first ─┬─ 30 children who have changed nothing since they were forked
 *	       └─ one for each row below: one thing changed, nothing else
 *
 * Everybody compares all that can be seen of itself, so that nobody gets what is another's.
 */
#include "kindtest.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { ALIKE = 30, SIZE = 4 * PAGE };
static char *map;     /* anonymous, between two that cannot be merged with it */
static int file, pair[2];
static bool root;

/* --- what can be seen --- */

enum { SEEN = 1 << 18 };
static char *seen;
static size_t seen_len;

static void __attribute__((format(printf, 1, 2))) see(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	seen_len += (size_t)vsnprintf(seen + seen_len, SEEN - seen_len, fmt, ap);
	va_end(ap);
}

static void see_lines(const char *path, const char *const *keys)
{
	char line[4096];
	FILE *f = fopen(path, "re");

	KT_CHECK(f != NULL);
	while (fgets(line, sizeof line, f))
		for (const char *const *k = keys; *k; k++)
			if (!strncmp(line, *k, strlen(*k)))
				see("%s", line);
	fclose(f);
}

/* Where memory is mapped, and the advice that was given; neighbours that are alike may be one. */
static void see_mappings(void)
{
	static const char *const flags[] = {" lo", " lf", " dc", " wf", " dd", " hg", " nh", " sr", " rr", " mg"};
	char line[4096], rights[64] = "", last[64] = "";
	unsigned long start = 0, end = 0, from = 0, to = 0, a, b;
	bool ours = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	KT_CHECK(f != NULL);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, rights) == 3) {
			from = a;
			to = b;
			ours = !strchr(line, '/');
			continue;
		}
		if (!ours || strncmp(line, "VmFlags:", 8))
			continue;
		for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
			strcat(rights, strstr(line, flags[i]) ? flags[i] : "");
		if (from == end && !strcmp(rights, last)) {
			end = to;
			continue;
		}
		see("%lx-%lx %s\n", start, end, last);
		start = from;
		end = to;
		strcpy(last, rights);
	}
	fclose(f);
}

static void see_descriptors(void)
{
	char path[64], to[4096];

	/* Not what we report to, where others write as well. */
	for (int fd = 3; fd < 100; fd++) {
		int flags = fcntl(fd, F_GETFD);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = flags < 0 ? -1 : readlink(path, to, sizeof to - 1);
		if (n < 0)
			continue;
		to[n] = 0;
		/* Numbers of sockets are new ones. */
		see("fd %d %s %d %d %lld\n", fd, strncmp(to, "socket:", 7) ? to : "socket", flags, fcntl(fd, F_GETFL),
		    (long long)lseek(fd, 0, SEEK_CUR));
	}
}

static void see_signals(void)
{
	struct { uint64_t handler, flags, restorer, mask; } sa;
	sigset_t set;
	stack_t ss;

	for (int s = 1; s < 65; s++)
		if (syscall(SYS_rt_sigaction, s, NULL, &sa, 8) == 0)
			see("%lx %lx %lx\n", sa.handler, sa.flags, sa.mask);
	KT_SYS(sigpending(&set));
	for (int s = 1; s < 65; s++)
		see("%d", sigismember(&set, s));
	KT_SYS(sigaltstack(NULL, &ss));
	see("\nstack %p %d %zu\n", ss.ss_sp, ss.ss_flags, ss.ss_size);
}

static void see_attributes(void)
{
	struct sched_param sp;
	struct rlimit l;
	struct itimerval it;
	cpu_set_t cpus;
	char cwd[4096];
	int word = 0;

	for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
		KT_SYS(getrlimit((__rlimit_resource_t)i, &l));
		see("limit %lu %lu\n", l.rlim_cur, l.rlim_max);
	}
	for (int i = 0; i < 3; i++) {
		KT_SYS(getitimer((__itimer_which_t)i, &it));
		see("timer %d %ld\n", it.it_value.tv_sec > 0, it.it_interval.tv_sec);
	}
	KT_SYS(sched_getparam(0, &sp));
	KT_SYS(sched_getaffinity(0, sizeof cpus, &cpus));
	see("schedule %d %d %d %d\n", sched_getscheduler(0), sp.sched_priority, getpriority(PRIO_PROCESS, 0),
	    CPU_COUNT(&cpus));
	KT_CHECK(getcwd(cwd, sizeof cwd) != NULL);
	see("cwd %s break %lx personality %x\n", cwd, syscall(SYS_brk, 0), personality(0xffffffff));
	KT_SYS(prctl(PR_GET_PDEATHSIG, &word));
	see("death %d slack %d bits %x ", word, prctl(PR_GET_TIMERSLACK), prctl(PR_GET_SECUREBITS));
	KT_SYS(prctl(PR_GET_CHILD_SUBREAPER, &word));
	see("subreaper %d dumpable %d nnp %d thp %d ", word, prctl(PR_GET_DUMPABLE),
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	void *clear = NULL;
	KT_SYS(prctl(PR_GET_TID_ADDRESS, &clear));
	see("clear %p ioprio %ld\n", clear, syscall(SYS_ioprio_get, 1, 0));
}

/* to: outside the heap, which is among what is seen. */
static char *look(char *to)
{
	static const char *const status[] = {"Name:", "Umask:", "Uid:", "Gid:", "Groups:", "Threads:", "SigPnd:", "ShdPnd:",
					     "SigBlk:", "SigIgn:", "SigCgt:", "Cap", "NoNewPrivs:", "Seccomp", NULL};
	static const char *const all[] = {"", NULL};

	seen = to;
	seen_len = 0;
	see_lines("/proc/self/status", status);
	see_descriptors();
	see_mappings();
	see_signals();
	see_attributes();
	see_lines("/proc/self/oom_score_adj", all);
	see_lines("/proc/self/coredump_filter", all);
	return seen;
}

/* --- what each of them changes --- */

static void alike(void) {}

static void advice(int what)
{
	KT_SYS(madvise(map, SIZE, what));
}

static void not_dumped(void) { advice(MADV_DONTDUMP); }
static void not_forked(void) { advice(MADV_DONTFORK); }
static void wiped(void) { advice(MADV_WIPEONFORK); }
static void random_access(void) { advice(MADV_RANDOM); }
static void locked(void) { KT_SYS(mlock(map, SIZE)); }
static void locked_on_fault(void) { KT_SYS(mlock2(map, SIZE, MLOCK_ONFAULT)); }
static void read_only(void) { KT_SYS(mprotect(map, SIZE, PROT_READ)); }
static void unmapped(void) { KT_SYS(munmap(map + PAGE, PAGE)); }
static void written(void) { map[5] = 'w'; }
static void dropped(void) { advice(MADV_DONTNEED); }
static void guarded(void) { madvise(map + PAGE, PAGE, 102 /* MADV_GUARD_INSTALL */); }
static void grown(void) { KT_CHECK(sbrk(3 * PAGE) != (void *)-1); }

static void handler(int sig) { (void)sig; }
static void handles(void) { KT_CHECK(signal(SIGUSR2, handler) != SIG_ERR); }
static void ignores(void) { KT_CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR); }

static void blocks(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	KT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void pending(void)
{
	blocks();
	KT_SYS(raise(SIGUSR1));
}

static void pending_all(void)
{
	blocks();
	KT_SYS(kill(getpid(), SIGUSR1));
}

static void alternative_stack(void)
{
	KT_SYS(sigaltstack(&(stack_t){.ss_sp = map, .ss_size = SIZE}, NULL));
}

static void interval(void)
{
	KT_SYS(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {1000, 0}, .it_interval = {77, 0}}, NULL));
}

static void alarm_once(void) { alarm(1000); }

static void interval_of_cpu(void)
{
	KT_SYS(setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {1000, 0}, .it_interval = {78, 0}}, NULL));
}

static timer_t timer;
static void posix_timer(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};

	KT_SYS(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	KT_SYS(timer_settime(timer, 0, &(struct itimerspec){.it_value = {1000, 0}}, NULL));
}

static void posix_timer_after(void)
{
	struct itimerspec t;

	KT_SYS(timer_gettime(timer, &t));
	kt_between("timer", (double)t.it_value.tv_sec, 900, 1000);
}

static void masks_files(void) { umask(0135); }
static void moves(void) { KT_SYS(chdir("/proc")); }
static void limits(void) { KT_SYS(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 4096})); }
static void nice_one(void) { KT_SYS(setpriority(PRIO_PROCESS, 0, 7)); }
static void batch(void) { KT_SYS(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0})); }
static void idle_io(void) { KT_SYS(syscall(SYS_ioprio_set, 1, 0, 3 << 13)); }

static void one_cpu(void)
{
	cpu_set_t set;

	KT_SYS(sched_getaffinity(0, sizeof set, &set));
	for (int i = 0, n = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set) && n++)
			CPU_CLR(i, &set);
	KT_SYS(sched_setaffinity(0, sizeof set, &set));
}

static void slack(void) { KT_SYS(prctl(PR_SET_TIMERSLACK, 77777)); }
static void dies_with_parent(void) { KT_SYS(prctl(PR_SET_PDEATHSIG, SIGUSR1)); }
static void subreaper(void) { KT_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1)); }
static void not_dumpable(void) { KT_SYS(prctl(PR_SET_DUMPABLE, 0)); }
static void no_privileges(void) { KT_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
static void no_huge_pages(void) { KT_SYS(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }
static void other_personality(void) { KT_SYS(personality(ADDR_NO_RANDOMIZE)); }
static void renamed(void) { KT_SYS(prctl(PR_SET_NAME, "other name")); }
static void word(void) { KT_SYS(syscall(SYS_set_tid_address, map)); }

static void put(const char *path, const char *text)
{
	int fd = KT_SYS(open(path, O_WRONLY | O_CLOEXEC));

	KT_SYS(write(fd, text, strlen(text)));
	close(fd);
}

static void oom(void) { put("/proc/self/oom_score_adj", "321"); }
static void dumps_other(void) { put("/proc/self/coredump_filter", "0x7"); }

static void closes(void) { KT_SYS(close(file)); }
static void closes_on_exec(void) { KT_SYS(fcntl(file, F_SETFD, FD_CLOEXEC)); }
static void opens_more(void) { KT_SYS(dup(file)); }
static void opens_high(void) { KT_SYS(fcntl(file, F_DUPFD, 90)); }
static void exchanges(void) { KT_SYS(dup2(pair[0], file)); }
static void opens_again(void)
{
	int fd = KT_SYS(open(kt_path("file"), O_RDWR));

	KT_SYS(dup3(fd, file, 0));
	close(fd);
	KT_SYS(lseek(file, 3, SEEK_SET));
}

static void other_user(void)
{
	KT_SYS(setgroups(1, (gid_t[]){4321}));
	KT_SYS(setresgid(101, 102, 103));
	KT_SYS(setresuid(1001, 1002, 1003));
	KT_SYS(prctl(PR_SET_DUMPABLE, 1));
}

static void other_file_group(void) { setfsgid(77); }

static void capabilities(int effective, int inheritable)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	KT_SYS(syscall(SYS_capget, &h, d));
	d[0].effective &= ~(1u << effective);
	d[0].inheritable |= 1u << inheritable;
	KT_SYS(syscall(SYS_capset, &h, d));
}

static void not_effective(void) { capabilities(CAP_SYS_BOOT, CAP_SYS_BOOT); }
static void inheritable(void)
{
	capabilities(31, CAP_KILL);
	KT_SYS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
}

static void other_groups(void) { KT_SYS(setgroups(2, (gid_t[]){17, 18})); }
static void fewer_capabilities(void) { KT_SYS(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)); }
static void secure_bits(void) { KT_SYS(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT)); }

static const struct row {
	const char *name;
	void (*change)(void), (*after)(void);
	bool by_root;
} rows[] = {
	{"alike", alike, NULL, false},
	{"not_dumped", not_dumped, NULL, false},
	{"not_forked", not_forked, NULL, false},
	{"wiped", wiped, NULL, false},
	{"random", random_access, NULL, false},
	{"locked", locked, NULL, false},
	{"locked_on_fault", locked_on_fault, NULL, false},
	{"read_only", read_only, NULL, false},
	{"unmapped", unmapped, NULL, false},
	{"written", written, NULL, false},
	{"dropped", dropped, NULL, false},
	{"guarded", guarded, NULL, false},
	{"grown", grown, NULL, false},
	{"handles", handles, NULL, false},
	{"ignores", ignores, NULL, false},
	{"blocks", blocks, NULL, false},
	{"pending", pending, NULL, false},
	{"pending_all", pending_all, NULL, false},
	{"alternative_stack", alternative_stack, NULL, false},
	{"interval", interval, NULL, false},
	{"alarm_once", alarm_once, NULL, false},
	{"interval_of_cpu", interval_of_cpu, NULL, false},
	{"posix_timer", posix_timer, posix_timer_after, false},
	{"masks_files", masks_files, NULL, false},
	{"moves", moves, NULL, false},
	{"limits", limits, NULL, false},
	{"nice", nice_one, NULL, false},
	{"batch", batch, NULL, false},
	{"idle_io", idle_io, NULL, false},
	{"one_cpu", one_cpu, NULL, false},
	{"slack", slack, NULL, false},
	{"dies_with_parent", dies_with_parent, NULL, false},
	{"subreaper", subreaper, NULL, false},
	{"not_dumpable", not_dumpable, NULL, true},
	{"no_privileges", no_privileges, NULL, false},
	{"no_huge_pages", no_huge_pages, NULL, false},
	{"other_personality", other_personality, NULL, false},
	{"renamed", renamed, NULL, false},
	{"word", word, NULL, false},
	{"oom", oom, NULL, false},
	{"dumps_other", dumps_other, NULL, false},
	{"closes", closes, NULL, false},
	{"closes_on_exec", closes_on_exec, NULL, false},
	{"opens_more", opens_more, NULL, false},
	{"opens_high", opens_high, NULL, false},
	{"exchanges", exchanges, NULL, false},
	{"opens_again", opens_again, NULL, false},
	{"other_user", other_user, NULL, true},
	{"other_groups", other_groups, NULL, true},
	{"other_file_group", other_file_group, NULL, true},
	{"not_effective", not_effective, NULL, true},
	{"inheritable", inheritable, NULL, true},
	{"fewer_capabilities", fewer_capabilities, NULL, true},
	{"secure_bits", secure_bits, NULL, true},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void child(void *arg)
{
	static char text[2][SEEN];
	const struct row *r = arg;
	char name[64], *before, *after;

	r->change();
	before = look(text[0]);
	snprintf(name, sizeof name, "%s-%d", r->name, getpid());
	kt_mark("%s", name);
	kt_wait_go();
	after = look(text[1]);
	for (char *a = after, *b = before; *a || *b;) {
		size_t n = strcspn(a, "\n"), k = strcspn(b, "\n");
		if (n != k || strncmp(a, b, n))
			KT_FAIL("child %s: now %.*s, before %.*s", r->name, (int)n, a, (int)k, b);
		a += n + (a[n] == '\n');
		b += k + (b[k] == '\n');
	}
	KT_EQ(r->change == dropped ? map[5] == 0 : r->change == written ? map[5] == 'w' : map[5] == 'm', true);
	if (r->after)
		r->after();
}

int main(void)
{
	pid_t pids[ALIKE + ROWS];
	int n = 0;

	root = geteuid() == 0;
	/* What looking takes from the heap is there before anybody is forked. */
	static char first[SEEN];
	look(first);
	map = (char *)kt_map(SIZE + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE) + PAGE;
	KT_SYS(mprotect(map - PAGE, PAGE, PROT_NONE));
	KT_SYS(mprotect(map + SIZE, PAGE, PROT_NONE));
	memset(map, 'm', SIZE);
	file = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0666));
	KT_SYS(write(file, "content", 7));
	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (int i = 0; i < ALIKE + ROWS; i++) {
		const struct row *r = &rows[i < ALIKE ? 0 : i - ALIKE];
		if (r->by_root && !root)
			continue;
		pids[n++] = kt_child(child, (void *)r);
		kt_await("%s-%d", r->name, pids[n - 1]);
	}
	kt_ready_and_wait();
	while (n)
		kt_reap_ok(pids[--n]);
	kt_pass();
}
