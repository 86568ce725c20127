/* Containers through the public API: their whole life, as root and as an ordinary user, with and
 * without their monitor. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <cmocka.h>

#include <pidspace/pidspace.h>

#include "base/fd.h"
#include "container/control.h"
#include "container/registry.h"
#include "containers.h"

static int foreground_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_run o = {.name = "web", .remove = true,
				 .argv = SH("echo $$; cat; echo end >&2; exit 5")};
	struct pidspace_error err;
	char out[300];
	int status = run(p, &o, "through the monitor\n", out, sizeof out, &err);

	CHECK(status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 5);
	CHECK(!strcmp(out, "1\nthrough the monitor\nend\n"));
	/* big: more than any buffer on the way, and the writer ends right after the last byte */
	o.argv = SH("head -c 3000000 /dev/zero | tr '\\0' x");
	char *big = malloc(4000000);
	int pipefd[2];
	CHECK(pipe2(pipefd, O_CLOEXEC) == 0);
	pid_t reader = fork();
	if (reader == 0) {
		close(pipefd[1]);
		_exit(fd_read_all(pipefd[0], big, 4000000) != 3000000 || big[2999999] != 'x');
	}
	o.stdio[0] = -1;
	o.stdio[1] = pipefd[1];
	CHECK(pidspace_run(p, &o, &status, &err) == 0 && status == 0);
	close(pipefd[1]);
	close(pipefd[0]);
	CHECK(waitpid(reader, &status, 0) == reader && status == 0);
	free(big);
	return finish(p);
}

/* Signals to the one that runs it in the foreground are the container's. */
static int signals_body(void)
{
	struct pidspace *p = registry();
	int from[2], status;
	char line[4] = {0};
	pid_t monitor;

	CHECK(pipe2(from, O_CLOEXEC) == 0);
	monitor = fork();
	if (monitor == 0) {
		struct pidspace_run o = {.name = "web", .remove = true, .stdio = {-1, from[1], -1},
					 .argv = SH("trap 'echo hup' HUP; trap 'exit 9' TERM; echo up; "
						    "while :; do sleep 0.02; done")};

		_exit(pidspace_run(p, &o, &status, NULL) < 0 ? 99 : WEXITSTATUS(status));
	}
	CHECK(fd_read_all(from[0], line, 3) == 3 && !strcmp(line, "up\n"));
	CHECK(kill(monitor, SIGHUP) == 0);
	CHECK(fd_read_all(from[0], line, 3) == 3 && !strcmp(line, "hup"));
	CHECK(kill(monitor, SIGTERM) == 0);
	CHECK(waitpid(monitor, &status, 0) == monitor);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	close(from[0]);
	close(from[1]);
	return finish(p);
}

/* A file tree of its own: the shell and its libraries, nothing else. */
static int rootfs_body(void)
{
	char root[] = "/tmp/pidspace-test-root.XXXXXX", command[400], out[400];
	struct pidspace *p = registry();
	struct pidspace_run o = {.name = "web", .remove = true, .rootfs = root,
				 .argv = SH("echo $$ * $PWD; echo /dev/*; echo gone > /dev/null")};
	struct pidspace_error err;
	int status;

	CHECK(mkdtemp(root));
	snprintf(command, sizeof command,
		 "cd %s && for f in /bin/sh $(ldd /bin/sh | grep -o '/[^ :]*' | sort -u); do "
		 "mkdir -p .$(dirname $f) && cp -L $f .$f; done", root);
	CHECK(system(command) == 0);
	status = run(p, &o, "", out, sizeof out, &err);
	say(status, &err);
	CHECK(status == 0);
	CHECK(!strncmp(out, "1 ", 2) && strstr(out, " proc /\n") && !strstr(out, " etc "));
	CHECK(strstr(out, "/dev/null") && strstr(out, "/dev/ptmx") && strstr(out, "/dev/shm"));
	o.rootfs = "/no/such/tree";
	CHECK(run(p, &o, "", out, sizeof out, &err) == -ENOENT && !strcmp(err.code, "E_ROOTFS"));
	/* its mounts were its own */
	snprintf(command, sizeof command, "test ! -e %s/dev/null && rm -r %s", root, root);
	CHECK(system(command) == 0);
	return finish(p);
}

