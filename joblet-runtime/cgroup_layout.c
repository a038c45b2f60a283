// SPDX-License-Identifier: Apache-2.0
// What cgroups this machine has, from the texts of /proc/self/cgroup and /proc/self/mountinfo. No system call
// here: tests and fuzzers need no root. proc(5), cgroups(7).
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

// One line of mountinfo, split in place.
struct mount_line {
	unsigned major, minor;
	char *root, *mount, *fstype, *options;
};

bool cgroup_has_word(const char *list, const char *name)
{
	size_t n = strlen(name);
	while (*list) {
		size_t len = strcspn(list, ",");
		if (len == n && memcmp(list, name, n) == 0)
			return true;
		list += len;
		if (*list)
			list++;
	}
	return n == 0;
}

static bool has_all_words(const char *list, const char *names)
{
	while (*names) {
		char word[64];
		size_t len = strcspn(names, ",");
		if (len == 0 || len >= sizeof(word))
			return false;
		memcpy(word, names, len);
		word[len] = '\0';
		if (!cgroup_has_word(list, word))
			return false;
		names += len;
		if (*names)
			names++;
	}
	return true;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
static void unescape(char *s)
{
	char *w = s;
	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*w++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*w++ = *s;
		}
	}
	*w = '\0';
}

static bool parse_dev(const char *s, unsigned *major, unsigned *minor)
{
	char *end = NULL;
	*major = (unsigned)strtoul(s, &end, 10);
	if (end == s || *end != ':')
		return false;
	const char *second = end + 1;
	*minor = (unsigned)strtoul(second, &end, 10);
	return end != second && *end == '\0';
}

static bool parse_mount_line(char *line, struct mount_line *m)
{
	char *field[11];
	size_t n = 0;
	char *save = line;
	bool after_dash = false;
	size_t dash = 0;
	// id parent dev root mount options [optional…] - fstype source superoptions
	for (char *f; (f = strsep(&save, " "));) {
		if (!after_dash && n >= 6 && strcmp(f, "-") == 0) {
			after_dash = true;
			dash = n;
			continue;
		}
		if (!after_dash && n >= 6)
			continue; // optional fields
		if (n == ARRAY_LEN(field))
			return false;
		field[n++] = f;
	}
	if (!after_dash || n < dash + 3 || !parse_dev(field[2], &m->major, &m->minor))
		return false;
	m->root = field[3];
	m->mount = field[4];
	m->fstype = field[dash];
	m->options = field[dash + 2];
	unescape(m->root);
	unescape(m->mount);
	return true;
}

// Does this mount show hierarchy h? Takes it over when it is better than what h has: the whole hierarchy
// rather than a part.
static void match_mount(struct cgroup_hier *h, const struct mount_line *m)
{
	bool fits = h->v2 ? str_eq(m->fstype, "cgroup2")
			  : str_eq(m->fstype, "cgroup") && has_all_words(m->options, h->name);
	// "/..": a mount from outside of our cgroup namespace; our paths mean nothing there.
	if (!fits || str_starts(m->root, "/.."))
		return;
	bool whole = str_eq(m->root, "/");
	if (h->mount && (h->root[0] == '\0' || !whole))
		return;
	free(h->mount);
	free(h->root);
	h->mount = xstrdup(m->mount);
	h->root = xstrdup(whole ? "" : m->root);
	h->dev = makedev(m->major, m->minor);
}

static int parse_self(const char *text, struct cgroup *c, struct err *e)
{
	cleanup_free char *copy = xstrdup(text);
	char *save = copy;
	for (char *line; (line = strsep(&save, "\n"));) {
		if (!*line)
			continue;
		char *name = strchr(line, ':');
		char *path = name ? strchr(name + 1, ':') : NULL;
		if (!path)
			return err_set(e, -EINVAL, "/proc/self/cgroup: line without two colons: %s", line);
		*path = '\0';
		if (c->hier_count == CGROUP_HIER_MAX)
			return err_set(e, -E2BIG, "/proc/self/cgroup: more than %d hierarchies",
				       CGROUP_HIER_MAX);
		struct cgroup_hier *h = &c->hier[c->hier_count++];
		*h = (struct cgroup_hier){.name = xstrdup(name + 1),
					  .v2 = name[1] == '\0',
					  .root_fd = -1,
					  .fd = -1};
	}
	return 0;
}

