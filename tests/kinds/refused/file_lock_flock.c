/* Refused with E_FILE_LOCK: a file locked with flock(2).
 *
 *	first (exclusive lock)
 */
#include "kindtest.h"

#include <sys/file.h>

int main(void)
{
	int fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));
	int other = KT_SYS(open(kt_path("file"), O_RDWR));

	KT_SYS(flock(fd, LOCK_EX));
	kt_refused_with("E_FILE_LOCK");
	kt_ready_and_wait();
	KT_ERR(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	kt_pass();
}
