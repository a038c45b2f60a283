// SPDX-License-Identifier: Apache-2.0
// Tables for people: columns as wide as their widest cell, the last one cut to what is left of the line.
// Makes no system call.
#pragma once

#include "lib/base/base.h"
#include "lib/base/buf.h"

#define TABLE_COLUMNS_MAX 8

struct table {
	const char *title[TABLE_COLUMNS_MAX];
	size_t columns;
	char **cells; // row by row, made printable
	size_t count;
	size_t room;
};

// Cells are copied; NULL is empty; controls in them become spaces.
void table_add_row(struct table *t, const char *const *cells);
// Appends titles and rows. width is the line's, 0 for no limit.
int table_print(const struct table *t, size_t width, struct buf *out) attr_must_check;
void table_free(struct table *t);
#define cleanup_table __attribute__((cleanup(table_free)))

// How many columns of a terminal the text takes: wide characters take two, marks that stand on others none.
size_t table_width(const char *s);
