/* execve of programs that are unlike the usual: which of them run, and what they find. Each is made here, of a
 * header, a segment and some instructions. */
#include "case.h"

#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>

#define NOBODY 65534

/* A file that can be executed, with its code at the end of the only page; if cleared is not 0, as many bytes of the
 * page follow that the kernel clears, which it does where the program may write. */
struct program {
	char path[128];
	uint64_t base;
	const void *code;
	size_t n, cleared;
};

/* exit_group(0) */
static const uint8_t ends[] = {0xb8, 0xe7, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05};
/* exit_group(is the byte behind these not 0?) */
static const uint8_t ends_looking[] = {0x31, 0xff, 0x80, 0x3d, 11, 0, 0, 0, 0, 0x40, 0x0f, 0x95, 0xc7, 0xb8, 0xe7, 0, 0, 0,
				       0x0f, 0x05};
/* exit_group(0) of i386. */
static const uint8_t ends_32[] = {0xb8, 0xfc, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80};

/* Where the one who executes can go: the directory of the test is its owner's. */
static const char *where(void)
{
	static char path[128];
	const char *dir = getenv("BD_DIR");

	if (access(dir, X_OK) == 0)
		return dir;
	snprintf(path, sizeof(path), "/tmp/%s", strrchr(dir, '/') + 1);
	BD_CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
	return path;
}

static void write_file(struct program *p, const char *name, const void *bytes, size_t n)
{
	int fd;

	snprintf(p->path, sizeof(p->path), "%s/%s", where(), name);
	unlink(p->path);
	fd = BD_SYS(open(p->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
	BD_EQ(write(fd, bytes, n), n);
	close(fd);
}

static void make_program(struct program *p, const char *name)
{
	uint8_t file[4096] = {0};
	size_t end = sizeof(file) - p->cleared;
	Elf64_Ehdr e = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = p->base + end - p->n, .e_phoff = sizeof(e), .e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
	};
	Elf64_Phdr segment = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X | (p->cleared ? PF_W : 0), .p_vaddr = p->base,
			      .p_filesz = end, .p_memsz = sizeof(file), .p_align = 4096};

	memcpy(file, &e, sizeof(e));
	memcpy(file + sizeof(e), &segment, sizeof(segment));
	memcpy(file + end - p->n, p->code, p->n);
	memset(file + end, 0xff, p->cleared);
	write_file(p, name, file, sizeof(file));
}

static void make_program_32(struct program *p, const char *name)
{
	uint8_t file[4096] = {0};
	Elf32_Ehdr e = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
		.e_entry = 0x8048000 + sizeof(file) - sizeof(ends_32), .e_phoff = sizeof(e), .e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1,
	};
	Elf32_Phdr segment = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x8048000, .p_filesz = sizeof(file),
			      .p_memsz = sizeof(file), .p_align = 4096};

	memcpy(file, &e, sizeof(e));
	memcpy(file + sizeof(e), &segment, sizeof(segment));
	memcpy(file + sizeof(file) - sizeof(ends_32), ends_32, sizeof(ends_32));
	write_file(p, name, file, sizeof(file));
}

/* What execve answers, or 0: it did not answer, and the program ended well. */
static int errno_of(const char *path)
{
	char *argv[] = { "x", NULL }, *env[] = { NULL };
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));
	int status;

	if (child == 0)
		raw(SYS_exit_group, -raw(SYS_execve, path, argv, env));
	status = bd_reap(child);
	BD_CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The shim's first instructions in a new image are written over the program's. */
static void as_short_as_can_be(void)
{
	struct program p = {.base = 0x400000, .code = ends, .n = sizeof(ends)};

	make_program(&p, "short");
	BD_EQ(errno_of(p.path), 0);
	unlink(p.path);
}

/* Nor are they thrown away with what the kernel has made of the page. */
static void that_writes_where_it_begins(void)
{
	struct program p = {.base = 0x400000, .code = ends_looking, .n = sizeof(ends_looking), .cleared = 100};

	make_program(&p, "writable");
	BD_EQ(errno_of(p.path), 0);
	unlink(p.path);
}

