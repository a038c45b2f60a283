// SPDX-License-Identifier: Apache-2.0
// The states of a job and the moves between them: the rows of specs/job_state.def as functions. Pure.
#include <errno.h>
#include <string.h>

#include "jobletd/job.h"
#include "lib/base/str.h"

static const struct {
	const char *name;
	bool is_final;
} states[] = {
#define JOB_STATE(state, final, meaning) [JOB_##state] = {#state, final},
#include "specs/job_state.def"
};

static const struct {
	enum job_state from, to;
} moves[] = {
#define JOB_MOVE(before, behind, why) {JOB_##before, JOB_##behind},
#include "specs/job_state.def"
};

const char *job_state_name(enum job_state s)
{
	return (unsigned)s < JOB_STATE_COUNT ? states[s].name : "UNKNOWN";
}

int job_state_parse(const char *s, enum job_state *out)
{
	for (unsigned i = 0; s && i < JOB_STATE_COUNT; i++) {
		if (str_eq(s, states[i].name)) {
			*out = (enum job_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool job_state_is_final(enum job_state s)
{
	return (unsigned)s < JOB_STATE_COUNT && states[s].is_final;
}

bool job_state_may_move(enum job_state from, enum job_state to)
{
	for (size_t i = 0; i < ARRAY_LEN(moves); i++)
		if (moves[i].from == from && moves[i].to == to)
			return true;
	return false;
}
