/* /dev/tty: whatever is the controlling terminal of who opens it, so only a task of the session can. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "kinds/kinds.h"
#include "kinds/terminal.h"

static bool tty_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISCHR(f->st.st_mode) && f->st.st_rdev == makedev(5, 0) && !(f->flags & O_PATH);
}

static int tty_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		    struct pidspace_error *err)
{
	unsigned dev;
	int index;

	*ret_body = (ProtobufCBinaryData){0};
	/* The terminal behind it; TIOCGDEV, since Linux 2.6.34. */
	index = ioctl(f->local, TIOCGDEV, &dev) < 0 ? -1 : terminal_index_of((int)dev);
	if (index < 0) {
		save_refuse(s, f, "E_TTY", "the terminal behind it is gone or none of the container's",
			    "close it before the checkpoint", "/dev/tty");
		return 0;
	}
	return terminal_save_once(s, f, (uint32_t)index, err);
}

static int tty_late_open(struct restore *r, const OpenFile *f, const char **ret_path, int *ret_flags)
{
	*ret_path = "/dev/tty";
	*ret_flags = (int)f->flags & (O_ACCMODE | O_NONBLOCK | O_APPEND);
	return 0;
}

const struct fd_kind tty_kind = {
	.name = "/dev/tty",
	.id = KIND_TTY,
	.claims = tty_claims,
	.save = tty_save,
	.late_open = tty_late_open,
};
