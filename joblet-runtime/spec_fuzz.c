// SPDX-License-Identifier: Apache-2.0
// Fuzzes config.json, with the mount options that its mounts bring: what is accepted has what a container
// cannot be made without.
#include <string.h>
#include <sys/mount.h>

#include "joblet-runtime/mount_options.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_mounts(const struct spec *s)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		struct mount_options o = {0};
		struct err e = {0};
		if (!s->mounts[i].destination)
			abort();
		mount_target_allowed(&s->mounts[i]);
		if (mount_options_parse(&s->mounts[i], &o, &e) == 0) {
			if (o.set & o.clear & ~(uint64_t)MOUNT_ATTR__ATIME)
				abort(); // an attribute cannot be both, but for the access times, which are
					 // one value
			mount_options_free(&o);
		} else if (!e.msg[0]) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_spec struct spec *s = NULL;
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct err e = {0};

	if (spec_parse(text, strlen(text), &s, &e)) {
		if (!e.msg[0])
			abort();
		return 0;
	}
	if (!s->oci_version || !s->root_path)
		abort();
	read_mounts(s);
	return 0;
}
