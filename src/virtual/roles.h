#pragma once
/* What an argument or a result of a system call is, where it is not just data. One enum for the catalogue's
 * generator (which reads this file), the filter, the shim and the warden; freestanding.
 *
 * Linux knows four roles of the number, and the pid map binds one vpid to one hpid in all of them: for conversion they
 * are alike. They are told apart because what the kernel looks up differs, and so does what the reader must know. */
enum role {
	ROLE_NONE,
	/* Converted by the shim's generic code. In: what is not positive passes as it is (0 is mostly oneself). Out: who
	 * is outside is 0. */
	ROLE_TID,
	ROLE_TGID,
	ROLE_PGID,
	ROLE_SID,
	ROLE_ANY,       /* a tid or a tgid, the kernel asks for a task */
	ROLE_OWNER,     /* > 0: process, < 0: group; fcntl(2), F_SETOWN */
	ROLE_CLOCKID,   /* negative: ~pid << 3 | which, unless (id & 7) == 3: a descriptor; 0 in it: oneself */
	/* The same, where the argument is the address of an int. */
	ROLE_LOAD_PGID, /* the kernel reads it */
	ROLE_LOAD_OWNER,
	ROLE_STORE_PGID, /* the kernel writes it */
	ROLE_STORE_SID,
	ROLE_STORE_OWNER,
	/* For special functions. */
	ROLE_KILL,      /* > 0: process, 0: own group, -1: all, < -1: group; kill(2) */
	ROLE_WAIT,      /* > 0: process, 0: own group, -1: any, < -1: group; wait4(2) */
	ROLE_IDTYPE,    /* P_PID, P_PGID, P_ALL, P_PIDFD: says what ROLE_ID is; waitid(2) */
	ROLE_ID,
	ROLE_DIRFD,     /* of the path that follows it */
	ROLE_PATH,
	ROLE_ATFLAGS,   /* AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, ... */
	ROLE_OPENFLAGS, /* O_NOFOLLOW, ... */
	ROLE_STAT,      /* address of the struct stat that is filled in */
	ROLE_STATX,     /* the same, struct statx */
	/* Results. */
	ROLE_FD,        /* a new descriptor */
	ROLE_CWD,       /* 0: the working directory is another now */
	ROLE_N,
};
