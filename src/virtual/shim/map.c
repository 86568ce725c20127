/* The life of a number: handed out before the child is born, bound by parent or child, and kept when the task is gone: signals
 * that it sent may still be under way, groups and sessions go by it. The warden frees those that nothing goes by, before
 * the numbers begin anew (ASK_SWEEP). */
#include "virtual/shim/map.h"
#include "virtual/shim/trap.h"

#include <linux/time.h>

#define SWEEP_EVERY 32768

int map_reserve(int owner, int *ret)
{
	uint32_t cursor = pid_map_load32(&map()->cursor), next = pid_map_candidate(map(), cursor);
	struct vpid v;
	int r;

	/* A new lap, or nothing left, or many dead by now. */
	if (!next || next < cursor || next % SWEEP_EVERY == 0)
		shim_ring(ASK_SWEEP, 0, 0, 0);
	r = pid_map_reserve(map(), hpid_of(owner), &v);
	if (r == 0)
		*ret = v.n;
	return r;
}

/* In units of /proc/PID/stat. A task began before it bound its number, a stranger that gets the number of a dead one
 * begins later. */
static uint64_t now_ticks(void)
{
	struct timespec t;

	CALL2(__NR_clock_gettime, 7 /* CLOCK_BOOTTIME */, &t);
	return (uint64_t)t.tv_sec * 100 + (uint64_t)t.tv_nsec / 10000000;
}

void map_bind(int owner, int host, int vpid, uint32_t flags)
{
	int r = pid_map_bind(map(), hpid_of(owner), hpid_of(host), vpid_of(vpid));

	if (r != 0)
		return;
	pid_map_change_flags(map(), hpid_of(host), vpid_of(vpid), flags, 0);
	pid_map_set_start(map(), hpid_of(host), vpid_of(vpid), now_ticks());
}

int ids_guest(int host)
{
	return pid_map_to_vpid(map(), hpid_of(host)).n;
}

int ids_host(int guest)
{
	return pid_map_to_hpid(map(), vpid_of(guest)).n;
}

uint32_t ids_flags(int host)
{
	return pid_map_flags(map(), hpid_of(host), vpid_of(ids_guest(host)));
}

void ids_set_flags(int host, uint32_t set, uint32_t clear)
{
	pid_map_change_flags(map(), hpid_of(host), vpid_of(ids_guest(host)), set, clear);
}
