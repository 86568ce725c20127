#include "describe.h"

#include "cli.h"
#include "json.h"

const char *describe_state(enum pidspace_state state)
{
	static const char *const names[] = {
		[PIDSPACE_RUNNING] = "running",
		[PIDSPACE_PAUSED] = "paused",
		[PIDSPACE_STOPPED] = "stopped",
		[PIDSPACE_CHECKPOINTED] = "checkpointed",
	};
	return names[state];
}

const char *describe_pids(enum pidspace_pids pids)
{
	return pids == PIDSPACE_VIRTUAL ? "virtual" : "space";
}

struct json_object *describe_json(const struct pidspace_info *info)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "name", info->name);
	json_add_text(o, "id", info->id);
	json_add_text(o, "state", describe_state(info->state));
	json_add_text(o, "pids", describe_pids(info->pids));
	json_add_int(o, "host_pid", info->host_pid);
	json_add_int(o, "monitor_host_pid", info->monitor_host_pid);
	json_add_int(o, "tasks", (int64_t)info->tasks);
	json_add_time(o, "created", info->created_ns);
	if (info->state == PIDSPACE_STOPPED && info->exit_status >= 0)
		json_add_int(o, "exit_status", cli_exit_status(info->exit_status));
	json_add_bool(o, "detached", info->detached);
	json_add_bool(o, "terminal", info->terminal);
	json_add_bool(o, "user_namespace", info->user_namespace);
	if (info->memory_arriving)
		json_add_bool(o, "memory_arriving", true);
	if (*info->reason)
		json_add_text(o, "reason", info->reason);
	json_add_text(o, "command", info->command);
	if (*info->log)
		json_add_text(o, "log", info->log);
	return o;
}
