// SPDX-License-Identifier: Apache-2.0
// Fuzzes the scan of messages for every method: what it lets through is unpacked by protobuf-c, and no string
// in it is cut short. The first byte chooses the method.
#include <string.h>

#include "jobletd/call.h"
#include "jobletd/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct call_handler *const handlers[] = {
#define METHOD(service, name, client_streams, server_streams, handler, permission) &handler,
#include "specs/method.def"
#undef METHOD
	};
	struct err e = {0};

	if (!size)
		return 0;
	const struct call_handler *h = handlers[data[0] % ARRAY_LEN(handlers)];
	if (wire_check(h->request, data + 1, size - 1, h->fields_max ? h->fields_max : WIRE_FIELDS_MAX, &e))
		return 0;
	ProtobufCMessage *m = protobuf_c_message_unpack(h->request, NULL, size - 1, data + 1);
	if (!m)
		abort();
	// Packed again it is as long as protobuf-c thinks.
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = xmalloc(len + 1);
	if (protobuf_c_message_pack(m, packed) != len)
		abort();
	free(packed);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}
