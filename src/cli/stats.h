#pragma once
#include <stdbool.h>

#include <pidspace/pidspace.h>

/* How long each phase took and how much there was, as a table or as one line of JSON. To standard error:
 * standard output may be an image. */
void stats_print(const struct pidspace_stats *s, bool json);
