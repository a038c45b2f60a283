// SPDX-License-Identifier: Apache-2.0
// Fuzzes who a certificate is for: any DER that OpenSSL takes for a certificate.
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/rpc/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data;
	X509 *cert = d2i_X509(NULL, &p, (long)size);
	X509_NAME *name = cert ? NULL : d2i_X509_NAME(NULL, &p, (long)size);
	struct tls_identity id;
	struct err e = {0};

	// A bare name is enough to get to the interesting part.
	if (!cert && name) {
		cert = X509_new();
		X509_set_subject_name(cert, name);
	}
	if (cert && tls_identity_read(cert, &id, &e) == 0 &&
	    (!id.cn[0] || !id.ou[0] || !str_is_utf8(id.cn, strlen(id.cn)) ||
	     !str_is_utf8(id.ou, strlen(id.ou))))
		abort();
	X509_NAME_free(name);
	X509_free(cert);
	ERR_clear_error();
	return 0;
}
