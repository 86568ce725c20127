#include "signal_name.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_number(const char *text)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9')
		return -1;
	n = strtol(text, &end, 10);
	return *end || n < 0 || n > SIGRTMAX ? -1 : (int)n;
}

static int parse_realtime(const char *text, const char *base, char sign, int from)
{
	int n;

	if (strncasecmp(text, base, strlen(base)))
		return -1;
	text += strlen(base);
	if (!*text)
		return from;
	n = *text == sign ? parse_number(text + 1) : -1;
	if (n < 0)
		return -1;
	n = sign == '+' ? from + n : from - n;
	return n >= SIGRTMIN && n <= SIGRTMAX ? n : -1;
}

int signal_name_parse(const char *text)
{
	int n = parse_number(text);

	if (n >= 0)
		return n;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (n = 1; n < 32; n++) {
		const char *name = sigabbrev_np(n);
		if (name && !strcasecmp(name, text))
			return n;
	}
	if (!strcasecmp(text, "CLD"))
		return SIGCHLD;
	if (!strcasecmp(text, "IOT"))
		return SIGABRT;
	if (!strcasecmp(text, "IO"))
		return SIGPOLL;
	n = parse_realtime(text, "RTMIN", '+', SIGRTMIN);
	return n >= 0 ? n : parse_realtime(text, "RTMAX", '-', SIGRTMAX);
}
