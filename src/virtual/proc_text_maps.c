/* The lists of mappings without our own: the kernel's lines stay as they are. fs/proc/task_mmu.c. */
#include <stdlib.h>
#include <string.h>

#include "virtual/proc_rules.h"

static bool hidden(const struct proc_reading *r, const char *line)
{
	uint64_t start = strtoull(line, NULL, 16);

	return start >= r->pids->hidden_start && start < r->pids->hidden_end;
}

/* Every line starts with an address ("start-end …", numa_maps "start …"). */
int proc_text_maps(const struct proc_reading *r, char *text, FILE *out)
{
	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		n += line[n] == '\n';
		if (!hidden(r, line))
			fwrite(line, 1, n, out);
		line += n;
	}
	return 0;
}

int proc_text_numa_maps(const struct proc_reading *r, char *text, FILE *out)
{
	return proc_text_maps(r, text, out);
}

/* A line that starts with an address, in lower case, begins a mapping; those that belong to it start
 * with a capital letter or, for the keys, a name followed by a colon. */
int proc_text_smaps(const struct proc_reading *r, char *text, FILE *out)
{
	bool skip = false;

	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		size_t digits = strspn(line, "0123456789abcdef");

		n += line[n] == '\n';
		if (digits && line[digits] == '-')
			skip = hidden(r, line);
		if (!skip)
			fwrite(line, 1, n, out);
		line += n;
	}
	return 0;
}
