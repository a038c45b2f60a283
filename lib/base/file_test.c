// SPDX-License-Identifier: Apache-2.0
// Tests of files, trees and passed descriptors.
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "file.h"
#include "test.h"

static void test_read_write(int dir)
{
	struct err e = {0};
	char *text = NULL;
	size_t len;

	test_is_int(file_replace(dir, "state", "hello", 5, 0640, FILE_SYNC, &e), 0, "a new state file: %s",
		    e.msg);
	test_ok(file_read(dir, "state", 5, &text, &len, &e) == 0 && len == 5 && strcmp(text, "hello") == 0,
		"read back");
	free(text);
	test_is_int(file_read(dir, "state", 4, &text, &len, &e), -EFBIG, "one byte over the limit");
	umask(077);
	test_is_int(file_replace(dir, "state", "", 0, 0644, FILE_NOSYNC, &e), 0, "replaced by nothing");
	umask(022);
	struct stat st;
	test_ok(fstatat(dir, "state", &st, 0) == 0 && (st.st_mode & 07777) == 0644 && st.st_size == 0,
		"mode is exact");
	test_ok(file_read(dir, "state", 0, &text, &len, &e) == 0 && len == 0 && !*text, "an empty file");
	free(text);
	test_is_int(file_read(dir, "absent", 10, &text, NULL, &e), -ENOENT, "an absent file");
	test_ok(strstr(e.msg, "absent") != NULL, "is named");
	test_ok(symlinkat("state", dir, "link") == 0 && file_read(dir, "link", 10, &text, NULL, &e) == -ELOOP,
		"a link");
	test_ok(mkfifoat(dir, "fifo", 0600) == 0 && file_read(dir, "fifo", 10, &text, NULL, &e) == -EINVAL,
		"a FIFO");
	test_is_int(file_read(dir, ".", 10, &text, NULL, &e), -EINVAL, "a directory");
	test_is_int(file_replace(dir, "link", "x", 1, 0600, FILE_SYNC, &e), 0,
		    "a link is replaced, not followed");
	test_ok(fstatat(dir, "state", &st, 0) == 0 && st.st_size == 0, "its target is as it was");
	char path[256];
	test_is_int(file_replace(AT_FDCWD, test_path(path, "by-path"), "x", 1, 0600, FILE_SYNC, &e), 0,
		    "by path");
	test_is_int(file_replace(AT_FDCWD, test_path(path, "no/where"), "x", 1, 0600, FILE_SYNC, &e), -ENOENT,
		    "nowhere");
	cleanup_free char *big = xcalloc(1, 1 << 20);
	test_is_int(file_replace(dir, "big", big, 1 << 20, 0600, FILE_NOSYNC, &e), 0, "a megabyte");
	test_ok(file_read(dir, "big", 1 << 20, &text, &len, &e) == 0 && len == 1 << 20, "and back");
	free(text);
}

