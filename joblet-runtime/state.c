// SPDX-License-Identifier: Apache-2.0
// The state directory of a container.
#include "joblet-runtime/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "joblet-runtime/cgroup.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define STATE_FILE  "state.json"
#define CONFIG_FILE "config.json"
#define INIT_LOCK   "init.lock"
#define START_SOCK  "start"

int state_check_id(const char *id, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._";
	if (!*id)
		return err_set(e, -EINVAL, "container id cannot be empty");
	if (strlen(id) > 255 || id[strspn(id, allowed)] || str_eq(id, ".") || str_eq(id, ".."))
		return err_set(e, -EINVAL, "invalid container id: \"%.64s\"", id);
	return 0;
}

static int lock(int fd)
{
	int rc;
	do
		rc = flock(fd, LOCK_EX);
	while (rc != 0 && errno == EINTR);
	return rc;
}

int state_make_dir(const char *root, const char *id, struct err *e)
{
	cleanup_close int rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0 && errno == ENOENT) {
		int rc = file_mkdirs(root, 0700, e);
		if (rc)
			return err_wrap(
			    e, rc,
			    "no place to remember containers (set XDG_RUNTIME_DIR, or give --root DIR)");
		rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (rootfd < 0)
		return err_sys(e, -errno, "cannot open %s", root);
	if (mkdirat(rootfd, id, 0700) != 0)
		return errno == EEXIST ? err_set(e, -EEXIST, "container with id %s exists", id)
				       : err_sys(e, -errno, "cannot make %s/%s", root, id);
	cleanup_close int fd = openat(rootfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || lock(fd) != 0) {
		int rc = -errno;
		(void)unlinkat(rootfd, id, AT_REMOVEDIR);
		return err_sys(e, rc, "cannot lock %s/%s", root, id);
	}
	return take_fd(fd);
}

int state_remove_dir(const char *root, const char *id, struct err *e)
{
	cleanup_close int rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "cannot open %s", root);
	return file_remove_tree(rootfd, id, e);
}

static void put_kv(struct json_out *o, const char *key, const struct spec_kv *kv, size_t n)
{
	json_key(o, key);
	json_open_obj(o);
	for (size_t i = 0; i < n; i++)
		json_kv_str(o, kv[i].key, kv[i].value);
	json_close_obj(o);
}

static void put_strings(struct json_out *o, const char *key, const char **v)
{
	if (!v)
		return;
	json_key(o, key);
	json_open_arr(o);
	for (size_t i = 0; v[i]; i++)
		json_put_str(o, v[i]);
	json_close_arr(o);
}

static void put_hooks(struct json_out *o, const char *key, const struct spec_hook_list *list)
{
	json_key(o, key);
	json_open_arr(o);
	for (size_t i = 0; i < list->n; i++) {
		json_open_obj(o);
		json_kv_str(o, "path", list->v[i].path);
		put_strings(o, "args", list->v[i].args);
		put_strings(o, "env", list->v[i].env);
		if (list->v[i].timeout != SPEC_UNSET)
			json_kv_i64(o, "timeout", list->v[i].timeout);
		json_close_obj(o);
	}
	json_close_arr(o);
}

int state_write(const struct state *st, const struct spec *spec, struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct json_out o;
	json_out_begin(&o, &text, false);
	json_open_obj(&o);
	json_kv_str(&o, "ociVersion", spec->oci_version);
	json_kv_str(&o, "id", st->id);
	json_kv_i64(&o, "pid", st->pid);
	json_kv_i64(&o, "startTime", (int64_t)st->start_time);
	json_kv_str(&o, "bundle", st->bundle);
	json_kv_str(&o, "rootfs", st->rootfs);
	json_kv_str(&o, "created", st->created);
	json_kv_str(&o, "cgroup", st->cgroup);
	if (st->unit)
		json_kv_str(&o, "unit", st->unit);
	if (spec->annotation_count)
		put_kv(&o, "annotations", spec->annotations, spec->annotation_count);
	if (spec->poststart.n || spec->poststop.n) {
		json_key(&o, "hooks");
		json_open_obj(&o);
		put_hooks(&o, "poststart", &spec->poststart);
		put_hooks(&o, "poststop", &spec->poststop);
		json_close_obj(&o);
	}
	json_close_obj(&o);
	int rc = json_out_end(&o);
	if (rc)
		return err_sys(e, rc, "cannot write the state");
	return file_replace(st->dirfd, STATE_FILE, text.data, text.len, 0600, FILE_NOSYNC, e);
}

