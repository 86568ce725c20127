/* Shows: user and group ids, groups, capabilities, securebits, dumpable and no_new_privs.
 *
 *	first ─┬─ other real, effective and saved ids, groups, a few capabilities (root only)
 *	       ├─ another ordinary user, without any (root only)
 *	       └─ no_new_privs, not dumpable
 */
#include "kindtest.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

struct snapshot {
	char status[4096];
	int securebits, keepcaps, dumpable, no_new_privs, fsuid, fsgid;
};

static void take(struct snapshot *s)
{
	static const char *const keys[] = {"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"};
	char line[4096];
	FILE *f = fopen("/proc/thread-self/status", "re");

	KT_CHECK(f != NULL);
	s->status[0] = 0;
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (!strncmp(line, keys[i], strlen(keys[i])))
				strcat(s->status, line);
	fclose(f);
	s->securebits = KT_SYS(prctl(PR_GET_SECUREBITS));
	s->keepcaps = KT_SYS(prctl(PR_GET_KEEPCAPS));
	s->dumpable = KT_SYS(prctl(PR_GET_DUMPABLE));
	s->no_new_privs = KT_SYS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	s->fsuid = setfsuid((uid_t)-1);
	s->fsgid = setfsgid((gid_t)-1);
}

static void hold(const char *name)
{
	struct snapshot before, after;

	take(&before);
	kt_mark("%s", name);
	kt_wait_go();
	take(&after);
	KT_STR_EQ(after.status, before.status);
	KT_EQ(after.securebits, before.securebits);
	KT_EQ(after.keepcaps, before.keepcaps);
	KT_EQ(after.dumpable, before.dumpable);
	KT_EQ(after.no_new_privs, before.no_new_privs);
	KT_EQ(after.fsuid, before.fsuid);
	KT_EQ(after.fsgid, before.fsgid);
}

static void few_capabilities(void *arg)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	const uint32_t chown = 1u << CAP_CHOWN, kill = 1u << CAP_KILL, bind = 1u << CAP_NET_BIND_SERVICE;
	struct __user_cap_data_struct d[2] = {
		{.permitted = chown | kill | bind, .effective = kill, .inheritable = bind | chown}};
	const gid_t groups[] = {10, 20, 3000};

	KT_SYS(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP |
					SECBIT_NO_SETUID_FIXUP_LOCKED));
	KT_SYS(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	KT_SYS(setgroups(3, groups));
	KT_SYS(setresgid(101, 102, 103));
	KT_SYS(setresuid(1001, 1002, 1003));
	setfsuid(1001);
	setfsgid(101);
	KT_SYS(syscall(SYS_capset, &h, d));
	KT_SYS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0));
	KT_SYS(prctl(PR_SET_DUMPABLE, 1));
	hold("few");
	KT_ERR(setresuid(0, 0, 0), EPERM);
}

static void ordinary(void *arg)
{
	KT_SYS(setgroups(0, NULL));
	KT_SYS(setresgid(1000, 1000, 1000));
	KT_SYS(setresuid(1000, 1000, 1000));
	hold("ordinary");
	KT_ERR(setuid(0), EPERM);
}

static void no_new_privs(void *arg)
{
	KT_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	KT_SYS(prctl(PR_SET_DUMPABLE, 0));
	hold("nnp");
	KT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	KT_EQ(prctl(PR_GET_DUMPABLE), 0);
}

int main(void)
{
	bool root = geteuid() == 0;
	pid_t pids[3];
	int n = 0;

	pids[n++] = kt_child(no_new_privs, NULL);
	kt_await("nnp");
	if (root) {
		pids[n++] = kt_child(few_capabilities, NULL);
		pids[n++] = kt_child(ordinary, NULL);
		kt_await("few");
		kt_await("ordinary");
	}
	kt_ready_and_wait();
	KT_EQ(geteuid() == 0, root);
	while (n)
		kt_reap_ok(pids[--n]);
	kt_pass();
}
