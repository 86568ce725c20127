/* The first thing that runs in a new image: the text has been mapped by a call that the warden set up. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/mman.h>

static void map_or_die(uint64_t at, uint64_t size, int flags, long fd, uint64_t offset)
{
	long r = shim_call(__NR_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd,
			   (long)offset);

	if (r != (long)at)
		CALL1(__NR_exit_group, 127);
}

/* Where the warden put its instructions. Where the program itself may not write there, its page is as the file has it
 * but for them: thrown away, it comes back from there. */
static void put_back(const struct shim_image *image)
{
	uint64_t page = image->at & ~4095ul;

	if (guest_write((void *)image->at, image->was, image->n) || CALL3(__NR_madvise, page, 4096, MADV_DONTNEED) == 0)
		return;
	patch_write_code(image->at, image->was, image->n);
}

static void let_go(long fd, const struct shim_image *image)
{
	if (image && image->lent)
		shim_ring(ASK_RETURN, ids_self(), fd, 0);
	else
		CALL1(__NR_close, fd);
}

/* image: NULL for the process that is to become vpid 1. */
void shim_boot(long fd, const struct shim_image *image)
{
	struct sigaction a = {
		.sa_handler = (__sighandler_t)SHIM_ENTRY_SIGSYS,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTORER,
		.sa_restorer = (__sigrestore_t)SHIM_ENTRY_OWN_RESTORER,
	};
	uint64_t set = SIG_BIT(SIGSYS);

	map_or_die(SHIM_PRIVATE, SHIM_PRIVATE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map_or_die(SHIM_COMMON, SHIM_COMMON_SIZE, MAP_SHARED, fd, SHIM_COMMON_AT);
	map_or_die(SHIM_MAP, SHIM_MAP_SIZE, MAP_SHARED, fd, 0);
	let_go(fd, image);
	CALL4(__NR_rt_sigaction, SIGSYS, &a, 0, 8);
	CALL4(__NR_rt_sigprocmask, SIG_UNBLOCK, &set, 0, 8);
	if (image) {
		own()->in_proc = image->in_proc;
		own()->host = image->host;
		own()->vpid = image->vpid;
		own()->sigsys.sa_handler = image->ignores_sigsys ? SIG_IGN : SIG_DFL;
		put_back(image);
		own()->small_stacks = go_note_is_there((const void *)image->rsp);
		set = image->mask & ~SIG_BIT(SIGSYS);
		if (image->masked)
			CALL4(__NR_rt_sigprocmask, SIG_SETMASK, &set, 0, 8);
	}
}
