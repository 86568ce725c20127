#include "refusals.h"

#include <inttypes.h>

#include "json.h"
#include "table.h"

void refusals_print(FILE *to, const struct pidspace_refusal *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pidspace_refusal r = at[i];
		if (r.pid)
			fprintf(to, "pid %d", r.pid);
		else
			fprintf(to, "container");
		if (r.fd >= 0)
			fprintf(to, " fd %d", r.fd);
		if (r.address)
			fprintf(to, " at 0x%" PRIx64, r.address);
		fprintf(to, ": %s (%s)\n", table_harmless(r.what), r.code);
		if (*r.why)
			fprintf(to, "    why: %s\n", table_harmless(r.why));
		if (*r.advice)
			fprintf(to, "    do:  %s\n", table_harmless(r.advice));
	}
}

struct json_object *refusals_json(const struct pidspace_refusal *at, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();
		if (at[i].pid)
			json_add_int(o, "pid", at[i].pid);
		if (at[i].fd >= 0)
			json_add_int(o, "fd", at[i].fd);
		if (at[i].address)
			json_add_int(o, "address", (int64_t)at[i].address);
		json_add_text(o, "code", at[i].code);
		json_add_text(o, "what", at[i].what);
		json_add_text(o, "why", at[i].why);
		json_add_text(o, "advice", at[i].advice);
		json_object_array_add(list, o);
	}
	return list;
}
