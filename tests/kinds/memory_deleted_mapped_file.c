/* Shows: files that were unlinked while mapped: what they held, private and shared between two.
 *
 *	first (both mapped) ── child (both mapped)
 */
#include "kindtest.h"

enum { SIZE = 8 * PAGE };
static char *shared, *private;

static char *map_deleted(const char *name, int flags, uint32_t seed)
{
	int fd = KT_SYS(open(kt_path("%s", name), O_RDWR | O_CREAT, 0600));
	static char content[SIZE];
	char *map;

	kt_fill(content, SIZE, seed);
	KT_EQ(write(fd, content, SIZE), SIZE);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	KT_CHECK(map != MAP_FAILED);
	KT_SYS(close(fd));
	KT_SYS(unlink(kt_path("%s", name)));
	return map;
}

static void child(void *arg)
{
	kt_mark("child");
	kt_wait_go();
	kt_check_fill("shared, in the child", shared + PAGE, PAGE, 30);
	kt_check_fill("private, in the child", private, SIZE, 2);
	shared[0] = 'x';
}

int main(void)
{
	pid_t pid;

	shared = map_deleted("shared", MAP_SHARED, 1);
	private = map_deleted("private", MAP_PRIVATE, 2);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_fill(shared + PAGE, PAGE, 30);
	kt_fill(private + PAGE, PAGE, 40);
	shared[0] = 'a';
	kt_user_refused_with("E_MAPPED_FILE"); /* /proc/PID/map_files is for root */
	kt_ready_and_wait();
	kt_check_fill("shared, written", shared + PAGE, PAGE, 30);
	kt_check_fill("private", private, PAGE, 2);
	kt_check_fill("private, written", private + PAGE, PAGE, 40);
	kt_reap_ok(pid);
	KT_EQ(shared[0], 'x');
	KT_ERR(access(kt_path("shared"), F_OK), ENOENT);
	kt_pass();
}
