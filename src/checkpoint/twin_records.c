#include "checkpoint/twin_records.h"

#include <errno.h>
#include <string.h>

#include "base/parallel.h"
#include "kernel/bpf_walk.h"
#include "kernel/btf.h"

/* The structures that are read, each found through a pointer in one above it. */
enum base { TASK, PID, NUMBER, PIDNS, CRED, GROUPS, SIGNAL, SIGHAND, MM, FS, FILES, FDT, FD_ARRAY, FD_CLOEXEC, FD_OPEN, VMA, FILE_, INODE, BASES };

static const struct {
	const char *name; /* of the structure; NULL: plain words */
	enum base of;
	const char *pointer;
} bases[BASES] = {
	[TASK] = {"task_struct", TASK, NULL},
	[PID] = {"pid", TASK, "thread_pid"},
	[NUMBER] = {"upid", PID, NULL}, /* the last of an array */
	[PIDNS] = {"pid_namespace", NUMBER, "ns"},
	[CRED] = {"cred", TASK, "real_cred"},
	[GROUPS] = {"group_info", CRED, "group_info"},
	[SIGNAL] = {"signal_struct", TASK, "signal"},
	[SIGHAND] = {"sighand_struct", TASK, "sighand"},
	[MM] = {"mm_struct", TASK, "mm"},
	[FS] = {"fs_struct", TASK, "fs"},
	[FILES] = {"files_struct", TASK, "files"},
	[FDT] = {"fdtable", FILES, "fdt"},
	[FD_ARRAY] = {NULL, FDT, "fd"},
	[FD_CLOEXEC] = {NULL, FDT, "close_on_exec"},
	[FD_OPEN] = {NULL, FDT, "open_fds"},
	[VMA] = {"vm_area_struct", VMA, NULL},
	[FILE_] = {"file", FILE_, NULL},
	[INODE] = {"inode", FILE_, "f_inode"},
};

/* What is copied. words: 8-byte words at the base itself, or of a member that does not say how many it has. */
struct row {
	uint8_t part, of;
	const char *member;
	uint8_t words;
	bool optional; /* there are kernels without it, where it means nothing */
};

#define GROUPS_MAX 64
#define TABLE_MAX 2048 /* of a table in which none of the higher numbers is used */

static const struct row rows[] = {
	{TWIN_QUIET, TASK, "pending.signal", 0, false},
	{TWIN_QUIET, SIGNAL, "shared_pending.signal", 0, false},
	{TWIN_QUIET, SIGNAL, "real_timer.state", 0, false},
	{TWIN_QUIET, SIGNAL, "it_real_incr", 0, false},
	{TWIN_QUIET, SIGNAL, "it", 0, false},
	{TWIN_QUIET, SIGNAL, "posix_timers", 0, false},

	{TWIN_PROCESS, TASK, "nsproxy", 0, false},
	{TWIN_PROCESS, TASK, "personality", 0, false},
	{TWIN_PROCESS, TASK, "clear_child_tid", 0, false},
	{TWIN_PROCESS, TASK, "pdeath_signal", 0, false},
	{TWIN_PROCESS, TASK, "timer_slack_ns", 0, false},
	{TWIN_PROCESS, TASK, "policy", 0, false},
	{TWIN_PROCESS, TASK, "atomic_flags", 0, false},
	{TWIN_PROCESS, TASK, "sas_ss_sp", 0, false},
	{TWIN_PROCESS, TASK, "sas_ss_size", 0, false},
	{TWIN_PROCESS, TASK, "sas_ss_flags", 0, false},
	{TWIN_PROCESS, TASK, "seccomp", 0, true},
	{TWIN_PROCESS, CRED, "uid", 0, false},
	{TWIN_PROCESS, CRED, "gid", 0, false},
	{TWIN_PROCESS, CRED, "suid", 0, false},
	{TWIN_PROCESS, CRED, "sgid", 0, false},
	{TWIN_PROCESS, CRED, "euid", 0, false},
	{TWIN_PROCESS, CRED, "egid", 0, false},
	{TWIN_PROCESS, CRED, "fsuid", 0, false},
	{TWIN_PROCESS, CRED, "fsgid", 0, false},
	{TWIN_PROCESS, CRED, "securebits", 0, false},
	{TWIN_PROCESS, CRED, "cap_inheritable", 0, false},
	{TWIN_PROCESS, CRED, "cap_permitted", 0, false},
	{TWIN_PROCESS, CRED, "cap_effective", 0, false},
	{TWIN_PROCESS, CRED, "cap_bset", 0, false},
	{TWIN_PROCESS, CRED, "cap_ambient", 0, false},
	{TWIN_PROCESS, CRED, "user_ns", 0, false},
	{TWIN_PROCESS, GROUPS, "ngroups", 0, false}, /* in front of: */
	{TWIN_PROCESS, GROUPS, "gid", GROUPS_MAX / 2, false},
	{TWIN_PROCESS, SIGNAL, "rlim", 0, false},
	{TWIN_PROCESS, SIGNAL, "is_child_subreaper", 0, false},
	{TWIN_PROCESS, SIGNAL, "oom_score_adj", 0, false},
	{TWIN_PROCESS, SIGHAND, "action", 0, false},
	{TWIN_PROCESS, MM, "flags", 0, false},
	{TWIN_PROCESS, MM, "brk", 0, false},
	{TWIN_PROCESS, MM, "saved_auxv", 0, false},
	{TWIN_PROCESS, MM, "exe_file", 0, false},
	{TWIN_PROCESS, FS, "umask", 0, false},
	{TWIN_PROCESS, FS, "root", 0, false},
	{TWIN_PROCESS, FS, "pwd", 0, false},

	{TWIN_HEAD, MM, "start_brk", 0, false},
	{TWIN_HEAD, MM, "brk", 0, false},
	{TWIN_HEAD, MM, "start_stack", 0, false},

	{TWIN_FDS, FD_CLOEXEC, NULL, 1, false}, /* first */
	{TWIN_FDS, FD_OPEN, NULL, TABLE_MAX / 64, false},
	{TWIN_FDS, FD_ARRAY, NULL, TWIN_FDS_MAX, false}, /* last */
};

