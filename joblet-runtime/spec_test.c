// SPDX-License-Identifier: Apache-2.0
// config.json to struct spec; options of mounts; the reading of /proc/PID/status. No root needed.
#include "joblet-runtime/spec.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "joblet-runtime/device.h"
#include "joblet-runtime/mount_options.h"
#include "joblet-runtime/state.h"
#include "joblet-runtime/sysctl.h"
#include "joblet-runtime/verify.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

// Single quotes stand for double ones, %s for the varying part.
static char *text_of(const char *process, const char *rest, const char *linux_part)
{
	char *text = xasprintf(
	    "{'ociVersion':'1.0.2','root':{'path':'r'},'process':{'args':['x'],'cwd':'/'%s}%s,"
	    "'linux':{'namespaces':[{'type':'mount'},{'type':'user'},{'type':'uts'},{'type':'ipc'}],"
	    "'uidMappings':[{'containerID':0,'hostID':1000,'size':10}],"
	    "'gidMappings':[{'containerID':0,'hostID':2000,'size':10}]%s}}",
	    process, rest, linux_part);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	return text;
}

static struct spec *parse(const char *process, const char *rest, const char *linux_part, struct err *e)
{
	struct spec *s = NULL;
	cleanup_free char *text = text_of(process, rest, linux_part);
	*e = (struct err){0};
	if (spec_parse(text, strlen(text), &s, e) != 0)
		return NULL;
	return s;
}

static void test_refused(const char *process, const char *rest, const char *linux_part, const char *words)
{
	struct err e;
	cleanup_spec struct spec *s = parse(process, rest, linux_part, &e);
	test_ok(!s && strstr(e.msg, words), "refused: %s%s%s: %s", process, rest, linux_part, e.msg);
}

static void test_minimal(void)
{
	struct err e;
	cleanup_spec struct spec *s = parse("", "", "", &e);
	test_ok(s != NULL, "the smallest configuration: %s", e.msg);
	if (!s)
		return;
	test_ok(str_eq(s->root_path, "r") && !s->root_readonly, "root");
	test_ok(s->process.uid == 0 && s->process.umask == SPEC_UNSET && s->process.env && !s->process.env[0],
		"defaults of process");
	test_ok(s->resources.memory_limit == SPEC_UNSET && s->resources.pids_limit == SPEC_UNSET,
		"no limit is given");
	test_ok(spec_has_new(s, CLONE_NEWNS) && !spec_namespace(s, CLONE_NEWNET), "namespaces");
	test_ok(!s->process.has_caps && s->process.caps.bounding == 0, "no capability");
}

