#pragma once
/* How far one direction of a TCP connection has come, counted without any right. */
#include <stdint.h>

/* Bytes written at writer that the kernel of its other end, reader, has not taken into its receive
 * queue. Acknowledgements do not matter: they may be late by 40 ms. -errno. TCP_INFO's counters,
 * Linux 4.19: what was sent and not yet sent, less what was received. */
int64_t tcp_flow_undelivered(int writer, int reader);
