// SPDX-License-Identifier: Apache-2.0
// The gateway's start: takes what the core left in its descriptors, gives up everything else, and runs the
// loop. specs/gateway.md.
#include "jobletd/gateway/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "jobletd/gateway/gw.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define CONFIG_MAX     ((size_t)4 << 20)
#define ACCEPT_BATCH   32
#define ACCEPT_WAIT_US (100 * 1000)
#define NOFILE_SPARE   64
#define NOFILE_MAX     1000000

int64_t gw_now(const struct gw *gw)
{
	uint64_t usec = 0;

	sd_event_now(gw->loop, CLOCK_MONOTONIC, &usec);
	return (int64_t)usec * 1000;
}

static int on_accept_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct gw *gw = userdata;

	(void)source;
	(void)usec;
	sd_event_source_set_enabled(gw->listen_io, SD_EVENT_ON);
	return 0;
}

static int on_listen(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct gw *gw = userdata;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);
		int conn = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (conn >= 0) {
			gw_conn_accept_take(gw, conn, &peer);
			continue;
		}
		if (errno == EAGAIN)
			break;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			// The socket stays readable: without a pause this would be a busy loop.
			log_warn("gateway: accept: %s", strerror(errno));
			sd_event_source_set_enabled(source, SD_EVENT_OFF);
			sd_event_source_set_time_relative(gw->listen_timer, ACCEPT_WAIT_US);
			sd_event_source_set_enabled(gw->listen_timer, SD_EVENT_ONESHOT);
			break;
		}
	}
	return 0;
}

static int read_config(struct gw_config *cfg, struct err *e)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = GW_FD_CONFIG;
	size_t len = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, -errno, "descriptor %d", GW_FD_CONFIG);
	int rc = file_read_fd(fd, CONFIG_MAX, &text, &len);
	if (rc)
		return err_sys(e, rc, "reading the gateway's configuration");
	rc = gw_config_parse(text, len, cfg, e);
	OPENSSL_cleanse(text, len);
	return rc;
}

static int prepare_fds(struct err *e)
{
	static const int fds[] = {GW_FD_CONTROL, GW_FD_LISTEN, GW_FD_CONFIG};
	int rc = proc_close_from(GW_FD_CONFIG + 1, NULL, 0);

	for (size_t i = 0; i < ARRAY_LEN(fds) && rc == 0; i++)
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
			rc = -errno;
	if (rc == 0)
		rc = file_set_nonblock(GW_FD_CONTROL, true);
	if (rc == 0)
		rc = file_set_nonblock(GW_FD_LISTEN, true);
	return rc ? err_sys(e, rc, "the gateway's descriptors (it is started by jobletd only)") : 0;
}

static uint64_t count_descriptors(const struct gw_limits *l)
{
	int64_t n = NOFILE_SPARE + l->max_conns * (1 + l->max_streams) + 2;

	return (uint64_t)(n > NOFILE_MAX ? NOFILE_MAX : n);
}

static int start_loop(struct gw *gw, struct err *e)
{
	int rc = sd_event_new(&gw->loop);

	if (rc >= 0)
		rc = gw_control_start(gw);
	if (rc >= 0)
		rc = sd_event_add_io(gw->loop, &gw->listen_io, gw->listen, EPOLLIN, on_listen, gw);
	if (rc >= 0)
		rc = sd_event_add_time_relative(gw->loop, &gw->listen_timer, CLOCK_MONOTONIC, 0, 0,
						on_accept_again, gw);
	return rc < 0 ? err_sys(e, rc, "the event loop") : 0;
}

static int start(struct gw *gw, struct err *e)
{
	struct gw_config cfg = {0};
	int rc = prepare_fds(e);

	if (rc == 0)
		rc = read_config(&cfg, e);
	if (rc)
		return rc;
	gw->limits = cfg.limits;
	gw->control = GW_FD_CONTROL;
	gw->listen = GW_FD_LISTEN;
	rc = tls_context_new(TLS_SERVER, cfg.cert, cfg.key, cfg.ca, &gw->tls, e);
	if (rc == 0 && cfg.ciphers)
		rc = tls_set_ciphers(gw->tls, cfg.ciphers, e);
	if (rc == 0)
		rc = start_loop(gw, e);
	if (rc == 0)
		rc = gw_confine((uid_t)cfg.uid, (gid_t)cfg.gid, count_descriptors(&cfg.limits), e);
	gw_config_free(&cfg);
	return rc;
}

// It ends with the core and not before: the terminal's signals are the core's to act on.
static void ignore_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static void stop(struct gw *gw)
{
	while (gw->conns)
		gw_conn_free(gw->conns);
	sd_event_source_disable_unref(gw->drain_timer);
	sd_event_source_disable_unref(gw->auth_timer);
	sd_event_source_disable_unref(gw->listen_io);
	sd_event_source_disable_unref(gw->listen_timer);
	sd_event_source_disable_unref(gw->control_io);
	sd_event_unref(gw->loop);
	SSL_CTX_free(gw->tls);
}

int gateway_main(void)
{
	struct gw gw = {.listen = -1, .control = -1};
	struct err e = {0};

	log_init("jobletd", STDERR_FILENO, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	ignore_signals();
	prctl(PR_SET_NAME, "jobletd-gateway");
	tzset();
	int rc = start(&gw, &e);
	if (rc) {
		log_error("gateway: %s", e.msg);
		(void)!gw_control_send_text(GW_FD_CONTROL, GW_FAILED, e.msg);
		return 1;
	}
	rc = gw_control_send_text(GW_FD_CONTROL, GW_READY, "");
	if (rc == 0)
		rc = sd_event_loop(gw.loop);
	stop(&gw);
	if (GW_SANITIZED) // its search for leaks starts a thread, which the filter forbids
		_exit(rc < 0 ? 1 : rc);
	return rc < 0 ? 1 : rc;
}
