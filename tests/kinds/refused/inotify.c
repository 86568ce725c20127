/* Refused with E_INOTIFY: an inotify instance, whose watches cannot be read back.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/inotify.h>

int main(void)
{
	int fd = KT_SYS(inotify_init1(IN_NONBLOCK));
	char buf[4096];

	KT_SYS(inotify_add_watch(fd, kt_path("."), IN_CREATE));
	kt_refused_with("E_INOTIFY");
	kt_ready_and_wait();
	KT_SYS(close(KT_SYS(open(kt_path("new"), O_CREAT | O_WRONLY, 0600))));
	KT_OP(read(fd, buf, sizeof(buf)), >, 0);
	kt_pass();
}
