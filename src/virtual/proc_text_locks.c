/* File locks and their holders, fs/locks.c lock_get_status():
 *   "1: POSIX  ADVISORY  WRITE 712 fe:00:1098 0 EOF", who waits for it: "1: -> POSIX …".
 * A holder that has no number in the reader's PID namespace is left out with all who wait
 * (locks_show()); a waiter without one reads as 0; -1 is an open-file-description lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtual/proc_rules.h"

/* Finds the pid in a line: the number before "maj:min:inode". NULL: not found. */
static char *find_holder(char *line, size_t n)
{
	char *end = line + n, *last = NULL;

	for (char *p = line; p < end;) {
		size_t blanks = strspn(p, " ");
		size_t k = strcspn(p + blanks, " \n");
		char *token = p + blanks;

		if (k == 0)
			break;
		/* In the numbering "1:" the colon is at the end. */
		char *colon = memchr(token, ':', k);
		if (colon && colon + 1 < token + k && last)
			return last;
		if (k == 6 && !memcmp(token, "<none>", 6)) /* "<none>:0", without an inode */
			return last;
		last = token;
		p = token + k;
	}
	return NULL;
}

static bool waits(const char *line, size_t n)
{
	const char *arrow = memmem(line, n, "-> ", 3);

	return arrow != NULL;
}

/* Writes the line with its number converted, unless it is a holder's who is outside and `leave_out`. */
static int put_lock(const struct proc_reading *r, char *line, size_t n, bool leave_out, bool *ret_left,
		    FILE *out)
{
	char *holder = find_holder(line, n), *end;
	pid_t g;

	if (!holder)
		return -EBADMSG;
	g = proc_guest_number(r->pids, strtol(holder, &end, 10));
	*ret_left = leave_out && g == 0;
	if (!*ret_left)
		fprintf(out, "%.*s%d%.*s", (int)(holder - line), line, g, (int)(line + n - end), end);
	return 0;
}

int proc_text_locks(const struct proc_reading *r, char *text, FILE *out)
{
	bool left = false, unused;

	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		int e = 0;

		n += line[n] == '\n';
		if (!waits(line, n))
			e = put_lock(r, line, n, true, &left, out);
		else if (!left)
			e = put_lock(r, line, n, false, &unused, out);
		if (e < 0)
			return e;
		line += n;
	}
	return 0;
}

/* A pidfd's "Pid:" and "NSpid:" (-1: reaped), and the locks that were taken through the descriptor. */
int proc_text_fdinfo(const struct proc_reading *r, char *text, FILE *out)
{
	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		bool unused;
		char *end;
		int e;

		n += line[n] == '\n';
		if (!strncmp(line, "Pid:\t", 5) || !strncmp(line, "NSpid:\t", 7)) {
			char *value = strchr(line, '\t') + 1;
			pid_t g = proc_guest_number(r->pids, strtol(value, &end, 10));
			fprintf(out, "%.*s%d%.*s", (int)(value - line), line, g,
				(int)(line + n - end), end);
		} else if (!strncmp(line, "lock:\t", 6)) {
			fputs("lock:\t", out);
			e = put_lock(r, line + 6, n - 6, false, &unused, out);
			if (e < 0)
				return e;
		} else {
			fwrite(line, 1, n, out);
		}
		line += n;
	}
	return 0;
}
