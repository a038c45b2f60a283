// SPDX-License-Identifier: Apache-2.0
// The options that create and run have in common.
#pragma once

#include "joblet-runtime/command.h"
#include "joblet-runtime/container.h"

// --preserve-fds: its number, every descriptor of which must be open.
int preserved_fds(const char *text, int *out, struct err *e) attr_must_check;

// Fills out from the command line. 1 when only help was wanted. keep and detach are run's; they are NULL for
// create.
int create_options(const struct command *cmd, const struct globals *g, char **args, int n, const char **keep,
		   const char **detach, struct container_options *out, struct err *e) attr_must_check;
