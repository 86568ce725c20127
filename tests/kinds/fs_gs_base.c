/* Shows: the fs and gs bases of every thread.
 *
 *	first, gs at its own word ═── thread, gs at another
 */
#include "kindtest.h"

#include <asm/prctl.h>
#include <pthread.h>

static uint64_t words[2] = {0x1111, 0x2222};

static uint64_t base(int which)
{
	uint64_t v = 0;

	KT_SYS(syscall(SYS_arch_prctl, which, &v));
	return v;
}

static void hold(int i, void (*wait)(void))
{
	uint64_t fs = base(ARCH_GET_FS), at_gs;

	KT_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, &words[i]));
	kt_mark("up.%d", i);
	wait();
	KT_EQ(base(ARCH_GET_FS), fs);
	KT_EQ(base(ARCH_GET_GS), (uintptr_t)&words[i]);
	asm volatile("movq %%gs:0, %0" : "=r"(at_gs));
	KT_EQ(at_gs, words[i]);
	KT_EQ(fs, (uintptr_t)__builtin_thread_pointer());
}

static void *thread(void *arg)
{
	hold(1, kt_wait_go);
	return NULL;
}

int main(void)
{
	pthread_t t;

	KT_PT(pthread_create(&t, NULL, thread, NULL));
	kt_await("up.1");
	hold(0, kt_ready_and_wait);
	KT_PT(pthread_join(t, NULL));
	kt_pass();
}