int state_change_resources(const struct state *st, const struct json *base, const struct json *changed,
			   struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct json_out o;
	const struct json *old = json_get(st->root, "resources");
	json_out_begin(&o, &text, false);
	json_open_obj(&o);
	json_for_each(it, st->root)
	{
		if (it == old)
			continue;
		json_key(&o, it->key);
		json_put(&o, it);
	}
	json_key(&o, "resources");
	json_put_merged(&o, old ? old : base, changed);
	json_close_obj(&o);
	int rc = json_out_end(&o);
	if (rc)
		return err_sys(e, rc, "cannot write the state");
	return file_replace(st->dirfd, STATE_FILE, text.data, text.len, 0600, FILE_NOSYNC, e);
}

int state_keep_config(const struct state *st, const char *text, size_t len, struct err *e)
{
	cleanup_close int fd =
	    openat(st->dirfd, CONFIG_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : file_write_all(fd, text, len);
	return rc ? err_sys(e, rc, "cannot keep the configuration of the container %s", st->id) : 0;
}

int state_read_config(const struct state *st, struct spec **out, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len;
	int rc = file_read(st->dirfd, CONFIG_FILE, SPEC_SIZE_MAX, &text, &len, e);
	if (!rc)
		rc = spec_parse(text, len, out, e);
	return rc ? err_wrap(e, rc, "the kept configuration of the container %s", st->id) : 0;
}

int state_parse(const char *text, size_t len, struct state *st, struct err *e)
{
	const struct json *root;
	int64_t pid = 0;
	int rc;
	if ((rc = json_parse(text, len, SPEC_SIZE_MAX * 2, &st->doc, &root, e)) ||
	    (rc = json_read_i64(root, "pid", 0, INT32_MAX, &pid, e)) ||
	    (rc = json_read_u64(root, "startTime", UINT64_MAX, &st->start_time, e)) ||
	    (rc = json_read_str(root, "ociVersion", &st->oci_version, e)) ||
	    (rc = json_read_str(root, "bundle", &st->bundle, e)) ||
	    (rc = json_read_str(root, "rootfs", &st->rootfs, e)) ||
	    (rc = json_read_str(root, "created", &st->created, e)) ||
	    (rc = json_read_str(root, "cgroup", &st->cgroup, e)) ||
	    (rc = json_read_str(root, "unit", &st->unit, e)) ||
	    (rc = json_read_obj(root, "annotations", &st->annotations, e)))
		return err_wrap(e, rc, "the state of the container %s", st->id);
	st->pid = (pid_t)pid;
	st->root = root;
	return 0;
}

static int read_state(struct state *st, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len;
	int rc = file_read(st->dirfd, STATE_FILE, SPEC_SIZE_MAX * 2, &text, &len, e);
	if (rc == -ENOENT)
		return 0; // killed between the directory and the file
	return rc ? rc : state_parse(text, len, st, e);
}

int state_open(const char *root, const char *id, struct state *out, struct err *e)
{
	*out = (struct state){.id = id, .dirfd = -1};
	int rc = state_check_id(id, e);
	if (rc)
		return rc;
	cleanup_close int rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfd >= 0)
		out->dirfd = openat(rootfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out->dirfd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, -ENOENT, "container \"%s\" does not exist", id);
	if (out->dirfd < 0)
		return err_sys(e, -errno, "cannot open %s/%s", root, id);
	return read_state(out, e);
}

