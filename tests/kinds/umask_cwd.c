/* Shows: umask and working directory, also when processes share them (CLONE_FS).
 *
 *	first (/, 022) ─┬─ child ($KT_DIR/here, 0137)
 *	                ╚═ clone(CLONE_FS): a change by one is a change for the other
 */
#include "kindtest.h"

#include <sched.h>

static void verify(const char *dir, mode_t mask)
{
	char cwd[4096];

	KT_CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	KT_STR_EQ(cwd, dir);
	KT_EQ(umask(mask), mask);
}

static void child(void *arg)
{
	struct stat st;

	KT_SYS(mkdir(kt_path("here"), 0777));
	KT_SYS(chdir(kt_path("here")));
	umask(0137);
	kt_mark("child");
	kt_wait_go();
	verify(kt_path("here"), 0137);
	KT_SYS(close(KT_SYS(open("made", O_CREAT | O_WRONLY, 0777))));
	KT_SYS(stat(kt_path("here/made"), &st));
	KT_EQ(st.st_mode & 0777, 0777 & ~0137);
}

static int shares(void *arg)
{
	kt_mark("shares");
	kt_wait_go();
	KT_SYS(chdir("/proc"));
	umask(027);
	_exit(0);
}

int main(void)
{
	static _Alignas(16) char stack[65536];
	pid_t c = kt_child(child, NULL), s;

	KT_SYS(chdir("/"));
	umask(022);
	s = KT_SYS(clone(shares, stack + sizeof(stack), CLONE_FS | SIGCHLD, NULL));
	kt_await("child");
	kt_await("shares");
	verify("/", 022);
	kt_ready_and_wait();
	kt_reap_ok(s);
	verify("/proc", 027);
	kt_reap_ok(c);
	kt_pass();
}
