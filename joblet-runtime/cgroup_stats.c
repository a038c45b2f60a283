// SPDX-License-Identifier: Apache-2.0
// What a cgroup has used, in the words of runc's `events`: its numbers are those of v1, and v2's are
// converted as runc converts them. What the machine does not tell is left out or 0, as there.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/base/json.h"
#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

static uint64_t number(int fd, const char *file)
{
	uint64_t v = 0;
	return fd >= 0 && cgroup_read_u64(fd, file, &v) == 0 ? v : 0;
}

static uint64_t key(int fd, const char *file, const char *name)
{
	uint64_t v = 0;
	return fd >= 0 && cgroup_read_key(fd, file, name, &v) == 0 ? v : 0;
}

static void kv(struct json_out *o, const char *name, uint64_t v)
{
	json_key(o, name);
	json_put_u64(o, v);
}

static void kv_if(struct json_out *o, const char *name, uint64_t v)
{
	if (v)
		kv(o, name, v);
}

static char *text_of(int fd, const char *file)
{
	char *text = NULL;
	return fd >= 0 && cgroup_read(fd, file, &text, NULL) == 0 ? text : xstrdup("");
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and "full".
static void put_pressure(struct json_out *o, int fd, const char *file)
{
	cleanup_free char *text = text_of(fd, file);
	if (!*text)
		return;
	json_key(o, "psi");
	json_open_obj(o);
	char *save = text;
	for (char *line; (line = strsep(&save, "\n"));) {
		char kind[8];
		double a, b, c;
		unsigned long long total;
		if (sscanf(line, "%7s avg10=%lf avg60=%lf avg300=%lf total=%llu", kind, &a, &b, &c, &total) !=
		    5)
			continue;
		json_key(o, kind);
		json_open_obj(o);
		json_key(o, "avg10");
		json_put_double(o, a);
		json_key(o, "avg60");
		json_put_double(o, b);
		json_key(o, "avg300");
		json_put_double(o, c);
		kv(o, "total", total);
		json_close_obj(o);
	}
	json_close_obj(o);
}

// Numbers between spaces, as cpuacct.usage_percpu has them.
static void put_numbers(struct json_out *o, const char *name, char *text)
{
	if (!*text)
		return;
	json_key(o, name);
	json_open_arr(o);
	char *save = text;
	for (char *word; (word = strsep(&save, " \n"));) {
		uint64_t v;
		if (str_to_u64(word, UINT64_MAX, &v) == 0)
			json_put_u64(o, v);
	}
	json_close_arr(o);
}

static void put_usage_v1(struct json_out *o, int fd)
{
	const uint64_t tick = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	cleanup_free char *all = text_of(fd, "cpuacct.usage_percpu");
	cleanup_free char *sys = text_of(fd, "cpuacct.usage_percpu_sys");
	cleanup_free char *user = text_of(fd, "cpuacct.usage_percpu_user");
	kv_if(o, "total", number(fd, "cpuacct.usage"));
	put_numbers(o, "percpu", all);
	put_numbers(o, "percpu_kernel", sys);
	put_numbers(o, "percpu_user", user);
	kv(o, "kernel", key(fd, "cpuacct.stat", "system") * tick);
	kv(o, "user", key(fd, "cpuacct.stat", "user") * tick);
}

static void put_cpu(const struct cgroup *c, struct json_out *o)
{
	const struct cgroup_hier *acct = cgroup_controller_v1(c, "cpuacct");
	const struct cgroup_hier *cpu = cgroup_controller_v1(c, "cpu");
	int v2 = cgroup_v2_fd(c), fd = cpu ? cpu->fd : v2;
	json_key(o, "cpu");
	json_open_obj(o);
	json_key(o, "usage");
	json_open_obj(o);
	if (acct) {
		put_usage_v1(o, acct->fd);
	} else {
		kv_if(o, "total", key(v2, "cpu.stat", "usage_usec") * 1000);
		kv(o, "kernel", key(v2, "cpu.stat", "system_usec") * 1000);
		kv(o, "user", key(v2, "cpu.stat", "user_usec") * 1000);
	}
	json_close_obj(o);
	json_key(o, "throttling");
	json_open_obj(o);
	kv_if(o, "periods", key(fd, "cpu.stat", "nr_periods"));
	kv_if(o, "throttledPeriods", key(fd, "cpu.stat", "nr_throttled"));
	kv_if(o, "throttledTime",
	      cpu ? key(fd, "cpu.stat", "throttled_time") : key(fd, "cpu.stat", "throttled_usec") * 1000);
	json_close_obj(o);
	put_pressure(o, v2, "cpu.pressure");
	json_close_obj(o);
}

// "0-2,5" as [0,1,2,5].
static void put_list(struct json_out *o, const char *name, char *text)
{
	if (!*text)
		return;
	json_key(o, name);
	json_open_arr(o);
	char *save = text;
	for (char *range; (range = strsep(&save, ","));) {
		unsigned first, last;
		int n = sscanf(range, "%u-%u", &first, &last);
		if (n < 1)
			continue;
		for (unsigned i = first; i <= (n == 2 ? last : first) && i <= UINT16_MAX; i++)
			json_put_u64(o, i);
	}
	json_close_arr(o);
}

static void put_cpuset(const struct cgroup *c, struct json_out *o)
{
	static const struct {
		const char *name, *file;
	} v1[] = {
	    {"cpu_exclusive", "cpuset.cpu_exclusive"},
	    {"mem_hardwall", "cpuset.mem_hardwall"},
	    {"mem_exclusive", "cpuset.mem_exclusive"},
	    {"memory_migrate", "cpuset.memory_migrate"},
	    {"memory_spread_page", "cpuset.memory_spread_page"},
	    {"memory_spread_slab", "cpuset.memory_spread_slab"},
	    {"memory_pressure", "cpuset.memory_pressure"},
	    {"sched_load_balance", "cpuset.sched_load_balance"},
	};
	const struct cgroup_hier *h = cgroup_controller_v1(c, "cpuset");
	int fd = cgroup_controller_fd(c, "cpuset", "cpuset");
	cleanup_free char *cpus = text_of(fd, h ? "cpuset.cpus" : "cpuset.cpus.effective");
	cleanup_free char *mems = text_of(fd, h ? "cpuset.mems" : "cpuset.mems.effective");
	cleanup_free char *level = text_of(h ? fd : -1, "cpuset.sched_relax_domain_level");
	int64_t relax = 0;
	json_key(o, "cpuset");
	json_open_obj(o);
	put_list(o, "cpus", cpus);
	put_list(o, "mems", mems);
	for (size_t i = 0; i < ARRAY_LEN(v1); i++)
		kv(o, v1[i].name, h ? number(fd, v1[i].file) : 0);
	json_kv_i64(o, "sched_relax_domain_level",
		    str_to_i64(level, INT32_MIN, INT32_MAX, &relax) == 0 ? relax : 0);
	json_close_obj(o);
}

struct memory {
	uint64_t limit, usage, max, failcnt;
};

static void put_memory_entry(struct json_out *o, const char *name, const struct memory *m)
{
	json_key(o, name);
	json_open_obj(o);
	kv(o, "limit", m->limit);
	kv_if(o, "usage", m->usage);
	kv_if(o, "max", m->max);
	kv(o, "failcnt", m->failcnt);
	json_close_obj(o);
}

static void read_v1(int fd, const char *kind, struct memory *m)
{
	char file[64];
	(void)snprintf(file, sizeof(file), "memory.%slimit_in_bytes", kind);
	m->limit = number(fd, file);
	(void)snprintf(file, sizeof(file), "memory.%susage_in_bytes", kind);
	m->usage = number(fd, file);
	(void)snprintf(file, sizeof(file), "memory.%smax_usage_in_bytes", kind);
	m->max = number(fd, file);
	(void)snprintf(file, sizeof(file), "memory.%sfailcnt", kind);
	m->failcnt = number(fd, file);
}

// Swap alone there, both together here.
static void read_v2(int fd, struct memory *usage, struct memory *swap)
{
	usage->limit = number(fd, "memory.max");
	usage->usage = number(fd, "memory.current");
	usage->max = number(fd, "memory.peak");
	usage->failcnt = key(fd, "memory.events", "max");
	uint64_t limit = number(fd, "memory.swap.max");
	swap->limit = limit == UINT64_MAX || usage->limit == UINT64_MAX ? UINT64_MAX : limit + usage->limit;
	swap->usage = number(fd, "memory.swap.current") + usage->usage;
	swap->failcnt = key(fd, "memory.swap.events", "fail");
}

static void put_raw(struct json_out *o, int fd)
{
	cleanup_free char *text = text_of(fd, "memory.stat");
	if (!*text)
		return;
	json_key(o, "raw");
	json_open_obj(o);
	char *save = text;
	for (char *line; (line = strsep(&save, "\n"));) {
		char *value = strchr(line, ' ');
		uint64_t v;
		if (!value)
			continue;
		*value++ = '\0';
		if (str_to_u64(value, UINT64_MAX, &v) == 0)
			kv(o, line, v);
	}
	json_close_obj(o);
}

static void put_memory(const struct cgroup *c, struct json_out *o)
{
	struct memory usage = {0}, swap = {0}, kernel = {0}, tcp = {0};
	const struct cgroup_hier *h = cgroup_controller_v1(c, "memory");
	int fd = cgroup_controller_fd(c, "memory", "memory");
	if (h) {
		read_v1(fd, "", &usage);
		read_v1(fd, "memsw.", &swap);
		read_v1(fd, "kmem.", &kernel);
		read_v1(fd, "kmem.tcp.", &tcp);
	} else {
		read_v2(fd, &usage, &swap);
	}
	json_key(o, "memory");
	json_open_obj(o);
	kv_if(o, "cache", key(fd, "memory.stat", h ? "cache" : "file"));
	put_memory_entry(o, "usage", &usage);
	put_memory_entry(o, "swap", &swap);
	put_memory_entry(o, "kernel", &kernel);
	put_memory_entry(o, "kernelTCP", &tcp);
	put_raw(o, fd);
	put_pressure(o, cgroup_v2_fd(c), "memory.pressure");
	json_close_obj(o);
}

static void put_block_entry(struct json_out *o, unsigned major, unsigned minor, const char *op, uint64_t v)
{
	json_open_obj(o);
	kv_if(o, "major", major);
	kv_if(o, "minor", minor);
	json_kv_str(o, "op", op);
	kv_if(o, "value", v);
	json_close_obj(o);
}

// "8:0 Read 4096"
static void put_block_v1(struct json_out *o, const char *name, int fd, const char *file)
{
	cleanup_free char *text = text_of(fd, file);
	char op[32];
	unsigned major, minor;
	unsigned long long v;
	if (sscanf(text, "%u:%u %31s %llu", &major, &minor, op, &v) != 4)
		return;
	json_key(o, name);
	json_open_arr(o);
	char *save = text;
	for (char *line; (line = strsep(&save, "\n"));)
		if (sscanf(line, "%u:%u %31s %llu", &major, &minor, op, &v) == 4)
			put_block_entry(o, major, minor, op, v);
	json_close_arr(o);
}

// "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0": the three whose names end so.
static void put_block_v2(struct json_out *o, const char *name, const char *text, const char *suffix)
{
	static const struct {
		char letter;
		const char *op;
	} kinds[] = {{'r', "Read"}, {'w', "Write"}, {'d', "Discard"}};
	cleanup_free char *copy = xstrdup(text);
	json_key(o, name);
	json_open_arr(o);
	char *save = copy;
	for (char *line; (line = strsep(&save, "\n"));) {
		unsigned major, minor;
		if (sscanf(line, "%u:%u", &major, &minor) != 2)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			char word[16];
			(void)snprintf(word, sizeof(word), " %c%s=", kinds[i].letter, suffix);
			const char *at = strstr(line, word);
			if (at)
				put_block_entry(o, major, minor, kinds[i].op,
						strtoull(at + strlen(word), NULL, 10));
		}
	}
	json_close_arr(o);
}

