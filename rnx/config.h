// SPDX-License-Identifier: Apache-2.0
// rnx-config.yml: which servers there are, and with which certificate they are spoken to.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

struct config_node {
	char *name, *address, *node_id; // node_id may be NULL
	char *cert, *key, *ca;		// PEM
	bool is_default;
	unsigned line; // where its block begins
};

struct config {
	char *path;
	char *version;
	struct config_node *nodes;
	size_t count;
};

// Where the file is: path, else $RNX_CONFIG, else the first that exists of the places in specs/config.md.
// *out is the caller's. -ENOENT with a text that lists the places.
int config_find(const char *path, char **out, struct err *e) attr_must_check;

// Reads and checks it. A file that others than its owner can read is refused (-EPERM, and *hint is the
// command that mends it): there is a private key in it. An unknown key, a wrong type, a key twice: -EINVAL
// with file and line.
#define CONFIG_HINT_MAX 4200
int config_load(const char *path, struct config **out, char hint[CONFIG_HINT_MAX],
		struct err *e) attr_must_check;
// The same from a text. Makes no system call; path is for messages.
int config_parse(const char *path, const char *text, size_t len, struct config **out,
		 struct err *e) attr_must_check;
void config_free(struct config *c);
static inline void config_free_p(struct config **c)
{
	config_free(*c);
}
#define cleanup_config __attribute__((cleanup(config_free_p)))

// name, else the one marked isDefault, else `default`, else the only one. -ENOENT with a text that names
// those there are.
int config_pick(const struct config *c, const char *name, const struct config_node **out,
		struct err *e) attr_must_check;

// The text with isDefault true at the node of that name and at no other; everything else stays byte for byte.
// *out is the caller's. -EINVAL when the file is written in a way in which lines cannot be changed singly.
int config_with_default(const struct config *c, const char *name, const char *text, char **out,
			struct err *e) attr_must_check;
