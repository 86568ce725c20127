/* The end of a thread or process by its own will. The kernel would go through the list of robust locks that it still holds
 * (kernel/futex/core.c exit_robust_list()), but in the lock words are the container's numbers: so it is done here. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/fcntl.h>
#include <linux/futex.h>

#define LIST_LIMIT 2048 /* ROBUST_LIST_LIMIT, against circles */

enum change { DIED, TAKEN_BACK };

static void change(uint32_t *word, enum change c, uint32_t vpid)
{
	uint32_t was, from = c == DIED ? vpid : FUTEX_OWNER_DIED, to = c == DIED ? FUTEX_OWNER_DIED : vpid;
	uint32_t mask = c == DIED ? FUTEX_TID_MASK : ~FUTEX_WAITERS;

	if (((uintptr_t)word & 3) || !guest_readable(word, sizeof *word))
		return;
	was = __atomic_load_n(word, __ATOMIC_RELAXED);
	do
		if ((was & mask) != from)
			return;
	while (!__atomic_compare_exchange_n(word, &was, (was & FUTEX_WAITERS) | to, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED));
	if (c == DIED && (was & FUTEX_WAITERS))
		CALL3(__NR_futex, word, FUTEX_WAKE, 1);
}

/* All that the thread holds, or is about to take or to give back. */
static void change_all(int host, enum change c)
{
	struct robust_list_head *head = 0;
	struct robust_list *at;
	unsigned long len;
	int limit = LIST_LIMIT;
	uint32_t vpid;

	if (CALL3(__NR_get_robust_list, host, &head, &len) < 0 || !head || !guest_readable(head, sizeof *head) ||
	    (head->list.next == &head->list && !head->list_op_pending))
		return;
	vpid = (uint32_t)ids_guest(host ? host : (int)CALL0(__NR_gettid));
	/* The lowest bit of an entry says that the lock is a PI one. */
	for (at = head->list.next; at != &head->list && limit-- > 0;) {
		struct robust_list *entry = (struct robust_list *)((uintptr_t)at & ~1ul);
		if (!guest_readable(entry, sizeof *entry))
			break;
		at = entry->next;
		change((uint32_t *)((char *)entry + head->futex_offset), c, vpid);
	}
	if (head->list_op_pending)
		change((uint32_t *)(((uintptr_t)head->list_op_pending & ~1ul) + (uintptr_t)head->futex_offset), c, vpid);
}

static void give_up(int host)
{
	change_all(host, DIED);
}

void exits_release(void)
{
	change_all(0, DIED);
}

/* What nobody has taken meanwhile; most of what can fail was seen before the locks were released (exec.c look_ahead()). */
void exits_take_back(void)
{
	change_all(0, TAKEN_BACK);
}

struct dirent64 {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* All threads of the process: they end with it. */
static void give_up_all(void)
{
	char buf[1024];
	long fd = CALL4(__NR_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;

	while (fd >= 0 && (n = CALL3(__NR_getdents64, fd, buf, sizeof buf)) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(buf + at);
			int host = 0;
			for (const char *c = d->name; *c >= '0' && *c <= '9'; c++)
				host = host * 10 + *c - '0';
			if (host)
				give_up(host);
			at += d->reclen;
		}
	if (fd >= 0)
		CALL1(__NR_close, fd);
}

SPECIAL(exits_begin)
{
	if (t->nr == __NR_exit_group && own()->threaded)
		give_up_all();
	else
		give_up(0); /* the caller */
	return trap_native(t);
}
