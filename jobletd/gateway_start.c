// SPDX-License-Identifier: Apache-2.0
// Starting the gateway, hearing it, and starting it again (specs/gateway.md, "Start" and "Control packets").
// Nothing that it says is believed before its type, size and descriptors are right.
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "jobletd/gateway_listen.h"
#include "jobletd/gateway_start.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define PACKETS_A_TURN	 64
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS	 10000
#define STEADY_SECONDS	 60 // one that lived so long has earned a start without delay

struct gateway {
	const struct config *cfg;
	sd_event *loop;
	const struct gateway_events *ev;
	void *userdata;
	int listen_fd, control_fd, pidfd, log_fd;
	pid_t pid;
	sd_event_source *control, *child, *timer;
	bool was_ready; // some gateway has served
	bool draining;
	unsigned backoff_ms;
	time_t started;
};

static time_t seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int gateway_open(const struct config *cfg, sd_event *loop, const struct gateway_events *ev, void *userdata,
		 struct gateway **out, struct err *e)
{
	int fd = -1;
	int rc = gateway_listen_inherited(&fd, e);
	if (rc > 0)
		rc = gateway_listen(cfg->server.address, cfg->server.port, &fd, e);
	if (rc)
		return rc;
	struct gateway *g = xcalloc(1, sizeof(*g));
	g->cfg = cfg;
	g->loop = loop;
	g->ev = ev;
	g->userdata = userdata;
	g->listen_fd = fd;
	g->control_fd = g->pidfd = g->log_fd = -1;
	*out = g;
	return 0;
}

unsigned gateway_port(const struct gateway *g)
{
	return gateway_listen_port(g->listen_fd);
}

void gateway_address(const struct gateway *g, char out[GATEWAY_ADDRESS_MAX])
{
	gateway_listen_address(g->listen_fd, out);
}

static int user_ids(const char *name, uid_t *uid, gid_t *gid, struct err *e)
{
	struct passwd pw, *found = NULL;
	char buf[16384];
	int rc = getpwnam_r(name, &pw, buf, sizeof(buf), &found);
	if (rc)
		return err_sys(e, -rc, "process.user %s", name);
	if (!found)
		return err_set(e, -ENOENT,
			       "process.user: there is no user %s (make one with: useradd --system --shell "
			       "/usr/sbin/nologin %s)",
			       name, name);
	if (found->pw_uid == 0)
		return err_set(e, -EINVAL, "process.user must not be root");
	*uid = found->pw_uid;
	*gid = found->pw_gid;
	return 0;
}

static void put_limits(struct json_out *o, const struct config *c)
{
	json_key(o, "limits");
	json_open_obj(o);
	json_kv_i64(o, "maxRecvMsgSize", c->grpc.max_recv_msg_size);
	json_kv_i64(o, "maxConcurrentStreams", c->grpc.max_concurrent_streams);
	json_kv_i64(o, "maxConnections", c->grpc.max_connections);
	json_kv_i64(o, "maxConnectionsPerClient", c->grpc.max_connections_per_client);
	json_kv_i64(o, "maxConnectionsPerAddress", c->grpc.max_connections_per_address);
	json_kv_i64(o, "handshakeTimeoutMs", c->grpc.handshake_timeout_ns / 1000000);
	json_kv_i64(o, "idleTimeoutMs", c->grpc.idle_timeout_ns / 1000000);
	json_kv_i64(o, "keepAliveTimeMs", c->grpc.keep_alive_ns / 1000000);
	json_close_obj(o);
}

// As OpenSSL takes them.
static void put_ciphers(struct json_out *o, char *const *names)
{
	cleanup_buf struct buf b = {0};

	for (size_t i = 0; names && names[i]; i++)
		buf_printf(&b, "%s%s", i ? ":" : "", names[i]);
	if (b.len)
		json_kv_str(o, "ciphers", b.data);
}

static int put_config(struct buf *b, const struct config *c, uid_t uid, gid_t gid)
{
	struct json_out o;
	json_out_begin(&o, b, false);
	json_open_obj(&o);
	json_kv_str(&o, "cert", c->security.cert);
	json_kv_str(&o, "key", c->security.key);
	json_kv_str(&o, "ca", c->security.ca);
	put_ciphers(&o, c->server.cipher_suites);
	json_kv_i64(&o, "uid", uid);
	json_kv_i64(&o, "gid", gid);
	put_limits(&o, c);
	json_close_obj(&o);
	return json_out_end(&o);
}

