// SPDX-License-Identifier: Apache-2.0
// `rnx nodes` lists the servers of the configuration, and who one is there; `rnx use` chooses the one that is
// used when none is named.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/print.h"
#include "rnx/table.h"

// What the client's certificate says.
struct identity {
	char name[128], role[128], expires[STR_TIME_MAX];
	bool is_over;
};

static void name_part(X509 *cert, int nid, char *out, size_t size)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID((X509_NAME *)(uintptr_t)name, nid, -1);
	unsigned char *text = NULL;

	if (at < 0)
		return;
	ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	int len = ASN1_STRING_to_UTF8(&text, value);
	if (len >= 0 && !memchr(text, '\0', (size_t)len))
		snprintf(out, size, "%.*s", len, (const char *)text);
	OPENSSL_free(text);
}

static void read_identity(const char *pem, struct identity *id)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	struct tm tm;

	*id = (struct identity){.name = "?", .role = "?"};
	if (cert) {
		name_part(cert, NID_commonName, id->name, sizeof(id->name));
		name_part(cert, NID_organizationalUnitName, id->role, sizeof(id->role));
		if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm)) {
			str_time_rfc3339((int64_t)timegm(&tm) * 1000000000, id->expires);
			id->is_over = X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
		}
	}
	X509_free(cert);
	BIO_free(bio);
}

static void put_json(struct json_out *o, const struct config_node *n, bool is_chosen)
{
	struct identity id;

	read_identity(n->cert, &id); // analyzed: nodes has count entries
	json_open_obj(o);
	json_kv_str(o, "name", n->name);
	json_kv_str(o, "address", n->address);
	json_kv_str(o, "node_id", n->node_id ? n->node_id : "");
	json_kv_bool(o, "default", is_chosen);
	json_kv_str(o, "user", id.name);
	json_kv_str(o, "role", id.role);
	json_kv_str(o, "expires", id.expires);
	json_close_obj(o);
}

static void add_row(struct table *t, const struct config_node *n, bool is_chosen)
{
	struct identity id;
	char when[PRINT_TIME_MAX];

	read_identity(n->cert, &id); // analyzed: nodes has count entries
	print_time(id.expires, when);
	cleanup_free char *expires = xasprintf("%s%s", when, id.is_over ? " (over)" : "");
	table_add_row(t, (const char *const[]){is_chosen ? "*" : "", n->name, n->address, id.name, id.role,
					       expires});
}

// The configuration without the choice of a node: there may be no default yet.
static int load(struct rnx *r)
{
	cleanup_free char *path = NULL;
	char hint[CONFIG_HINT_MAX] = "";
	struct err e = {0};

	if (config_find(r->config_path, &path, &e) < 0 || config_load(path, &r->config, hint, &e) < 0)
		return print_fail(EXIT_CODE_INTERNAL, "CONFIG", hint, "%s", e.msg);
	const char *env = getenv("RNX_NODE");
	if (config_pick(r->config, r->node_name ? r->node_name : env && *env ? env : NULL, &r->node, &e) < 0)
		r->node = NULL;
	return 0;
}

static int run_nodes(struct rnx *r, void *options, char **words)
{
	cleanup_table struct table t = {.title = {"", "NODE", "ADDRESS", "USER", "ROLE", "CERTIFICATE UNTIL"},
					.columns = 6};
	cleanup_buf struct buf out = {0};
	struct json_out o;
	int status = load(r);

	(void)options;
	(void)words;
	if (status)
		return status;
	json_out_begin(&o, &out, true);
	if (r->json)
		json_open_arr(&o);
	for (size_t i = 0; i < r->config->count; i++) {
		const struct config_node *n = &r->config->nodes[i];
		if (r->json)
			put_json(&o, n, n == r->node);
		else
			add_row(&t, n, n == r->node);
	}
	if (r->json)
		json_close_arr(&o);
	if ((r->json ? json_out_end(&o) : table_print(&t, print_width(), &out)) < 0)
		return EXIT_CODE_INTERNAL;
	return print_data(&out);
}

// The file is replaced as a whole, with the mode that it had; through a symbolic link its target.
static int write_config(const char *path, const char *text, struct err *e)
{
	cleanup_free char *real = realpath(path, NULL);
	cleanup_free char *dir_text = xstrdup(real ? real : path);
	cleanup_free char *name_text = xstrdup(real ? real : path);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return err_sys(e, -errno, "%s", path);
	cleanup_close int dir = open(dirname(dir_text), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "%s", dir_text);
	return file_replace(dir, basename(name_text), text, strlen(text), st.st_mode & 0700, FILE_SYNC, e);
}

static int run_use(struct rnx *r, void *options, char **words)
{
	const struct config_node *n;
	cleanup_free char *text = NULL;
	cleanup_free char *changed = NULL;
	size_t len;
	struct err e = {0};
	int status = load(r);

	(void)options;
	if (status)
		return status;
	if (config_pick(r->config, words[0], &n, &e) < 0)
		return print_fail(EXIT_CODE_FAILURE, "NOT_FOUND", "see `rnx nodes`", "%s", e.msg);
	cleanup_close int fd = open(r->config->path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, 1 << 20, &text, &len);
	if (rc < 0)
		rc = err_sys(&e, rc, "%s", r->config->path);
	if (rc == 0)
		rc = config_with_default(r->config, words[0], text, &changed, &e);
	if (rc == 0)
		rc = write_config(r->config->path, changed, &e);
	if (rc < 0)
		return print_fail(EXIT_CODE_INTERNAL, "CONFIG", NULL, "%s", e.msg);
	print_note("%s: the default node is %s (%s)", r->config->path, n->name, n->address);
	return 0;
}

const struct command cmd_nodes = {
    .name = "nodes",
    .words = "",
    .summary = "Lists the servers of the configuration; * marks the one in use",
    .examples = "  rnx nodes\n",
    .run = run_nodes,
};

const struct command cmd_use = {
    .name = "use",
    .words = "NODE",
    .summary = "Makes a node the default, in the configuration file",
    .examples = "  rnx use production\n",
    .min_words = 1,
    .max_words = 1,
    .kind = WORDS_NODES,
    .run = run_use,
};
