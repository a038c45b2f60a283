// SPDX-License-Identifier: Apache-2.0
// Who a certificate is for. What stands in a certificate was chosen by whoever asked for it, so every text is
// checked before it is used in a comparison or a log. Pure: no system call.
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/rpc/tls.h"

static bool has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

// Only the string types that are bytes already: the wide ones could say the same text in another way.
static int read_text(const ASN1_STRING *s, const char *what, char *out, size_t size, struct err *e)
{
	int type = ASN1_STRING_type(s);
	const char *p = (const char *)ASN1_STRING_get0_data(s);
	int len = ASN1_STRING_length(s);

	if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING && type != V_ASN1_IA5STRING)
		return err_set(e, -EACCES, "the %s of the certificate is not a UTF-8 or printable string",
			       what);
	if (len <= 0)
		return err_set(e, -EACCES, "the %s of the certificate is empty", what);
	if ((size_t)len >= size)
		return err_set(e, -EACCES, "the %s of the certificate is too long", what);
	if (has_control(p, (size_t)len) || !str_is_utf8(p, (size_t)len))
		return err_set(e, -EACCES, "the %s of the certificate has a byte that no name has", what);
	memcpy(out, p, (size_t)len);
	out[len] = 0;
	return 0;
}

// The only attribute of that kind, or why there is none.
static int find_single(X509_NAME *name, int nid, const char *what, const ASN1_STRING **out, struct err *e)
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);

	if (at < 0)
		return err_set(e, -EACCES, "the certificate has no %s", what);
	if (X509_NAME_get_index_by_NID(name, nid, at) >= 0)
		return err_set(e, -EACCES, "the certificate has more than one %s", what);
	*out = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	return 0;
}

static int check_single_valued(X509_NAME *name, struct err *e)
{
	for (int i = 1; i < X509_NAME_entry_count(name); i++)
		if (X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i)) ==
		    X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i - 1)))
			return err_set(e, -EACCES,
				       "the certificate's subject has several attributes in one place");
	return 0;
}

static int read_serial(X509 *cert, char out[TLS_SERIAL_MAX], struct err *e)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = bn ? BN_bn2hex(bn) : NULL;
	int rc = hex && strlen(hex) < TLS_SERIAL_MAX ? 0 : -EACCES;

	if (rc == 0)
		memcpy(out, hex, strlen(hex) + 1);
	else
		err_set(e, rc, "the certificate's serial number is too long");
	OPENSSL_free(hex);
	BN_free(bn);
	return rc;
}

int tls_identity_read(X509 *cert, struct tls_identity *id, struct err *e)
{
	X509_NAME *name = X509_get_subject_name(cert);
	const ASN1_STRING *cn = NULL, *ou = NULL;
	unsigned len = 0;

	memset(id, 0, sizeof(*id));
	if (!X509_digest(cert, EVP_sha256(), id->fingerprint, &len) || len != sizeof(id->fingerprint))
		return err_set(e, -EACCES, "the certificate cannot be hashed");
	int rc = read_serial(cert, id->serial, e);
	if (rc == 0)
		rc = find_single(name, NID_commonName, "common name (CN)", &cn, e);
	if (rc == 0)
		rc = read_text(cn, "common name (CN)", id->cn, sizeof(id->cn), e);
	if (rc == 0)
		rc = check_single_valued(name, e);
	if (rc == 0)
		rc = find_single(name, NID_organizationalUnitName, "organizational unit (OU)", &ou, e);
	if (rc == 0)
		rc = read_text(ou, "organizational unit (OU)", id->ou, sizeof(id->ou), e);
	return rc;
}