// Disk full, by the limit that the kernel has for it.
static void test_no_space(int dir)
{
	struct err e = {0};
	struct rlimit before;
	static char big[100000];
	int left = 0;

	getrlimit(RLIMIT_FSIZE, &before);
	struct rlimit small = {4096, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	int rc = file_replace(dir, "state", big, sizeof(big), 0600, FILE_SYNC, &e);
	setrlimit(RLIMIT_FSIZE, &before);
	test_is_int(rc, -EFBIG, "a write that fails is an error");
	cleanup_closedir DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (struct dirent *entry; (entry = readdir(d));)
		left += strncmp(entry->d_name, ".tmp", 4) == 0;
	test_is_int(left, 0, "and leaves nothing behind");
}

static void test_mkdirs(void)
{
	struct err e = {0};
	struct stat st;
	char path[256];

	umask(077);
	test_is_int(file_mkdirs(test_path(path, "a/b//c/"), 0751, &e), 0, "three at once: %s", e.msg);
	umask(022);
	test_ok(stat(test_path(path, "a/b"), &st) == 0 && (st.st_mode & 07777) == 0755, "between: 0755");
	test_ok(stat(test_path(path, "a/b/c"), &st) == 0 && (st.st_mode & 07777) == 0751, "last: exactly");
	test_ok(file_mkdirs(test_path(path, "a/b"), 0700, &e) == 0 && stat(path, &st) == 0 &&
		    (st.st_mode & 07777) == 0755,
		"one that is there keeps its mode");
	test_is_int(file_mkdirs(test_path(path, "state/x"), 0700, &e), -ENOTDIR, "a file in the way");
	test_is_int(file_mkdirs("", 0700, &e), -EINVAL, "an empty path");
}

static void test_remove_tree(int dir)
{
	struct err e = {0};
	char name[300];

	mkdirat(dir, "outside", 0755);
	test_is_int(file_replace(dir, "outside/kept", "x", 1, 0600, FILE_NOSYNC, &e), 0, "a file outside");
	mkdirat(dir, "tree", 0755);
	int tree = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		mkdirat(tree, name, 0);
		snprintf(name, sizeof(name), "d%d/\xff\n%d", i, i);
		close(openat(tree, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0));
	}
	test_is_int(symlinkat("../outside", tree, "link"), 0, "a link that leads out");
	mkdirat(tree, ".removed-1", 0755); // a name that the removal itself would like to use
	// Deeper than a path can be long and than there are descriptors.
	int at = dup(tree);
	for (int i = 0; i < 3000; i++) {
		mkdirat(at, "deeper", 0755);
		int next = openat(at, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(openat(at, "bottom", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(at);
	close(tree);
	test_is_int(file_remove_tree(dir, "tree", &e), 0, "a wide and deep tree: %s", e.msg);
	test_ok(faccessat(dir, "tree", F_OK, 0) < 0, "is gone");
	test_ok(faccessat(dir, "outside/kept", F_OK, 0) == 0, "what a link pointed to is there");
	test_is_int(file_remove_tree(dir, "tree", &e), 0, "absent is fine");
	test_is_int(symlinkat("outside", dir, "toplink"), 0, "a link as the top");
	test_is_int(file_remove_tree(dir, "toplink", &e), 0, "a link itself goes");
	test_ok(faccessat(dir, "outside/kept", F_OK, 0) == 0, "its target stays");
}

static void test_remove_mount(int dir)
{
	struct err e = {0};
	char path[256];
	char inside[256];

	mkdirat(dir, "m", 0755);
	mkdirat(dir, "m/mnt", 0755);
	if (mount("tmpfs", test_path(path, "m/mnt"), "tmpfs", 0, "size=64k") < 0) {
		test_skip("a mount needs root");
		return;
	}
	close(open(test_path(inside, "m/mnt/precious"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	test_ok(file_remove_tree(dir, "m", &e) < 0, "a tree with a mount is not removed");
	test_is_int(file_remove_tree(dir, "m/mnt", &e), -EBUSY, "nor the mount itself");
	test_ok(access(inside, F_OK) == 0, "and nothing inside of the mount");
	umount2(path, MNT_DETACH);
	test_is_int(file_remove_tree(dir, "m", &e), 0, "without the mount it goes");
}

static void test_fdpass(void)
{
	int pair[2];
	int fds[FILE_FDS_MAX];
	char data[16];
	size_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	int send[3] = {0, 1, 2};
	test_is_int(file_send_fds(pair[0], "abc", 3, send, 3), 0, "three descriptors go");
	n = 3;
	test_is_int(file_recv_fds(pair[1], data, sizeof(data), fds, &n), 3, "three bytes come");
	test_is_int(n, 3, "with three descriptors");
	test_ok(n == 3 && (fcntl(fds[2], F_GETFD) & FD_CLOEXEC), "that are close-on-exec");
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	n = 1;
	test_is_int(file_send_fds(pair[0], "abc", 3, send, 2), 0, "two go where one is wanted");
	test_is_int(file_recv_fds(pair[1], data, sizeof(data), fds, &n), -EMSGSIZE, "refused");
	test_is_int(n, 0, "none is kept");
	n = 4;
	test_is_int(file_send_fds(pair[0], "0123456789abcdefg", 17, send, 1), 0, "a packet of 17 bytes");
	test_is_int(file_recv_fds(pair[1], data, sizeof(data), fds, &n), -EMSGSIZE,
		    "into room for 16 is refused");
	test_is_int(file_send_fds(pair[0], "", 0, send, 1), -EINVAL, "no bytes");
	test_is_int(file_send_fds(pair[0], "x", 1, send, FILE_FDS_MAX + 1), -EINVAL, "too many descriptors");
	n = FILE_FDS_MAX;
	test_is_int(file_set_nonblock(pair[1], true), 0, "not blocking");
	test_is_int(file_recv_fds(pair[1], data, sizeof(data), fds, &n), -EAGAIN, "nothing there");
	close(pair[0]);
	n = FILE_FDS_MAX;
	test_is_int(file_recv_fds(pair[1], data, sizeof(data), fds, &n), 0, "end of file");
	test_is_int(file_send_fds(pair[1], "x", 1, NULL, 0), -EPIPE, "nobody listens, and no signal");
	close(pair[1]);
}

int main(void)
{
	test_begin();
	int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_read_write(dir);
	test_no_space(dir);
	test_mkdirs();
	test_remove_tree(dir);
	test_remove_mount(dir);
	test_fdpass();
	close(dir);
	return test_end();
}
