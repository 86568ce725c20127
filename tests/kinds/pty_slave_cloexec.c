/* Shows: close-on-exec belongs to each descriptor, also where the kernel put the flag into the description
 * itself (TIOCGPTPEER with O_CLOEXEC), so that fdinfo shows it for all.
 *
 *	first (two descriptors of one terminal, one of them close-on-exec)
 */
#include "pty.h"

int main(void)
{
	char name[64];
	int master = pty_open(name, sizeof(name));
	int tty = KT_SYS(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	int kept = KT_SYS(dup(tty));

	kt_ready_and_wait();
	KT_EQ(KT_SYS(fcntl(tty, F_GETFD)), FD_CLOEXEC);
	KT_EQ(KT_SYS(fcntl(kept, F_GETFD)), 0);
	kt_pass();
}
