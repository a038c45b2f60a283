// SPDX-License-Identifier: Apache-2.0
// The folder of a bundle: config.json, the work directory, the files of /etc. Written before the shim is
// started, without a sync: after a crash of the machine there is no container that could use it.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "jobletd/bundle_private.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

// The device that holds dir, as the block controller wants it: the whole disk, not a partition. 0:0 when
// there is none.
static void find_disk(const char *dir, unsigned *disk_major, unsigned *disk_minor)
{
	struct stat st;
	char path[80];
	cleanup_free char *text = NULL;
	unsigned a, b;

	*disk_major = *disk_minor = 0;
	if (stat(dir, &st) < 0 || major(st.st_dev) == 0)
		return;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(st.st_dev), minor(st.st_dev));
	bool is_partition = access(path, F_OK) == 0;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%sdev", major(st.st_dev), minor(st.st_dev),
		 is_partition ? "../" : "");
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || file_read_fd(fd, 32, &text, NULL) < 0 || sscanf(text, "%u:%u", &a, &b) != 2)
		return;
	*disk_major = a;
	*disk_minor = b;
}

int bundle_maker_new(const struct config *cfg, struct bundle_maker **out, struct err *e)
{
	struct bundle_maker *m = xcalloc(1, sizeof(*m));

	m->cfg = cfg;
	find_disk(cfg->path.jobs, &m->disk_major, &m->disk_minor);
	int rc = bundle_seccomp(&m->seccomp, e);
	if (rc < 0) {
		bundle_maker_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void bundle_maker_free(struct bundle_maker *m)
{
	if (!m)
		return;
	buf_free(&m->seccomp);
	free(m);
}

bool bundle_can_limit_io(const struct bundle_maker *m)
{
	return m->disk_major != 0;
}

char *bundle_dir(const struct bundle_maker *m, const char *id)
{
	return xasprintf("%s/%s", m->cfg->path.jobs, id);
}

// mkdir with exactly this mode and owner, whatever the umask; the descriptor is the caller's.
static int make_dir(int at, const char *name, mode_t mode, uid_t owner, struct err *e)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "make %s", name);
	cleanup_close int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, owner, owner) < 0 || fchmod(fd, mode) < 0)
		return err_sys(e, -errno, "make %s", name);
	return take_fd(fd);
}

static int make_file(int at, const char *name, const char *text, mode_t mode, struct err *e)
{
	cleanup_close int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, -errno, "make %s", name);
	int rc = file_write_all(fd, text, strlen(text));
	if (rc == 0 && fchmod(fd, mode) < 0)
		rc = -errno;
	return rc < 0 ? err_sys(e, rc, "write %s", name) : 0;
}

static int make_etc(int dir, const char *id, struct err *e)
{
	char hosts[160];
	char hostname[16];

	cleanup_close int etc = make_dir(dir, "etc", 0755, 0, e);
	if (etc < 0)
		return etc;
	snprintf(hostname, sizeof(hostname), "%.8s\n", id);
	snprintf(hosts, sizeof(hosts),
		 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%s", hostname);
	int rc = make_file(etc, "hosts", hosts, 0644, e);
	if (rc == 0)
		rc = make_file(etc, "hostname", hostname, 0644, e);
	if (rc == 0)
		rc = make_file(etc, "resolv.conf", "# this job has no name server\n", 0644, e);
	return rc;
}

// The work directory and, when the job begins deeper in it, the folders down to there. All of it was made by
// us just now, so no link can lead out of it.
static int make_work(int dir, const char *work_dir, uid_t owner, struct err *e)
{
	cleanup_close int fd = make_dir(dir, "work", 0700, owner, e);

	if (fd < 0)
		return fd;
	if (!str_starts(work_dir, "/work/"))
		return 0;
	cleanup_free char *rest = xstrdup(work_dir + strlen("/work/"));
	char *save = NULL;
	for (char *name = strtok_r(rest, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int next = make_dir(fd, name, 0755, owner, e);
		if (next < 0)
			return next;
		close(fd);
		fd = next;
	}
	return 0;
}

static int fill(const struct bundle_maker *m, int dir, const struct bundle_job *j, struct err *e)
{
	cleanup_buf struct buf text = {0};
	uid_t owner = bundle_host_id(m, j->slot, 1);

	int rc = bundle_config(m, j, &text, e);
	if (rc == 0)
		rc = make_file(dir, "config.json", text.data, 0600, e);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (rc == 0)
		rc = make_work(dir, j->request->work_dir, owner, e);
	if (rc == 0)
		rc = make_etc(dir, j->id, e);
	return rc;
}

int bundle_make(const struct bundle_maker *m, const struct bundle_job *j, struct err *e)
{
	struct err ignored;
	cleanup_close int jobs = open(m->cfg->path.jobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (jobs < 0)
		return err_sys(e, -errno, "%s", m->cfg->path.jobs);
	if (mkdirat(jobs, j->id, 0700) < 0) {
		if (errno != EEXIST)
			return err_sys(e, -errno, "make the bundle in %s", m->cfg->path.jobs);
		int rc = file_remove_tree(jobs, j->id, e);
		if (rc < 0)
			return err_wrap(e, rc, "an old bundle");
	}
	cleanup_close int dir = make_dir(jobs, j->id, 0711, 0, e);
	int rc = dir < 0 ? dir : fill(m, dir, j, e);
	if (rc < 0) {
		err_wrap(e, rc, "bundle");
		if (file_remove_tree(jobs, j->id, &ignored) < 0)
			return rc;
	}
	return rc;
}

int bundle_hide_secrets(const struct bundle_maker *m, const struct bundle_job *j, struct err *e)
{
	const struct bundle_job hidden = {.id = j->id, .slot = j->slot, .request = j->request};
	cleanup_buf struct buf text = {0};
	cleanup_free char *path = bundle_dir(m, j->id);
	cleanup_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, -errno, "%s", path);
	int rc = bundle_config(m, &hidden, &text, e);
	if (rc == 0)
		rc = file_replace(dir, "config.json", text.data, text.len, 0600, FILE_NOSYNC, e);
	return rc;
}

int bundle_remove(const struct bundle_maker *m, const char *id, struct err *e)
{
	cleanup_close int jobs = open(m->cfg->path.jobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (jobs < 0)
		return err_sys(e, -errno, "%s", m->cfg->path.jobs);
	return file_remove_tree(jobs, id, e);
}
