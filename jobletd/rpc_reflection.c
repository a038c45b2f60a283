// SPDX-License-Identifier: Apache-2.0
// Server reflection (grpc.reflection.v1 and v1alpha, which are the same on the wire): standard tools ask what
// there is to call. What is not found is answered within the stream, as the service wants it.
#include <string.h>

#include "jobletd/call.h"
#include "jobletd/descriptors.h"
#include "lib/base/str.h"
#include "reflection_v1.pb-c.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request;
typedef Grpc__Reflection__V1__ServerReflectionResponse response;

static const char *const services[] = {
#define METHOD(service, name, client_streams, server_streams, handler, permission) service,
#include "specs/method.def"
#undef METHOD
};

static void send_error(struct call *c, response *m, int code, const char *text)
{
	Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
	error.error_code = code;
	error.error_message = (char *)(uintptr_t)text;
	m->message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	m->error_response = &error; // analyzed: m is not used after it is sent
	call_send(c, &m->base);
}

static void send_file(struct call *c, response *m, bool found, const struct descriptor_file *f)
{
	Grpc__Reflection__V1__FileDescriptorResponse files =
	    GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;

	if (!found) {
		send_error(c, m, RPC_NOT_FOUND, "not found");
		return;
	}
	// analyzed: the initializer names all of it
	ProtobufCBinaryData data = {.len = f->len, .data = (uint8_t *)(uintptr_t)f->data};
	files.n_file_descriptor_proto = 1;
	files.file_descriptor_proto = &data;
	m->message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	m->file_descriptor_response = &files; // analyzed: m is not used after it is sent
	call_send(c, &m->base);		      // analyzed: m is not used after it is sent
}

// Rows of one service stand together in method.def.
static void send_services(struct call *c, response *m)
{
	Grpc__Reflection__V1__ServiceResponse rows[ARRAY_LEN(services)], *list[ARRAY_LEN(services)];
	Grpc__Reflection__V1__ListServiceResponse all = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;

	all.service = list;
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		if (i && str_eq(services[i], services[i - 1]))
			continue;
		grpc__reflection__v1__service_response__init(&rows[all.n_service]);
		rows[all.n_service].name = (char *)(uintptr_t)services[i];
		list[all.n_service] = &rows[all.n_service];
		all.n_service++;
	}
	m->message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	m->list_services_response = &all; // analyzed: m is not used after it is sent
	call_send(c, &m->base);
}

static void on_message(struct call *c, const ProtobufCMessage *message)
{
	const request *r = (const void *)message;
	response m = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	struct descriptor_file f = {0};

	m.valid_host = r->host;
	m.original_request = (request *)(uintptr_t)r;
	switch (r->message_request_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
		send_services(c, &m);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		send_file(c, &m, descriptors_by_name(r->file_by_filename, &f), &f);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		send_file(c, &m, descriptors_by_symbol(r->file_containing_symbol, &f), &f);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
		send_error(c, &m, RPC_NOT_FOUND, "there are no extensions");
		break;
	default: send_error(c, &m, RPC_INVALID_ARGUMENT, "the request asks for nothing that is known here");
	}
	if (!call_can_send(c))
		call_pause(c);
}

static void on_half_closed(struct call *c)
{
	call_end(c, RPC_OK, "%s", "");
}

static void on_writable(struct call *c)
{
	call_resume(c);
}

const struct call_handler rpc_reflection = {
    .request = &grpc__reflection__v1__server_reflection_request__descriptor,
    .message = on_message,
    .half_closed = on_half_closed,
    .writable = on_writable,
};
