// SPDX-License-Identifier: Apache-2.0
// The `process` of exec: of a file or of the container, and what the command line changes. No system calls.
#include <errno.h>
#include <string.h>

#include "joblet-runtime/caps.h"
#include "joblet-runtime/exec.h"
#include "joblet-runtime/spec_read.h"
#include "lib/base/str.h"

#define ID_MAX ((int64_t)UINT32_MAX - 1) // the last number stands for "no id"

static int set_args(struct spec *s, const char **args)
{
	size_t n = 0;
	while (args[n])
		n++;
	if (n == 0)
		return 0;
	s->process.args = args;
	s->process.arg_count = n;
	return 0;
}

// A variable that is there already gets the new value; the rest is added.
static int set_env(struct spec *s, char **env, struct err *e)
{
	struct spec_process *p = &s->process;
	size_t n = strv_len(env);
	if (n == 0)
		return 0;
	const char **all = spec_alloc(s, p->env_count + n + 1, sizeof(*all));
	size_t count = p->env_count;
	for (size_t i = 0; i < count; i++)
		all[i] = p->env[i];
	for (size_t i = 0; i < n; i++) {
		size_t name = strcspn(env[i], "="), k = 0;
		if (name == 0 || !env[i][name])
			return err_set(e, -EINVAL, "--env \"%.64s\" is not NAME=VALUE", env[i]);
		while (k < count && strncmp(all[k], env[i], name + 1) != 0)
			k++;
		all[k] = env[i];
		count += k == count;
	}
	p->env = all;
	p->env_count = count;
	return 0;
}

static int set_user(struct spec_process *p, const char *user, struct err *e)
{
	if (!user)
		return 0;
	const char *colon = strchr(user, ':');
	cleanup_free char *name = colon ? xstrndup(user, (size_t)(colon - user)) : xstrdup(user);
	int64_t uid, gid = p->gid;
	if (str_to_i64(name, 0, ID_MAX, &uid) != 0 || (colon && str_to_i64(colon + 1, 0, ID_MAX, &gid) != 0))
		return err_set(e, -EINVAL, "--user \"%.64s\" is not UID or UID:GID, numbers both", user);
	p->uid = (uint32_t)uid;
	p->gid = (uint32_t)gid;
	return 0;
}

static int set_groups(struct spec *s, char **groups, struct err *e)
{
	struct spec_process *p = &s->process;
	size_t n = strv_len(groups);
	if (n == 0)
		return 0;
	uint32_t *all = spec_alloc(s, p->group_count + n, sizeof(*all));
	for (size_t i = 0; i < p->group_count; i++)
		all[i] = p->groups[i];
	for (size_t i = 0; i < n; i++) {
		int64_t gid;
		if (str_to_i64(groups[i], 0, ID_MAX, &gid) != 0)
			return err_set(e, -EINVAL, "--additional-gids \"%.64s\" is not a group id",
				       groups[i]);
		all[p->group_count + i] = (uint32_t)gid;
	}
	p->groups = all;
	p->group_count += n;
	return 0;
}

// Bounding, effective and permitted, as runc: not inheritable, so that nothing gets it by a file
// (CVE-2022-29162).
static int set_caps(struct spec_process *p, char **names, struct err *e)
{
	for (size_t i = 0; names && names[i]; i++) {
		int number = caps_number(names[i]);
		if (number < 0)
			return err_set(e, -EINVAL, "--cap: unknown capability \"%.64s\"", names[i]);
		uint64_t bit = (uint64_t)1 << number;
		p->caps.bounding |= bit;
		p->caps.permitted |= bit;
		p->caps.effective |= bit;
		p->has_caps = true;
	}
	return 0;
}

static int check(const struct spec *s, const struct exec_options *o, struct err *e)
{
	const struct spec_process *p = &s->process;
	if (p->arg_count == 0)
		return err_set(e, -EINVAL, "process args cannot be empty");
	if (!p->args[0][0])
		return err_set(e, -EINVAL, "the name of the program is empty");
	if (p->cwd[0] != '/')
		return err_set(e, -EINVAL, "--cwd %.256s is not an absolute path", p->cwd);
	if (p->terminal && o->detached && !o->console_socket)
		return err_set(e, -EINVAL, "a terminal of a detached process needs --console-socket");
	if (!p->terminal && o->console_socket)
		return err_set(e, -EINVAL, "--console-socket needs a terminal: --tty, or process.terminal");
	return spec_check_ids(s, e);
}

int exec_process(struct spec *s, const struct spec *file, const struct exec_options *o, struct err *e)
{
	struct spec_process *p = &s->process;
	int rc;
	if (file) {
		*p = file->process;
	} else {
		p->terminal = false; // of the first process only
		p->args = NULL;
		p->arg_count = 0;
	}
	p->terminal = p->terminal || o->terminal;
	p->no_new_privs = p->no_new_privs || o->no_new_privs;
	if (o->cwd)
		p->cwd = o->cwd;
	if (o->label)
		p->selinux_label = o->label;
	if (o->apparmor)
		p->apparmor_profile = o->apparmor;
	if ((rc = set_args(s, o->args)) || (rc = set_env(s, o->env, e)) || (rc = set_user(p, o->user, e)) ||
	    (rc = set_groups(s, o->groups, e)) || (rc = set_caps(p, o->caps, e)))
		return rc;
	return check(s, o, e);
}
