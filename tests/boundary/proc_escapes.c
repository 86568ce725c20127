/* Ways to /proc/PID of somebody outside: by links, directories, working directories, names that
 * are bound, descriptors that were passed in. */
#include "case.h"

#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/un.h>

/* One outside: a live process of the same user. */
static const char *victim(const char *below)
{
	static char path[4][128];
	static int next;
	pid_t all[BD_OUTSIDE_MAX];

	bd_outside(all);
	snprintf(path[next %= 4], sizeof(path[0]), "%d%s", all[0], below);
	return path[next++];
}

static const char *in_dir(const char *name)
{
	static char path[4][4096];
	static int next;

	snprintf(path[next %= 4], sizeof(path[0]), "%s/%s", getenv("BD_DIR"), name);
	return path[next++];
}

static void through_symlinks(void)
{
	char target[256];

	snprintf(target, sizeof(target), "/proc/%s", victim("/stat"));
	BD_SYS(symlink(target, in_dir("one")));
	BD_SYS(symlink("one", in_dir("two")));
	BD_ERR(raw(SYS_open, in_dir("two"), O_RDONLY), ENOENT);
	BD_SYS(symlink("/proc", in_dir("p")));
	snprintf(target, sizeof(target), "p/%s", victim("/status"));
	BD_ERR(raw(SYS_open, in_dir(target), O_RDONLY), ENOENT);
	BD_SYS(symlink("/", in_dir("slash")));
	snprintf(target, sizeof(target), "slash/proc/../proc/./%s", victim("/stat"));
	BD_ERR(raw(SYS_open, in_dir(target), O_RDONLY), ENOENT);
	BD_OP(raw(SYS_open, in_dir("slash/proc/self/stat"), O_RDONLY), >=, 0);
}

static void through_directories(void)
{
	int proc = (int)BD_DO(raw(SYS_open, "/proc", O_RDONLY | O_DIRECTORY));
	int root = (int)BD_DO(raw(SYS_open, "/", O_PATH));
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
	char path[256];
	struct stat st;

	BD_ERR(raw(SYS_openat, proc, victim("/stat"), O_RDONLY), ENOENT);
	BD_ERR(raw(SYS_newfstatat, proc, victim(""), &st, 0), ENOENT);
	snprintf(path, sizeof(path), "proc/%s", victim("/stat"));
	BD_ERR(raw(SYS_openat, root, path, O_RDONLY), ENOENT);
	BD_ERR(raw(SYS_openat2, proc, victim("/stat"), &how, sizeof(how)), ENOENT);
	how.resolve = RESOLVE_NO_SYMLINKS;
	BD_ERR(raw(SYS_openat2, root, path, &how, sizeof(how)), ENOENT);
	BD_OP(raw(SYS_openat, proc, "1/stat", O_RDONLY), >=, 0);
}

static void through_working_directories(void)
{
	BD_DO(raw(SYS_chdir, "/proc"));
	BD_ERR(raw(SYS_open, victim("/stat"), O_RDONLY), ENOENT);
	BD_OP(raw(SYS_open, "self/stat", O_RDONLY), >=, 0);
	BD_DO(raw(SYS_chdir, "/proc/self"));
	BD_ERR(raw(SYS_open, in_dir("nothing"), O_RDONLY), ENOENT);
	BD_OP(raw(SYS_open, "stat", O_RDONLY), >=, 0);
	{
		char path[128];

		snprintf(path, sizeof(path), "../%s", victim("/stat"));
		BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
		BD_DO(raw(SYS_chdir, "/"));
		snprintf(path, sizeof(path), "proc/%s", victim("/stat"));
		BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
	}
}

/* By way of root, cwd and fd of a process inside. */
static void through_magic_links(void)
{
	char path[256];

	snprintf(path, sizeof(path), "/proc/self/root/proc/%s", victim("/stat"));
	BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
	snprintf(path, sizeof(path), "/proc/1/root/proc/%s", victim("/stat"));
	BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
	BD_DO(raw(SYS_chdir, "/proc"));
	snprintf(path, sizeof(path), "/proc/self/cwd/%s", victim("/stat"));
	BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
}

static void by_names_of_sockets(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = BD_SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/%s", victim("/cwd/socket"));
	BD_ERR(raw(SYS_bind, s, &a, sizeof(a)), ENOENT);
	BD_ERR(raw(SYS_connect, s, &a, sizeof(a)), ENOENT);
}

/* Inside, the reference is that such a descriptor works on: it is the host's /proc, and whoever handed it
 * in meant it. In virtual it may be refused; numbers outside must not become signalable by it. */
static void descriptors_passed_in(void)
{
	int fd = bd_ask("procpid");
	long r;

	BD_OP(fd, >, 0);
	BD_ERR(raw(SYS_kill, atol(victim("")), 0), ESRCH);
	r = raw(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0); /* a directory of /proc is one for it */
	BD_CHECK(r == -EINVAL || r == -EBADF || r == -EPERM || r == -ESRCH);
}

/* Whose number is among the names that getdents(2) gives? */
static bool lists(int fd, const char *number)
{
	struct { uint64_t ino, off; uint16_t len; uint8_t type; char name[]; } *d;
	static char buf[65536];
	long n;

	BD_DO(raw(SYS_lseek, fd, 0, SEEK_SET));
	while ((n = BD_DO(raw(SYS_getdents64, fd, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < n; at += d->len) {
			d = (void *)(buf + at);
			if (!strcmp(d->name, number))
				return true;
		}
	return false;
}

/* Names are the directory's, in both kinds; with virtual pids they lead nowhere: what is looked up there, is so in the container's
 * eyes. */
static void directories_passed_in(void)
{
	int fd = bd_ask("proc"), own = BD_SYS(open("/proc", O_RDONLY | O_CLOEXEC));
	struct stat st;
	long r;

	BD_UNTIL(lists(fd, victim(""))); /* the position in it is shared by all who were handed it */
	BD_CHECK(!lists(own, victim("")));
	r = raw(SYS_newfstatat, fd, victim("/stat"), &st, 0);
	BD_EQ(r, bd_virtual() ? -ENOENT : 0);
	r = raw(SYS_faccessat, fd, victim("/stat"), 0);
	BD_EQ(r, bd_virtual() ? -ENOENT : 0);
}

static void nobody_by_handles(void)
{
	int fd = bd_ask("pidfd");
	siginfo_t si;

	BD_ERR(raw(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0), EINVAL);
	BD_ERR(raw(SYS_waitid, P_PIDFD, fd, &si, WEXITED | WNOHANG, NULL), ECHILD);
	BD_DO(bd_ask("hello"));
}

const struct bd_case bd_cases[] = {
	{ "through symbolic links", through_symlinks },
	{ "through directories", through_directories },
	{ "through working directories", through_working_directories },
	{ "through links of processes inside", through_magic_links },
	{ "by names of sockets", by_names_of_sockets },
	{ "directories of the host's passed in", descriptors_passed_in },
	{ "what the host's /proc lists, passed in", directories_passed_in },
	{ "pidfds passed in", nobody_by_handles },
	{},
};
