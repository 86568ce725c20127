/* Shows: /proc/PID/exe, the auxiliary vector and the addresses of code, data, heap, stack and areas.
 *
 *	first ── child running another program (sleep)
 */
#include "kindtest.h"

#include <sys/auxv.h>

static void link_of(pid_t pid, char *ret, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = KT_SYS(readlink(path, ret, size - 1));
	ret[n] = 0;
}

static size_t auxv(char *ret, size_t size)
{
	int fd = KT_SYS(open("/proc/self/auxv", O_RDONLY | O_CLOEXEC));
	size_t n = (size_t)KT_SYS(read(fd, ret, size));

	close(fd);
	return n;
}

static void sleeper(void *arg)
{
	execlp("sleep", "sleep", "1000", NULL);
	KT_FAIL("sleep: %s", strerror(errno));
}

int main(void)
{
	/* proc(5): start_code, end_code, startstack; start_data … env_end */
	static const int fields[] = {26, 27, 28, 45, 46, 47, 48, 49, 50, 51};
	char exe[4096], other[4096], now[4096], vec[4096], vec_now[4096];
	unsigned long page = getauxval(AT_PAGESZ), entry = getauxval(AT_ENTRY);
	pid_t child = kt_child(sleeper, NULL), self = getpid();
	long before[10];
	size_t len;

	link_of(self, exe, sizeof(exe));
	KT_UNTIL((link_of(child, other, sizeof(other)), strcmp(other, exe)));
	len = auxv(vec, sizeof(vec));
	for (int i = 0; i < 10; i++)
		before[i] = kt_stat_field(self, fields[i]);
	kt_await_syscall(child, child, SYS_clock_nanosleep);
	kt_ready_and_wait();
	link_of(self, now, sizeof(now));
	KT_STR_EQ(now, exe);
	link_of(child, now, sizeof(now));
	KT_STR_EQ(now, other);
	KT_EQ(auxv(vec_now, sizeof(vec_now)), len);
	KT_CHECK(!memcmp(vec_now, vec, len));
	KT_EQ(getauxval(AT_PAGESZ), page);
	KT_EQ(getauxval(AT_ENTRY), entry);
	for (int i = 0; i < 10; i++)
		if (kt_stat_field(self, fields[i]) != before[i])
			KT_FAIL("field %d of /proc/self/stat: 0x%lx, was 0x%lx", fields[i],
				kt_stat_field(self, fields[i]), before[i]);
	KT_SYS(kill(child, SIGKILL));
	KT_EQ(waitpid(child, NULL, 0), child);
	kt_pass();
}
