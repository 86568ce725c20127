/* Shows: descriptors keep their numbers, high ones too, and close on exec or don't.
 *
 *	first (7, 255, 256, 999 and a table with gaps) ── later: exec of a shell that looks
 */
#include "kindtest.h"

#include <dirent.h>

/* A sum over the open numbers, the one of this directory left out. */
static long numbers(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	long sum = 0;

	KT_CHECK(d != NULL);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			sum += 1 + atoi(e->d_name);
	closedir(d);
	return sum;
}

static void look(void *arg)
{
	const char *script = "test -e /proc/self/fd/999 && test ! -e /proc/self/fd/256 && "
			     "test -e /proc/self/fd/255 && test ! -e /proc/self/fd/7";

	execl("/bin/sh", "sh", "-c", script, NULL);
}

int main(void)
{
	int fd = KT_SYS(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	long before;

	KT_EQ(KT_SYS(dup3(fd, 7, O_CLOEXEC)), 7);
	KT_EQ(KT_SYS(dup2(fd, 255)), 255);
	KT_EQ(KT_SYS(dup3(fd, 256, O_CLOEXEC)), 256);
	KT_EQ(KT_SYS(dup2(fd, 999)), 999);
	KT_SYS(close(fd));
	before = numbers();
	kt_ready_and_wait();
	KT_EQ(numbers(), before);
	KT_EQ(fcntl(7, F_GETFD), FD_CLOEXEC);
	KT_EQ(fcntl(255, F_GETFD), 0);
	KT_EQ(fcntl(256, F_GETFD), FD_CLOEXEC);
	KT_EQ(fcntl(999, F_GETFD), 0);
	KT_ERR(fcntl(8, F_GETFD), EBADF);
	KT_ERR(fcntl(998, F_GETFD), EBADF);
	kt_reap_ok(kt_child(look, NULL));
	kt_pass();
}
