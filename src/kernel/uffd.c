#include "kernel/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define PAGE 4096

int uffd_enable(int fd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP,
	};

	return ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : 0;
}

int uffd_allowed(void)
{
	_cleanup_close_ int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : uffd_enable(fd);
}

int uffd_register(int fd, uint64_t start, uint64_t end)
{
	struct uffdio_register r = {.range = {start, end - start}, .mode = UFFDIO_REGISTER_MODE_MISSING};

	return ioctl(fd, UFFDIO_REGISTER, &r) < 0 ? -errno : 0;
}

ssize_t uffd_copy(int fd, uint64_t to, const void *from, size_t n)
{
	struct uffdio_copy c = {.dst = to, .src = (uint64_t)from, .len = n};

	if (ioctl(fd, UFFDIO_COPY, &c) == 0)
		return (ssize_t)n;
	return c.copy > 0 ? c.copy : -errno;
}

int uffd_zero(int fd, uint64_t page)
{
	struct uffdio_zeropage z = {.range = {page, PAGE}};

	return ioctl(fd, UFFDIO_ZEROPAGE, &z) < 0 ? -errno : 0;
}

int uffd_wake(int fd, uint64_t page)
{
	struct uffdio_range r = {page, PAGE};

	return ioctl(fd, UFFDIO_WAKE, &r) < 0 ? -errno : 0;
}
