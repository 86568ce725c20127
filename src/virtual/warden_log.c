/* What the warden has to tell the container's user. */
#include "virtual/warden.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void name_of(struct hpid pid, char ret[32])
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/comm", pid.n);
	f = fopen(path, "re");
	if (!f || !fgets(ret, 32, f))
		strcpy(ret, "a program");
	ret[strcspn(ret, "\n")] = 0;
	if (f)
		fclose(f);
}

void warden_tell_unknown(struct warden *w, struct bell *b)
{
	char line[256], name[32];
	int n;

	b->q.ret = 0;
	if (w->log < 0)
		return;
	name_of(hpid_of(b->q.tgid), name);
	n = snprintf(line, sizeof line, "pidspace: system call %d, made by %s (process %d), is newer than virtual pids know and "
		     "might carry pids: refused with ENOSYS, now and whenever it comes\n", b->q.nr, name,
		     pid_map_to_vpid(w->place.map, hpid_of(b->q.tgid)).n);
	/* One write(2): lines of the container's own may come in between. */
	if (write(w->log, line, (size_t)n) < 0)
		return;
}
