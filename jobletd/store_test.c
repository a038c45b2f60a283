// SPDX-License-Identifier: Apache-2.0
// The store: one commit a turn, nothing seen before it, all undone when it fails; questions; files that are
// damaged, newer, locked, full; and that a long history costs a new job nothing.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "jobletd/job_private.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

static unsigned count, failed;
static char dir[64];
static sd_event *loop;

static void ok(bool good, const char *name, const char *detail)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++count, name);
	if (!good) {
		failed++;
		printf("# %s\n", detail);
	}
}

// A change that remembers what it heard.
struct heard {
	struct store_change change;
	unsigned times;
	int rc;
	struct err err;
};

static void on_done(struct store_change *c, int rc, const struct err *e)
{
	struct heard *h = container_of(c, struct heard, change);

	h->times++;
	h->rc = rc;
	if (e)
		h->err = *e;
}

static void turn(const struct heard *h)
{
	for (unsigned i = 0; i < 100 && !h->times; i++)
		if (sd_event_run(loop, 0) < 0)
			exit(1);
}

static void id_of(unsigned n, char id[JOB_ID_LEN + 1])
{
	snprintf(id, JOB_ID_LEN + 1, "%08x-0000-4000-8000-%012x", n * 2654435761u, n);
}

static void insert(struct store *s, unsigned n, enum job_state state, const char *name, const char *key,
		   struct heard *h)
{
	char command[] = "true";
	char owner[] = "alice";
	char label[] = "team=x";
	char *labels[] = {label, NULL};
	struct job_info info = {.seq = store_next_seq(s), .created_ns = n};
	struct job_run run = {.state = state, .slot = -1, .queued_ns = n};

	id_of(n, info.id);
	info.request.command = command;
	info.request.owner = owner;
	info.request.name = (char *)(uintptr_t)name;
	info.request.idempotency_key = (char *)(uintptr_t)key;
	info.request.labels = n % 2 ? labels : NULL;
	*h = (struct heard){.change.done = on_done};
	store_insert(s, &info, &run, false, &h->change);
}

static struct store *open_store(struct err *e, int *rc)
{
	struct store *s = NULL;

	*e = (struct err){0};
	*rc = store_open(dir, loop, &s, e);
	return s;
}

static void changes(void)
{
	struct err e;
	int rc;
	struct store *s = open_store(&e, &rc);
	struct heard h[3];
	char id[JOB_ID_LEN + 1];
	char found[JOB_ID_LEN + 1];
	struct job_info info;
	struct job_run run = {.state = JOB_RUNNING,
			      .slot = 3,
			      .pid = 7,
			      .pid_start = UINT64_MAX - 5,
			      .stop = JOB_STOP_ASKED,
			      .stop_by = "bob",
			      .kill_as = 15};

	ok(rc == 0, "a new store", e.msg);
	if (rc < 0)
		return;
	insert(s, 1, JOB_PENDING, "one", "k", &h[0]);
	insert(s, 2, JOB_PENDING, "", "", &h[1]);
	id_of(1, id);
	ok(h[0].times == 0 && store_get(s, id, &info, &e) == -ENOENT, "nothing is seen before the commit",
	   e.msg);
	ok(store_find_key(s, "alice", "k", found, &e) == 0 && str_eq(found, id), "but a key is", e.msg);
	turn(&h[0]);
	ok(h[0].times == 1 && h[1].times == 1 && h[0].rc == 0 && h[1].rc == 0, "one turn commits both",
	   h[0].err.msg);
	ok(store_get(s, id, &info, &e) == 0 && info.seq == 1 && str_eq(info.request.command, "true") &&
	       str_eq(info.request.name, "one") && str_eq(info.request.labels[0], "team=x"),
	   "read back", e.msg);
	job_info_clear(&info);
	h[0].times = h[1].times = 0;
	store_update(s, id, &run, &h[0].change);
	insert(s, 3, JOB_PENDING, "", "k", &h[2]); // the key is taken: this one fails
	turn(&h[2]);
	ok(h[0].times == 1 && h[0].rc < 0 && h[2].rc < 0, "a change that fails takes the turn with it",
	   h[0].err.msg);
	ok(store_get_run(s, id, &run, &e) == 0 && run.state == JOB_PENDING, "all of it",
	   job_state_name(run.state));
	run = (struct job_run){.state = JOB_RUNNING,
			       .slot = 3,
			       .pid = 7,
			       .pid_start = UINT64_MAX - 5,
			       .stop = JOB_STOP_ASKED,
			       .stop_by = "bob",
			       .kill_as = 15};
	h[0].times = 0;
	store_update(s, id, &run, &h[0].change);
	store_close(s); // commits
	ok(h[0].times == 1 && h[0].rc == 0, "closing commits", h[0].err.msg);
	s = open_store(&e, &rc);
	ok(rc == 0 && store_get_run(s, id, &run, &e) == 0 && run.state == JOB_RUNNING && run.slot == 3 &&
	       run.pid_start == UINT64_MAX - 5 && run.stop == JOB_STOP_ASKED && str_eq(run.stop_by, "bob") &&
	       run.kill_as == 15,
	   "and it is there again", e.msg);
	ok(store_next_seq(s) == 3, "numbers go on", "");
	store_close(s);
}

