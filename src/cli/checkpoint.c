#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"
#include "image_file.h"
#include "progress.h"
#include "refusals.h"
#include "stats.h"

enum { IMAGE = CLI_LONG, LEAVE_RUNNING, COMPRESS, EXTERNAL, STATS, MAX_ROUNDS, NO_SYNC };

static const struct cli_option options[] = {
	{IMAGE, "image", "FILE", "where to (- is standard output)"},
	{LEAVE_RUNNING, "leave-running", NULL, "the container goes on afterwards"},
	{MAX_ROUNDS, "max-rounds", "N", "copy memory in up to N rounds before it stops (8 with\n"
					"                            --leave-running to a file, else 0)"},
	{COMPRESS, "compress", "HOW", "none, or as much as takes no longer: lz4 or zstd; or\n"
				      "                            everything: lz4:1 to lz4:12, zstd:1 to zstd:19 (none)"},
	{NO_SYNC, "no-sync", NULL, "do not wait until the image is on its disk"},
	{EXTERNAL, "external", "KEY", "a PATH, pipe:[INO], socket:[INO] or PID:FD that restore connects\n"
				      "                            (again for more)"},
	{STATS, "stats", NULL, "how long each phase took, to standard error"},
	{'f', "format", "FORMAT", "of --stats: text or json"},
	{0},
};

static void parse_compress(struct cli *c, struct pidspace_checkpoint *o, const char *text)
{
	static const struct {
		const char *name;
		int most;
	} ways[] = {
		[PIDSPACE_NONE] = {"none", 0}, [PIDSPACE_LZ4] = {"lz4", 12}, [PIDSPACE_ZSTD] = {"zstd", 19},
	};
	size_t len = strcspn(text, ":"), i = 0;

	while (i < sizeof ways / sizeof *ways && (strlen(ways[i].name) != len || strncmp(ways[i].name, text, len)))
		i++;
	if (i == sizeof ways / sizeof *ways || (text[len] && !ways[i].most))
		cli_usage(c, "--compress '%s' is none of none, lz4, zstd, lz4:LEVEL and zstd:LEVEL", text);
	o->compress = (enum pidspace_compress)i;
	o->level = text[len] ? (int)cli_number(c, "the level of --compress", text + len + 1, 1, ways[i].most) : 0;
}

static int parse_rounds(struct cli *c, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0 || n > 1000)
		cli_usage(c, "--max-rounds '%s' is no number from 0 to 1000", text);
	return n ? (int)n : -1;
}

struct naming {
	struct image_file *file;
	bool sync;
};

static int name_image(void *arg, struct pidspace_error *err)
{
	const struct naming *n = arg;

	return image_file_name(n->file, n->sync, err);
}

/* ^C and its like give up, so that neither half an image nor a stopped container is left. What is ignored (nohup(1))
 * stays ignored. */
static int watch_signals(void)
{
	static const int all[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (sigaction(all[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&set, all[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Dies of the signal as if it had not been caught. */
static void die_of_signal(int fd)
{
	struct signalfd_siginfo info;
	sigset_t set;

	if (read(fd, &info, sizeof info) != sizeof info)
		return;
	sigemptyset(&set);
	sigaddset(&set, (int)info.ssi_signo);
	raise((int)info.ssi_signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int checkpoint(struct cli *c, int argc, char **argv)
{
	struct pidspace_checkpoint o = {0};
	struct cli_strings external = {0};
	struct pidspace_refusal *refusals = NULL;
	struct pidspace_stats stats = {0};
	struct pidspace_error err = {0};
	struct image_file file;
	struct naming naming = {.file = &file};
	struct progress progress;
	const char *path = NULL;
	bool want_stats = false, json = false;
	size_t n = 0;
	int key, r, status;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		switch (key) {
		case IMAGE: path = optarg; break;
		case LEAVE_RUNNING: o.leave_running = true; break;
		case MAX_ROUNDS: o.max_rounds = parse_rounds(c, optarg); break;
		case COMPRESS: parse_compress(c, &o, optarg); break;
		case NO_SYNC: o.no_sync = true; break;
		case EXTERNAL: cli_strings_add(&external, optarg); break;
		case STATS: want_stats = true; break;
		case 'f': json = cli_format(c, optarg); break;
		}
	}
	cli_operands(c, argc, 1, 1);
	if (!path)
		cli_usage(c, "--image FILE is missing");
	o.name = argv[optind];
	cli_registry(c);
	status = image_file_create(&file, path);
	if (status)
		return status;
	progress_init(&progress);
	o.image_fd = file.fd;
	o.external = cli_strings_list(&external);
	o.progress = progress_show;
	o.progress_arg = &progress;
	naming.sync = !o.no_sync;
	o.written = file.partial ? name_image : NULL;
	o.written_arg = &naming;
	int signals = watch_signals();
	o.cancel_fd = signals > 0 ? signals : 0;
	r = pidspace_checkpoint(c->registry, &o, &refusals, &n, &stats, &err);
	progress_done(&progress);
	status = image_file_finish(&file);
	if (r < 0) {
		status = cli_fail(&err);
		refusals_print(stderr, refusals, n);
	} else if (want_stats) {
		stats_print(&stats, json);
	}
	free(refusals);
	if (!strcmp(err.code, "E_CANCELED") && signals >= 0)
		die_of_signal(signals);
	return status;
}

const struct cli_command command_checkpoint = {
	"checkpoint", "NAME --image FILE", "Write a container to an image", options, false, checkpoint,
};
