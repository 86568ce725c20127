/* Refused with E_SYSV_SHM: attached System V shared memory.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/shm.h>

int main(void)
{
	int id = KT_SYS(shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0600));
	char *p = shmat(id, NULL, 0);

	KT_CHECK(p != (char *)-1);
	KT_SYS(shmctl(id, IPC_RMID, NULL)); /* lives on while it is attached */
	kt_fill(p, 4 * PAGE, 1);
	kt_refused_with("E_SYSV_SHM");
	kt_ready_and_wait();
	kt_check_fill("shared memory", p, 4 * PAGE, 1);
	kt_pass();
}
