// SPDX-License-Identifier: Apache-2.0
// What is left of a job that has ended: the container's state and cgroups (by the runtime), the bundle, the
// exit file, the user ids. The job's log and row stay until it is deleted. Work that can take long is a child
// process; a daemon that dies meanwhile finds the rest at its next start.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "jobletd/bundle.h"
#include "jobletd/command.h"
#include "jobletd/job_private.h"
#include "jobletd/shim.h"
#include "jobletd/slot.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define PURGE_AT_ONCE 200

static void start_next(struct jobs *js);

static void finish(struct job *j, bool is_gone)
{
	struct jobs *js = j->js;
	cleanup_free char *exit_file = xasprintf("%s/%s", js->cfg->path.exits, j->id);

	if (unlink(exit_file) < 0 && errno != ENOENT)
		log_warn("%s: %s", exit_file, strerror(errno));
	// Ids of which something may still live are not given to another job; the next start of the daemon
	// frees them.
	if (is_gone)
		slots_release(js->slots, j->run.slot);
	js->cleaning--;
	job_free(j);
	job_dispatch_soon(js);
	start_next(js);
}

static void on_tree_removed(void *userdata, int status, const char *said)
{
	struct job *j = userdata;

	j->command = NULL;
	if (status != 0)
		log_warn("job %s: its bundle is not gone: %s", j->id, said);
	finish(j, status == 0);
}

static bool is_empty(const char *path)
{
	cleanup_closedir DIR *d = opendir(path);

	for (struct dirent *entry; d && (entry = readdir(d));)
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			return false;
	return true;
}

// A job that left files in its work directory may have left a million of them.
static void remove_bundle(struct job *j)
{
	struct jobs *js = j->js;
	cleanup_free char *dir = bundle_dir(js->bundles, j->id);
	cleanup_free char *work = xasprintf("%s/work", dir);
	struct err e = {0};
	int rc;

	if (is_empty(work)) {
		rc = bundle_remove(js->bundles, j->id, &e);
	} else {
		const char *argv[] = {"/bin/rm", "-rf", "--one-file-system", "--", dir, NULL};
		rc = command_start(js->loop, argv, on_tree_removed, j, &j->command, &e);
		if (rc == 0)
			return;
	}
	if (rc < 0)
		log_warn("job %s: its bundle is not gone: %s", j->id, e.msg);
	finish(j, rc == 0);
}

static void on_container_deleted(void *userdata, int status, const char *said)
{
	struct job *j = userdata;

	j->command = NULL;
	if (status != 0) {
		log_error("job %s: the runtime did not delete its container: %s", j->id, said);
		finish(j, false);
		return;
	}
	remove_bundle(j);
}

static void start(struct job *j)
{
	struct jobs *js = j->js;
	const char *argv[] = {
	    js->cfg->programs.runtime, "--root", js->runtime_root, "delete", "--force", j->id, NULL};
	struct err e = {0};

	if (j->run.slot < 0) { // it never had a place
		finish(j, true);
		return;
	}
	if (command_start(js->loop, argv, on_container_deleted, j, &j->command, &e) == 0)
		return;
	if (j->is_created)
		log_error("job %s: its container is not deleted: %s", j->id, e.msg);
	if (j->is_created)
		finish(j, false);
	else
		remove_bundle(j);
}

static void start_next(struct jobs *js)
{
	while (js->clean_head && js->cleaning < CLEANS_AT_ONCE && !js->is_closing) {
		struct job *j = js->clean_head;
		js->clean_head = j->clean_next;
		if (!js->clean_head)
			js->clean_tail = &js->clean_head;
		js->cleaning++;
		start(j);
	}
}

void job_clean(struct job *j)
{
	struct jobs *js = j->js;

	if (j->is_cleaning)
		return;
	j->is_cleaning = true;
	j->clean_next = NULL;
	*js->clean_tail = j;
	js->clean_tail = &j->clean_next;
	// Not from within: whoever stepped the job may still look at it.
	job_dispatch_soon(js);
}

void job_clean_some(struct jobs *js)
{
	start_next(js);
}

int job_purge_some(sd_event_source *source, void *userdata)
{
	struct jobs *js = userdata;

	for (unsigned n = 0; n < PURGE_AT_ONCE && js->purge_at < js->purge_len; n++, js->purge_at++) {
		cleanup_free char *id = js->purge[js->purge_at];
		cleanup_free char *log = job_log_path(js, id);
		if (unlink(log) < 0 && errno != ENOENT)
			log_warn("%s: %s", log, strerror(errno));
	}
	if (js->purge_at < js->purge_len)
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	free(take_ptr(js->purge));
	js->purge_at = js->purge_len = 0;
	return 0;
}

void job_purge(struct jobs *js, char **ids, size_t n)
{
	if (n) {
		js->purge = xrealloc(js->purge, (js->purge_len + n) * sizeof(char *));
		memcpy(js->purge + js->purge_len, ids, n * sizeof(char *));
		js->purge_len += n;
		sd_event_source_set_enabled(js->purge_source, SD_EVENT_ONESHOT);
	}
	free(ids);
}