static int exec_failure_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_run o = {.name = "web", .argv = (char *[]){"/no/such-program", NULL}};
	struct pidspace_error err;
	char out[100];

	CHECK(run(p, &o, "", out, sizeof out, &err) == -ENOENT);
	CHECK(!strcmp(err.code, "E_EXEC") && strstr(err.message, "such-program"));
	o.detach = true;
	CHECK(pidspace_run(p, &o, NULL, &err) == -ENOENT);
	CHECK(!strcmp(err.code, "E_EXEC"));
	o.init = true;
	CHECK(pidspace_run(p, &o, NULL, &err) == -ENOENT);
	o.argv = SH("true");
	o.cwd = "/no/such/directory";
	CHECK(pidspace_run(p, &o, NULL, &err) == -ENOENT);
	CHECK(!strcmp(err.code, "E_CWD"));
	o.name = "../web";
	CHECK(pidspace_run(p, &o, NULL, &err) == -EINVAL);
	CHECK(!strcmp(err.code, "E_NAME"));
	return finish(p); /* nothing left behind: the directory is empty */
}

/* What the caller has lying around must not reach the container. */
static int clean_state_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_run o = {.name = "web", .remove = true,
				 .argv = SH("ls /proc/self/fd | wc -l; grep -E 'SigBlk|SigIgn' "
					    "/proc/self/status; cut -d' ' -f5,6 /proc/1/stat")};
	struct pidspace_error err;
	char out[300];
	sigset_t all;

	CHECK(dup2(0, 77) == 77);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	CHECK(run(p, &o, "", out, sizeof out, &err) == 0);
	/* 0 1 2 and the directory itself; session and group are init's own */
	CHECK(!strcmp(out, "4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n1 1\n"));
	return finish(p);
}

static int detached_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct pidspace_info info, *list;
	char out[100];
	size_t n;
	int status;

	CHECK(start(p, "web", SH("echo out; echo err >&2; read x; exec sleep 1000"), false) == 0);
	CHECK(read_log(p, "web", out, sizeof out, 8) == 8 && !strcmp(out, "out\nerr\n"));
	CHECK(start(p, "other", SH("exit 3"), false) == 0);
	CHECK(pidspace_wait(p, "other", 30000, &status, &err) == 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CHECK(pidspace_list(p, &list, &n, &err) == 0 && n == 2);
	CHECK(!strcmp(list[0].name, "other") && list[0].state == PIDSPACE_STOPPED);
	CHECK(list[0].exit_status == status && list[0].host_pid == 0);
	CHECK(!strcmp(list[1].name, "web") && list[1].state == PIDSPACE_RUNNING);
	free(list);
	CHECK(pidspace_state(p, "web", &info, &err) == 0);
	CHECK(info.tasks == 1 && info.host_pid > 0 && info.monitor_host_pid > 0 && info.detached);
	/* the name is taken while it is known, running or not */
	struct pidspace_run o = {.name = "other", .argv = SH("true"), .stdio = {-1, -1, -1}};
	CHECK(pidspace_run(p, &o, &status, &err) == -EEXIST && !strcmp(err.code, "E_NAME_IN_USE"));
	CHECK(pidspace_delete(p, "web", false, &err) == -EBUSY && !strcmp(err.code, "E_RUNNING"));
	CHECK(pidspace_wait(p, "web", 50, &status, &err) == -ETIMEDOUT);
	CHECK(pidspace_delete(p, "web", true, &err) == 0);
	CHECK(pidspace_delete(p, "other", false, &err) == 0);
	CHECK(pidspace_delete(p, "other", false, &err) == -ENOENT);
	CHECK(!strcmp(err.code, "E_NO_CONTAINER"));
	return finish(p);
}

