/* Shows: every thread keeps the name it gave itself.
 *
 *	first "captain" ═╦═ "sailor-0"
 *	                 ╠═ …
 *	                 ╚═ "sailor 4)"    one with a bracket, which confuses readers of stat
 */
#include "kindtest.h"

#include <pthread.h>
#include <sys/prctl.h>

enum { THREADS = 5 };

static void verify(const char *name)
{
	char got[64] = "";
	int fd;

	KT_SYS(prctl(PR_GET_NAME, got));
	KT_STR_EQ(got, name);
	fd = KT_SYS(open("/proc/thread-self/comm", O_RDONLY));
	got[KT_SYS(read(fd, got, sizeof(got) - 1)) - 1] = 0; /* without the newline */
	KT_STR_EQ(got, name);
	close(fd);
}

static void *thread(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), (intptr_t)arg == 4 ? "sailor %d)" : "sailor-%d", (int)(intptr_t)arg);
	KT_SYS(prctl(PR_SET_NAME, name));
	kt_mark("up.%d", (int)(intptr_t)arg);
	kt_wait_go();
	verify(name);
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	KT_SYS(prctl(PR_SET_NAME, "captain"));
	for (intptr_t i = 0; i < THREADS; i++)
		KT_PT(pthread_create(&t[i], NULL, thread, (void *)i));
	for (int i = 0; i < THREADS; i++)
		kt_await("up.%d", i);
	kt_ready_and_wait();
	verify("captain");
	for (int i = 0; i < THREADS; i++)
		KT_PT(pthread_join(t[i], NULL));
	kt_pass();
}