static void test_process_alone(void)
{
	static const struct {
		const char *text, *words; // NULL: accepted
	} rows[] = {
	    {"{\"args\":[\"x\",\"y\"],\"cwd\":\"/\",\"user\":{\"uid\":3,\"gid\":4}}", NULL},
	    {"{\"args\":[\"x\"]}", "cwd is required"},
	    {"{\"cwd\":\"/\"}", "args is required"},
	    {"{\"args\":[\"x\"],\"cwd\":\"work\"}", "absolute"},
	    {"[]", "not an object"},
	    {"", "line 1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};
		cleanup_spec struct spec *s = NULL;
		int rc = spec_parse_process(rows[i].text, strlen(rows[i].text), &s, &e);
		if (rows[i].words)
			test_ok(rc == -EINVAL && !s && strstr(e.msg, rows[i].words), "process: %s: %s",
				rows[i].text, e.msg);
		else
			test_ok(rc == 0 && s && s->process.arg_count == 2 && s->process.uid == 3,
				"process: %s", rows[i].text);
	}
}

static void test_full(void)
{
	struct err e;
	cleanup_spec struct spec *s =
	    parse(",'terminal':true,'consoleSize':{'height':24,'width':80},'user':{'uid':3,'gid':4,'"
		  "additionalGids':[5,6],'umask':63},"
		  "'env':['A=b'],'capabilities':{'bounding':['CAP_KILL'],'permitted':['CAP_KILL'],'effective'"
		  ":['CAP_KILL','CAP_CHOWN'],"
		  "'inheritable':[],'ambient':['CAP_KILL']},'rlimits':[{'type':'RLIMIT_NOFILE','soft':1,'"
		  "hard':18446744073709551615}],"
		  "'noNewPrivileges':true,'oomScoreAdj':-5",
		  ",'hostname':'h','mounts':[{'destination':'/"
		  "t','type':'tmpfs','source':'t','options':['ro','size=1k']}],"
		  "'annotations':{'k':'v'},'unknown':{'is':['fine']}",
		  ",'cgroupsPath':'/a/"
		  "b','resources':{'memory':{'limit':-1,'swap':5},'cpu':{'quota':7,'cpus':'0-1'},'pids':{'"
		  "limit':0},"
		  "'devices':[{'allow':false,'access':'rwm'}],'blockIO':{'throttleReadBpsDevice':[{'major':8,"
		  "'minor':0,'rate':99}]}},"
		  "'maskedPaths':['/m'],'readonlyPaths':['/r','/s'],'sysctl':{'kernel.shmmax':'1'},"
		  "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['read'],'action':'SCMP_"
		  "ACT_ALLOW','args':"
		  "[{'index':1,'value':18446744073709551615,'op':'SCMP_CMP_EQ'}]}]}",
		  &e);
	test_ok(s != NULL, "a full configuration: %s", e.msg);
	if (!s)
		return;
	const struct spec_process *p = &s->process;
	test_ok(p->terminal && p->console_rows == 24 && p->console_cols == 80, "terminal");
	test_ok(p->uid == 3 && p->gid == 4 && p->group_count == 2 && p->groups[1] == 6 && p->umask == 077,
		"user");
	test_ok(p->caps.bounding == 1 << 5 && p->caps.effective == 1 << 5,
		"effective is cut to what is permitted");
	test_ok(p->caps.ambient == 0, "ambient is cut to what is inheritable");
	test_ok(p->rlimits[0].resource == RLIMIT_NOFILE && p->rlimits[0].hard == RLIM_INFINITY, "rlimits");
	test_ok(p->no_new_privs && p->oom_score_adj == -5, "no_new_privs, oom_score_adj");
	test_ok(s->mount_count == 1 && s->mounts[0].option_count == 2, "mounts");
	test_ok(s->resources.memory_limit == -1 && s->resources.memory_swap == 5 &&
		    s->resources.cpu_quota == 7,
		"memory, cpu");
	test_ok(s->resources.pids_limit == SPEC_UNSET, "a pids limit of 0 is none");
	test_ok(s->resources.throttle_read_bps.n == 1 && s->resources.throttle_read_bps.v[0].value == 99,
		"blockIO");
	test_ok(s->masked_count == 1 && s->readonly_count == 2 && s->annotation_count == 1,
		"paths, annotations");
	test_ok(s->has_seccomp && s->seccomp.syscalls[0].args[0].value == UINT64_MAX, "seccomp");
	size_t before = s->resources.device_count;
	device_add_rules(s, &s->resources);
	test_ok(before == 1 && s->resources.device_count == 9 && !s->resources.devices[0].allow,
		"default devices are allowed behind the rules");
}

static void test_many_refused(void)
{
	test_refused(",'user':{'uid':10}", "", "", "not mapped");
	test_refused(",'user':{'uid':4294967295}", "", "", "process.user.uid");
	test_refused(",'args':[]", "", "", "JSON"); // a key twice
	test_refused(",'capabilities':{'bounding':['KILL']}", "", "", "unknown capability");
	test_refused(",'capabilities':{'bounding':['CAP_KILL=ep']}", "", "", "unknown capability");
	test_refused(",'capabilities':{'bounding':['CAP_KILL ']}", "", "", "unknown capability");
	test_refused(",'rlimits':[{'type':'RLIMIT_CPU','soft':3,'hard':2}]", "", "", "above the hard");
	test_refused(",'ioPriority':{'class':'x'}", "", "", "ioPriority");
	test_refused(",'scheduler':{}", "", "", "policy is required");
	test_refused(",'scheduler':{'policy':'SCHED_X'}", "", "", "SCHED_X is unknown");
	test_refused(",'scheduler':{'policy':'SCHED_FIFO'}", "", "", "priority is required");
	test_refused(",'scheduler':{'policy':'SCHED_OTHER','runtime':5}", "", "", "SCHED_DEADLINE");
	test_refused(",'scheduler':{'policy':'SCHED_OTHER','flags':['X']}", "", "", "X is unknown");
	test_refused(",'execCPUAffinity':{'final':'3-1'}", "", "", "no list of processors");
	test_refused("", ",'mounts':[{'destination':'/x'}]", "", "type is required");
	test_refused("", ",'mounts':[{'destination':'/x','type':'tmpfs','options':['idmap']}]", "",
		     "only a bind mount");
	test_refused("",
		     ",'mounts':[{'destination':'/x','type':'bind','source':'/"
		     "','uidMappings':[{'containerID':0,'hostID':1,'size':1}]}]",
		     "", "come together");
	test_refused("", ",'mounts':[{'destination':'/x','type':'proc','options':['tmpcopyup']}]", "",
		     "for a tmpfs");
	test_refused("", ",'mounts':[{'destination':'//proc//self','type':'bind','source':'/'}]", "",
		     "nothing may be mounted");
	test_refused("", ",'hooks':{'poststop':[{'path':'x'}]}", "", "not absolute");
	test_refused("", ",'hooks':{'poststop':[{'path':'/x','timeout':0}]}", "", "timeout");
	test_refused("", "", ",'sysctl':{'kernel.panic':'1'}", "does not belong");
	test_refused("", "", ",'sysctl':{'net.core.somaxconn':'1'}", "does not have");
	test_refused("", "", ",'devices':[{'path':'x','type':'c'}]", "not absolute");
	test_refused("", "", ",'devices':[{'path':'/x','type':'q'}]", "unknown type");
	test_refused("", "", ",'resources':{'devices':[{'access':'rx'}]}", "unknown access");
	test_refused("", "", ",'personality':{'domain':'BSD'}", "personality");
	test_refused("", "", ",'timeOffsets':{'realtime':{'secs':1}}", "unknown clock");
	test_refused("", "",
		     ",'seccomp':{'defaultAction':'A','syscalls':[{'names':['a'],'action':'B','args':[{'"
		     "index':6,'op':'x'}]}]}",
		     "index");
}

// Every prefix of a good text is refused, and none of them is read past its end (run with the sanitizers).
static void test_prefixes(void)
{
	cleanup_free char *text = text_of("", ",'hostname':'h'", "");
	size_t len = strlen(text), good = 0;
	for (size_t n = 0; n < len; n++) {
		struct err e = {0};
		struct spec *s = NULL;
		cleanup_free char *copy = xmalloc(n + 1);
		memcpy(copy, text, n);
		copy[n] = 0;
		good += spec_parse(copy, n, &s, &e) == 0;
		spec_free(s);
	}
	test_ok(good == 0, "no prefix of a configuration is one");
}

static void test_mount_options(void)
{
	const char *list[] = {"rbind",	     "ro",     "rw",	 "nosuid", "noatime",
			      "strictatime", "rnodev", "rslave", NULL};
	struct spec_mount m = {
	    .destination = "/x", .type = "bind", .source = "/y", .options = list, .option_count = 8};
	struct mount_options o;
	struct err e = {0};
	test_ok(mount_options_parse(&m, &o, &e) == 0, "options: %s", e.msg);
	test_ok(o.bind && o.recursive && o.data_count == 0, "rbind");
	test_ok(!(o.set & MOUNT_ATTR_RDONLY) && (o.clear & MOUNT_ATTR_RDONLY),
		"the last of ro and rw counts");
	test_ok((o.set & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME &&
		    (o.clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME,
		"atime is a field");
	test_ok(o.rec_set == MOUNT_ATTR_NODEV && o.propagation == MS_SLAVE && o.propagation_recursive,
		"recursive ones");
	mount_options_free(&o);
	const char *fs[] = {"size=64k", "newinstance", "defaults", NULL};
	m = (struct spec_mount){.destination = "/x", .type = "tmpfs", .options = fs, .option_count = 3};
	test_ok(mount_options_parse(&m, &o, &e) == 0 && o.data_count == 2 && str_eq(o.data[0], "size=64k"),
		"the filesystem's own");
	mount_options_free(&o);
}

static void test_ids(void)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a,b", "@x", "a\n"};
	static const char *const good[] = {"a", "...", "a.b-c_d+e", "0", "-x"};
	struct err e = {0};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		test_ok(state_check_id(bad[i], &e) == -EINVAL, "bad id %zu", i);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		test_ok(state_check_id(good[i], &e) == 0, "good id %s", good[i]);
}

#define STATUS                                                                                               \
	"Name:\tx\nUid:\t3\t3\t3\t3\nGid:\t4\t4\t4\t4\nGroups:\t5 6 "                                        \
	"\nSigIgn:\t0000000000001000\nCapInh:\t0000000000000000\n"                                           \
	"CapPrm:\t%s\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:"                         \
	"\t0000000000000000\nNoNewPrivs:\t%d\n"                                                              \
	"Seccomp:\t%d\n"

static int judge(struct spec *s, const char *prm, int nnp, int seccomp, bool with_seccomp, struct err *e)
{
	struct verify_status st;
	cleanup_free char *text = xasprintf(STATUS, prm, nnp, seccomp);
	int rc = verify_parse(text, &st, e);
	if (!rc)
		rc = verify_status(s, &st, with_seccomp, e);
	verify_free(&st);
	return rc;
}

static void test_read_back(void)
{
	uint32_t groups[] = {5, 6};
	struct spec s = {
	    .process = {.uid = 3, .gid = 4, .groups = groups, .group_count = 2, .no_new_privs = true},
	    .has_seccomp = true};
	struct err e = {0};
	const char *none = "0000000000000000";
	test_ok(judge(&s, none, 1, 2, true, &e) == 0, "all as asked: %s", e.msg);
	test_ok(judge(&s, none, 1, 0, true, &e) == -EPERM, "no filter");
	test_ok(judge(&s, none, 1, 0, false, &e) == 0, "the filter comes later");
	test_ok(judge(&s, none, 0, 2, true, &e) == -EPERM, "no no_new_privs");
	test_ok(judge(&s, "0000000000000001", 1, 2, true, &e) == -EPERM, "a capability too many");
	s.process.group_count = 1;
	test_ok(judge(&s, none, 1, 2, true, &e) == -EPERM, "a group too many");
	s.process.group_count = 2;
	s.process.uid = 0;
	test_ok(judge(&s, none, 1, 2, true, &e) == -EPERM, "another user");
	struct verify_status st;
	test_ok(verify_parse("Uid:\t1\n", &st, &e) == -EINVAL, "a status without lines");
}

int main(void)
{
	test_begin();
	test_minimal();
	test_process_alone();
	test_full();
	test_many_refused();
	test_prefixes();
	test_mount_options();
	test_ids();
	test_read_back();
	return test_end();
}
