// SPDX-License-Identifier: Apache-2.0
// The text of D-Bus messages. Both ends are on this machine, so that only its own byte order is read; and of
// the kinds of values only those that systemd and we send each other: numbers, strings, and what holds them.
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "joblet-runtime/dbus.h"

#define ORDER	 (__BYTE_ORDER == __LITTLE_ENDIAN ? 'l' : 'B')
#define PROTOCOL 1

// Codes of header fields.
enum { FIELD_PATH = 1, FIELD_INTERFACE, FIELD_MEMBER, FIELD_ERROR, FIELD_REPLY_SERIAL, FIELD_SIGNATURE = 8 };

static void align(struct buf *b, size_t n)
{
	static const char zero[8];
	buf_add(b, zero, (n - b->len % n) % n);
}

void dbus_put_u32(struct buf *b, uint32_t v)
{
	align(b, sizeof(v));
	buf_add(b, &v, sizeof(v));
}

void dbus_put_u64(struct buf *b, uint64_t v)
{
	align(b, sizeof(v));
	buf_add(b, &v, sizeof(v));
}

void dbus_put_str(struct buf *b, const char *s)
{
	size_t len = strlen(s);
	dbus_put_u32(b, (uint32_t)len);
	buf_add(b, s, len + 1);
}

void dbus_put_sig(struct buf *b, const char *s)
{
	uint8_t len = (uint8_t)strlen(s);
	buf_add(b, &len, 1);
	buf_add(b, s, len + 1U);
}

void dbus_put_bytes(struct buf *b, const uint8_t *v, size_t n)
{
	dbus_put_u32(b, (uint32_t)n);
	buf_add(b, v, n);
}

void dbus_struct(struct buf *b)
{
	align(b, 8);
}

struct dbus_array dbus_array(struct buf *b, size_t n)
{
	dbus_put_u32(b, 0);
	struct dbus_array a = {.at = b->len - sizeof(uint32_t)};
	align(b, n);
	a.from = b->len;
	return a;
}

void dbus_array_end(struct buf *b, struct dbus_array a)
{
	uint32_t len = (uint32_t)(b->len - a.from);
	memcpy(b->data + a.at, &len, sizeof(len));
}

static void put_field(struct buf *b, uint8_t code, const char *type, const char *value)
{
	dbus_struct(b);
	buf_add(b, &code, 1);
	dbus_put_sig(b, type);
	type[0] == 'g' ? dbus_put_sig(b, value) : dbus_put_str(b, value);
}

int dbus_put_call(struct buf *out, const struct dbus_method *m, uint32_t serial)
{
	const uint8_t start[] = {ORDER, DBUS_CALL, 0, PROTOCOL};
	size_t body = m->body ? m->body->len : 0;
	if (body > DBUS_CALL_MAX)
		return -EMSGSIZE;
	buf_add(out, start, sizeof(start));
	dbus_put_u32(out, (uint32_t)body);
	dbus_put_u32(out, serial);
	struct dbus_array fields = dbus_array(out, 8);
	put_field(out, FIELD_PATH, "o", m->path);
	put_field(out, FIELD_INTERFACE, "s", m->interface);
	put_field(out, FIELD_MEMBER, "s", m->member);
	if (m->signature)
		put_field(out, FIELD_SIGNATURE, "g", m->signature);
	dbus_array_end(out, fields);
	align(out, 8);
	return body ? buf_add(out, m->body->data, body) : 0;
}

// Room for size bytes at a multiple of n; NULL: there is none.
static const uint8_t *take(struct dbus_in *in, size_t n, size_t size)
{
	size_t from = in->at + (n - in->at % n) % n;
	if (in->bad || from > in->len || size > in->len - from) {
		in->bad = true;
		return NULL;
	}
	in->at = from + size;
	return in->data + from;
}

uint32_t dbus_get_u32(struct dbus_in *in)
{
	uint32_t v = 0;
	const uint8_t *p = take(in, sizeof(v), sizeof(v));
	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t get_u8(struct dbus_in *in)
{
	const uint8_t *p = take(in, 1, 1);
	return p ? *p : 0;
}

static const char *get_text(struct dbus_in *in, size_t len)
{
	const uint8_t *p = take(in, 1, len + 1);
	if (p && memchr(p, 0, len + 1) == p + len)
		return (const char *)p;
	in->bad = true;
	return "";
}

const char *dbus_get_str(struct dbus_in *in)
{
	return get_text(in, dbus_get_u32(in));
}

const char *dbus_get_sig(struct dbus_in *in)
{
	return get_text(in, get_u8(in));
}

static size_t header_len(size_t fields)
{
	return (DBUS_HEAD + fields + 7) / 8 * 8;
}

int dbus_message_size(const uint8_t *head, size_t *size)
{
	uint32_t body, fields;
	if (head[0] != ORDER || head[3] != PROTOCOL)
		return -EBADMSG;
	memcpy(&body, head + 4, sizeof(body));
	memcpy(&fields, head + 12, sizeof(fields));
	if (body > DBUS_MESSAGE_MAX || fields > DBUS_MESSAGE_MAX)
		return -EMSGSIZE;
	*size = header_len(fields) + body;
	return *size > DBUS_MESSAGE_MAX ? -EMSGSIZE : 0;
}

// A field of the header is a number and a variant. Those that nobody here asks for are read past, which can
// be done for the kinds that the specification has in a header.
static void read_field(struct dbus_in *in, struct dbus_message *m)
{
	(void)take(in, 8, 0);
	uint8_t code = get_u8(in);
	const char *type = dbus_get_sig(in), *text = "";
	uint32_t number = 0;
	if (strlen(type) != 1 || !strchr("sogu", type[0])) {
		in->bad = true;
		return;
	}
	if (type[0] == 'u')
		number = dbus_get_u32(in);
	else
		text = type[0] == 'g' ? dbus_get_sig(in) : dbus_get_str(in);
	if (code == FIELD_MEMBER)
		m->member = text;
	else if (code == FIELD_ERROR)
		m->error = text;
	else if (code == FIELD_SIGNATURE)
		m->signature = text;
	else if (code == FIELD_REPLY_SERIAL)
		m->reply_serial = number;
}

int dbus_message_parse(const uint8_t *data, size_t len, struct dbus_message *out)
{
	size_t size;
	uint32_t fields;
	*out = (struct dbus_message){.member = "", .error = "", .signature = ""};
	if (len < DBUS_HEAD || dbus_message_size(data, &size) != 0 || size != len || data[1] < DBUS_CALL ||
	    data[1] > DBUS_SIGNAL)
		return -EBADMSG;
	memcpy(&fields, data + 12, sizeof(fields));
	struct dbus_in head = {.data = data, .len = DBUS_HEAD + fields, .at = DBUS_HEAD};
	while (head.at < head.len && !head.bad)
		read_field(&head, out);
	out->type = data[1];
	size_t from = header_len(fields);
	out->body = (struct dbus_in){.data = data + from, .len = len - from};
	return head.bad ? -EBADMSG : 0;
}
