#include "virtual/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* include/uapi/linux/landlock.h as of Linux 6.12. */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define ABI_WITH_SCOPES 6

int landlock_restrict(struct pidspace_error *err)
{
	const struct ruleset_attr a = {.scoped = SCOPE_SIGNAL};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	/* ENOSYS, EOPNOTSUPP, or EPERM of a sandbox around us: it is a net, not the floor. */
	if (abi < ABI_WITH_SCOPES)
		return 0;
	_cleanup_close_ int rules = (int)syscall(SYS_landlock_create_ruleset, &a, sizeof a, 0);
	if (rules < 0)
		return error_sys(err, -errno, "cannot make a Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return errno == E2BIG ? 0 : error_sys(err, -errno, "cannot enter a Landlock domain");
	return 1;
}
