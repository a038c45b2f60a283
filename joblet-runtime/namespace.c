// SPDX-License-Identifier: Apache-2.0
// Namespaces of the container. The parent joins and maps, before init does anything; init reads back what it
// is in.
#include "joblet-runtime/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "joblet-runtime/sysctl.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"

#define MAP_TEXT_MAX 65536 // 340 lines

uint64_t namespace_clone_flags(const struct spec *s)
{
	uint64_t flags = 0;
	for (size_t i = 0; i < s->namespace_count; i++)
		if (!s->namespaces[i].path && !(s->namespaces[i].flag & (CLONE_NEWCGROUP | CLONE_NEWTIME)))
			flags |= s->namespaces[i].flag;
	return flags;
}

static int keep_own(struct namespace_back *back, const struct spec_namespace *ns, const char *name,
		    struct err *e)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "cannot open %s", path);
	back->fds[back->n] = fd;
	back->flags[back->n++] = ns->flag;
	return 0;
}

// time_namespaces(7): offsets are written before the first process enters.
static int new_time(const struct spec *s, const struct spec_namespace *ns, struct namespace_back *back,
		    struct err *e)
{
	int rc = keep_own(back, ns, "time", e);
	if (rc)
		return rc;
	if (unshare(CLONE_NEWTIME) != 0)
		return err_sys(e, -errno, "cannot make a time namespace");
	if (!s->time_offset_count)
		return 0;
	cleanup_close int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "cannot open timens_offsets");
	for (size_t i = 0; i < s->time_offset_count; i++) {
		char line[128];
		int n =
		    snprintf(line, sizeof(line), "%s %s\n", s->time_offsets[i].key, s->time_offsets[i].value);
		rc = file_write_all(fd, line, (size_t)n);
		if (rc)
			return err_sys(e, rc, "cannot set the offset of the %s clock",
				       s->time_offsets[i].key);
	}
	return 0;
}

static int join(const struct spec_namespace *ns, int fd, struct namespace_back *back, struct err *e)
{
	int rc = keep_own(back, ns, ns->name, e);
	if (rc)
		return rc;
	if (setns(fd, (int)ns->flag) == 0)
		return 0;
	rc = -errno;
	back->n--;
	close(back->fds[back->n]);
	return err_sys(e, rc, "cannot join the namespace %s", ns->path);
}

// Joins those of fds whose flag is, or is not, that of a user namespace, and forgets them. What only the user
// namespace gives the right to is left for later.
static int join_some(const struct spec *s, int fds[8], bool user, bool may_wait, struct namespace_back *back,
		     struct err *e)
{
	for (size_t i = 0; i < s->namespace_count; i++) {
		const struct spec_namespace *ns = &s->namespaces[i];
		if (fds[i] < 0 || (ns->flag == CLONE_NEWUSER) != user)
			continue;
		int rc = join(ns, fds[i], back, e);
		if (rc == -EPERM && may_wait)
			continue;
		if (rc)
			return rc;
		cleanup_close_p(&fds[i]);
		fds[i] = -1;
	}
	return 0;
}

