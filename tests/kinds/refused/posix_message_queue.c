/* Refused with E_MQUEUE: a POSIX message queue.
 *
 *	first
 */
#include "kindtest.h"

#include <mqueue.h>

int main(void)
{
	struct mq_attr a = {.mq_maxmsg = 2, .mq_msgsize = 16};
	char name[64], buf[16] = "";
	mqd_t q;

	snprintf(name, sizeof(name), "/kinds-%d-%ld", getpid(), (long)time(NULL));
	q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	if (q < 0)
		kt_skip("no message queues here");
	KT_SYS(mq_unlink(name));
	KT_SYS(mq_send(q, "word", 5, 1));
	kt_refused_with("E_MQUEUE");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(mq_receive(q, buf, sizeof(buf), NULL)), 5);
	KT_STR_EQ(buf, "word");
	kt_pass();
}
