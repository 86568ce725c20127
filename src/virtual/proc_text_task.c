/* The files of one task in which the kernel names pids, fs/proc/array.c above all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtual/proc_rules.h"

static void traces_of(const struct proc_reading *r, struct proc_traces *ret)
{
	*ret = (struct proc_traces){.caught = 1u << (31 - 1), .seccomp_filters = 1}; /* SIGSYS */
	if (r->pids->traces)
		r->pids->traces(r->pids->arg, r->task, ret);
}

/* do_task_stat() prints the low 31 bits of the signal sets in decimal (fields 31 to 34). */
static void put_stat_field(const struct proc_reading *r, const struct proc_traces *t, int field,
			   const char *at, size_t n, FILE *out)
{
	long long v = strtoll(at, NULL, 10);

	switch (field) {
	case 4: /* ppid */
	case 5: /* pgrp */
	case 6: /* session */
	case 8: /* tpgid; -1: no terminal */
		fprintf(out, " %d", proc_guest_number(r->pids, v));
		return;
	case 32:
		fprintf(out, " %llu", v & ~(t->blocked & 0x7fffffff));
		return;
	case 33:
		fprintf(out, " %llu", v & ~(t->ignored & 0x7fffffff));
		return;
	case 34:
		fprintf(out, " %llu", v & ~(t->caught & 0x7fffffff));
		return;
	default:
		fprintf(out, " %.*s", (int)n, at);
	}
}

/* "pid (comm) state ppid …": comm may hold anything, numbers only follow the last parenthesis. */
int proc_text_stat(const struct proc_reading *r, char *text, FILE *out)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	pid_t self = proc_guest_number(r->pids, strtol(text, NULL, 10));
	struct proc_traces t;
	const char *p;

	if (!open || !close || close < open || close[1] != ' ')
		return -EBADMSG;
	if (!self)
		return -ESRCH;
	traces_of(r, &t);
	fprintf(out, "%d %.*s", self, (int)(close + 1 - open), open);
	p = close + 1;
	for (int field = 3; *p == ' '; field++) {
		size_t n = strcspn(++p, " \n");
		put_stat_field(r, &t, field, p, n, out);
		p += n;
	}
	fputs(p, out);
	return 0;
}

/* The first column is the namespace that our /proc shows; what follows are namespaces of the container's
 * own making inside it, whose numbers are its own. */
static void put_levels(const struct proc_reading *r, const char *value, FILE *out)
{
	char *end;
	long host = strtol(value, &end, 10);

	fprintf(out, "%d%s", proc_guest_number(r->pids, host), end);
}

static void put_mask(const char *value, uint64_t hidden, FILE *out)
{
	fprintf(out, "%016llx", (unsigned long long)(strtoull(value, NULL, 16) & ~hidden));
}

/* The value of one line of proc_pid_status(), without its newline. */
static void put_status_value(const struct proc_reading *r, const struct proc_traces *t, const char *key,
			     const char *value, FILE *out)
{
	static const char *const pids[] = {"Tgid", "Ngid", "Pid", "PPid", "TracerPid"};
	static const char *const levels[] = {"NStgid", "NSpid", "NSpgid", "NSsid"};

	for (size_t i = 0; i < sizeof pids / sizeof *pids; i++)
		if (!strcmp(key, pids[i])) {
			fprintf(out, "%d", proc_guest_number(r->pids, strtol(value, NULL, 10)));
			return;
		}
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (!strcmp(key, levels[i])) {
			put_levels(r, value, out);
			return;
		}
	if (!strcmp(key, "SigBlk"))
		put_mask(value, t->blocked, out);
	else if (!strcmp(key, "SigIgn"))
		put_mask(value, t->ignored, out);
	else if (!strcmp(key, "SigCgt"))
		put_mask(value, t->caught, out);
	else if (!strcmp(key, "NoNewPrivs"))
		fprintf(out, "%d", t->no_new_privs);
	else
		fputs(value, out);
}

