/* Shows: named semaphores, whose mapped name libc has removed, and one that was unlinked as a whole.
 *
 *	first ── child (waits for the named one, then posts the unlinked one)
 */
#include "kindtest.h"

#include <semaphore.h>

static char name[64];
static sem_t *nameless;

static void child(void *arg)
{
	sem_t *s = sem_open(name, 0);

	KT_CHECK(s != SEM_FAILED);
	kt_mark("child");
	while (sem_wait(s) < 0)
		KT_EQ(errno, EINTR);
	KT_CHECK(kt_marked("posted"));
	KT_SYS(sem_post(nameless));
}

int main(void)
{
	char gone[80];
	sem_t *s, *again;
	pid_t pid;

	snprintf(name, sizeof(name), "/kinds-sem-%d-%ld", getpid(), (long)time(NULL));
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	KT_CHECK(s != SEM_FAILED);
	snprintf(gone, sizeof(gone), "%s-gone", name);
	nameless = sem_open(gone, O_CREAT | O_EXCL, 0600, 0);
	KT_CHECK(nameless != SEM_FAILED);
	KT_SYS(sem_unlink(gone));
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	kt_mark("posted");
	again = sem_open(name, 0);
	KT_CHECK(again != SEM_FAILED);
	KT_SYS(sem_post(again));
	while (sem_wait(nameless) < 0)
		KT_EQ(errno, EINTR);
	KT_SYS(sem_unlink(name));
	kt_reap_ok(pid);
	kt_pass();
}
