// SPDX-License-Identifier: Apache-2.0
// Walks a message by its descriptor. Pure.
#include "jobletd/audit_params.h"

#include <string.h>

#include "lib/base/str.h"

struct writer {
	struct json_out *o;
	size_t room;
};

// What a byte takes at most when it is written as JSON: \u00xx, \" or, in an invalid sequence, U+FFFD.
static size_t cost(unsigned char c)
{
	return c < 0x20 || c == 0x7f ? 6 : c >= 0x80 ? 3 : c == '"' || c == '\\' ? 2 : 1;
}

void audit_text_put(struct json_out *o, const char *s, size_t *room)
{
	size_t n = 0;

	if (!s)
		s = "";
	for (; s[n] && cost((unsigned char)s[n]) <= *room; n++)
		*room -= cost((unsigned char)s[n]);
	if (!s[n]) {
		json_put_strn(o, s, n);
		return;
	}
	cleanup_free char *cut = xasprintf("%.*s…(%zu bytes)", (int)n, s, strlen(s));
	*room = 0;
	json_put_str(o, cut);
}

static void put_text(struct writer *w, const char *s)
{
	audit_text_put(w->o, s, &w->room);
}

// A map's entry is a message of key and value: the value may be a secret. Of another message, what names it.
static void put_message(struct writer *w, const ProtobufCMessage *m)
{
	static const char *const names[] = {"key", "path", "name", "uuid"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, names[i]);
		if (f && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED) {
			put_text(w, *(char *const *)((const char *)m + f->offset));
			return;
		}
	}
	put_text(w, m->descriptor->short_name);
}

static void put_value(struct writer *w, const ProtobufCFieldDescriptor *f, const void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: put_text(w, *(char *const *)at); break;
	case PROTOBUF_C_TYPE_BYTES: {
		char text[32];
		snprintf(text, sizeof(text), "(%zu bytes)", ((const ProtobufCBinaryData *)at)->len);
		put_text(w, text);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE: put_message(w, *(ProtobufCMessage *const *)at); break;
	case PROTOBUF_C_TYPE_BOOL: json_put_bool(w->o, *(const protobuf_c_boolean *)at); break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64: json_put_i64(w->o, *(const int64_t *)at); break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: json_put_u64(w->o, *(const uint64_t *)at); break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: json_put_u64(w->o, *(const uint32_t *)at); break;
	case PROTOBUF_C_TYPE_FLOAT: json_put_double(w->o, (double)*(const float *)at); break;
	case PROTOBUF_C_TYPE_DOUBLE: json_put_double(w->o, *(const double *)at); break;
	default: json_put_i64(w->o, *(const int32_t *)at);
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(ProtobufCMessage *);
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return 8;
	default: return 4;
	}
}

// proto3: a field that has its default was not set.
static bool is_set(const ProtobufCFieldDescriptor *f, const void *at)
{
	static const char zero[16];

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: return *(char *const *)at && **(char *const *)at;
	case PROTOBUF_C_TYPE_BYTES: return ((const ProtobufCBinaryData *)at)->len != 0;
	case PROTOBUF_C_TYPE_MESSAGE: return *(ProtobufCMessage *const *)at != NULL;
	default: return memcmp(at, zero, size_of(f)) != 0;
	}
}

static void put_list(struct writer *w, const ProtobufCFieldDescriptor *f, const void *list, size_t n)
{
	json_open_arr(w->o);
	for (size_t i = 0; i < n && w->room; i++)
		put_value(w, f, (const char *)list + i * size_of(f));
	json_close_arr(w->o);
}

void audit_params_put(struct json_out *o, const ProtobufCMessage *m)
{
	struct writer w = {.o = o, .room = AUDIT_PARAMS_MAX};

	json_open_obj(o);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *at = (const char *)m + f->offset;
		if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
		    *(const uint32_t *)((const char *)m + f->quantifier_offset) != f->id)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
			if (n) {
				json_key(o, f->name);
				put_list(&w, f, *(void *const *)at, n);
			}
		} else if (is_set(f, at)) {
			json_key(o, f->name);
			put_value(&w, f, at);
		}
	}
	json_close_obj(o);
}
