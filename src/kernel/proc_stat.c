#include "kernel/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

/* Fields of stat, numbered as proc(5) does; 52 since Linux 3.5. */
#define N_FIELDS 52

/* One decimal number at *p, a sign allowed; negative ones come back in two's complement. */
static int parse_decimal(const char **p, uint64_t *ret)
{
	const char *s = *p;
	bool minus = *s == '-';
	uint64_t n = 0;

	if (minus)
		s++;
	if (*s < '0' || *s > '9')
		return -EBADMSG;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
			return -EBADMSG;
	if (minus && n > (uint64_t)INT64_MAX)
		return -EBADMSG;
	*ret = minus ? -n : n;
	*p = s;
	return 0;
}

static bool fits_int(uint64_t n)
{
	return (int64_t)n >= INT_MIN && (int64_t)n <= INT_MAX;
}

/* comm is whatever the program called itself, parentheses, blanks and newlines included, and is
 * not escaped here (proc_task_name() with escape false). Behind it come numbers only, so the last
 * parenthesis of the file is the one that ends it. */
static const char *parse_comm(const char *text, struct proc_stat *s)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	size_t n;

	if (!open || !close || close < open)
		return NULL;
	n = (size_t)(close - open - 1);
	if (n >= sizeof s->comm)
		return NULL;
	memcpy(s->comm, open + 1, n);
	s->comm[n] = 0;
	return close + 1;
}

static void assign(struct proc_stat *s, const uint64_t *v)
{
	s->pid = (pid_t)v[1];
	s->ppid = (pid_t)v[4];
	s->pgid = (pid_t)v[5];
	s->sid = (pid_t)v[6];
	s->tty_nr = (int)v[7];
	s->tpgid = (pid_t)v[8];
	s->flags = v[9];
	s->min_flt = v[10];
	s->maj_flt = v[12];
	s->utime_ticks = v[14];
	s->stime_ticks = v[15];
	s->cutime_ticks = (int64_t)v[16];
	s->cstime_ticks = (int64_t)v[17];
	s->priority = (long)v[18];
	s->nice = (long)v[19];
	s->threads = (long)v[20];
	s->start_ticks = v[22];
	s->vsize = v[23];
	s->rss_pages = v[24];
	s->rss_limit = v[25];
	s->start_code = v[26];
	s->end_code = v[27];
	s->start_stack = v[28];
	s->exit_signal = (int)v[38];
	s->processor = (int)v[39];
	s->rt_priority = (uint32_t)v[40];
	s->policy = (uint32_t)v[41];
	s->start_data = v[45];
	s->end_data = v[46];
	s->start_brk = v[47];
	s->arg_start = v[48];
	s->arg_end = v[49];
	s->env_start = v[50];
	s->env_end = v[51];
	s->exit_code = (int)v[52];
}

int proc_stat_parse(const char *text, struct proc_stat *ret)
{
	static const unsigned char ints[] = {1, 4, 5, 6, 7, 8, 38, 39, 52};
	struct proc_stat s = {0};
	uint64_t v[N_FIELDS + 1] = {0};
	const char *p = text;

	if (parse_decimal(&p, &v[1]) < 0 || p[0] != ' ' || p[1] != '(')
		return -EBADMSG;
	p = parse_comm(text, &s);
	if (!p || p[0] != ' ' || p[1] < 'A' || p[1] > 'z')
		return -EBADMSG;
	s.state = p[1];
	p += 2;
	for (int i = 4; i <= N_FIELDS; i++)
		if (*p++ != ' ' || parse_decimal(&p, &v[i]) < 0)
			return -EBADMSG;
	for (size_t i = 0; i < sizeof ints; i++)
		if (!fits_int(v[ints[i]]))
			return -EBADMSG;
	assign(&s, v);
	*ret = s;
	return 0;
}

