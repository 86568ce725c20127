/* Refused with E_FILE_NAME (an ordinary user: E_MAPPED_FILE): a named semaphore, which libc maps under a name
 * that it removes after linking it to the right one.
 *
 *	first ── child (waits for it)
 */
#include "kindtest.h"

#include <semaphore.h>

static char name[64];

static void child(void *arg)
{
	sem_t *s = sem_open(name, 0);

	KT_CHECK(s != SEM_FAILED);
	kt_mark("child");
	while (sem_wait(s) < 0)
		KT_EQ(errno, EINTR);
	KT_CHECK(kt_marked("posted"));
}

int main(void)
{
	sem_t *s;
	pid_t pid;

	snprintf(name, sizeof(name), "/kinds-sem-%d-%ld", getpid(), (long)time(NULL));
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	KT_CHECK(s != SEM_FAILED);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_refused_with(geteuid() ? "E_MAPPED_FILE" : "E_FILE_NAME");
	kt_ready_and_wait();
	kt_mark("posted");
	KT_SYS(sem_post(s));
	sem_unlink(name);
	kt_reap_ok(pid);
	kt_pass();
}