int state_lock(struct state *st, struct err *e)
{
	struct stat s;
	if (lock(st->dirfd) != 0 || fstat(st->dirfd, &s) != 0)
		return err_sys(e, -errno, "cannot lock the container %s", st->id);
	// Another command may have changed or removed it while this one waited.
	if (s.st_nlink == 0)
		return err_set(e, -ENOENT, "container \"%s\" does not exist", st->id);
	json_free(st->doc);
	*st = (struct state){.id = st->id, .dirfd = st->dirfd};
	return read_state(st, e);
}

void state_unlock(const struct state *st)
{
	if (flock(st->dirfd, LOCK_UN) != 0)
		return; // it was not held
}

void state_close(struct state *st)
{
	json_free(st->doc);
	cleanup_close_p(&st->dirfd);
	*st = (struct state){.dirfd = -1};
}

int state_pidfd(const struct state *st)
{
	return st->pid > 0 ? proc_open_checked(st->pid, st->start_time) : -ESRCH;
}

// A shared lock is refused for as long as init holds its own.
static bool is_locked(int dirfd, const char *name)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static bool is_frozen(const struct state *st)
{
	struct err e = {0};
	cleanup_cgroup struct cgroup *cg = NULL;
	return st->cgroup && cgroup_open(st->cgroup, &cg, &e) == 0 && cgroup_is_frozen(cg);
}

enum state_status state_status_of_init(const struct state *st)
{
	if (st->pid == 0)
		return is_locked(st->dirfd, ".") ? STATE_CREATING : STATE_STOPPED;
	cleanup_close int pidfd = state_pidfd(st);
	if (pidfd < 0)
		return STATE_STOPPED;
	return is_locked(st->dirfd, INIT_LOCK) ? STATE_CREATED : STATE_RUNNING;
}

enum state_status state_status(const struct state *st)
{
	enum state_status status = state_status_of_init(st);
	return status == STATE_RUNNING && is_frozen(st) ? STATE_PAUSED : status;
}

const char *state_status_name(enum state_status status)
{
	static const char *const names[] = {"creating", "created", "running", "paused", "stopped"};
	return names[status];
}

void state_put(const struct state *st, enum state_status status, struct json_out *o)
{
	json_open_obj(o);
	json_kv_str(o, "ociVersion", st->oci_version ? st->oci_version : "1.0.2");
	json_kv_str(o, "id", st->id);
	json_kv_i64(o, "pid", status == STATE_STOPPED ? 0 : st->pid);
	json_kv_str(o, "status", state_status_name(status));
	json_kv_str(o, "bundle", st->bundle ? st->bundle : "");
	json_kv_str(o, "rootfs", st->rootfs ? st->rootfs : "");
	json_kv_str(o, "created", st->created ? st->created : "");
	if (st->annotations) {
		json_key(o, "annotations");
		json_open_obj(o);
		json_for_each(it, st->annotations)
		{
			json_kv_str(o, it->key, it->type == JSON_STRING ? it->s : "");
		}
		json_close_obj(o);
	}
	json_kv_str(o, "owner", "");
	json_close_obj(o);
}

int state_print(const struct state *st, enum state_status status, bool pretty, struct buf *out)
{
	struct json_out o;
	json_out_begin(&o, out, pretty);
	state_put(st, status, &o);
	return json_out_end(&o);
}

int state_init_lock(int dirfd, struct err *e)
{
	cleanup_close int fd = openat(dirfd, INIT_LOCK, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_sys(e, -errno, "cannot make the init lock");
	return take_fd(fd);
}

// A path of a socket has 108 bytes; through the descriptor any directory will do.
static void socket_address(int dirfd, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/" START_SOCK, dirfd);
}

int state_listen(int dirfd, struct err *e)
{
	struct sockaddr_un a;
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	socket_address(dirfd, &a);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1) != 0)
		return err_sys(e, -errno, "cannot make the start socket");
	return take_fd(fd);
}

int state_connect(int dirfd, struct err *e)
{
	struct sockaddr_un a;
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	socket_address(dirfd, &a);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		return err_sys(e, -errno, "cannot reach the container's first process");
	return take_fd(fd);
}
