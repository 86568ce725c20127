/* The container's processes as the commands outside want them: the kernel's words, the container's numbers. */
#include <errno.h>

#include "virtual/proc_rules.h"

/* Finds the host's numbers of a task. A thread of another process is refused by the kernel's own paths. */
static int to_host(const struct proc_view *v, struct vpid pid, struct vpid tid, struct hpid *ret_pid,
		   struct hpid *ret_tid)
{
	int r = v->pids->to_host(v->pids->arg, pid, ret_pid);

	*ret_tid = hpid_of(0);
	if (r == 0 && tid.n)
		r = v->pids->to_host(v->pids->arg, tid, ret_tid);
	return r;
}

int proc_view_task_stat(const struct proc_view *v, struct vpid pid, struct vpid tid, struct proc_stat *ret)
{
	struct proc_stat s;
	struct hpid h, ht;
	int r = to_host(v, pid, tid, &h, &ht);

	if (r == 0)
		r = proc_stat_read(v->proc_fd, h.n, ht.n, &s);
	if (r < 0)
		return r;
	s.pid = proc_guest_number(v->pids, s.pid);
	s.ppid = proc_guest_number(v->pids, s.ppid);
	s.pgid = proc_guest_number(v->pids, s.pgid);
	s.sid = proc_guest_number(v->pids, s.sid);
	s.tpgid = proc_guest_number(v->pids, s.tpgid);
	if (s.pid != (tid.n ? tid.n : pid.n))
		return -ESRCH;
	*ret = s;
	return 0;
}

int proc_view_task_status(const struct proc_view *v, struct vpid pid, struct vpid tid,
			  struct proc_status *ret)
{
	struct proc_status s;
	struct hpid h, ht;
	int r = to_host(v, pid, tid, &h, &ht);

	if (r == 0)
		r = proc_status_read(v->proc_fd, h.n, ht.n, &s);
	if (r < 0)
		return r;
	s.tgid = proc_guest_number(v->pids, s.tgid);
	s.pid = proc_guest_number(v->pids, s.pid);
	s.ppid = proc_guest_number(v->pids, s.ppid);
	s.tracer = proc_guest_number(v->pids, s.tracer);
	s.nspid[0] = proc_guest_number(v->pids, s.nspid[0]);
	s.nspgid[0] = proc_guest_number(v->pids, s.nspgid[0]);
	s.nssid[0] = proc_guest_number(v->pids, s.nssid[0]);
	if (s.pid != (tid.n ? tid.n : pid.n)) {
		proc_status_done(&s);
		return -ESRCH;
	}
	*ret = s;
	return 0;
}
