// SPDX-License-Identifier: Apache-2.0
// joblet-config.yml: from the file to struct config, by the rows of config_table.c; then what a row alone
// cannot say: where the home is, what follows from other keys, what must be there. Read once at start;
// changes nothing on disk.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "jobletd/config.h"
#include "jobletd/config_table.h"
#include "jobletd/config_value.h"
#include "lib/base/base.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define DEFAULT_HOME	"/opt/joblet"
#define CONFIG_SIZE_MAX ((size_t)1 << 20)

// One reading of a file: which node gave which row its value.
struct reading {
	struct config *c;
	const struct conf_node *root;
	const struct conf_node **given; // one for each row, NULL: the fallback holds
	struct err *e;
};

// The folder of our own binary: the other programs are installed beside it.
static char *beside_self(const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return xasprintf("/usr/local/bin/%s", name);
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	*(slash ? slash : self) = '\0';
	return xasprintf("%s/%s", self, name);
}

// The newest version of the base tree, as versions are ordered: 1.10.0 is newer than 1.9.0.
static char *newest_version(const char *dir)
{
	char *best = NULL;
	cleanup_closedir DIR *d = opendir(dir);

	for (struct dirent *entry; d && (entry = readdir(d));) {
		if (entry->d_name[0] == '.')
			continue;
		if (best && strverscmp(entry->d_name, best) <= 0)
			continue;
		free(best);
		best = xstrdup(entry->d_name);
	}
	return best;
}

// The node that gave a key its value, or the root when none did: for messages of what several keys say
// together.
static const struct conf_node *given(const struct reading *r, const char *key)
{
	const struct conf_node *n = r->given[config_row_find(key) - config_rows];
	return n ? n : r->root;
}

static int read_leaf(struct reading *r, const struct config_row *row, const struct conf_node *n)
{
	const struct conf_node **at = &r->given[row - config_rows];

	if (*at)
		return conf_wrong(n, r->e, "the key \"%s\" is there twice, first in line %u", row->key,
				  (*at)->line);
	if (conf_is_empty(n) && row->type != CONFIG_TEXT)
		return 0; // nothing behind the key is no value
	*at = n;
	return config_value_set(r->c, row, n, r->e);
}

static int read_block(struct reading *r, const struct conf_node *block)
{
	int rc = 0;

	for (const struct conf_node *n = block->first; n && rc == 0; n = n->next) {
		char path[CONF_PATH_MAX];
		conf_path(n, path);
		const struct config_row *row = config_row_find(path);
		if (row) {
			rc = read_leaf(r, row, n);
		} else if (config_is_block(path)) {
			if (n->type == CONF_BLOCK)
				rc = read_block(r, n);
			else if (!conf_is_empty(n))
				rc = conf_wrong(n, r->e, "\"%s\" must hold keys of its own, not a %s", path,
						n->type == CONF_LIST ? "list" : "value");
		} else {
			cleanup_free char *near = config_nearest(path);
			rc = conf_wrong(n, r->e, "unknown key \"%s\"%s%s%s", path,
					near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
		}
	}
	return rc;
}

static int finish_security(const struct reading *r)
{
	static const char *const keys[] = {"security.serverCert", "security.serverKey", "security.caCert"};
	const struct conf_node *block = conf_get(r->root, "security");

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (given(r, keys[i]) == r->root)
			return conf_wrong(block ? block : r->root, r->e,
					  "%s is missing: certs_gen_embedded.sh writes it", keys[i]);
	return 0;
}

static int finish_cgroup(const struct reading *r)
{
	struct config *c = r->c;
	char *dir = c->cgroup.base_dir;

	c->cgroup.base_dir = xstrdup(dir ? dir + strspn(dir, "/") : c->server.instance);
	free(dir);
	return 0;
}

static int finish_process(const struct reading *r)
{
	const struct config *c = r->c;

	if ((int64_t)c->process.uid_base + 2 * (int64_t)c->process.id_slots > INT32_MAX)
		return conf_wrong(
		    given(r, "process.uidBase"), r->e,
		    "process.uidBase must be so small that uidBase + 2 * idSlots is below 2147483648");
	return 0;
}

static void find_base_tree(struct config *c)
{
	cleanup_free char *dir = xasprintf("%s/base", c->path.runtimes);

	if (!c->filesystem.base_version)
		c->filesystem.base_version = newest_version(dir);
	if (c->filesystem.base_version)
		c->filesystem.base_tree = xasprintf("%s/%s/isolated", dir, c->filesystem.base_version);
}

int config_check_base(const struct config *c, struct err *e)
{
	if (!c->filesystem.base_tree)
		return err_set(e, -ENOENT,
			       "%s: there is no base tree for jobs in %s/base: hack/quickstart.sh makes one",
			       c->file, c->path.runtimes);
	if (access(c->filesystem.base_tree, F_OK) < 0)
		return err_sys(e, -errno, "%s: base tree %s", c->file, c->filesystem.base_tree);
	return 0;
}

static void find_audit_log(struct config *c)
{
	if (!c->audit.log_file)
		c->audit.log_file = xasprintf("%s/audit.log", c->path.log);
}

static void find_programs(struct config *c)
{
	if (!c->programs.runtime)
		c->programs.runtime = beside_self("joblet-runtime");
	if (!c->programs.shim)
		c->programs.shim = beside_self("joblet-shim");
}

static int finish(const struct reading *r)
{
	int (*const parts[])(const struct reading *) = {finish_security, finish_cgroup, finish_process};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts) && rc == 0; i++)
		rc = parts[i](r);
	return rc;
}

