// SPDX-License-Identifier: Apache-2.0
// Children that nobody waits for are reaped; a loop with children that still run can be freed.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobletd/command.h"
#include "lib/base/proc.h"
#include "lib/base/test.h"

static sd_event *loop;
static unsigned calls;

static void on_done(void *userdata attr_unused, int status attr_unused, const char *said attr_unused)
{
	calls++;
}

static struct command *start(const char *script)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	struct command *c = NULL;
	struct err e = {0};

	if (command_start(loop, argv, on_done, NULL, &c, &e) < 0)
		test_ok(false, "%s is started: %s", script, e.msg);
	return c;
}

static bool has_children(void)
{
	return waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void turn_until_alone(void)
{
	for (unsigned i = 0; i < 600 && has_children(); i++)
		if (sd_event_run(loop, 100000) < 0)
			return;
}

static void test_forgotten(void)
{
	struct reaper *r = reaper_new(loop);
	int fds[2]; // the first round opens what the loop itself needs

	for (unsigned round = 0; round < ARRAY_LEN(fds); round++) {
		command_forget(start("exit 3"), r);
		command_forget(start("exec sleep 0.2"), r);
		command_forget(NULL, r);
		test_ok(has_children(), "what is forgotten runs on");
		turn_until_alone();
		test_ok(!has_children() && calls == 0, "and is reaped, and nobody hears of it");
		fds[round] = test_count_fds();
	}
	test_is_int(fds[1], fds[0], "nothing is kept of it");
	reaper_free(r);
}

static void test_bound(void)
{
	struct reaper *r = reaper_new(loop);
	const char *argv[] = {"/bin/sleep", "1000", NULL}, *env[] = {NULL};
	const struct proc_spawn what = {.argv = argv, .envp = env};
	struct err e = {0};
	pid_t pid;
	int pidfd = -1;

	int rc = proc_spawn(&what, &pid, &pidfd, &e);
	test_ok(rc == 0, "a child that would run for long: %s", e.msg);
	reaper_take(r, pidfd, 1000);
	turn_until_alone();
	test_ok(!has_children(), "is killed when its time is over, and reaped");
	reaper_free(r);
}

// A source that is held holds the loop, whose descriptors then stay open. The loop does not turn: these
// children are never reaped by it.
static void test_end_of_loop(int fds)
{
	struct reaper *r = reaper_new(loop);

	command_forget(start("exec sleep 0.2"), r);
	command_forget(start("exec sleep 0.2"), NULL);
	reaper_free(r);
	sd_event_unref(loop);
	test_is_int(test_count_fds(), fds, "children that still run hold neither the reaper nor the loop");
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(void)
{
	test_begin();
	int fds = test_count_fds();
	if (sd_event_new(&loop) < 0)
		return 1;
	test_forgotten();
	test_bound();
	test_end_of_loop(fds);
	return test_end();
}
