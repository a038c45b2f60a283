// SPDX-License-Identifier: Apache-2.0
// What GetJobLogs and AttachJob share.
#pragma once

#include "joblet.pb-c.h"
#include "jobletd/call.h"
#include "jobletd/log_reader.h"

// Borrows the bytes of chunk.
void rpc_log_chunk(const struct log_chunk *chunk, Joblet__DataChunk *m);
// Ends a call whose log cannot be read on: OUT_OF_RANGE for an offset, DATA_LOSS for what is gone.
void rpc_log_fail(struct call *c, int rc, const struct err *e);
