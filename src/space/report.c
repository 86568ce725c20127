#include "space/report.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"

int report_send(int sock, enum report_type type, struct hpid host, const int *fds, size_t nfds)
{
	struct report r;
	ssize_t k;

	r.type = (int)type;
	r.host = host;
	k = fd_send_fds(sock, &r, offsetof(struct report, error), fds, nfds);
	return k < 0 ? (int)k : 0;
}

void report_fail(int sock, const struct pidspace_error *error)
{
	struct report r = {.type = REPORT_FAILED, .error = *error};

	fd_send_fds(sock, &r, sizeof r, NULL, 0);
	_exit(127);
}

int report_receive(int sock, struct report *ret, int *ret_fds, size_t *ret_nfds)
{
	ssize_t k;

	memset(ret, 0, sizeof *ret);
	*ret_nfds = 0;
	k = fd_recv_fds(sock, ret, sizeof *ret, ret_fds, REPORT_FDS, ret_nfds);
	if (k < 0)
		return (int)k;
	return k == 0 ? -EPIPE : 0;
}
