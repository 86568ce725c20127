/* Shows: a pipe whose writer is gone gives its content and then the end; without a reader, EPIPE.
 *
 *	first (one end each)
 */
#include "kindtest.h"

int main(void)
{
	int no_writer[2], no_reader[2];
	char buf[16] = "";

	KT_CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	KT_SYS(pipe(no_writer));
	KT_SYS(pipe(no_reader));
	KT_EQ(write(no_writer[1], "rest", 5), 5);
	KT_SYS(close(no_writer[1]));
	KT_EQ(write(no_reader[1], "lost", 5), 5);
	KT_SYS(close(no_reader[0]));
	kt_ready_and_wait();
	KT_EQ(KT_SYS(read(no_writer[0], buf, sizeof(buf))), 5);
	KT_STR_EQ(buf, "rest");
	KT_EQ(read(no_writer[0], buf, sizeof(buf)), 0);
	KT_ERR(write(no_reader[1], "x", 1), EPIPE);
	kt_pass();
}
