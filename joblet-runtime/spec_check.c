// SPDX-License-Identifier: Apache-2.0
// config.json: what concerns more than one member, judged before anything is made. No system calls.
#include "joblet-runtime/spec_read.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "joblet-runtime/mount_options.h"
#include "joblet-runtime/sysctl.h"
#include "lib/base/str.h"

static bool is_mapped(const struct spec_id_map *maps, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= maps[i].inside && id - maps[i].inside < maps[i].count)
			return true;
	return n == 0; // no mapping is the identity
}

int spec_check_ids(const struct spec *s, struct err *e)
{
	const struct spec_namespace *user = spec_namespace(s, CLONE_NEWUSER);
	bool maps = s->uid_map_count || s->gid_map_count;
	if (!user && maps)
		return err_set(e, -EINVAL, "linux.uidMappings and gidMappings need a user namespace");
	if (!user || (user->path && !maps)) // a namespace that is joined has its own
		return 0;
	if (!s->uid_map_count != !s->gid_map_count)
		return err_set(e, -EINVAL, "linux.uidMappings and gidMappings come together");
	if (!is_mapped(s->uid_maps, s->uid_map_count, 0) || !is_mapped(s->gid_maps, s->gid_map_count, 0))
		return err_set(e, -EINVAL, "linux.uidMappings and gidMappings must map 0");
	if (!is_mapped(s->uid_maps, s->uid_map_count, s->process.uid))
		return err_set(e, -EINVAL, "process.user.uid %u is not mapped", s->process.uid);
	if (!is_mapped(s->gid_maps, s->gid_map_count, s->process.gid))
		return err_set(e, -EINVAL, "process.user.gid %u is not mapped", s->process.gid);
	for (size_t i = 0; i < s->process.group_count; i++)
		if (!is_mapped(s->gid_maps, s->gid_map_count, s->process.groups[i]))
			return err_set(e, -EINVAL, "process.user.additionalGids: %u is not mapped",
				       s->process.groups[i]);
	return 0;
}

static int check_namespaces(const struct spec *s, struct err *e)
{
	if (!spec_namespace(s, CLONE_NEWNS))
		return err_set(e, -ENOTSUP, "linux.namespaces: a mount namespace of its own is needed");
	if ((s->hostname || s->domainname) && !spec_namespace(s, CLONE_NEWUTS))
		return err_set(e, -EINVAL, "hostname and domainname need a UTS namespace");
	if (s->hostname && strlen(s->hostname) > 64)
		return err_set(e, -EINVAL, "hostname is longer than 64 bytes");
	if (s->domainname && strlen(s->domainname) > 64)
		return err_set(e, -EINVAL, "domainname is longer than 64 bytes");
	return 0;
}

static int check_propagation(const struct spec *s, struct err *e)
{
	uint64_t flag;
	bool recursive;
	const char *p = s->rootfs_propagation;
	if (p && *p && mount_propagation(p, &flag, &recursive) != 0)
		return err_set(e, -EINVAL, "linux.rootfsPropagation %.64s is unknown", p);
	return 0;
}

static int check_mounts(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		struct mount_options o = {0};
		int rc = mount_options_parse(&s->mounts[i], &o, e);
		mount_options_free(&o);
		if (rc)
			return rc;
		if (o.idmap && !s->mounts[i].uid_map_count && !s->uid_map_count)
			return err_set(e, -EINVAL, "mount %s: there are no mappings for idmap",
				       s->mounts[i].destination);
		if (!mount_target_allowed(&s->mounts[i]))
			return err_set(e, -EINVAL, "mount %s: nothing may be mounted there",
				       s->mounts[i].destination);
	}
	return 0;
}

int spec_check(const struct spec *s, struct err *e)
{
	int rc;
	if ((rc = check_namespaces(s, e)) || (rc = spec_check_ids(s, e)) || (rc = check_propagation(s, e)) ||
	    (rc = check_mounts(s, e)))
		return rc;
	for (size_t i = 0; i < s->sysctl_count; i++)
		if ((rc = sysctl_check(s, s->sysctls[i].key, e)))
			return rc;
	return 0;
}
