/* The whole life of a container through the library: it is started, looked at, written to an image
 * in memory, gone, brought back with the same pids, and ended.
 *
 * Build: cc -D_GNU_SOURCE checkpoint_and_restore.c $(pkg-config --cflags --libs --static pidspace)
 * usage: checkpoint_and_restore [STATE-DIR]    (default: the caller's own registry) */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pidspace/pidspace.h>

static const char name[] = "example";

static int failed(const char *what, const struct pidspace_error *err)
{
	fprintf(stderr, "%s: %s [%s]\n", what, err->message, err->code);
	return -1;
}

/* Prints the processes and returns how many there are, or -1. *ret_sum is a number that changes if
 * any pid, parent, group or session does. */
static int show(struct pidspace *p, unsigned long *ret_sum)
{
	struct pidspace_error err;
	struct pidspace_task *tasks;
	size_t n;

	if (pidspace_ps(p, name, false, &tasks, &n, &err) < 0)
		return failed("ps", &err);
	*ret_sum = 0;
	for (size_t i = 0; i < n; i++) {
		struct pidspace_task *t = &tasks[i];
		printf("  pid %d (on this host %d) parent %d group %d session %d  %s\n", t->pid,
		       t->host_pid, t->ppid, t->pgid, t->sid, t->command);
		*ret_sum = *ret_sum * 31 + (unsigned long)t->pid;
		*ret_sum = *ret_sum * 31 + (unsigned long)t->ppid;
		*ret_sum = *ret_sum * 31 + (unsigned long)t->pgid;
		*ret_sum = *ret_sum * 31 + (unsigned long)t->sid;
	}
	free(tasks);
	return (int)n;
}

/* Everything that stands in the way, at once. */
static void complain(const struct pidspace_refusal *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "  process %d, %s: %s; %s [%s]\n", r[i].pid, r[i].what, r[i].why,
			r[i].advice, r[i].code);
}

static int there_and_back(struct pidspace *p, int image)
{
	struct pidspace_error err;
	struct pidspace_refusal *refusals = NULL;
	struct pidspace_stats stats;
	size_t n = 0;
	unsigned long before, after;

	char *argv[] = {"/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait", NULL};
	struct pidspace_run run = {.name = name, .argv = argv, .detach = true, .stdio = {-1, -1, -1}};
	if (pidspace_run(p, &run, NULL, &err) < 0)
		return failed("run", &err);
	/* The shell has been executed; its two children appear a moment later. */
	struct pidspace_info info;
	do
		if (pidspace_state(p, name, &info, &err) < 0)
			return failed("state", &err);
	while (info.state == PIDSPACE_RUNNING && info.tasks < 3 && usleep(10000) == 0);
	printf("started:\n");
	if (show(p, &before) != 3)
		return -1;

	struct pidspace_checkpoint save = {.name = name, .image_fd = image, .compress = PIDSPACE_LZ4};
	int r = pidspace_checkpoint(p, &save, &refusals, &n, &stats, &err);
	if (r < 0) {
		complain(refusals, n);
		free(refusals);
		return failed("checkpoint", &err);
	}
	printf("checkpoint: %llu bytes of image, stopped for %.1f ms\n",
	       (unsigned long long)stats.image_bytes, (double)stats.paused_ns / 1e6);
	if (pidspace_state(p, name, &info, &err) == 0 && info.state == PIDSPACE_RUNNING) {
		fprintf(stderr, "it still runs\n");
		return -1;
	}

	lseek(image, 0, SEEK_SET);
	struct pidspace_restore back = {.image_fd = image, .detach = true, .stdio = {-1, -1, -1}};
	r = pidspace_restore(p, &back, &refusals, &n, NULL, &err);
	if (r < 0) {
		complain(refusals, n);
		free(refusals);
		return failed("restore", &err);
	}
	printf("restored:\n");
	if (show(p, &after) != 3 || before != after) {
		fprintf(stderr, "that is another tree\n");
		return -1;
	}

	int status;
	if (pidspace_kill(p, name, SIGKILL, NULL, 0, false, &err) < 0)
		return failed("kill", &err);
	if (pidspace_wait(p, name, 10000, &status, &err) < 0)
		return failed("wait", &err);
	printf("ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct pidspace_error err;
	struct pidspace *p;

	if (pidspace_open(&p, argc > 1 ? argv[1] : NULL, &err) < 0)
		return failed("open", &err) < 0;
	int image = memfd_create("image", MFD_CLOEXEC);
	int r = image < 0 ? -1 : there_and_back(p, image);
	if (image >= 0)
		close(image);
	pidspace_delete(p, name, true, &err); /* whatever happened: nothing stays behind */
	pidspace_close(p);
	return r < 0;
}
