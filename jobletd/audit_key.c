// SPDX-License-Identifier: Apache-2.0
// Files and forms of the audit log's key.
#include "jobletd/audit_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "jobletd/audit_chain.h"
#include "lib/base/file.h"

#define PRIVATE_NAME "audit-key.pem"
#define PUBLIC_NAME  "audit-key.pub"
#define PEM_MAX	     ((size_t)16384)

static int write_pem(int dirfd, const char *name, mode_t mode, EVP_PKEY *key, bool is_private, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	int rc = -EIO;

	if (bio && (is_private ? PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
			       : PEM_write_bio_PUBKEY(bio, key)) == 1) {
		long n = BIO_get_mem_data(bio, &text);
		rc = file_replace(dirfd, name, text, (size_t)n, mode, FILE_SYNC, e);
	} else {
		err_set(e, rc, "cannot encode the audit key");
	}
	BIO_free(bio);
	return rc;
}

static int make(int dirfd, EVP_PKEY **out, struct err *e)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!key)
		return err_set(e, -EIO, "cannot make an Ed25519 key");
	int rc = write_pem(dirfd, PUBLIC_NAME, 0644, key, false, e);
	if (rc == 0)
		rc = write_pem(dirfd, PRIVATE_NAME, 0600, key, true, e);
	if (rc) {
		EVP_PKEY_free(key);
		return rc;
	}
	*out = key;
	return 0;
}

static EVP_PKEY *decode(const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	if (key)
		return key;
	bio = BIO_new_mem_buf(text, (int)len);
	key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return key;
}

static int load_at(int dirfd, const char *name, EVP_PKEY **out, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len;

	int rc = file_read(dirfd, name, PEM_MAX, &text, &len, e);
	if (rc)
		return rc;
	*out = decode(text, len);
	explicit_bzero(text, len);
	if (*out && EVP_PKEY_get_base_id(*out) == EVP_PKEY_ED25519)
		return 0;
	EVP_PKEY_free(*out);
	*out = NULL;
	return err_set(e, -EINVAL, "%s: no Ed25519 key in it", name);
}

int audit_key_load(const char *file, EVP_PKEY **out, struct err *e)
{
	return load_at(AT_FDCWD, file, out, e);
}

int audit_key_open(const char *dir, EVP_PKEY **out, struct err *e)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "%s", dir);
	int rc = load_at(fd, PRIVATE_NAME, out, e);
	return rc == -ENOENT ? make(fd, out, e) : rc;
}

int audit_key_public(EVP_PKEY *key, char out[AUDIT_KEY_HEX_LEN + 1], struct err *e)
{
	uint8_t raw[32];
	size_t n = sizeof(raw);

	if (EVP_PKEY_get_raw_public_key(key, raw, &n) != 1 || n != sizeof(raw))
		return err_set(e, -EIO, "the audit key has no public part");
	audit_hex(raw, n, out);
	return 0;
}

int audit_key_from_public(const char *hex, size_t len, EVP_PKEY **out, struct err *e)
{
	uint8_t raw[32];

	if (audit_unhex(hex, len, raw, sizeof(raw)))
		return err_set(e, -EINVAL, "not a public key: 64 hex digits are wanted");
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
	return *out ? 0 : err_set(e, -EIO, "not an Ed25519 key");
}
