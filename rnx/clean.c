// SPDX-License-Identifier: Apache-2.0
// A state machine over the bytes of a job, after ECMA-48: sequences that begin with ESC or with a C1 control
// are left out whole. One that is never ended is given up at the end of the line or after SKIP_MAX bytes, so
// that a job cannot hide what follows. Makes no system call.
#include <string.h>

#include "rnx/clean.h"

#define SKIP_MAX    4096
#define REPLACEMENT "\xef\xbf\xbd" // U+FFFD

enum state {
	TEXT,
	ESCAPE,	      // behind ESC
	INTERMEDIATE, // behind ESC and a byte from 0x20 to 0x2f
	CSI,	      // control sequence: parameters, then one final byte
	STRING,	      // OSC, DCS, APC, PM, SOS: until BEL or ST
	STRING_END,   // behind ESC in a string
};

static int add_char(struct buf *out, const unsigned char *s, size_t len)
{
	return buf_add(out, s, len);
}

// A code point above the C0 controls.
static int put_code(struct clean *c, uint32_t code, const unsigned char *s, size_t len, struct buf *out)
{
	if (code == 0x9b) {
		c->state = CSI;
	} else if (code == 0x90 || code == 0x98 || (code >= 0x9d && code <= 0x9f)) {
		c->state = STRING;
	} else if (code >= 0x80 && code < 0xa0) {
		return 0; // the other C1 controls stand alone
	} else if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
		return buf_add_str(out, REPLACEMENT); // would show the text in another order than it has
	} else {
		return add_char(out, s, len);
	}
	c->skipped = 0;
	return 0;
}

// The length of the character that begins with b, 0 when none begins so.
static unsigned char_len(unsigned char b)
{
	return b < 0x80			? 1
	       : b >= 0xc2 && b <= 0xdf ? 2
	       : (b & 0xf0) == 0xe0	? 3
	       : b >= 0xf0 && b <= 0xf4 ? 4
					: 0;
}

// Whether b may be byte number i, from 1, of a character that begins with first: no overlong forms, no
// surrogates, nothing above U+10FFFF.
static bool may_follow(unsigned char first, unsigned i, unsigned char b)
{
	if ((b & 0xc0) != 0x80)
		return false;
	if (i > 1)
		return true;
	return !(first == 0xe0 && b < 0xa0) && !(first == 0xed && b >= 0xa0) &&
	       !(first == 0xf0 && b < 0x90) && !(first == 0xf4 && b >= 0x90);
}

static uint32_t decode(const unsigned char *s, unsigned len)
{
	static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code = s[0] & mask[len];

	for (unsigned i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

static int text_byte(struct clean *c, unsigned char b, struct buf *out);

static int held_byte(struct clean *c, unsigned char b, struct buf *out)
{
	unsigned len = char_len(c->held[0]);

	if (!may_follow(c->held[0], c->held_len, b)) {
		c->held_len = 0;
		int rc = buf_add_str(out, REPLACEMENT);
		return rc < 0 ? rc : text_byte(c, b, out);
	}
	c->held[c->held_len++] = b;
	if (c->held_len < len)
		return 0;
	c->held_len = 0;
	return put_code(c, decode(c->held, len), c->held, len, out);
}

static int text_byte(struct clean *c, unsigned char b, struct buf *out)
{
	bool after_return = c->after_return;

	if (c->held_len)
		return held_byte(c, b, out);
	c->after_return = b == '\r';
	if (b == '\r' || (b == '\n' && !after_return))
		return buf_add(out, "\n", 1);
	if (b == '\t' || (b >= 0x20 && b < 0x7f))
		return buf_add(out, &b, 1);
	if (b == 0x1b) {
		c->state = ESCAPE;
		c->skipped = 0;
	} else if (b >= 0x80) {
		if (!char_len(b))
			return buf_add_str(out, REPLACEMENT);
		c->held[0] = b;
		c->held_len = 1;
	}
	return 0;
}

static enum state after_escape(unsigned char b)
{
	if (b == '[')
		return CSI;
	if (b == ']' || b == 'P' || b == 'X' || b == '^' || b == '_')
		return STRING;
	return b >= 0x20 && b < 0x30 ? INTERMEDIATE : TEXT;
}

// A byte within a sequence. True when the byte belongs to the text behind it.
static bool sequence_byte(struct clean *c, unsigned char b)
{
	if (b == '\n' || b == '\r' || (c->state != STRING && c->state != STRING_END && b >= 0x80)) {
		c->state = TEXT;
		return true;
	}
	if (++c->skipped > SKIP_MAX || b == 0x18 || b == 0x1a) { // CAN and SUB end every sequence
		c->state = TEXT;
		return false;
	}
	if (b == 0x1b) {
		c->state = c->state == STRING ? STRING_END : ESCAPE;
		return false;
	}
	switch (c->state) {
	case ESCAPE: c->state = after_escape(b); break;
	case INTERMEDIATE:
		if (b >= 0x30)
			c->state = TEXT;
		break;
	case CSI:
		if (b >= 0x40)
			c->state = TEXT;
		break;
	case STRING:
		if (b == 0x07)
			c->state = TEXT;
		break;
	case STRING_END: c->state = b == '\\' ? TEXT : after_escape(b); break;
	default: break;
	}
	return false;
}

// How many bytes from s on are plain text and can be taken at once.
static size_t plain_run(const unsigned char *s, size_t len)
{
	size_t n = 0;

	while (n < len && ((s[n] >= 0x20 && s[n] < 0x7f) || s[n] == '\t'))
		n++;
	return n;
}

int clean_add(struct clean *c, const void *data, size_t len, struct buf *out)
{
	const unsigned char *s = data;
	size_t i = 0;
	int rc = 0;

	while (rc == 0 && i < len) {
		if (c->state == TEXT && !c->held_len) {
			size_t run = plain_run(s + i, len - i);
			if (run) {
				c->after_return = false;
				rc = buf_add(out, s + i, run);
				i += run;
				continue;
			}
		}
		if (c->state == TEXT || sequence_byte(c, s[i]))
			rc = text_byte(c, s[i], out);
		i++;
	}
	return rc;
}

int clean_end(struct clean *c, struct buf *out)
{
	bool was_begun = c->held_len > 0;

	*c = (struct clean){0};
	return was_begun ? buf_add_str(out, REPLACEMENT) : 0;
}
