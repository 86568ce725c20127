#include "virtual/shim/map.h"
#include "virtual/shim/trap.h"

struct entry {
	uint32_t vpid, flags;
	uint64_t spare;
};
struct map_head {
	uint32_t cursor, pid_max;
};
static struct map_head *head(void) { return (struct map_head *)SHIM_MAP; }
static struct entry *by_host(int h) { return (struct entry *)(SHIM_MAP + 4096) + h; }
static uint32_t *by_vpid(int v) { return (uint32_t *)(SHIM_MAP + 4096 + (UINT64_C(16) << 22)) + v; }

int map_reserve(void)
{
	for (;;) {
		uint32_t v = __atomic_add_fetch(&head()->cursor, 1, __ATOMIC_RELAXED), none = 0;
		if (v >= head()->pid_max)
			return -EAGAIN;
		if (__atomic_compare_exchange_n(by_vpid((int)v), &none, ~0u, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return (int)v;
	}
}
void map_cancel(int v) { *by_vpid(v) = 0; }
void map_bind(int h, int v, uint32_t flags)
{
	struct entry *e = by_host(h);
	uint32_t old = e->vpid;
	if (old && old != (uint32_t)v && *by_vpid((int)old) == (uint32_t)h)
		*by_vpid((int)old) = 0;
	e->flags = flags;
	__atomic_store_n(&e->vpid, (uint32_t)v, __ATOMIC_RELEASE);
	__atomic_store_n(by_vpid(v), (uint32_t)h, __ATOMIC_RELEASE);
}
int ids_guest(int h) { return h > 0 && h < 1 << 22 ? (int)by_host(h)->vpid : 0; }
int ids_host(int v)
{
	int h = v > 0 && v < 1 << 22 ? (int)*by_vpid(v) : 0;
	return h > 0 ? h : 0;
}
uint32_t ids_flags(int h) { return by_host(h)->flags; }
void ids_set_flags(int h, uint32_t set, uint32_t clear)
{
	by_host(h)->flags = (by_host(h)->flags & ~clear) | set;
}
int map_last(void) { return (int)head()->cursor; }
