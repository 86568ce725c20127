/* F_GETLK and F_OFD_GETLK: who holds a lock. */
#include "case.h"

static int file;

static void lock_and_stay(void *locked)
{
	struct flock l = { .l_type = F_WRLCK, .l_len = 10 };

	BD_DO(raw(SYS_fcntl, file, F_SETLK, &l));
	*(int *)locked = 1;
	raw(SYS_pause);
}

static void the_holder_is_named(void)
{
	int *locked = bd_shared(4096);
	struct flock l = { .l_type = F_WRLCK, .l_len = 10 };
	char path[4096];
	pid_t child;

	snprintf(path, sizeof(path), "%s/locked", getenv("BD_DIR"));
	file = BD_SYS(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	child = bd_child(lock_and_stay, locked);
	BD_UNTIL(*(volatile int *)locked);
	BD_DO(raw(SYS_fcntl, file, F_GETLK, &l));
	BD_EQ(l.l_type, F_WRLCK);
	BD_EQ(l.l_pid, child);
	l = (struct flock){ .l_type = F_WRLCK, .l_len = 10 };
	BD_DO(raw(SYS_fcntl, file, F_OFD_GETLK, &l));
	BD_EQ(l.l_pid, child);
	bd_end(child);
	l = (struct flock){ .l_type = F_WRLCK, .l_len = 10, .l_pid = 55 };
	BD_DO(raw(SYS_fcntl, file, F_GETLK, &l));
	BD_EQ(l.l_type, F_UNLCK);
	BD_EQ(l.l_pid, 55);
}

static void a_description_is_minus_one(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_len = 10 };
	char path[4096];
	int other;

	snprintf(path, sizeof(path), "%s/locked", getenv("BD_DIR"));
	file = BD_SYS(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	other = BD_SYS(open(path, O_RDWR | O_CLOEXEC));
	BD_DO(raw(SYS_fcntl, file, F_OFD_SETLK, &l));
	BD_DO(raw(SYS_fcntl, other, F_GETLK, &l));
	BD_EQ(l.l_pid, -1);
	l = (struct flock){ .l_type = F_WRLCK, .l_len = 10 };
	BD_DO(raw(SYS_fcntl, other, F_OFD_GETLK, &l));
	BD_EQ(l.l_pid, -1);
}

const struct bd_case bd_cases[] = {
	{ "the holder of a lock is named", the_holder_is_named },
	{ "an open file description is -1", a_description_is_minus_one },
	{},
};
