/* Refused with E_USERFAULTFD: a userfaultfd.
 *
 *	first
 */
#include "kindtest.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

int main(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		kt_skip("no userfaultfd here");
	kt_refused_with("E_USERFAULTFD");
	kt_ready_and_wait();
	KT_SYS(ioctl(fd, UFFDIO_API, &api));
	kt_pass();
}