static int exec_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct pidspace_exec bad = {.name = "web", .argv = (char *[]){"/no/such-program", NULL},
				    .stdio = {-1, -1, -1}};
	char out[100];
	int status;
	pid_t pid;

	CHECK(start(p, "web", SH("exec sleep 1000"), true) == 0);
	CHECK(exec_text(p, "web", SH("echo $$ $PPID; exit 9"), out, sizeof out, &status, &pid) == 0);
	CHECK(pid == 2 && !strcmp(out, "2 0\n"));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK(exec_text(p, "web", SH("kill -9 $$"), out, sizeof out, &status, &pid) == 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == 9);
	CHECK(pidspace_exec(p, &bad, NULL, &status, &err) == -ENOENT && !strcmp(err.code, "E_EXEC"));
	/* those that still run when the container ends are told how they ended */
	pid_t killer = fork();
	if (killer == 0) {
		struct pidspace_info info;
		for (int i = 0; i < 3000; i++) {
			if (pidspace_state(p, "web", &info, NULL) == 0 && info.tasks == 2)
				_exit(pidspace_kill(p, "web", SIGKILL, NULL, 0, false, NULL) != 0);
			poll(NULL, 0, 5);
		}
		_exit(2);
	}
	CHECK(exec_text(p, "web", SH("exec sleep 1000"), out, sizeof out, &status, &pid) == 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(waitpid(killer, &status, 0) == killer && status == 0);
	while (pidspace_state(p, "web", &(struct pidspace_info){0}, NULL) >= 0)
		poll(NULL, 0, 5);
	return finish(p);
}

