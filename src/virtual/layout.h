#pragma once
/* What the shim (inside every process of a container with virtual pids) and the warden (outside) agree on:
 * where things lie in memory, and how one asks the other. Freestanding: nothing but fixed-width types.
 *
 * One memfd holds it all (place.h). In every process of the container it is mapped at the same address, because the
 * seccomp filter tells the shim's own system calls by their instruction pointer and outlives exec.
 *
 *   SHIM_TEXT     code and constants, MAP_PRIVATE, read and execute
 *   SHIM_PRIVATE  one page of the process's own (not in the memfd)
 *   SHIM_COMMON   struct shim_common, MAP_SHARED
 *   SHIM_MAP      the pid map (ids/pid_map.h), MAP_SHARED */
#define PID_MAP_ONLY PID_MAP_DIRECT
#include "ids/pid_map.h"

/* Where nobody is: below the programs that the kernel places (2/3 of the address space and up), and in what
 * ThreadSanitizer, AddressSanitizer and MemorySanitizer leave to the program. */
#define SHIM_BASE UINT64_C(0x551000000000)
#define SHIM_TEXT SHIM_BASE
#define SHIM_TEXT_SIZE UINT64_C(0x40000)
#define SHIM_PRIVATE (SHIM_TEXT + SHIM_TEXT_SIZE)
#define SHIM_PRIVATE_SIZE UINT64_C(0x1000)
#define SHIM_COMMON (SHIM_BASE + UINT64_C(0x100000))
#define SHIM_COMMON_SIZE UINT64_C(0x100000)
#define SHIM_MAP (SHIM_BASE + UINT64_C(0x200000))
#define SHIM_MAP_SIZE PID_MAP_DIRECT_SIZE
#define SHIM_END (SHIM_MAP + SHIM_MAP_SIZE)

/* Offsets in the memfd, which begins as a pid map (ids/pid_map_file.h). */
#define SHIM_TEXT_AT UINT64_C(0x8000000)
#define SHIM_COMMON_AT (SHIM_TEXT_AT + SHIM_TEXT_SIZE)
#define SHIM_FILE_SIZE (SHIM_COMMON_AT + SHIM_COMMON_SIZE)

/* The entry points, in this order at the start of the text (shim/entry.S). */
#define SHIM_ENTRY_SIGSYS (SHIM_TEXT + 0x00)  /* handler of SIGSYS */
#define SHIM_ENTRY_BOOT (SHIM_TEXT + 0x10)    /* after an exec: rsp is the address of struct shim_image, r8 the memfd */
#define SHIM_ENTRY_RESTORER (SHIM_TEXT + 0x20) /* where the guest's handlers return to */
#define SHIM_ENTRY_HANDLER (SHIM_TEXT + 0x30) /* stands for the guest's handlers, see shim/actions.c */
#define SHIM_ENTRY_OWN_RESTORER (SHIM_TEXT + 0x39) /* where the handler of SIGSYS returns to */
#define SHIM_ENTRY_ENTER (SHIM_TEXT + 0x70)   /* void (long memfd): the same as boot, called */
#define SHIM_ENTRY_CALL (SHIM_TEXT + 0x80)    /* long (nr, six arguments): a call that is not translated */

/* Where seccomp sees the shim's calls come from: seccomp_data.instruction_pointer is the address after the
 * syscall instruction. Everything from the first two is allowed; the bell rings at the warden. */
#define SHIM_GATE (SHIM_TEXT + 0x42)
#define SHIM_GATE_BIRTH (SHIM_TEXT + 0x52)
#define SHIM_BELL (SHIM_TEXT + 0x62)
/* From here rt_sigreturn(2) is refused without a trap: the shim looks at the frame first. */
#define SHIM_RETURN (SHIM_TEXT + 0x29)

/* A new image rings before the shim is there, from its first instructions (warden_exec.c): by a getpid(2) with what the mmap(2)
 * of the text, which comes next, has as its address, length and offset. */