static int open_paths(const struct spec *s, int fds[8], struct err *e)
{
	for (size_t i = 0; i < s->namespace_count; i++) {
		if (!s->namespaces[i].path)
			continue;
		fds[i] = open(s->namespaces[i].path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return err_sys(e, -errno, "cannot open the namespace %s", s->namespaces[i].path);
	}
	return 0;
}

int namespace_join(const struct spec *s, struct namespace_back *back, struct err *e)
{
	const struct spec_namespace *time = spec_namespace(s, CLONE_NEWTIME);
	bool user = spec_namespace(s, CLONE_NEWUSER) && !spec_has_new(s, CLONE_NEWUSER);
	int fds[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
	back->n = 0;
	int rc = open_paths(s, fds, e);
	if (!rc)
		rc = join_some(s, fds, false, user, back, e);
	if (!rc)
		rc = join_some(s, fds, true, false, back, e);
	if (!rc)
		rc = join_some(s, fds, false, false, back, e);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		cleanup_close_p(&fds[i]);
	return !rc && time && !time->path ? new_time(s, time, back, e) : rc;
}

int namespace_leave(struct namespace_back *back, struct err *e)
{
	int rc = 0;
	while (back->n > 0) {
		size_t i = --back->n;
		if (setns(back->fds[i], (int)back->flags[i]) != 0 && !rc)
			rc = err_sys(e, -errno, "cannot return to the runtime's own namespace");
		close(back->fds[i]);
	}
	return rc;
}

// Every id that the caller has, as itself.
static int add_own_map(const char *file, struct buf *out, struct err *e)
{
	cleanup_free char *path = xasprintf("/proc/self/%s", file), *text = NULL;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, MAP_TEXT_MAX, &text, NULL);
	if (rc)
		return err_sys(e, rc, "cannot read %s", path);
	unsigned inside, outer, count;
	int used;
	for (const char *p = text; sscanf(p, "%u %u %u %n", &inside, &outer, &count, &used) == 3; p += used)
		if ((rc = buf_printf(out, "%u %u %u\n", inside, inside, count)))
			return rc;
	return 0;
}

int namespace_write_map(int procdir, const char *file, const struct spec_id_map *maps, size_t n,
			struct err *e)
{
	cleanup_buf struct buf text = {0};
	int rc = n == 0 ? add_own_map(file, &text, e) : 0;
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%u %u %u\n", maps[i].inside, maps[i].outside, maps[i].count);
	cleanup_close int fd = openat(procdir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "cannot open %s", file);
	rc = file_write_all(fd, text.data, text.len); // the kernel takes it in one write or not at all
	return rc ? err_sys(e, rc, "cannot write %s", file) : 0;
}

int namespace_write_maps(const struct spec *s, int procdir, struct err *e)
{
	int rc = namespace_write_map(procdir, "uid_map", s->uid_maps, s->uid_map_count, e);
	return rc ? rc : namespace_write_map(procdir, "gid_map", s->gid_maps, s->gid_map_count, e);
}

// Every mapping of the text is one of maps, and the other way round.
static bool has_maps(const char *text, const struct spec_id_map *maps, size_t n)
{
	unsigned inside, outer, count;
	size_t seen = 0;
	int used;
	for (const char *p = text; sscanf(p, "%u %u %u %n", &inside, &outer, &count, &used) == 3; p += used) {
		size_t i = 0;
		while (i < n &&
		       !(maps[i].inside == inside && maps[i].outside == outer && maps[i].count == count))
			i++;
		if (i == n)
			return false;
		seen++;
	}
	return seen == n;
}

static int check_map(int procdir, const char *file, const struct spec_id_map *maps, size_t n, struct err *e)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = openat(procdir, file, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, MAP_TEXT_MAX, &text, NULL);
	if (rc)
		return err_sys(e, rc, "cannot read %s", file);
	return n == 0 || has_maps(text, maps, n)
		   ? 0
		   : err_set(e, -EINVAL,
			     "the user namespace that is joined has another %s than the container asks for",
			     file);
}

int namespace_check_maps(const struct spec *s, int procdir, struct err *e)
{
	int rc = check_map(procdir, "uid_map", s->uid_maps, s->uid_map_count, e);
	return rc ? rc : check_map(procdir, "gid_map", s->gid_maps, s->gid_map_count, e);
}

int namespace_read(const struct spec *s, int procfd, struct namespace_ids *out, struct err *e)
{
	for (size_t i = 0; i < s->namespace_count; i++) {
		char path[64];
		struct stat st;
		snprintf(path, sizeof(path), "self/ns/%s", s->namespaces[i].name);
		if (fstatat(procfd, path, &st, 0) != 0)
			return err_sys(e, -errno, "cannot read the namespace %s", path);
		out->ino[i] = st.st_ino;
	}
	return 0;
}

// Names, kernel parameters and interfaces of a namespace that is also the host's are not for a container to
// change.
static bool would_change(const struct spec *s, uint64_t flag)
{
	if (flag == CLONE_NEWUTS && (s->hostname || s->domainname))
		return true;
	for (size_t i = 0; i < s->sysctl_count; i++)
		if (sysctl_namespace(s->sysctls[i].key) == flag)
			return true;
	return false;
}

int namespace_expect(const struct spec *s, struct namespace_ids *ids, struct err *e)
{
	for (size_t i = 0; i < s->namespace_count; i++) {
		const struct spec_namespace *ns = &s->namespaces[i];
		struct stat st;
		if (!ns->path)
			continue;
		if (stat(ns->path, &st) != 0)
			return err_sys(e, -errno, "cannot open the namespace %s", ns->path);
		if (st.st_ino == ids->ino[i] && would_change(s, ns->flag))
			return err_set(e, -EPERM,
				       "the namespace %s is the runtime's own: a container may not change "
				       "names or parameters there",
				       ns->path);
		ids->ino[i] = st.st_ino;
	}
	return 0;
}

int namespace_verify(const struct spec *s, const struct namespace_ids *before,
		     const struct namespace_ids *now, struct err *e)
{
	for (size_t i = 0; i < s->namespace_count; i++) {
		const struct spec_namespace *ns = &s->namespaces[i];
		if (!ns->path && before->ino[i] == now->ino[i])
			return err_set(e, -EPERM, "the %s namespace is not a new one", ns->name);
		if (ns->path && before->ino[i] != now->ino[i])
			return err_set(e, -EPERM, "the %s namespace is not that of %s", ns->name, ns->path);
	}
	return 0;
}

