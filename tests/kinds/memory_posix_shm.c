/* Shows: POSIX shared memory in the container's own /dev/shm: content, name, and that both are one.
 *
 *	first (mapping, name) ── child (opened it by name, only a descriptor)
 */
#include "kindtest.h"

static char name[64];

static void child(void *arg)
{
	char buf[PAGE];
	int fd = KT_SYS(shm_open(name, O_RDONLY, 0));

	kt_mark("child");
	kt_wait_go();
	KT_EQ(KT_SYS(pread(fd, buf, PAGE, PAGE)), PAGE);
	kt_check_fill("read by the child", buf, PAGE, 4);
}

int main(void)
{
	char *map, *again;
	pid_t pid;
	int fd;

	snprintf(name, sizeof(name), "/kinds-shm-%d-%ld", getpid(), (long)time(NULL));
	fd = KT_SYS(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0640));
	KT_SYS(ftruncate(fd, 16 * PAGE));
	map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	KT_CHECK(map != MAP_FAILED);
	KT_SYS(close(fd));
	kt_fill(map, PAGE, 3);
	kt_fill(map + PAGE, PAGE, 4);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	kt_check_fill("shared memory", map, PAGE, 3);
	fd = shm_open(name, O_RDWR, 0);
	shm_unlink(name);
	KT_SYS(fd);
	again = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	KT_CHECK(again != MAP_FAILED);
	kt_check_fill("mapped again by name", again, PAGE, 3);
	strcpy(again + 5 * PAGE, "seen");
	KT_STR_EQ(map + 5 * PAGE, "seen");
	kt_reap_ok(pid);
	kt_pass();
}
