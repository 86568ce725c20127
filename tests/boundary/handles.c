/* open_by_handle_at: a pidfd's handle (Linux 6.14) is no way to who is outside. */
#include "case.h"

static void of_pidfds(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	int fd = bd_ask("pidfd"), mount_id, own;
	long r = raw(SYS_name_to_handle_at, fd, "", &u.h, &mount_id, AT_EMPTY_PATH);
	siginfo_t si;

	if (r < 0)
		bd_skip("pidfds have no handles here");
	own = (int)BD_DO(raw(SYS_pidfd_open, raw(SYS_getpid), 0));
	r = raw(SYS_open_by_handle_at, own, &u.h, 0);
	if (r >= 0) {
		BD_OP(raw(SYS_pidfd_send_signal, r, 0, NULL, 0), <, 0);
		BD_ERR(raw(SYS_waitid, P_PIDFD, r, &si, WEXITED | WNOHANG, NULL), ECHILD);
	}
}

const struct bd_case bd_cases[] = {
	{ "of a pidfd from outside", of_pidfds },
	{},
};
