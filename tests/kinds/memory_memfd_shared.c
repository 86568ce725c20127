/* Shows: a memfd is one object for its mappings, its descriptors and the processes that share it.
 *
 *	first (descriptor and mapping) ─┬─ a (descriptor only)
 *	                                └─ b (mapping only)
 */
#include "kindtest.h"

enum { SIZE = 256 << 10 };
static int fd;
static char *map;

static void a(void *arg)
{
	char buf[PAGE];

	KT_SYS(munmap(map, SIZE));
	kt_mark("a");
	kt_wait_go();
	KT_EQ(KT_SYS(pread(fd, buf, PAGE, 3 * PAGE)), PAGE);
	kt_check_fill("read by a", buf, PAGE, 3);
	KT_EQ(KT_SYS(pwrite(fd, "from a", 7, 0)), 7);
	kt_mark("a.wrote");
}

static void b(void *arg)
{
	KT_SYS(close(fd));
	kt_mark("b");
	kt_wait_go();
	kt_check_fill("mapped by b", map + 5 * PAGE, PAGE, 5);
	kt_await("a.wrote");
	KT_STR_EQ(map, "from a");
	strcpy(map + 100, "from b");
	kt_mark("b.wrote");
}

int main(void)
{
	char path[64], link[256] = "";
	struct stat st;
	pid_t pa, pb;

	fd = KT_SYS(memfd_create("shared thing", MFD_ALLOW_SEALING));
	KT_SYS(ftruncate(fd, SIZE));
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	KT_CHECK(map != MAP_FAILED);
	for (uint32_t i = 1; i < 8; i++)
		kt_fill(map + i * PAGE, PAGE, i);
	KT_SYS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
	pa = kt_child(a, NULL);
	pb = kt_child(b, NULL);
	kt_await("a");
	kt_await("b");
	KT_EQ(KT_SYS(lseek(fd, 12345, SEEK_SET)), 12345);
	kt_ready_and_wait();
	KT_EQ(lseek(fd, 0, SEEK_CUR), 12345);
	KT_SYS(fstat(fd, &st));
	KT_EQ(st.st_size, SIZE);
	KT_EQ(KT_SYS(fcntl(fd, F_GET_SEALS)), F_SEAL_GROW | F_SEAL_SHRINK);
	KT_ERR(ftruncate(fd, 2 * SIZE), EPERM);
	for (uint32_t i = 1; i < 8; i++)
		kt_check_fill("mapped", map + i * PAGE, PAGE, i);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	KT_SYS(readlink(path, link, sizeof(link) - 1));
	KT_CHECK(!strncmp(link, "/memfd:shared thing", 19));
	kt_await("b.wrote");
	KT_STR_EQ(map, "from a");
	KT_STR_EQ(map + 100, "from b");
	kt_reap_ok(pa);
	kt_reap_ok(pb);
	kt_pass();
}
