/* System V IPC: who used it last. */
#include "case.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static int id;

static void op(void *arg)
{
	struct sembuf b = { 0, 1, 0 };

	BD_DO(raw(SYS_semop, id, &b, 1));
}

static void semaphores(void)
{
	pid_t child;

	id = (int)BD_DO(raw(SYS_semget, IPC_PRIVATE, 1, 0600));
	BD_EQ(raw(SYS_semctl, id, 0, GETPID, 0), 0);
	child = bd_child(op, NULL);
	bd_reap_ok(child);
	BD_EQ(raw(SYS_semctl, id, 0, GETPID, 0), child);
	op(NULL);
	BD_EQ(raw(SYS_semctl, id, 0, GETPID, 0), raw(SYS_getpid));
	BD_DO(raw(SYS_semctl, id, 0, IPC_RMID, 0));
}

static void attach(void *arg)
{
	long at = BD_DO(raw(SYS_shmat, id, NULL, 0));

	BD_DO(raw(SYS_shmdt, at));
}

static void memory(void)
{
	struct shmid_ds d;
	pid_t child;

	id = (int)BD_DO(raw(SYS_shmget, IPC_PRIVATE, 4096, 0600));
	child = bd_child(attach, NULL);
	bd_reap_ok(child);
	BD_DO(raw(SYS_shmctl, id, IPC_STAT, &d));
	BD_EQ(d.shm_cpid, raw(SYS_getpid));
	BD_EQ(d.shm_lpid, child);
	BD_DO(raw(SYS_shmctl, id, IPC_RMID, NULL));
}

static void send_one(void *arg)
{
	struct {
		long type;
		char text[4];
	} m = { 1, "abc" };

	BD_DO(raw(SYS_msgsnd, id, &m, 4, 0));
}

static void queues(void)
{
	struct {
		long type;
		char text[4];
	} m;
	struct msqid_ds d;
	pid_t child;

	id = (int)BD_DO(raw(SYS_msgget, IPC_PRIVATE, 0600));
	child = bd_child(send_one, NULL);
	bd_reap_ok(child);
	BD_EQ(raw(SYS_msgrcv, id, &m, 4, 0, 0), 4);
	BD_DO(raw(SYS_msgctl, id, IPC_STAT, &d));
	BD_EQ(d.msg_lspid, child);
	BD_EQ(d.msg_lrpid, raw(SYS_getpid));
	BD_DO(raw(SYS_msgctl, id, IPC_RMID, NULL));
}

const struct bd_case bd_cases[] = {
	{ "semaphores", semaphores },
	{ "shared memory", memory },
	{ "message queues", queues },
	{},
};
