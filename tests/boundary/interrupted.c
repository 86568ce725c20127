/* Signals whose handlers do not restart calls, in the middle of calls that do not sleep: nobody may notice. */
#include "case.h"

#include <sys/time.h>

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	ticks++;
}

static void storm(void)
{
	struct sigaction a = { .sa_handler = tick };
	struct itimerval often = { { 0, 50 }, { 0, 50 } };

	BD_SYS(sigaction(SIGALRM, &a, NULL));
	BD_SYS(setitimer(ITIMER_REAL, &often, NULL));
}

static void calm(void)
{
	struct itimerval never = { 0 };

	BD_SYS(setitimer(ITIMER_REAL, &never, NULL));
	BD_OP(ticks, >, 0);
}

static void opens_in_proc(void)
{
	storm();
	for (int i = 0; i < 2000; i++) {
		long fd = BD_DO(raw(SYS_openat, AT_FDCWD, "/proc/1/status", O_RDONLY | O_CLOEXEC));

		BD_OP(fd, >, 2);
		BD_EQ(raw(SYS_close, fd), 0);
	}
	calm();
}

static void stats_in_proc(void)
{
	struct stat st;

	storm();
	for (int i = 0; i < 2000; i++) {
		memset(&st, 0, sizeof(st));
		BD_EQ(raw(SYS_stat, "/proc/1", &st), 0);
		BD_CHECK(S_ISDIR(st.st_mode));
	}
	calm();
}

const struct bd_case bd_cases[] = {
	{ "a signal does not interrupt the opening of a file in /proc", opens_in_proc },
	{ "a signal does not interrupt the look at a directory in /proc", stats_in_proc },
	{ 0 },
};
