#pragma once
/* userfaultfd(2): who touches a page that is missing waits until somebody outside has brought it. Descriptors
 * belong to one address space, that of the process that made them. Addresses are bytes, whole pages. */
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* ioctl(2) on /dev/userfaultfd that makes one in the caller, include/uapi/linux/userfaultfd.h, Linux 6.1;
 * its argument are flags as of userfaultfd(2). */
#define UFFD_IOC_NEW _IO(0xAA, 0x00)

/* Makes a new descriptor ready to tell of faults, also those that the kernel has on behalf of the process, and of
 * fork, mremap, munmap and madvise. -EPERM: forks are only told to CAP_SYS_PTRACE in the first user namespace. */
int uffd_enable(int fd);

/* Whether the caller may have such a descriptor: 0 or -errno. Leaves nothing behind. */
int uffd_allowed(void);

/* From now on faults between start and end wait. */
int uffd_register(int fd, uint64_t start, uint64_t end);

/* Fills missing pages, and wakes who waits for them. The bytes that were filled, more than none; or -EEXIST: the first
 * page is there; -ENOENT: not all of it lies in one mapping that is registered; -EAGAIN: the mappings
 * change, there is an event to read first; -ESRCH: the address space is gone; or another -errno. */
ssize_t uffd_copy(int fd, uint64_t to, const void *from, size_t n);

/* The same with the zero page: 0 or -errno. */
int uffd_zero(int fd, uint64_t page);

/* ioctl(2) that moves pages inside one space, by a task of it: struct uffdio_move, include/uapi/linux/userfaultfd.h, Linux
 * 6.8. Where nothing is at `from` nothing comes (UFFD_MOVE_HOLES), else -ENOENT. Whoever waits for them is woken. */
struct uffd_move {
	uint64_t to, from, bytes, mode;
	int64_t moved;
};
#define UFFD_MOVE _IOWR(0xAA, 0x05, struct uffd_move)
#define UFFD_MOVE_HOLES (UINT64_C(1) << 1)

int uffd_wake(int fd, uint64_t page);