/* Seccomp comes before Seccomp_filters, and says 2 for ours alone; before Linux 5.9 only it exists. */
static void put_seccomp(const struct proc_traces *t, const char *value, const char *rest, FILE *out)
{
	const char *filters = strstr(rest, "Seccomp_filters:");
	long n = filters ? strtol(filters + strlen("Seccomp_filters:"), NULL, 10) : t->seccomp_filters;

	if (atoi(value) == 2 && n <= t->seccomp_filters)
		value = "0";
	fputs(value, out);
}

int proc_text_status(const struct proc_reading *r, char *text, FILE *out)
{
	struct proc_traces t;

	traces_of(r, &t);
	for (char *line = text, *next; *line; line = next) {
		char *end = strchr(line, '\n'), *colon;

		if (!end)
			return -EBADMSG;
		*end = 0;
		next = end + 1;
		colon = strchr(line, ':');
		if (!colon || colon[1] != '\t') { /* x86_Thread_features has a blank line's worth */
			fprintf(out, "%s\n", line);
			continue;
		}
		*colon = 0;
		fprintf(out, "%s:\t", line);
		if (!strcmp(line, "Seccomp"))
			put_seccomp(&t, colon + 2, next, out);
		else if (!strcmp(line, "Seccomp_filters"))
			fprintf(out, "%d", atoi(colon + 2) > t.seccomp_filters
						   ? atoi(colon + 2) - t.seccomp_filters : 0);
		else
			put_status_value(r, &t, line, colon + 2, out);
		fputc('\n', out);
	}
	return 0;
}

/* kernel/sched/debug.c: "comm (pid, #threads: n)", then a line of dashes. */
int proc_text_sched(const struct proc_reading *r, char *text, FILE *out)
{
	char *rule = strstr(text, "\n---"), *mark = NULL, *open;

	if (!rule)
		return -EBADMSG;
	for (char *p = text; (p = strstr(p, ", #threads: ")) && p < rule; p++)
		mark = p;
	if (!mark)
		return -EBADMSG;
	for (open = mark; open > text && *open != '('; open--)
		;
	fprintf(out, "%.*s(%d%s", (int)(open - text), text,
		proc_guest_number(r->pids, strtol(open + 1, NULL, 10)), mark);
	return 0;
}

/* The clock of another process carries its number, complemented, above three bits that say which clock
 * (include/linux/posix-timers_types.h). */
static void put_clock(const struct proc_reading *r, const char *value, FILE *out)
{
	long id = strtol(value, NULL, 10);
	long host = ~(id >> 3);

	if (id < 0 && host > 0)
		id = (long)(~(unsigned long)proc_guest_number(r->pids, host) << 3) | (id & 7);
	fprintf(out, "%ld", id);
}

/* show_timer() in fs/proc/base.c: "notify: signal/pid.7", or tid. */
int proc_text_timers(const struct proc_reading *r, char *text, FILE *out)
{
	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		char *dot;

		if (!strncmp(line, "notify: ", 8) && (dot = memrchr(line, '.', n)))
			fprintf(out, "%.*s%d", (int)(dot + 1 - line), line,
				proc_guest_number(r->pids, strtol(dot + 1, NULL, 10)));
		else if (!strncmp(line, "ClockID: ", 9)) {
			fputs("ClockID: ", out);
			put_clock(r, line + 9, out);
		} else
			fprintf(out, "%.*s", (int)n, line);
		line += n;
		if (*line)
			fputc(*line++, out);
	}
	return 0;
}

/* "7 8 9 "; a child outside the container (there is none but in passing) is left out. */
int proc_text_children(const struct proc_reading *r, char *text, FILE *out)
{
	for (char *p = text, *end;; p = end) {
		long host = strtol(p, &end, 10);
		pid_t g;

		if (end == p)
			return 0;
		g = proc_guest_number(r->pids, host);
		if (g > 0)
			fprintf(out, "%d ", g);
	}
}

/* "nr six-arguments sp pc", "-1 sp pc" or "running". Called from our own code the arguments are already
 * converted, so that it looks like a task that is not in a call. */
int proc_text_syscall(const struct proc_reading *r, char *text, FILE *out)
{
	char *last = strrchr(text, ' ');
	uint64_t pc = last ? strtoull(last + 1, NULL, 16) : 0;

	if (pc >= r->pids->hidden_start && pc < r->pids->hidden_end)
		fputs("running\n", out);
	else
		fputs(text, out);
	return 0;
}