static void drop_unmounted(struct cgroup *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->hier_count; i++) {
		if (c->hier[i].mount)
			c->hier[kept++] = c->hier[i];
		else
			free(c->hier[i].name);
	}
	c->hier_count = kept;
}

int cgroup_layout_parse(const char *self_cgroup, const char *mountinfo, struct cgroup *c, struct err *e)
{
	int rc = parse_self(self_cgroup, c, e);
	if (rc < 0)
		return rc;

	cleanup_free char *copy = xstrdup(mountinfo);
	char *save = copy;
	for (char *line; (line = strsep(&save, "\n"));) {
		struct mount_line m;
		if (!strstr(line, " - cgroup") || !parse_mount_line(line, &m))
			continue;
		for (size_t i = 0; i < c->hier_count; i++)
			match_mount(&c->hier[i], &m);
	}
	drop_unmounted(c);

	size_t v1 = 0, v2 = 0;
	for (size_t i = 0; i < c->hier_count; i++)
		*(c->hier[i].v2 ? &v2 : &v1) += 1;
	if (v1 + v2 == 0)
		return err_set(e, -ENODEV, "no cgroup file system is mounted (mount one at /sys/fs/cgroup)");
	c->layout = v1 == 0 ? CGROUP_V2 : v2 ? CGROUP_HYBRID : CGROUP_V1;
	return 0;
}

int cgroup_path_parse(const char *path, struct cgroup *c, struct err *e)
{
	const char *p = path[0] == '/' ? path + 1 : path;
	size_t len = strlen(p);
	if (len == 0 || len > CGROUP_PATH_MAX)
		return err_set(e, -EINVAL, "cgroup path is %s", len ? "too long" : "empty");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return err_set(e, -EINVAL, "cgroup path has a control character at byte %zu", i);

	cleanup_free char *copy = xstrdup(p);
	char *save = copy;
	for (char *part; (part = strsep(&save, "/"));) {
		if (!*part || str_eq(part, ".") || str_eq(part, ".."))
			return err_set(e, -EINVAL, "cgroup path %s has an empty, . or .. component", path);
		if (strlen(part) > 255)
			return err_set(e, -ENAMETOOLONG,
				       "cgroup path has a component of more than 255 bytes");
		if (++c->part_count > CGROUP_DEPTH_MAX)
			return err_set(e, -EINVAL, "cgroup path has more than %d components",
				       CGROUP_DEPTH_MAX);
		strv_add(&c->parts, part);
	}
	c->path = xstrdup(p);
	return 0;
}

int cgroup_verify_text(const struct cgroup *c, const char *text, struct err *e)
{
	bool seen[CGROUP_HIER_MAX] = {false};
	cleanup_free char *copy = xstrdup(text);
	char *save = copy;
	for (char *line; (line = strsep(&save, "\n"));) {
		char *name = strchr(line, ':');
		char *path = name ? strchr(name + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		for (size_t i = 0; i < c->hier_count; i++) {
			const struct cgroup_hier *h = &c->hier[i];
			if (!str_eq(name + 1, h->name))
				continue;
			cleanup_free char *want =
			    xasprintf("%s/%s%s%s", h->root, c->path, h->sub ? "/" : "", h->sub ? h->sub : "");
			if (!str_eq(path, want))
				return err_set(e, -EPERM, "cgroup %s is %s and not %s",
					       *h->name ? h->name : "unified", path, want);
			seen[i] = true;
		}
	}
	for (size_t i = 0; i < c->hier_count; i++)
		if (!seen[i])
			return err_set(e, -EPERM, "cgroup %s is not in /proc/PID/cgroup", c->hier[i].name);
	return 0;
}
