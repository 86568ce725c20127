/* The small init below which the cases run, and what they share. */
#include "case.h"

#include <stdarg.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CASE_SECONDS = 25, REPORT_SIZE = 4096 };

/* Seen by every process of the container. */
struct verdict {
	int failed;
	int skipped;
	char report[REPORT_SIZE];
};

static struct verdict *verdict;
static int results = -1; /* TAP lines go here */

static const char *dir(void)
{
	const char *d = getenv("BD_DIR");

	if (!d) {
		fprintf(stderr, "BD_DIR is not set; start this with tests/boundary/run\n");
		_exit(2);
	}
	return d;
}

static int open_in_dir(const char *name, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir(), name);
	return open(path, flags | O_CLOEXEC, 0666);
}

void bd_fail(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s:%d: pid %ld: ", strrchr(file, '/') + 1, line,
			 raw(SYS_getpid));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	if (!__atomic_exchange_n(&verdict->failed, 1, __ATOMIC_SEQ_CST))
		memcpy(verdict->report, text, sizeof(text));
	raw(SYS_exit_group, 1);
	__builtin_unreachable();
}

void bd_skip(const char *why)
{
	snprintf(verdict->report, sizeof(verdict->report), "%s", why);
	verdict->skipped = 1;
	raw(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* One line of TAP, and what went wrong below it. ended: of wait(2); 0 if the case returned. */
static void tell(const struct bd_case *c, int ended, bool in_time)
{
	const char *name = strrchr(program_invocation_name, '/') + 1;

	if (!in_time)
		snprintf(verdict->report, sizeof(verdict->report), "%snot finished after %d s",
			 verdict->failed ? "first failed, then " : "", CASE_SECONDS);
	else if (ended && !verdict->failed)
		snprintf(verdict->report, sizeof(verdict->report), "ended with status 0x%x", ended);
	if (ended || verdict->failed || !in_time)
		dprintf(results, "not ok - %s: %s\n# %s\n", name, c->title, verdict->report);
	else if (verdict->skipped)
		dprintf(results, "ok - %s: %s # SKIP %s\n", name, c->title, verdict->report);
	else
		dprintf(results, "ok - %s: %s\n", name, c->title);
}

static volatile sig_atomic_t late;

static void on_alarm(int sig)
{
	late = sig;
}

/* As pid 1: the case in a child, and afterwards nobody else is left. */
static void run_below_init(const struct bd_case *c)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int status = 0, got_status;
	pid_t child, got;

	memset(verdict, 0, sizeof(*verdict));
	late = 0;
	sigaction(SIGALRM, &sa, NULL);
	child = fork(); /* libc's, which tells its locks the child's tid */
	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		c->run();
		raw(SYS_exit_group, 0);
	}
	if (child < 0)
		BD_FAIL("fork: %ld", (long)child);
	alarm(CASE_SECONDS);
	do {
		got = (pid_t)raw(SYS_wait4, -1, &got_status, 0, NULL);
		if (got == child)
			status = got_status;
		if (got == -ECHILD)
			snprintf(verdict->report, REPORT_SIZE, "init has no children any more");
	} while (got != child && got != -ECHILD && !late);
	if (got == -ECHILD)
		status = -1;
	alarm(0);
	tell(c, status, got == child || got == -ECHILD);
	for (int n = 0; n < 1000; n++) {
		raw(SYS_kill, -1, SIGKILL);
		raw(SYS_kill, -1, SIGCONT);
		while ((got = (pid_t)raw(SYS_wait4, -1, NULL, WNOHANG, NULL)) > 0)
			;
		if (got == -ECHILD)
			return;
		bd_pause_ms(1);
	}
	dprintf(results, "not ok - %s: processes are left that SIGKILL does not end\n", c->title);
}

/* As pid 1 itself. */
static void run_as_init(const struct bd_case *c)
{
	c->run();
	if (c->ends)
		BD_FAIL("it did not end");
}

static void list(void)
{
	for (int i = 0; bd_cases[i].title; i++) {
		const struct bd_case *c = &bd_cases[i];

		printf("%d init=%d terminal=%d root=%d pid_max=%d ends=%d %s\n", i, c->init,
		       c->terminal, c->root, c->pid_max, c->ends, c->title);
	}
}

/* A file of the runner's, which reads it when a case with .init, or the whole container, has ended. */
static void open_verdict(void)
{
	int fd = open_in_dir("verdict", O_RDWR | O_CREAT);

	if (fd < 0 || ftruncate(fd, sizeof(*verdict)) != 0)
		_exit(2);
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (verdict == MAP_FAILED)
		_exit(2);
}

/* Cases kill by kill(-1), and so does init after each. Only where that cannot reach the outside. */
static void refuse_on_the_host(void)
{
	const char *outside = getenv("BD_OUTSIDE");
	long pid = outside ? strtol(outside, NULL, 10) : 0;

	if (raw(SYS_getpid) == 1 && pid > 1 && raw(SYS_kill, pid, 0) != 0)
		return;
	fprintf(stderr, "this is no container, or one that lets signals out: nothing is tried\n");
	_exit(2);
}

