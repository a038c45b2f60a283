// SPDX-License-Identifier: Apache-2.0
// `jobletd audit verify`: options, and the report for people.
#include "jobletd/audit_command.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "jobletd/audit_key.h"
#include "jobletd/audit_verify.h"
#include "jobletd/config.h"
#include "lib/base/str.h"

static const char usage[] =
    "usage: jobletd audit verify [--config FILE] [--key FILE] [--expect SEQ:HASH] [LOG]\n"
    "Says whether the audit log is what jobletd wrote. LOG needs no configuration and no daemon; without it "
    "the log, the\n"
    "key and the head are those of the configuration.\n\n"
    "  --key FILE         the log's key, public or private, as PEM\n"
    "  --expect SEQ:HASH  a record that was noted elsewhere must be there\n\n"
    "Exit status: 0 whole, 1 altered, 2 cut, 3 cannot be verified, 64 wrong use.\n";

enum { WRONG_USE = 64 };

struct options {
	const char *config, *key, *expect, *log;
};

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
					      {"key", required_argument, NULL, 'k'},
					      {"expect", required_argument, NULL, 'e'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	int c;

	if (argc > 1 && (str_eq(argv[1], "--help") || str_eq(argv[1], "-h")))
		return 1;
	if (argc < 2 || !str_eq(argv[1], "verify"))
		return -EINVAL;
	argc--;
	argv++;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->config = optarg; break;
		case 'k': o->key = optarg; break;
		case 'e': o->expect = optarg; break;
		case 'h': return 1;
		default: return -EINVAL;
		}
	}
	if (optind + 1 == argc)
		o->log = argv[optind];
	return optind + 1 < argc || (o->log && o->config) ? -EINVAL : 0;
}

static int parse_expect(const char *s, struct audit_verify_options *v)
{
	char number[24];
	const char *colon = strchr(s, ':');

	if (!colon || (size_t)(colon - s) >= sizeof(number))
		return -EINVAL;
	memcpy(number, s, (size_t)(colon - s));
	number[colon - s] = '\0';
	if (str_to_u64(number, UINT64_MAX, &v->expect_seq) || !v->expect_seq)
		return -EINVAL;
	return audit_unhex(colon + 1, strlen(colon + 1), v->expect_hash, sizeof(v->expect_hash));
}

static void report(const char *log, const struct audit_report *r, bool has_key)
{
	static const char *const verdicts[] = {"whole", "ALTERED", "CUT", "cannot be verified"};

	printf("%s: %s\n", log, verdicts[r->verdict]);
	if (r->verdict && r->file[0])
		printf("  in %s, line %" PRIu64 ", byte %" PRIu64 ": ", r->file, r->line, r->offset);
	else if (r->verdict)
		printf("  ");
	if (r->verdict)
		printf("%s\n", r->what.msg);
	printf("  %" PRIu64 " records in %u files, %" PRIu64 " to %" PRIu64 "; %" PRIu64
	       " checkpoints, signed up to record %" PRIu64 "\n",
	       r->records, r->files, r->first_seq, r->last_seq, r->checkpoints, r->signed_seq);
	if (r->last_hash[0])
		printf("  last: %" PRIu64 ":%s\n", r->last_seq, r->last_hash);
	if (!has_key)
		printf("  no key was given: that the log is of one piece is shown, not who wrote it\n");
}

static int verify(const struct options *o, struct err *e)
{
	struct audit_verify_options v = {.log_file = o->log};
	struct audit_report r;
	struct config *cfg = NULL;
	cleanup_free char *head = NULL, *own_key = NULL;
	const char *key = o->key;
	int rc = 0;

	if (o->expect && parse_expect(o->expect, &v))
		return err_set(e, -EINVAL, "--expect %s: a number, a colon and 64 hex digits are wanted",
			       o->expect);
	if (!o->log) {
		rc = config_load(o->config, &cfg, e);
		if (rc)
			return rc;
		v.log_file = cfg->audit.log_file;
		// analyzed: head frees it at the end
		v.head_file = head = xasprintf("%s/audit-head", cfg->path.state);
		own_key = xasprintf("%s/audit-key.pub", cfg->path.config);
		key = key ? key : own_key;
	}
	if (key)
		rc = audit_key_load(key, &v.key, e);
	if (rc == 0) {
		audit_verify(&v, &r);
		report(v.log_file, &r, v.key != NULL);
		rc = r.verdict;
	}
	EVP_PKEY_free(v.key);
	config_free(cfg);
	return rc;
}

int audit_command(int argc, char **argv)
{
	struct options o = {0};
	struct err e = {0};

	int rc = parse(argc, argv, &o);
	if (rc) {
		fputs(usage, rc < 0 ? stderr : stdout);
		return rc < 0 ? WRONG_USE : 0;
	}
	rc = verify(&o, &e);
	if (rc < 0)
		fprintf(stderr, "jobletd audit verify: %s\n", e.msg);
	return rc < 0 ? AUDIT_UNVERIFIABLE : rc;
}
