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

static void row(const char *what, uint64_t ns)
{
	fprintf(stderr, "%-10s %10.3f ms\n", what, (double)ns / 1e6);
}

void progress_stats(const struct pidspace_stats *s)
{
	char *memory = table_bytes(s->memory_bytes), *image = table_bytes(s->image_bytes);

	row("freeze", s->freeze_ns);
	row("collect", s->collect_ns);
	row("memory", s->memory_ns);
	row("finish", s->finish_ns);
	row("total", s->total_ns);
	if (s->paused_ns)
		row("paused", s->paused_ns);
	fprintf(stderr, "%-10s %10llu\n%-10s %10llu\n%-10s %10s\n", "processes",
		(unsigned long long)s->tasks, "threads", (unsigned long long)s->threads, "pages",
		memory);
	if (s->image_bytes)
		fprintf(stderr, "%-10s %10s\n", "image", image);
	free(memory);
	free(image);
}
