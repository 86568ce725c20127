#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { RM = CLI_LONG, PIDS, PID_MAX, INIT, ROOTFS, HOSTNAME, CWD, ENV, MAP_ROOT, USERNS, PID_FILE };

static const struct cli_option options[] = {
	{'d', "detach", NULL, "return once it runs; its output goes to its log"},
	{'t', "terminal", NULL, "give it a terminal of its own (job control, window size)"},
	{RM, "rm", NULL, "forget the container when it ends"},
	{PIDS, "pids", "KIND", "where its pids come from: space or virtual, see pidspace-run(1)"},
	{PID_MAX, "pid-max", "N", "its pids are below N"},
	{INIT, "init", NULL, "pid 1 is a small init, the command pid 2"},
	{ROOTFS, "rootfs", "DIR", "its file tree, instead of the host's"},
	{HOSTNAME, "hostname", "NAME", "its host name, instead of the host's"},
	{CWD, "cwd", "DIR", "working directory inside, instead of the current one"},
	{ENV, "env", "K=V", "set a variable of its environment (again for more)"},
	{MAP_ROOT, "map-root", NULL, "the caller is root inside (a user namespace)"},
	{PID_FILE, "pid-file", "FILE", "write the host pid of its pid 1 to FILE"},
	{0},
};

static enum pidspace_pids parse_pids(struct cli *c, const char *what, const char *word)
{
	if (!strcmp(word, "virtual"))
		return PIDSPACE_VIRTUAL;
	if (strcmp(word, "space"))
		cli_usage(c, "%s '%s' is neither space nor virtual", what, word);
	return PIDSPACE_SPACE;
}

static void say_kind(void *arg, enum pidspace_pids kind)
{
	const struct pidspace_run *o = arg;

	if (kind == PIDSPACE_VIRTUAL)
		fprintf(stderr, "pidspace: no PID namespaces here for this user: '%s' has virtual pids\n", o->name);
}

static void parse(struct cli *c, int argc, char **argv, struct pidspace_run *o,
		  struct cli_strings *env)
{
	const char *kind = getenv("PIDSPACE_PIDS");
	int key;

	if (kind && *kind)
		o->pids = parse_pids(c, "PIDSPACE_PIDS", kind);
	while ((key = cli_getopt(c, argc, argv)) != -1) {
		switch (key) {
		case 'd': o->detach = true; break;
		case 't': o->terminal = true; break;
		case RM: o->remove = true; break;
		case INIT: o->init = true; break;
		case ROOTFS: o->rootfs = optarg; break;
		case HOSTNAME: o->hostname = optarg; break;
		case CWD: o->cwd = optarg; break;
		case ENV: cli_strings_add(env, optarg); break;
		case MAP_ROOT: o->map_root = true; break;
		case PID_FILE: o->pid_file = optarg; break;
		case PID_MAX:
			/* include/linux/threads.h: at least RESERVED_PIDS + 1, at most PID_MAX_LIMIT */
			o->pid_max = (pid_t)cli_number(c, "--pid-max", optarg, 301, 4194304);
			break;
		case PIDS: o->pids = parse_pids(c, "--pids", optarg); break;
		}
	}
}

static int run(struct cli *c, int argc, char **argv)
{
	struct pidspace_run o = {.pids = PIDSPACE_EITHER, .chosen = say_kind, .chosen_arg = &o};
	struct cli_strings env = {0};
	struct pidspace_error err = {0};
	int status = 0;

	parse(c, argc, argv, &o, &env);
	cli_operands(c, argc, 1, -1);
	o.name = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (optind == argc)
		cli_usage(c, "the command to run in '%s' is missing", o.name);
	if (o.terminal && !o.detach && !isatty(0))
		return cli_error("E_TERMINAL", "cannot give '%s' a terminal: standard input is none; "
				 "leave -t out, or add -d", o.name);
	o.argv = argv + optind;
	o.env = cli_environment(c, &env);
	cli_stdio(o.stdio);
	if (pidspace_run(cli_registry(c), &o, &status, &err) < 0)
		return cli_fail(&err);
	return o.detach ? 0 : cli_exit_status(status);
}

const struct cli_command command_run = {
	"run", "NAME -- COMMAND...", "Run a program as a new container", options, true, run,
};
