// SPDX-License-Identifier: Apache-2.0
// The audit log as the rest of the core sees it: who did what, with what result, on disk before the answer
// leaves (specs/audit.md). While it cannot be written, nothing that changes anything is done.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <systemd/sd-event.h>

#include "jobletd/config.h"
#include "jobletd/gateway/wire.h"
#include "jobletd/job.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

enum audit_kind { AUDIT_READ, AUDIT_JOB, AUDIT_ADMIN };
// How calls of a permission are recorded; what is not in specs/permission.def is AUDIT_ADMIN, so that it is
// recorded.
enum audit_kind audit_kind_of(const char *permission);

// Who asks, as the gateway claims.
struct audit_actor {
	const char *cn, *role, *serial, *peer;
	const uint8_t *fingerprint; // 32 bytes, or NULL
};

struct audit_call {
	const struct audit_actor *actor;
	const char *service, *method, *permission;
	const char *object;		 // what it was about; "" when that is not known
	const ProtobufCMessage *request; // an intent: what was asked for; NULL: a result
	const char *decision;		 // "allowed" or "denied"
	const char *result, *text;	 // the gRPC status by name, and its text; of a result
	int64_t duration_ns;
};

struct audit;

// Opens the log, records the start of the daemon. With audit.enabled false nothing is ever written and
// everything succeeds.
int audit_open(const struct config *cfg, sd_event *loop, struct audit **out, struct err *e) attr_must_check;
void audit_set_jobs(struct audit *a, struct jobs *jobs); // for the number of jobs in each record
void audit_close(struct audit *a);			 // records the end of the daemon

// Whether changes may be made: the log can be written, tried again if it could not. -EIO with what is wrong.
int audit_ready(struct audit *a, struct err *e) attr_must_check;

// Embedded in its owner. done is called from the loop when everything recorded so far is on the disk, or
// could not be put there (rc); all who wait in one turn of the loop share one sync.
struct audit_wait {
	void (*done)(struct audit_wait *w, int rc, const struct err *e);
	struct audit *audit; // audit's own, as the rest
	struct audit_wait *next, **prev;
};
void audit_sync(struct audit *a, struct audit_wait *w);
void audit_forget(struct audit_wait *w); // harmless when it does not wait

// Each returns 0, also for what is configured away; negative: it is not in the log, and why is said and
// counted.
int audit_call_record(struct audit *a, const struct audit_call *c);
int audit_auth_success(struct audit *a, const struct audit_actor *actor);
int audit_auth_failed(struct audit *a, const struct audit_actor *actor, const char *reason,
		      unsigned left_out);
int audit_job(struct audit *a, const struct job_info *job); // that it runs, or how it ended
