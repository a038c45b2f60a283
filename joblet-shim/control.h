// SPDX-License-Identifier: Apache-2.0
// The FIFOs <bundle>/ctl (`1 H W` resizes the terminal, `2 0 0` opens the logs again) and <bundle>/winsz (`H
// W`).
#pragma once

#include "joblet-shim/options.h"

int control_open(const struct options *o, struct err *e) attr_must_check; // again: they are made anew

// The terminal whose size is to be changed, borrowed; a size that came before is applied now.
void control_set_terminal(int fd);
void control_close(const struct options *o);

// The bytes of a FIFO become lines. A line that is too long is thrown away whole.
struct control_line {
	char text[64];
	size_t len;
	bool is_skipping; // the rest of a line that was too long
};
// Takes a byte. True when text is a whole line, NUL-terminated, which stays until the next byte. Pure.
bool control_take(struct control_line *l, char c);

enum control_command { CONTROL_NOTHING, CONTROL_RESIZE, CONTROL_REOPEN };
// One line of ctl, or of winsz, without its newline. Pure. CONTROL_NOTHING for whatever is no command.
enum control_command control_parse(const char *line, bool is_winsz, unsigned short *rows,
				   unsigned short *columns);