static const char *const mapping_rows[] = {"vm_start", "vm_end", "vm_flags", "vm_pgoff", "vm_file", "vm_ops",
					   "vm_private_data"};

enum { ITER_TASK, ITER_VMA, ITERS };
static const char *const iterators[ITERS] = {"bpf_iter_task", "bpf_iter_task_vma"};

/* The layout of a record of a process: pointers, what tells whose it is, then the parts, a row after the other. */
#define AT_POINTER(base) (8u * (base))
#define AT_TGID (8u * BASES)
#define AT_PID (AT_TGID + 8)
#define AT_LEVEL (AT_TGID + 16)
#define AT_VPID (AT_TGID + 24)
#define AT_PIDNS (AT_TGID + 32)
#define AT_MAX_FDS (AT_TGID + 40)
#define AT_PARTS (AT_TGID + 48)

struct reading {
	struct btf btf;
	uint32_t base[BASES], iter[ITERS];
	uint32_t pidns;
	uint32_t at[TWIN_PARTS + 1]; /* of each part, and the end */
	const struct twin_calls *calls;
	int error[ITERS];
};

static int field(const struct reading *g, enum base of, const char *member, struct btf_field *ret)
{
	return btf_field(&g->btf, g->base[of], member, ret);
}

/* Makes BPF_BASE point to a structure, and keeps where it is in the record. */
static int go_to(const struct reading *g, struct bpf_program *p, enum base to)
{
	struct btf_field f;
	enum base of = bases[to].of;
	int r = field(g, of, bases[to].pointer, &f);

	if (r < 0)
		return r;
	if (of != TASK)
		bpf_follow(p, AT_POINTER(of));
	bpf_copy(p, AT_POINTER(to), of == TASK ? BPF_OBJECT : BPF_BASE, f.at, 8);
	bpf_follow(p, AT_POINTER(to));
	return 0;
}

static int copy_member(const struct reading *g, struct bpf_program *p, unsigned to, enum base of, const char *member)
{
	struct btf_field f;
	int r = field(g, of, member, &f);

	if (r == 0)
		bpf_copy(p, to, of == TASK ? BPF_OBJECT : BPF_BASE, f.at, f.size);
	return r;
}

static int copy_groups(const struct reading *g, struct bpf_program *p, unsigned to, unsigned count)
{
	struct btf_field f;
	int r = field(g, GROUPS, "gid", &f);

	if (r == 0)
		bpf_copy_counted(p, to, BPF_BASE, f.at, count, 0, GROUPS_MAX);
	return r;
}

#define UPID_SHIFT 4 /* 16 bytes each: include/linux/pid.h struct upid */

/* A task has a number in each PID namespace that it is seen in; the last is that of the one it lives in. */
static int find_number(const struct reading *g, struct bpf_program *p)
{
	struct btf_field nr, ns, numbers;
	int r = go_to(g, p, PID);

	if (r == 0)
		r = copy_member(g, p, AT_LEVEL, PID, "level");
	if (r < 0 || (r = field(g, PID, "numbers", &numbers)) < 0 || (r = field(g, NUMBER, "nr", &nr)) < 0 ||
	    (r = field(g, NUMBER, "ns", &ns)) < 0)
		return r;
	if (nr.size != 4 || ns.at + ns.size != 1u << UPID_SHIFT)
		return -EBADMSG;
	bpf_index(p, AT_LEVEL, UPID_SHIFT);
	bpf_copy(p, AT_VPID, BPF_BASE, numbers.at + nr.at, nr.size);
	bpf_copy(p, AT_POINTER(PIDNS), BPF_BASE, numbers.at + ns.at, ns.size);
	bpf_follow(p, AT_POINTER(PIDNS));
	return 0;
}

