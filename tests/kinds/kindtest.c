#include "kindtest.h"

#include <stdarg.h>

/* A test that is never told to go on ends by itself, so that a failed run leaves nothing behind. */
enum { GO_DEADLINE_MS = 60000, POLL_MS = 20 };

static const char *dir(void)
{
	const char *d = getenv("KT_DIR");

	if (!d) {
		fprintf(stderr, "KT_DIR is not set; start this with tests/kinds/run\n");
		_exit(2);
	}
	return d;
}

static void append(const char *name, const char *text)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		dprintf(2, "%s: %s\n", path, strerror(errno));
	close(fd);
}

void kt_fail(const char *file, int line, const char *fmt, ...)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "%s:%d: pid %d: ", strrchr(file, '/') + 1, line, getpid());
	va_list ap;

	va_start(ap, fmt);
	n += vsnprintf(text + n, sizeof(text) - n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 2)
		n = sizeof(text) - 2;
	strcpy(text + n, "\n");
	dprintf(2, "%s", text);
	append("failure", text);
	_exit(1);
}

void kt_pass(void)
{
	append("passed", "");
	_exit(0);
}

void kt_skip(const char *why)
{
	append("skipped", why);
	_exit(77);
}

void kt_refused_with(const char *code)
{
	append("refused", code);
}

void kt_tasks_change(void)
{
	kt_mark("tasks_change");
}

void kt_user_refused_with(const char *code)
{
	if (geteuid() != 0)
		append("user_refused", code);
}

void kt_pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

void kt_wait_go(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/go", dir());
	for (int ms = 0; ms < GO_DEADLINE_MS; ms += POLL_MS) {
		if (access(path, F_OK) == 0)
			return;
		kt_pause_ms(POLL_MS);
	}
	KT_FAIL("nobody said go");
}

void kt_ready_and_wait(void)
{
	char tmp[4096];

	snprintf(tmp, sizeof(tmp), "%s/ready.tmp", dir());
	append("ready.tmp", "");
	KT_SYS(rename(tmp, kt_path("ready")));
	kt_wait_go();
}

const char *kt_path(const char *fmt, ...)
{
	static __thread char bufs[4][4096];
	static __thread unsigned next;
	char *b = bufs[next++ % 4];
	int n = snprintf(b, sizeof(bufs[0]), "%s/", dir());
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b + n, sizeof(bufs[0]) - n, fmt, ap);
	va_end(ap);
	return b;
}

bool kt_marked(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/m.%s", dir(), name);
	return access(path, F_OK) == 0;
}

void kt_mark(const char *fmt, ...)
{
	char name[256] = "m.";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name + 2, sizeof(name) - 2, fmt, ap);
	va_end(ap);
	append(name, "");
}

void kt_await(const char *fmt, ...)
{
	char name[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	for (int n = 0; !kt_marked(name); n++) {
		if (n > 5000)
			KT_FAIL("waited in vain for %s", name);
		kt_pause_ms(2);
	}
}

void kt_note(const char *name, long value)
{
	char text[32], tmp[256];

	snprintf(text, sizeof(text), "%ld", value);
	snprintf(tmp, sizeof(tmp), "n.%s.tmp", name);
	append(tmp, text);
	KT_SYS(rename(kt_path("%s", tmp), kt_path("n.%s", name)));
}

/* Reads a small file; the length, or -1. */
static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = 0;
	return n < 0 ? -1 : (ssize_t)len;
}

long kt_noted(const char *name)
{
	char buf[64];

	for (int n = 0; slurp(kt_path("n.%s", name), buf, sizeof(buf)) <= 0; n++) {
		if (n > 5000)
			KT_FAIL("waited in vain for the number %s", name);
		kt_pause_ms(2);
	}
	return strtol(buf, NULL, 10);
}

pid_t kt_gettid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