#define SHIM_RING(args) ((args)[0] == SHIM_TEXT && (args)[1] == SHIM_TEXT_SIZE && (args)[5] == SHIM_TEXT_AT)

/* What the filter's traps carry (si_errno of SIGSYS): a trap with another number is the guest's own filter's. */
#define SHIM_TRAP 0x5053

/* How far the birth of a task has got is in a slot: the trampoline that makes the call must not use the stack,
 * which parent and child may share (vfork(2)). Free while none of BIRTH_PARENT and BIRTH_CHILD is set. */
struct shim_birth {
	uint32_t users;      /* those that have not passed yet, and who took it: the parent's tid, host, from bit 2 on */
	int32_t vpid;        /* the child's */
	uint64_t rip, r9;    /* the guest's, to go on with */
	uint64_t rdi, rsi, rdx; /* the same, where the call was made with others */
	uint64_t child_tid;  /* CLONE_CHILD_SETTID: where to, 0: nowhere */
	uint32_t from_init;  /* the parent is vpid 1 */
	uint32_t thread;     /* CLONE_THREAD */
	int32_t owner;       /* the parent's tid as the host calls it */
	uint32_t bound;      /* the child has entered its number */
	uint32_t flags;      /* of the parent's entry, which a child inherits */
	int32_t child;       /* the child's tid, host; 0: there is none yet, BIRTH_UNTOLD: that is not known */
	uint64_t args[11];   /* struct clone_args of clone3(2), ours */
	uint64_t mask;       /* of init, which is blocked until its child ignores no more than it should */
	uint64_t defaults;   /* shim_common.init_default of that moment */
	uint32_t lends;      /* the parent sleeps while its child uses its memory, with actions of its own */
	uint64_t sigsys[4];  /* the parent's action of SIGSYS then, which is noted in that memory */
};
#define BIRTH_PARENT 1u
#define BIRTH_CHILD 2u
#define BIRTH_OWNER_SHIFT 2
#define BIRTH_UNTOLD (-1)
#define SHIM_BIRTHS 2048

/* Flags of a task's entry in the pid map. */
#define TASK_THREAD PID_MAP_FLAG_USER               /* not a leader */
#define TASK_NO_NEW_PRIVS (PID_MAP_FLAG_USER << 1)  /* the guest asked for it */
#define TASK_FILTERED (PID_MAP_FLAG_USER << 2)      /* it has a seccomp filter of its own */
#define TASK_IN_PROC (PID_MAP_FLAG_USER << 3)       /* the process may have descriptors or its directory in /proc */
#define TASK_LEADS_SESSION (PID_MAP_FLAG_USER << 4) /* its number may outlive it as a session's */
#define TASK_UNDUMPABLE (PID_MAP_FLAG_USER << 5)    /* believes that it is */
#define TASK_RECORDS (PID_MAP_FLAG_USER << 6)       /* its reads are trapped, see shim/records.c */

/* Lies on the stack of a new image when the shim enters it (warden_exec.c): how to begin the program, and what the first
 * instructions were. */
#define SHIM_ENTRY_BYTES 16
struct shim_image {
	uint64_t rip, rsp;
	uint64_t at;      /* where the instructions are */
	uint64_t mask;    /* blocked signals, if masked */
	uint32_t masked, ignores_sigsys;
	int32_t host, vpid;
	uint32_t in_proc; /* TASK_IN_PROC */
	uint32_t lent;    /* the memfd's number is that of a file of the program's, which the warden keeps: ASK_RETURN */
	uint32_t n;       /* bytes of instructions */
	uint8_t was[SHIM_ENTRY_BYTES];
};

/* Numbers through this, newer than the catalogue, trap so that the first of each in a container can be told. */
#define SHIM_UNKNOWN_LAST 1023

/* A task that holds a robust mutex for which others wait (shim/robust.c). They sleep on `deaths` as well, which the warden
 * counts up and wakes when the task has ended, or when the place is needed for another. */
struct shim_watch {
	int32_t host;        /* 0: nobody */
	uint32_t deaths;     /* a futex */
};
#define SHIM_WATCHES 256

