/* Shows: the container's /dev/shm: files open, mapped and neither, names, links, modes and times.
 *
 *	first (maps one file, has another open) ── child (maps the same file)
 */
#include "kindtest.h"

enum { SIZE = 300000 };

static const char *in_shm(const char *name)
{
	static char path[2][200];
	static int turn;

	/* Beside other programs that run in a host's /dev/shm (mode plain). */
	const char *dir = strrchr(getenv("KT_DIR"), '/');
	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "/dev/shm%s.%s", dir, name);
	return path[turn];
}

static void child(void *arg)
{
	unsigned char *map = arg;

	kt_mark("child");
	kt_wait_go();
	map[7] = 77;
}

int main(void)
{
	struct timespec times[2] = {{1000, 5}, {2000, 6}};
	char text[10] = "";
	struct stat st, other;
	pid_t pid;

	int fd = KT_SYS(open(in_shm("map"), O_RDWR | O_CREAT | O_EXCL, 0600));
	KT_SYS(ftruncate(fd, SIZE));
	unsigned char *map = KT_SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	KT_SYS(close(fd));
	kt_fill(map, 200000, 3);
	unsigned char before = map[7];
	int log = KT_SYS(open(in_shm("log"), O_WRONLY | O_CREAT | O_APPEND, 0640));
	KT_EQ(write(log, "first ", 6), 6);
	KT_SYS(mkdir(in_shm("dir"), 0750));
	char inner[250];
	snprintf(inner, sizeof(inner), "%s/inner", in_shm("dir"));
	fd = KT_SYS(open(inner, O_WRONLY | O_CREAT, 0444));
	KT_EQ(write(fd, "inside", 6), 6);
	KT_SYS(futimens(fd, times));
	KT_SYS(close(fd));
	KT_SYS(link(inner, in_shm("link")));
	KT_SYS(symlink(inner, in_shm("symlink")));
	pid = kt_child(child, map);
	kt_await("child");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	KT_EQ(map[7], 77);
	fd = KT_SYS(open(in_shm("map"), O_RDWR));
	KT_EQ(KT_SYS(pread(fd, text, 1, 7)), 1);
	KT_EQ(text[0], 77);
	KT_EQ(KT_SYS(pwrite(fd, "x", 1, SIZE - 1)), 1);
	KT_EQ(map[SIZE - 1], 'x');
	KT_EQ(map[250000], 0);
	map[7] = before;
	kt_check_fill("the mapped file", map, 200000, 3);
	KT_EQ(write(log, "second", 6), 6);
	KT_SYS(stat(in_shm("log"), &st));
	KT_EQ(st.st_size, 12);
	KT_EQ(st.st_mode & 07777, 0640);
	KT_SYS(stat(inner, &st));
	KT_SYS(stat(in_shm("link"), &other));
	KT_EQ(st.st_ino, other.st_ino);
	KT_EQ(st.st_nlink, 2);
	KT_EQ(st.st_mode & 07777, 0444);
	KT_EQ(st.st_mtim.tv_sec, 2000);
	KT_EQ(st.st_mtim.tv_nsec, 6);
	int sym = KT_SYS(open(in_shm("symlink"), O_RDONLY));
	KT_EQ(KT_SYS(read(sym, text, sizeof(text))), 6);
	KT_CHECK(!memcmp(text, "inside", 6));
	KT_SYS(unlink(inner));
	KT_SYS(rmdir(in_shm("dir")));
	KT_SYS(unlink(in_shm("link")));
	KT_SYS(unlink(in_shm("symlink")));
	KT_SYS(unlink(in_shm("log")));
	KT_SYS(unlink(in_shm("map")));
	kt_pass();
}
