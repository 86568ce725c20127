#pragma once
/* Messages that are nearly alike, as those of forked processes are, keep once what is the same. Strings, bytes, lists and
 * messages inside that equal the other's are freed, and the other's stand in their place: lent, for reading only. */
#include <protobuf-c/protobuf-c.h>

/* Both of one type, malloc'd by unpacking. What m borrows may have been borrowed by from itself. */
void message_borrow(ProtobufCMessage *m, const ProtobufCMessage *from);

/* Before m is freed, and while from, unchanged, still has all it had: of several that borrowed one from the other, the
 * last comes first. What is not m's own is taken out of it. */
void message_give_back(ProtobufCMessage *m, const ProtobufCMessage *from);
