/* Shows: a private file mapping keeps its own pages and still follows the file in the others.
 *
 *	first ── child with changes of its own
 */
#include "kindtest.h"

enum { PAGES = 32 };
static char *map;

static void verify(int mine)
{
	for (int i = 0; i < PAGES; i++)
		kt_check_fill("page", map + (size_t)i * PAGE, PAGE,
			      i % 8 == mine ? 900 + (uint32_t)mine
			      : i % 8 == 1	 ? 901
						 : (uint32_t)i);
}

static void child(void *arg)
{
	for (int i = 5; i < PAGES; i += 8)
		kt_fill(map + (size_t)i * PAGE, PAGE, 905);
	kt_mark("child");
	kt_wait_go();
	verify(5);
}

int main(void)
{
	static char file[PAGES * PAGE], now[PAGES * PAGE];
	pid_t pid;
	int fd;

	for (int i = 0; i < PAGES; i++)
		kt_fill(file + (size_t)i * PAGE, PAGE, (uint32_t)i);
	fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));
	KT_EQ(write(fd, file, sizeof(file)), sizeof(file));
	map = mmap(NULL, sizeof(file), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	KT_CHECK(map != MAP_FAILED);
	KT_SYS(close(fd));
	for (int i = 1; i < PAGES; i += 8)
		kt_fill(map + (size_t)i * PAGE, PAGE, 901);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	verify(1);
	fd = KT_SYS(open(kt_path("file"), O_RDWR));
	KT_EQ(KT_SYS(read(fd, now, sizeof(now))), sizeof(now));
	KT_CHECK(!memcmp(now, file, sizeof(now)));
	kt_reap_ok(pid);
	kt_fill(now, PAGE, 77); /* page 3 was never written to here: it shows what the file has */
	KT_EQ(KT_SYS(pwrite(fd, now, PAGE, 3 * PAGE)), PAGE);
	kt_check_fill("page that follows the file", map + 3 * PAGE, PAGE, 77);
	kt_pass();
}