// The gateway's configuration in memory that nobody can change any more.
static int config_memfd(const struct config *c, int *out, struct err *e)
{
	cleanup_close int fd = memfd_create("jobletd-gateway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct buf b = {0};
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	if (fd < 0)
		return err_sys(e, -errno, "memfd_create");
	int rc = user_ids(c->process.user, &uid, &gid, e);
	if (rc)
		return rc;
	rc = put_config(&b, c, uid, gid);
	if (!rc)
		rc = file_write_all(fd, b.data, b.len);
	explicit_bzero(b.data, b.len); // it holds the private key
	buf_free(&b);
	if (rc)
		return err_sys(e, rc, "the gateway's configuration");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, -errno, "the gateway's configuration");
	*out = take_fd(fd);
	return 0;
}

// The path of this program, for a readable process list; the link itself when the file has been replaced
// since.
static const char *own_path(char *buf, size_t size)
{
	struct stat a, b;
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);
	if (n > 0) {
		buf[n] = 0;
		if (!stat(buf, &a) && !stat("/proc/self/exe", &b) && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return buf;
	}
	return "/proc/self/exe";
}

static int on_control(sd_event_source *s, int fd, uint32_t revents, void *userdata);
static int on_child(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static int spawn(struct gateway *g, int *control, struct err *e)
{
	char path[4096];
	const char *argv[] = {own_path(path, sizeof(path)), "--gateway", NULL};
	const char *envp[] = {NULL};
	cleanup_close int config = -1;
	int pair[2];

	int rc = config_memfd(g->cfg, &config, e);
	if (rc)
		return rc;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_sys(e, -errno, "socketpair");
	cleanup_close int mine = pair[0], theirs = pair[1];
	const int fds[] = {-1, -1, g->log_fd, theirs, g->listen_fd, config};
	struct proc_spawn p = {
	    .argv = argv, .envp = envp, .fds = fds, .fd_count = ARRAY_LEN(fds), .cwd = "/"};
	rc = proc_spawn(&p, &g->pid, &g->pidfd, e);
	if (rc)
		return err_wrap(e, rc, "cannot start the gateway");
	*control = take_fd(mine);
	return 0;
}

static int launch(struct gateway *g, struct err *e)
{
	int rc = spawn(g, &g->control_fd, e);
	if (rc)
		return rc;
	g->started = seconds();
	rc = sd_event_add_io(g->loop, &g->control, g->control_fd, EPOLLIN, on_control, g);
	if (rc >= 0)
		rc = sd_event_add_io(g->loop, &g->child, g->pidfd, EPOLLIN, on_child, g);
	return rc < 0 ? err_sys(e, rc, "event loop") : 0;
}

int gateway_start(struct gateway *g, int log_fd, struct err *e)
{
	g->log_fd = log_fd;
	return launch(g, e);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void let_go(struct gateway *g)
{
	g->control = sd_event_source_disable_unref(g->control);
	g->child = sd_event_source_disable_unref(g->child);
	close_fd(&g->control_fd);
	close_fd(&g->pidfd);
}

static int on_timer(sd_event_source *s attr_unused, uint64_t usec attr_unused, void *userdata);

static void restart(struct gateway *g)
{
	struct err e = {0};

	if (seconds() - g->started >= STEADY_SECONDS)
		g->backoff_ms = 0;
	unsigned delay = g->backoff_ms;
	g->backoff_ms = delay ? delay * 2 : BACKOFF_FIRST_MS;
	if (g->backoff_ms > BACKOFF_MAX_MS)
		g->backoff_ms = BACKOFF_MAX_MS;
	g->timer = sd_event_source_disable_unref(g->timer);
	int rc = sd_event_add_time_relative(g->loop, &g->timer, CLOCK_MONOTONIC, (uint64_t)delay * 1000, 1000,
					    on_timer, g);
	if (rc < 0) {
		err_sys(&e, rc, "timer");
		g->ev->failed(g->userdata, e.msg);
	}
}

static int on_timer(sd_event_source *s attr_unused, uint64_t usec attr_unused, void *userdata)
{
	struct gateway *g = userdata;
	struct err e = {0};

	if (launch(g, &e)) {
		log_error("%s", e.msg);
		let_go(g);
		restart(g);
	}
	return 0;
}

// The gateway said something that no sound one says.
static void kill_it(struct gateway *g, const char *why)
{
	log_error("gateway (pid %d) is killed: %s", (int)g->pid, why);
	g->control = sd_event_source_disable_unref(g->control);
	if (proc_pidfd_kill(g->pidfd, SIGKILL))
		log_debug("gateway had gone");
}

static void hear_ready(struct gateway *g)
{
	g->was_ready = true;
	g->ev->ready(g->userdata);
}

static void hear_failed(struct gateway *g, struct gw_text *t)
{
	t->text[sizeof(t->text) - 1] = 0;
	if (g->was_ready)
		log_error("gateway: %s", t->text);
	else
		g->ev->failed(g->userdata, t->text);
}

static void hear_auth_failed(struct gateway *g, struct gw_auth_failed *a)
{
	char more[64] = "";
	a->peer[sizeof(a->peer) - 1] = 0;
	a->cn[sizeof(a->cn) - 1] = 0;
	a->reason[sizeof(a->reason) - 1] = 0;
	if (a->left_out)
		snprintf(more, sizeof(more), " (%u more were left out)", a->left_out);
	log_warn("authentication failed: %s \"%s\": %s%s", a->peer, a->cn, a->reason, more);
	g->ev->auth_failed(g->userdata, a);
}

// One packet. 0, or -EBADMSG with the reason.
static int hear(struct gateway *g, void *packet, size_t len, int *fd, struct err *e)
{
	uint32_t type;

	if (len < sizeof(type))
		return err_set(e, -EBADMSG, "a packet of %zu bytes", len);
	memcpy(&type, packet, sizeof(type));
	if ((*fd >= 0) != (type == GW_CALL))
		return err_set(e, -EBADMSG, "a packet of type %u with%s a descriptor", type,
			       *fd >= 0 ? "" : "out");
	if (type == GW_READY && len == sizeof(type))
		hear_ready(g);
	else if (type == GW_FAILED && len == sizeof(struct gw_text))
		hear_failed(g, packet);
	else if (type == GW_AUTH_FAILED && len == sizeof(struct gw_auth_failed))
		hear_auth_failed(g, packet);
	else if (type == GW_CALL && len == sizeof(struct gw_call))
		return g->ev->call(g->userdata, packet, take_fd(*fd), e);
	else
		return err_set(e, -EBADMSG, "a packet of type %u with %zu bytes", type, len);
	return 0;
}

static int on_control(sd_event_source *s attr_unused, int fd attr_unused, uint32_t revents attr_unused,
		      void *userdata)
{
	struct gateway *g = userdata;
	union {
		struct gw_call call;
		struct gw_text text;
		struct gw_auth_failed auth;
	} packet;
	struct err e = {0};

	for (int i = 0; i < PACKETS_A_TURN && g->control; i++) {
		int fds[1] = {-1};
		size_t n = 1;
		ssize_t len = file_recv_fds(g->control_fd, &packet, sizeof(packet), fds, &n);
		cleanup_close int call = n && len > 0 ? fds[0] : -1;
		if (len == -EAGAIN)
			break;
		if (len == 0) { // it has ended, or is about to; the pidfd tells
			g->control = sd_event_source_disable_unref(g->control);
			if (proc_pidfd_kill(g->pidfd, SIGKILL))
				log_debug("gateway had gone");
			break;
		}
		if (len < 0 ? err_sys(&e, (int)len, "its control socket")
			    : hear(g, &packet, (size_t)len, &call, &e))
			kill_it(g, e.msg);
	}
	return 0;
}

static int on_child(sd_event_source *s attr_unused, int fd attr_unused, uint32_t revents attr_unused,
		    void *userdata)
{
	struct gateway *g = userdata;
	siginfo_t info = {0};

	// What it said last is heard first: why it failed.
	if (g->control)
		on_control(NULL, -1, 0, g);
	if (waitid(P_PIDFD, (id_t)g->pidfd, &info, WEXITED) < 0)
		log_warn("gateway: waitid: %s", strerror(errno));
	let_go(g);
	if (g->draining) {
		g->ev->drained(g->userdata);
		return 0;
	}
	log_warn("gateway (pid %d) ended (%s %d)", (int)g->pid,
		 info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status);
	if (g->was_ready)
		restart(g);
	else
		g->ev->failed(g->userdata, "the gateway ended before it was ready");
	return 0;
}

void gateway_drain(struct gateway *g)
{
	uint32_t type = GW_DRAIN;

	g->draining = true;
	g->timer = sd_event_source_disable_unref(g->timer);
	if (g->control_fd < 0 || send(g->control_fd, &type, sizeof(type), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		g->ev->drained(g->userdata);
}

void gateway_free(struct gateway *g)
{
	siginfo_t info;
	if (!g)
		return;
	if (g->pidfd >= 0 && !proc_pidfd_kill(g->pidfd, SIGKILL))
		while (waitid(P_PIDFD, (id_t)g->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
	let_go(g);
	sd_event_source_disable_unref(g->timer);
	close(g->listen_fd);
	free(g);
}