static void at_the_place_of_the_shim(void)
{
	struct program p = {.base = UINT64_C(0x551000000000), .code = ends, .n = sizeof(ends)};

	make_program(&p, "shim");
	BD_EQ(errno_of(p.path), bd_virtual() ? ENOEXEC : 0);
	unlink(p.path);
	p.base += UINT64_C(0x4000000); /* the pid map */
	make_program(&p, "shim");
	BD_EQ(errno_of(p.path), bd_virtual() ? ENOEXEC : 0);
	unlink(p.path);
	p.base += UINT64_C(0x100000000);
	make_program(&p, "shim");
	BD_EQ(errno_of(p.path), 0);
	unlink(p.path);
}

static void with_32_bits(void)
{
	struct program p = {0}, script = {0};
	char text[256];
	int answer;

	make_program_32(&p, "i386");
	answer = errno_of(p.path);
	BD_CHECK(answer == ENOEXEC || (answer == 0 && !bd_virtual())); /* the kernel may have been built without */
	snprintf(text, sizeof(text), "#! %s arg\n", p.path);
	write_file(&script, "script", text, strlen(text));
	BD_EQ(errno_of(script.path), answer);
	unlink(script.path);
	unlink(p.path);
}

/* Nobody may look into a process that executes what it may not read, but a privileged warden. */
static void that_may_not_be_read(void)
{
	struct program p = {.base = 0x400000, .code = ends, .n = sizeof(ends)};
	bool root = geteuid() == 0;

	if (root) {
		BD_DO(raw(SYS_setresgid, NOBODY, NOBODY, NOBODY));
		BD_DO(raw(SYS_setresuid, NOBODY, NOBODY, NOBODY));
	}
	make_program(&p, "unreadable");
	BD_SYS(chmod(p.path, 0111));
	BD_EQ(errno_of(p.path), bd_virtual() && !root ? EACCES : 0);
	unlink(p.path);
	rmdir(where());
}

#define FILES 16

/* Writes a byte to each of the first FILES descriptors, then waits. */
static const uint8_t writes[] = {
	0x31, 0xdb,		   /* xor %ebx, %ebx */
	0x89, 0xdf,		   /* 1: mov %ebx, %edi */
	0x48, 0x89, 0xe6,	   /* mov %rsp, %rsi */
	0xba, 1, 0, 0, 0,	   /* mov $1, %edx */
	0xb8, 1, 0, 0, 0,	   /* mov $SYS_write, %eax */
	0x0f, 0x05,		   /* syscall */
	0xff, 0xc3,		   /* inc %ebx */
	0x83, 0xfb, FILES,	   /* cmp $FILES, %ebx */
	0x7c, 0xe8,		   /* jl 1b */
	0xb8, 0x22, 0, 0, 0,	   /* mov $SYS_pause, %eax */
	0x0f, 0x05,		   /* syscall */
};

/* All numbers are taken: by a file with a lock, which must not get lost, and a pipe. */
static pid_t execute_with_full_table(const char *path, int locked, int pipe_end)
{
	char *argv[] = { "x", NULL }, *env[] = { NULL };
	struct rlimit limit = {FILES, FILES};
	struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));

	if (child)
		return child;
	raw(SYS_dup2, locked, FILES + 10);
	raw(SYS_dup2, pipe_end, FILES + 11);
	raw(SYS_dup2, FILES + 10, 0);
	for (int i = 1; i < FILES; i++)
		raw(SYS_dup2, FILES + 11, i);
	raw(SYS_close_range, FILES, ~0u, 0);
	raw(SYS_fcntl, 0, F_SETLK, &lock);
	raw(SYS_setrlimit, RLIMIT_NOFILE, &limit);
	raw(SYS_execve, path, argv, env);
	raw(SYS_exit_group, 1);
	return -1;
}

static void with_no_descriptor_free(void)
{
	struct program p = {.base = 0x400000, .code = writes, .n = sizeof(writes)};
	struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
	char byte, name[256];
	int file, ends_of[2];
	pid_t child;

	make_program(&p, "writes");
	snprintf(name, sizeof(name), "%s/locked", getenv("BD_DIR"));
	file = BD_SYS(open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	BD_SYS(pipe2(ends_of, O_CLOEXEC));
	child = execute_with_full_table(p.path, file, ends_of[1]);
	close(ends_of[1]);
	for (int i = 1; i < FILES; i++)
		BD_EQ(read(ends_of[0], &byte, 1), 1);
	BD_SYS(fcntl(file, F_GETLK, &lock));
	BD_EQ(lock.l_type, F_WRLCK);
	BD_EQ(lock.l_pid, child);
	bd_end(child);
	BD_EQ(lseek(file, 0, SEEK_END), 1);
	unlink(p.path);
}

static void with_no_descriptor_allowed(void)
{
	struct program p = {.base = 0x400000, .code = ends, .n = sizeof(ends)};
	struct rlimit limit = {0, 0};

	make_program(&p, "none");
	BD_DO(raw(SYS_setrlimit, RLIMIT_NOFILE, &limit));
	BD_EQ(errno_of(p.path), bd_virtual() ? EMFILE : 0);
	unlink(p.path);
}

/* --- another thread forks meanwhile --- */

static struct {
	int had, seen;	  /* descriptors of the process, and of a child with another number of them */
	int forked;	  /* children that have looked */
} *shared;

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += raw(SYS_fcntl, fd, F_GETFD) >= 0;
	return n;
}

