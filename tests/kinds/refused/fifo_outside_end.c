/* Refused with E_PIPE_OUTSIDE: a named pipe that somebody outside has open as well (the runner, outside.fifo).
 *
 *	first ── (outside)
 */
#include "kindtest.h"

int main(void)
{
	int fd = KT_SYS(open(kt_path("outside.fifo"), O_RDONLY | O_NONBLOCK));
	char c;

	kt_refused_with("E_PIPE_OUTSIDE");
	kt_ready_and_wait();
	KT_ERR(read(fd, &c, 1), EAGAIN); /* not the end of file: a writer is there */
	kt_pass();
}