static const struct {
	const char *name;
	uint64_t flag;
} kinds[] = {
    {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID},	 {"net", CLONE_NEWNET},
    {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

// Are the namespaces of two processes the same? The number of each, 0 for this one. 1 yes, 0 no, -errno.
static int same_namespace(int proc, pid_t a, pid_t b, const char *name)
{
	const pid_t pids[] = {a, b};
	struct stat st[2];
	for (size_t i = 0; i < 2; i++) {
		char path[64];
		if (pids[i])
			snprintf(path, sizeof(path), "%d/ns/%s", pids[i], name);
		else
			snprintf(path, sizeof(path), "self/ns/%s", name);
		if (fstatat(proc, path, &st[i], 0) != 0)
			return -errno;
	}
	return st[0].st_ino == st[1].st_ino && st[0].st_dev == st[1].st_dev;
}

// Kernels without time namespaces refuse their flag; only a container that has one needs it.
static bool is_needed(const struct spec *s, uint64_t flag)
{
	return flag != CLONE_NEWTIME || spec_namespace(s, CLONE_NEWTIME);
}

int namespace_enter(int init, const struct spec *s, int proc, pid_t pid, struct err *e)
{
	uint64_t flags = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (is_needed(s, kinds[i].flag) &&
		    (kinds[i].flag != CLONE_NEWUSER || spec_namespace(s, CLONE_NEWUSER)))
			flags |= kinds[i].flag;
	if (setns(init, (int)flags) == 0)
		return 0;
	// One that is ours too may be refused: entering it would need rights over it.
	flags = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (is_needed(s, kinds[i].flag) && same_namespace(proc, 0, pid, kinds[i].name) == 0)
			flags |= kinds[i].flag;
	return !flags || setns(init, (int)flags) == 0
		   ? 0
		   : err_sys(e, -errno, "cannot enter the container's namespaces");
}

int namespace_compare(const struct spec *s, int proc, pid_t init, pid_t pid, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int same = is_needed(s, kinds[i].flag) ? same_namespace(proc, init, pid, kinds[i].name) : 1;
		if (same < 0)
			return err_sys(e, same, "cannot read the %s namespace", kinds[i].name);
		if (!same)
			return err_set(e, -EPERM, "the %s namespace is not the container's", kinds[i].name);
	}
	return 0;
}

// One id through the text of uid_map or gid_map: "inside outside count" a line.
static int map_id(const char *map, uint32_t *id)
{
	unsigned inside, outside, count;
	int used;
	for (; sscanf(map, "%u %u %u%n", &inside, &outside, &count, &used) == 3; map += used)
		if (*id >= inside && *id - inside < count) {
			*id = outside + (*id - inside);
			return 0;
		}
	return -EINVAL;
}

static int read_map(int proc, pid_t pid, const char *name, char **out, struct err *e)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/%s", pid, name);
	cleanup_close int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, MAP_TEXT_MAX, out, NULL);
	return rc ? err_sys(e, rc, "cannot read /proc/%s", path) : 0;
}

int namespace_outside(int proc, pid_t pid, struct spec_process *p, uint32_t *groups, struct err *e)
{
	int rc = same_namespace(proc, 0, pid, "user");
	if (rc)
		return rc < 0 ? err_sys(e, rc, "cannot read the user namespace") : 0;
	cleanup_free char *uids = NULL;
	if ((rc = read_map(proc, pid, "uid_map", &uids, e)))
		return rc;
	if ((rc = map_id(uids, &p->uid)))
		return err_set(e, rc, "user %u is not mapped", p->uid);
	cleanup_free char *gids = NULL;
	if ((rc = read_map(proc, pid, "gid_map", &gids, e)))
		return rc;
	if ((rc = map_id(gids, &p->gid)))
		return err_set(e, rc, "group %u is not mapped", p->gid);
	for (size_t i = 0; i < p->group_count; i++) {
		groups[i] = p->groups[i];
		if ((rc = map_id(gids, &groups[i])))
			return err_set(e, rc, "group %u is not mapped", groups[i]);
	}
	p->groups = groups;
	return 0;
}

int namespace_loopback_up(struct err *e)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, -errno, "cannot open a socket for the loopback interface");
	struct ifreq req = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	if (ioctl(fd, SIOCSIFFLAGS, &req) != 0)
		return err_sys(e, -errno, "cannot bring up the loopback interface");
	return 0;
}
