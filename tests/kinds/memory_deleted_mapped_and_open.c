/* Shows: an unlinked file that is both mapped and open stays one file; an ordinary user can carry it, too.
 *
 *	first (mapped shared and privately, open) ── child (inherited all)
 */
#include "kindtest.h"

enum { SIZE = 5 * PAGE + 123 };

static unsigned char *shared, *own;
static int fd;

static void child(void *arg)
{
	kt_mark("child");
	kt_wait_go();
	shared[3 * PAGE] = 33;
	KT_EQ(KT_SYS(pwrite(fd, "\55", 1, 4 * PAGE)), 1);
}

int main(void)
{
	unsigned char c;
	struct stat st;
	pid_t pid;

	fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));
	KT_SYS(ftruncate(fd, SIZE));
	shared = KT_SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	own = KT_SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	kt_fill(shared, SIZE, 9);
	unsigned char before = shared[0];
	own[0] = 1;
	KT_SYS(unlink(kt_path("file")));
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	KT_SYS(fstat(fd, &st));
	KT_EQ(st.st_size, SIZE);
	KT_EQ(st.st_nlink, 0);
	KT_EQ(own[0], 1);
	KT_EQ(shared[0], before);
	KT_EQ(shared[3 * PAGE], 33);
	KT_EQ(shared[4 * PAGE], 45);
	KT_EQ(own[4 * PAGE], 45); /* this page is the file's still */
	KT_EQ(KT_SYS(pread(fd, &c, 1, 3 * PAGE)), 1);
	KT_EQ(c, 33);
	KT_EQ(KT_SYS(pread(fd, &c, 1, SIZE - 1)), 1);
	KT_EQ(c, shared[SIZE - 1]);
	kt_pass();
}