pid_t kt_child(void (*fn)(void *arg), void *arg)
{
	pid_t pid = KT_SYS(fork());

	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

void kt_reap_ok(pid_t pid)
{
	int status = -1;
	pid_t got;

	do {
		got = waitpid(pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	if (got != pid)
		KT_FAIL("waitpid(%d): %d, %s", pid, got, strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		KT_FAIL("child %d ended with status 0x%x", pid, status);
}

/* /proc/PID/stat behind the command name, at the state letter; NULL: no such process. */
static const char *stat_state(pid_t pid, char *buf, size_t size)
{
	char path[64], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (slurp(path, buf, size) <= 0 || !(p = strrchr(buf, ')')))
		return NULL;
	return p + 2;
}

char kt_state(pid_t pid)
{
	char buf[1024];
	const char *p = stat_state(pid, buf, sizeof(buf));

	return p ? *p : 0;
}

void kt_await_state(pid_t pid, char state)
{
	for (int n = 0; kt_state(pid) != state; n++) {
		if (n > 5000)
			KT_FAIL("process %d is %c, never became %c", pid, kt_state(pid) ?: '-', state);
		kt_pause_ms(2);
	}
}

long kt_stat_field(pid_t pid, int field)
{
	char buf[1024];
	const char *p = stat_state(pid, buf, sizeof(buf));

	if (!p)
		KT_FAIL("no process %d", pid);
	for (int i = 3; i < field; i++)
		p = strchr(p, ' ') + 1;
	return strtol(p, NULL, 10);
}

static long current_syscall(pid_t pid, pid_t tid)
{
	char path[64], buf[512], *end;
	long nr;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	if (slurp(path, buf, sizeof(buf)) <= 0)
		return -1;
	nr = strtol(buf, &end, 10);
	return end == buf ? -1 : nr; /* "running" */
}

bool kt_in_syscall(pid_t pid, pid_t tid, long nr)
{
	long now = current_syscall(pid, tid);

	return now == nr || now == SYS_restart_syscall;
}

void kt_await_syscall(pid_t pid, pid_t tid, long nr)
{
	for (int n = 0; !kt_in_syscall(pid, tid, nr); n++) {
		if (n > 5000)
			KT_FAIL("task %d is in call %ld, never in %ld", tid, current_syscall(pid, tid), nr);
		kt_pause_ms(2);
	}
}

double kt_now(void)
{
	struct timespec t;

	KT_SYS(clock_gettime(CLOCK_MONOTONIC, &t));
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void kt_between(const char *what, double seconds, double low, double high)
{
	if (!(seconds >= low && seconds <= high))
		KT_FAIL("%s: %.3f s, expected %.3f to %.3f", what, seconds, low, high);
}

void kt_until_before(double began)
{
	while (kt_now() < began + KT_BEFORE)
		kt_pause_ms(10);
}

void kt_waited(const char *what, double began)
{
	kt_between(what, kt_now() - began, KT_WAIT - 0.02, KT_WAIT + KT_LATE);
}

/* Each 32-bit word depends on its place and the seed (a step of a multiplicative hash). */
static uint32_t word_at(size_t i, uint32_t seed)
{
	uint32_t x = ((uint32_t)i + 1) * 2654435761u ^ seed * 40503u;

	return x ^ x >> 15;
}

void kt_fill(void *p, size_t len, uint32_t seed)
{
	uint32_t *w = p;

	for (size_t i = 0; i < len / 4; i++)
		w[i] = word_at(i, seed);
}

void kt_check_fill(const char *what, const void *p, size_t len, uint32_t seed)
{
	const uint32_t *w = p;

	for (size_t i = 0; i < len / 4; i++)
		if (w[i] != word_at(i, seed))
			KT_FAIL("%s: word %zu of %zu at %p is 0x%x, not 0x%x", what, i, len / 4,
				(const void *)&w[i], w[i], word_at(i, seed));
}

void *kt_map(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		KT_FAIL("mmap of %zu bytes: %s", len, strerror(errno));
	return p;
}

const char *kt_smaps(const void *addr, const char *key)
{
	static char line[512];
	uintptr_t a = (uintptr_t)addr;
	bool inside = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		KT_FAIL("/proc/self/smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = a >= from && a < to;
		else if (inside && !strncmp(line, key, strlen(key))) {
			fclose(f);
			return line + strlen(key);
		}
	}
	fclose(f);
	KT_FAIL("no %s for %p in /proc/self/smaps", key, addr);
}

long kt_smaps_kb(const void *addr, const char *key)
{
	return strtol(kt_smaps(addr, key), NULL, 10);
}

bool kt_vmflag(const void *addr, const char *flag)
{
	char want[8];

	snprintf(want, sizeof(want), " %s ", flag);
	return strstr(kt_smaps(addr, "VmFlags:"), want) != NULL;
}
