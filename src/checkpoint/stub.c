/* Stands where the engine will be, so that everything above it can be linked. */
#include "checkpoint/checkpoint.h"

#include <errno.h>

#include "base/error.h"

static int not_yet(struct pidspace_error *err)
{
	return error_set(err, -ENOSYS, "E_NOT_YET", "the engine is not there yet");
}

int restore_run(const struct restore_options *o, struct space *ret, struct refusal **ret_refusals,
		size_t *ret_n_refusals, struct engine_stats *ret_stats, struct pidspace_error *err)
{
	return not_yet(err);
}
