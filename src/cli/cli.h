#pragma once
/* What every command of the program shares. A command is one file and one row in main.c; its options
 * are a table from which the parser and `--help` are made, so that the two cannot differ.
 *
 * stdout carries what was asked for and nothing else; every message goes to stderr as
 * "pidspace: MESSAGE (E_CODE)". Unlike the library, commands may print and exit. */
#include <stdbool.h>
#include <stddef.h>

#include <pidspace/pidspace.h>

/* Exit statuses, as podman(1) has them. Otherwise a foreground command's status is the container's. */
enum {
	CLI_USAGE = 2,
	CLI_FAILED = 125,
	CLI_NOT_EXECUTABLE = 126,
	CLI_NOT_FOUND = 127,
};

struct cli_option {
	int key;          /* the short letter, or CLI_LONG + n for an option without one */
	const char *name; /* long name; NULL ends the table */
	const char *arg;  /* what its argument is called, NULL: takes none */
	const char *help;
};
#define CLI_LONG 256
#define CLI_MAX_OPTIONS 32

struct cli;

struct cli_command {
	const char *name, *operands, *summary;
	const struct cli_option *options;
	bool in_order; /* operands end the options: what follows belongs to another program */
	int (*main)(struct cli *c, int argc, char **argv);
};

struct cli {
	const char *root;
	struct pidspace *registry;
	const struct cli_command *command;
};

/* The next option's key (its argument in optarg), or -1 once only operands are left, from optind on.
 * Answers --help itself and leaves with CLI_USAGE on an option that does not exist. */
int cli_getopt(struct cli *c, int argc, char **argv);

/* "pidspace: MESSAGE (E_USAGE)" and a hint; exit CLI_USAGE. */
_Noreturn void cli_usage(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Leaves with CLI_USAGE unless between min and max operands are left (max -1: any number). */
void cli_operands(struct cli *c, int argc, int min, int max);

/* Opens the registry; says why not and exits CLI_FAILED when it cannot. */
struct pidspace *cli_registry(struct cli *c);

/* Prints err and returns the exit status that goes with it: CLI_NOT_FOUND or CLI_NOT_EXECUTABLE for
 * a program that could not be executed, else CLI_FAILED. */
int cli_fail(const struct pidspace_error *err);

/* The same for a failure of our own; fmt without a newline. */
int cli_error(const char *code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Exit status for a wait status: the program's, or 128 + signal. */
int cli_exit_status(int wait_status);

/* -f text or json, else usage. Returns whether it is json. */
bool cli_format(struct cli *c, const char *arg);

/* A number from min to max, else usage; what names it in the message. */
long cli_number(struct cli *c, const char *what, const char *text, long min, long max);

/* The caller's descriptors 0, 1 and 2, -1 where one is closed. */
void cli_stdio(int stdio[3]);

/* Flushes stdout: CLI_FAILED with a message when what was printed could not be written. */
int cli_finish(int status);

/* malloc and friends that end the program without memory. */
void *cli_alloc(void *old, size_t size);
char *cli_strdup(const char *s);
char *cli_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* List of strings that options collect, NULL-terminated. */
struct cli_strings {
	char **at;
	size_t n;
};
void cli_strings_add(struct cli_strings *s, char *text);
/* As the library wants it: NULL when there are none. */
const char *const *cli_strings_list(const struct cli_strings *s);

/* The caller's environment with K=V of each --env set in it ("K" alone: the caller's value). */
char **cli_environment(struct cli *c, const struct cli_strings *set);
