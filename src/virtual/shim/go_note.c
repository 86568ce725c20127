/* Is the program one of Go's? Its goroutines make system calls on stacks that are too small for a signal's frame. The linker marks
 * what it makes with an ELF note whose name is "Go" (the build id). */
#include "virtual/shim/trap.h"

#include <linux/auxvec.h>
#include <linux/elf.h>

#define GO_BUILD_ID 4

static const Elf64_Phdr *program_headers(const uint64_t *sp, uint64_t *ret_n)
{
	const uint64_t *p = sp + 1 + sp[0] + 1; /* behind argc, the arguments and their NULL */
	uint64_t at = 0;

	*ret_n = 0;
	while (*p)
		p++;
	for (p++; *p != AT_NULL; p += 2)
		if (*p == AT_PHDR)
			at = p[1];
		else if (*p == AT_PHNUM)
			*ret_n = p[1];
	return at && guest_readable((const void *)at, *ret_n * sizeof(Elf64_Phdr)) ? (const Elf64_Phdr *)at : 0;
}

static bool has_go_note(uint64_t at, uint64_t end)
{
	while (end - at >= sizeof(Elf64_Nhdr) && at < end) {
		const Elf64_Nhdr *n = (const Elf64_Nhdr *)at;
		const char *name = (const char *)(n + 1);
		uint64_t size = sizeof *n + ((n->n_namesz + 3ul) & ~3ul) + ((n->n_descsz + 3ul) & ~3ul);
		if (n->n_type == GO_BUILD_ID && n->n_namesz == 4 && end - at >= size && name[0] == 'G' && name[1] == 'o' && !name[2])
			return true;
		if (size > end - at)
			return false;
		at += size;
	}
	return false;
}

bool go_note_is_there(const void *initial_stack)
{
	uint64_t n, bias = 0;
	const Elf64_Phdr *ph = program_headers(initial_stack, &n);

	for (uint64_t i = 0; ph && i < n; i++)
		if (ph[i].p_type == PT_PHDR)
			bias = (uint64_t)ph - ph[i].p_vaddr;
	for (uint64_t i = 0; ph && i < n; i++) {
		uint64_t at = bias + ph[i].p_vaddr;
		if (ph[i].p_type == PT_NOTE && guest_readable((const void *)at, ph[i].p_filesz) && has_go_note(at, at + ph[i].p_filesz))
			return true;
	}
	return false;
}
