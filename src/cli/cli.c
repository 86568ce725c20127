#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "usage.h"

extern char **environ;

int cli_getopt(struct cli *c, int argc, char **argv)
{
	struct option longs[CLI_MAX_OPTIONS] = {0};
	char shorts[3 * CLI_MAX_OPTIONS], *s = shorts;
	size_t n = 0;
	int key;

	if (c->command->in_order)
		*s++ = '+';
	*s++ = ':';
	*s++ = 'h';
	for (const struct cli_option *o = c->command->options; o->name; o++) {
		longs[n++] = (struct option){o->name, o->arg ? required_argument : no_argument,
					     NULL, o->key};
		if (o->key >= CLI_LONG)
			continue;
		*s++ = (char)o->key;
		if (o->arg)
			*s++ = ':';
	}
	*s = 0;
	longs[n] = (struct option){"help", no_argument, NULL, 'h'};

	key = getopt_long(argc, argv, shorts, longs, NULL);
	if (key == 'h') {
		usage_command(c->command);
		exit(cli_finish(0));
	}
	if (key == ':')
		cli_usage(c, "option '%s' needs an argument", argv[optind - 1]);
	if (key == '?' && optopt && optopt < CLI_LONG && argv[optind - 1][1] != '-')
		cli_usage(c, "unknown option '-%c'", optopt);
	if (key == '?')
		cli_usage(c, "unknown, ambiguous or misused option '%s'", argv[optind - 1]);
	return key;
}

void cli_usage(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "pidspace: ");
	if (c->command)
		fprintf(stderr, "%s: ", c->command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see 'pidspace %s%s--help' (E_USAGE)\n", c->command ? c->command->name : "",
		c->command ? " " : "");
	exit(CLI_USAGE);
}

void cli_operands(struct cli *c, int argc, int min, int max)
{
	int n = argc - optind;

	if (n < min)
		cli_usage(c, "%s is missing", *c->command->operands ? c->command->operands : "an argument");
	if (max >= 0 && n > max)
		cli_usage(c, "too many arguments");
}

struct pidspace *cli_registry(struct cli *c)
{
	struct pidspace_error err = {0};

	if (!c->registry && pidspace_open(&c->registry, c->root, &err) < 0)
		exit(cli_fail(&err));
	return c->registry;
}

int cli_fail(const struct pidspace_error *err)
{
	fprintf(stderr, "pidspace: %s (%s)\n", err->message, *err->code ? err->code : "E_SYS");
	if (strcmp(err->code, "E_EXEC"))
		return CLI_FAILED;
	return err->status == -ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE;
}

int cli_error(const char *code, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "pidspace: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (%s)\n", code);
	return CLI_FAILED;
}

int cli_exit_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

bool cli_format(struct cli *c, const char *arg)
{
	if (!strcmp(arg, "json"))
		return true;
	if (strcmp(arg, "text"))
		cli_usage(c, "format '%s' is neither text nor json", arg);
	return false;
}

long cli_number(struct cli *c, const char *what, const char *text, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		cli_usage(c, "%s '%s' is not a number from %ld to %ld", what, text, min, max);
	return n;
}

void cli_stdio(int stdio[3])
{
	for (int fd = 0; fd < 3; fd++)
		stdio[fd] = fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

int cli_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_error("E_OUTPUT", "cannot write to standard output: %s", strerror(errno));
}

void *cli_alloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p)
		exit(cli_error("E_MEMORY", "out of memory"));
	return p;
}

char *cli_strdup(const char *s)
{
	return strcpy(cli_alloc(NULL, strlen(s) + 1), s);
}

char *cli_printf(const char *fmt, ...)
{
	char *ret;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&ret, fmt, ap) < 0)
		exit(cli_error("E_MEMORY", "out of memory"));
	va_end(ap);
	return ret;
}

void cli_strings_add(struct cli_strings *s, char *text)
{
	s->at = cli_alloc(s->at, (s->n + 2) * sizeof *s->at);
	s->at[s->n++] = text;
	s->at[s->n] = NULL;
}

const char *const *cli_strings_list(const struct cli_strings *s)
{
	return (const char *const *)s->at;
}

char **cli_environment(struct cli *c, const struct cli_strings *set)
{
	for (size_t i = 0; i < set->n; i++) {
		char *key = set->at[i], *equals = strchr(key, '=');
		if (equals == key)
			cli_usage(c, "--env '%s' has no name", key);
		if (equals && putenv(key) != 0)
			exit(cli_error("E_MEMORY", "out of memory"));
	}
	return environ;
}
