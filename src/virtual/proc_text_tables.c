/* Tables that are not about one process: a line an object, pids in some of the columns. */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>

#include "virtual/proc_rules.h"

#define FLOWLABEL_OF_PROCESS 2 /* IPV6_FL_S_PROCESS, include/uapi/linux/in6.h */

/* The last of the five fields is the pid given out last. */
int proc_text_loadavg(const struct proc_reading *r, char *text, FILE *out)
{
	char *last = strrchr(text, ' ');

	if (!last)
		return -EBADMSG;
	fprintf(out, "%.*s %d\n", (int)(last - text), text, r->pids->last_pid);
	return 0;
}

int proc_text_pid_max(const struct proc_reading *r, char *text, FILE *out)
{
	fprintf(out, "%d\n", r->pids->pid_max);
	return 0;
}

int proc_text_last_pid(const struct proc_reading *r, char *text, FILE *out)
{
	fprintf(out, "%d\n", r->pids->last_pid);
	return 0;
}

/* The host's init, whom nobody inside has a number for. */
int proc_text_nobody(const struct proc_reading *r, char *text, FILE *out)
{
	fputs("0\n", out);
	return 0;
}

struct column {
	int at;    /* from 0 */
	int width; /* as in printf: negative is left-aligned */
};

/* Converts the column in one line. What pads it belongs to it: the blanks before a right-aligned number but
 * one, those behind a left-aligned one but one. */
static void put_line(const struct proc_reading *r, const char *line, size_t n, const struct column *c,
		     size_t n_c, long (*convert)(const struct proc_reading *, long), FILE *out)
{
	const char *end = line + n;

	for (int i = 0; line < end; i++) {
		size_t blanks = strspn(line, " ");
		size_t k = strcspn(line + blanks, " \n");
		const struct column *hit = NULL;

		for (size_t j = 0; j < n_c; j++)
			if (c[j].at == i && k)
				hit = &c[j];
		if (!hit) {
			fwrite(line, 1, blanks + k + (k == 0), out);
			line += blanks + k + (k == 0);
			continue;
		}
		fwrite(line, 1, hit->width < 0 ? blanks : 1, out);
		fprintf(out, "%*ld", hit->width, convert(r, strtol(line + blanks, NULL, 10)));
		line += blanks + k;
		if (hit->width < 0)
			while (line + 1 < end && line[0] == ' ' && line[1] == ' ')
				line++;
	}
}

static int put_table(const struct proc_reading *r, const char *text, const struct column *c, size_t n_c,
		     long (*convert)(const struct proc_reading *, long), bool header, FILE *out)
{
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		n += line[n] == '\n';
		if (header)
			fwrite(line, 1, n, out);
		else
			put_line(r, line, n, c, n_c, convert, out);
		header = false;
		line += n;
	}
	return 0;
}

static long pid_column(const struct proc_reading *r, long v)
{
	return proc_guest_number(r->pids, v);
}

/* ipc/shm.c: "%10d %10d  %4o %21lu %5u %5u …": cpid and lpid, 0 for a stranger. */
int proc_text_shm(const struct proc_reading *r, char *text, FILE *out)
{
	static const struct column c[] = {{4, 5}, {5, 5}};

	return put_table(r, text, c, 2, pid_column, true, out);
}

/* ipc/msg.c: "%10d %10d  %4o  %10lu %10lu %5u %5u …": lspid and lrpid. */
int proc_text_msg(const struct proc_reading *r, char *text, FILE *out)
{
	static const struct column c[] = {{5, 5}, {6, 5}};

	return put_table(r, text, c, 2, pid_column, true, out);
}

/* netlink_autobind() takes the process's pid as port id where that is free. A port that is nobody's pid
 * inside is an arbitrary number and is the same in every PID namespace. */
static long port_column(const struct proc_reading *r, long v)
{
	pid_t g = proc_guest_number(r->pids, v);

	return g ? g : v;
}

/* net/netlink/af_netlink.c: "%pK %-3d %-10u …" */
int proc_text_netlink(const struct proc_reading *r, char *text, FILE *out)
{
	static const struct column c[] = {{2, -10}};

	return put_table(r, text, c, 1, port_column, true, out);
}

/* net/netfilter/nfnetlink_queue.c: "%5u %6u …": the reader's port id. */
int proc_text_nfqueue(const struct proc_reading *r, char *text, FILE *out)
{
	static const struct column c[] = {{1, 6}};

	return put_table(r, text, c, 1, port_column, false, out);
}

/* net/ipv6/ip6_flowlabel.c: "%05X %-1d %-6d …", label, share, owner: a pid where a process owns it. */
int proc_text_flowlabel(const struct proc_reading *r, char *text, FILE *out)
{
	static const struct column c[] = {{2, -6}};

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		const char *share = memchr(line, ' ', n);

		n += line[n] == '\n';
		if (share && atoi(share) == FLOWLABEL_OF_PROCESS)
			put_line(r, line, n, c, 1, pid_column, out);
		else
			fwrite(line, 1, n, out);
		line += n;
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return *(const pid_t *)a < *(const pid_t *)b ? -1 : *(const pid_t *)a > *(const pid_t *)b;
}

/* kernel/cgroup: one pid a line. Version 2 prints 0 for whoever has no number in the reader's PID
 * namespace (cgroup_procs_show()); version 1 leaves it out and sorts. */
int proc_text_pid_list(const struct proc_reading *r, char *text, FILE *out)
{
	VEC(pid_t) list = {0};

	for (char *p = text, *end;; p = end) {
		long host = strtol(p, &end, 10);
		pid_t *slot;

		if (end == p)
			break;
		slot = vec_push(&list);
		if (!slot) {
			vec_free(&list);
			return -ENOMEM;
		}
		*slot = proc_guest_number(r->pids, host);
	}
	if (list.n && r->fs_magic == CGROUP_SUPER_MAGIC)
		qsort(list.at, list.n, sizeof *list.at, by_number);
	vec_each(g, &list)
		if (*g > 0 || r->fs_magic == CGROUP2_SUPER_MAGIC)
			fprintf(out, "%d\n", *g);
	vec_free(&list);
	return 0;
}
