// SPDX-License-Identifier: Apache-2.0
// The terminal and the signals: process-wide state, so it stands here once. Handlers use async-signal-safe
// calls only (signal-safety(7)).
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "rnx/rnx.h"
#include "rnx/term.h"

#define TWICE_MS 2000 // a second Ctrl-C within this time leaves

static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGWINCH, SIGCONT};
static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static struct {
	int fd;
	struct termios before, raw;
	volatile sig_atomic_t is_raw;
} term = {.fd = -1};

static struct {
	int pipe[2];
	volatile int64_t last_int; // CLOCK_MONOTONIC, ms
	volatile int64_t shown;
	volatile sig_atomic_t is_held, leave_is_due;
	char id[128];
	bool stops;
} signals = {.pipe = {-1, -1}};

void term_restore(void)
{
	int keep = errno;

	if (term.is_raw)
		tcsetattr(term.fd, TCSADRAIN, &term.before);
	term.is_raw = 0;
	errno = keep;
}

static void on_deadly(int sig)
{
	term_restore();
	raise(sig); // SA_RESETHAND: the default now
}

int term_raw(int fd)
{
	static bool is_registered;
	struct sigaction sa = {.sa_handler = on_deadly, .sa_flags = SA_RESETHAND | SA_NODEFER};

	if (tcgetattr(fd, &term.before) < 0)
		return -errno;
	term.fd = fd;
	term.raw = term.before;
	cfmakeraw(&term.raw);
	if (!is_registered)
		atexit(term_restore);
	is_registered = true;
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		sigaction(deadly[i], &sa, NULL);
	term.is_raw = 1;
	return tcsetattr(fd, TCSADRAIN, &term.raw) < 0 ? -errno : 0;
}

bool term_size(unsigned *rows, unsigned *columns)
{
	struct winsize ws;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_row && ws.ws_col) {
			*rows = ws.ws_row;
			*columns = ws.ws_col;
			return true;
		}
	return false;
}

static void say(const char *s)
{
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		return;
}

static void say_number(int64_t n)
{
	char digits[24];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0 && p > digits);
	say(p);
}

void term_say_detached(void)
{
	if (!signals.id[0]) {
		say("rnx: left before the server answered: see `rnx job list`\n");
		return;
	}
	say(signals.stops ? "rnx: left; the job is stopped: rnx job status "
			  : "rnx: left; the job goes on: rnx job attach --from ");
	if (!signals.stops) {
		say_number(signals.shown);
		say(" ");
	}
	say(signals.id);
	say("\n");
}

static void attr_noreturn leave(void)
{
	term_restore();
	say("\n");
	term_say_detached();
	_exit(EXIT_CODE_SIGNAL_BASE + SIGINT);
}

void term_signals_hold(void)
{
	signals.is_held = 1;
}

void term_signals_release(int64_t offset)
{
	if (offset >= 0)
		signals.shown = offset;
	signals.is_held = 0;
	if (signals.leave_is_due)
		leave();
}

static void on_signal(int sig)
{
	int keep = errno;
	unsigned char byte = (unsigned char)sig;

	if (sig == SIGINT) {
		int64_t now = clock_ms(CLOCK_MONOTONIC);
		if (signals.last_int && now - signals.last_int < TWICE_MS) {
			if (!signals.is_held)
				leave();
			signals.leave_is_due = 1;
		}
		signals.last_int = now;
	}
	if (sig == SIGCONT && term.is_raw)
		tcsetattr(term.fd, TCSADRAIN, &term.raw); // the shell had it while rnx was stopped
	if (write(signals.pipe[1], &byte, 1) < 0)
		errno = 0; // full: enough is waiting already
	errno = keep;
}

int term_signals_begin(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (signals.pipe[0] >= 0)
		return 0;
	if (pipe2(signals.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(forwarded); i++) {
		struct sigaction old;
		if (sigaction(forwarded[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(forwarded[i], &sa, NULL);
	}
	return 0;
}

void term_signals_end(void)
{
	for (size_t i = 0; i < ARRAY_LEN(forwarded); i++) {
		struct sigaction old;
		if (sigaction(forwarded[i], NULL, &old) == 0 && old.sa_handler == on_signal)
			signal(forwarded[i], SIG_DFL);
	}
	for (int i = 0; i < 2; i++) {
		if (signals.pipe[i] >= 0)
			close(signals.pipe[i]);
		signals.pipe[i] = -1;
	}
}

int term_signals_fd(void)
{
	return signals.pipe[0];
}

int term_signals_next(void)
{
	unsigned char byte;

	return read(signals.pipe[0], &byte, 1) == 1 ? byte : 0;
}

void term_signals_job(const char *id, bool stops_when_left)
{
	signals.stops = stops_when_left;
	snprintf(signals.id, sizeof(signals.id), "%s", id);
}
