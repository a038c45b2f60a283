// SPDX-License-Identifier: Apache-2.0
// The chain of the audit log (specs/audit.md): each line carries a hash over itself and the line before it,
// and now and then one is signed. Pure computation over bytes, for the writer (audit.c) and for the verifier
// (audit_verify.c).
#pragma once

#include <openssl/types.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define AUDIT_HASH_BYTES 32
#define AUDIT_HEX_LEN	 (2 * AUDIT_HASH_BYTES)
#define AUDIT_LINE_MAX	 ((size_t)16384) // with its line feed
#define AUDIT_ID_LEN	 32
#define AUDIT_SIG_BYTES	 64

// Where the chain stands: behind record seq. All zero before the first.
struct audit_chain {
	uint64_t seq;
	uint8_t hash[AUDIT_HASH_BYTES];
};

// What the beginning of a line says. event points into the line.
struct audit_line {
	uint64_t seq;
	const char *event;
	size_t event_len;
};

// Closes a record: out holds `{"v":1,"seq":N,…` without its last brace; the two hashes, the brace and a line
// feed are added, and the chain moves on.
void audit_chain_seal(struct audit_chain *c, struct buf *out);

// Judges one line without its line feed against the chain before it. 0: the chain has moved on. -EINVAL with
// what is wrong: not a record, the wrong number, the wrong hash. The chain then stays.
int audit_chain_check(struct audit_chain *c, const char *line, size_t len, struct audit_line *out,
		      struct err *e) attr_must_check;

// The chain as the line itself claims it, for going on behind the last line of a file: its own hash is
// checked, what was before it is believed.
int audit_chain_resume(struct audit_chain *c, const char *line, size_t len, struct audit_line *out,
		       struct err *e) attr_must_check;
bool audit_line_is(const struct audit_line *l, const char *event);

// The value of a text member that stands in the line as the writer puts it: `"key":"value"`, without escapes.
// NULL when it is not there; *len is its length.
const char *audit_line_member(const char *line, size_t len, const char *key, size_t *value_len);

// A signature of the chain as it stands, by the log's key. pkey is Ed25519. -EIO when the library fails.
int audit_chain_sign(const struct audit_chain *c, const char *log_id, EVP_PKEY *pkey,
		     uint8_t sig[AUDIT_SIG_BYTES], struct err *e) attr_must_check;
bool audit_chain_is_signed(const struct audit_chain *c, const char *log_id, EVP_PKEY *pkey,
			   const uint8_t sig[AUDIT_SIG_BYTES]);
// A code over the chain that only who has the private key can make: for the head file.
int audit_chain_mac(const struct audit_chain *c, EVP_PKEY *pkey, uint8_t mac[AUDIT_HASH_BYTES],
		    struct err *e) attr_must_check;

void audit_hex(const uint8_t *bytes, size_t n, char *out); // 2 * n digits and a NUL
int audit_unhex(const char *hex, size_t len, uint8_t *out, size_t n) attr_must_check;
