/* Refused with E_UNIX_NAMED: a unix socket bound to a relative path.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "relative"};
	int l = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	KT_SYS(chdir(kt_path(".")));
	KT_SYS(bind(l, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(chdir("/"));
	KT_SYS(listen(l, 5));
	kt_refused_with("E_UNIX_NAMED");
	kt_ready_and_wait();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", kt_path("relative"));
	KT_SYS(connect(KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(accept(l, NULL, NULL));
	kt_pass();
}
