/* Descriptors whose records carry numbers: fanotify (userfaultfd's ptid: a thread of the faulting process). */
#include "case.h"

#include <sys/fanotify.h>

static void touch(void *path)
{
	int fd = (int)BD_DO(raw(SYS_open, path, O_RDONLY));

	close(fd);
}

static void who_opened_a_file(void)
{
	struct fanotify_event_metadata m[8];
	char path[4096];
	long fd = raw(SYS_fanotify_init, FAN_CLASS_NOTIF, O_RDONLY), n;
	pid_t child;

	if (fd < 0)
		bd_skip("fanotify with pids needs privilege");
	snprintf(path, sizeof(path), "%s/touched", getenv("BD_DIR"));
	close(BD_SYS(open(path, O_WRONLY | O_CREAT, 0600)));
	if (raw(SYS_fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, path) < 0)
		bd_skip("fanotify_mark is denied here");
	child = bd_child(touch, path);
	bd_reap_ok(child);
	n = BD_DO(raw(SYS_read, fd, m, sizeof(m)));
	BD_OP(n, >=, sizeof(m[0]));
	BD_EQ(m[0].pid, child);
}

const struct bd_case bd_cases[] = {
	{ "who opened a file", who_opened_a_file, .root = true },
	{},
};
