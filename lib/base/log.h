// SPDX-License-Identifier: Apache-2.0
// What a program says about itself. One line a message, written by one write(2), so that lines of several
// processes never mix. Text: `2026-11-23T17:53:21.298Z error jobletd: message`; JSON as runc writes it:
// `{"level":"error","msg":"…","time":"…"}`. Control characters of a message are written as \xNN: what a
// client or a job chose cannot forge a line.
#pragma once

#include "base.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

// prog is kept, not copied. fd is borrowed and stays open for as long as the program logs. Default: stderr,
// text, info.
void log_init(const char *prog, int fd, enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
void log_set_fd(int fd);

// "debug", "info", "warn" or "warning", "error": 0, else -EINVAL.
int log_level_parse(const char *s, enum log_level *out);

void log_write(enum log_level level, const char *fmt, ...) attr_printf(2, 3);
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
