#include "migrate/huge.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

/* A page that somebody holds for a moment, or that a cpu keeps aside, is refused with EAGAIN. */
#define ATTEMPTS 8
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* include/uapi/asm-generic/mman-common.h, Linux 6.1 */
#endif

int huge_add(struct huge *h, uint64_t start, uint64_t end)
{
	struct huge_area a = {(start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), end & ~(HUGE_PAGE - 1), NULL}, *at;

	if (a.start >= a.end)
		return 0;
	a.state = calloc((a.end - a.start) / HUGE_PAGE, 1);
	at = a.state ? vec_push(&h->areas) : NULL;
	if (!at) {
		free(a.state);
		return -ENOMEM;
	}
	*at = a;
	return 0;
}

uint8_t *huge_state_of(struct huge *h, uint64_t address)
{
	vec_each(a, &h->areas)
		if (address >= a->start && address < a->end)
			return &a->state[(address - a->start) / HUGE_PAGE];
	return NULL;
}

void huge_note(struct huge *h, uint64_t start, uint64_t bytes)
{
	uint64_t end = start + bytes;

	vec_each(a, &h->areas) {
		uint64_t from = start > a->start ? start : a->start, to = end < a->end ? end : a->end;
		for (uint64_t at = from & ~(HUGE_PAGE - 1); from < to && at < to; at += HUGE_PAGE)
			if (!a->state[(at - a->start) / HUGE_PAGE])
				a->state[(at - a->start) / HUGE_PAGE] = HUGE_SMALL;
	}
}

static void collapse(int process, uint64_t at)
{
	struct iovec one = {(void *)at, HUGE_PAGE};
	long r = -1;

	errno = EAGAIN;
	for (int i = 0; i < ATTEMPTS && r < 0 && errno == EAGAIN; i++)
		r = syscall(SYS_process_madvise, process, &one, 1, MADV_COLLAPSE, 0);
}

/* One call for each: a huge page that cannot be had need not keep the next from it. */
void huge_collapse(const struct huge *h)
{
	vec_each(a, &h->areas)
		for (uint64_t at = a->start; h->process >= 0 && at < a->end; at += HUGE_PAGE)
			if (a->state[(at - a->start) / HUGE_PAGE] == HUGE_SMALL)
				collapse(h->process, at);
}

void huge_done(struct huge *h)
{
	vec_each(a, &h->areas)
		free(a->state);
	vec_free(&h->areas);
	fd_closep(&h->process);
}
