/* Refused with E_CWD_DELETED: a working directory that was removed.
 *
 *	first ── child, its working directory deleted
 */
#include "kindtest.h"

static void child(void *arg)
{
	char cwd[4096];

	KT_SYS(mkdir(kt_path("gone"), 0777));
	KT_SYS(chdir(kt_path("gone")));
	KT_SYS(rmdir(kt_path("gone")));
	kt_mark("child");
	kt_wait_go();
	KT_CHECK(getcwd(cwd, sizeof(cwd)) == NULL || !strncmp(cwd, "(unreachable)", 13));
	KT_ERR(open("x", O_CREAT | O_WRONLY, 0666), ENOENT);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("child");
	kt_refused_with("E_CWD_DELETED");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
