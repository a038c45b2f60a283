// SPDX-License-Identifier: Apache-2.0
// The JSON that the core hands over: certificates, the user to become, limits (specs/gateway.md). The core
// has checked it already; here a wrong one only has to be noticed.
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "jobletd/gateway/gw.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

#define MS	 INT64_C(1000000)
#define TEXT_MAX ((size_t)4 << 20)

static const struct gw_limits defaults = {
    .max_message = (int64_t)4 << 20,
    .max_streams = 100,
    .max_conns = 256,
    .max_conns_per_client = 16,
    .max_conns_per_address = 32,
    .handshake_ns = 10000 * MS,
    .idle_ns = 300000 * MS,
    .keepalive_ns = 60000 * MS,
};

static const char *const top_keys[] = {"cert", "key", "ca", "ciphers", "uid", "gid", "limits"};
static const char *const limit_keys[] = {
    "maxRecvMsgSize",		"maxConcurrentStreams", "maxConnections", "maxConnectionsPerClient",
    "maxConnectionsPerAddress", "handshakeTimeoutMs",	"idleTimeoutMs",  "keepAliveTimeMs",
};

static int check_keys(const struct json *obj, const char *const *keys, size_t n, struct err *e)
{
	json_for_each(it, obj)
	{
		size_t i = 0;
		while (i < n && !str_eq(it->key, keys[i]))
			i++;
		if (i == n)
			return err_set(e, -EINVAL, "the gateway's configuration has an unknown key \"%s\"",
				       it->key);
	}
	return 0;
}

static int read_ms(const struct json *obj, const char *key, int64_t *ns, struct err *e)
{
	int64_t ms = *ns / MS;
	int rc = json_read_i64(obj, key, 1, 315360000000, &ms, e);

	*ns = ms * MS;
	return rc;
}

static int read_limits(const struct json *o, struct gw_limits *l, struct err *e)
{
	int rc = check_keys(o, limit_keys, ARRAY_LEN(limit_keys), e);

	if (rc == 0)
		rc = json_read_i64(o, "maxRecvMsgSize", 1024, 1 << 30, &l->max_message, e);
	if (rc == 0)
		rc = json_read_i64(o, "maxConcurrentStreams", 1, 10000, &l->max_streams, e);
	if (rc == 0)
		rc = json_read_i64(o, "maxConnections", 1, 100000, &l->max_conns, e);
	if (rc == 0)
		rc = json_read_i64(o, "maxConnectionsPerClient", 1, 100000, &l->max_conns_per_client, e);
	if (rc == 0)
		rc = json_read_i64(o, "maxConnectionsPerAddress", 1, 100000, &l->max_conns_per_address, e);
	if (rc == 0)
		rc = read_ms(o, "handshakeTimeoutMs", &l->handshake_ns, e);
	if (rc == 0)
		rc = read_ms(o, "idleTimeoutMs", &l->idle_ns, e);
	if (rc == 0)
		rc = read_ms(o, "keepAliveTimeMs", &l->keepalive_ns, e);
	return rc;
}

static int read_pem(const struct json *o, const char *key, char **out, struct err *e)
{
	const char *s = NULL;
	int rc = json_read_str(o, key, &s, e);

	if (rc == 0 && !s)
		rc = err_set(e, -EINVAL, "the gateway's configuration has no \"%s\"", key);
	if (rc == 0)
		*out = xstrdup(s);
	return rc;
}

static int read_all(const struct json *root, struct gw_config *out, struct err *e)
{
	const struct json *limits = NULL;

	out->uid = out->gid = -1;
	out->limits = defaults;
	int rc = check_keys(root, top_keys, ARRAY_LEN(top_keys), e);
	if (rc == 0)
		rc = read_pem(root, "cert", &out->cert, e);
	if (rc == 0)
		rc = read_pem(root, "key", &out->key, e);
	if (rc == 0)
		rc = read_pem(root, "ca", &out->ca, e);
	const char *ciphers = NULL;
	if (rc == 0)
		rc = json_read_str(root, "ciphers", &ciphers, e);
	out->ciphers = ciphers ? xstrdup(ciphers) : NULL;
	if (rc == 0)
		rc = json_read_i64(root, "uid", 1, INT32_MAX, &out->uid, e);
	if (rc == 0)
		rc = json_read_i64(root, "gid", 1, INT32_MAX, &out->gid, e);
	if (rc == 0 && (out->uid < 0 || out->gid < 0))
		rc = err_set(e, -EINVAL, "the gateway's configuration has no \"uid\" or \"gid\"");
	if (rc == 0)
		rc = json_read_obj(root, "limits", &limits, e);
	return rc ? rc : read_limits(limits, &out->limits, e);
}

int gw_config_parse(const char *text, size_t len, struct gw_config *out, struct err *e)
{
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root = NULL;

	memset(out, 0, sizeof(*out));
	int rc = json_parse(text, len, TEXT_MAX, &doc, &root, e);
	if (rc == 0 && root->type != JSON_OBJECT)
		rc = err_set(e, -EINVAL, "the gateway's configuration is no JSON object");
	if (rc == 0)
		rc = read_all(root, out, e);
	if (rc)
		gw_config_free(out);
	return rc;
}

void gw_config_free(struct gw_config *c)
{
	if (c->key)
		OPENSSL_cleanse(c->key, strlen(c->key));
	free(c->cert);
	free(c->key);
	free(c->ca);
	free(c->ciphers);
	c->cert = c->key = c->ca = c->ciphers = NULL;
}