static void put_blkio(const struct cgroup *c, struct json_out *o)
{
	const struct cgroup_hier *h = cgroup_controller_v1(c, "blkio");
	int fd = cgroup_controller_fd(c, "blkio", "io");
	json_key(o, "blkio");
	json_open_obj(o);
	if (h) {
		put_block_v1(o, "ioServiceBytesRecursive", fd, "blkio.throttle.io_service_bytes_recursive");
		put_block_v1(o, "ioServicedRecursive", fd, "blkio.throttle.io_serviced_recursive");
	} else {
		cleanup_free char *text = text_of(fd, "io.stat");
		if (*text) {
			put_block_v2(o, "ioServiceBytesRecursive", text, "bytes");
			put_block_v2(o, "ioServicedRecursive", text, "ios");
		}
	}
	put_pressure(o, cgroup_v2_fd(c), "io.pressure");
	json_close_obj(o);
}

static void put_hugetlb(const struct cgroup *c, struct json_out *o)
{
	static const char *const sizes[] = {"64KB", "1MB",   "2MB", "4MB", "16MB",
					    "32MB", "512MB", "1GB", "16GB"};
	const struct cgroup_hier *h = cgroup_controller_v1(c, "hugetlb");
	int fd = cgroup_controller_fd(c, "hugetlb", "hugetlb");
	json_key(o, "hugetlb");
	json_open_obj(o);
	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(sizes); i++) {
		char usage[64], max[64], fail[64];
		(void)snprintf(usage, sizeof(usage), "hugetlb.%s.%s", sizes[i],
			       h ? "usage_in_bytes" : "current");
		(void)snprintf(max, sizeof(max), "hugetlb.%s.max_usage_in_bytes", sizes[i]);
		(void)snprintf(fail, sizeof(fail), "hugetlb.%s.%s", sizes[i], h ? "failcnt" : "events");
		if (!cgroup_has_file(fd, usage))
			continue;
		json_key(o, sizes[i]);
		json_open_obj(o);
		kv_if(o, "usage", number(fd, usage));
		kv_if(o, "max", h ? number(fd, max) : 0);
		kv(o, "failcnt", h ? number(fd, fail) : key(fd, fail, "max"));
		json_close_obj(o);
	}
	json_close_obj(o);
}

