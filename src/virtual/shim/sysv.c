/* System V IPC: who made it, who used it last. */
#include "virtual/shim/trap.h"

#include <asm/msgbuf.h>
#include <asm/shmbuf.h>

/* The kernel fills in ours; the guest gets it with its own numbers. */
SPECIAL(sysv_stat)
{
	union {
		struct shmid64_ds shm;
		struct msqid64_ds msg;
	} ds;
	bool shm = t->nr == __NR_shmctl;
	void *to = (void *)t->arg[2];
	long e;

	t->arg[2] = (long)&ds;
	e = trap_native(t);
	if (e < 0)
		return e;
	if (shm) {
		ds.shm.shm_cpid = ids_guest(ds.shm.shm_cpid);
		ds.shm.shm_lpid = ids_guest(ds.shm.shm_lpid);
	} else {
		ds.msg.msg_lspid = ids_guest(ds.msg.msg_lspid);
		ds.msg.msg_lrpid = ids_guest(ds.msg.msg_lrpid);
	}
	return guest_write(to, &ds, shm ? sizeof ds.shm : sizeof ds.msg) ? e : -EFAULT;
}
