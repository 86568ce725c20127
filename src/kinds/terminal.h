#pragma once
/* Pseudo terminals of the container's own devpts. A terminal is a pair of a master and a slave with one
 * set of settings; the image knows it by its index (/dev/pts/N), the engine ties sessions to it. */
#include "checkpoint/context.h"

/* The index that field tty_nr of /proc/PID/stat names, or -1: no pty (Unix98 slaves have majors 136 to
 * 143, 256 each; Documentation/admin-guide/devices.txt). */
int terminal_index_of(int tty_nr);

/* Restoring: our descriptor of the slave of terminal `index`, for TIOCSCTTY and TIOCSPGRP; borrowed,
 * stays open until objects are closed. -ENOENT: the image holds no such terminal. May be called once
 * every make() has run. */
int terminal_slave(struct restore *r, uint32_t index, struct pidspace_error *err);

/* Saves terminal `index` once; f is a description of it (a slave or /dev/tty) or of its master. */
int terminal_save_once(struct save *s, const struct saved_file *f, uint32_t index,
		       struct pidspace_error *err);
