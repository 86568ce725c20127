#pragma once
/* The seccomp filter of a container with virtual pids, compiled from the catalogue. seccomp(2), bpf classic as in
 * Documentation/networking/filter.rst.
 *
 * For each system call it answers, in this order:
 *
 *   i386, x32, numbers beyond the catalogue, holes    ENOSYS, from wherever
 *   rows that all pass                                allowed, decided by the number alone: the kernel then asks the
 *                                                     filter once for good (kernel/seccomp.c seccomp_is_const_allow())
 *   a row that passes by its condition                allowed
 *   from the gates, where the shim makes its own      allowed
 *   getpid from the bell, or of a new image           SECCOMP_RET_USER_NOTIF: the warden (SHIM_RING in layout.h)
 *   a refused row                                     its errno
 *   any other row                                     SECCOMP_RET_TRAP with SHIM_TRAP (layout.h): the shim */
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/* seccomp_data.instruction_pointer of calls made there: the address behind the syscall instruction. All share
 * their upper 32 bits. */
struct filter_places {
	uint64_t gate, birth_gate, bell, handler_return;
};

/* *ret is for the caller to free, *ret_n instructions long, at most BPF_MAXINSNS. -EINVAL: the places lie too far
 * apart. -ENOMEM. */
int filter_build(const struct filter_places *places, struct sock_filter **ret, size_t *ret_n);
