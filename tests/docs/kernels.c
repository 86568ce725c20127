/* Prints the table of kernel features as doc/KERNELS.md has it; tests/docs/kernels compares. */
#include <stdio.h>

#include "kernel/probe.h"

int main(void)
{
	printf("| feature | since | without it |\n| --- | --- | --- |\n");
	for (int i = 0; i < PROBE_N; i++) {
		const struct probe_feature *f = probe_feature((enum probe_id)i);
		printf("| %s | %s | %s |\n", f->name, f->since, f->costs);
	}
	return 0;
}
