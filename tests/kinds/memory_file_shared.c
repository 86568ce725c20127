/* Shows: a shared file mapping is the file: writes pass both ways, and between processes.
 *
 *	first (mapped from page 1 on) ── child (mapped whole, read-only)
 */
#include "kindtest.h"

enum { SIZE = 16 * PAGE };

static void child(void *arg)
{
	int fd = KT_SYS(open(kt_path("file"), O_RDONLY));
	const char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	KT_CHECK(map != MAP_FAILED);
	KT_SYS(close(fd));
	kt_mark("child");
	kt_wait_go();
	kt_check_fill("seen by the child", map + 2 * PAGE, PAGE, 2);
	kt_await("written");
	KT_STR_EQ(map + 5 * PAGE, "later");
	KT_ERR(mprotect((void *)(uintptr_t)map, PAGE, PROT_READ | PROT_WRITE), EACCES);
}

int main(void)
{
	char buf[PAGE], *map;
	pid_t pid;
	int fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));

	KT_SYS(ftruncate(fd, SIZE));
	map = mmap(NULL, SIZE - PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	KT_CHECK(map != MAP_FAILED);
	kt_fill(map + PAGE, PAGE, 2);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	kt_check_fill("mapped", map + PAGE, PAGE, 2);
	strcpy(map + 4 * PAGE, "later");
	kt_mark("written");
	KT_EQ(KT_SYS(pread(fd, buf, PAGE, 5 * PAGE)), PAGE);
	KT_STR_EQ(buf, "later");
	KT_EQ(KT_SYS(pwrite(fd, "back", 5, 6 * PAGE)), 5);
	KT_STR_EQ(map + 5 * PAGE, "back");
	kt_reap_ok(pid);
	kt_pass();
}
