#pragma once
/* A container in words and in JSON: for list and for state. */
#include <json-c/json.h>

#include <pidspace/pidspace.h>

const char *describe_state(enum pidspace_state state);
const char *describe_pids(enum pidspace_pids pids);
struct json_object *describe_json(const struct pidspace_info *info);