struct shim_common {
	uint32_t version;
	int32_t init_host;       /* host pid of vpid 1 */
	int32_t warden_host;
	int32_t init_status;     /* wait status of init once `ended` */
	uint32_t ended;
	uint32_t scoped;         /* Landlock keeps signals inside: kill(h, 0) tells whether h is */
	uint32_t init_subreaper; /* what init believes of PR_GET_CHILD_SUBREAPER */
	uint32_t caught;         /* how often Landlock kept a number of ours that had become a stranger's */
	uint64_t init_default;   /* signals that init ignores for real only because their default would end it */
	uint64_t proc_dev;       /* st_dev of the real /proc */
	uint64_t unknown[(SHIM_UNKNOWN_LAST + 1) / 64]; /* bits of numbers that have been told */
	uint64_t shadow_dev;     /* of the directories that stand in for some of it */
	struct shim_birth births[SHIM_BIRTHS];
	struct shim_watch watches[SHIM_WATCHES];
};
_Static_assert(sizeof(struct shim_common) <= SHIM_COMMON_SIZE, "struct shim_common has outgrown its place");

/* --- asking the warden --- */

enum shim_ask {
	ASK_EXEC = 1,      /* may execute now: the warden follows. arg[0]: enum shim_exec; arg[1]: the signal mask that the new
			    * image is to have. ret: the memfd, or EXEC_NO_FD: it comes later. -EAGAIN: another thread of the
			    * process executes, ask again; -EACCES: the warden may not read the program either */
	ASK_EXEC_FAILED,   /* it did not come to it */
	ASK_RETURN,        /* a new image has no more use for the memfd: give back what was lent */
	ASK_PATH,          /* what does the path of this call name? */
	ASK_PLACE,         /* what is the working directory called, which lies in /proc? Goes to text; ret: its length with
			    * the NUL, -ERANGE, -EFAULT */
	ASK_SWEEP,         /* the numbers begin anew: free what is left of the dead */
	ASK_ALIVE,         /* is host task arg[0] one of the container's? ret: 1, 0 */
	ASK_WATCH,         /* tell when host task arg[0] ends. ret: which of shim_common.watches it is now, -ESRCH: it has ended */
	ASK_UNKNOWN,       /* call nr is newer than the catalogue: say so in the log */
	ASK_CALL,          /* a row with policy `warden`: arg[] as they are */
};

enum shim_exec {
	EXEC_UNREADABLE = 1, /* it may not read the program */
	EXEC_ALONE = 2,      /* nobody but the caller sees its descriptors, and all signals are blocked: it can have the memfd
			      * already */
	EXEC_IGNORES_SIGSYS = 4, /* for all that the guest knows; the kernel's action is the shim's */
};
#define EXEC_NO_FD 0x7fffffff

enum shim_answer {
	ANSWER_DONE,       /* ret is the call's result (a descriptor is in the caller's table already) */
	ANSWER_NATIVE,     /* make the call as it is */
	ANSWER_LONGER,     /* ask again with ret bytes for the text */
	ANSWER_RENAMED,    /* make the call with the path in text instead, dirfd AT_FDCWD */
};

/* The longest path there is, PATH_MAX, and what is tried first: few are longer, and the guest's stack may be small. */
#define SHIM_TEXT_MAX 4096
#define SHIM_TEXT_SHORT 256

/* A question lies in the guest's memory, where the warden reads and writes it while its maker waits (shim_bell()); or it consists
 * of ask, tgid, arg[0] and arg[1] alone, and its answer of ret (shim_ring()): then these are the call's arguments from the second
 * on, the first is 0. */
struct shim_request {
	uint32_t ask, answer;
	int32_t nr;        /* of the call */
	int32_t tgid;      /* the caller's, as the host calls it */
	uint32_t path_arg, dirfd_arg; /* which arguments these are; 6: there is none */
	int64_t ret;
	uint64_t arg[6];
	uint64_t text;     /* address of room for a renamed path; 0: none */
	uint64_t room;     /* bytes there */
};
