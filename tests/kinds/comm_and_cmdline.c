/* Shows: the name of the process and the command line and environment areas, also rewritten ones.
 *
 *	first ── child that has written over its arguments
 */
#include "kindtest.h"

#include <sys/prctl.h>

static char **args;

static size_t slurp(const char *path, char *buf, size_t size)
{
	int fd = KT_SYS(open(path, O_RDONLY | O_CLOEXEC));
	size_t n = (size_t)KT_SYS(read(fd, buf, size));

	close(fd);
	return n;
}

static void hold(void (*wait)(void))
{
	static const char *const files[] = {"comm", "cmdline", "environ"};
	static char before[3][65536], now[65536];
	size_t len[3];

	for (int i = 0; i < 3; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		len[i] = slurp(path, before[i], sizeof(before[i]));
	}
	wait();
	for (int i = 0; i < 3; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		KT_EQ(slurp(path, now, sizeof(now)), len[i]);
		if (memcmp(now, before[i], len[i]))
			KT_FAIL("%s is \"%.40s\", was \"%.40s\"", path, now, before[i]);
	}
}

static void up_and_wait(void)
{
	kt_mark("child");
	kt_wait_go();
}

static void child(void *arg)
{
	char line[64] = "";

	memset(args[0], 'x', strlen(args[0]));
	KT_SYS(prctl(PR_SET_NAME, "a) R 1 (b"));
	hold(up_and_wait);
	slurp("/proc/self/cmdline", line, sizeof(line) - 1);
	KT_CHECK(line[0] == 'x' && line[1] == 'x');
	slurp("/proc/self/comm", line, sizeof(line) - 1);
	KT_CHECK(!strncmp(line, "a) R 1 (b\n", 10));
}

int main(int argc, char **argv)
{
	pid_t pid;

	args = argv;
	pid = kt_child(child, NULL);
	kt_await("child");
	hold(kt_ready_and_wait);
	kt_reap_ok(pid);
	kt_pass();
}
