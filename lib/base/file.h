// SPDX-License-Identifier: Apache-2.0
// Files: whole reads with a limit, whole writes, and state files that are written, synced and renamed into
// place.
#pragma once

#include "base.h"
#include "err.h"

// Whole file, at most max bytes (-EFBIG past that), NUL-terminated; *out is the caller's to free; len may be
// NULL. Opens with O_NOFOLLOW|O_CLOEXEC and refuses what is not a regular file (-EINVAL). dirfd may be
// AT_FDCWD.
int file_read(int dirfd, const char *path, size_t max, char **out, size_t *len,
	      struct err *e) attr_must_check;
// The same from an open descriptor of any kind, until end of file.
int file_read_fd(int fd, size_t max, char **out, size_t *len) attr_must_check;

// All bytes or an error; EINTR and short writes are handled. For blocking descriptors.
int file_write_all(int fd, const void *data, size_t len) attr_must_check;

enum file_sync { FILE_NOSYNC, FILE_SYNC };
// Replaces dirfd/name: temporary file in the same directory, written, fsynced, renamed, and the directory
// fsynced (FILE_SYNC); with FILE_NOSYNC only atomic against readers and crashes of the program. Nothing is
// left behind on failure.
int file_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode, enum file_sync sync,
		 struct err *e) attr_must_check;

// mkdir -p; existing directories keep their mode. The last component gets mode exactly (the umask does not
// matter).
int file_mkdirs(const char *path, mode_t mode, struct err *e) attr_must_check;

// Removes a tree below dirfd without following a symbolic link and without crossing into another mount.
// Absent is 0.
int file_remove_tree(int dirfd, const char *name, struct err *e) attr_must_check;

int file_set_nonblock(int fd, bool on) attr_must_check;

// Connects to a Unix stream socket. Close-on-exec descriptor or -errno; -ENAMETOOLONG for a path of more than
// 107 bytes.
int file_connect(const char *path) attr_must_check;

// Sends len bytes (at least 1) with n descriptors as SCM_RIGHTS over a Unix socket; n <= FILE_FDS_MAX. 0,
// -EAGAIN, -errno.
#define FILE_FDS_MAX 16
int file_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n) attr_must_check;
// Receives one packet or part of a stream. Returns bytes received (0 at end of file) or -errno. *n is the
// room on entry and the count on return; the descriptors are close-on-exec and the caller's. A packet or
// control data that was cut off is -EMSGSIZE, all closed.
ssize_t file_recv_fds(int sock, void *data, size_t size, int *fds, size_t *n) attr_must_check;
