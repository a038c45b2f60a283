// SPDX-License-Identifier: Apache-2.0
// The key of the audit log: Ed25519, made at the first start, <config>/audit-key.pem (root only) and
// <config>/audit-key.pub, which an auditor takes away.
#pragma once

#include <openssl/types.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

// Loads the private key of the folder, or makes both files. *out is the caller's (EVP_PKEY_free).
int audit_key_open(const char *dir, EVP_PKEY **out, struct err *e) attr_must_check;
// One key from a PEM file, private or public.
int audit_key_load(const char *file, EVP_PKEY **out, struct err *e) attr_must_check;
#define AUDIT_KEY_HEX_LEN 64
// The public key's 32 bytes as hex.
int audit_key_public(EVP_PKEY *key, char out[AUDIT_KEY_HEX_LEN + 1], struct err *e) attr_must_check;
// The contrary; *out is the caller's.
int audit_key_from_public(const char *hex, size_t len, EVP_PKEY **out, struct err *e) attr_must_check;
