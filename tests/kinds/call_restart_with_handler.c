/* Shows: after a restore a handler ends or restarts the interrupted call as signal(7) has it.
 *
 *	first ─┬─ read, handler with SA_RESTART: goes on
 *	       ├─ read, handler without: EINTR
 *	       ├─ nanosleep, SA_RESTART: EINTR all the same, with the time that remained
 *	       └─ poll, SA_RESTART: EINTR all the same
 */
#include "kindtest.h"

static int p[2];
static volatile sig_atomic_t got;

static void on_usr1(int sig)
{
	got++;
}

static void handle(int flags)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = flags};

	KT_SYS(sigaction(SIGUSR1, &sa, NULL));
}

static void restarts(void *arg)
{
	char c = 0;

	handle(SA_RESTART);
	KT_EQ(KT_SYS(read(p[0], &c, 1)), 1);
	KT_EQ(c, 'x');
	KT_EQ(got, 1);
}

static void ends(void *arg)
{
	char c;

	handle(0);
	KT_ERR(read(p[0], &c, 1), EINTR);
	KT_EQ(got, 1);
	kt_mark("ended.%d", getpid());
}

static void sleeps(void *arg)
{
	struct timespec rem = {0};
	double began = kt_now(), passed;

	handle(SA_RESTART);
	KT_ERR(syscall(SYS_nanosleep, &(struct timespec){100, 0}, &rem), EINTR);
	passed = kt_now() - began;
	KT_EQ(got, 1);
	kt_between("slept and remaining", passed + (double)rem.tv_sec + (double)rem.tv_nsec / 1e9,
		   99.9, 101.0);
}

static void polls(void *arg)
{
	handle(SA_RESTART);
	KT_ERR(poll(NULL, 0, 60000), EINTR);
	KT_EQ(got, 1);
}

int main(void)
{
	void (*const fn[])(void *) = {restarts, ends, sleeps, polls};
	const long calls[] = {SYS_read, SYS_read, SYS_nanosleep, SYS_poll};
	double began = kt_now();
	pid_t pids[4];

	KT_SYS(pipe(p));
	for (int i = 0; i < 4; i++) {
		pids[i] = kt_child(fn[i], NULL);
		kt_await_syscall(pids[i], pids[i], calls[i]);
	}
	kt_until_before(began);
	kt_ready_and_wait();
	for (int i = 0; i < 4; i++) {
		kt_await_syscall(pids[i], pids[i], calls[i]);
		KT_SYS(kill(pids[i], SIGUSR1));
	}
	for (int i = 1; i < 4; i++)
		kt_reap_ok(pids[i]);
	kt_await_syscall(pids[0], pids[0], SYS_read);
	KT_EQ(KT_SYS(write(p[1], "x", 1)), 1);
	kt_reap_ok(pids[0]);
	kt_pass();
}
