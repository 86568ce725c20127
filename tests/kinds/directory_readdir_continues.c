/* Shows: reading a directory goes on where it was: every entry once, none left out.
 *
 *	first, in the middle of 300 entries
 */
#include "kindtest.h"

#include <dirent.h>

enum { FILES = 300 };
static int seen[FILES];

static int take(int fd, size_t size)
{
	static _Alignas(8) char buf[32768];
	ssize_t n = KT_SYS(getdents64(fd, buf, size));

	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *d = (const void *)(buf + at);
		int i;

		if (sscanf(d->d_name, "entry-%d", &i) == 1)
			seen[i]++;
		at += d->d_reclen;
	}
	return (int)n;
}

int main(void)
{
	int fd, halfway = 0;

	KT_SYS(mkdir(kt_path("dir"), 0700));
	for (int i = 0; i < FILES; i++)
		KT_SYS(close(KT_SYS(open(kt_path("dir/entry-%d", i), O_CREAT | O_WRONLY, 0600))));
	fd = KT_SYS(open(kt_path("dir"), O_RDONLY | O_DIRECTORY));
	for (int i = 0; i < 5; i++)
		KT_OP(take(fd, 1000), >, 0);
	for (int i = 0; i < FILES; i++)
		halfway += seen[i];
	KT_CHECK(halfway > 50 && halfway < FILES);
	kt_ready_and_wait();
	while (take(fd, 4000) > 0)
		;
	for (int i = 0; i < FILES; i++)
		if (seen[i] != 1)
			KT_FAIL("entry %d was seen %d times", i, seen[i]);
	KT_SYS(close(KT_SYS(openat(fd, "entry-7", O_RDONLY))));
	kt_pass();
}
