#include "virtual/proc_rules.h"

#include <string.h>

#define R (1u << PROC_AT_ROOT)
#define T (1u << PROC_AT_TASK)
#define H (1u << PROC_AT_THREAD)

/* The names are those of fs/proc/{base,root,…}.c and of whoever calls proc_create(). smaps_rollup counts
 * our mappings in; a sum names no pid. */
static const struct proc_rule rules[] = {
	/* tgid_base_stuff and tid_base_stuff of fs/proc/base.c */
	{"stat",               T | H, PROC_REWRITE,  proc_text_stat},
	{"status",             T | H, PROC_REWRITE,  proc_text_status},
	{"cmdline",            T | H, PROC_PASS},
	{"statm",              T | H, PROC_PASS},
	{"comm",               T | H, PROC_PASS},
	{"exe",                T | H, PROC_MAGIC},
	{"cwd",                T | H, PROC_MAGIC},
	{"root",               T | H, PROC_MAGIC},
	{"fd/*",               T | H, PROC_MAGIC},
	{"fd",                 T | H, PROC_PASS},
	{"fdinfo/*",           T | H, PROC_REWRITE,  proc_text_fdinfo},
	{"fdinfo",             T | H, PROC_PASS},
	{"ns/*",               T | H, PROC_MAGIC},
	{"ns",                 T | H, PROC_PASS},
	{"map_files/*",        T,     PROC_MAGIC},
	{"map_files",          T,     PROC_NAMES},
	{"task",               T,     PROC_NAMES},
	{"maps",               T | H, PROC_REWRITE,  proc_text_maps},
	{"smaps",              T | H, PROC_REWRITE,  proc_text_smaps},
	{"smaps_rollup",       T | H, PROC_PASS},
	{"numa_maps",          T | H, PROC_REWRITE,  proc_text_numa_maps},
	{"children",           H,     PROC_REWRITE,  proc_text_children},
	{"sched",              T | H, PROC_WRITABLE, proc_text_sched},
	{"timers",             T,     PROC_REWRITE,  proc_text_timers},
	{"syscall",            T | H, PROC_REWRITE,  proc_text_syscall},
	{"net/netlink",        T | H, PROC_REWRITE,  proc_text_netlink},
	{"net/ip6_flowlabel",  T | H, PROC_REWRITE,  proc_text_flowlabel},
	{"net/netfilter/nfnetlink_queue", T | H, PROC_REWRITE, proc_text_nfqueue},
	{"net/",               T | H, PROC_PASS},
	{"attr/",              T | H, PROC_PASS},
	{"seccomp_cache",      T | H, PROC_HIDDEN}, /* describes our filter */
	{"arch_status",        T | H, PROC_PASS},
	{"autogroup",          T,     PROC_PASS},
	{"auxv",               T | H, PROC_PASS},
	{"cgroup",             T | H, PROC_PASS},
	{"clear_refs",         T | H, PROC_PASS},
	{"coredump_filter",    T,     PROC_PASS},
	{"cpu_resctrl_groups", T | H, PROC_PASS},
	{"cpuset",             T | H, PROC_PASS},
	{"environ",            T | H, PROC_PASS},
	{"fail-nth",           H,     PROC_PASS},
	{"gid_map",            T | H, PROC_PASS},
	{"io",                 T | H, PROC_PASS},
	{"ksm_merging_pages",  T | H, PROC_PASS},
	{"ksm_stat",           T | H, PROC_PASS},
	{"latency",            T | H, PROC_PASS},
	{"limits",             T | H, PROC_PASS},
	{"loginuid",           T | H, PROC_PASS},
	{"make-it-fail",       T | H, PROC_PASS},
	{"mem",                T | H, PROC_PASS},
	{"mountinfo",          T | H, PROC_PASS},
	{"mounts",             T | H, PROC_PASS},
	{"mountstats",         T,     PROC_PASS},
	{"oom_adj",            T | H, PROC_PASS},
	{"oom_score",          T | H, PROC_PASS},
	{"oom_score_adj",      T | H, PROC_PASS},
	{"pagemap",            T | H, PROC_PASS},
	{"patch_state",        T | H, PROC_PASS},
	{"personality",        T | H, PROC_PASS},
	{"projid_map",         T | H, PROC_PASS},
	{"schedstat",          T | H, PROC_PASS},
	{"sessionid",          T | H, PROC_PASS}, /* of audit, no pid */
	{"setgroups",          T | H, PROC_PASS},
	{"stack",              T | H, PROC_PASS},
	{"stack_depth",        T | H, PROC_PASS},
	{"timens_offsets",     T,     PROC_PASS},
	{"timerslack_ns",      T,     PROC_PASS},
	{"uid_map",            T | H, PROC_PASS},
	{"wchan",              T | H, PROC_PASS},

	/* /proc */
	{"self",               R, PROC_SELF},
	{"thread-self",        R, PROC_SELF},
	{"loadavg",            R, PROC_REWRITE, proc_text_loadavg},
	{"locks",              R, PROC_REWRITE, proc_text_locks},
	{"sysvipc/shm",        R, PROC_REWRITE, proc_text_shm},
	{"sysvipc/msg",        R, PROC_REWRITE, proc_text_msg},
	{"sysvipc/",           R, PROC_PASS},
	{"sys/kernel/pid_max", R, PROC_REWRITE, proc_text_pid_max},
	{"sys/kernel/ns_last_pid", R, PROC_REWRITE, proc_text_last_pid},
	{"sys/kernel/cad_pid", R, PROC_REWRITE, proc_text_nobody},
	{"sys/",               R, PROC_PASS},
	{"fs/cifs/",           R, PROC_HIDDEN}, /* open_files lists host pids */
	{"fs/",                R, PROC_PASS},
	{"asound/",            R, PROC_HIDDEN}, /* owner_pid in many places */
	{"sched_debug",        R, PROC_HIDDEN}, /* every task of the host; before Linux 5.13 */
	{"acpi/",              R, PROC_PASS},
	{"allocinfo",          R, PROC_PASS},
	{"bootconfig",         R, PROC_PASS},
	{"buddyinfo",          R, PROC_PASS},
	{"bus/",               R, PROC_PASS},
	{"cgroups",            R, PROC_PASS},
	{"cmdline",            R, PROC_PASS},
	{"config.gz",          R, PROC_PASS},
	{"consoles",           R, PROC_PASS},
	{"cpuinfo",            R, PROC_PASS},
	{"crypto",             R, PROC_PASS},
	{"device-tree",        R, PROC_PASS},
	{"devices",            R, PROC_PASS},
	{"diskstats",          R, PROC_PASS},
	{"dma",                R, PROC_PASS},
	{"driver/",            R, PROC_PASS},
	{"dynamic_debug/",     R, PROC_PASS},
	{"execdomains",        R, PROC_PASS},
	{"fb",                 R, PROC_PASS},
	{"filesystems",        R, PROC_PASS},
	{"interrupts",         R, PROC_PASS},
	{"iomem",              R, PROC_PASS},
	{"ioports",            R, PROC_PASS},
	{"irq/",               R, PROC_PASS},
	{"kallsyms",           R, PROC_PASS},
	{"kcore",              R, PROC_PASS},
	{"key-users",          R, PROC_PASS},
	{"keys",               R, PROC_PASS},
	{"kmsg",               R, PROC_PASS},
	{"kpagecgroup",        R, PROC_PASS},
	{"kpagecount",         R, PROC_PASS},
	{"kpageflags",         R, PROC_PASS},
	{"latency_stats",      R, PROC_PASS},
	{"lock_stat",          R, PROC_PASS},
	{"lockdep",            R, PROC_PASS},
	{"lockdep_chains",     R, PROC_PASS},
	{"lockdep_stats",      R, PROC_PASS},
	{"mdstat",             R, PROC_PASS},
	{"meminfo",            R, PROC_PASS},
	{"misc",               R, PROC_PASS},
	{"modules",            R, PROC_PASS},
	{"mounts",             R, PROC_PASS}, /* self/mounts */
	{"mtd",                R, PROC_PASS},
	{"mtrr",               R, PROC_PASS},
	{"net",                R, PROC_PASS}, /* self/net */
	{"pagetypeinfo",       R, PROC_PASS},
	{"partitions",         R, PROC_PASS},
	{"pressure/",          R, PROC_PASS},
	{"schedstat",          R, PROC_PASS},
	{"scsi/",              R, PROC_PASS},
	{"slabinfo",           R, PROC_PASS},
	{"softirqs",           R, PROC_PASS},
	{"stat",               R, PROC_PASS},
	{"swaps",              R, PROC_PASS},
	{"sysrq-trigger",      R, PROC_PASS},
	{"timer_list",         R, PROC_PASS},
	{"tty/",               R, PROC_PASS},
	{"uptime",             R, PROC_PASS},
	{"version",            R, PROC_PASS},
	{"version_signature",  R, PROC_PASS},
	{"vmallocinfo",        R, PROC_PASS},
	{"vmstat",             R, PROC_PASS},
	{"xen/",               R, PROC_PASS},
	{"zoneinfo",           R, PROC_PASS},
};