static int kill_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	char out[100];
	int status;
	pid_t two = 2, none = 4000;

	CHECK(start(p, "web", SH("trap 'echo usr1' USR1; sleep 1000 & echo up; wait; echo woken; "
				 "wait; echo over; exit 4"), false) == 0);
	CHECK(read_log(p, "web", out, sizeof out, 3) >= 3);
	CHECK(pidspace_kill(p, "web", SIGUSR1, NULL, 0, false, &err) == 0);
	CHECK(read_log(p, "web", out, sizeof out, 14) >= 14 && !strcmp(out, "up\nusr1\nwoken\n"));
	CHECK(pidspace_kill(p, "web", SIGTERM, &none, 1, false, &err) == -ESRCH);
	CHECK(!strcmp(err.code, "E_NO_SUCH_PID"));
	CHECK(pidspace_kill(p, "web", SIGTERM, &two, 1, false, &err) == 0);
	CHECK(pidspace_wait(p, "web", 30000, &status, &err) == 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
	CHECK(pidspace_kill(p, "web", SIGTERM, NULL, 0, false, &err) == -ESRCH);
	CHECK(pidspace_delete(p, "web", false, &err) == 0);
	CHECK(start(p, "web", SH("sleep 1000 & sleep 1000 & wait; exit 6"), false) == 0);
	while (pidspace_state(p, "web", &(struct pidspace_info){0}, &err) < 0)
		;
	for (struct pidspace_info i = {0}; i.tasks != 3;)
		CHECK(pidspace_state(p, "web", &i, &err) == 0);
	CHECK(pidspace_kill(p, "web", SIGTERM, NULL, 0, true, &err) == 0);
	CHECK(pidspace_wait(p, "web", 30000, &status, &err) == 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
	CHECK(pidspace_delete(p, "web", false, &err) == 0);
	return finish(p);
}

/* A SIGKILL to the monitor: the container goes on, the next command adopts it, and the exit status
 * is the right one although nobody of us is its parent. */
static int monitor_killed_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct pidspace_info before, after;
	char out[100];
	int status;
	pid_t pid;

	CHECK(start(p, "web", SH("trap 'exit 42' TERM; while :; do sleep 0.05; done"), false) == 0);
	CHECK(pidspace_state(p, "web", &before, &err) == 0 && before.monitor_host_pid > 1);
	CHECK(kill(before.monitor_host_pid, SIGKILL) == 0);
	do
		CHECK(pidspace_state(p, "web", &after, &err) == 0);
	while (after.monitor_host_pid);
	CHECK(after.state == PIDSPACE_RUNNING && after.host_pid == before.host_pid);
	CHECK(pidspace_kill(p, "web", SIGCONT, NULL, 0, false, &err) == 0); /* needs none */
	CHECK(exec_text(p, "web", SH("echo here"), out, sizeof out, &status, &pid) == 0);
	CHECK(!strcmp(out, "here\n") && status == 0);
	CHECK(pidspace_state(p, "web", &after, &err) == 0 && after.monitor_host_pid > 0);
	CHECK(after.monitor_host_pid != before.monitor_host_pid);
	CHECK(pidspace_kill(p, "web", SIGTERM, NULL, 0, false, &err) == 0);
	CHECK(pidspace_wait(p, "web", 30000, &status, &err) == 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	CHECK(pidspace_delete(p, "web", false, &err) == 0);
	/* killed again, and ended while no monitor watched: known to have ended, no more */
	CHECK(start(p, "web", SH("exec sleep 1000"), false) == 0);
	CHECK(pidspace_state(p, "web", &before, &err) == 0);
	CHECK(kill(before.monitor_host_pid, SIGKILL) == 0);
	do
		CHECK(pidspace_state(p, "web", &after, &err) == 0);
	while (after.monitor_host_pid);
	CHECK(pidspace_kill(p, "web", SIGKILL, NULL, 0, false, &err) == 0);
	do
		CHECK(pidspace_state(p, "web", &after, &err) == 0);
	while (after.state != PIDSPACE_STOPPED);
	CHECK(pidspace_wait(p, "web", 30000, &status, &err) == -ENODATA);
	CHECK(pidspace_delete(p, "web", false, &err) == 0);
	/* run with remove, both killed: forgotten by whoever looks next, and the name is free */
	CHECK(start(p, "web", SH("exec sleep 1000"), true) == 0);
	CHECK(pidspace_state(p, "web", &before, &err) == 0);
	CHECK(kill(before.monitor_host_pid, SIGKILL) == 0 && kill(before.host_pid, SIGKILL) == 0);
	struct pidspace_run o = {.name = "web", .argv = SH("exit 0"), .detach = true, .remove = true,
				 .stdio = {-1, -1, -1}};
	do
		status = pidspace_run(p, &o, NULL, &err);
	while (status == -EEXIST); /* init is not dead at once */
	CHECK(status == 0);
	while (pidspace_state(p, "web", &after, &err) >= 0)
		;
	return finish(p);
}

static int ten_at_once_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct pidspace_info *list;
	pid_t starters[10];
	char name[16], out[100];
	size_t n;
	int status;

	for (int i = 0; i < 10; i++) {
		starters[i] = fork();
		if (starters[i] == 0) {
			char text[64];

			snprintf(name, sizeof name, "c%d", i);
			snprintf(text, sizeof text, "echo %d $$; read x < /proc/1/comm; sleep 1000; true", i);
			_exit(start(p, name, SH(text), false) != 0);
		}
	}
	for (int i = 0; i < 10; i++)
		CHECK(waitpid(starters[i], &status, 0) == starters[i] && status == 0);
	CHECK(pidspace_list(p, &list, &n, &err) == 0 && n == 10);
	for (int i = 0; i < 10; i++)
		CHECK(list[i].state == PIDSPACE_RUNNING && list[i].name[1] == '0' + i);
	free(list);
	for (int i = 0; i < 10; i++) {
		char want[16];

		snprintf(name, sizeof name, "c%d", i);
		snprintf(want, sizeof want, "%d 1\n", i);
		CHECK(read_log(p, name, out, sizeof out, 4) == 4 && !strcmp(out, want));
		CHECK(pidspace_delete(p, name, true, &err) == 0);
	}
	return finish(p);
}

/* Processes come and go so fast that every number up to pid_max is used again and again; what is
 * signalled by number is inside, and exactly that one. A sleeper outside never gets hurt. */
static int recycled_kill_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_run o = {.name = "web", .detach = true, .pid_max = 310,
				 .argv = SH("while :; do /bin/true; /bin/true & done"),
				 .stdio = {-1, -1, -1}};
	struct pidspace_error err = {0};
	struct pidspace_info info;
	int hits = 0, misses = 0, status;
	pid_t outside[3];

	for (int i = 0; i < 3; i++) {
		outside[i] = fork();
		if (outside[i] == 0) {
			pause();
			_exit(0);
		}
	}
	CHECK(say(pidspace_run(p, &o, NULL, &err), &err) == 0);
	for (int i = 0; i < 3000; i++) {
		pid_t pid = 300 + i % 10;
		int r = pidspace_kill(p, "web", SIGKILL, &pid, 1, false, &err);

		CHECK(r == 0 || r == -ESRCH);
		hits += r == 0;
		misses += r == -ESRCH;
	}
	CHECK(hits + misses == 3000);
	CHECK(pidspace_state(p, "web", &info, &err) == 0 && info.state == PIDSPACE_RUNNING);
	for (int i = 0; i < 3; i++) {
		CHECK(waitpid(outside[i], &status, WNOHANG) == 0);
		kill(outside[i], SIGKILL);
		CHECK(waitpid(outside[i], &status, 0) == outside[i]);
	}
	CHECK(pidspace_delete(p, "web", true, &err) == 0);
	return finish(p);
}

