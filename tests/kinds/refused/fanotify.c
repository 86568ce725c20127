/* Refused with E_FANOTIFY: a fanotify group.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/fanotify.h>

int main(void)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK, O_RDONLY);
	char buf[16];

	if (fd < 0)
		kt_skip("this user may not use fanotify");
	kt_refused_with("E_FANOTIFY");
	kt_ready_and_wait();
	KT_ERR(read(fd, buf, sizeof(buf)), EAGAIN);
	kt_pass();
}
