// SPDX-License-Identifier: Apache-2.0
// events: what a container uses, now or again and again, and when it runs out of memory; one JSON object a
// line.
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/command.h"
#include "joblet-runtime/state.h"
#include "lib/base/str.h"

#define MS_PER_S     1000
#define OOM_LOOKS    10
#define OOM_PAUSE_NS 10000000

struct watch {
	struct state st;
	struct cgroup *cgroup;
	int init; // pidfd
	int oom;
	short oom_events;
	int64_t kills; // that are told already
};

static int print_event(const struct watch *w, const char *type, bool stats, struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct json_out o;
	json_out_begin(&o, &text, false);
	json_open_obj(&o);
	json_kv_str(&o, "type", type);
	json_kv_str(&o, "id", w->st.id);
	if (stats) {
		json_key(&o, "data");
		json_open_obj(&o);
		cgroup_stats(w->cgroup, &o);
		json_key(&o, "intel_rdt");
		json_open_obj(&o);
		json_close_obj(&o);
		json_key(&o, "network_interfaces");
		json_put_null(&o);
		json_close_obj(&o);
	}
	json_close_obj(&o);
	int rc = json_out_end(&o);
	if (rc)
		return err_sys(e, rc, "cannot write the event");
	puts(text.data);
	return fflush(stdout) == 0 ? 0 : err_sys(e, -errno, "cannot write the event");
}

// The counter tells more than the wake-up: the kernel wakes for other changes too.
static int look_at_oom(struct watch *w, bool woken, struct err *e)
{
	char text[4096];
	struct cgroup_usage used;
	if (pread(w->oom, text, sizeof(text), 0) < 0 && read(w->oom, text, 8) < 0 && errno != EAGAIN)
		w->oom = -1; // the cgroup is gone
	cgroup_usage(w->cgroup, &used);
	// v1 wakes before it counts.
	for (int i = 0; i < OOM_LOOKS && woken && used.oom_kills == w->kills; i++) {
		(void)nanosleep(&(struct timespec){.tv_nsec = OOM_PAUSE_NS}, NULL);
		cgroup_usage(w->cgroup, &used);
	}
	int rc = used.oom_kills > w->kills ? print_event(w, "oom", false, e) : 0;
	w->kills = used.oom_kills;
	return rc;
}

static int watch(struct watch *w, int64_t interval, struct err *e)
{
	int64_t next = clock_ms(CLOCK_MONOTONIC) + interval;
	for (;;) {
		struct pollfd p[] = {{.fd = w->init, .events = POLLIN},
				     {.fd = w->oom, .events = w->oom_events}};
		int64_t left = next - clock_ms(CLOCK_MONOTONIC);
		int n = left > 0 ? poll(p, ARRAY_LEN(p), (int)left) : 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, -errno, "cannot wait for events");
		int rc = 0;
		if (n >= 0)
			rc = look_at_oom(w, n > 0 && p[1].revents, e);
		if (rc || (n > 0 && p[0].revents))
			return rc;
		if (n == 0) {
			rc = print_event(w, "stats", true, e);
			next = clock_ms(CLOCK_MONOTONIC) + interval;
		}
		if (rc)
			return rc;
	}
}

static int open_watch(struct watch *w, const char *root, const char *id, struct err *e)
{
	int rc = state_open(root, id, &w->st, e);
	if (rc)
		return rc;
	w->init = state_pidfd(&w->st);
	if (w->init < 0)
		return err_set(e, w->init, "container with id %s is not running", id);
	if (!w->st.cgroup)
		return err_set(e, -ENOTSUP, "the container has no cgroup of its own, which would tell");
	return cgroup_open(w->st.cgroup, &w->cgroup, e);
}

static int events(struct watch *w, bool once, int64_t interval, struct err *e)
{
	struct cgroup_usage used;
	struct err ignored = {0};
	if (once)
		return print_event(w, "stats", true, e);
	w->oom = cgroup_oom_fd(w->cgroup, &w->oom_events,
			       &ignored); // where there is none, there are statistics alone
	int fd = w->oom;
	cgroup_usage(w->cgroup, &used);
	w->kills = used.oom_kills;
	int rc = watch(w, interval, e);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *stats = NULL, *interval = "5s", *rest[2];
	int n_rest;
	int64_t ns;
	const struct option_def options[] = {
	    {"stats", 0, false, &stats, "once, and end", NULL},
	    {"interval", 0, true, &interval, "between two reports (5s)", NULL},
	};
	int rc = args_parse(&cmd_events, options, ARRAY_LEN(options), args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "events: a container id is needed");
	if (str_to_duration(interval, &ns) != 0 || ns < 1000000 || ns / 1000000 > INT32_MAX)
		return err_set(e, -EINVAL, "events: --interval \"%.64s\" is no time, such as 5s or 500ms",
			       interval);
	struct watch w = {.st.dirfd = -1, .init = -1, .oom = -1};
	rc = open_watch(&w, g->root, rest[0], e);
	if (!rc)
		rc = events(&w, stats != NULL, ns / 1000000, e);
	cleanup_close_p(&w.init);
	cgroup_free(w.cgroup);
	state_close(&w.st);
	return rc;
}

const struct command cmd_events = {
    .name = "events",
    .usage = "[--stats] [--interval TIME] ID",
    .help = "tells what a container uses, and when memory runs out",
    .run = run,
};