static int init_wrapper_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_run o = {.name = "web", .remove = true, .init = true,
				 .argv = SH("echo $$ $PPID; (true & ); i=0; "
					    "while set -- /proc/[0-9]*; [ $# != 2 ] && [ $i -lt 500 ]; "
					    "do i=$((i + 1)); sleep 0.02; done; echo $#; exit 5")};
	struct pidspace_error err;
	char out[300];
	int status = run(p, &o, "", out, sizeof out, &err);

	/* the orphan was reaped: init and sh are left */
	CHECK(!strcmp(out, "2 1\n2\n"));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	o.argv = SH("kill -TERM $$");
	status = run(p, &o, "", out, sizeof out, &err);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
	return finish(p);
}

static int pause_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct pidspace_info info;

	CHECK(start(p, "web", SH("while :; do echo x; done"), false) == 0);
	CHECK(say(pidspace_pause(p, "web", &err), &err) == 0);
	CHECK(pidspace_state(p, "web", &info, &err) == 0 && info.state == PIDSPACE_PAUSED);
	struct stat st1, st2;
	CHECK(stat(info.log, &st1) == 0);
	poll(NULL, 0, 50); /* time in which a running one would write */
	CHECK(stat(info.log, &st2) == 0 && st1.st_size == st2.st_size);
	struct pidspace_exec x = {.name = "web", .argv = SH("true"), .stdio = {-1, -1, -1}};
	CHECK(pidspace_exec(p, &x, NULL, NULL, &err) == -EBUSY && !strcmp(err.code, "E_PAUSED"));
	CHECK(pidspace_resume(p, "web", &err) == 0);
	do
		CHECK(stat(info.log, &st2) == 0);
	while (st2.st_size == st1.st_size);
	/* paused, it can be killed */
	CHECK(pidspace_pause(p, "web", &err) == 0);
	CHECK(say(pidspace_delete(p, "web", true, &err), &err) == 0);
	return finish(p);
}

static int protocol_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct control_request old = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION + 1,
				      .type = CONTROL_PAUSE};
	struct control_reply reply;
	struct pidspace_info info;
	struct entry *e;
	struct stat st;
	char out[64];
	int sock, status;
	pid_t pid;

	CHECK(start(p, "web", SH("exec sleep 1000"), true) == 0);
	CHECK(entry_open(p, "web", &e, &err) == 0);
	CHECK(fstatat(e->dir_fd, "control.sock", &st, 0) == 0);
	CHECK((st.st_mode & 07777) == 0600 && S_ISSOCK(st.st_mode));
	CHECK(fstat(e->dir_fd, &st) == 0 && (st.st_mode & 07777) == 0700);
	/* garbage, another version, nothing at all, many of them: it answers or hangs up, and lives */
	sock = entry_connect(e);
	CHECK(sock >= 0 && send(sock, "hello", 5, 0) == 5);
	CHECK(read(sock, &reply, sizeof reply) == sizeof reply);
	CHECK(reply.type == CONTROL_DONE && !strcmp(reply.error.code, "E_PROTOCOL"));
	close(sock);
	sock = entry_connect(e);
	CHECK(send(sock, &old, sizeof old, 0) == sizeof old);
	CHECK(read(sock, &reply, sizeof reply) == sizeof reply);
	CHECK(reply.type == CONTROL_DONE && reply.error.status == -EPROTO);
	close(sock);
	for (int i = 0; i < 100; i++) {
		sock = entry_connect(e);
		CHECK(sock >= 0);
		close(sock);
	}
	struct control_request unknown = {.type = 999};
	sock = entry_connect(e);
	CHECK(control_ask(sock, &unknown, NULL, NULL, NULL, NULL, NULL, 0) == 0);
	CHECK(read(sock, &reply, sizeof reply) == sizeof reply && reply.error.status == -EPROTO);
	close(sock);
	/* long arguments travel whole */
	char *longer = malloc(100001);
	memset(longer, 'y', 100000);
	longer[100000] = 0;
	CHECK(exec_text(p, "web", (char *[]){"/bin/sh", "-c", "echo ${#1}", "sh", longer, NULL}, out,
			sizeof out, &status, &pid) == 0);
	CHECK(!strcmp(out, "100000\n"));
	free(longer);
	CHECK(pidspace_state(p, "web", &info, &err) == 0 && info.state == PIDSPACE_RUNNING);
	entry_free(e);
	CHECK(pidspace_delete(p, "web", true, &err) == 0);
	return finish(p);
}