static int count_one(void *userdata, const struct job_info *info)
{
	unsigned *n = userdata;

	(void)info;
	(*n)++;
	return 0;
}

static unsigned list(struct store *s, const struct job_filter *f)
{
	struct err e = {0};
	unsigned n = 0;

	return store_list(s, f, count_one, &n, &e) == 0 ? n : 9999;
}

static void questions(void)
{
	struct err e;
	int rc;
	struct store *s = open_store(&e, &rc);
	struct heard h;
	char ids[4][JOB_ID_LEN + 1];
	char id[JOB_ID_LEN + 1];
	char label[] = "team=x";
	char *labels[] = {label, NULL};
	size_t found;
	char **gone = NULL;
	size_t gone_count = 0;

	for (unsigned n = 10; n < 30; n++)
		insert(s, n, n % 3 ? JOB_COMPLETED : JOB_FAILED, n == 15 || n == 25 ? "same" : "", "", &h);
	turn(&h);
	id_of(25, id);
	ok(store_find_name(s, "same", ids[0], &e) == 0 && str_eq(ids[0], id), "the newest of a name", e.msg);
	ok(store_find_name(s, "", ids[0], &e) == -ENOENT, "no name is nobody's", "");
	id_of(29, id);
	ok(store_find_last(s, "alice", ids[0], &e) == 0 && str_eq(ids[0], id), "the newest of an owner",
	   e.msg);
	id[8] = '\0';
	ok(store_find_prefix(s, id, ids, 4, &found, &e) == 0 && found == 1, "a prefix", e.msg);
	ok(store_find_prefix(s, "", ids, 4, &found, &e) == 0 && found == 4, "as many as there is room for",
	   e.msg);
	ok(list(s, &(struct job_filter){0}) == 22 && list(s, &(struct job_filter){.limit = 5}) == 5, "lists",
	   "");
	ok(list(s, &(struct job_filter){.states = 1u << JOB_FAILED}) == 6, "by state", "");
	ok(list(s, &(struct job_filter){.labels = labels}) == 11, "by label", "");
	ok(list(s, &(struct job_filter){.name = "same"}) == 2 &&
	       list(s, &(struct job_filter){.owner = "bob"}) == 0 &&
	       list(s, &(struct job_filter){.since_ns = 20}) == 10 &&
	       list(s, &(struct job_filter){.before_seq = 3}) == 2 &&
	       list(s, &(struct job_filter){.runtime = "x"}) == 0,
	   "by the rest", "");
	h = (struct heard){.change.done = on_done};
	store_delete_ended(s, &gone, &gone_count, &h.change);
	turn(&h);
	ok(h.rc == 0 && gone_count == 20 && list(s, &(struct job_filter){0}) == 2, "delete all that ended",
	   h.err.msg);
	for (size_t i = 0; i < gone_count; i++)
		free(gone[i]);
	free(gone);
	h = (struct heard){.change.done = on_done};
	id_of(1, id);
	store_delete(s, id, &h.change);
	turn(&h);
	ok(h.rc == 0 && !store_has(s, id), "delete one", h.err.msg);
	h = (struct heard){.change.done = on_done};
	store_barrier(s, &h.change);
	turn(&h);
	ok(h.times == 1 && h.rc == 0, "a barrier", "");
	char before[64];
	ok(store_swap_boot(s, "a", before, &e) == 0 && before[0] == '\0' &&
	       store_swap_boot(s, "b", before, &e) == 0 && str_eq(before, "a"),
	   "the boot", e.msg);
	store_close(s);
}

