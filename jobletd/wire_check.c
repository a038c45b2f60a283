// SPDX-License-Identifier: Apache-2.0
// The scan of a message before it is unpacked (encoding: protobuf.dev, "Encoding"). Pure; stands between
// call.c and protobuf-c.
#include <errno.h>
#include <string.h>

#include "jobletd/wire_check.h"
#include "lib/base/str.h"

enum { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

#define HEAD_MAX 5 // bytes of a tag or a length: protobuf-c takes no more, however small the value

struct scan {
	const uint8_t *p, *end;
	size_t fields_left, unknown_left;
	struct err *e;
};

static int varint(struct scan *s, uint64_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (s->p == s->end)
			return err_set(s->e, -EBADMSG, "message is cut off");
		uint8_t b = *s->p++;
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*out = v;
			return 0;
		}
	}
	return err_set(s->e, -EBADMSG, "message holds a number of more than 64 bits");
}

static unsigned wire_type_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE: return WIRE_LEN;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT: return WIRE_I32;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return WIRE_I64;
	default: return WIRE_VARINT;
	}
}

static int fields(struct scan *s, const ProtobufCMessageDescriptor *type, unsigned depth);

// The contents of a length-delimited field that is known.
static int contents(struct scan *s, const ProtobufCFieldDescriptor *f, const uint8_t *end, unsigned depth)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const uint8_t *outer = s->end;
		s->end = end;
		int rc = fields(s, f->descriptor, depth + 1);
		s->end = outer;
		return rc;
	}
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		size_t n = (size_t)(end - s->p);
		if (memchr(s->p, 0, n))
			return err_set(s->e, -EBADMSG, "%s holds a NUL byte", f->name);
		if (!str_is_utf8((const char *)s->p, n))
			return err_set(s->e, -EBADMSG, "%s is not UTF-8", f->name);
	} else if (f->type != PROTOBUF_C_TYPE_BYTES) { // packed numbers: each may become one of eight bytes
		size_t n = (size_t)(end - s->p);
		if (n > s->fields_left)
			return err_set(s->e, -EBADMSG, "%s has too many values", f->name);
		s->fields_left -= n;
	}
	s->p = end;
	return 0;
}

static int length_delimited(struct scan *s, const ProtobufCFieldDescriptor *f, unsigned depth)
{
	const uint8_t *start = s->p;
	uint64_t len;
	int rc = varint(s, &len);
	if (rc)
		return rc;
	if (len > (uint64_t)(s->end - s->p) || s->p - start > HEAD_MAX)
		return err_set(s->e, -EBADMSG, "message is cut off");
	const uint8_t *end = s->p + len;
	if (f)
		return contents(s, f, end, depth);
	s->p = end;
	return 0;
}

static int skip_value(struct scan *s, unsigned wire, const ProtobufCFieldDescriptor *f, unsigned depth)
{
	uint64_t ignored;
	size_t n;

	switch (wire) {
	case WIRE_VARINT: return varint(s, &ignored);
	case WIRE_LEN: return length_delimited(s, f, depth);
	case WIRE_I32: n = 4; break;
	case WIRE_I64: n = 8; break;
	default: return err_set(s->e, -EBADMSG, "message holds a group or an unknown wire type");
	}
	if ((size_t)(s->end - s->p) < n)
		return err_set(s->e, -EBADMSG, "message is cut off");
	s->p += n;
	return 0;
}

static int check_known(struct scan *s, const ProtobufCFieldDescriptor *f, unsigned wire)
{
	unsigned want = wire_type_of(f);
	bool packed = f->label == PROTOBUF_C_LABEL_REPEATED && want != WIRE_LEN && wire == WIRE_LEN;
	if (wire != want && !packed)
		return err_set(s->e, -EBADMSG, "%s has the wrong wire type", f->name);
	return 0;
}

static int fields(struct scan *s, const ProtobufCMessageDescriptor *type, unsigned depth)
{
	if (depth > WIRE_DEPTH_MAX)
		return err_set(s->e, -EBADMSG, "message is nested too deeply");
	while (s->p < s->end) {
		const uint8_t *start = s->p;
		uint64_t tag;
		int rc = varint(s, &tag);
		if (rc)
			return rc;
		if (tag >> 32 || tag >> 3 == 0 || s->p - start > HEAD_MAX)
			return err_set(s->e, -EBADMSG, "message holds an impossible field number");
		if (s->fields_left-- == 0)
			return err_set(s->e, -EBADMSG, "message has too many fields");
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
		if (f)
			rc = check_known(s, f, tag & 7);
		else if (s->unknown_left-- == 0)
			rc = err_set(s->e, -EBADMSG, "message has too many unknown fields");
		if (!rc)
			rc = skip_value(s, tag & 7, f, depth);
		if (rc)
			return rc;
	}
	return 0;
}

int wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len, size_t fields_max,
	       struct err *e)
{
	struct scan s = {.p = data,
			 .end = data + len,
			 .fields_left = fields_max,
			 .unknown_left = WIRE_UNKNOWN_MAX,
			 .e = e};
	return fields(&s, type, 1);
}
