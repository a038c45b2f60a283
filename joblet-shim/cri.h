// SPDX-License-Identifier: Apache-2.0
// The CRI log format (what conmon calls k8s-file): `TIME STREAM F|P PAYLOAD\n`. Pure: bytes in, bytes out.
#pragma once

#include "lib/base/base.h"

enum cri_stream { CRI_STDOUT, CRI_STDERR };

#define CRI_CHUNK    8192 // longest payload of one line; a longer one is cut into P lines
#define CRI_OVERHEAD 46	  // bytes of a line beside its payload: time, stream, tag, spaces, newline

// The part of a line before its tag, `2026-11-23T17:53:21.298756433+00:00 stdout `. Set by cri_stamp once a
// read.
struct cri_stamp {
	char text[CRI_OVERHEAD];
	int64_t second; // that text's date and time are for; 0 before the first
};

// ns since the epoch, not before it and before the year 10000. The date is worked out only when the second
// has changed.
void cri_stamp(struct cri_stamp *s, int64_t ns, enum cri_stream stream);

// Builds lines from in[0..len) into out until either ends; F for what ends with a newline, P for what does
// not. Returns the bytes written and puts the bytes taken into *taken. With size >= CRI_CHUNK + CRI_OVERHEAD
// it always takes something.
size_t cri_build(const struct cri_stamp *s, const char *in, size_t len, char *out, size_t size,
		 size_t *taken);

// The bytes of output that whole lines of cri_build stand for.
size_t cri_payload(const char *lines, size_t len);

struct cri_line {
	enum cri_stream stream;
	bool is_full; // a newline belongs behind the payload
	const char *payload;
	size_t len;
};

// Reads the first line of text that cri_build made. Its length with its newline; 0: it is not whole; -1: it
// is no such line.
ssize_t cri_parse(const char *text, size_t len, struct cri_line *line);