/* Goes on with leaders of the container's processes only. */
static int choose(const struct reading *g, struct bpf_program *p)
{
	int r;

	if ((r = copy_member(g, p, AT_TGID, TASK, "tgid")) < 0 || (r = copy_member(g, p, AT_PID, TASK, "pid")) < 0)
		return r;
	bpf_leave_unless_same(p, AT_TGID, AT_PID);
	if ((r = find_number(g, p)) < 0 || (r = copy_member(g, p, AT_PIDNS, PIDNS, "ns.inum")) < 0)
		return r;
	bpf_leave_unless(p, AT_PIDNS, g->pidns);
	return 0;
}

static uint32_t up_to_8(uint32_t n)
{
	return (n + 7) & ~7u;
}

/* Where each row lies; at[i] of those that this kernel has not is 0. */
static int lay_out(struct reading *g, uint32_t *at, uint32_t *ret_end)
{
	uint32_t end = AT_PARTS;
	int part = -1;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct btf_field f = {};
		int r = rows[i].member ? field(g, rows[i].of, rows[i].member, &f) : 0;
		f.size = rows[i].words ? 8u * rows[i].words : f.size;
		while (part < rows[i].part)
			g->at[++part] = end;
		at[i] = 0;
		if (r < 0 && rows[i].optional)
			continue;
		if (r < 0 || !f.size)
			return r < 0 ? r : -EBADMSG;
		at[i] = end;
		end += up_to_8(f.size);
	}
	g->at[TWIN_LOCKS] = end;
	g->at[TWIN_PARTS] = *ret_end = end + 8;
	return *ret_end + 16 > BPF_BUFFER ? -E2BIG : 0;
}

/* Have the files at these words had locks? Those show in fdinfo of whoever holds them. */
static int look_for_locks(const struct reading *g, struct bpf_program *p, uint32_t array, uint32_t locks, uint32_t room)
{
	struct btf_field inode, context;
	int r;

	if ((r = field(g, FILE_, "f_inode", &inode)) < 0 || (r = field(g, INODE, "i_flctx", &context)) < 0)
		return r;
	bpf_clear(p, locks);
	for (unsigned i = 0; i < TWIN_FDS_MAX; i++) {
		size_t none = bpf_skip_if_zero(p, array + 8 * i);
		bpf_follow(p, array + 8 * i);
		bpf_copy(p, room, BPF_BASE, inode.at, 8);
		bpf_follow(p, room);
		bpf_copy(p, room, BPF_BASE, context.at, 8);
		bpf_or(p, locks, room);
		bpf_land(p, none);
	}
	return 0;
}

static int process_program(struct reading *g, struct bpf_program *p, uint32_t *ret_size)
{
	uint32_t at[sizeof rows / sizeof *rows];
	int r = lay_out(g, at, ret_size);

	bpf_take_context(p, BPF_OBJECT, 8);
	if (r == 0)
		r = choose(g, p);
	for (enum base b = TASK; b < VMA && r == 0; b++) {
		if (b > PIDNS)
			r = go_to(g, p, b);
		if (b == FDT && r == 0)
			r = copy_member(g, p, AT_MAX_FDS, FDT, "max_fds");
		for (size_t i = 0; i < sizeof rows / sizeof *rows && r == 0; i++) {
			if (rows[i].of != b || !at[i])
				continue;
			if (rows[i].member && rows[i].words)
				r = copy_groups(g, p, at[i], at[i - 1]);
			else if (b == FD_OPEN)
				bpf_copy_counted(p, at[i], BPF_BASE, 0, AT_MAX_FDS, 5, TABLE_MAX / 32);
			else if (rows[i].member)
				r = copy_member(g, p, at[i], b, rows[i].member);
			else
				bpf_copy(p, at[i], BPF_BASE, 0, 8u * rows[i].words);
		}
	}
	if (r == 0)
		r = look_for_locks(g, p, g->at[TWIN_LOCKS] - 8 * TWIN_FDS_MAX, g->at[TWIN_LOCKS], *ret_size);
	bpf_program_end(p, *ret_size);
	return r;
}

/* The bit of a descriptor that is closed says nothing. */
static void take_table(struct twin_record *t, uint8_t *table)
{
	uint64_t open[TABLE_MAX / 64];

	memcpy(&t->cloexec, table, 8);
	memcpy(open, table + 8, sizeof open);
	t->cloexec &= open[0];
	memcpy(table, &t->cloexec, 8);
	t->fits_fds = true;
	for (size_t i = 1; i < TABLE_MAX / 64; i++)
		t->fits_fds &= !open[i];
}

