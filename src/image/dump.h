#pragma once
/* Any protobuf message as a JSON object, by its descriptor: a new message needs nothing here. */
#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>

/* Every field under its own name, zero or not; unset messages are left out, enums are names. Bytes and
 * strings that are not UTF-8 become {"length": N, "text" or "hex": ..., "cut": true when shortened}.
 * NULL without memory. The caller owns it. */
struct json_object *dump_message(const ProtobufCMessage *m);

/* The same for bytes, and for a string (NULL: empty), alone. */
struct json_object *dump_string(const char *s);
struct json_object *dump_bytes(const void *p, size_t len);
