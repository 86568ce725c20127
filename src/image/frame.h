#pragma once
/* Types of frames. Numbers are for ever. Metadata bodies are protobuf messages of image/proto/;
 * image/frame_table.c maps a type to its message for `inspect`. */
enum frame_type {
	FRAME_HOST = 1,       /* Host: kernel, cpu features, vDSO layout of the machine that wrote it */
	FRAME_CONTAINER = 2,  /* Container: name, options, clocks, namespaces */
	FRAME_PROCESS = 3,    /* Process: one per process, parents before children */
	FRAME_ADDRESS_SPACE = 4, /* AddressSpace: vmas and the mm's own numbers */
	FRAME_FD_TABLE = 5,   /* FdTable */
	FRAME_OPEN_FILE = 6,  /* OpenFile: one open file description */
	FRAME_PAGES = 7,      /* extents of memory */
	FRAME_SHARED_MEMORY = 8, /* SharedMemory: one shmem object (content follows as pages) */
	FRAME_PIPE = 9,       /* Pipe: content of one pipe */
	FRAME_DELETED_FILE = 10, /* DeletedFile: content of an unlinked file */
	FRAME_SOCKET_QUEUE = 11, /* SocketQueue: unread data of a socket */
	FRAME_TREE_FILE = 12, /* TreeFile: one file of a container-private tmpfs (/dev/shm) */
	FRAME_TERMINAL = 13,  /* Terminal: one pty pair: settings, size, content */
	FRAME_EARLY_PAGES = 14, /* extents of memory, read while the tree ran: early.h */
	FRAME_COMMIT = 0xfff0,
	FRAME_INDEX = 0xfff1,
};
