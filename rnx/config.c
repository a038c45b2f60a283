// SPDX-License-Identifier: Apache-2.0
// Reads rnx-config.yml. Every key is known or an error.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "rnx/config.h"

#define FILE_MAX  ((size_t)1 << 20)
#define NODES_MAX 1000

static const char *const node_keys[] = {"address", "nodeId", "isDefault", "cert", "key", "ca", NULL};

static int unknown(const struct conf_node *n, const char *const *keys, struct err *e)
{
	const char *near = str_nearest(n->key, keys);
	cleanup_buf struct buf known = {0};

	for (size_t i = 0; keys[i]; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", keys[i]);
	return conf_wrong(n, e, "unknown key %s (%s%s%s)", n->key, near ? "did you mean " : known.data,
			  near ? near : "", near ? "?" : "");
}

static int take_text(const struct conf_node *n, char **to, struct err *e)
{
	if (n->type != CONF_TEXT)
		return conf_wrong(n, e, "%s must be a text", n->key);
	*to = xstrdup(n->text);
	return 0;
}

static int take_node_key(struct config_node *to, const struct conf_node *n, struct err *e)
{
	char **const texts[] = {&to->address, &to->node_id, NULL, &to->cert, &to->key, &to->ca};

	_Static_assert(ARRAY_LEN(texts) == ARRAY_LEN(node_keys) - 1, "a place for each key");
	for (size_t i = 0; node_keys[i]; i++) {
		if (!str_eq(n->key, node_keys[i]))
			continue;
		if (texts[i])
			return take_text(n, texts[i], e);
		return conf_to_bool(n, &to->is_default) ? conf_wrong(n, e, "%s must be true or false", n->key)
							: 0;
	}
	return unknown(n, node_keys, e);
}

static int take_node(struct config *c, const struct conf_node *block, struct err *e)
{
	if (block->type != CONF_BLOCK)
		return conf_wrong(block, e, "node %s must be a block of keys", block->key);
	if (c->count == NODES_MAX)
		return conf_wrong(block, e, "%s: too many nodes", block->key);
	c->nodes = xrealloc(c->nodes, (c->count + 1) * sizeof(*c->nodes));
	struct config_node *to = &c->nodes[c->count++];
	*to = (struct config_node){.name = xstrdup(block->key), .line = block->line};
	conf_for_each(n, block)
	{
		int rc = take_node_key(to, n, e);
		if (rc < 0)
			return rc;
	}
	if (!to->address || !to->address[0])
		return conf_wrong(block, e, "node %s has no address", to->name);
	if (!to->cert || !to->key || !to->ca)
		return conf_wrong(block, e, "node %s needs cert, key and ca", to->name);
	return 0;
}

static int take_top_key(struct config *c, const struct conf_node *n, struct err *e)
{
	static const char *const keys[] = {"version", "nodes", NULL};

	if (str_eq(n->key, "version"))
		return take_text(n, &c->version, e);
	if (!str_eq(n->key, "nodes"))
		return unknown(n, keys, e);
	if (n->type != CONF_BLOCK)
		return conf_wrong(n, e, "%s must be a block of names", n->key);
	int rc = 0;
	for (const struct conf_node *it = n->first; it && rc == 0; it = it->next)
		rc = take_node(c, it, e);
	return rc;
}

static int take_all(struct config *c, const struct conf_node *root, struct err *e)
{
	unsigned defaults = 0;
	int rc = 0;

	if (!root->count)
		return err_set(e, -EINVAL, "%s: version and nodes are wanted", c->path);
	for (const struct conf_node *n = root->first; n && rc == 0; n = n->next)
		rc = take_top_key(c, n, e);
	if (rc < 0)
		return rc;
	if (c->version && !str_eq(c->version, "3.0"))
		return err_set(e, -EINVAL, "%s: version %s is not known (3.0)", c->path, c->version);
	if (!c->count)
		return err_set(e, -EINVAL, "%s: no node in it", c->path);
	for (size_t i = 0; i < c->count; i++)
		defaults += c->nodes[i].is_default;
	if (defaults > 1)
		return err_set(e, -EINVAL, "%s: isDefault is true at %u nodes", c->path, defaults);
	return 0;
}

int config_parse(const char *path, const char *text, size_t len, struct config **out, struct err *e)
{
	cleanup_config struct config *c = xcalloc(1, sizeof(*c));
	cleanup_conf struct conf_doc *doc = NULL;
	const struct conf_node *root;

	c->path = xstrdup(path);
	int rc = conf_parse(path, text, len, &doc, &root, e);
	if (rc == 0)
		rc = take_all(c, root, e);
	if (rc == 0)
		*out = take_ptr(c);
	return rc;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++) {
		struct config_node *n = &c->nodes[i];
		if (n->key)
			explicit_bzero(n->key, strlen(n->key));
		free(n->name);
		free(n->address);
		free(n->node_id);
		free(n->cert);
		free(n->key);
		free(n->ca);
	}
	free(c->nodes);
	free(c->path);
	free(c->version);
	free(c);
}

