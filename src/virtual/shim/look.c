/* A look into what would be executed, before the point of no return: what the kernel would execute and the shim could not follow
 * is refused here, with an errno. The kernel reads the same bytes a moment later, so this is for the program's sake
 * and nothing's safety: what is exchanged in between dies. So does what a thread executes while there are others: a child that
 * one of those forks right now must not inherit the descriptor that we read by. */
#include "virtual/shim/trap.h"

#include <asm/stat.h>
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/resource.h>
#include <linux/stat.h>

#define HEAD 640         /* the header and ten segments; the kernel's BINPRM_BUF_SIZE is 256 */
#define INTERPRETERS 5   /* exec_binprm() */

/* By another way than its path, which is empty. */
static long reopen(long fd, int flags)
{
	char name[32] = "/proc/self/fd/", *end = name + 14;

	for (long n = fd; n > 9; n /= 10)
		end++;
	for (long n = fd; end >= name + 14; n /= 10)
		*end-- = (char)('0' + n % 10);
	return CALL4(__NR_openat, AT_FDCWD, name, flags, 0);
}

/* A descriptor to read it by. Not of what is no regular file: the kernel does not open such a thing to execute it. */
static long open_program(long dirfd, long path, long at_flags)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st;
	long r = CALL4(__NR_newfstatat, dirfd, path, &st, at_flags);

	if (r < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	if (at_flags & AT_EMPTY_PATH && guest_readable((const void *)path, 1) && !*(const char *)path)
		return reopen(dirfd, flags);
	return CALL4(__NR_openat, dirfd, path, flags, 0);
}

/* What a script says in its first line, or NULL. */
static char *interpreter(char *head)
{
	char *name = head + 2, *end;

	if (head[0] != '#' || head[1] != '!')
		return 0;
	while (*name == ' ' || *name == '\t')
		name++;
	for (end = name; *end && *end != ' ' && *end != '\t' && *end != '\n'; end++)
		;
	*end = 0;
	return *name ? name : 0;
}

/* Does it want to lie where the shim does? */
static bool in_the_way(const Elf64_Ehdr *e, const char *head, unsigned long n)
{
	for (unsigned i = 0; e->e_type == ET_EXEC && i < e->e_phnum; i++) {
		const Elf64_Phdr *p = (const void *)(head + e->e_phoff + i * sizeof *p);
		if (e->e_phoff > n || e->e_phoff + (i + 1) * sizeof *p > n)
			return false;
		if (p->p_type == PT_LOAD && p->p_vaddr < SHIM_END && p->p_vaddr + p->p_memsz > SHIM_BASE)
			return true;
	}
	return false;
}

/* i386 and x32 programs make no call that the filter lets through. */
static long judge(const char *head, unsigned long n)
{
	const Elf64_Ehdr *e = (const void *)head;

	if (n < sizeof(Elf32_Ehdr) || head[0] != 0x7f || head[1] != 'E' || head[2] != 'L' || head[3] != 'F')
		return 0;
	if (head[EI_CLASS] == ELFCLASS32)
		return e->e_machine == EM_386 || e->e_machine == EM_486 || e->e_machine == EM_X86_64 ? -ENOEXEC : 0;
	return n >= sizeof *e && in_the_way(e, head, n) ? -ENOEXEC : 0;
}

long look_inside(long dirfd, long path, long flags, bool alone)
{
	_Alignas(8) char head[HEAD];
	struct rlimit64 files;

	/* The new image needs a number for the memfd, be it another's. */
	if (CALL4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &files) == 0 && !files.rlim_cur)
		return -EMFILE;
	for (int i = 0; i <= INTERPRETERS && path && alone; i++) {
		long fd = open_program(dirfd, path, flags), n;
		if (fd < 0)
			return 0;
		n = CALL4(__NR_pread64, fd, head, sizeof head - 1, 0);
		CALL1(__NR_close, fd);
		if (n < 2)
			return 0;
		head[n] = 0;
		if (head[0] == 0x7f)
			return judge(head, (unsigned long)n);
		path = (long)interpreter(head);
		dirfd = AT_FDCWD;
		flags = 0;
	}
	return 0;
}
