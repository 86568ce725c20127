#include "kinds/inet_save.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "kinds/message.h"
#include "kinds/socket_state.h"

int inet_save(struct save *s, struct saved_file *f, int type,
	      int (*state)(struct save *s, struct saved_file *f, InetSocket *u, struct pidspace_error *err),
	      ProtobufCBinaryData *ret_body, struct pidspace_error *err)
{
	struct socket_options options = {0};
	InetSocket *u = malloc(sizeof *u);
	int k;

	if (!u)
		return error_sys(err, -ENOMEM, "cannot save a socket");
	*u = (InetSocket)INET_SOCKET__INIT;
	u->family = (uint32_t)socket_get(f->local, SOL_SOCKET, SO_DOMAIN, AF_INET);
	u->type = (uint32_t)type;
	k = socket_options_read(f->local, (int)u->family, type, &options);
	u->option = options.at;
	u->n_option = options.n;
	if (k < 0)
		error_sys(err, k, "cannot read the options of a %s socket", type == SOCK_STREAM ? "TCP" : "UDP");
	else
		k = state(s, f, u, err);
	if (k >= 0)
		k = message_pack(&u->base, ret_body, err);
	protobuf_c_message_free_unpacked(&u->base, NULL);
	return k;
}
