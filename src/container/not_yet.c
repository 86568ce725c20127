/* What has no implementation yet; weak, so that the real one takes over as it arrives. */
#include <errno.h>

#include <pidspace/pidspace.h>

#include "base/error.h"

#define NOT_YET(name, ...)                                                                         \
	__attribute__((weak)) int name(__VA_ARGS__, struct pidspace_error *err)                    \
	{                                                                                          \
		return error_set(err, -ENOSYS, "E_NOT_SUPPORTED", "%s is not there yet", #name);   \
	}

NOT_YET(pidspace_run, struct pidspace *p, const struct pidspace_run *o, int *s)
NOT_YET(pidspace_exec, struct pidspace *p, const struct pidspace_exec *o, pid_t *pid, int *s)
NOT_YET(pidspace_list, struct pidspace *p, struct pidspace_info **r, size_t *n)
NOT_YET(pidspace_state, struct pidspace *p, const char *name, struct pidspace_info *r)
NOT_YET(pidspace_kill, struct pidspace *p, const char *name, int sig, const pid_t *pids, size_t n, bool all)
NOT_YET(pidspace_pause, struct pidspace *p, const char *name)
NOT_YET(pidspace_resume, struct pidspace *p, const char *name)
NOT_YET(pidspace_wait, struct pidspace *p, const char *name, int timeout_ms, int *s)
NOT_YET(pidspace_delete, struct pidspace *p, const char *name, bool force)
NOT_YET(pidspace_log, struct pidspace *p, const char *name)
NOT_YET(pidspace_check, struct pidspace *p, const char *name, struct pidspace_refusal **r, size_t *n)
NOT_YET(pidspace_checkpoint, struct pidspace *p, const struct pidspace_checkpoint *o, struct pidspace_refusal **r, size_t *n, struct pidspace_stats *s)
NOT_YET(pidspace_restore, struct pidspace *p, const struct pidspace_restore *o, struct pidspace_refusal **r, size_t *n, int *s)
