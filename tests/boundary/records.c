/* Descriptors whose records carry numbers: fanotify (who did it), userfaultfd (which thread touched a page). */
#include "case.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>

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

struct toucher {
	volatile char *page;
	long tid;
};

static void *touch_page(void *arg)
{
	struct toucher *t = arg;

	t->tid = raw(SYS_gettid);
	*t->page = 1;
	return NULL;
}

static void which_thread_touched_a_page(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_THREAD_ID };
	struct toucher t = { BD_SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) };
	struct uffdio_register area = { .range = { (uintptr_t)t.page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { .range = { (uintptr_t)t.page, 4096 } };
	long fd = raw(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC);
	struct uffd_msg m[2];
	pthread_t thread;

	if (fd == -EPERM || fd == -ENOSYS)
		bd_skip("userfaultfd(2) is denied here");
	BD_DO(fd);
	BD_DO(raw(SYS_ioctl, fd, UFFDIO_API, &api));
	BD_CHECK(api.api == UFFD_API && (api.features & UFFD_FEATURE_THREAD_ID) && api.ioctls);
	BD_DO(raw(SYS_ioctl, fd, UFFDIO_REGISTER, &area));
	BD_PT(pthread_create(&thread, NULL, touch_page, &t));
	BD_EQ(raw(SYS_read, fd, m, sizeof(m)), sizeof(m[0]));
	BD_EQ(m[0].event, UFFD_EVENT_PAGEFAULT);
	BD_EQ(m[0].arg.pagefault.address, (uintptr_t)t.page);
	BD_EQ(m[0].arg.pagefault.feat.ptid, t.tid);
	BD_DO(raw(SYS_ioctl, fd, UFFDIO_ZEROPAGE, &zero));
	BD_PT(pthread_join(thread, NULL));
	api.features = 1ULL << 63;
	BD_ERR(raw(SYS_ioctl, fd, UFFDIO_API, &api), EINVAL);
	BD_ERR(raw(SYS_ioctl, fd, UFFDIO_API, 8), EFAULT);
}

const struct bd_case bd_cases[] = {
	{ "who opened a file", who_opened_a_file, .root = true },
	{ "which thread touched a page", which_thread_touched_a_page },
	{},
};
