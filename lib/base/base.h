// SPDX-License-Identifier: Apache-2.0
// What every file uses: ownership of locals, hand-over, attributes, memory, the clock.
//
// A local that owns something is declared with one of the cleanup_* macros and releases it at the end of its
// scope; it is handed on with take_ptr or take_fd, which leave the local empty.
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_LEN(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define attr_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define attr_must_check	       __attribute__((warn_unused_result))
#define attr_noreturn	       __attribute__((noreturn))
#define attr_unused	       __attribute__((unused))

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

// Closes *fd when it is 0 or more; keeps errno, so that a cleanup never hides the error that led to it.
void cleanup_close_p(int *fd);
void cleanup_fclose_p(FILE **f);
void cleanup_closedir_p(DIR **d);

#define cleanup_free	 __attribute__((cleanup(cleanup_free_p)))
#define cleanup_close	 __attribute__((cleanup(cleanup_close_p)))
#define cleanup_fclose	 __attribute__((cleanup(cleanup_fclose_p)))
#define cleanup_closedir __attribute__((cleanup(cleanup_closedir_p)))

// The pointer, with the variable set to NULL: the caller owns it now.
#define take_ptr(p)                                                                                          \
	({                                                                                                   \
		__auto_type take_ptr_value = (p);                                                            \
		(p) = NULL;                                                                                  \
		take_ptr_value;                                                                              \
	})

// The descriptor, with the variable set to -1: the caller owns it now.
#define take_fd(fd)                                                                                          \
	({                                                                                                   \
		int take_fd_value = (fd);                                                                    \
		(fd) = -1;                                                                                   \
		take_fd_value;                                                                               \
	})

// Memory that is never NULL: running out of memory aborts, so every size from outside is bounded before it
// comes here.
void *xmalloc(size_t n) attr_must_check;
void *xcalloc(size_t n, size_t size) attr_must_check;
void *xrealloc(void *p, size_t n) attr_must_check;
char *xstrdup(const char *s) attr_must_check;
char *xstrndup(const char *s, size_t n) attr_must_check;
char *xasprintf(const char *fmt, ...) attr_printf(1, 2) attr_must_check;

// What a clock that always exists says (clock_gettime(2)).
int64_t clock_ns(clockid_t clock);
int64_t clock_ms(clockid_t clock);
