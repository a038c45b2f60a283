// SPDX-License-Identifier: Apache-2.0
// The standard health service: a core that answers serves. The empty name is the whole server.
#include "health.pb-c.h"
#include "jobletd/call.h"
#include "lib/base/str.h"

static bool is_known(const char *service)
{
	static const char *const services[] = {
	    "",
#define METHOD(service, name, client_streams, server_streams, handler, permission) service,
#include "specs/method.def"
#undef METHOD
	};
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (str_eq(services[i], service))
			return true;
	return false;
}

static void on_check(struct call *c, const ProtobufCMessage *m)
{
	const Grpc__Health__V1__HealthCheckRequest *r = (const void *)m;
	Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (!is_known(r->service)) {
		call_end(c, RPC_NOT_FOUND, "unknown service");
		return;
	}
	reply.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	call_reply(c, &reply.base);
}

// The stream stays open: what it would tell next is that we are gone, and then it breaks.
static void on_watch(struct call *c, const ProtobufCMessage *m)
{
	const Grpc__Health__V1__HealthCheckRequest *r = (const void *)m;
	Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	reply.status = is_known(r->service)
			   ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
			   : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
	call_send(c, &reply.base);
}

const struct call_handler rpc_health_check = {.request = &grpc__health__v1__health_check_request__descriptor,
					      .message = on_check};
const struct call_handler rpc_health_watch = {.request = &grpc__health__v1__health_check_request__descriptor,
					      .message = on_watch};
