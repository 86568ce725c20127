#pragma once
/* What waits in a terminal: typed and not read by programs (input), written and not read by the master
 * (output). A terminal's queue cannot be looked at without reading it, so saving reads and puts back at
 * once, with the settings changed for that moment such that each byte arrives as it was.
 *
 * Not kept: where the cursor stands for erasing tabs, status bytes of packet mode, whether a NUL among
 * lines was one (it may be a ^D that nobody has read, and is taken for one), and output while it is
 * stopped (^S): then it is left alone. */
#include <protobuf-c/protobuf-c.h>

/* slave is non-blocking and of nobody else. The results are malloc'd. -errno; -EIO: put back in part. */
int terminal_queue_read(int master, int slave, ProtobufCBinaryData *ret_input,
			ProtobufCBinaryData *ret_output);

/* Fills a fresh terminal whose settings are final. */
int terminal_queue_write(int master, int slave, const ProtobufCBinaryData *input,
			 const ProtobufCBinaryData *output);