static int give_process(void *arg, uint8_t *bytes)
{
	const struct reading *g = arg;
	struct twin_record t = {};

	memcpy(&t.pid, bytes + AT_VPID, sizeof t.pid);
	memcpy(&t.mm, bytes + AT_POINTER(MM), 8);
	memcpy(&t.files, bytes + AT_POINTER(FILES), 8);
	memcpy(&t.fs, bytes + AT_POINTER(FS), 8);
	memcpy(&t.sighand, bytes + AT_POINTER(SIGHAND), 8);
	take_table(&t, bytes + g->at[TWIN_FDS]);
	for (int i = 0; i < TWIN_PARTS; i++) {
		t.part[i] = bytes + g->at[i];
		t.len[i] = g->at[i + 1] - g->at[i];
	}
	return g->calls->process(g->calls->arg, &t);
}

static int walk_processes(struct reading *g)
{
	struct bpf_program p;
	uint32_t size = 0;
	int r = bpf_program_begin(&p);

	if (r == 0)
		r = process_program(g, &p, &size);
	if (r == 0)
		r = bpf_walk(&p, g->iter[ITER_TASK], size, give_process, g);
	bpf_program_done(&p);
	return r;
}

struct mapping_walk {
	struct reading *g;
	uint32_t size;
};

/* Names of anonymous mappings: where the kernel has them they must be found. */
static int copy_mapping(const struct reading *g, struct bpf_program *p, uint32_t *ret_end)
{
	static const char *const names[] = {"anon_vma_name_alloc", "anon_vma_name_free"};
	uint32_t end = AT_PARTS, has_names[2];
	struct btf_field f;

	for (size_t i = 0; i < sizeof mapping_rows / sizeof *mapping_rows; i++, end += 8) {
		int r = field(g, VMA, mapping_rows[i], &f);
		if (r < 0 || f.size > 8)
			return r < 0 ? r : -E2BIG;
		bpf_copy(p, end, BPF_BASE, f.at, f.size);
	}
	/* Flags beyond the 64 of vm_flags would be missed. */
	if (field(g, VMA, "flags", &f) == 0 && f.size > 8)
		return -E2BIG;
	btf_functions(&g->btf, names, 2, has_names);
	if (field(g, VMA, "anon_name", &f) == 0) {
		bpf_copy(p, end, BPF_BASE, f.at, 8);
		end += 8;
	} else if (has_names[0] || has_names[1]) {
		return -ENOENT;
	}
	*ret_end = end;
	return 0;
}

static int give_mapping(void *arg, uint8_t *bytes)
{
	const struct mapping_walk *w = arg;
	struct twin_mapping m = {.bytes = bytes + AT_PARTS, .len = w->size - AT_PARTS};

	memcpy(&m.pid, bytes + AT_VPID, sizeof m.pid);
	return w->g->calls->mapping(w->g->calls->arg, &m);
}

static int walk_mappings(struct reading *g)
{
	struct mapping_walk w = {g, 0};
	struct bpf_program p;
	int r = bpf_program_begin(&p);

	if (r < 0)
		return r;
	bpf_take_context(&p, BPF_OBJECT, 8);
	bpf_take_context(&p, BPF_BASE, 16);
	r = choose(g, &p);
	bpf_take_context(&p, BPF_BASE, 16);
	if (r == 0)
		r = copy_mapping(g, &p, &w.size);
	bpf_program_end(&p, w.size);
	if (r == 0)
		r = bpf_walk(&p, g->iter[ITER_VMA], w.size, give_mapping, &w);
	bpf_program_done(&p);
	return r;
}

static void walk(void *arg, size_t i, unsigned worker)
{
	struct reading *g = arg;

	g->error[i] = i == ITER_TASK ? walk_processes(g) : walk_mappings(g);
}

int twin_records_read(ino_t pidns, const struct twin_calls *calls)
{
	struct reading g = {.pidns = (uint32_t)pidns, .calls = calls};
	const char *names[BASES];
	int r = btf_open(&g.btf);

	if (r < 0)
		return r;
	for (int i = 0; i < BASES; i++)
		names[i] = bases[i].name ? bases[i].name : "";
	btf_structs(&g.btf, names, BASES, g.base);
	btf_functions(&g.btf, iterators, ITERS, g.iter);
	if (!g.iter[ITER_TASK] || !g.iter[ITER_VMA])
		r = -ENOENT;
	if (r == 0)
		parallel_for(ITERS, 1, walk, &g);
	for (int i = 0; i < ITERS && r == 0; i++)
		r = g.error[i];
	btf_close(&g.btf);
	return r;
}
