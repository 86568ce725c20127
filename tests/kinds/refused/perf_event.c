/* Refused with E_PERF_EVENT: a performance counter.
 *
 *	first
 */
#include "kindtest.h"

#include <linux/perf_event.h>

int main(void)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
	uint64_t count;

	if (fd < 0)
		kt_skip("this user may not count");
	kt_refused_with("E_PERF_EVENT");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(read(fd, &count, 8)), 8);
	kt_pass();
}
