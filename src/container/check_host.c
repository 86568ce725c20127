#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <pidspace/pidspace.h>

#include "base/error.h"
#include "kernel/probe.h"

int pidspace_check_host(struct pidspace_feature **ret, size_t *ret_n, struct pidspace_error *err)
{
	struct pidspace_feature *rows = calloc(PROBE_N, sizeof *rows);
	struct probe probe;
	if (!rows)
		return error_set(err, -ENOMEM, "E_MEMORY", "cannot list the host's features: out of memory");
	probe_all(&probe);
	for (int i = 0; i < PROBE_N; i++) {
		const struct probe_feature *f = probe_feature((enum probe_id)i);
		rows[i].present = probe.has[i];
		snprintf(rows[i].name, sizeof rows[i].name, "%s", f->name);
		snprintf(rows[i].since, sizeof rows[i].since, "%s", f->since);
		snprintf(rows[i].costs, sizeof rows[i].costs, "%s", f->costs);
	}
	*ret = rows;
	*ret_n = PROBE_N;
	return 0;
}
