// SPDX-License-Identifier: Apache-2.0
// Terminal of the container's first process. No terminal of the host ever enters a container.
#include "joblet-runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "joblet-runtime/lookup.h"
#include "joblet-runtime/mount.h"
#include "lib/base/file.h"

#define DEVPTS_MAGIC 0x1cd1

int console_connect(const char *path, struct err *e)
{
	int fd = file_connect(path);
	return fd < 0 ? err_sys(e, fd, "cannot connect to the console socket %s", path) : fd;
}

int console_send_pidfd(const char *path, int pidfd, struct err *e)
{
	if (!path)
		return 0;
	cleanup_close int sock = console_connect(path, e);
	if (sock < 0)
		return sock;
	int rc = file_send_fds(sock, "pidfd", 5, &pidfd, 1);
	return rc ? err_sys(e, rc, "cannot send the pidfd to %s", path) : 0;
}

// The multiplexer must be devpts's own node: whatever else lies there could be the container's.
static int open_master(int rootfd, struct err *e)
{
	struct stat st;
	struct statfs fs;
	int unlock = 0;
	cleanup_close int fd = lookup_in_root(rootfd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, fd, "cannot open /dev/pts/ptmx of the container");
	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0)
		return err_sys(e, -errno, "cannot examine /dev/pts/ptmx");
	if (fs.f_type != DEVPTS_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return err_set(e, -ENODEV, "/dev/pts/ptmx of the container is not a pseudoterminal");
	if (ioctl(fd, TIOCSPTLCK, &unlock) != 0)
		return err_sys(e, -errno, "cannot unlock the pseudoterminal");
	return take_fd(fd);
}

static int set_size(const struct spec_process *p, int fd)
{
	struct winsize size = {.ws_row = p->console_rows, .ws_col = p->console_cols};
	if (!size.ws_row && !size.ws_col)
		return 0;
	return ioctl(fd, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

static int bind_console(int rootfd, int slave)
{
	cleanup_close int dev = lookup_in_root(rootfd, "/dev", O_PATH | O_DIRECTORY);
	cleanup_close int tree = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (dev < 0 || tree < 0)
		return dev < 0 ? dev : -errno;
	return mount_file_at(tree, dev, "console");
}

int console_control(struct err *e)
{
	if (ioctl(0, TIOCSCTTY, 0) != 0)
		return err_sys(e, -errno, "cannot make the terminal the controlling one");
	return 0;
}

int console_setup(const struct spec *s, int rootfd, int sock, bool bind, struct err *e)
{
	char name[32];
	unsigned number;
	cleanup_close int master = open_master(rootfd, e);
	if (master < 0)
		return master;
	cleanup_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(master, TIOCGPTN, &number) != 0)
		return err_sys(e, -errno, "cannot open the slave of the pseudoterminal");
	int rc = set_size(&s->process, slave);
	if (rc)
		return err_sys(e, rc, "cannot set the size of the terminal");
	if (bind && (rc = bind_console(rootfd, slave)))
		return err_sys(e, rc, "cannot make /dev/console");
	if (fchown(slave, s->process.uid, (gid_t)-1) != 0)
		return err_sys(e, -errno, "cannot give the terminal to the container's user");
	snprintf(name, sizeof(name), "/dev/pts/%u", number);
	if ((rc = file_send_fds(sock, name, strlen(name), &master, 1)))
		return err_sys(e, rc, "cannot send the terminal to the console socket");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(e, -errno, "cannot connect the terminal to descriptor %d", fd);
	return 0;
}
