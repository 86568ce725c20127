#pragma once
/* The kinds that kinds/table.c lists. */
#include "kinds/fd_kind.h"

extern const struct fd_kind refused_kind;
