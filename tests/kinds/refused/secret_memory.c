/* Refused with E_SECRET_MEMORY: secret memory, which nobody else may read.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	int fd = (int)syscall(447, 0); /* memfd_secret(2), Linux 5.14 */
	char *p;

	if (fd < 0)
		kt_skip("no secret memory here");
	KT_SYS(ftruncate(fd, PAGE));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		kt_skip("no secret memory for this user");
	kt_fill(p, PAGE, 1);
	kt_refused_with("E_SECRET_MEMORY");
	kt_ready_and_wait();
	kt_check_fill("secret", p, PAGE, 1);
	kt_pass();
}
