// SPDX-License-Identifier: Apache-2.0
// What the spec*.c files share: memory that belongs to a struct spec, and the shapes that config.json
// repeats. No system calls.
#pragma once

#include "joblet-runtime/spec.h"

void *spec_alloc(struct spec *s, size_t n, size_t size) attr_must_check; // zeroed, freed by spec_free
// An array of strings, NULL-terminated; absent leaves *out NULL.
int spec_read_strings(struct spec *s, const struct json *obj, const char *key, size_t max, const char ***out,
		      size_t *n, struct err *e) attr_must_check;
// An object of strings.
int spec_read_kv(struct spec *s, const struct json *obj, const char *key, struct spec_kv **out, size_t *n,
		 struct err *e) attr_must_check;
// An array of at most max objects; *n elements; -EINVAL when an element is no object.
int spec_read_objects(const struct json *obj, const char *key, size_t max, const struct json **arr, size_t *n,
		      struct err *e) attr_must_check;
// uidMappings or gidMappings.
int spec_read_maps(struct spec *s, const struct json *obj, const char *key, struct spec_id_map **out,
		   size_t *count, struct err *e) attr_must_check;
int spec_missing(const struct json *obj, const char *key, struct err *e); // -EINVAL and "x.y is required"

int spec_read_process(struct spec *s, const struct json *root, struct err *e) attr_must_check;
int spec_read_process_object(struct spec *s, const struct json *obj, struct err *e) attr_must_check;
int spec_read_sched(struct spec *s, struct spec_process *p, const struct json *obj,
		    struct err *e) attr_must_check;
int spec_read_linux(struct spec *s, const struct json *root, struct err *e) attr_must_check;
int spec_read_seccomp(struct spec *s, const struct json *obj, struct err *e) attr_must_check;
int spec_check(const struct spec *s, struct err *e) attr_must_check; // what concerns more than one member
