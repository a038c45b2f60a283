// SPDX-License-Identifier: Apache-2.0
// Namespaces, mounts, descriptors, /dev, the terminal, network interfaces, and single paths.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tests/probe/probe.h"

static void put_namespaces(struct json_out *o)
{
	static const char *const names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
	json_key(o, "ns");
	json_open_obj(o);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64];
		struct stat st;
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (stat(path, &st) == 0)
			json_kv_i64(o, names[i], (int64_t)st.st_ino);
	}
	json_close_obj(o);
}

// "36 35 98:0 /root /target rw,noatime shared:1 - ext4 /dev/x rw" (proc_pid_mountinfo(5))
static void put_mount(struct json_out *o, char *line)
{
	char *dash = strstr(line, " - "), *field[6] = {0};
	if (!dash)
		return;
	*dash = 0;
	for (int i = 0; i < 6; i++)
		field[i] = strsep(&line, " ");
	char *rest = dash + 3;
	json_open_obj(o);
	json_kv_str(o, "dev", field[2]);
	json_kv_str(o, "root", field[3]);
	json_kv_str(o, "target", field[4]);
	json_kv_str(o, "options", field[5]);
	json_kv_str(o, "propagation", line ? line : "private");
	json_kv_str(o, "type", strsep(&rest, " "));
	json_kv_str(o, "source", strsep(&rest, " "));
	json_kv_str(o, "super", rest);
	json_close_obj(o);
}

static void put_mounts(struct json_out *o)
{
	cleanup_free char *text = probe_read("/proc/self/mountinfo");
	char *save = text;
	json_key(o, "mounts");
	json_open_arr(o);
	for (char *line; save && (line = strsep(&save, "\n"));)
		put_mount(o, line);
	json_close_arr(o);
}

static void put_fds(struct json_out *o)
{
	cleanup_closedir DIR *d = opendir("/proc/self/fd");
	json_key(o, "fds");
	json_open_obj(o);
	for (struct dirent *it; d && (it = readdir(d));) {
		char link[4096] = {0};
		if (it->d_name[0] == '.' || strtol(it->d_name, NULL, 10) == dirfd(d))
			continue;
		if (readlinkat(dirfd(d), it->d_name, link, sizeof(link) - 1) >= 0)
			json_kv_str(o, it->d_name, link);
	}
	json_close_obj(o);
}

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode)	? "file"
	       : S_ISDIR(mode)	? "dir"
	       : S_ISLNK(mode)	? "link"
	       : S_ISCHR(mode)	? "char"
	       : S_ISBLK(mode)	? "block"
	       : S_ISFIFO(mode) ? "fifo"
				: "socket";
}

static void put_stat(struct json_out *o, int dirfd, const char *path)
{
	struct stat st;
	char link[4096] = {0};
	json_open_obj(o);
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		json_kv_str(o, "error", probe_errno(errno));
		json_close_obj(o);
		return;
	}
	json_kv_str(o, "type", type_name(st.st_mode));
	json_kv_i64(o, "mode", st.st_mode & 07777);
	json_kv_i64(o, "uid", st.st_uid);
	json_kv_i64(o, "gid", st.st_gid);
	json_kv_i64(o, "size", st.st_size);
	json_kv_i64(o, "dev", (int64_t)st.st_dev);
	json_kv_i64(o, "ino", (int64_t)st.st_ino);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		json_kv_i64(o, "major", major(st.st_rdev));
		json_kv_i64(o, "minor", minor(st.st_rdev));
	}
	if (S_ISLNK(st.st_mode) && readlinkat(dirfd, path, link, sizeof(link) - 1) >= 0)
		json_kv_str(o, "link", link);
	json_close_obj(o);
}

static void put_dev(struct json_out *o)
{
	cleanup_closedir DIR *d = opendir("/dev");
	json_key(o, "dev");
	json_open_obj(o);
	for (struct dirent *it; d && (it = readdir(d));) {
		if (str_eq(it->d_name, ".") || str_eq(it->d_name, ".."))
			continue;
		json_key(o, it->d_name);
		put_stat(o, dirfd(d), it->d_name);
	}
	json_close_obj(o);
}

static void put_tty(struct json_out *o)
{
	struct winsize w;
	char name[64] = {0};
	if (ioctl(0, TIOCGWINSZ, &w) != 0)
		return;
	json_key(o, "tty");
	json_open_obj(o);
	json_kv_i64(o, "rows", w.ws_row);
	json_kv_i64(o, "cols", w.ws_col);
	json_kv_str(o, "name", ttyname_r(0, name, sizeof(name)) == 0 ? name : NULL);
	cleanup_close int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	json_kv_bool(o, "controlling", fd >= 0);
	json_close_obj(o);
}

void surroundings_put(struct json_out *o)
{
	put_namespaces(o);
	put_mounts(o);
	put_fds(o);
	put_dev(o);
	put_tty(o);
	cleanup_free char *net = probe_read("/proc/self/net/dev");
	json_kv_str(o, "net_dev", net);
	cleanup_free char *offsets = probe_read("/proc/self/timens_offsets");
	json_kv_str(o, "timens_offsets", offsets);
}

static void put_read(struct json_out *o, const char *path)
{
	errno = 0;
	cleanup_free char *text = probe_read(path);
	if (text)
		text[strcspn(text, "\n")] = 0;
	json_kv_str(o, path, text ? text : probe_errno(errno));
}

// Opened only: where the defence that is tested is missing, the file may be the host's.
static void put_write(struct json_out *o, const char *path)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	json_kv_str(o, path, fd < 0 ? probe_errno(errno) : "0");
}

static void put_each(struct json_out *o, const char *key, char **args, int n,
		     void (*put)(struct json_out *o, const char *path))
{
	char option[16];
	snprintf(option, sizeof(option), "--%s", key);
	json_key(o, key);
	json_open_obj(o);
	for (int i = 0; i + 1 < n; i += 2)
		if (str_eq(args[i], option))
			put(o, args[i + 1]);
	json_close_obj(o);
}

static void put_stat_of(struct json_out *o, const char *path)
{
	json_key(o, path);
	put_stat(o, AT_FDCWD, path);
}

void paths_put(struct json_out *o, char **args, int n)
{
	put_each(o, "stat", args, n, put_stat_of);
	put_each(o, "read", args, n, put_read);
	put_each(o, "write", args, n, put_write);
}
