#pragma once
/* The signal that text names: with or without SIG, in either case, RTMIN+1, RTMAX-2, or a number from
 * 0 on. -1: none. */
int signal_name_parse(const char *text);
