#pragma once
/* Shims for system calls and structures that libc or the build machine's headers lack. All return
 * -errno. Each names its source; constants newer than Linux 6.1 headers are spelled out here. */
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

int sys_pidfd_open(pid_t pid, unsigned flags);                 /* pidfd_open(2) */
int sys_pidfd_send_signal(int pidfd, int sig);                 /* pidfd_send_signal(2), no siginfo */
int sys_pidfd_getfd(int pidfd, int fd);                        /* pidfd_getfd(2); O_CLOEXEC */
int sys_kcmp(pid_t a, pid_t b, int type, unsigned long ia, unsigned long ib); /* kcmp(2): 0 equal, 1 less, 2 greater, 3 unordered */
int sys_tgkill(pid_t tgid, pid_t tid, int sig);
/* Every signal to its default action, 32 and 33 too, which libc keeps for itself and refuses to touch: a
 * process that posix_spawn(3) started has them ignored. For a child before its exec. rt_sigaction(2). */
void sys_signals_default(void);
int sys_get_robust_list(pid_t tid, uint64_t *ret_head, uint64_t *ret_len); /* get_robust_list(2) */

/* clone3(2); include/uapi/linux/sched.h struct clone_args, size 88 (since 5.7). */
struct sys_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};
pid_t sys_clone3(const struct sys_clone_args *args);

/* PIDFD_GET_INFO, include/uapi/linux/pidfd.h, Linux 6.13; exit status since 6.15. */
struct sys_pidfd_info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define SYS_PIDFD_INFO_EXIT (1ULL << 3)
#define SYS_PIDFD_GET_INFO _IOWR(0xFF, 11, struct sys_pidfd_info)
/* A descriptor of a namespace of the process; include/uapi/linux/pidfd.h, Linux 6.11. */
#define SYS_PIDFD_GET_IPC_NAMESPACE _IO(0xFF, 2)
#define SYS_PIDFD_GET_MNT_NAMESPACE _IO(0xFF, 3)
#define SYS_PIDFD_GET_NET_NAMESPACE _IO(0xFF, 4)
#define SYS_PIDFD_GET_PID_NAMESPACE _IO(0xFF, 5)
#define SYS_PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE _IO(0xFF, 6)
#define SYS_PIDFD_GET_USER_NAMESPACE _IO(0xFF, 9)
#define SYS_PIDFD_GET_UTS_NAMESPACE _IO(0xFF, 10)

/* Translation between PID namespaces on an nsfs descriptor, include/uapi/linux/nsfs.h, Linux 6.11.
 * FROM: a pid of that namespace to the caller's number; IN: the caller's number to theirs. */
#define SYS_NS_GET_PID_FROM_PIDNS _IOR(0xb7, 0x6, int)
#define SYS_NS_GET_TGID_FROM_PIDNS _IOR(0xb7, 0x7, int)
#define SYS_NS_GET_PID_IN_PIDNS _IOR(0xb7, 0x8, int)
#define SYS_NS_GET_TGID_IN_PIDNS _IOR(0xb7, 0x9, int)

/* PAGEMAP_SCAN, include/uapi/linux/fs.h, Linux 6.7. Addresses in bytes. */
struct sys_page_region {
	uint64_t start, end, categories;
};
struct sys_pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SYS_PAGEMAP_SCAN _IOWR('f', 16, struct sys_pm_scan_arg)
#define SYS_PM_SCAN_WP_MATCHING 1ULL  /* write-protect what is reported */
#define SYS_PM_SCAN_CHECK_WPASYNC 2ULL
#define SYS_PAGE_IS_WPALLOWED (1ULL << 0)
#define SYS_PAGE_IS_WRITTEN (1ULL << 1)
#define SYS_PAGE_IS_FILE (1ULL << 2)
#define SYS_PAGE_IS_PRESENT (1ULL << 3)
#define SYS_PAGE_IS_SWAPPED (1ULL << 4)
#define SYS_PAGE_IS_PFNZERO (1ULL << 5)
#define SYS_PAGE_IS_HUGE (1ULL << 6)
#define SYS_PAGE_IS_SOFT_DIRTY (1ULL << 7)
#define SYS_PAGE_IS_GUARD (1ULL << 8) /* 6.15 */

/* ptrace(2) requests the headers may lack. */
#define SYS_PTRACE_PEEKSIGINFO 0x4209
#define SYS_PTRACE_GETSIGMASK 0x420a
#define SYS_PTRACE_SETSIGMASK 0x420b
#define SYS_PTRACE_GET_RSEQ_CONFIGURATION 0x420f /* 5.13 */
struct sys_rseq_configuration {
	uint64_t rseq_abi_pointer;
	uint32_t rseq_abi_size, signature, flags, pad;
};
struct sys_peeksiginfo_args {
	uint64_t off;
	uint32_t flags; /* 1: the shared queue */
	int32_t nr;
};

#define SYS_KCMP_FILE 0
#define SYS_KCMP_VM 1
#define SYS_KCMP_FILES 2
#define SYS_KCMP_FS 3
#define SYS_KCMP_SIGHAND 4
#define SYS_KCMP_IO 5
#define SYS_KCMP_SYSVSEM 6
#define SYS_KCMP_EPOLL_TFD 7
struct sys_kcmp_epoll_slot {
	uint32_t efd, tfd, toff;
};

#define SYS_MADV_GUARD_INSTALL 102 /* 6.13 */
#define SYS_MADV_GUARD_REMOVE 103
#define SYS_PR_TIMER_CREATE_RESTORE_IDS 77 /* 6.15 */
#define SYS_PR_GET_TID_ADDRESS 40
#define SYS_PR_GET_AUXV 0x41555856 /* 6.4 */
#define SYS_CLONE_NEWTIME 0x80

/* PROCMAP_QUERY on /proc/PID/maps, include/uapi/linux/fs.h struct procmap_query, Linux 6.11. */
struct sys_procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define SYS_PROCMAP_QUERY _IOWR('f', 17, struct sys_procmap_query)

/* userfaultfd features, include/uapi/linux/userfaultfd.h: 6.4 and 6.7. */
#define SYS_UFFD_FEATURE_WP_UNPOPULATED (1ULL << 13)
#define SYS_UFFD_FEATURE_WP_ASYNC (1ULL << 15)

/* Expirations not yet read, include/uapi/linux/timerfd.h, Linux 3.18. */
#define SYS_TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
