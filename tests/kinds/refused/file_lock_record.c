/* Refused with E_FILE_LOCK: a file with a record locked (fcntl).
 *
 *	first ── child (lock on bytes 10 to 19)
 */
#include "kindtest.h"

static void child(void *arg)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};
	int fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));

	KT_SYS(fcntl(fd, F_SETLK, &l));
	kt_mark("locked");
	kt_wait_go();
	kt_await("looked");
}

int main(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};
	pid_t pid = kt_child(child, NULL);
	int fd;

	kt_await("locked");
	kt_refused_with("E_FILE_LOCK");
	kt_ready_and_wait();
	fd = KT_SYS(open(kt_path("file"), O_RDWR));
	KT_SYS(fcntl(fd, F_GETLK, &l));
	KT_EQ(l.l_type, F_WRLCK);
	KT_EQ(l.l_pid, pid);
	kt_mark("looked");
	kt_reap_ok(pid);
	kt_pass();
}
