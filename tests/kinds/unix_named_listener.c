/* Shows: unix sockets with names: listeners by path and abstract, an accepted connection, datagrams.
 *
 *	first (listeners) ── child (connected by path)
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un path = {.sun_family = AF_UNIX}, hidden = {.sun_family = AF_UNIX};
static socklen_t hidden_len;

static int bound(int type, const struct sockaddr_un *a, socklen_t len)
{
	int fd = KT_SYS(socket(AF_UNIX, type, 0));

	KT_SYS(bind(fd, (const struct sockaddr *)a, len));
	if (type == SOCK_STREAM)
		KT_SYS(listen(fd, 5));
	return fd;
}

static void client(void *arg)
{
	char buf[8] = "";
	int fd = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), again;

	KT_SYS(connect(fd, (struct sockaddr *)&path, sizeof(path)));
	kt_mark("connected");
	kt_wait_go();
	KT_EQ(KT_SYS(send(fd, "old", 4, 0)), 4);
	KT_EQ(KT_SYS(recv(fd, buf, 8, 0)), 4);
	KT_STR_EQ(buf, "ack");
	again = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	KT_SYS(connect(again, (struct sockaddr *)&path, sizeof(path)));
	again = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	KT_SYS(connect(again, (struct sockaddr *)&hidden, hidden_len));
	kt_mark("again");
}

int main(void)
{
	struct sockaddr_un name = {0};
	socklen_t len = sizeof(name);
	char buf[8] = "";
	int listener, abstract, conn;
	pid_t pid;

	snprintf(path.sun_path, sizeof(path.sun_path), "%s", kt_path("sock"));
	hidden_len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
		     (socklen_t)snprintf(hidden.sun_path + 1, sizeof(hidden.sun_path) - 1, "%s", kt_path("x"));
	listener = bound(SOCK_STREAM, &path, sizeof(path));
	abstract = bound(SOCK_STREAM, &hidden, hidden_len);
	pid = kt_child(client, NULL);
	conn = KT_SYS(accept(listener, NULL, NULL));
	kt_await("connected");
	kt_ready_and_wait();
	KT_SYS(getsockname(listener, (struct sockaddr *)&name, &len));
	KT_STR_EQ(name.sun_path, path.sun_path);
	KT_EQ(KT_SYS(recv(conn, buf, 8, 0)), 4);
	KT_STR_EQ(buf, "old");
	KT_EQ(KT_SYS(send(conn, "ack", 4, 0)), 4);
	kt_await("again");
	KT_SYS(accept(listener, NULL, NULL));
	KT_SYS(accept(abstract, NULL, NULL));
	kt_reap_ok(pid);
	kt_pass();
}
