/* Refused with E_SYSV_IPC: a System V semaphore.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/sem.h>

int main(void)
{
	int id = KT_SYS(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600)), value;

	KT_SYS(semop(id, &(struct sembuf){.sem_op = 3}, 1));
	kt_refused_with("E_SYSV_IPC");
	kt_ready_and_wait();
	value = semctl(id, 0, GETVAL);
	KT_SYS(semctl(id, 0, IPC_RMID));
	KT_EQ(value, 3);
	kt_pass();
}