ssize_t proc_read_file(int proc_fd, pid_t pid, pid_t tid, const char *name, char *buf, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	if (tid)
		snprintf(path, sizeof path, "%d/task/%d/%s", pid, tid, name);
	else
		snprintf(path, sizeof path, "%d/%s", pid, name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fd_read_all(fd, buf, size - 1);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

int proc_stat_read(int proc_fd, pid_t pid, pid_t tid, struct proc_stat *ret)
{
	char buf[2048]; /* 52 numbers of at most 20 digits, and comm */
	ssize_t n = proc_read_file(proc_fd, pid, tid, "stat", buf, sizeof buf);

	return n < 0 ? (int)n : n == 0 ? -ESRCH : proc_stat_parse(buf, ret);
}

/* Up to max whitespace-separated numbers up to the end of the line; *ret_n how many. */
static int parse_numbers(const char *p, int *ret, size_t max, size_t *ret_n)
{
	size_t n = 0;
	uint64_t v;

	for (;;) {
		while (*p == ' ' || *p == '\t')
			p++;
		if (*p == '\n' || !*p)
			break;
		/* Ids are unsigned 32 bits, 4294967295 included. */
		if (n == max || parse_decimal(&p, &v) < 0 || v > UINT32_MAX)
			return -EBADMSG;
		ret[n++] = (int)v;
	}
	*ret_n = n;
	return 0;
}

static int parse_int(const char *p, int *ret)
{
	size_t n;
	int r = parse_numbers(p, ret, 1, &n);

	return r < 0 ? r : n != 1 ? -EBADMSG : 0;
}

static int parse_ids(const char *p, unsigned *ret)
{
	size_t n;
	int r = parse_numbers(p, (int *)ret, 4, &n);

	return r < 0 ? r : n != 4 ? -EBADMSG : 0;
}

static int parse_groups(const char *p, struct proc_status *s)
{
	const char *end = strchrnul(p, '\n');
	size_t max = (size_t)(end - p) / 2 + 1; /* a digit and a blank each */

	if (s->groups)
		return -EBADMSG;
	s->groups = calloc(max, sizeof *s->groups);
	if (!s->groups)
		return -ENOMEM;
	return parse_numbers(p, (int *)s->groups, max, &s->n_groups);
}

static int parse_based(const char *p, unsigned base, uint64_t *ret)
{
	uint64_t n = 0;
	bool any = false;

	while (*p == ' ' || *p == '\t')
		p++;
	for (; *p && *p != '\n'; p++) {
		unsigned d = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0')
			   : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a' + 10) : 16;
		if (d >= base || __builtin_mul_overflow(n, base, &n))
			return -EBADMSG;
		n += d;
		any = true;
	}
	if (!any)
		return -EBADMSG;
	*ret = n;
	return 0;
}

/* What a line's value is and where it goes. */
enum value { PID, LONG, FLAG, INT, OCTAL, HEX, IDS, GROUPS, LEVELS };

struct line {
	const char *key;
	enum value value;
	size_t at;
	bool needed;
};

#define AT(field) offsetof(struct proc_status, field)

static const struct line lines[] = {
	{"Umask",           OCTAL,  AT(umask),           false},
	{"Tgid",            PID,    AT(tgid),            true},
	{"Pid",             PID,    AT(pid),             true},
	{"PPid",            PID,    AT(ppid),            true},
	{"TracerPid",       PID,    AT(tracer),          true},
	{"Uid",             IDS,    AT(uid),             true},
	{"Gid",             IDS,    AT(gid),             true},
	{"Groups",          GROUPS, AT(groups),          true},
	{"NSpid",           LEVELS, AT(nspid),           true},
	{"NSpgid",          LEVELS, AT(nspgid),          true},
	{"NSsid",           LEVELS, AT(nssid),           true},
	{"Threads",         LONG,   AT(threads),         true},
	{"SigPnd",          HEX,    AT(pending),         true},
	{"ShdPnd",          HEX,    AT(shared_pending),  true},
	{"SigBlk",          HEX,    AT(blocked),         true},
	{"SigIgn",          HEX,    AT(ignored),         true},
	{"SigCgt",          HEX,    AT(caught),          true},
	{"CapInh",          HEX,    AT(cap_inheritable), true},
	{"CapPrm",          HEX,    AT(cap_permitted),   true},
	{"CapEff",          HEX,    AT(cap_effective),   true},
	{"CapBnd",          HEX,    AT(cap_bounding),    true},
	{"CapAmb",          HEX,    AT(cap_ambient),     true},
	{"NoNewPrivs",      FLAG,   AT(no_new_privs),    true},
	{"Seccomp",         INT,    AT(seccomp),         false},
	{"Seccomp_filters", INT,    AT(seccomp_filters), false},
};

#define N_LINES (sizeof lines / sizeof *lines)

static int parse_value(const struct line *l, const char *p, struct proc_status *s)
{
	void *to = (char *)s + l->at;
	uint64_t v;
	size_t n;
	int r, i;

	switch (l->value) {
	case PID:
	case INT:
		return parse_int(p, to);
	case LONG:
		r = parse_int(p, &i);
		*(long *)to = r < 0 ? 0 : i;
		return r;
	case FLAG:
		r = parse_int(p, &i);
		*(bool *)to = r == 0 && i;
		return r;
	case OCTAL:
		r = parse_based(p, 8, &v);
		if (r < 0 || v > 07777)
			return -EBADMSG;
		*(int *)to = (int)v;
		return 0;
	case HEX:
		return parse_based(p, 16, to);
	case IDS:
		return parse_ids(p, to);
	case GROUPS:
		return parse_groups(p, s);
	case LEVELS:
		r = parse_numbers(p, to, PROC_NS_LEVELS, &n);
		if (r < 0 || n < 1 || (s->n_ns && n != s->n_ns))
			return -EBADMSG;
		s->n_ns = n;
		return 0;
	}
	return -EBADMSG;
}

/* The kernel escapes newlines in Name (proc_task_name() with escape true), so a line is a line and
 * no program can forge one. */
static int parse_lines(const char *text, struct proc_status *s)
{
	uint32_t seen = 0;

	for (const char *p = text; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		const char *colon = p + strcspn(p, ":\n");
		if (*colon != ':')
			return -EBADMSG;
		for (size_t i = 0; i < N_LINES; i++) {
			if (strncmp(lines[i].key, p, (size_t)(colon - p)) ||
			    lines[i].key[colon - p])
				continue;
			int r = parse_value(&lines[i], colon + 1, s);
			if (r < 0)
				return r;
			seen |= 1u << i;
			break;
		}
	}
	for (size_t i = 0; i < N_LINES; i++)
		if (lines[i].needed && !(seen & 1u << i))
			return -EBADMSG;
	return 0;
}

int proc_status_parse(const char *text, struct proc_status *ret)
{
	struct proc_status s = {.umask = -1, .seccomp_filters = -1};
	int r = parse_lines(text, &s);

	if (r < 0) {
		free(s.groups);
		return r;
	}
	*ret = s;
	return 0;
}

int proc_status_read(int proc_fd, pid_t pid, pid_t tid, struct proc_status *ret)
{
	char buf[8192];
	_cleanup_free_ char *large = NULL;
	char *text = buf;
	size_t size = sizeof buf;

	for (;;) {
		ssize_t n = proc_read_file(proc_fd, pid, tid, "status", text, size);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ESRCH;
		if ((size_t)n < size - 1)
			return proc_status_parse(text, ret);
		/* 65536 supplementary groups (NGROUPS_MAX) of 11 bytes, or many nodes in
		 * Mems_allowed. */
		if (size > 4 << 20)
			return -EBADMSG;
		size *= 8;
		free(large);
		text = large = malloc(size);
		if (!large)
			return -ENOMEM;
	}
}

void proc_status_done(struct proc_status *s)
{
	free(s->groups);
	s->groups = NULL;
	s->n_groups = 0;
}
