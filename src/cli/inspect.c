#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "image_file.h"
#include "json.h"
#include "show_tasks.h"
#include "table.h"

enum { PS_TREE = CLI_LONG, FILES, MEM };

static const struct cli_option options[] = {
	{PS_TREE, "ps-tree", NULL, "its processes as a tree"},
	{FILES, "files", NULL, "its open files"},
	{MEM, "mem", NULL, "its memory mappings"},
	{'f', "format", "FORMAT", "text or json"},
	{0},
};

/* What of a JSON value fits into one cell. A member called ..._ns is a time of day if it is large enough
 * to be one, else a duration. */
static char *value_text(const char *key, struct json_object *v)
{
	size_t len = strlen(key);
	int64_t n = json_object_get_int64(v);
	char text[64];

	if (json_object_is_type(v, json_type_string))
		return table_harmless(cli_strdup(json_object_get_string(v)));
	if (len > 3 && !strcmp(key + len - 3, "_ns") && n > 1000000000000000000) {
		time_t s = (time_t)(n / 1000000000);
		struct tm tm;
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&s, &tm));
		return cli_strdup(text);
	}
	return table_harmless(cli_strdup(json_object_to_json_string_ext(
		v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
}

static bool is_table(struct json_object *v)
{
	if (!json_object_is_type(v, json_type_array) || json_object_array_length(v) == 0)
		return false;
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (!json_object_is_type(json_object_array_get_idx(v, i), json_type_object))
			return false;
	return true;
}

/* The columns are the members of all rows, in the order in which they first appear. */
static void show_rows(struct json_object *rows)
{
	struct json_object *keys = json_object_new_object();
	struct table t = {0};

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object_object_foreach(json_object_array_get_idx(rows, i), key, value)
			json_object_object_add(keys, key, json_object_new_boolean(
				json_object_is_type(value, json_type_int)));
	}
	json_object_object_foreach(keys, title, is_int)
		table_column(&t, title, json_object_get_boolean(is_int));
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object_object_foreach(keys, key, unused) {
			struct json_object *v = json_object_object_get(json_object_array_get_idx(rows, i), key);
			(void)unused;
			table_cell(&t, v ? value_text(key, v) : cli_strdup(""));
		}
	}
	table_print(&t);
	json_object_put(keys);
}

static bool is_empty(struct json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		return !*json_object_get_string(v);
	return json_object_is_type(v, json_type_array) && json_object_array_length(v) == 0;
}

/* An image's JSON is an object of tables, and of objects that say one thing each. */
static void show_value(struct json_object *object, const char *gap)
{
	json_object_object_foreach(object, key, member) {
		if (is_empty(member))
			continue;
		if (is_table(member)) {
			printf("%s%s:\n", gap, key);
			show_rows(member);
			gap = "\n";
		} else if (json_object_is_type(member, json_type_object)) {
			show_value(member, gap);
			gap = "\n";
		} else {
			char *text = value_text(key, member);
			printf("%s: %s\n", key, text);
			free(text);
		}
	}
}

/* Returns 0 or an exit status. */
static int fetch(struct pidspace_image *image, const char *what, struct json_object **ret)
{
	struct pidspace_error err = {0};
	char *text = NULL;

	if (pidspace_image_json(image, what, &text, &err) < 0)
		return cli_fail(&err);
	*ret = json_tokener_parse(text);
	free(text);
	return 0;
}

static int show_text(struct pidspace_image *image, const char *what)
{
	struct show_tasks tasks = {.images = true, .tree = true};
	struct pidspace_error err = {0};
	struct pidspace_task *list = NULL;
	struct json_object *v = NULL;
	size_t n = 0;
	int status;

	if (strcmp(what, "ps-tree")) {
		status = fetch(image, what, &v);
		if (!status)
			show_value(v, "");
		json_object_put(v);
		return status;
	}
	if (pidspace_image_ps(image, &list, &n, &err) < 0)
		return cli_fail(&err);
	show_tasks(&tasks, list, n);
	free(list);
	return 0;
}

static int show(struct pidspace_image *image, const char *const *what, size_t n, bool json)
{
	struct json_object *all, *v = NULL;
	int status = 0;

	if (json && n == 1) {
		status = fetch(image, what[0], &v);
		if (!status)
			json_print(v);
		return status;
	}
	if (json) {
		all = json_object_new_object();
		for (size_t i = 0; i < n && !status; i++) {
			status = fetch(image, what[i], &v);
			if (!status)
				json_object_object_add(all, what[i], v);
		}
		json_print(all);
		return status;
	}
	for (size_t i = 0; i < n && !status; i++) {
		if (i)
			printf("\n");
		status = show_text(image, what[i]);
	}
	return status;
}

static int inspect(struct cli *c, int argc, char **argv)
{
	const char *what[8];
	struct pidspace_image *image = NULL;
	struct pidspace_error err = {0};
	size_t n = 0;
	bool json = false, ps_tree = false, files = false, mem = false;
	int key, fd, status;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		switch (key) {
		case PS_TREE: ps_tree = true; break;
		case FILES: files = true; break;
		case MEM: mem = true; break;
		case 'f': json = cli_format(c, optarg); break;
		}
	}
	cli_operands(c, argc, 1, 1);
	if (!ps_tree && !files && !mem) {
		what[n++] = json ? "all" : "container";
		ps_tree = !json;
	}
	if (ps_tree)
		what[n++] = "ps-tree";
	if (files)
		what[n++] = "files";
	if (mem)
		what[n++] = "mem";
	fd = image_file_open(argv[optind]);
	if (fd < 0)
		return CLI_FAILED;
	if (pidspace_image_open(&image, fd, false, &err) < 0)
		return cli_fail(&err);
	status = show(image, what, n, json);
	pidspace_image_close(image);
	return status;
}

const struct cli_command command_inspect = {
	"inspect", "IMAGE", "Look into an image without restoring it", options, false, inspect,
};
