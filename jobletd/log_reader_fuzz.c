// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reading of logs: any bytes as the file, any options. Read in one go and again with a new reader
// at every offset, it must be the same.
#include <string.h>
#include <sys/mman.h>

#include "jobletd/log_line.h"
#include "jobletd/log_reader.h"
#include "lib/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_all(int fd, struct log_options o, bool resume, struct buf *out)
{
	struct log_reader *r = NULL;
	struct log_chunk c;
	struct err e = {0};
	int rc = log_reader_open_take(dup(fd), &o, &r, &e);

	if (rc)
		return rc;
	log_reader_set_final(r);
	while ((rc = log_reader_next(r, &c, &e)) == 1) {
		if (!c.len || (c.stream != LOG_STDOUT && c.stream != LOG_STDERR))
			abort();
		buf_add(out, c.data, c.len);
		if (!resume)
			continue;
		log_reader_free(r);
		o.from_offset = c.offset;
		o.tail = o.since_ns = 0;
		rc = log_reader_open_take(dup(fd), &o, &r, &e);
		if (rc) // only behind a torn end, which has no newline
			return rc;
		log_reader_set_final(r);
	}
	log_reader_free(r);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = {0}, again = {0};

	if (size < 4)
		return 0;
	struct log_options o = {.stream = data[0] % 3,
				.tail = data[1] % 8,
				.timestamps = data[2] & 1,
				.since_ns = data[2] & 2 ? 1 : 0};
	int fd = memfd_create("log", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data + 4, size - 4) != (ssize_t)(size - 4))
		abort();
	read_all(fd, o, false, &once);
	read_all(fd, o, true, &again);
	if (once.len != again.len || (once.len && memcmp(once.data, again.data, once.len) != 0))
		abort();
	buf_free(&once);
	buf_free(&again);
	close(fd);
	return 0;
}
