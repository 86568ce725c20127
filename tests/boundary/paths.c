/* Calls that take a path, on one in /proc of a process inside and of nobody's. Ways around: proc_escapes.c. */
#include "case.h"

#include <sys/statfs.h>
#include <sys/xattr.h>

static const long by_path[] = { SYS_stat, SYS_lstat, SYS_statfs };

static void answer_for_the_living(const char *path)
{
	struct stat st;
	struct statfs fs;
	char buf[4096];

	BD_DO(raw(SYS_stat, path, &st));
	BD_CHECK(S_ISDIR(st.st_mode));
	BD_EQ(st.st_uid, geteuid());
	BD_DO(raw(SYS_statfs, path, &fs));
	BD_EQ(fs.f_type, 0x9fa0); /* PROC_SUPER_MAGIC */
	BD_DO(raw(SYS_access, path, R_OK));
	BD_DO(raw(SYS_faccessat, AT_FDCWD, path, R_OK));
	BD_DO(raw(SYS_statx, AT_FDCWD, path, 0, 0x7ff, buf));
	BD_DO(raw(SYS_chdir, path));
	BD_OP(raw(SYS_getcwd, buf, sizeof(buf)), >, 0);
	BD_CHECK(!strcmp(buf, path));
	BD_DO(raw(SYS_readlink, "cwd", buf, sizeof(buf)));
	BD_DO(raw(SYS_chdir, "/"));
}

static void inside_and_outside(void)
{
	pid_t child = bd_sleeper(), all[BD_OUTSIDE_MAX + 1];
	int n = bd_outside(all);
	char path[64], buf[4096];

	snprintf(path, sizeof(path), "/proc/%d", child);
	answer_for_the_living(path);
	bd_end(child);
	all[n++] = child; /* who was here is nobody now */
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/%d", all[i]);
		for (size_t k = 0; k < sizeof(by_path) / sizeof(by_path[0]); k++)
			BD_ERR(raw(by_path[k], path, buf), ENOENT);
		BD_ERR(raw(SYS_statx, AT_FDCWD, path, 0, 0x7ff, buf), ENOENT);
		BD_ERR(raw(SYS_access, path, 0), ENOENT);
		BD_ERR(raw(SYS_faccessat2, AT_FDCWD, path, 0, 0), ENOENT);
		BD_ERR(raw(SYS_truncate, path, 0), ENOENT);
		BD_ERR(raw(SYS_chmod, path, 0), ENOENT);
		BD_ERR(raw(SYS_readlink, path, buf, 64), ENOENT);
		BD_ERR(raw(SYS_getxattr, path, "user.x", buf, 64), ENOENT);
		BD_ERR(raw(SYS_inotify_add_watch, raw(SYS_inotify_init1, 0), path, 1), ENOENT);
		strcat(path, "/cwd/x");
		BD_ERR(raw(SYS_mkdir, path, 0700), ENOENT);
		BD_ERR(raw(SYS_unlink, path), ENOENT);
		BD_ERR(raw(SYS_rename, path, "/tmp/x"), ENOENT);
		BD_ERR(raw(SYS_creat, path, 0600), ENOENT);
	}
}

const struct bd_case bd_cases[] = {
	{ "of a process inside, and of nobody", inside_and_outside },
	{},
};
