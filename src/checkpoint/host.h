#pragma once
/* FRAME_HOST: what of the machine a program may have noticed, and whether this one will do. */
#include "image/image.h"

int host_write(struct image_writer *w, struct pidspace_error *err);

/* Compares a packed Host with this machine. E_HOST -ENOTSUP: which feature is missing here. *ret_vdso_same:
 * its vDSO is ours, byte for byte. */
int host_check(const void *body, size_t len, bool *ret_vdso_same, struct pidspace_error *err);