/* usage: PROGRAM --list | --below N... | --init N */
int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		list();
		return 0;
	}
	results = open_in_dir("results", O_WRONLY | O_APPEND | O_CREAT);
	if (results < 0 || argc < 3) {
		fprintf(stderr, "start this with tests/boundary/run\n");
		return 2;
	}
	refuse_on_the_host();
	open_verdict();
	/* Held by everyone in here until they die: the runner sees by it that nobody is left. Not
	 * closed by exec. */
	fcntl(open_in_dir("alive", O_RDWR | O_CREAT), F_SETFD, 0);
	if (!strcmp(argv[1], "--init")) {
		run_as_init(&bd_cases[atoi(argv[2])]);
		return 0;
	}
	for (int i = 2; i < argc; i++)
		run_below_init(&bd_cases[atoi(argv[i])]);
	return 0;
}

void bd_pause_ms(int ms)
{
	if (ms == 0)
		sched_yield();
	else
		poll(NULL, 0, ms);
}

bool bd_virtual(void)
{
	const char *kind = getenv("BD_KIND");

	return kind && !strcmp(kind, "virtual");
}

pid_t bd_child(void (*fn)(void *arg), void *arg)
{
	pid_t pid = (pid_t)BD_DO(raw(SYS_fork));

	if (pid == 0) {
		fn(arg);
		raw(SYS_exit_group, 0);
	}
	return pid;
}

static void sleep_on(void *arg)
{
	for (;;)
		raw(SYS_pause);
}

pid_t bd_sleeper(void)
{
	return bd_child(sleep_on, NULL);
}

int bd_reap(pid_t pid)
{
	int status = -1;
	long got;

	do {
		got = raw(SYS_wait4, pid, &status, 0, NULL);
	} while (got == -EINTR);
	BD_EQ(got, pid);
	return status;
}

void bd_reap_ok(pid_t pid)
{
	int status = bd_reap(pid);

	if (status)
		BD_FAIL("child %d ended with status 0x%x", pid, status);
}

void bd_end(pid_t pid)
{
	BD_DO(raw(SYS_kill, pid, SIGKILL));
	bd_reap(pid);
}

ssize_t bd_slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	n = n < 0 ? -errno : (ssize_t)len;
	close(fd);
	buf[len] = 0;
	return n;
}

static const char *stat_behind_name(pid_t pid, char *buf, size_t size)
{
	char path[64], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (bd_slurp(path, buf, size) <= 0 || !(p = strrchr(buf, ')')))
		return NULL;
	return p + 2;
}

char bd_state(pid_t pid)
{
	char buf[1024];
	const char *p = stat_behind_name(pid, buf, sizeof(buf));

	return p ? *p : 0;
}

long bd_stat_field(pid_t pid, int field)
{
	char buf[1024];
	const char *p = stat_behind_name(pid, buf, sizeof(buf));

	if (!p)
		BD_FAIL("/proc/%d/stat cannot be read", pid);
	for (int i = 3; i < field; i++)
		p = strchr(p, ' ') + 1;
	return strtol(p, NULL, 10);
}

void bd_await_asleep(pid_t pid)
{
	BD_UNTIL(bd_state(pid) == 'S');
}

void *bd_shared(size_t size)
{
	return BD_SYS(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

const char *bd_line(const char *path, const char *key)
{
	static char line[1024];
	FILE *f = fopen(path, "re");
	const char *ret = NULL;

	while (f && !ret && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			ret = line + strlen(key) + strspn(line + strlen(key), " \t");
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = 0;
	return ret;
}

static int numbers(const char *text, pid_t *ret, int max)
{
	int n = 0;
	char *end;

	for (; text && n < max; text = end) {
		long v = strtol(text, &end, 10);

		if (end == text)
			break;
		ret[n++] = (pid_t)v;
	}
	return n;
}

int bd_outside(pid_t ret_pids[BD_OUTSIDE_MAX])
{
	int n = numbers(getenv("BD_OUTSIDE"), ret_pids, BD_OUTSIDE_MAX - 2);
	char path[4096], text[64];

	/* Written by the command once we run: our pid 1 and its parent, as the host numbers them. */
	snprintf(path, sizeof(path), "%s/host_pids", dir());
	BD_UNTIL(bd_slurp(path, text, sizeof(text)) > 0 && strchr(text, '\n'));
	n += numbers(text, ret_pids + n, 2);
	BD_OP(n, >=, 4);
	return n;
}

int bd_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = BD_SYS(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/outside", dir());
	BD_SYS(connect(s, (struct sockaddr *)&a, sizeof(a)));
	return s;
}

int bd_ask(const char *fmt, ...)
{
	char text[256], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int s = bd_connect(), fd = 0;
	struct cmsghdr *c;
	va_list ap;
	ssize_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	strcat(text, "\n");
	BD_SYS(write(s, text, strlen(text)));
	do {
		n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != 3 || memcmp(text, "ok\n", 3))
		BD_FAIL("the runner answers %zd bytes: %.*s", n, (int)(n > 0 ? n : 0), text);
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	close(s);
	return fd;
}

uint64_t bd_blocked(uint64_t set)
{
	return bd_virtual() ? set & ~(1ULL << (SIGSYS - 1)) : set;
}
