// SPDX-License-Identifier: Apache-2.0
// A growing byte buffer with a ceiling. Growth past the ceiling is refused (-EMSGSIZE) and leaves the buffer
// as it was.
#pragma once

#include "base.h"

// Zero-initialised it is empty, with BUF_MAX_DEFAULT as ceiling. data always has a NUL behind its len bytes
// once anything was added.
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; // ceiling for len in bytes; 0 means BUF_MAX_DEFAULT
};

#define BUF_MAX_DEFAULT ((size_t)64 << 20)

void buf_free(struct buf *b);
#define cleanup_buf __attribute__((cleanup(buf_free)))

int buf_reserve(struct buf *b, size_t more) attr_must_check; // room for more bytes behind len
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) attr_printf(2, 3);
void buf_drop(struct buf *b, size_t n); // drops the first n bytes, n <= len
char *buf_take(struct buf *b);		// the bytes, NUL-terminated, the caller frees; b is empty then
