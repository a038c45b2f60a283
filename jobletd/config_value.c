// SPDX-License-Identifier: Apache-2.0
// One value of joblet-config.yml: read by the type of its row, printed, freed. Pure.
#include "jobletd/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"

#define LIST_MAX 1000

static void *field(struct config *c, const struct config_row *row)
{
	return (char *)c + row->offset;
}

int config_value_refuse(const struct conf_node *n, const char *wanted, struct err *e)
{
	char path[CONF_PATH_MAX];

	conf_path(n, path);
	if (n->type != CONF_TEXT)
		return conf_wrong(n, e, "%s must be %s, not a %s", path, wanted,
				  n->type == CONF_LIST ? "list" : "block of keys");
	return conf_wrong(n, e, "%s is \"%.100s\", must be %s", path, n->text, wanted);
}

// 0, or -EINVAL and what is wanted instead.
static int to_number(const struct config_row *row, const char *text, int64_t *out, char wanted[96])
{
	uint64_t size;
	int rc;

	switch (row->type) {
	case CONFIG_DURATION:
		rc = str_to_duration(text, out);
		snprintf(wanted, 96, "a duration such as 90s, 30m or 2h30m, from %g to %" PRId64 " seconds",
			 (double)row->min / 1e9, row->max / 1000000000);
		break;
	case CONFIG_SIZE:
		rc = str_to_bytes(text, &size);
		*out = rc || size > INT64_MAX ? -1 : (int64_t)size;
		snprintf(wanted, 96, "a size such as 4MB, from %" PRId64 " to %" PRId64 " bytes", row->min,
			 row->max);
		break;
	default:
		rc = str_to_i64(text, row->min, row->max, out);
		snprintf(wanted, 96, "a number from %" PRId64 " to %" PRId64, row->min, row->max);
	}
	return rc || *out < row->min || *out > row->max ? -EINVAL : 0;
}

static int set_number(const struct config_row *row, const struct conf_node *n, void *to, struct err *e)
{
	char wanted[96];
	int64_t v;

	if (to_number(row, n->text, &v, wanted))
		return config_value_refuse(n, wanted, e);
	if (row->type == CONFIG_UNSIGNED)
		*(unsigned *)to = (unsigned)v;
	else
		*(int64_t *)to = v;
	return 0;
}

static int set_choice(const struct config_row *row, const struct conf_node *n, int *to, struct err *e)
{
	cleanup_buf struct buf wanted = {0};

	for (int i = 0; row->choices[i]; i++) {
		if (str_eq(row->choices[i], n->text)) {
			*to = i;
			return 0;
		}
		buf_printf(&wanted, "%s%s",
			   i == 0		 ? ""
			   : row->choices[i + 1] ? ", "
						 : " or ",
			   row->choices[i]);
	}
	return config_value_refuse(n, wanted.data, e);
}

static bool is_line(const char *s)
{
	return !strpbrk(s, "\n\r");
}

static int set_text(const struct config_row *row, const struct conf_node *n, char **to, struct err *e)
{
	if (!(row->is_valid ? row->is_valid : is_line)(n->text))
		return config_value_refuse(n, row->is_valid ? row->wanted : "one line", e);
	*to = xstrdup(n->text);
	return 0;
}

static int set_pem(const struct conf_node *n, char **to, struct err *e)
{
	char path[CONF_PATH_MAX];

	conf_path(n, path);
	if (!strstr(n->text, "-----BEGIN "))
		return conf_wrong(n, e, "%s must be PEM text, -----BEGIN … and on", path);
	*to = xstrdup(n->text);
	return 0;
}

static int set_list(const struct config_row *row, const struct conf_node *n, char ***to, struct err *e)
{
	if (n->count > LIST_MAX)
		return config_value_refuse(n, "shorter", e);
	*to = xcalloc(n->count + 1, sizeof(char *));
	size_t i = 0;
	conf_for_each(it, n)
	{
		if (it->type != CONF_TEXT || conf_is_empty(it))
			return config_value_refuse(it, row->wanted ? row->wanted : "a text", e);
		int rc = set_text(row, it, &(*to)[i++], e);
		if (rc)
			return rc;
	}
	return 0;
}

