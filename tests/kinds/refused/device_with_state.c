/* Refused with E_DEVICE: a device whose state stays with its host.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	static const char *const names[] = {"/dev/kmsg", "/dev/net/tun", "/dev/fuse", "/dev/rtc0", "/dev/vda"};
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(names) / sizeof(names[0]); i++)
		fd = open(names[i], O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		kt_skip("no device that this user may open");
	kt_refused_with("E_DEVICE");
	kt_ready_and_wait();
	KT_SYS(fcntl(fd, F_GETFD));
	kt_pass();
}