static void write_file(const char *name, const char *content)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_write_all(fd, content, strlen(content)) < 0)
		exit(1);
}

static void clear(void)
{
	cleanup_closedir DIR *d = opendir(dir);

	for (struct dirent *entry; d && (entry = readdir(d));)
		if (entry->d_name[0] != '.' && unlinkat(dirfd(d), entry->d_name, 0) < 0)
			exit(1);
}

static void run_sql(const char *sql)
{
	cleanup_free char *path = xasprintf("%s/joblet.db", dir);
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		exit(1);
	sqlite3_close(db);
}

static void trouble(void)
{
	struct err e;
	int rc;
	struct store *s = open_store(&e, &rc);
	struct store *second = open_store(&e, &rc);

	ok(!second && rc == -EBUSY && strstr(e.msg, "another jobletd"), "a second daemon on the same home",
	   e.msg);
	store_close(s);
	clear();
	write_file("joblet.db", "this is no database, and it is long enough to be seen as what it is not: a "
				"text of some length ......");
	s = open_store(&e, &rc);
	ok(!s && rc == -EIO && strstr(e.msg, "damaged"), "a damaged file", e.msg);
	clear();
	run_sql("PRAGMA user_version = 99");
	s = open_store(&e, &rc);
	ok(!s && rc == -EINVAL && strstr(e.msg, "newer jobletd"), "a file of a newer one", e.msg);
	clear();
}

// A file as the first jobletd made it: its jobs are still there, and new ones keep what they used.
static void older(void)
{
	struct err e;
	int rc;
	struct heard h;
	char id[JOB_ID_LEN + 1];
	struct job_info info;
	struct job_run run = {.state = JOB_COMPLETED,
			      .slot = -1,
			      .usage = {true, 1LL << 40, 2, -1, 4, 5, INT64_MAX}};

	id_of(1, id);
	struct store *s = open_store(&e, &rc);
	if (rc < 0)
		return ok(false, "an older file", e.msg);
	insert(s, 1, JOB_COMPLETED, "one", "", &h);
	turn(&h);
	store_close(s);
	run_sql("ALTER TABLE job DROP COLUMN memory_peak; ALTER TABLE job DROP COLUMN cpu_ns;"
		"ALTER TABLE job DROP COLUMN io_read; ALTER TABLE job DROP COLUMN io_written;"
		"ALTER TABLE job DROP COLUMN lines_dropped; ALTER TABLE job DROP COLUMN bytes_dropped;"
		"PRAGMA user_version = 1");
	s = open_store(&e, &rc);
	if (rc < 0)
		return ok(false, "an older file", e.msg);
	rc = store_get(s, id, &info, &e);
	ok(rc == 0 && str_eq(info.request.name, "one") && !info.usage.is_known, "a job of an older file",
	   e.msg);
	if (rc == 0)
		job_info_clear(&info);
	h = (struct heard){.change.done = on_done};
	store_update(s, id, &run, &h.change);
	turn(&h);
	store_close(s);
	s = open_store(&e, &rc);
	struct job_run read = {0};
	ok(rc == 0 && h.rc == 0 && store_get_run(s, id, &read, &e) == 0 && read.usage.is_known &&
	       read.usage.memory_peak == 1LL << 40 && read.usage.cpu_ns == 2 && read.usage.io_read == -1 &&
	       read.usage.io_written == 4 && read.usage.lines_dropped == 5 &&
	       read.usage.bytes_dropped == INT64_MAX,
	   "what a job used", e.msg);
	store_close(s);
	clear();
	run_sql("PRAGMA user_version = -1");
	s = open_store(&e, &rc);
	ok(!s && rc == -EINVAL, "a file of no known format", e.msg);
	clear();
}

