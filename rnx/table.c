// SPDX-License-Identifier: Apache-2.0
// Lays out tables. Makes no system call, knows nothing of jobs.
#include <string.h>

#include "lib/base/str.h"
#include "rnx/clean.h"
#include "rnx/table.h"

#define GAP 2 // spaces between two columns

struct range {
	uint32_t first, last;
};

static bool is_in(uint32_t code, const struct range *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (code >= list[i].first && code <= list[i].last)
			return true;
	return false;
}

// The blocks that terminals show two columns wide, and those they show without a column (Unicode,
// EastAsianWidth and combining marks).
static size_t code_width(uint32_t code)
{
	static const struct range wide[] = {{0x1100, 0x115f},	{0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
					    {0xf900, 0xfaff},	{0xfe30, 0xfe6f},   {0xff00, 0xff60},
					    {0xffe0, 0xffe6},	{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
					    {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
	static const struct range none[] = {{0x300, 0x36f},
					    {0x200b, 0x200f},
					    {0x20d0, 0x20ff},
					    {0xfe00, 0xfe0f}};

	return is_in(code, none, ARRAY_LEN(none)) ? 0 : is_in(code, wide, ARRAY_LEN(wide)) ? 2 : 1;
}

// The character at s of valid UTF-8 and its length.
static uint32_t next_code(const char *s, size_t *len)
{
	unsigned char b = (unsigned char)*s;
	size_t n = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
	uint32_t code = b & (n == 1 ? 0x7fu : 0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	*len = n;
	return code;
}

size_t table_width(const char *s)
{
	size_t width = 0;

	if (!str_is_utf8(s, strlen(s)))
		return strlen(s);
	for (size_t len; *s; s += len)
		width += code_width(next_code(s, &len));
	return width;
}

static char *printable(const char *s)
{
	struct buf out = {0};
	struct clean c = {0};

	if (clean_add(&c, s, strlen(s), &out) < 0 || clean_end(&c, &out) < 0 || !out.len) {
		buf_free(&out);
		return xstrdup("");
	}
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] == '\n' || out.data[i] == '\t')
			out.data[i] = ' ';
	return buf_take(&out);
}

void table_add_row(struct table *t, const char *const *cells)
{
	if (t->count + t->columns > t->room) {
		t->room = t->room ? t->room * 2 : 16 * TABLE_COLUMNS_MAX;
		t->cells = xrealloc(t->cells, t->room * sizeof(*t->cells));
	}
	for (size_t i = 0; i < t->columns; i++)
		t->cells[t->count++] = printable(cells[i] ? cells[i] : "");
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

// As much of s as fits into width columns, with a sign that something was cut.
static int put_cut(const char *s, size_t width, struct buf *out)
{
	size_t used = 0;
	size_t end = 0;
	size_t len;

	if (table_width(s) <= width)
		return buf_add_str(out, s);
	while (s[end]) {
		size_t w = code_width(next_code(s + end, &len));
		if (used + w + 1 > width)
			break;
		used += w;
		end += len;
	}
	int rc = buf_add(out, s, end);
	return rc < 0 ? rc : buf_add_str(out, "\xe2\x80\xa6"); // U+2026
}

static int put_spaces(size_t n, struct buf *out)
{
	int rc = 0;

	while (n-- && rc == 0)
		rc = buf_add(out, " ", 1);
	return rc;
}

static int put_row(const char *const *cells, size_t columns, const size_t *widths, size_t line,
		   struct buf *out)
{
	size_t used = 0;
	int rc = 0;

	for (size_t i = 0; i + 1 < columns && rc == 0; i++) {
		rc = buf_add_str(out, cells[i]);
		if (rc == 0)
			rc = put_spaces(widths[i] + GAP - table_width(cells[i]), out);
		used += widths[i] + GAP;
	}
	size_t left = !line		? SIZE_MAX
		      : line > used + 8 ? line - used
					: 8; // a narrow line is better wrapped than empty
	if (rc == 0)
		rc = put_cut(cells[columns - 1], left, out);
	while (out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	return rc < 0 ? rc : buf_add(out, "\n", 1);
}

int table_print(const struct table *t, size_t width, struct buf *out)
{
	size_t widths[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < t->columns; i++)
		widths[i] = table_width(t->title[i]);
	for (size_t i = 0; i < t->count; i++) {
		size_t w = table_width(t->cells[i]);
		if (w > widths[i % t->columns]) // analyzed: cells are in columns
			widths[i % t->columns] = w;
	}
	int rc = put_row(t->title, t->columns, widths, width, out);
	for (size_t i = 0; i < t->count && rc == 0; i += t->columns)
		rc = put_row((const char *const *)t->cells + i, t->columns, widths, width, out);
	return rc;
}
