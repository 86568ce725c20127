#include "stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "table.h"

static void print_time(const struct pidspace_stats *s, const char *what, uint64_t ns)
{
	fprintf(stderr, "%-10s %10.3f ms %5.1f%%\n", what, (double)ns / 1e6,
		s->total_ns ? (double)ns * 100 / (double)s->total_ns : 100.0);
}

static void print_bytes(const char *what, uint64_t n)
{
	char *text = table_bytes(n);

	if (n)
		fprintf(stderr, "%-10s %10s\n", what, text);
	free(text);
}

static void print_rounds(const struct pidspace_stats *s)
{
	if (*s->no_rounds)
		fprintf(stderr, "no rounds: %s\n", s->no_rounds);
	for (size_t i = 0; i < s->n_rounds && i < PIDSPACE_ROUNDS; i++) {
		const struct pidspace_round *r = &s->rounds[i];
		char *bytes = table_bytes(r->bytes);
		fprintf(stderr, "round %-4zu %10.3f ms, %s, stopped for %.3f ms\n", i + 1, (double)r->ns / 1e6, bytes,
			(double)r->stopped_ns / 1e6);
		free(bytes);
	}
}

static struct json_object *rounds_json(const struct pidspace_stats *s)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < s->n_rounds && i < PIDSPACE_ROUNDS; i++) {
		struct json_object *o = json_object_new_object();
		json_add_int(o, "bytes", (int64_t)s->rounds[i].bytes);
		json_add_int(o, "ns", (int64_t)s->rounds[i].ns);
		json_add_int(o, "stopped_ns", (int64_t)s->rounds[i].stopped_ns);
		json_object_array_add(list, o);
	}
	return list;
}

static void print_text(const struct pidspace_stats *s)
{
	for (size_t i = 0; i < s->n_phases; i++)
		print_time(s, s->phases[i].name, s->phases[i].ns);
	print_time(s, "total", s->total_ns);
	if (s->paused_ns)
		print_time(s, "paused", s->paused_ns);
	print_rounds(s);
	fprintf(stderr, "%-10s %10llu\n", "processes", (unsigned long long)s->tasks);
	fprintf(stderr, "%-10s %10llu\n", "threads", (unsigned long long)s->threads);
	print_bytes("pages", s->memory_bytes);
	print_bytes("image", s->image_bytes);
	print_bytes("raw", s->raw_bytes);
	print_bytes("engine", s->engine_bytes);
}

static void print_json(const struct pidspace_stats *s)
{
	struct json_object *o = json_object_new_object(), *phases = json_object_new_object();

	for (size_t i = 0; i < s->n_phases; i++)
		json_add_int(phases, s->phases[i].name, (int64_t)s->phases[i].ns);
	json_object_object_add(o, "phases_ns", phases);
	json_object_object_add(o, "rounds", rounds_json(s));
	if (*s->no_rounds)
		json_object_object_add(o, "no_rounds", json_object_new_string(s->no_rounds));
	json_add_int(o, "total_ns", (int64_t)s->total_ns);
	json_add_int(o, "paused_ns", (int64_t)s->paused_ns);
	json_add_int(o, "processes", (int64_t)s->tasks);
	json_add_int(o, "threads", (int64_t)s->threads);
	json_add_int(o, "memory_bytes", (int64_t)s->memory_bytes);
	json_add_int(o, "image_bytes", (int64_t)s->image_bytes);
	json_add_int(o, "raw_bytes", (int64_t)s->raw_bytes);
	json_add_int(o, "engine_bytes", (int64_t)s->engine_bytes);
	fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED));
	json_object_put(o);
}

void stats_print(const struct pidspace_stats *s, bool json)
{
	if (json)
		print_json(s);
	else
		print_text(s);
}