// On a small tmpfs, in a mount namespace and with a loop of its own.
static int full_disk(void)
{
	struct err e;
	int rc;
	struct heard h;
	unsigned n = 100;
	bool told = false;

	sd_event_unref(loop);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    sd_event_new(&loop) < 0 || mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=512k") < 0)
		return 2;
	struct store *s = open_store(&e, &rc);
	if (rc < 0) {
		printf("# %s\n", e.msg);
		fflush(stdout);
		return 3;
	}
	for (; n < 5000 && !told; n++) {
		insert(s, n, JOB_COMPLETED, "", "", &h);
		turn(&h);
		told = h.rc != 0;
	}
	if (!told || h.rc != -ENOSPC || !strstr(h.err.msg, "the disk is full"))
		return 4;
	unsigned there = list(s, &(struct job_filter){0});
	if (there != n - 1 - 100)
		return 5;
	// Room again: it goes on.
	if (mount("none", dir, "none", MS_REMOUNT | MS_NOSUID | MS_NODEV, "size=8m") < 0)
		return 6;
	insert(s, n, JOB_COMPLETED, "", "", &h);
	turn(&h);
	if (h.rc != 0 || list(s, &(struct job_filter){0}) != there + 1)
		return 7;
	store_close(s);
	sd_event_unref(loop);
	return 0;
}

static void full(void)
{
	if (geteuid() != 0) {
		ok(true, "a full disk # SKIP needs root to mount a small one", "");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(full_disk());
	int status = -1;
	waitpid(pid, &status, 0);
	char text[32];
	snprintf(text, sizeof(text), "status %d", status >> 8);
	ok(status == 0, "a full disk is told, nothing is half there, and it goes on when there is room",
	   text);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double time_jobs(struct store *s, unsigned from)
{
	struct heard h;
	double began = seconds();

	for (unsigned n = from; n < from + 300; n++) {
		struct job_run run = {.state = JOB_COMPLETED, .slot = -1};
		char id[JOB_ID_LEN + 1];
		insert(s, n, JOB_PENDING, "", "", &h);
		turn(&h);
		id_of(n, id);
		h.times = 0;
		store_update(s, id, &run, &h.change);
		turn(&h);
	}
	return seconds() - began;
}

static void history(void)
{
	struct err e;
	int rc;
	struct heard h;
	char detail[64];

	clear();
	struct store *s = open_store(&e, &rc);
	if (rc < 0)
		return ok(false, "a long history", e.msg);
	double empty = time_jobs(s, 1000000);
	for (unsigned n = 0; n < 100000; n++)
		insert(s, n + 1, JOB_COMPLETED, "", "", &h);
	turn(&h);
	time_jobs(s, 3000000); // what the many rows left to do is done
	double with = time_jobs(s, 2000000);
	snprintf(detail, sizeof(detail), "300 jobs: %.3f s with none, %.3f s with 100000", empty, with);
	printf("# %s\n", detail);
	// A bound that a scan of the history would break by far, whatever else the machine does.
	ok(with < 3 * empty + 0.5, "a history of 100000 jobs costs a new one nothing", detail);
	store_close(s);
}

int main(void)
{
	struct err e = {0};

	snprintf(dir, sizeof(dir), "/tmp/joblet-test-store-XXXXXX");
	if (!mkdtemp(dir) || sd_event_new(&loop) < 0)
		return 1;
	changes();
	questions();
	trouble();
	older();
	full();
	history();
	if (file_remove_tree(AT_FDCWD, dir, &e) < 0)
		ok(false, "clean up", e.msg);
	sd_event_unref(loop);
	printf("1..%u\n", count);
	return failed != 0;
}
