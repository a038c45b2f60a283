// SPDX-License-Identifier: Apache-2.0
// list: the containers of this root.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/state.h"
#include "lib/base/str.h"

enum format { TABLE, JSON, QUIET };

struct list {
	enum format format;
	struct json_out json;
	struct buf text;
};

static void show_json(struct list *l, const struct state *st, enum state_status status)
{
	struct json_out *o = &l->json;
	json_open_obj(o);
	json_kv_str(o, "ociVersion", st->oci_version ? st->oci_version : "1.0.2");
	json_kv_str(o, "id", st->id);
	json_kv_i64(o, "pid", status == STATE_STOPPED ? 0 : st->pid);
	json_kv_str(o, "status", state_status_name(status));
	json_kv_str(o, "bundle", st->bundle ? st->bundle : "");
	json_kv_str(o, "rootfs", st->rootfs ? st->rootfs : "");
	json_kv_str(o, "created", st->created ? st->created : "");
	json_kv_str(o, "owner", "root");
	json_close_obj(o);
}

static void show(struct list *l, const struct state *st)
{
	enum state_status status = state_status(st);
	if (l->format == JSON)
		show_json(l, st, status);
	else if (l->format == QUIET)
		buf_printf(&l->text, "%s\n", st->id);
	else
		buf_printf(&l->text, "%-36s %-10d %-10s %-48s %-31s root\n", st->id,
			   status == STATE_STOPPED ? 0 : st->pid, state_status_name(status),
			   st->bundle ? st->bundle : "-", st->created ? st->created : "-");
}

static int walk(struct list *l, const char *root, struct err *e)
{
	cleanup_closedir DIR *dir = opendir(root);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "cannot read %s", root);
	struct dirent *d;
	while ((d = readdir(dir))) {
		struct err ignored = {0};
		cleanup_state struct state st;
		// One that goes away meanwhile, or cannot be read, does not hide the others.
		if (state_open(root, d->d_name, &st, &ignored) == 0)
			show(l, &st);
	}
	return 0;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *quiet = NULL, *format = "table", *rest[1];
	int n_rest;
	const struct option_def options[] = {{"quiet", 'q', false, &quiet, "ids only", NULL},
					     {"format", 'f', true, &format, "table or json", NULL}};
	int rc = args_parse(&cmd_list, options, ARRAY_LEN(options), args, n, rest, 0, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(e, -EINVAL, "list: --format must be table or json");
	struct list l = {.format = quiet ? QUIET : str_eq(format, "json") ? JSON : TABLE};
	if (l.format == TABLE)
		buf_printf(&l.text, "%-36s %-10s %-10s %-48s %-31s %s\n", "ID", "PID", "STATUS", "BUNDLE",
			   "CREATED", "OWNER");
	json_out_begin(&l.json, &l.text, false);
	if (l.format == JSON)
		json_open_arr(&l.json);
	rc = walk(&l, g->root, e);
	if (l.format == JSON) {
		json_close_arr(&l.json);
		if (!rc && (rc = json_out_end(&l.json)))
			rc = err_sys(e, rc, "cannot write the list");
		buf_add_str(&l.text, "\n");
	}
	if (!rc && l.text.data)
		fputs(l.text.data, stdout);
	buf_free(&l.text);
	return rc;
}

const struct command cmd_list = {
    .name = "list",
    .usage = "[-q] [-f table|json]",
    .help = "lists the containers",
    .run = run,
};
