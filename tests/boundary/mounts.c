/* A /proc mounted inside shows the container's processes, or is refused. */
#include "case.h"

static void another_proc(void)
{
	char dir[4096], path[4200];
	pid_t all[BD_OUTSIDE_MAX];
	int n = bd_outside(all);
	long r;

	snprintf(dir, sizeof(dir), "%s/mnt", getenv("BD_DIR"));
	BD_SYS(mkdir(dir, 0700));
	r = raw(SYS_mount, "proc", dir, "proc", 0, NULL);
	if (r < 0) {
		BD_ERR(r, EPERM);
		BD_CHECK(bd_virtual() || geteuid() != 0);
		return;
	}
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%d/stat", dir, all[i]);
		BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
	}
	BD_DO(raw(SYS_umount2, dir, 0));
}

static void by_a_context(void)
{
	long fd = raw(SYS_fsopen, "proc", 0);

	if (bd_virtual() || geteuid() != 0)
		BD_ERR(fd, EPERM);
	else
		BD_DO(fd);
}

const struct bd_case bd_cases[] = {
	{ "another /proc", another_proc },
	{ "by fsopen", by_a_context },
	{},
};
