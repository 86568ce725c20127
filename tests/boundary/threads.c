/* A thousand threads. */
#include "case.h"

#include <dirent.h>
#include <pthread.h>

enum { MANY = 1000 };

static int tids[MANY];
static pthread_barrier_t all_there, looked;

static void *body(void *arg)
{
	tids[(intptr_t)arg] = (int)raw(SYS_gettid);
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&looked);
	return raw(SYS_gettid) == tids[(intptr_t)arg] ? NULL : (void *)1;
}

static void a_thousand(void)
{
	static pthread_t t[MANY];
	static char seen[5000];
	pthread_attr_t a;
	struct dirent *e;
	int listed = 0;
	DIR *d;

	pthread_barrier_init(&all_there, NULL, MANY + 1);
	pthread_barrier_init(&looked, NULL, MANY + 1);
	BD_PT(pthread_attr_init(&a));
	BD_PT(pthread_attr_setstacksize(&a, 65536));
	for (intptr_t i = 0; i < MANY; i++)
		BD_PT(pthread_create(&t[i], &a, body, (void *)i));
	pthread_barrier_wait(&all_there);
	for (int i = 0; i < MANY; i++) {
		BD_OP(tids[i], >, 1);
		BD_OP(tids[i], <, 5000);
		BD_EQ(seen[tids[i]]++, 0);
		BD_DO(raw(SYS_tgkill, raw(SYS_getpid), tids[i], 0));
	}
	d = opendir("/proc/self/task");
	BD_CHECK(d != NULL);
	while ((e = readdir(d)))
		listed += e->d_name[0] != '.';
	closedir(d);
	BD_EQ(listed, MANY + 1);
	pthread_barrier_wait(&looked);
	for (int i = 0; i < MANY; i++) {
		void *wrong;

		BD_PT(pthread_join(t[i], &wrong));
		BD_CHECK(!wrong);
	}
}

const struct bd_case bd_cases[] = {
	{ "a thousand", a_thousand },
	{},
};
