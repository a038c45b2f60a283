// SPDX-License-Identifier: Apache-2.0
// Hashes, signatures and the shape of a line of the audit log. No system call but what OpenSSL makes for
// itself.
#include "jobletd/audit_chain.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "lib/base/str.h"

#define START	 "{\"v\":1,\"seq\":"
#define PREV	 ",\"prev\":\""
#define HASH	 "\",\"hash\":\""
#define END	 "\"}"
#define TAIL_LEN (sizeof(PREV) - 1 + AUDIT_HEX_LEN + sizeof(HASH) - 1 + AUDIT_HEX_LEN + sizeof(END) - 1)

void audit_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int audit_unhex(const char *hex, size_t len, uint8_t *out, size_t n)
{
	if (len != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

// SHA-256 over the hash before and the bytes of the line up to `","hash":"`.
static void digest(const uint8_t before[AUDIT_HASH_BYTES], const char *bytes, size_t len,
		   uint8_t out[AUDIT_HASH_BYTES])
{
	static EVP_MD *sha256;
	static EVP_MD_CTX *ctx;

	if (!sha256 && (!(sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) || !(ctx = EVP_MD_CTX_new())))
		abort();
	if (EVP_DigestInit_ex2(ctx, sha256, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, before, AUDIT_HASH_BYTES) != 1 || EVP_DigestUpdate(ctx, bytes, len) != 1 ||
	    EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		abort();
}

void audit_chain_seal(struct audit_chain *c, struct buf *out)
{
	char hex[AUDIT_HEX_LEN + 1];
	uint8_t hash[AUDIT_HASH_BYTES];

	audit_hex(c->hash, AUDIT_HASH_BYTES, hex);
	buf_printf(out, PREV "%s", hex);
	digest(c->hash, out->data, out->len, hash);
	audit_hex(hash, AUDIT_HASH_BYTES, hex);
	buf_printf(out, HASH "%s" END "\n", hex);
	memcpy(c->hash, hash, AUDIT_HASH_BYTES);
	c->seq++;
}

// The parts of a line whose shape is right.
struct parts {
	struct audit_line line;
	size_t hashed; // bytes that the hash is over
	uint8_t prev[AUDIT_HASH_BYTES], hash[AUDIT_HASH_BYTES];
};

static int take_apart(const char *line, size_t len, struct parts *p, struct err *e)
{
	char number[21];

	if (len < sizeof(START) + TAIL_LEN || memcmp(line, START, sizeof(START) - 1) != 0)
		return err_set(e, -EINVAL, "not a record");
	const char *at = line + sizeof(START) - 1;
	size_t n = 0;
	while (at + n < line + len && at[n] >= '0' && at[n] <= '9')
		n++;
	if (n == 0 || n >= sizeof(number) || at[n] != ',' || (n > 1 && at[0] == '0'))
		return err_set(e, -EINVAL, "not a record: its number is none");
	memcpy(number, at, n);
	number[n] = '\0';
	if (str_to_u64(number, UINT64_MAX, &p->line.seq))
		return err_set(e, -EINVAL, "not a record: its number is none");
	p->line.event = audit_line_member(line, len, "event", &p->line.event_len);
	if (!p->line.event)
		return err_set(e, -EINVAL, "not a record: no event");
	const char *tail = line + len - TAIL_LEN;
	const char *prev = tail + sizeof(PREV) - 1;
	const char *hash = prev + AUDIT_HEX_LEN + sizeof(HASH) - 1;
	if (memcmp(tail, PREV, sizeof(PREV) - 1) != 0 ||
	    memcmp(prev + AUDIT_HEX_LEN, HASH, sizeof(HASH) - 1) != 0 ||
	    memcmp(hash + AUDIT_HEX_LEN, END, sizeof(END) - 1) != 0 ||
	    audit_unhex(prev, AUDIT_HEX_LEN, p->prev, AUDIT_HASH_BYTES) ||
	    audit_unhex(hash, AUDIT_HEX_LEN, p->hash, AUDIT_HASH_BYTES))
		return err_set(e, -EINVAL, "not a record: its hashes are cut or misplaced");
	p->hashed = (size_t)(prev + AUDIT_HEX_LEN - line);
	return 0;
}

int audit_chain_check(struct audit_chain *c, const char *line, size_t len, struct audit_line *out,
		      struct err *e)
{
	uint8_t hash[AUDIT_HASH_BYTES];
	struct parts p;

	int rc = take_apart(line, len, &p, e);
	if (rc)
		return rc;
	if (p.line.seq != c->seq + 1)
		return err_set(e, -EINVAL, "record %" PRIu64 " stands where %" PRIu64 " belongs", p.line.seq,
			       c->seq + 1);
	if (memcmp(p.prev, c->hash, AUDIT_HASH_BYTES) != 0)
		return err_set(e, -EINVAL, "it does not follow the record before it");
	digest(c->hash, line, p.hashed, hash);
	if (memcmp(hash, p.hash, AUDIT_HASH_BYTES) != 0)
		return err_set(e, -EINVAL, "its hash is not that of its bytes");
	memcpy(c->hash, hash, AUDIT_HASH_BYTES);
	c->seq++;
	*out = p.line;
	return 0;
}

int audit_chain_resume(struct audit_chain *c, const char *line, size_t len, struct audit_line *out,
		       struct err *e)
{
	struct parts p;

	int rc = take_apart(line, len, &p, e);
	if (rc)
		return rc;
	struct audit_chain before = {.seq = p.line.seq - 1};
	memcpy(before.hash, p.prev, AUDIT_HASH_BYTES);
	rc = audit_chain_check(&before, line, len, out, e);
	if (rc == 0)
		*c = before;
	return rc;
}

bool audit_line_is(const struct audit_line *l, const char *event)
{
	return l->event_len == strlen(event) && memcmp(l->event, event, l->event_len) == 0;
}

const char *audit_line_member(const char *line, size_t len, const char *key, size_t *value_len)
{
	char pattern[64];
	int n = snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	const char *at = memmem(line, len, pattern, (size_t)n);

	if (!at)
		return NULL;
	at += n;
	const char *end = memchr(at, '"', len - (size_t)(at - line));
	if (!end || memchr(at, '\\', (size_t)(end - at)))
		return NULL;
	*value_len = (size_t)(end - at);
	return at;
}

// What is signed: it names its purpose, so that a signature of this key says nothing elsewhere.
static size_t signed_text(const struct audit_chain *c, const char *log_id, char out[256])
{
	char hex[AUDIT_HEX_LEN + 1];

	audit_hex(c->hash, AUDIT_HASH_BYTES, hex);
	return (size_t)snprintf(out, 256, "joblet audit checkpoint\n%.*s\n%" PRIu64 "\n%s\n", AUDIT_ID_LEN,
				log_id, c->seq, hex);
}

int audit_chain_sign(const struct audit_chain *c, const char *log_id, EVP_PKEY *pkey,
		     uint8_t sig[AUDIT_SIG_BYTES], struct err *e)
{
	char text[256];
	size_t n = signed_text(c, log_id, text), sig_len = AUDIT_SIG_BYTES;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestSign(ctx, sig, &sig_len, (const unsigned char *)text, n) == 1 &&
		    sig_len == AUDIT_SIG_BYTES;

	EVP_MD_CTX_free(ctx);
	return good ? 0 : err_set(e, -EIO, "cannot sign a checkpoint");
}

bool audit_chain_is_signed(const struct audit_chain *c, const char *log_id, EVP_PKEY *pkey,
			   const uint8_t sig[AUDIT_SIG_BYTES])
{
	char text[256];
	size_t n = signed_text(c, log_id, text);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestVerify(ctx, sig, AUDIT_SIG_BYTES, (const unsigned char *)text, n) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

int audit_chain_mac(const struct audit_chain *c, EVP_PKEY *pkey, uint8_t mac[AUDIT_HASH_BYTES], struct err *e)
{
	uint8_t key[32], message[8 + AUDIT_HASH_BYTES];
	size_t key_len = sizeof(key);
	unsigned mac_len = 0;

	if (EVP_PKEY_get_raw_private_key(pkey, key, &key_len) != 1)
		return err_set(e, -EIO, "the audit key has no private part");
	for (int i = 0; i < 8; i++)
		message[i] = (uint8_t)(c->seq >> (56 - 8 * i));
	memcpy(message + 8, c->hash, AUDIT_HASH_BYTES);
	bool good = HMAC(EVP_sha256(), key, (int)key_len, message, sizeof(message), mac, &mac_len) != NULL;
	OPENSSL_cleanse(key, sizeof(key));
	return good && mac_len == AUDIT_HASH_BYTES ? 0 : err_set(e, -EIO, "cannot compute the head's code");
}
