#include "space/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/fd.h"

#define PROC_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* mount_setattr(2) and friends come with <linux/mount.h>, which clashes with <sys/mount.h> in glibc
 * 2.36; these are all that is needed from it. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif

int surroundings_new_proc(void)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int surroundings_detach(const char *path)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Joins root and path; root is NULL or a directory below which path (absolute) lies. */
static const char *below(const char *root, const char *path, char buf[PATH_MAX])
{
	if (!root)
		return path;
	snprintf(buf, PATH_MAX, "%s%s", root, path);
	return buf;
}

static int mount_proc(const char *root, int *ret_fd, struct pidspace_error *err)
{
	char buf[PATH_MAX];
	const char *at = below(root, "/proc", buf);
	int fd;

	if (root)
		mkdir(at, 0555);
	if (mount("proc", at, "proc", PROC_FLAGS, NULL) < 0) {
		int r = -errno;
		return error_set(err, r, "E_MOUNT",
				 "cannot mount a procfs on %s: %s%s", at, strerror(-r),
				 r == -EPERM ? "; parts of this host's /proc are covered, which forbids "
					       "it in a user namespace: run as root or uncover them"
					     : "");
	}
	fd = surroundings_detach(at);
	if (fd < 0)
		return error_sys(err, fd, "cannot open the container's %s", at);
	*ret_fd = fd;
	return 0;
}

static int mount_pts(const char *root, struct pidspace_error *err)
{
	char buf[PATH_MAX];
	const char *at = below(root, "/dev/pts", buf);
	const char *const options = "newinstance,ptmxmode=0666,mode=620";
	const char *const with_group = "newinstance,ptmxmode=0666,mode=620,gid=5";

	/* gid 5 is tty everywhere; EINVAL where the user namespace does not map it. */
	if (mount("devpts", at, "devpts", MS_NOSUID | MS_NOEXEC, with_group) == 0)
		return 0;
	if (errno == EINVAL && mount("devpts", at, "devpts", MS_NOSUID | MS_NOEXEC, options) == 0)
		return 0;
	if (errno == ENOENT && !root) /* a host without terminals */
		return 0;
	return error_sys(err, -errno, "cannot mount a devpts on %s", at);
}

static int mount_shm(const char *root, struct pidspace_error *err)
{
	char buf[PATH_MAX];
	const char *at = below(root, "/dev/shm", buf);

	if (mount("tmpfs", at, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") == 0)
		return 0;
	if (errno == ENOENT && !root)
		return 0;
	return error_sys(err, -errno, "cannot mount a tmpfs on %s", at);
}

/* A file tree of its own gets the few devices that programs rely on; in a user namespace mknod(2)
 * is refused, so they are the host's nodes, bound. */
static int make_dev(const char *root, struct pidspace_error *err)
{
	static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
	static const char *const links[][2] = {{"pts/ptmx", "ptmx"},
					       {"/proc/self/fd", "fd"},
					       {"/proc/self/fd/0", "stdin"},
					       {"/proc/self/fd/1", "stdout"},
					       {"/proc/self/fd/2", "stderr"}};
	char dev[PATH_MAX], at[PATH_MAX + 16], from[64];

	below(root, "/dev", dev);
	mkdir(dev, 0755);
	if (mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755") < 0)
		return error_sys(err, -errno, "cannot mount a tmpfs on %s", dev);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		snprintf(at, sizeof at, "%s/%s", dev, nodes[i]);
		snprintf(from, sizeof from, "/dev/%s", nodes[i]);
		_cleanup_close_ int fd = open(at, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		if (fd < 0 || mount(from, at, NULL, MS_BIND, NULL) < 0)
			return error_sys(err, -errno, "cannot bind %s to %s", from, at);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(at, sizeof at, "%s/%s", dev, links[i][1]);
		if (symlink(links[i][0], at) < 0)
			return error_sys(err, -errno, "cannot make the link %s", at);
	}
	snprintf(at, sizeof at, "%s/pts", dev);
	if (mkdir(at, 0755) < 0)
		return error_sys(err, -errno, "cannot make the directory %s", at);
	snprintf(at, sizeof at, "%s/shm", dev);
	if (mkdir(at, 0755) < 0)
		return error_sys(err, -errno, "cannot make the directory %s", at);
	return 0;
}

/* pivot_root(2) wants a mount point; "." twice stacks the old root under the new one, from where it
 * is detached (pivot_root(2), NOTES). */
static int change_root(const char *root, struct pidspace_error *err)
{
	if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_sys(err, -errno, "cannot make %s the container's root", root);
	return 0;
}

static int set_pid_max(pid_t pid_max, struct pidspace_error *err)
{
	char text[16];
	int r;

	snprintf(text, sizeof text, "%d", pid_max);
	r = fd_write_str_at(AT_FDCWD, "/proc/sys/kernel/pid_max", text);
	if (r == -EINVAL)
		return error_set(err, r, "E_PID_MAX", "pid_max %d is out of this kernel's range", pid_max);
	if (r == -EACCES || r == -EPERM)
		return error_set(err, r, "E_PID_MAX",
				 "cannot set the container's pid_max: it is not per PID namespace on "
				 "this kernel (Linux 6.14 and later)");
	return r < 0 ? error_sys(err, r, "cannot set the container's pid_max to %d", pid_max) : 0;
}

int surroundings_make(const struct space_options *o, int *ret_proc_fd, struct pidspace_error *err)
{
	_cleanup_close_ int proc_fd = -1;
	int r;

	if (o->hostname && sethostname(o->hostname, strlen(o->hostname)) < 0)
		return error_sys(err, -errno, "cannot set the host name %s", o->hostname);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_sys(err, -errno, "cannot make the container's mounts private");
	if (o->rootfs) {
		if (mount(o->rootfs, o->rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
			return error_sys(err, -errno, "cannot bind the root directory %s", o->rootfs);
		r = make_dev(o->rootfs, err);
		if (r < 0)
			return r;
	}
	r = mount_proc(o->rootfs, &proc_fd, err);
	if (r >= 0)
		r = mount_pts(o->rootfs, err);
	if (r >= 0)
		r = mount_shm(o->rootfs, err);
	if (r >= 0 && o->rootfs)
		r = change_root(o->rootfs, err);
	if (r >= 0 && o->pid_max)
		r = set_pid_max(o->pid_max, err);
	if (r >= 0)
		*ret_proc_fd = fd_take(&proc_fd);
	return r;
}