void cgroup_stats(const struct cgroup *c, struct json_out *o)
{
	int pids = cgroup_controller_fd(c, "pids", "pids");
	uint64_t limit = number(pids, "pids.max");
	put_cpu(c, o);
	put_cpuset(c, o);
	put_memory(c, o);
	json_key(o, "pids");
	json_open_obj(o);
	kv_if(o, "current", number(pids, "pids.current"));
	kv_if(o, "limit", limit == UINT64_MAX ? 0 : limit);
	json_close_obj(o);
	put_blkio(c, o);
	put_hugetlb(c, o);
}

// v1: an eventfd that the kernel counts up. cgroup-v1/memory.rst "OOM Control".
static int oom_eventfd(int dir, struct err *e)
{
	cleanup_close int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control < 0 || fd < 0)
		return err_sys(e, -errno, "cannot watch memory.oom_control");
	int rc = cgroup_writef(dir, "cgroup.event_control", e, "%d %d", fd, control);
	return rc ? rc : take_fd(fd);
}

int cgroup_oom_fd(const struct cgroup *c, short *events, struct err *e)
{
	*events = POLLIN;
	int dir = cgroup_controller_fd(c, "memory", "memory");
	if (dir < 0)
		return err_set(e, -ENOTSUP, "there is no memory controller for /%s", c->path);
	if (cgroup_controller_v1(c, "memory"))
		return oom_eventfd(dir, e);
	*events = POLLPRI; // the file can always be read
	int fd = openat(dir, "memory.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_sys(e, -errno, "cannot watch memory.events") : fd;
}
