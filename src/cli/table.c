#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

void table_column(struct table *t, const char *title, bool right)
{
	t->titles = cli_alloc(t->titles, (t->n_columns + 1) * sizeof *t->titles);
	t->right = cli_alloc(t->right, (t->n_columns + 1) * sizeof *t->right);
	t->titles[t->n_columns] = title;
	t->right[t->n_columns++] = right;
}

void table_cell(struct table *t, char *text)
{
	if (t->n_cells == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 256;
		t->cells = cli_alloc(t->cells, t->cap * sizeof *t->cells);
	}
	t->cells[t->n_cells++] = table_harmless(text);
}

char *table_harmless(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* C1 controls in UTF-8 */
			p[0] = p[1] = '?';
	}
	return text;
}

/* One column a character: bytes that continue a UTF-8 sequence take none. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static int terminal_width(void)
{
	struct winsize w;

	if (!isatty(1) || ioctl(1, TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
		return 0;
	return w.ws_col;
}

/* Puts text behind line, cut so that at most limit columns (0: any number) are in use. */
static int put(const char *text, int used, int limit)
{
	for (; *text; text++) {
		bool starts = (*text & 0xc0) != 0x80;
		if (limit && starts && used == limit)
			break;
		used += starts;
		putchar(*text);
	}
	return used;
}

static void print_row(const struct table *t, const char *const *cells, const int *widths, int limit)
{
	int used = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		int pad = widths[i] - width(cells[i]);
		bool last = i + 1 == t->n_columns;
		if (i)
			used = put("  ", used, limit);
		for (int k = 0; t->right[i] && k < pad; k++)
			used = put(" ", used, limit);
		used = put(cells[i], used, limit);
		for (int k = 0; !t->right[i] && !last && k < pad; k++)
			used = put(" ", used, limit);
	}
	putchar('\n');
}

void table_print(struct table *t)
{
	int *widths = cli_alloc(NULL, (t->n_columns + 1) * sizeof *widths);
	int limit = terminal_width();

	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = width(t->titles[i]);
	for (size_t i = 0; i < t->n_cells; i++) {
		int w = width(t->cells[i]);
		if (w > widths[i % t->n_columns])
			widths[i % t->n_columns] = w;
	}
	print_row(t, t->titles, widths, limit);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, (const char *const *)t->cells + i, widths, limit);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(widths);
	free(t->titles);
	free(t->right);
	free(t->cells);
	*t = (struct table){0};
}

char *table_bytes(unsigned long long n)
{
	static const char units[] = "BKMGTPE";
	double v = (double)n;
	int u = 0;

	while (v >= 1000 && units[u + 1]) {
		v /= 1024;
		u++;
	}
	return u == 0 ? cli_printf("%llu", n) : cli_printf(v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
}
