// SPDX-License-Identifier: Apache-2.0
// Executes this program again from a sealed copy of itself, unless it is one already, or need not be.
#include "joblet-runtime/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "lib/base/str.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define MARK  "JOBLET_RUNTIME_SEALED"

static int make_memfd(void)
{
	int fd = memfd_create("joblet-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) // before Linux 6.3 there is no such flag
		fd = memfd_create("joblet-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

// How much of the file the kernel maps; symbols and what debuggers read lie behind. Every page costs.
static int loaded_size(int fd, off_t *out)
{
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	*out = 0;
	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.e_phentsize != sizeof(part))
		return -ENOEXEC;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		off_t at = (off_t)head.e_phoff + (off_t)(i * sizeof(part));
		if (pread(fd, &part, sizeof(part), at) != (ssize_t)sizeof(part))
			return -ENOEXEC;
		off_t end = (off_t)(part.p_offset + part.p_filesz);
		if (end > *out)
			*out = end;
	}
	return *out > 0 ? 0 : -ENOEXEC;
}

static int copy(int from, int to)
{
	off_t size;
	int rc = loaded_size(from, &size);
	if (rc)
		return rc;
	for (off_t done = 0; done < size;) {
		ssize_t n = sendfile(to, from, &done, (size_t)(size - done));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return fchmod(to, 0511) == 0 && fcntl(to, F_ADD_SEALS, SEALS) == 0 ? 0 : -errno;
}

// Only the owner could write: no bit for anybody else, and no access control list, which would show as one.
static bool may_write(const struct spec *s, const struct stat *st)
{
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return true;
	for (size_t i = 0; i < s->uid_map_count; i++)
		if (st->st_uid >= s->uid_maps[i].outside &&
		    st->st_uid - s->uid_maps[i].outside < s->uid_maps[i].count)
			return true;
	return false;
}

static int seal_self(char **argv, struct err *e)
{
	cleanup_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0)
		return err_sys(e, -errno, "cannot open this program");
	int seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS) {
		unsetenv(MARK);
		(void)prctl(PR_SET_NAME, "joblet-runtime", 0, 0, 0); // execveat(2) left a number there
		return 0;
	}
	if (getenv(MARK))
		return err_set(e, -EPERM, "this program does not run from its sealed copy");
	cleanup_close int fd = make_memfd();
	int rc = fd < 0 ? fd : copy(self, fd);
	if (rc)
		return err_sys(e, rc, "cannot make a sealed copy of this program");
	if (setenv(MARK, "1", 1) != 0)
		return err_sys(e, -errno, "cannot mark the sealed copy of this program");
	execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return err_sys(e, -errno, "cannot execute the sealed copy of this program");
}

int seal_self_for(const struct spec *s, char **argv, struct err *e)
{
	struct stat st;
	if (spec_has_new(s, CLONE_NEWUSER) && stat("/proc/self/exe", &st) == 0 && !may_write(s, &st))
		return 0;
	return seal_self(argv, e);
}