#undef R
#undef T
#undef H

static bool matches(const char *pattern, const char *name)
{
	for (;;) {
		size_t n = strcspn(name, "/");

		if (pattern[0] == '*') {
			pattern++;
		} else {
			if (strncmp(pattern, name, n) != 0)
				return false;
			pattern += n;
		}
		name += n;
		if (pattern[0] == '/' && !pattern[1])
			return true;
		if (*pattern != *name)
			return false;
		if (!*name)
			return true;
		pattern++;
		name++;
	}
}

const struct proc_rule *proc_rule_find(enum proc_level owner, const char *name)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].owners & 1u << owner && matches(rules[i].name, name))
			return &rules[i];
	return NULL;
}

const struct proc_rule *proc_rule_cgroup(const char *last)
{
	static const struct proc_rule lists = {"", 0, PROC_REWRITE, proc_text_pid_list};

	if (!strcmp(last, "cgroup.procs") || !strcmp(last, "cgroup.threads") || !strcmp(last, "tasks"))
		return &lists;
	return NULL;
}

pid_t proc_guest_number(const struct pid_view *pids, long host)
{
	struct vpid g;

	if (host <= 0)
		return (pid_t)host;
	return pids->to_guest(pids->arg, hpid_of((pid_t)host), &g) < 0 ? 0 : g.n;
}