// JOBLET_HOME, or the parent of the folder `config` that holds the file, or the place where packages put us.
static char *find_home(const char *file)
{
	const char *home = getenv("JOBLET_HOME");

	if (home && home[0])
		return realpath(home, NULL);
	if (!file)
		return xstrdup(DEFAULT_HOME);
	char *path = realpath(file, NULL);
	char *slash = path ? strrchr(path, '/') : NULL;
	if (slash) {
		*slash = '\0';
		slash = strrchr(path, '/');
	}
	if (slash && slash != path && str_eq(slash + 1, "config")) {
		*slash = '\0';
		return path;
	}
	free(path);
	return xstrdup(DEFAULT_HOME);
}

static void set_paths(struct config *c)
{
	const char *paths[16];
	char **fields[] = {&c->path.config,  &c->path.runtimes, &c->path.jobs,	&c->path.logs,
			   &c->path.volumes, &c->path.network,	&c->path.state, &c->path.exits,
			   &c->path.run,     &c->path.log};
	size_t n = 0;

#define PATH(name, relative, mode, what) paths[n++] = relative;
#include "specs/path.def"
#undef PATH
	_Static_assert(ARRAY_LEN(fields) == 0
#define PATH(name, relative, mode, what) +1
#include "specs/path.def"
#undef PATH
		       ,
		       "config.h has one field a row of path.def");
	bool is_default = str_eq(c->home, DEFAULT_HOME);
	for (size_t i = 0; i < n; i++) {
		if (is_default && str_eq(paths[i], "run"))
			*fields[i] = xstrdup("/run/joblet");
		else if (is_default && str_eq(paths[i], "log"))
			*fields[i] = xstrdup("/var/log/joblet");
		else
			*fields[i] = xasprintf("%s/%s", c->home, paths[i]);
	}
}

// The file holds a private key, so nobody but its owner may read it.
static int read_private(const char *file, char **text, size_t *len, struct err *e)
{
	struct stat st;
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_sys(e, -errno, "%s", file);
	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", file);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a regular file", file);
	if (st.st_mode & 077)
		return err_set(e, -EPERM,
			       "%s: others can read it (mode %04o) and it holds a private key: chmod 600 %s",
			       file, (unsigned)st.st_mode & 07777, file);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, -EPERM, "%s: belongs to another user: chown root %s", file, file);
	int rc = file_read_fd(fd, CONFIG_SIZE_MAX, text, len);
	if (rc < 0)
		return err_sys(e, rc, "%s", file);
	return 0;
}

int config_read(struct config *c, const char *text, size_t len, struct err *e)
{
	cleanup_conf struct conf_doc *doc = NULL;
	struct reading r = {.c = c, .e = e};

	int rc = conf_parse(c->file, text, len, &doc, &r.root, e);
	if (rc)
		return rc;
	r.given = xcalloc(config_row_count, sizeof(*r.given));
	rc = read_block(&r, r.root);
	for (size_t i = 0; i < config_row_count && rc == 0; i++)
		if (!r.given[i])
			config_value_set_fallback(c, &config_rows[i]);
	if (rc == 0)
		rc = finish(&r);
	free(r.given);
	return rc;
}

int config_load(const char *file, struct config **out, struct err *e)
{
	struct config *c = xcalloc(1, sizeof(*c));
	cleanup_free char *text = NULL;
	size_t len = 0;

	if (!file)
		file = getenv("JOBLET_CONFIG_PATH");
	if (file && !file[0])
		file = NULL;
	c->home = find_home(file);
	int rc = c->home ? 0
			 : err_sys(e, -errno, "JOBLET_HOME %s",
				   getenv("JOBLET_HOME") ? getenv("JOBLET_HOME") : "");
	if (rc == 0) {
		set_paths(c);
		c->file = file ? xstrdup(file) : xasprintf("%s/joblet-config.yml", c->path.config);
		rc = read_private(c->file, &text, &len, e);
	}
	if (rc == 0)
		rc = config_read(c, text, len, e);
	if (rc == 0) {
		find_base_tree(c);
		find_programs(c);
		find_audit_log(c);
	}
	if (text)
		explicit_bzero(text, len);
	if (rc < 0)
		config_free(take_ptr(c));
	*out = c;
	return rc;
}

// The rows are in the order of their blocks, so each block is opened once.
void config_print(const struct config *c, struct buf *out)
{
	const char *block = "";
	size_t block_len = 0;

	for (size_t i = 0; i < config_row_count; i++) {
		const char *key = config_rows[i].key;
		const char *name = strrchr(key, '.');
		size_t len = name ? (size_t)(name - key) : 0, depth = 0;
		name = name ? name + 1 : key;
		for (size_t from = 0; from < len;) {
			size_t to = from + strcspn(key + from, ".");
			bool is_open = to <= block_len && strncmp(key, block, to) == 0 &&
				       (block[to] == '.' || to == block_len);
			if (!is_open)
				buf_printf(out, "%*s%.*s:\n", (int)depth * 2, "", (int)(to - from),
					   key + from);
			depth++;
			from = to + 1;
		}
		block = key;
		block_len = len;
		buf_printf(out, "%*s%s: ", (int)depth * 2, "", name);
		config_value_print(c, &config_rows[i], out);
		buf_add_str(out, "\n");
	}
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < config_row_count; i++)
		config_value_free(c, &config_rows[i]);
	char *strings[] = {
	    c->file,	  c->home,	   c->path.config,	   c->path.runtimes, c->path.jobs,
	    c->path.logs, c->path.volumes, c->path.network,	   c->path.state,    c->path.exits,
	    c->path.run,  c->path.log,	   c->filesystem.base_tree};
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		free(strings[i]);
	free(c);
}