static int registry_body(void)
{
	struct pidspace *p = registry(), *q;
	struct pidspace_error err = {0};
	struct pidspace_info *list;
	struct entry *e, *again;
	size_t n;

	/* only starting: not to be had by others, not shown */
	CHECK(entry_create(p, "web", &e, &err) == 0);
	CHECK(entry_create(p, "web", &again, &err) == -EEXIST);
	CHECK(entry_open(p, "web", &again, &err) == -EAGAIN);
	CHECK(pidspace_list(p, &list, &n, &err) == 0 && n == 0);
	free(list);
	/* its creator dies: the name is free again */
	entry_free(e);
	CHECK(entry_create(p, "web", &e, &err) == 0);
	/* a record that names a living process which is not the one meant: our parent, with a wrong
	 * start time */
	e->record.state = PIDSPACE_RUNNING;
	e->record.init = hpid_of(getpid());
	e->record.init_start = 1;
	e->record.command = calloc(1, sizeof(char *));
	CHECK(entry_save(e, &err) == 0);
	CHECK(entry_open(p, "web", &again, &err) == 0);
	CHECK(again->record.state == PIDSPACE_STOPPED && again->record.exit_status == -1);
	entry_free(again);
	CHECK(pidspace_kill(p, "web", SIGKILL, NULL, 0, false, &err) == -ESRCH);
	/* damaged */
	int fd = openat(e->dir_fd, "state.json", O_WRONLY | O_TRUNC);
	CHECK(fd >= 0 && write(fd, "{\"version\":1,", 13) == 13);
	close(fd);
	CHECK(entry_open(p, "web", &again, &err) == -EBADMSG && !strcmp(err.code, "E_STATE"));
	CHECK(entry_remove(e) == 0);
	entry_free(e);
	/* a directory that others may write to is refused */
	char open_dir[80];
	snprintf(open_dir, sizeof open_dir, "%s/open", state_dir);
	CHECK(mkdir(open_dir, 0700) == 0 && chmod(open_dir, 0777) == 0);
	CHECK(pidspace_open(&q, open_dir, &err) == -EACCES && !strcmp(err.code, "E_STATE_DIR"));
	CHECK(rmdir(open_dir) == 0);
	return finish(p);
}

BOTH(foreground)
BOTH(signals)
BOTH(rootfs)
BOTH(exec_failure)
BOTH(clean_state)
BOTH(detached)
BOTH(exec)
BOTH(kill)
BOTH(monitor_killed)
BOTH(ten_at_once)
BOTH(recycled_kill)
BOTH(init_wrapper)
BOTH(pause)
BOTH(protocol)
BOTH(registry)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_TESTS(signals),	    BOTH_TESTS(rootfs),
		BOTH_TESTS(foreground),	    BOTH_TESTS(exec_failure),  BOTH_TESTS(clean_state),
		BOTH_TESTS(detached),	    BOTH_TESTS(exec),	       BOTH_TESTS(kill),
		BOTH_TESTS(monitor_killed), BOTH_TESTS(ten_at_once),   BOTH_TESTS(recycled_kill),
		BOTH_TESTS(init_wrapper),   BOTH_TESTS(pause),	       BOTH_TESTS(protocol),
		BOTH_TESTS(registry),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
