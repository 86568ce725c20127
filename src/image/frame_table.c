#include "image/frame_table.h"

#include <stddef.h>

#include "address_space.pb-c.h"
#include "container.pb-c.h"
#include "deleted.pb-c.h"
#include "deleted.pb-c.h"
#include "image/frame.h"
#include "open_file.pb-c.h"
#include "pipe.pb-c.h"
#include "process.pb-c.h"
#include "shared_memory.pb-c.h"
#include "socket.pb-c.h"
#include "terminal.pb-c.h"
#include "tree_file.pb-c.h"
#include "pipe.pb-c.h"
#include "shared_memory.pb-c.h"
#include "tree_file.pb-c.h"

static const struct frame_kind kinds[] = {
	{FRAME_HOST,           "HOST",           "host",           &host__descriptor},
	{FRAME_CONTAINER,      "CONTAINER",      "container",      &container__descriptor},
	{FRAME_PROCESS,        "PROCESS",        "processes",      &process__descriptor},
	{FRAME_ADDRESS_SPACE,  "ADDRESS_SPACE",  "address_spaces", &address_space__descriptor},
	{FRAME_FD_TABLE,       "FD_TABLE",       "fd_tables",      &fd_table__descriptor},
	{FRAME_OPEN_FILE,      "OPEN_FILE",      "open_files",     &open_file__descriptor},
	{FRAME_PAGES,          "PAGES",          "pages",          NULL},
	{FRAME_SHARED_MEMORY,  "SHARED_MEMORY",  "shared_memory",  &shared_memory__descriptor},
	{FRAME_PIPE,           "PIPE",           "pipes",          &pipe__descriptor},
	{FRAME_DELETED_FILE,   "DELETED_FILE",   "deleted_files",  &deleted_file__descriptor},
	{FRAME_SOCKET_QUEUE,   "SOCKET_QUEUE",   "socket_queues",  &socket_queue__descriptor},
	{FRAME_TREE_FILE,      "TREE_FILE",      "tree_files",     &tree_file__descriptor},
	{FRAME_TERMINAL,       "TERMINAL",       "terminals",      &terminal__descriptor},
	{FRAME_EARLY_PAGES,    "EARLY_PAGES",    "early_pages",    NULL},
	{FRAME_COMMIT,         "COMMIT",         "commit",         NULL},
	{FRAME_INDEX,          "INDEX",          "index",          NULL},
};

const struct frame_kind *frame_kind_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

const char *frame_name(uint16_t type)
{
	const struct frame_kind *k = frame_kind_of(type);
	return k ? k->name : "unknown";
}