int config_find(const char *path, char **out, struct err *e)
{
	const char *env = getenv("RNX_CONFIG");
	const char *home = getenv("HOME");

	*out = NULL;
	if (!path && env && *env)
		path = env;
	if (path) {
		*out = xstrdup(path);
		return 0;
	}
	const char *const places[] = {"./rnx-config.yml", "./config/rnx-config.yml", "~/.rnx/rnx-config.yml",
				      "/etc/joblet/rnx-config.yml", "/opt/joblet/config/rnx-config.yml"};
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		bool is_home = places[i][0] == '~';
		if (is_home && !home)
			continue;
		cleanup_free char *full =
		    is_home ? xasprintf("%s%s", home, places[i] + 1) : xstrdup(places[i]);
		// One that is there but cannot be reached is for config_load to report, but not for a user
		// who has no business there.
		if (access(full, R_OK) == 0 || (errno == EACCES && i < 3)) {
			*out = take_ptr(full);
			return 0;
		}
	}
	return err_set(e, -ENOENT,
		       "no configuration: looked for $RNX_CONFIG, ./rnx-config.yml, ./config/rnx-config.yml, "
		       "~/.rnx/rnx-config.yml, "
		       "/etc/joblet/rnx-config.yml, /opt/joblet/config/rnx-config.yml");
}

int config_load(const char *path, struct config **out, char hint[CONFIG_HINT_MAX], struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len;

	hint[0] = '\0';
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a regular file", path);
	if (st.st_mode & 077) {
		snprintf(hint, CONFIG_HINT_MAX, "chmod 600 %s", path);
		return err_set(e, -EPERM,
			       "%s can be read by others (mode %04o): there is a private key in it", path,
			       (unsigned)st.st_mode & 07777);
	}
	int rc = file_read_fd(fd, FILE_MAX, &text, &len);
	if (rc < 0)
		return err_sys(e, rc, "%s", path);
	rc = config_parse(path, text, len, out, e);
	explicit_bzero(text, len);
	return rc;
}

int config_pick(const struct config *c, const char *name, const struct config_node **out, struct err *e)
{
	struct err names = {0};
	const struct config_node *found = NULL;

	for (size_t i = 0; i < c->count; i++) {
		const struct config_node *n = &c->nodes[i];
		size_t len = strlen(names.msg);
		snprintf(names.msg + len, sizeof(names.msg) - len, "%s%s", i ? ", " : "", n->name);
		if (name ? str_eq(n->name, name) : n->is_default || (!found && str_eq(n->name, "default")))
			found = n;
	}
	if (!found && !name && c->count == 1)
		found = &c->nodes[0];
	if (!found && name)
		return err_set(e, -ENOENT, "%s: no node %s (there is %s)", c->path, name, names.msg);
	if (!found)
		return err_set(e, -ENOENT, "%s: no node is the default (there is %s)", c->path, names.msg);
	*out = found;
	return 0;
}