static int set_fixed(const struct config_row *row, const struct conf_node *n, struct err *e)
{
	bool value, wanted = str_eq(row->fallback, "true");
	char text[300];

	if (wanted || str_eq(row->fallback, "false")) {
		if (conf_to_bool(n, &value) == 0 && value == wanted)
			return 0;
	} else if (str_eq(n->text, row->fallback)) {
		return 0;
	}
	snprintf(text, sizeof(text), "%s: %s", row->fallback, row->wanted);
	return config_value_refuse(n, text, e);
}

int config_value_set(struct config *c, const struct config_row *row, const struct conf_node *n, struct err *e)
{
	if (row->type == CONFIG_LIST ? n->type != CONF_LIST : n->type != CONF_TEXT)
		return config_value_refuse(n, row->type == CONFIG_LIST ? "a list" : "a single value", e);
	switch (row->type) {
	case CONFIG_TEXT: return set_text(row, n, field(c, row), e);
	case CONFIG_PEM: return set_pem(n, field(c, row), e);
	case CONFIG_LIST: return set_list(row, n, field(c, row), e);
	case CONFIG_CHOICE: return set_choice(row, n, field(c, row), e);
	case CONFIG_FIXED: return set_fixed(row, n, e);
	case CONFIG_TRUTH:
		return conf_to_bool(n, field(c, row)) ? config_value_refuse(n, "true or false", e) : 0;
	default: return set_number(row, n, field(c, row), e);
	}
}

void config_value_set_fallback(struct config *c, const struct config_row *row)
{
	const struct conf_node n = {.type = CONF_TEXT,
				    .text = row->fallback,
				    .plain = true,
				    .file = row->key};
	struct err e = {0};

	// A row whose own fallback is not valid is a mistake of ours.
	if (row->fallback && row->type != CONFIG_FIXED && config_value_set(c, row, &n, &e) != 0)
		abort();
}

// As a double-quoted YAML text.
static void print_text(const char *s, struct buf *out)
{
	buf_add_str(out, "\"");
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_printf(out, "\\x%02x", (unsigned char)*s);
		else
			buf_add(out, s, 1);
	}
	buf_add_str(out, "\"");
}

static void print_duration(int64_t ns, struct buf *out)
{
	if (ns % 1000000000)
		buf_printf(out, "%" PRId64 "ms", ns / 1000000);
	else
		buf_printf(out, "%" PRId64 "s", ns / 1000000000);
}

static void print_list(char *const *list, struct buf *out)
{
	buf_add_str(out, "[");
	for (size_t i = 0; list && list[i]; i++) {
		buf_add_str(out, i ? ", " : "");
		print_text(list[i], out);
	}
	buf_add_str(out, "]");
}

void config_value_print(const struct config *c, const struct config_row *row, struct buf *out)
{
	const void *at = (const char *)c + row->offset;

	switch (row->type) {
	case CONFIG_TEXT: print_text(*(char *const *)at, out); break;
	case CONFIG_PEM: buf_add_str(out, "\"***\""); break;
	case CONFIG_LIST: print_list(*(char **const *)at, out); break;
	case CONFIG_CHOICE: buf_add_str(out, row->choices[*(const int *)at]); break;
	case CONFIG_FIXED: print_text(row->fallback, out); break;
	case CONFIG_TRUTH: buf_add_str(out, *(const bool *)at ? "true" : "false"); break;
	case CONFIG_DURATION: print_duration(*(const int64_t *)at, out); break;
	case CONFIG_UNSIGNED: buf_printf(out, "%u", *(const unsigned *)at); break;
	default: buf_printf(out, "%" PRId64, *(const int64_t *)at);
	}
}

void config_value_free(struct config *c, const struct config_row *row)
{
	char **text = field(c, row);

	switch (row->type) {
	case CONFIG_PEM:
		if (*text)
			explicit_bzero(*text, strlen(*text));
		__attribute__((fallthrough));
	case CONFIG_TEXT: free(take_ptr(*text)); break;
	case CONFIG_LIST: strv_free(take_ptr(*(char ***)(void *)text)); break;
	default: break;
	}
}
