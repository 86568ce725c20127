/* Shows: nice values, policy, cpu affinity, timer slack, I/O priority and oom_score_adj, by thread.
 *
 *	first ── child (SCHED_BATCH, nice 7) ═══ thread (SCHED_OTHER, nice 3, one cpu)
 */
#include "kindtest.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static cpu_set_t one;

static void *thread(void *arg)
{
	cpu_set_t now;

	KT_SYS(setpriority(PRIO_PROCESS, (id_t)kt_gettid(), 3));
	KT_SYS(sched_setaffinity(0, sizeof(one), &one));
	KT_SYS(prctl(PR_SET_TIMERSLACK, 123456));
	kt_mark("thread");
	kt_wait_go();
	KT_EQ(sched_getscheduler(0), SCHED_OTHER);
	KT_EQ(getpriority(PRIO_PROCESS, (id_t)kt_gettid()), 3);
	KT_SYS(sched_getaffinity(0, sizeof(now), &now));
	KT_CHECK(CPU_EQUAL(&now, &one));
	KT_EQ(prctl(PR_GET_TIMERSLACK), 123456);
	return NULL;
}

static long oom(void)
{
	char buf[16] = "";
	int fd = KT_SYS(open("/proc/self/oom_score_adj", O_RDONLY));

	KT_SYS(read(fd, buf, sizeof(buf) - 1));
	close(fd);
	return strtol(buf, NULL, 10);
}

static void child(void *arg)
{
	struct sched_param p = {0};
	cpu_set_t all, now;
	pthread_t t;
	int fd = KT_SYS(open("/proc/self/oom_score_adj", O_WRONLY));

	KT_EQ(KT_SYS(write(fd, "321", 3)), 3);
	close(fd);
	KT_SYS(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	for (int c = 0; c < CPU_SETSIZE && !CPU_COUNT(&one); c++)
		if (CPU_ISSET(c, &all))
			CPU_SET(c, &one);
	KT_PT(pthread_create(&t, NULL, thread, NULL));
	kt_await("thread");
	KT_SYS(sched_setscheduler(0, SCHED_BATCH, &p));
	KT_SYS(setpriority(PRIO_PROCESS, 0, 7));
	KT_SYS(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6)); /* IOPRIO_CLASS_BE */
	kt_mark("child");
	kt_wait_go();
	KT_EQ(sched_getscheduler(0), SCHED_BATCH);
	KT_EQ(getpriority(PRIO_PROCESS, 0), 7);
	KT_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 6);
	KT_EQ(prctl(PR_GET_TIMERSLACK), 50000);
	KT_SYS(sched_getaffinity(0, sizeof(now), &now));
	KT_CHECK(CPU_EQUAL(&now, &all));
	KT_EQ(oom(), 321);
	KT_PT(pthread_join(t, NULL));
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);
	long adj = oom();

	kt_await("child");
	kt_ready_and_wait();
	KT_EQ(oom(), adj);
	KT_EQ(getpriority(PRIO_PROCESS, 0), 0);
	kt_reap_ok(pid);
	kt_pass();
}
