// SPDX-License-Identifier: Apache-2.0
// Strings from outside: strict numbers, names, lists, and text made safe to print. No function here makes a
// system call.
#pragma once

#include "base.h"

bool str_eq(const char *a, const char *b); // NULL equals NULL only
bool str_starts(const char *s, const char *prefix);

// Decimal, the whole string, no sign but '-', no space, no leading '+', within [min, max]. 0; -EINVAL not a
// number; -ERANGE.
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out) attr_must_check;
int str_to_u64(const char *s, uint64_t max, uint64_t *out) attr_must_check;

// `512`, `64k`, `10MB`, `1GB`, `1GiB`; units are powers of 1024. 0, -EINVAL, -ERANGE.
int str_to_bytes(const char *s, uint64_t *out) attr_must_check;

// `90s`, `30min`, `1hour`, `2h30m`, `500ms`, a plain number is seconds. Nanoseconds, up to 10 years. 0,
// -EINVAL, -ERANGE.
int str_to_duration(const char *s, int64_t *ns) attr_must_check;

// A list of CPUs, `0-3,7`, as the kernel's cpuset writes it; max is the highest number allowed. 0, -EINVAL,
// -ERANGE.
int str_check_cpu_list(const char *s, unsigned max) attr_must_check;

// ^[a-zA-Z_][a-zA-Z0-9_-]*$, at most 63 bytes: names of jobs, networks, volumes.
bool str_is_name(const char *s);
// ^[a-zA-Z_][a-zA-Z0-9_]*$, at most 255 bytes.
bool str_is_env_name(const char *s);
bool str_is_utf8(const char *s, size_t len);

// The word of the list (NULL-terminated) that is meant most likely: a few letters off, or begun. NULL when
// none is near.
const char *str_nearest(const char *word, const char *const *list);

// Copies at most size - 1 bytes and a NUL; -ENAMETOOLONG when it does not fit (then dst is empty).
int str_copy(char *dst, size_t size, const char *src) attr_must_check;

// RFC 3339 in UTC with nanoseconds, `2026-11-23T17:53:21.298756433Z`. The result is at most 31 bytes with its
// NUL.
#define STR_TIME_MAX 40
void str_time_rfc3339(int64_t ns_since_epoch, char out[STR_TIME_MAX]);
// RFC 3339 with a zone; without one it is local time. 0 or -EINVAL.
int str_parse_time(const char *s, int64_t *ns_since_epoch) attr_must_check;

// NULL-terminated vectors of strings, each allocated.
void strv_free(char **v);
static inline void strv_free_p(char ***v)
{
	strv_free(*v);
}
#define cleanup_strv __attribute__((cleanup(strv_free_p)))
size_t strv_len(char *const *v);
void strv_add(char ***v, const char *s); // a copy
void strv_add_take(char ***v, char *s);	 // takes the allocation
