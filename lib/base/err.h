// SPDX-License-Identifier: Apache-2.0
// Errors. A function that can fail returns int: 0 done; negative -errno, passed up unchanged; positive a
// named outcome that the caller must handle. What a person should read is put, where it happens, into a
// struct err that the outermost caller owns. It is reported once: at main or at the edge of an RPC.
#pragma once

#include "base.h"

// Fixed size and without pointers: nothing to free, and one write carries it through a pipe. Zero-initialise
// it.
struct err {
	char msg[1024];
};

// Sets the text and returns rc, so that a failing line reads `return err_set(e, -EINVAL, "…", …)`. e may be
// NULL. Too long a text is cut at the end, by the two below where a path stands in it: its reason stays. A
// macro, so that compilers and analysers see which value comes back.
#define err_set(e, rc, ...)                                                                                  \
	({                                                                                                   \
		int err_set_rc = (rc);                                                                       \
		err_set_text((e), __VA_ARGS__);                                                              \
		err_set_rc;                                                                                  \
	})

// As err_set, with ": " and the words of the system for -rc behind it. rc is negative.
#define err_sys(e, rc, ...)                                                                                  \
	({                                                                                                   \
		int err_sys_rc = (rc);                                                                       \
		err_sys_text((e), err_sys_rc, __VA_ARGS__);                                                  \
		err_sys_rc;                                                                                  \
	})

// Puts "<text>: " before the text that is there and returns rc.
#define err_wrap(e, rc, ...)                                                                                 \
	({                                                                                                   \
		int err_wrap_rc = (rc);                                                                      \
		err_wrap_text((e), __VA_ARGS__);                                                             \
		err_wrap_rc;                                                                                 \
	})

void err_set_text(struct err *e, const char *fmt, ...) attr_printf(2, 3);
void err_sys_text(struct err *e, int rc, const char *fmt, ...) attr_printf(3, 4);
void err_wrap_text(struct err *e, const char *fmt, ...) attr_printf(2, 3);
