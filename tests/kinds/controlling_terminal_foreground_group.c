/* Shows: the controlling terminal of a session, its foreground group, and job control through it.
 *
 *	first (master) ── leader (session, controlling terminal) ─┬─ job (group, in the foreground)
 *	                                                          └─ background (group)
 */
#include "pty.h"

static char name[64];
static volatile sig_atomic_t interrupts, resizes;

static void on_signal(int sig)
{
	*(sig == SIGINT ? &interrupts : &resizes) += 1;
}

static void job(void *arg)
{
	int tty;

	KT_SYS(setpgid(0, 0));
	KT_CHECK(signal(SIGINT, on_signal) != SIG_ERR);
	KT_CHECK(signal(SIGWINCH, on_signal) != SIG_ERR);
	kt_mark("job");
	kt_wait_go();
	KT_UNTIL(interrupts == 1);
	KT_UNTIL(resizes == 1);
	tty = KT_SYS(open("/dev/tty", O_RDWR));
	KT_EQ(tcgetpgrp(tty), getpid());
	KT_EQ(tcgetsid(tty), getsid(0));
}

static void background(void *arg)
{
	char c;

	KT_SYS(setpgid(0, 0));
	KT_CHECK(signal(SIGINT, on_signal) != SIG_ERR);
	kt_mark("background");
	kt_wait_go();
	KT_EQ(read((int)(intptr_t)arg, &c, 1), -1); /* SIGTTIN stops it; then it is killed */
	KT_FAIL("a background job read from the terminal");
}

static void leader(void *arg)
{
	pid_t self = KT_SYS(setsid()), j, b;
	int tty = KT_SYS(open(name, O_RDWR)), status; /* becomes the controlling terminal */

	KT_CHECK(signal(SIGTTOU, SIG_IGN) != SIG_ERR);
	j = kt_child(job, NULL);
	b = kt_child(background, (void *)(intptr_t)tty);
	kt_await("job");
	kt_await("background");
	KT_SYS(tcsetpgrp(tty, j));
	kt_mark("leader");
	kt_wait_go();
	KT_EQ(tcgetpgrp(tty), j);
	KT_EQ(tcgetsid(tty), self);
	KT_CHECK(kt_stat_field(self, 7) != 0);
	KT_EQ(kt_stat_field(self, 8), j);
	kt_mark("verified");
	KT_EQ(waitpid(b, &status, WUNTRACED), b);
	KT_CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	KT_SYS(kill(b, SIGKILL));
	KT_EQ(waitpid(b, NULL, 0), b);
	kt_reap_ok(j);
	KT_SYS(tcsetpgrp(tty, self)); /* the leader still governs it */
	KT_EQ(tcgetpgrp(tty), self);
}

int main(void)
{
	struct winsize ws = {30, 90, 0, 0};
	int master = pty_open(name, sizeof(name));
	pid_t l = kt_child(leader, NULL);

	kt_await("leader");
	kt_ready_and_wait();
	kt_await("verified");
	KT_EQ(KT_SYS(write(master, "\003", 1)), 1); /* ^C: to the foreground only */
	KT_SYS(ioctl(master, TIOCSWINSZ, &ws));
	kt_reap_ok(l);
	kt_pass();
}
