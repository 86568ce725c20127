/* Refused with E_NAMESPACE_FD: a descriptor of a namespace.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	int fd = KT_SYS(open("/proc/self/ns/uts", O_RDONLY));

	kt_refused_with("E_NAMESPACE_FD");
	kt_ready_and_wait();
	KT_SYS(fcntl(fd, F_GETFD));
	kt_pass();
}
