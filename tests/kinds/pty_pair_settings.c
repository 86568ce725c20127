/* Shows: a pseudo terminal keeps number, modes, control characters, window size and unread bytes.
 *
 *	first (master and terminal of two ptys, one raw, one with lines)
 */
#include "pty.h"

static void get(int fd, const char *expect)
{
	char buf[64] = "";
	size_t n = 0;

	while (n < strlen(expect)) {
		if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 3000) != 1)
			KT_FAIL("only \"%s\" came, not \"%s\"", buf, expect);
		n += (size_t)KT_SYS(read(fd, buf + n, sizeof(buf) - 1 - n));
	}
	KT_STR_EQ(buf, expect);
}

static bool same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

int main(void)
{
	struct winsize want = {41, 133, 7, 9}, ws;
	char raw_name[64], name[64], now[64];
	int raw_master = pty_open(raw_name, sizeof(raw_name)), master = pty_open(name, sizeof(name));
	int raw = KT_SYS(open(raw_name, O_RDWR | O_NOCTTY)), tty = KT_SYS(open(name, O_RDWR | O_NOCTTY));
	struct termios rt, t, after;

	KT_SYS(tcgetattr(raw, &rt));
	cfmakeraw(&rt);
	rt.c_cc[VMIN] = 1;
	rt.c_cc[VTIME] = 0;
	KT_SYS(tcsetattr(raw, TCSANOW, &rt));
	KT_SYS(tcgetattr(tty, &t));
	t.c_lflag &= (tcflag_t)~ECHO;
	t.c_cc[VINTR] = 7;
	t.c_cc[VERASE] = '#';
	KT_SYS(tcsetattr(tty, TCSANOW, &t));
	KT_SYS(ioctl(master, TIOCSWINSZ, &want));
	KT_EQ(write(raw_master, "to tty", 6), 6);
	KT_EQ(write(raw, "to master", 9), 9);
	KT_EQ(write(master, "a line\n", 7), 7);
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = raw, .events = POLLIN}, 1, 5000)), 1);
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = tty, .events = POLLIN}, 1, 5000)), 1);
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = raw_master, .events = POLLIN}, 1, 5000)), 1);
	kt_ready_and_wait();
	KT_PT(ptsname_r(master, now, sizeof(now)));
	KT_STR_EQ(now, name);
	KT_PT(ptsname_r(raw_master, now, sizeof(now)));
	KT_STR_EQ(now, raw_name);
	KT_SYS(tcgetattr(raw, &after));
	KT_CHECK(same(&after, &rt));
	KT_SYS(tcgetattr(tty, &after));
	KT_CHECK(same(&after, &t));
	KT_SYS(ioctl(tty, TIOCGWINSZ, &ws));
	KT_CHECK(!memcmp(&ws, &want, sizeof(ws)));
	get(raw, "to tty");
	get(raw_master, "to master");
	get(tty, "a line\n");
	KT_EQ(KT_SYS(write(master, "abx#c\n", 6)), 6); /* the line discipline is at work */
	get(tty, "abc\n");
	KT_EQ(KT_SYS(write(tty, "out\n", 4)), 4);
	get(master, "out\r\n");
	KT_SYS(close(KT_SYS(open(name, O_RDWR | O_NOCTTY))));
	kt_pass();
}
