// SPDX-License-Identifier: Apache-2.0
// Configuration, connection and single calls. Holds the one connection of the process; knows no command.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/print.h"

#define TRIES 5 // 100 + 200 + 400 + 800 ms between them

int connect_backoff(unsigned n, int max)
{
	int64_t ms = n > 20 ? max : (int64_t)50 << n;

	return ms < max ? (int)ms : max;
}

int connect_config(struct rnx *r)
{
	cleanup_free char *path = NULL;
	char hint[CONFIG_HINT_MAX];
	struct err e = {0};
	const char *env = getenv("RNX_NODE");
	const char *name = r->node_name ? r->node_name : env && *env ? env : NULL;

	if (config_find(r->config_path, &path, &e) < 0)
		return print_fail(EXIT_CODE_INTERNAL, "CONFIG",
				  "name one with --config, or get one from whoever runs the server", "%s",
				  e.msg);
	if (config_load(path, &r->config, hint, &e) < 0)
		return print_fail(EXIT_CODE_INTERNAL, "CONFIG", hint, "%s", e.msg);
	if (config_pick(r->config, name, &r->node, &e) < 0)
		return print_fail(EXIT_CODE_INTERNAL, "CONFIG",
				  name ? "see `rnx nodes`" : "choose one with --node or `rnx use NODE`", "%s",
				  e.msg);
	return 0;
}

int connect_try(struct rnx *r, int timeout_ms, struct err *e)
{
	struct rpc_client_config cfg = {
	    .address = r->node->address,
	    .cert = r->node->cert,
	    .key = r->node->key,
	    .ca = r->node->ca,
	    .server_name = "joblet",
	    .timeout_ms = timeout_ms,
	};

	connect_close(r);
	return rpc_client_open(&cfg, &r->client, e);
}

void connect_close(struct rnx *r)
{
	if (r->client)
		rpc_client_free(r->client);
	r->client = NULL;
}

// Whether a server that is just being started would answer so.
static bool is_passing(int rc)
{
	return rc == -ECONNREFUSED || rc == -ECONNRESET || rc == -EPIPE;
}

int connect_open(struct rnx *r)
{
	struct err e = {0};
	int rc = 0;

	if (r->client)
		return 0;
	if (!r->config) {
		int status = connect_config(r);
		if (status)
			return status;
	}
	for (unsigned n = 1; n <= TRIES; n++) {
		e = (struct err){0};
		rc = connect_try(r, CONNECT_TIMEOUT_MS, &e);
		if (rc == 0)
			return 0;
		if (!is_passing(rc) || n == TRIES)
			break;
		poll(NULL, 0, connect_backoff(n, 800));
	}
	if (rc == -EACCES)
		return print_fail(EXIT_CODE_INTERNAL, "UNAUTHENTICATED",
				  "see `rnx nodes` for when the certificate ends", "%s", e.msg);
	return print_fail(EXIT_CODE_INTERNAL, "UNAVAILABLE",
			  "is jobletd running there, and is the address right? see `rnx nodes`",
			  "node %s: %s", r->node->name, e.msg[0] ? e.msg : strerror(-rc));
}

// A broken connection is replaced, a server that says it is not there is left alone for a while.
static int again(struct rnx *r, const struct rpc_status *s, unsigned n)
{
	struct err e = {0};

	poll(NULL, 0, connect_backoff(n, 800));
	if (!s->is_local)
		return 0;
	int rc = connect_try(r, CONNECT_TIMEOUT_MS, &e);
	if (rc < 0 && !is_passing(rc))
		return print_fail(EXIT_CODE_INTERNAL, "UNAVAILABLE", NULL, "node %s: %s", r->node->name,
				  e.msg[0] ? e.msg : strerror(-rc));
	return 0;
}

int connect_call(struct rnx *r, enum call_mode mode, const char *path, int64_t timeout_ms,
		 const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
		 ProtobufCMessage **reply)
{
	struct rpc_status s = {0};
	int status = connect_open(r);

	for (unsigned n = 1; status == 0; n++) {
		s = (struct rpc_status){.code = RPC_UNAVAILABLE,
					.is_local = true,
					.text = "the connection is lost"};
		int rc =
		    r->client ? rpc_unary(r->client, path, timeout_ms, request, type, reply, &s) : RPC_FAILED;
		if (rc == 0)
			return 0;
		if (rc < 0)
			return print_fail(EXIT_CODE_INTERNAL, "INTERNAL", NULL, "%s: %s", path,
					  strerror(-rc));
		if (mode == CALL_ONCE || s.code != RPC_UNAVAILABLE || n == TRIES)
			return connect_report(r, &s, NULL);
		status = again(r, &s, n);
	}
	return status;
}

static const char *hint_for(int code)
{
	switch (code) {
	case RPC_NOT_FOUND: return "see `rnx job list`";
	case RPC_UNAVAILABLE: return "is jobletd running there?";
	case RPC_UNAUTHENTICATED: return "see `rnx nodes` for the certificate";
	case RPC_UNIMPLEMENTED: return "the server is older than this rnx, or no joblet server";
	default: return NULL;
	}
}

int connect_report(const struct rnx *r, const struct rpc_status *s, const char *what)
{
	const char *text = s->text[0] ? s->text : rpc_code_name(s->code);
	bool is_broken = s->is_local;

	switch (s->code) {
	case RPC_UNKNOWN:
	case RPC_DEADLINE_EXCEEDED:
	case RPC_INTERNAL:
	case RPC_UNAVAILABLE:
	case RPC_DATA_LOSS:
	case RPC_UNAUTHENTICATED: is_broken = true; break;
	case RPC_PERMISSION_DENIED: return print_denied(text);
	default: break;
	}
	if (!what && s->is_local && r->node)
		what = r->node->name;
	return print_fail(is_broken ? EXIT_CODE_INTERNAL : EXIT_CODE_FAILURE, rpc_code_name(s->code),
			  hint_for(s->code), "%s%s%s", what ? what : "", what ? ": " : "", text);
}
