#pragma once
/* PID spaces: a container whose pids live in a kernel PID namespace of its own.
 *
 * `struct space` is how everything above reaches such a container: by descriptors that stay valid
 * whatever happens to numbers. Reading goes through proc_fd, a procfs instance of the container's
 * own PID namespace that no process inside can cover: every number read there is already a vpid.
 *
 * Two ways to get one: space_spawn() makes the namespaces and the first process;
 * space_adopt() finds an existing container again from its init (a new monitor after the old died).
 */
#include "ids/task_ref.h"

struct space {
	struct task_ref init; /* vpid 1 */
	int proc_fd;          /* root of a procfs of this PID namespace; O_PATH or a directory fd */
	int pidns_fd;         /* nsfs descriptors, for translation and setns(2) */
	int userns_fd;        /* -1: the container shares our user namespace */
	uint64_t pidns_ino;   /* identity of the PID namespace */
};

struct space_options {
	bool new_user;        /* through a user namespace (an ordinary user) */
	bool map_root;        /* the caller is uid 0 and gid 0 inside */
	const char *rootfs;   /* NULL: the host's file tree */
	const char *hostname; /* NULL: keep the host's */
	pid_t pid_max;        /* 0: the kernel's default */
	bool set_clocks;      /* the next two hold: what CLOCK_MONOTONIC and BOOTTIME shall read inside now */
	int64_t monotonic_ns, boottime_ns;
};

/* Makes PID, mount (fresh /proc, devpts, /dev/shm), IPC, UTS and time namespaces (and a user
 * namespace where asked) and the first process in them, a child of the calling process with exit
 * signal SIGCHLD. Once the namespaces are complete that process runs first(arg), which execs or
 * never returns; failures before it come back here as one error and leave nothing behind. Only
 * what first() inherits: all descriptors of the caller (O_CLOEXEC ones close at its exec). */
int space_spawn(struct space *ret, const struct space_options *o, int (*first)(void *arg),
		void *arg, struct pidspace_error *err);

/* Reaches a running container again through its init. -ESRCH when init is gone. */
int space_adopt(struct space *ret, struct hpid init, struct pidspace_error *err);

/* The same without proc_fd (-1), for translation and signals only: no process is started. */
int space_attach(struct space *ret, struct hpid init, struct pidspace_error *err);

void space_done(struct space *s);

/* Translation by the kernel (ioctl_nsfs(2), Linux 6.11; before that by NSpid in the host's /proc).
 * Threads too (tid role). -ESRCH: no such task inside. */
int space_to_host(const struct space *s, struct vpid pid, struct hpid *ret);
int space_to_guest(const struct space *s, struct hpid pid, struct vpid *ret);

/* A weak reference to process pid (tgid role) of the container, checked after opening: what comes
 * back is inside this PID namespace and bears this number, or -ESRCH. */
int space_ref(const struct space *s, struct vpid pid, struct task_ref *ret);

/* The spawner transition for a further process: enters all namespaces of the container, forks there,
 * and runs first(arg) in the new process, which execs. *ret refers to it; it is the caller's child. */
int space_enter(const struct space *s, int (*first)(void *arg), void *arg, struct task_ref *ret,
		struct pidspace_error *err);
