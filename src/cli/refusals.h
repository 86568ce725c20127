#pragma once
/* What stands in the way of a checkpoint or restore, one block each. */
#include <json-c/json.h>
#include <stdio.h>

#include <pidspace/pidspace.h>

void refusals_print(FILE *to, const struct pidspace_refusal *at, size_t n);
struct json_object *refusals_json(const struct pidspace_refusal *at, size_t n);
