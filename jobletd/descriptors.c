// SPDX-License-Identifier: Apache-2.0
// A walk over a FileDescriptorSet (descriptor.proto of protobuf) that protoc wrote when we were built:
// trusted bytes, so what does not fit is simply not found.
#include <string.h>

#include "jobletd/descriptors.h"

static const uint8_t set[] = {
#include "descriptors.inc"
};

struct view {
	const uint8_t *p, *end;
};

static uint64_t varint(struct view *v)
{
	uint64_t n = 0;
	for (unsigned shift = 0; v->p < v->end && shift < 64; shift += 7) {
		uint8_t b = *v->p++;
		n |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			break;
	}
	return n;
}

// The next field that has a length: its number, or 0 at the end. Others are passed over.
static unsigned next(struct view *v, struct view *field)
{
	while (v->p < v->end) {
		uint64_t tag = varint(v);
		if ((tag & 7) == 0) {
			varint(v);
			continue;
		}
		if ((tag & 7) != 2)
			return 0;
		uint64_t len = varint(v);
		if (len > (uint64_t)(v->end - v->p))
			return 0;
		*field = (struct view){v->p, v->p + len};
		v->p += len;
		return (unsigned)(tag >> 3);
	}
	return 0;
}

// The first field of that number; empty when there is none.
static struct view get(struct view v, unsigned number)
{
	struct view field = {v.p, v.p};
	unsigned n;
	while ((n = next(&v, &field)))
		if (n == number)
			return field;
	return (struct view){v.p, v.p};
}

static bool is(struct view v, const char *s, size_t len)
{
	return (size_t)(v.end - v.p) == len && memcmp(v.p, s, len) == 0;
}

// Field numbers of descriptor.proto.
enum { SET_FILE = 1, FILE_NAME = 1, FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { ANY_NAME = 1, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, SERVICE_METHOD = 2 };

// What is within a thing can be named behind it with a dot: the fields that hold nested things, by the kind
// of thing.
enum kind { KIND_FILE, KIND_MESSAGE, KIND_SERVICE, KIND_LEAF };
static bool is_inner(enum kind outer, unsigned field, enum kind *inner)
{
	if ((outer == KIND_FILE && field == FILE_MESSAGE) ||
	    (outer == KIND_MESSAGE && field == MESSAGE_NESTED))
		*inner = KIND_MESSAGE;
	else if (outer == KIND_FILE && field == FILE_SERVICE)
		*inner = KIND_SERVICE;
	else if ((outer == KIND_FILE && field == FILE_ENUM) ||
		 (outer == KIND_MESSAGE && field == MESSAGE_ENUM) ||
		 (outer == KIND_SERVICE && field == SERVICE_METHOD))
		*inner = KIND_LEAF;
	else
		return false;
	return true;
}

static bool holds(struct view v, enum kind kind, const char *symbol)
{
	size_t len = strcspn(symbol, ".");
	struct view field;
	enum kind inner;
	unsigned n;

	while ((n = next(&v, &field))) {
		if (!is_inner(kind, n, &inner) || !is(get(field, ANY_NAME), symbol, len))
			continue;
		if (!symbol[len] || (inner != KIND_LEAF && holds(field, inner, symbol + len + 1)))
			return true;
	}
	return false;
}

static bool file_holds(struct view file, const char *symbol)
{
	struct view package = get(file, FILE_PACKAGE);
	size_t len = (size_t)(package.end - package.p);
	if (len) {
		if (strncmp((const char *)package.p, symbol, len) != 0 || symbol[len] != '.')
			return false;
		symbol += len + 1;
	}
	return holds(file, KIND_FILE, symbol);
}

static bool find(const char *s, bool by_name, struct descriptor_file *out)
{
	struct view v = {set, set + sizeof(set)}, file;
	unsigned n;

	while ((n = next(&v, &file))) {
		if (n != SET_FILE)
			continue;
		if (by_name ? is(get(file, FILE_NAME), s, strlen(s)) : file_holds(file, s)) {
			*out = (struct descriptor_file){file.p, (size_t)(file.end - file.p)};
			return true;
		}
	}
	return false;
}

bool descriptors_by_name(const char *name, struct descriptor_file *out)
{
	return find(name, true, out);
}

bool descriptors_by_symbol(const char *symbol, struct descriptor_file *out)
{
	return find(symbol, false, out);
}
