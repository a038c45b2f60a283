// SPDX-License-Identifier: Apache-2.0
// The shim's exit record, <bundle>/exit.json, beside the exit file: what the job used. It is an addition: one
// that is absent (conmon writes none), damaged, or contradicts the exit file takes nothing from the verdict.
#include <errno.h>
#include <fcntl.h>

#include "jobletd/shim.h"
#include "lib/base/file.h"
#include "lib/base/json.h"

#define RECORD_MAX ((size_t)4 << 10)

static int has_every_key(const struct json *root, struct err *e)
{
	static const char *const keys[] = {"exitCode", "signal",    "oomKilled",    "memoryPeak",  "cpuTime",
					   "ioRead",   "ioWritten", "linesDropped", "bytesDropped"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!json_get(root, keys[i]))
			return err_set(e, -EINVAL, "%s is missing", keys[i]);
	return 0;
}

static int read_numbers(const struct json *root, struct shim_record *r, struct err *e)
{
	const struct {
		const char *key;
		int64_t min, max, *out;
	} numbers[] = {{"exitCode", -1, 255, &r->code},
		       {"signal", 0, 64, &r->signal},
		       {"memoryPeak", -1, INT64_MAX, &r->usage.memory_peak},
		       {"cpuTime", -1, INT64_MAX, &r->usage.cpu_ns},
		       {"ioRead", -1, INT64_MAX, &r->usage.io_read},
		       {"ioWritten", -1, INT64_MAX, &r->usage.io_written},
		       {"linesDropped", 0, INT64_MAX, &r->usage.lines_dropped},
		       {"bytesDropped", 0, INT64_MAX, &r->usage.bytes_dropped}};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(numbers) && rc == 0; i++)
		rc = json_read_i64(root, numbers[i].key, numbers[i].min, numbers[i].max, numbers[i].out, e);
	return rc;
}

int shim_record_parse(const char *text, size_t len, struct shim_record *out, struct err *e)
{
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root = NULL;
	struct shim_record r = {.usage.is_known = true};

	*out = (struct shim_record){0};
	int rc = json_parse(text, len, RECORD_MAX, &doc, &root, e);
	if (rc == 0)
		rc = has_every_key(root, e);
	if (rc == 0)
		rc = read_numbers(root, &r, e);
	if (rc == 0)
		rc = json_read_bool(root, "oomKilled", &r.oom_killed, e);
	if (rc == 0 && r.signal && r.code != 128 + r.signal)
		rc = err_set(e, -EINVAL, "signal %lld does not go with exitCode %lld", (long long)r.signal,
			     (long long)r.code);
	if (rc == 0)
		*out = r;
	return rc;
}

int shim_record_read(const char *bundle, int code, struct shim_record *out, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/exit.json", bundle);
	cleanup_free char *text = NULL;
	size_t len = 0;

	*out = (struct shim_record){0};
	int rc = file_read(AT_FDCWD, path, RECORD_MAX, &text, &len, e);
	if (rc == 0)
		rc = shim_record_parse(text, len, out, e);
	if (rc == 0 && out->code != code) {
		rc = err_set(e, -EINVAL, "exitCode is %lld, and the exit file says %d", (long long)out->code,
			     code);
		*out = (struct shim_record){0};
	}
	return rc;
}
