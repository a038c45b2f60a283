// SPDX-License-Identifier: Apache-2.0
// `jobletd audit …`: what an auditor runs, beside the daemon or without one.
#pragma once

// argv[0] is "audit". The exit status.
int audit_command(int argc, char **argv);
