/* Programs that a sanitizer watches: they reserve large parts of the address space at fixed places, and handle
 * signals on alternative stacks. */
#include "case.h"

#include <sys/personality.h>

static const char *target(const char *name)
{
	static char path[4096];
	ssize_t n = BD_SYS(readlink("/proc/self/exe", path, sizeof(path) - 64));

	path[n] = 0;
	snprintf(strrchr(path, '/'), 64, "/targets/%s", name);
	return path;
}

/* Older ones fail where the kernel places things too randomly. */
static void execute(const char *name, char *what, char *number)
{
	char *argv[] = { "storm", what, number, NULL }, *env[] = { NULL };

	personality(ADDR_NO_RANDOMIZE);
	raw(SYS_execve, target(name), argv, env);
	raw(SYS_exit_group, 127);
}

static void executes_itself(const char *name)
{
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));
	int status;

	if (child == 0)
		execute(name, "exec", "20");
	status = bd_reap(child);
	BD_CHECK(WIFEXITED(status));
	BD_EQ(WEXITSTATUS(status), 3);
}

static void address_executes(void)
{
	executes_itself("storm_address");
}

static void thread_executes(void)
{
	executes_itself("storm_thread");
}

static void address_is_init(void)
{
	execute("storm_address", "init", NULL);
}

static void thread_is_init(void)
{
	execute("storm_thread", "init", NULL);
}

const struct bd_case bd_cases[] = {
	{ "AddressSanitizer: threads, children, executing itself", address_executes },
	{ "ThreadSanitizer: threads, children, executing itself", thread_executes },
	{ "AddressSanitizer: init dies in a storm of forks and execs", address_is_init, .init = true, .ends = 7 },
	{ "ThreadSanitizer: init dies in a storm of forks and execs", thread_is_init, .init = true, .ends = 7 },
	{},
};