static void fork_once(void)
{
	int status;
	long child = raw(SYS_fork);

	if (child == 0) {
		int n = descriptors();
		if (n != shared->had)
			shared->seen = n;
		raw(SYS_exit_group, 0);
	}
	raw(SYS_wait4, child, &status, __WALL, NULL);
	__atomic_fetch_add(&shared->forked, 1, __ATOMIC_SEQ_CST);
}

static void *forks(void *arg)
{
	for (;;)
		fork_once();
	return arg;
}

/* What fails at the last moment, so that it can be tried often. */
static void executes_in_vain(void *arg)
{
	char *argv[] = { "x", NULL }, *env[] = { NULL };
	pthread_t t;

	shared->had = descriptors();
	BD_PT(pthread_create(&t, NULL, forks, NULL));
	while (shared->forked < 300)
		BD_ERR(raw(SYS_execve, arg, argv, env), ENOENT);
	raw(SYS_exit_group, 0);
}

static void in_vain(void (*executes)(void *path))
{
	struct program script = {0};

	shared = bd_shared(4096);
	write_file(&script, "vain", "#!/nonexistent\n", 15);
	bd_reap_ok(bd_child(executes, script.path));
	BD_EQ(shared->seen, 0);
	unlink(script.path);
}

static void a_child_of_another_thread(void)
{
	in_vain(executes_in_vain);
}

/* The same for who shares the table of descriptors, and for a handler of the very thread that executes. */
static void shares_descriptors(void *arg)
{
	char *argv[] = { "x", NULL }, *env[] = { NULL };
	long child = BD_DO(raw(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));

	shared->had = descriptors();
	if (child == 0) {
		while (shared->forked < 300)
			BD_ERR(raw(SYS_execve, arg, argv, env), ENOENT);
		raw(SYS_exit_group, 0);
	}
	while (shared->forked < 300)
		fork_once();
	bd_reap_ok((pid_t)child);
	raw(SYS_exit_group, 0);
}

static void who_shares_the_table(void)
{
	in_vain(shares_descriptors);
}

static void look(int sig)
{
	int n = descriptors();

	if (n != shared->had)
		shared->seen = n;
	shared->forked++;
}

static void executes_among_signals(void *arg)
{
	char *argv[] = { "x", NULL }, *env[] = { NULL };
	struct sigaction a = {.sa_handler = look, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	uint64_t mask = UINT64_C(1) << (SIGUSR1 - 1), now = 0;

	shared->had = descriptors();
	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
	BD_SYS(sigaction(SIGALRM, &a, NULL));
	BD_SYS(setitimer(ITIMER_REAL, &often, NULL));
	while (shared->forked < 300)
		BD_ERR(raw(SYS_execve, arg, argv, env), ENOENT);
	BD_SYS(setitimer(ITIMER_REAL, &never, NULL));
	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8));
	BD_EQ(now, mask);
	raw(SYS_exit_group, 0);
}

static void a_handler(void)
{
	in_vain(executes_among_signals);
}

const struct bd_case bd_cases[] = {
	{ "of nine bytes at the end of a page", as_short_as_can_be },
	{ "that may write where it begins", that_writes_where_it_begins },
	{ "linked where the shim lies", at_the_place_of_the_shim },
	{ "for 32 bits, and by a script", with_32_bits },
	{ "that may not be read", that_may_not_be_read },
	{ "with no descriptor free", with_no_descriptor_free },
	{ "with no descriptor allowed", with_no_descriptor_allowed },
	{ "a child that another thread forks meanwhile inherits nothing of it", a_child_of_another_thread },
	{ "nor does a child of who shares the table of descriptors", who_shares_the_table },
	{ "nor does the handler of a signal see anything", a_handler },
	{},
};
