// SPDX-License-Identifier: Apache-2.0
// Options of a mount: one table. Pure, no system calls.
#include "joblet-runtime/mount_options.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/base/str.h"

// FS: a flag of the filesystem, not of the mount, which fsconfig(2) knows by the same name. OTHER: without
// effect here.
enum option_kind { ATTR, REC_ATTR, ATIME, REC_ATIME, FS, OTHER };

static const struct {
	const char *name;
	enum option_kind kind;
	bool set;
	uint64_t bits;
} options[] = {
    {"ro", ATTR, true, MOUNT_ATTR_RDONLY},
    {"rw", ATTR, false, MOUNT_ATTR_RDONLY},
    {"nosuid", ATTR, true, MOUNT_ATTR_NOSUID},
    {"suid", ATTR, false, MOUNT_ATTR_NOSUID},
    {"nodev", ATTR, true, MOUNT_ATTR_NODEV},
    {"dev", ATTR, false, MOUNT_ATTR_NODEV},
    {"noexec", ATTR, true, MOUNT_ATTR_NOEXEC},
    {"exec", ATTR, false, MOUNT_ATTR_NOEXEC},
    {"nodiratime", ATTR, true, MOUNT_ATTR_NODIRATIME},
    {"diratime", ATTR, false, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", ATTR, true, MOUNT_ATTR_NOSYMFOLLOW},
    {"symfollow", ATTR, false, MOUNT_ATTR_NOSYMFOLLOW},
    {"rro", REC_ATTR, true, MOUNT_ATTR_RDONLY},
    {"rrw", REC_ATTR, false, MOUNT_ATTR_RDONLY},
    {"rnosuid", REC_ATTR, true, MOUNT_ATTR_NOSUID},
    {"rsuid", REC_ATTR, false, MOUNT_ATTR_NOSUID},
    {"rnodev", REC_ATTR, true, MOUNT_ATTR_NODEV},
    {"rdev", REC_ATTR, false, MOUNT_ATTR_NODEV},
    {"rnoexec", REC_ATTR, true, MOUNT_ATTR_NOEXEC},
    {"rexec", REC_ATTR, false, MOUNT_ATTR_NOEXEC},
    {"rnodiratime", REC_ATTR, true, MOUNT_ATTR_NODIRATIME},
    {"rdiratime", REC_ATTR, false, MOUNT_ATTR_NODIRATIME},
    {"rnosymfollow", REC_ATTR, true, MOUNT_ATTR_NOSYMFOLLOW},
    {"rsymfollow", REC_ATTR, false, MOUNT_ATTR_NOSYMFOLLOW},
    {"relatime", ATIME, true, MOUNT_ATTR_RELATIME},
    {"norelatime", ATIME, true, MOUNT_ATTR_RELATIME},
    {"atime", ATIME, true, MOUNT_ATTR_RELATIME},
    {"noatime", ATIME, true, MOUNT_ATTR_NOATIME},
    {"strictatime", ATIME, true, MOUNT_ATTR_STRICTATIME},
    {"nostrictatime", ATIME, true, MOUNT_ATTR_RELATIME},
    {"rrelatime", REC_ATIME, true, MOUNT_ATTR_RELATIME},
    {"rnorelatime", REC_ATIME, true, MOUNT_ATTR_RELATIME},
    {"ratime", REC_ATIME, true, MOUNT_ATTR_RELATIME},
    {"rnoatime", REC_ATIME, true, MOUNT_ATTR_NOATIME},
    {"rstrictatime", REC_ATIME, true, MOUNT_ATTR_STRICTATIME},
    {"rnostrictatime", REC_ATIME, true, MOUNT_ATTR_RELATIME},
    {"sync", FS, true, 0},
    {"async", FS, false, 0},
    {"dirsync", FS, true, 0},
    {"mand", FS, true, 0},
    {"nomand", FS, false, 0},
    {"lazytime", FS, true, 0},
    {"nolazytime", FS, false, 0},
    {"defaults", OTHER, true, 0},
    {"iversion", OTHER, true, 0},
    {"noiversion", OTHER, true, 0},
    {"loud", OTHER, true, 0},
    {"silent", OTHER, true, 0},
};

int mount_propagation(const char *name, uint64_t *flag, bool *recursive)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} types[] = {
	    {"unbindable", MS_UNBINDABLE},
	    {"private", MS_PRIVATE},
	    {"slave", MS_SLAVE},
	    {"shared", MS_SHARED},
	};
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		bool rec = name[0] == 'r';
		if (str_eq(name + rec, types[i].name)) {
			*flag = types[i].flag;
			*recursive = rec;
			return 0;
		}
	}
	return -EINVAL;
}

static void change(uint64_t *set, uint64_t *clear, bool on, uint64_t bits)
{
	*set = on ? *set | bits : *set & ~bits;
	*clear = on ? *clear & ~bits : *clear | bits;
}

