/* A program with threads and memory that a sanitizer watches, which forks and executes itself.
 *
 *   storm exec N    threads, children, then itself with N - 1; at 0 it ends with status 3
 *   storm init      as pid 1: ends with status 7 while its children fork and execute */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void execute(char *name, char *what, int n)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", n);
	execl("/proc/self/exe", name, what, number, NULL);
	perror("execl");
	_exit(1);
}

static void *use_memory(void *arg)
{
	for (int i = 0; i < 100; i++) {
		char *p = malloc(1000);
		memset(p, i, 1000);
		free(p);
	}
	return NULL;
}

static void child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(use_memory(NULL) ? 1 : 5);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 5)
		_exit(2);
}

static void with_threads(void)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, use_memory, NULL))
			_exit(4);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

static void storm(char *name, volatile int *begun)
{
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			execute(name, "exec", 0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		*begun = 1;
	}
}

static void be_init(char *name)
{
	volatile int *begun = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (begun == MAP_FAILED)
		_exit(1);
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			storm(name, &begun[i]);
	while (!begun[0] || !begun[1] || !begun[2])
		usleep(1000);
	_exit(7);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (argc > 1 && !strcmp(argv[1], "init"))
		be_init(argv[0]);
	with_threads();
	child();
	if (n > 0)
		execute(argv[0], argv[1], n - 1);
	_exit(3);
}
