// SPDX-License-Identifier: Apache-2.0
// Following a job's log. What is waited for: the file to appear, to grow or to be removed (inotify), the job
// to end (job_watch), and the moment after which nothing is wanted (until). Reading itself is log_reader.c.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#include "jobletd/log_follow.h"

struct log_follow {
	sd_event *loop;
	struct jobs *jobs;
	char id[JOB_ID_LEN + 1];
	struct log_options o;
	bool live, final, until_over;
	char *path;
	struct log_reader *reader;
	sd_event_source *inotify, *timer;
	struct job_watch watch;
	void (*ready)(void *userdata);
	void *userdata;
};

static int on_inotify(sd_event_source *s attr_unused, const struct inotify_event *event attr_unused,
		      void *userdata)
{
	struct log_follow *f = userdata;
	f->ready(f->userdata);
	return 0;
}

static int on_until(sd_event_source *s attr_unused, uint64_t usec attr_unused, void *userdata)
{
	struct log_follow *f = userdata;
	f->until_over = true;
	f->ready(f->userdata);
	return 0;
}

static void on_state(struct job_watch *w, const struct job_info *info)
{
	struct log_follow *f = container_of(w, struct log_follow, watch);
	if (!job_state_is_final(info->state))
		return;
	f->final = true;
	if (f->reader)
		log_reader_set_final(f->reader);
	f->ready(f->userdata);
}

// The watch stands before the first read, so that nothing is written in between unseen; the one before it
// goes only when this one stands: a log that appears while it is looked for is not missed.
static int watch_path(struct log_follow *f, const char *path, uint32_t mask, struct err *e)
{
	sd_event_source *watch = NULL;
	int rc = sd_event_add_inotify(f->loop, &watch, path, mask, on_inotify, f);
	if (rc == -ENOENT)
		return rc;
	if (rc < 0)
		return err_sys(e, rc, "cannot watch the log");
	sd_event_source_disable_unref(f->inotify);
	f->inotify = watch;
	return 0;
}

static int watch_folder(struct log_follow *f, struct err *e)
{
	cleanup_free char *folder = xstrdup(f->path);
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = 0;
	return watch_path(f, folder, IN_CREATE | IN_MOVED_TO, e);
}

// Opens the log if it is there. 0; -ENOENT; -errno.
static int open_log(struct log_follow *f, struct err *e)
{
	if (f->live && !f->final) {
		int rc = watch_path(f, f->path, IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF, e);
		if (rc)
			return rc;
	}
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_sys(e, -errno, "cannot open the log");
	int rc = log_reader_open_take(fd, &f->o, &f->reader, e);
	if (!rc && f->final)
		log_reader_set_final(f->reader);
	return rc;
}

static int open_or_wait(struct log_follow *f, struct err *e)
{
	int rc = open_log(f, e);
	if (rc != -ENOENT || !f->live || f->final)
		return rc == -ENOENT ? 0 : rc;
	rc = watch_folder(f, e);
	if (!rc)
		rc = open_log(f, e); // it may have come between the look and the watch
	return rc == -ENOENT ? 0 : rc;
}

static int start_timer(struct log_follow *f, struct err *e)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (f->o.until_ns <= (int64_t)now.tv_sec * 1000000000 + now.tv_nsec) {
		f->until_over = true;
		return 0;
	}
	int rc = sd_event_add_time(f->loop, &f->timer, CLOCK_REALTIME, (uint64_t)(f->o.until_ns / 1000) + 1,
				   1000, on_until, f);
	return rc < 0 ? err_sys(e, rc, "timer") : 0;
}

static int start(struct log_follow *f, struct err *e)
{
	struct job_info *info = NULL;
	if (f->live)
		job_watch(f->jobs, f->id, &f->watch);
	int rc = job_get(f->jobs, f->id, &info, e);
	if (rc)
		return rc;
	f->final = job_state_is_final(info->state);
	job_info_free(info);
	if (f->o.until_ns && f->live)
		rc = start_timer(f, e);
	if (!rc)
		rc = open_or_wait(f, e);
	if (!f->reader && f->o.from_offset < 0)
		f->o.from_offset = 0; // all of it comes from now on
	return rc;
}

int log_follow_open(sd_event *loop, struct jobs *jobs, const char *id, const struct log_options *o, bool live,
		    void (*ready)(void *userdata), void *userdata, struct log_follow **out, struct err *e)
{
	struct log_follow *f = xcalloc(1, sizeof(*f));
	f->loop = loop;
	f->jobs = jobs;
	memcpy(f->id, id, sizeof(f->id));
	f->o = *o;
	f->live = live;
	f->path = job_log_path(jobs, id);
	f->ready = ready;
	f->userdata = userdata;
	f->watch.fn = on_state;
	int rc = start(f, e);
	if (rc) {
		log_follow_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void log_follow_free(struct log_follow *f)
{
	if (!f)
		return;
	job_unwatch(&f->watch);
	sd_event_source_disable_unref(f->inotify);
	sd_event_source_disable_unref(f->timer);
	log_reader_free(f->reader);
	free(f->path);
	free(f);
}

int log_follow_next(struct log_follow *f, struct log_chunk *out, struct err *e)
{
	// What is said about the end is asked before the file: nothing is written behind it.
	bool ends = !f->live || f->final || f->until_over;
	int rc = f->reader ? 0 : open_or_wait(f, e);
	if (!rc && f->reader)
		rc = log_reader_next(f->reader, out, e);
	if (rc == LOG_READER_DONE)
		return LOG_FOLLOW_END;
	if (rc == LOG_READER_AGAIN)
		return LOG_FOLLOW_AGAIN;
	return rc == 0 && ends ? LOG_FOLLOW_END : rc;
}