// The access time modes are one field, not bits: setting one always clears the field first.
static void change_atime(uint64_t *set, uint64_t *clear, uint64_t mode)
{
	*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | mode;
	*clear |= MOUNT_ATTR__ATIME;
}

static bool take_known(struct mount_options *o, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!str_eq(name, options[i].name))
			continue;
		switch (options[i].kind) {
		case ATTR: change(&o->set, &o->clear, options[i].set, options[i].bits); break;
		case REC_ATTR: change(&o->rec_set, &o->rec_clear, options[i].set, options[i].bits); break;
		case ATIME: change_atime(&o->set, &o->clear, options[i].bits); break;
		case REC_ATIME: change_atime(&o->rec_set, &o->rec_clear, options[i].bits); break;
		case FS: o->data[o->data_count++] = name; break;
		case OTHER: break;
		}
		return true;
	}
	return false;
}

static int take_option(struct mount_options *o, const struct spec_mount *m, const char *name, struct err *e)
{
	if (take_known(o, name) || mount_propagation(name, &o->propagation, &o->propagation_recursive) == 0)
		return 0;
	if (str_eq(name, "bind") || str_eq(name, "rbind")) {
		o->bind = true;
		o->recursive = name[0] == 'r';
	} else if (str_eq(name, "remount")) {
		o->remount = true;
	} else if (str_eq(name, "tmpcopyup")) {
		o->tmpcopyup = true;
	} else if (str_eq(name, "idmap") || str_eq(name, "ridmap")) {
		o->idmap = true;
		o->idmap_recursive = name[0] == 'r';
	} else if (strlen(name) > 4096 || !*name || name[0] == '=') {
		return err_set(e, -EINVAL, "mount %s: option \"%.64s\" is not valid", m->destination, name);
	} else {
		o->data[o->data_count++] = name;
	}
	return 0;
}

// What only says that a filesystem has not got a flag means nothing to a bind mount.
static bool is_no_flag(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].kind == FS && !options[i].set && str_eq(name, options[i].name))
			return true;
	return false;
}

static void drop_no_flags(struct mount_options *o)
{
	size_t kept = 0;
	for (size_t i = 0; i < o->data_count; i++)
		if (!is_no_flag(o->data[i]))
			o->data[kept++] = o->data[i];
	o->data_count = kept;
}

int mount_options_parse(const struct spec_mount *m, struct mount_options *o, struct err *e)
{
	*o = (struct mount_options){.data = xcalloc(m->option_count + 1, sizeof(*o->data))};
	for (size_t i = 0; i < m->option_count; i++) {
		int rc = take_option(o, m, m->options[i], e);
		if (rc)
			return rc;
	}
	o->bind = o->bind || str_eq(m->type, "bind");
	if (o->bind)
		drop_no_flags(o);
	if (!o->bind && !o->remount && (!m->type || !*m->type))
		return err_set(e, -EINVAL, "mount %s: type is required", m->destination);
	if (o->bind && !o->remount && (!m->source || !*m->source))
		return err_set(e, -EINVAL, "mount %s: a bind mount needs a source", m->destination);
	if (o->bind && o->data_count)
		return err_set(e, -EINVAL, "mount %s: a bind mount does not take the option %.64s",
			       m->destination, o->data[0]);
	o->idmap = o->idmap || m->uid_map_count || m->gid_map_count;
	if (!m->uid_map_count != !m->gid_map_count)
		return err_set(e, -EINVAL, "mount %s: uidMappings and gidMappings come together",
			       m->destination);
	if (o->idmap && (!o->bind || o->remount))
		return err_set(e, -EINVAL, "mount %s: only a bind mount can have its ids mapped",
			       m->destination);
	if (o->tmpcopyup && (o->bind || o->remount || !str_eq(m->type, "tmpfs")))
		return err_set(e, -EINVAL, "mount %s: tmpcopyup is for a tmpfs", m->destination);
	return 0;
}

void mount_options_free(struct mount_options *o)
{
	free(o->data);
	o->data = NULL;
}

bool mount_target_allowed(const struct spec_mount *m)
{
	static const char *const allowed[] = {
	    "cpuinfo",
	    "diskstats",
	    "meminfo",
	    "stat",
	    "swaps",
	    "uptime",
	    "loadavg",
	    "slabinfo",
	    "net/dev",
	    "sys/kernel/ns_last_pid",
	    "sys/crypto/fips_enabled",
	};
	const char *d = m->destination;
	while (*d == '/')
		d++;
	if (strncmp(d, "proc", 4) != 0 || (d[4] && d[4] != '/'))
		return true;
	for (d += 4; *d == '/'; d++)
		;
	if (!*d)
		return str_eq(m->type, "proc") || str_eq(m->type, "bind"); // the root of it
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (str_eq(d, allowed[i]))
			return str_eq(m->type, "bind") || !m->type;
	return false;
}
