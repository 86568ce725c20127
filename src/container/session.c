#include "container/session.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"

/* --- signals --- */

static const int passed[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
			     SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

bool signals_pass_on(int sig)
{
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		if (passed[i] == sig)
			return true;
	return false;
}

int signals_open(struct signals *s, struct pidspace_error *err)
{
	struct sigaction told = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		sigaddset(&set, passed[i]);
	sigaddset(&set, SIGCHLD);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return error_sys(err, -errno, "cannot make a signalfd");
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, &s->before);
	/* a caller that ignores SIGCHLD never gets to see how a child ended (wait(2)) */
	sigaction(SIGCHLD, &told, &s->sigchld);
	return 0;
}

int signals_next(struct signals *s)
{
	struct signalfd_siginfo si;

	if (s->fd < 0 || read(s->fd, &si, sizeof si) != sizeof si)
		return 0;
	return (int)si.ssi_signo;
}

void signals_close(struct signals *s)
{
	static const int ours[] = {SIGPIPE, SIGCHLD};
	const struct timespec now = {0};

	if (s->fd < 0)
		return;
	fd_closep(&s->fd);
	for (size_t i = 0; i < 2; i++) {
		sigset_t one;

		sigemptyset(&one);
		sigaddset(&one, ours[i]);
		if (!sigismember(&s->before, ours[i]))
			while (sigtimedwait(&one, NULL, &now) > 0)
				;
	}
	sigaction(SIGCHLD, &s->sigchld, NULL);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
}

/* --- stdio --- */

void session_init(struct session *s)
{
	*s = (struct session){.master = -1, .slave = -1, .raw_fd = -1, .user = {-1, -1, -1}};
}

static int add(struct session *s, int from, int to, enum relay_direction d)
{
	int a = fcntl(from, F_DUPFD_CLOEXEC, 3), b = fcntl(to, F_DUPFD_CLOEXEC, 3);
	int r = a < 0 || b < 0 ? -errno : 0;

	if (r == 0)
		return relay_add(&s->relay, a, b, d);
	fd_closep(&a);
	fd_closep(&b);
	return r;
}

int session_open(struct session *s, const int user[3], bool terminal, int ret_inner[3],
		 struct pidspace_error *err)
{
	int r = 0;

	s->terminal = terminal;
	for (int i = 0; i < 3; i++) {
		s->user[i] = user[i];
		ret_inner[i] = -1;
	}
	for (int i = 0; i < 3 && !terminal && r >= 0; i++) {
		int p[2];

		if (user[i] < 0)
			continue;
		if (pipe2(p, O_CLOEXEC) < 0) {
			r = -errno;
			break;
		}
		if (i == 0)
			r = add(s, user[0], p[1], RELAY_IN);
		else
			r = add(s, p[0], user[i], RELAY_OUT);
		close(i == 0 ? p[1] : p[0]);
		ret_inner[i] = i == 0 ? p[0] : p[1];
	}
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			fd_closep(&ret_inner[i]);
		return error_sys(err, r, "cannot connect the container's stdio");
	}
	return 0;
}

static void raw_mode(struct session *s)
{
	struct termios raw;

	if (s->user[0] < 0 || tcgetattr(s->user[0], &s->before) < 0)
		return;
	raw = s->before;
	cfmakeraw(&raw);
	if (tcsetattr(s->user[0], TCSADRAIN, &raw) == 0)
		s->raw_fd = s->user[0];
}

struct winsize session_size(const int user[3])
{
	struct winsize size;

	for (int i = 0; i < 3; i++)
		if (user[i] >= 0 && ioctl(user[i], TIOCGWINSZ, &size) == 0)
			return size;
	return (struct winsize){0};
}

void session_resize(struct session *s)
{
	struct winsize size = session_size(s->user);

	if (s->master >= 0 && size.ws_row)
		ioctl(s->master, TIOCSWINSZ, &size);
}

int session_attach(struct session *s, int master, int log_fd, struct pidspace_error *err)
{
	int out = s->user[1] >= 0 ? s->user[1] : log_fd, r = 0;

	s->master = master;
	s->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	session_resize(s);
	if (s->user[0] >= 0)
		r = add(s, s->user[0], master, RELAY_IN);
	if (r >= 0 && out >= 0)
		r = add(s, master, out, RELAY_OUT);
	if (r < 0)
		return error_sys(err, r, "cannot connect the container's terminal");
	raw_mode(s);
	return 0;
}

void session_close(struct session *s)
{
	relay_drain(&s->relay);
	relay_done(&s->relay);
	if (s->raw_fd >= 0)
		tcsetattr(s->raw_fd, TCSADRAIN, &s->before);
	s->raw_fd = -1;
	fd_closep(&s->master);
	fd_closep(&s->slave);
}
