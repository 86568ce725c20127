/* One process with N idle threads. usage: threads N READY-FILE
 * The yardstick: with "-" for READY-FILE it starts and joins N threads and ends. */
#include <pthread.h>

#include "workload.h"

static void *idle(void *stay)
{
	while (stay)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0;
	int stay = n && strcmp(argv[2], "-") != 0;
	pthread_t *t = calloc((size_t)(n > 0 ? n : 1), sizeof *t);
	pthread_attr_t small;

	if (n < 1 || !t) {
		fprintf(stderr, "usage: threads N READY-FILE\n");
		return 1;
	}
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], &small, idle, stay ? t : NULL)) {
			fprintf(stderr, "thread %d could not be started\n", i);
			return 1;
		}
	if (stay)
		ready_and_wait(argv[2]);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return 0;
}
