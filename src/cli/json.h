#pragma once
/* JSON on stdout. */
#include <stdint.h>

#include <json-c/json.h>

/* Adds a member. Text that is not UTF-8 gets U+FFFD for every byte that is wrong, because JSON has no
 * other bytes and the names of processes may. */
void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_int(struct json_object *o, const char *key, int64_t n);
void json_add_bool(struct json_object *o, const char *key, int v);
/* CLOCK_REALTIME ns as ISO 8601 in UTC, with KEY_ns beside it. */
void json_add_time(struct json_object *o, const char *key, int64_t ns);

/* Prints it and a newline, and releases it. */
void json_print(struct json_object *o);
