/* What the compiler calls where it does not write it out itself. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return to;
}

size_t strlen(const char *s)
{
	const volatile char *at = s; /* or it would be made a call of itself */

	while (*at)
		at++;
	return (size_t)(at - s);
}
