/* Everything that no other kind carries: named, with the reason and what to do instead. */
#include "kinds/kinds.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kinds/description.h"

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446 /* linux/magic.h, Linux 6.9 */
#endif
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */

static const struct {
	const char *link; /* how /proc/PID/fd/N begins */
	const char *code, *what, *why, *advice;
} by_link[] = {
	{"anon_inode:inotify", "E_INOTIFY", "an inotify instance",
	 "the kernel does not tell which paths its watches are on",
	 "close it before the checkpoint, or let the program poll instead"},
	{"anon_inode:[fanotify]", "E_FANOTIFY", "a fanotify group",
	 "its marks and pending events cannot be read back", "close it before the checkpoint"},
	{"anon_inode:[io_uring]", "E_IO_URING", "an io_uring instance",
	 "requests in flight cannot be read back",
	 "run the program without io_uring (UV_USE_IO_URING=0 for node)"},
	{"anon_inode:[userfaultfd]", "E_USERFAULTFD", "a userfaultfd",
	 "its registrations cannot be read back", "close it before the checkpoint"},
	{"anon_inode:[pidfd]", "E_PIDFD", "a pidfd", "a reference to a process is not carried yet",
	 "close it before the checkpoint"},
	{"pidfd:", "E_PIDFD", "a pidfd", "a reference to a process is not carried yet",
	 "close it before the checkpoint"},
	{"anon_inode:[perf_event]", "E_PERF_EVENT", "a perf event",
	 "counters belong to this kernel", "stop measuring before the checkpoint"},
	{"anon_inode:bpf", "E_BPF", "a BPF object", "its kernel side cannot be read back",
	 "close it before the checkpoint"},
	{"anon_inode:seccomp", "E_SECCOMP_LISTENER", "a seccomp listener",
	 "requests in flight cannot be read back", "close it before the checkpoint"},
	{"anon_inode:kvm", "E_KVM", "a virtual machine", "its state is in the kernel",
	 "stop it before the checkpoint"},
};

static const struct {
	unsigned long magic; /* f_type of statfs(2) */
	const char *code, *what, *why, *advice;
} by_fs[] = {
	{PID_FS_MAGIC, "E_PIDFD", "a pidfd", "a reference to a process is not carried yet",
	 "close it before the checkpoint"},
	{NSFS_MAGIC, "E_NAMESPACE_FD", "a namespace", "namespaces of its own are not carried yet",
	 "close it before the checkpoint"},
	{MQUEUE_MAGIC, "E_MQUEUE", "a POSIX message queue", "queues are not carried yet",
	 "close it before the checkpoint"},
	{HUGETLBFS_MAGIC, "E_HUGETLB", "a file of huge pages", "hugetlbfs is not carried yet",
	 "use transparent huge pages (madvise MADV_HUGEPAGE)"},
	{SECRETMEM_MAGIC, "E_SECRET_MEMORY", "secret memory", "nobody else may read it, by design",
	 "close it before the checkpoint"},
};

static void refuse_socket(struct save *s, const struct saved_file *f)
{
	int domain = -1, type = -1;
	socklen_t n = sizeof domain;

	getsockopt(f->local, SOL_SOCKET, SO_DOMAIN, &domain, &n);
	n = sizeof type;
	getsockopt(f->local, SOL_SOCKET, SO_TYPE, &type, &n);
	if (domain == AF_NETLINK)
		save_refuse(s, f, "E_NETLINK", "its kernel side cannot be read back",
			    "close it before the checkpoint", "a netlink socket");
	else if (domain == AF_PACKET)
		save_refuse(s, f, "E_PACKET_SOCKET", "it belongs to this host's network",
			    "close it before the checkpoint", "a packet socket");
	else
		save_refuse(s, f, "E_SOCKET", "sockets of this kind are not carried yet",
			    "close it before the checkpoint", "a socket of family %d, type %d", domain,
			    type);
}

static bool refused_claims(const struct save *s, const struct saved_file *f)
{
	return true;
}

static int refused_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			struct pidspace_error *err)
{
	unsigned long fs = description_fs(f->local);

	*ret_body = (ProtobufCBinaryData){0};
	for (size_t i = 0; i < sizeof by_link / sizeof *by_link; i++) {
		if (!strncmp(f->link, by_link[i].link, strlen(by_link[i].link))) {
			save_refuse(s, f, by_link[i].code, by_link[i].why, by_link[i].advice, "%s",
				    by_link[i].what);
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof by_fs / sizeof *by_fs; i++) {
		if (fs == by_fs[i].magic) {
			save_refuse(s, f, by_fs[i].code, by_fs[i].why, by_fs[i].advice, "%s (%.200s)",
				    by_fs[i].what, f->link);
			return 0;
		}
	}
	if (S_ISSOCK(f->st.st_mode))
		refuse_socket(s, f);
	else if (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode))
		save_refuse(s, f, "E_DEVICE", "the state of a device stays with its host",
			    "close it before the checkpoint", "the device %.200s", f->link);
	else
		save_refuse(s, f, "E_UNKNOWN_FD", "no kind of object that pidspace knows",
			    "close it before the checkpoint", "%.200s", f->link);
	return 0;
}

static int refused_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	return error_set(err, -ENOTSUP, "E_IMAGE_FEATURE",
			 "open file %u of the image is of the unknown kind %u: restore it with a newer pidspace",
			 f->id, f->kind);
}

const struct fd_kind refused_kind = {
	.name = "unsupported",
	.id = KIND_REFUSED,
	.claims = refused_claims,
	.save = refused_save,
	.make = refused_make,
};
