#pragma once
/* What the workloads in bench/ share: say ready in a file, then lie still. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Creates the file named by argv's last word, whole. */
static inline void ready(const char *file)
{
	FILE *f = fopen(file, "we");
	if (!f) {
		perror(file);
		exit(1);
	}
	fprintf(f, "%d\n", (int)getpid());
	fclose(f);
}

/* The same, and waits to be killed. */
static inline void ready_and_wait(const char *file)
{
	ready(file);
	for (;;)
		pause();
}
