#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct pidspace_error *err, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return status;
	err->status = status;
	snprintf(err->code, sizeof err->code, "%s", code);
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof err->message, fmt, ap);
	va_end(ap);
	return status;
}

int error_add(struct pidspace_error *err, int status, const char *fmt, ...)
{
	char phrase[sizeof err->message], old[sizeof err->message];
	va_list ap;

	if (!err)
		return status;
	va_start(ap, fmt);
	vsnprintf(phrase, sizeof phrase, fmt, ap);
	va_end(ap);
	memcpy(old, err->message, sizeof old);
	size_t n = strlen(phrase);
	if (n > sizeof err->message / 2)
		n = sizeof err->message / 2;
	snprintf(err->message, sizeof err->message, "%.*s: %s", (int)n, phrase, old);
	return status;
}

int error_sys(struct pidspace_error *err, int status, const char *fmt, ...)
{
	char what[sizeof err->message];
	va_list ap;

	if (!err)
		return status;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return error_set(err, status, "E_SYS", "%.*s: %s", 900, what, strerror(-status));
}
