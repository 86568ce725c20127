#pragma once
/* Aligned columns on stdout. Control characters in cells are shown as '?', so that nothing a
 * container's process calls itself reaches the user's terminal as a command to it. On a terminal
 * lines are cut at its width, elsewhere never. */
#include <stdbool.h>
#include <stddef.h>

struct table {
	const char **titles;
	bool *right;
	size_t n_columns;
	char **cells; /* row by row */
	size_t n_cells, cap;
};

void table_column(struct table *t, const char *title, bool right);

/* The next cell, malloc'd and taken over; a row is complete after n_columns of them. */
void table_cell(struct table *t, char *text);

/* Prints header and rows; frees everything. */
void table_print(struct table *t);

/* "1.5G", at most five characters; malloc'd. */
char *table_bytes(unsigned long long n);

/* text with control characters replaced, in place. */
char *table_harmless(char *text);
