// SPDX-License-Identifier: Apache-2.0
// Tests of identities and contexts, with certificates made on the spot: what openssl's command line does not
// make, an attacker's does.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "lib/base/str.h"
#include "lib/base/test.h"
#include "lib/rpc/tls.h"

static EVP_PKEY *key, *other_key;

struct attr {
	const char *name; // NULL ends
	int type;
	const char *text;
	int len; // -1: strlen
	int set; // 0 a place of its own, -1 the place of the one before
};

static X509 *make_cert(const struct attr *attrs, long from, long to, EVP_PKEY *with)
{
	X509 *c = X509_new();
	X509_NAME *name = X509_get_subject_name(c);

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 0xabcdef);
	X509_gmtime_adj(X509_getm_notBefore(c), from);
	X509_gmtime_adj(X509_getm_notAfter(c), to);
	for (; attrs->name; attrs++)
		if (!X509_NAME_add_entry_by_txt(name, attrs->name, attrs->type, (const uint8_t *)attrs->text,
						attrs->len, -1, attrs->set))
			abort();
	X509_set_issuer_name(c, name);
	X509_set_pubkey(c, with);
	if (!X509_sign(c, with, EVP_sha256()))
		abort();
	return c;
}

static void check(const char *what, const struct attr *attrs, int want, const char *text)
{
	struct tls_identity id;
	struct err e = {0};
	X509 *c = make_cert(attrs, -3600, 3600, key);
	int rc = tls_identity_read(c, &id, &e);

	test_ok(rc == want && strstr(e.msg, text), "%s: %d %s", what, rc, e.msg);
	X509_free(c);
}

#define UTF8	   V_ASN1_UTF8STRING
#define ATTRS(...) ((const struct attr[]){__VA_ARGS__, {0}})
#define CN(t)                                                                                                \
	{                                                                                                    \
		"CN", UTF8, t, -1, 0                                                                         \
	}
#define OU(t)                                                                                                \
	{                                                                                                    \
		"OU", UTF8, t, -1, 0                                                                         \
	}

static void test_identity(void)
{
	struct tls_identity id;
	struct err e = {0};
	X509 *c = make_cert(ATTRS(CN("al\xc3\xad"
				     "ce"),
				  {"O", UTF8, "Org", -1, 0}, OU("admin")),
			    -3600, 3600, key);

	test_is_int(tls_identity_read(c, &id, &e), 0, "a good one");
	test_is_str(id.cn,
		    "al\xc3\xad"
		    "ce",
		    "its common name");
	test_is_str(id.ou, "admin", "its unit");
	test_is_str(id.serial, "ABCDEF", "its serial number");
	X509_free(c);
	check("no OU", ATTRS(CN("a")), -EACCES, "no organizational unit");
	check("no CN", ATTRS(OU("admin")), -EACCES, "no common name");
	check("two OUs", ATTRS(CN("a"), OU("viewer"), OU("admin")), -EACCES, "more than one organizational");
	check("the same OU twice", ATTRS(CN("a"), OU("admin"), OU("admin")), -EACCES,
	      "more than one organizational");
	check("two CNs", ATTRS(CN("a"), CN("b"), OU("admin")), -EACCES, "more than one common");
	check("OU beside CN", ATTRS(CN("a"), {"OU", UTF8, "admin", -1, -1}), -EACCES, "several attributes");
	check("OU with NUL", ATTRS(CN("a"), {"OU", UTF8, "admin\0x", 7, 0}), -EACCES, "no name has");
	check("OU with newline", ATTRS(CN("a"), OU("admin\n")), -EACCES, "no name has");
	check("CN with ESC", ATTRS(CN("a\033[2J"), OU("admin")), -EACCES, "no name has");
	check("OU in UTF-16", ATTRS(CN("a"), {"OU", V_ASN1_BMPSTRING, "\0a\0d\0m\0i\0n", 10, 0}), -EACCES,
	      "not a UTF-8");
	check("OU in T.61", ATTRS(CN("a"), {"OU", V_ASN1_T61STRING, "admin", -1, 0}), -EACCES, "not a UTF-8");
	check("OU that is no UTF-8", ATTRS(CN("a"), {"OU", UTF8, "adm\xff", 4, 0}), -EACCES, "no name has");
	check("OU of 64 bytes",
	      ATTRS(CN("a"), OU("0123456789012345678901234567890123456789012345678901234567890123")), 0, "");
	check("OU with spaces stays", ATTRS(CN("a"), OU(" admin ")), 0, "");
}

static char *pem_of(X509 *c, EVP_PKEY *k)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *data;

	if (!(c ? PEM_write_bio_X509(b, c) : PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL)))
		abort();
	long len = BIO_get_mem_data(b, &data);
	char *text = xasprintf("%.*s", (int)len, data);
	BIO_free(b);
	return text;
}

static void check_context(const char *what, const char *cert, const char *k, const char *ca, const char *text)
{
	for (enum tls_side side = TLS_CLIENT; side <= TLS_SERVER; side++) {
		SSL_CTX *ctx = NULL;
		struct err e = {0};
		int rc = tls_context_new(side, cert, k, ca, &ctx, &e);
		test_ok(rc == (text[0] ? -EINVAL : 0) && strstr(e.msg, text), "%s: %s", what, e.msg);
		SSL_CTX_free(ctx);
	}
}

static void test_context(void)
{
	const struct attr *attrs = ATTRS(CN("a"), OU("admin"));
	X509 *good = make_cert(attrs, -3600, 3600, key), *old = make_cert(attrs, -7200, -3600, key),
	     *young = make_cert(attrs, 3600, 7200, key);
	cleanup_free char *cert = pem_of(good, NULL), *old_cert = pem_of(old, NULL),
			  *young_cert = pem_of(young, NULL), *k = pem_of(NULL, key),
			  *other = pem_of(NULL, other_key);

	check_context("good", cert, k, cert, "");
	check_context("expired", old_cert, k, cert, "certificate expired");
	check_context("not yet valid", young_cert, k, cert, "not yet valid (check the clock)");
	check_context("another key", cert, other, cert, "key does not match the certificate");
	check_context("no PEM", "hello", k, cert, "certificate is not readable PEM");
	check_context("empty", "", k, cert, "certificate is not readable PEM");
	check_context("none", NULL, k, cert, "certificate is not readable PEM");
	check_context("key for certificate", k, k, cert, "certificate is not readable PEM");
	check_context("no key", cert, cert, cert, "key is not readable PEM");
	check_context("no CA", cert, k, k, "CA certificate is not readable PEM");
	check_context("old CA", cert, k, old_cert, "CA certificate: certificate expired");
	cert[strlen(cert) / 2] ^= 1;
	cert[strlen(cert) / 2 + 1] = '!';
	check_context("damaged", cert, k, old_cert, "certificate is not readable PEM");
	X509_free(good);
	X509_free(old);
	X509_free(young);
}

int main(void)
{
	uint8_t warm;

	test_begin();
	RAND_bytes(&warm, 1); // OpenSSL may keep a descriptor for its random numbers
	key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	test_identity();
	test_context();
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	return test_end();
}
