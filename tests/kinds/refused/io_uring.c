/* Refused with E_IO_URING: an io_uring instance and its mapped rings.
 *
 *	first
 */
#include "kindtest.h"

#include <linux/io_uring.h>

int main(void)
{
	struct io_uring_params p = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 8, &p);
	uint32_t *ring;

	if (fd < 0)
		kt_skip("no io_uring here");
	ring = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			IORING_OFF_SQ_RING);
	KT_CHECK(ring != MAP_FAILED);
	kt_refused_with("E_IO_URING");
	kt_ready_and_wait();
	KT_EQ(*(uint32_t *)((char *)ring + p.sq_off.ring_entries), p.sq_entries);
	KT_EQ(KT_SYS(syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0)), 0);
	kt_pass();
}
