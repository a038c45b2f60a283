// SPDX-License-Identifier: Apache-2.0
// A list of pidfds, each with what the loop has of it: a loop ends only when nobody holds a source of it.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobletd/reaper.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

struct child {
	struct child *next, **prev;
	sd_event_source *ended, *bound;
	int pidfd;
};

struct reaper {
	sd_event *loop;
	struct child *first;
};

static void child_free(struct child *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	sd_event_source_disable_unref(c->ended);
	sd_event_source_disable_unref(c->bound);
	close(c->pidfd);
	free(c);
}

static int on_ended(sd_event_source *source attr_unused, int fd, uint32_t events attr_unused, void *userdata)
{
	while (waitid(P_PIDFD, (id_t)fd, &(siginfo_t){0}, WEXITED) < 0 && errno == EINTR)
		;
	child_free(userdata);
	return 0;
}

static int on_bound(sd_event_source *source attr_unused, uint64_t now attr_unused, void *userdata)
{
	struct child *c = userdata;
	int rc = proc_pidfd_kill(c->pidfd, SIGKILL);

	if (rc < 0)
		log_warn("a command that took too long cannot be killed: %s", strerror(-rc));
	return 0;
}

struct reaper *reaper_new(sd_event *loop)
{
	struct reaper *r = xcalloc(1, sizeof(*r));

	r->loop = sd_event_ref(loop);
	return r;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	while (r->first)
		// analyzed: child_free takes it out of the list
		child_free(r->first);
	sd_event_unref(r->loop);
	free(r);
}

void reaper_take(struct reaper *r, int pidfd, uint64_t bound_us)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->pidfd = pidfd;
	c->next = r->first;
	c->prev = &r->first;
	if (c->next)
		c->next->prev = &c->next;
	r->first = c;
	int rc = sd_event_add_io(r->loop, &c->ended, pidfd, EPOLLIN, on_ended, c);
	if (rc >= 0 && bound_us)
		rc =
		    sd_event_add_time_relative(r->loop, &c->bound, CLOCK_MONOTONIC, bound_us, 0, on_bound, c);
	if (rc < 0)
		log_error("a child is not watched: %s", strerror(-rc));
}
