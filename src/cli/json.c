#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

/* Bytes of the valid UTF-8 sequence at p, 0 if there is none (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t sequence(const unsigned char *p)
{
	uint32_t c;
	size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : (*p & 0xf0) == 0xe0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;

	if (n < 2)
		return n;
	c = *p & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return n;
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	char *clean = cli_alloc(NULL, 3 * strlen(text) + 1), *to = clean;

	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = sequence(p);
		if (n)
			to = mempcpy(to, p, n);
		else
			to = mempcpy(to, "\xef\xbf\xbd", 3);
		p += n ? n : 1;
	}
	*to = 0;
	json_object_object_add(o, key, json_object_new_string(clean));
	free(clean);
}

void json_add_int(struct json_object *o, const char *key, int64_t n)
{
	json_object_object_add(o, key, json_object_new_int64(n));
}

void json_add_bool(struct json_object *o, const char *key, int v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

void json_add_time(struct json_object *o, const char *key, int64_t ns)
{
	char text[64], key_ns[64];
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;

	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
	snprintf(key_ns, sizeof key_ns, "%s_ns", key);
	json_add_text(o, key, text);
	json_add_int(o, key_ns, ns);
}

void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
