#include "kinds/tcp_flow.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* include/net/tcp_states.h; <netinet/tcp.h> and <linux/tcp.h> exclude each other. */
enum {FIN_WAIT1 = 4, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11};

static int64_t undelivered(int writer, int reader)
{
	struct tcp_info w = {0}, r = {0};
	socklen_t n = sizeof w;
	int64_t written, got;

	if (getsockopt(writer, IPPROTO_TCP, TCP_INFO, &w, &n) < 0)
		return -errno;
	n = sizeof r;
	if (getsockopt(reader, IPPROTO_TCP, TCP_INFO, &r, &n) < 0)
		return -errno;
	written = (int64_t)(w.tcpi_bytes_sent - w.tcpi_bytes_retrans + w.tcpi_notsent_bytes);
	/* A FIN takes a sequence number: tcp_send_fin() and tcp_rcv_nxt_update() count it. */
	if (w.tcpi_notsent_bytes && (w.tcpi_state == FIN_WAIT1 || w.tcpi_state == LAST_ACK))
		written--;
	got = (int64_t)r.tcpi_bytes_received;
	if (r.tcpi_state == CLOSE_WAIT || r.tcpi_state == LAST_ACK || r.tcpi_state == CLOSING)
		got--;
	return written - got;
}

int64_t tcp_flow_undelivered(int writer, int reader)
{
	int64_t before = -1, now = 0;

	/* What the softirq has in hand arrives within a moment; what a full window holds back, not. */
	for (int tries = 0, same = 0; tries < 100 && same < 5; tries++) {
		now = undelivered(writer, reader);
		if (now <= 0)
			return now;
		same = now == before ? same + 1 : 0;
		before = now;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return now;
}
