// SPDX-License-Identifier: Apache-2.0
// Carries bytes between the caller's terminal and the container's. pty(7), termios(3).
#include "joblet-runtime/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "joblet-runtime/foreground.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"

#define PIECE	 4096
#define DRAIN_MS 100 // what the terminal still holds when the program has ended comes at once

struct relay {
	struct terminal *t;
	char typed[PIECE]; // not yet taken by the container's terminal
	size_t typed_len;
	bool input, output; // still open
};

int terminal_open(struct terminal *t, struct err *e)
{
	int pair[2];
	*t = (struct terminal){.ours = -1, .theirs = -1, .master = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return err_sys(e, -errno, "cannot make a socket pair for the terminal");
	t->ours = pair[0];
	t->theirs = pair[1];
	return 0;
}

static void copy_size(const struct terminal *t)
{
	struct winsize size;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && ioctl(t->master, TIOCSWINSZ, &size) != 0)
		return; // the container's terminal keeps its own
}

int terminal_take(struct terminal *t, struct err *e)
{
	char name[64];
	size_t n = 1;
	ssize_t got = file_recv_fds(t->ours, name, sizeof(name), &t->master, &n);
	if (got <= 0 || n != 1)
		return err_set(e, -EPROTO, "the container sent no terminal");
	int rc = file_set_nonblock(t->master, true);
	if (rc)
		return err_sys(e, rc, "cannot use the container's terminal");
	if (tcgetattr(STDIN_FILENO, &t->before) != 0)
		return 0; // no terminal here
	struct termios raw = t->before;
	cfmakeraw(&raw);
	copy_size(t);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
		return err_sys(e, -errno, "cannot make the terminal raw");
	t->raw = true;
	return 0;
}

static void carry_output(struct relay *r)
{
	char piece[PIECE];
	ssize_t n = read(r->t->master, piece, sizeof(piece));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	// EIO: nobody has the container's terminal open any more.
	if (n <= 0 || file_write_all(STDOUT_FILENO, piece, (size_t)n) != 0)
		r->output = false;
}

static void carry_input(struct relay *r, short stdin_events, short master_events)
{
	if (r->typed_len == 0 && stdin_events) {
		ssize_t n = read(STDIN_FILENO, r->typed, sizeof(r->typed));
		r->input = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
		r->typed_len = n > 0 ? (size_t)n : 0;
		master_events = POLLOUT;
	}
	if (r->typed_len == 0 || !(master_events & POLLOUT))
		return;
	ssize_t n = write(r->t->master, r->typed, r->typed_len);
	if (n <= 0)
		return;
	r->typed_len -= (size_t)n;
	for (size_t i = 0; i < r->typed_len; i++)
		r->typed[i] = r->typed[i + (size_t)n];
}

static void take_signals(const struct terminal *t, int signals, int pidfd)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			copy_size(t);
		else if (proc_pidfd_kill(pidfd, (int)info.ssi_signo) != 0)
			return; // it has ended
	}
}

int terminal_wait(struct terminal *t, int pidfd, int signals, struct err *e)
{
	struct relay r = {.t = t, .input = true, .output = true};
	bool ended = false;
	while (!ended || r.output) {
		struct pollfd p[] = {
		    {.fd = ended ? -1 : pidfd, .events = POLLIN},
		    {.fd = signals, .events = POLLIN},
		    {.fd = r.output ? t->master : -1, .events = POLLIN | (r.typed_len ? POLLOUT : 0)},
		    {.fd = r.input && r.typed_len == 0 ? STDIN_FILENO : -1, .events = POLLIN},
		};
		int n = poll(p, ARRAY_LEN(p), ended ? DRAIN_MS : -1);
		if (n < 0 && errno != EINTR)
			return err_sys(e, -errno, "cannot wait for the program");
		if (n == 0)
			break; // somebody else keeps the terminal open
		if (n < 0)
			continue;
		ended = ended || p[0].revents;
		if (p[1].revents)
			take_signals(t, signals, pidfd);
		if (p[2].revents & ~POLLOUT)
			carry_output(&r);
		carry_input(&r, p[3].revents, p[2].revents);
	}
	return foreground_wait(pidfd, signals, e);
}

void terminal_close(struct terminal *t)
{
	if (t->raw && tcsetattr(STDIN_FILENO, TCSANOW, &t->before) != 0)
		t->raw = false; // it is gone
	cleanup_close_p(&t->ours);
	cleanup_close_p(&t->theirs);
	cleanup_close_p(&t->master);
	*t = (struct terminal){.ours = -1, .theirs = -1, .master = -1};
}
