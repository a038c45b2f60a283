// SPDX-License-Identifier: Apache-2.0
// A terminal in the foreground, where no console socket takes it: what is typed here goes to the container's
// terminal, what it shows is shown here.
#pragma once

#include <termios.h>

#include "lib/base/err.h"

struct terminal {
	int ours, theirs; // ends of the socket that stands for a console socket; theirs is for the container
	int master;
	bool raw; // stdin is a terminal, and was made raw
	struct termios before;
};

int terminal_open(struct terminal *t, struct err *e) attr_must_check;
// Takes the master that the container sent; stdin becomes raw if it is a terminal.
int terminal_take(struct terminal *t, struct err *e) attr_must_check;
// As foreground_wait, and carries bytes and the size of the window.
int terminal_wait(struct terminal *t, int pidfd, int signals, struct err *e) attr_must_check;
void terminal_close(struct terminal *t); // stdin is as before
