#pragma once
/* FRAME_HOST: what of the machine a program may have noticed, and whether this one will do. */
#include "image/image.h"

int host_write(struct image_writer *w, struct pidspace_error *err);

/* Compares a packed Host with this machine. -ENOTSUP E_HOST: which feature is missing here; E_VDSO: this
 * kernel's vDSO is another one, and the programs hold addresses of functions in the old one. */
int host_check(const void *body, size_t len, struct pidspace_error *err);
