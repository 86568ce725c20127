/* process_vm_readv and process_vm_writev: memory of a child, of nobody. */
#include "case.h"

#include <sys/uio.h>

static void of_a_child_and_of_nobody(void)
{
	static int word = 7;
	int got = 0, put = 9;
	struct iovec local = { &got, sizeof(got) }, from = { &put, sizeof(put) }, remote = { &word, sizeof(word) };
	pid_t child = bd_sleeper();
	long r;

	word = 8;
	r = raw(SYS_process_vm_readv, child, &local, 1, &remote, 1, 0);
	if (r == -EPERM)
		bd_skip("process_vm_readv is denied here");
	BD_EQ(r, 4);
	BD_EQ(got, 7);
	BD_EQ(raw(SYS_process_vm_writev, child, &from, 1, &remote, 1, 0), 4);
	BD_EQ(raw(SYS_process_vm_readv, child, &local, 1, &remote, 1, 0), 4);
	BD_EQ(got, 9);
	BD_EQ(word, 8);
	BD_EQ(raw(SYS_process_vm_readv, raw(SYS_getpid), &local, 1, &remote, 1, 0), 4);
	BD_EQ(got, 8);
	BD_OUTSIDE_ERR(raw(SYS_process_vm_readv, outside, &local, 1, &remote, 1, 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_process_vm_writev, outside, &local, 1, &remote, 1, 0), ESRCH);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "of a child and of nobody", of_a_child_and_of_nobody },
	{},
};
