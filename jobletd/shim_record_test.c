// SPDX-License-Identifier: Apache-2.0
// The shim's exit record: what is taken from it, and what makes it worth nothing.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "jobletd/shim.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

#define TIMES "\"timedOut\": false, \"created\": \"x\", \"ended\": \"y\", "
#define HEAD  "{\"exitCode\": 137, \"signal\": 9, \"oomKilled\": true, " TIMES
#define USED  "\"memoryPeak\": 5, \"cpuTime\": 6, \"ioRead\": -1, \"ioWritten\": 8, "
#define TAIL  "\"linesDropped\": 9, \"bytesDropped\": 10}\n"
#define WHOLE HEAD USED TAIL

static void wrong(void)
{
	static const struct {
		const char *name, *text, *says;
	} table[] = {
	    {"nothing", "", ""},
	    {"half of it", HEAD USED, ""},
	    {"no object", "[1, 2]", "missing"},
	    {"a number alone", "137", "missing"},
	    {"another one behind it", WHOLE WHOLE, ""},
	    {"a key twice", HEAD "\"signal\": 0, " USED TAIL, ""},
	    {"a key that is missing", HEAD USED "\"linesDropped\": 9}", "bytesDropped is missing"},
	    {"null", HEAD USED "\"linesDropped\": null, \"bytesDropped\": 1}", "linesDropped is missing"},
	    {"a text for a number", HEAD USED "\"linesDropped\": \"9\", \"bytesDropped\": 1}",
	     "linesDropped"},
	    {"a fraction", HEAD USED "\"linesDropped\": 1.5, \"bytesDropped\": 1}", "linesDropped"},
	    {"less than nothing", HEAD USED "\"linesDropped\": -1, \"bytesDropped\": 1}", "linesDropped"},
	    {"more than fits", HEAD USED "\"linesDropped\": 18446744073709551615, \"bytesDropped\": 1}",
	     "linesDropped"},
	    {"a code that is none", "{\"exitCode\": 256, \"signal\": 0, \"oomKilled\": false, " USED TAIL,
	     "exitCode"},
	    {"a signal that is none", "{\"exitCode\": 0, \"signal\": 65, \"oomKilled\": false, " USED TAIL,
	     "signal"},
	    {"a signal and another code", "{\"exitCode\": 1, \"signal\": 9, \"oomKilled\": false, " USED TAIL,
	     "does not go with"},
	    {"a number for yes", "{\"exitCode\": 1, \"signal\": 0, \"oomKilled\": 1, " USED TAIL,
	     "oomKilled"},
	};
	static const struct shim_record none;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct shim_record r = {.usage.is_known = true};
		struct err e = {0};
		int rc = shim_record_parse(table[i].text, strlen(table[i].text), &r, &e);
		test_ok(rc < 0 && strstr(e.msg, table[i].says) && !r.usage.is_known &&
			    r.usage.memory_peak == none.usage.memory_peak && !r.oom_killed,
			"%s is refused: %s", table[i].name, e.msg);
	}
}

static void put(const char *dir, const char *text)
{
	cleanup_free char *path = xasprintf("%s/exit.json", dir);
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
		test_ok(false, "%s is written", path);
}

static void files(void)
{
	char dir[] = "/tmp/joblet-test-record-XXXXXX";
	struct shim_record r;
	struct err e = {0};

	if (!mkdtemp(dir)) {
		test_ok(false, "a folder");
		return;
	}
	cleanup_free char *path = xasprintf("%s/exit.json", dir);
	test_ok(shim_record_read(dir, 137, &r, &e) == -ENOENT && !r.usage.is_known, "no record");
	put(dir, WHOLE);
	test_ok(shim_record_read(dir, 137, &r, &e) == 0 && r.code == 137 && r.signal == 9 && r.oom_killed &&
		    r.usage.is_known && r.usage.memory_peak == 5 && r.usage.cpu_ns == 6 &&
		    r.usage.io_read == -1 && r.usage.io_written == 8 && r.usage.lines_dropped == 9 &&
		    r.usage.bytes_dropped == 10,
		"a record: %s", e.msg);
	test_ok(shim_record_read(dir, 0, &r, &e) == -EINVAL && strstr(e.msg, "the exit file says 0") &&
		    !r.usage.is_known && !r.oom_killed,
		"one that contradicts the exit file: %s", e.msg);
	cleanup_free char *large = xcalloc(1, 10001);
	memset(large, ' ', 10000);
	put(dir, large);
	test_ok(shim_record_read(dir, 137, &r, &e) == -EFBIG, "one that is too large: %s", e.msg);
	test_ok(unlink(path) == 0 && symlink("/etc/passwd", path) == 0 &&
		    shim_record_read(dir, 137, &r, &e) == -ELOOP,
		"a symbolic link: %s", e.msg);
	test_ok(unlink(path) == 0 && mkfifo(path, 0600) == 0 && shim_record_read(dir, 137, &r, &e) == -EINVAL,
		"a FIFO: %s", e.msg);
	test_ok(unlink(path) == 0 && rmdir(dir) == 0, "nothing else is there");
}

int main(void)
{
	test_begin();
	wrong();
	files();
	return test_end();
}
