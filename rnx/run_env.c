// SPDX-License-Identifier: Apache-2.0
// Environment, secrets and labels of a job to be. A secret is best never on a command line, where every user
// of the machine can read it.
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "rnx/print.h"
#include "rnx/rnx.h"
#include "rnx/run_env.h"

#define VALUE_MAX ((size_t)32768)

_Static_assert(sizeof(Joblet__RunJobRequest__EnvironmentEntry) ==
		   sizeof(Joblet__RunJobRequest__SecretEnvironmentEntry),
	       "one shape");
_Static_assert(sizeof(Joblet__RunJobRequest__EnvironmentEntry) == sizeof(Joblet__RunJobRequest__LabelsEntry),
	       "one shape");
_Static_assert(offsetof(Joblet__RunJobRequest__EnvironmentEntry, value) ==
		   offsetof(Joblet__RunJobRequest__LabelsEntry, value),
	       "one shape");

static const char *const flag_names[] = {"--env", "--secret-env", "--label"};

static void set(struct run_env *env, enum run_env_kind kind, const char *name, char *value)
{
	for (size_t i = 0; i < env->count; i++)
		if (str_eq(env->entries[i]->key, name)) {
			free(env->entries[i]->value);
			env->entries[i]->value = value;
			return;
		}
	env->entries = xrealloc(env->entries, (env->count + 1) * sizeof(struct run_env *));
	void *entry = xcalloc(1, sizeof(Joblet__RunJobRequest__EnvironmentEntry));
	if (kind == RUN_ENV_SECRET)
		joblet__run_job_request__secret_environment_entry__init(entry);
	else if (kind == RUN_ENV_LABEL)
		joblet__run_job_request__labels_entry__init(entry);
	else
		joblet__run_job_request__environment_entry__init(entry);
	Joblet__RunJobRequest__EnvironmentEntry *e = entry;
	e->key = xstrdup(name);
	e->value = value;
	env->entries[env->count++] = e;
}

// A secret from a file, or from stdin; one line end at its end is not part of it.
static int read_secret(const char *name, const char *file, char **value)
{
	cleanup_close int fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	size_t len = 0;

	if (file && fd < 0)
		return print_fail(EXIT_CODE_FAILURE, "SECRET", NULL, "--secret-env %s: %s: %s", name, file,
				  strerror(errno));
	int rc = file_read_fd(file ? fd : STDIN_FILENO, VALUE_MAX + 2, value, &len);
	if (rc < 0)
		return print_fail(EXIT_CODE_FAILURE, "SECRET", NULL, "--secret-env %s: %s: %s", name,
				  file ? file : "stdin", strerror(-rc));
	if (len && (*value)[len - 1] == '\n')
		(*value)[--len] = '\0';
	if (len && (*value)[len - 1] == '\r')
		(*value)[--len] = '\0';
	if (strlen(*value) != len)
		return print_fail(EXIT_CODE_FAILURE, "SECRET", NULL, "--secret-env %s: there is a NUL in it",
				  name);
	return 0;
}

static int take_value(enum run_env_kind kind, const char *name, const char *given, char **value)
{
	if (!given) {
		const char *own = getenv(name);
		if (!own)
			return print_usage(NULL, "%s %s: rnx has no variable of this name", flag_names[kind],
					   name);
		*value = xstrdup(own);
		return 0;
	}
	if (kind == RUN_ENV_SECRET && str_eq(given, "-"))
		return read_secret(name, NULL, value);
	if (kind == RUN_ENV_SECRET && given[0] == '@')
		return read_secret(name, given + 1, value);
	if (kind == RUN_ENV_SECRET)
		print_note("warning: --secret-env %s: a secret on the command line can be read by every user "
			   "of this machine; use %s from "
			   "the environment, or %s=@FILE",
			   name, name, name);
	*value = xstrdup(given);
	return 0;
}

static int add(struct run_env *env, const char *text, enum run_env_kind kind)
{
	const char *equals = strchr(text, '=');
	cleanup_free char *name = xstrndup(text, equals ? (size_t)(equals - text) : strlen(text));
	char *value = NULL;

	if (kind == RUN_ENV_LABEL && (!equals || !*name || !str_is_utf8(name, strlen(name))))
		return print_usage(NULL, "--label %s: KEY=VALUE is wanted", text);
	if (kind != RUN_ENV_LABEL && !str_is_env_name(name))
		return print_usage(NULL, "%s %s: not a name: letters, digits and _, no digit first",
				   flag_names[kind], name);
	int status = take_value(kind, name, equals ? equals + 1 : NULL, &value);
	// analyzed: take_value has set it
	if (status == 0 && strlen(value) > VALUE_MAX)
		status = print_usage(NULL, "%s %s: the value is longer than %zu bytes", flag_names[kind],
				     name, VALUE_MAX);
	// analyzed: take_value has set it
	if (status == 0 && !str_is_utf8(value, strlen(value)))
		status = print_usage(NULL, "%s %s: the value is not UTF-8", flag_names[kind], name);
	if (status == 0)
		set(env, kind, name, value);
	else
		free(value);
	return status;
}

int run_env_add(struct run_env *env, char *const *list, enum run_env_kind kind)
{
	int status = 0;

	for (size_t i = 0; list && list[i] && status == 0; i++)
		status = add(env, list[i], kind);
	return status;
}

void run_env_free(struct run_env *env)
{
	for (size_t i = 0; i < env->count; i++) {
		explicit_bzero(env->entries[i]->value, strlen(env->entries[i]->value));
		free(env->entries[i]->key);
		free(env->entries[i]->value);
		free(env->entries[i]);
	}
	free(env->entries);
	*env = (struct run_env){0};
}
