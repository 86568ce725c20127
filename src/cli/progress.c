#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"

#define DRAW_EVERY_NS 100000000ull

void progress_init(struct progress *p)
{
	const char *term = getenv("TERM");

	*p = (struct progress){.on = isatty(2) && !(term && !strcmp(term, "dumb"))};
}

static void draw(const struct progress *p, const struct pidspace_progress *now)
{
	uint64_t ns = now->elapsed_ns - p->from_ns;
	double rate = ns ? (double)(now->bytes - p->from_bytes) * 1e9 / (double)ns : 0;
	char *bytes = table_bytes(now->bytes), *total = table_bytes(now->total);
	char *per_second = table_bytes((unsigned long long)rate);

	fprintf(stderr, "\r\033[K%s", now->phase);
	if (now->bytes)
		fprintf(stderr, "  %s%s%s", bytes, now->total ? " of " : "",
			now->total ? total : "");
	if (rate >= 1)
		fprintf(stderr, "  %s/s", per_second);
	if (now->total > now->bytes && rate >= 1)
		fprintf(stderr, "  %.0f s left", (double)(now->total - now->bytes) / rate);
	fflush(stderr);
	free(bytes);
	free(total);
	free(per_second);
}

void progress_show(void *arg, const struct pidspace_progress *now)
{
	struct progress *p = arg;

	if (!p->on)
		return;
	if (strncmp(p->phase, now->phase, sizeof p->phase - 1)) {
		snprintf(p->phase, sizeof p->phase, "%s", now->phase);
		p->from_ns = now->elapsed_ns;
		p->from_bytes = now->bytes;
	} else if (p->drawn && now->elapsed_ns - p->drawn_ns < DRAW_EVERY_NS) {
		return;
	}
	draw(p, now);
	p->drawn = true;
	p->drawn_ns = now->elapsed_ns;
}

void progress_done(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->on = p->drawn = false;
}
