/* pidspace_check() and pidspace_checkpoint(): the monitor does it, we hand over the image and listen. */
#include <errno.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/reach.h"
#include "image/image.h"

#define DEFAULT_ROUNDS 8
#define DIED "the container's monitor died in the middle of it; the container runs on"
#define DIED_LATE "the container's monitor died while it ended the container; the image is whole"

int pidspace_check(struct pidspace *p, const char *name, struct pidspace_refusal **ret,
		   size_t *ret_n, struct pidspace_error *err)
{
	struct control_request q = {.type = CONTROL_CHECK};
	struct control_answer a = {0};
	int r = reach_ask(p, name, &q, &a, err);

	if (r < 0)
		free(a.refusals);
	else
		control_take_refusals(&a, ret, ret_n);
	return r;
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Rounds shorten the time in which a tree stands still, and lengthen the whole. */
static uint32_t rounds_wanted(const struct pidspace_checkpoint *o)
{
	if (o->max_rounds)
		return o->max_rounds > 0 ? (uint32_t)o->max_rounds : 0;
	/* Whoever reads a pipe has to keep all early pages until the end. */
	return o->leave_running && is_regular(o->image_fd) ? DEFAULT_ROUNDS : 0;
}

static int check_level(const struct pidspace_checkpoint *o, struct pidspace_error *err)
{
	static const int most[] = {[PIDSPACE_NONE] = 0, [PIDSPACE_LZ4] = IMAGE_LZ4_MOST, [PIDSPACE_ZSTD] = IMAGE_ZSTD_MOST};

	if ((size_t)o->compress < sizeof most / sizeof *most && o->level >= 0 && o->level <= most[o->compress])
		return 0;
	return error_set(err, -EINVAL, "E_COMPRESS", "there is no compression %d of level %d", (int)o->compress, o->level);
}

int pidspace_checkpoint(struct pidspace *p, const struct pidspace_checkpoint *o,
			struct pidspace_refusal **ret_refusals, size_t *ret_n,
			struct pidspace_stats *ret_stats, struct pidspace_error *err)
{
	struct control_request q = {.type = CONTROL_CHECKPOINT, .compress = (uint32_t)o->compress, .level = (uint32_t)o->level,
				    .leave_running = o->leave_running, .max_rounds = rounds_wanted(o),
				    .always_rounds = o->max_rounds > 0, .sync = !o->no_sync,
				    .confirm = o->written && is_regular(o->image_fd)};
	struct control_answer a = {.progress = o->progress, .progress_arg = o->progress_arg,
				   .written = o->written, .written_arg = o->written_arg, .cancel_fd = o->cancel_fd};
	_cleanup_close_ int sock = -1;
	int r = check_level(o, err);

	if (r == 0)
		r = reach_monitor(p, o->name, &sock, err);
	if (ret_refusals && ret_n) {
		*ret_refusals = NULL;
		*ret_n = 0;
	}
	if (r < 0)
		return r;
	r = control_ask(sock, &q, NULL, NULL, (char *const *)o->external, NULL, &o->image_fd, 1);
	if (r < 0)
		return error_sys(err, r, "cannot ask the monitor of container %s", o->name);
	r = control_converse(sock, &a, DIED, err);
	if (r == -EPIPE && a.confirmed)
		error_set(err, r, "E_MONITOR", DIED_LATE);
	control_take_refusals(&a, ret_refusals, ret_n);
	if (r >= 0 && ret_stats)
		*ret_stats = a.done.stats;
	return r;
}
