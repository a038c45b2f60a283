// SPDX-License-Identifier: Apache-2.0
// A core that only echoes, to test the gateway alone: gateway-echo CERT KEY CA [limit=number…]. It starts the
// gateway as specs/gateway.md says and prints one line for each control packet; each call is a thread with
// blocking reads. Never installed.
//   ListJobs       sends back the message
//   GetJobStatus   sends back who the caller is
//   StopJob        never answers; says when it was cancelled
//   DeleteJob      fails, with a text that needs encoding
//   CancelJob      hangs up without a status
//   GetJobLogs     "COUNT SIZE": that many messages; "forever"; "fail CODE"
//   AttachJob      sends back every message
// Lines on stdin: "drain". At end of input it exits, and the gateway must follow.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "jobletd/gateway/gateway.h"
#include "jobletd/gateway/wire.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "lib/rpc/grpc.h"

#define MESSAGE_MAX ((size_t)64 << 20)

struct call {
	struct gw_call head;
	int sock;
};

static bool read_full(int fd, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = read(fd, (char *)data + at, len - at);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool write_full(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

// A message without its prefix; NULL at the end of the client's side.
static uint8_t *read_message(int fd, size_t *len)
{
	uint8_t prefix[GRPC_PREFIX];

	if (!read_full(fd, prefix, sizeof(prefix)))
		return NULL;
	*len = grpc_be32(prefix + 1);
	if (prefix[0] != 0 || *len > MESSAGE_MAX)
		abort();
	uint8_t *data = xcalloc(1, *len + 1);
	if (read_full(fd, data, *len))
		return data;
	free(data);
	return NULL;
}

static bool send_message(int fd, const void *data, size_t len)
{
	uint8_t prefix[GRPC_PREFIX];

	grpc_prefix(prefix, GW_FRAME_MESSAGE, (uint32_t)len);
	return write_full(fd, prefix, sizeof(prefix)) && write_full(fd, data, len);
}

static void send_status(int fd, uint32_t code, const char *text)
{
	uint8_t frame[GRPC_PREFIX + 4 + 256];
	size_t n = strnlen(text, 256);

	uint32_t be = htonl(code);
	grpc_prefix(frame, GW_FRAME_STATUS, (uint32_t)(4 + n));
	memcpy(frame + 5, &be, 4);
	memcpy(frame + 9, text, n);
	write_full(fd, frame, 9 + n);
}

static void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

// Payload of a DataChunk: tag 0x0a, a length of up to two bytes, bytes.
static const char *payload(const uint8_t *m, size_t len)
{
	return len < 2 ? "" : (const char *)m + (m[1] & 0x80 ? 3 : 2);
}

static void run_stream(int fd)
{
	size_t len = 0;
	cleanup_free uint8_t *ask = read_message(fd, &len);
	unsigned long count = 0, size = 0;
	unsigned code = 0;

	if (!ask)
		return;
	const char *text = payload(ask, len);
	if (sscanf(text, "fail %u", &code) == 1) {
		send_message(fd, "\n\003abc", 5);
		send_status(fd, code, "it failed");
		return;
	}
	if (strcmp(text, "forever") == 0) {
		while (send_message(fd, "\n\003abc", 5))
			;
		say("CANCELLED stream");
		return;
	}
	if (sscanf(text, "%lu %lu", &count, &size) != 2 || size > 1 << 20 || size < 128) {
		send_status(fd, RPC_INVALID_ARGUMENT, "COUNT SIZE");
		return;
	}
	// A DataChunk of size bytes: tag, three bytes of length, payload.
	cleanup_free uint8_t *data = xcalloc(1, size + 4);
	data[0] = 0x0a;
	data[1] = (uint8_t)(size | 0x80);
	data[2] = (uint8_t)(size >> 7 | 0x80);
	data[3] = (uint8_t)(size >> 14);
	for (unsigned long i = 0; i < count; i++)
		if (!send_message(fd, data, size + 4)) {
			say("CANCELLED stream");
			return;
		}
	send_status(fd, RPC_OK, "");
}

static void run_identity(const struct call *c)
{
	struct gw_call h = c->head;
	char text[900], m[1024];
	size_t len = 0;
	free(read_message(c->sock, &len));
	int n = snprintf(text, sizeof(text), "cn=%s ou=%s serial=%s peer=%s deadline=%d", h.cn, h.ou,
			 h.serial, h.peer, h.deadline_ns != 0);
	int total = snprintf(m, sizeof(m), "\n%c%s", n < 128 ? n : 127, text);
	send_message(c->sock, m, (size_t)(total < 129 ? total : 129));
	send_status(c->sock, RPC_OK, "");
}

static void *run_call(void *arg)
{
	struct call *c = arg;
	const char *const names[] = {
#define METHOD(service, name, ...) name,
#include "specs/method.def"
#undef METHOD
	};
	const char *name = c->head.method < ARRAY_LEN(names) ? names[c->head.method] : "";
	size_t len = 0;
	uint8_t *m;
	char byte;

	if (str_eq(name, "ListJobs") || str_eq(name, "AttachJob")) {
		bool ok = true;
		while (ok && (m = read_message(c->sock, &len))) {
			ok = send_message(c->sock, m, len);
			free(m);
		}
		send_status(c->sock, RPC_OK, "");
	} else if (str_eq(name, "GetJobStatus")) {
		run_identity(c);
	} else if (str_eq(name, "StopJob")) {
		say("STOP begins");
		free(read_message(c->sock, &len));
		struct pollfd p = {.fd = c->sock, .events = 0};
		poll(&p, 1, 20000);
		say(p.revents & POLLHUP ? "CANCELLED unary" : "NOT CANCELLED");
	} else if (str_eq(name, "DeleteJob")) {
		send_status(c->sock, RPC_FAILED_PRECONDITION, "50% of \xc3\xbc\nline two");
	} else if (str_eq(name, "GetJobLogs")) {
		run_stream(c->sock);
	} else if (str_eq(name, "CancelJob")) {
		(void)!read(c->sock, &byte, 1);
	} else {
		send_status(c->sock, RPC_UNIMPLEMENTED, "not here");
	}
	close(c->sock);
	free(c);
	return NULL;
}

static void start_call(const struct gw_call *head, int sock)
{
	struct call *c = xcalloc(1, sizeof(*c));
	pthread_attr_t attr;
	pthread_t thread;

	c->head = *head;
	c->sock = sock;
	if (file_set_nonblock(sock, false))
		abort();
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	if (pthread_create(&thread, &attr, run_call, c))
		abort();
	pthread_attr_destroy(&attr);
}

static int make_config(int argc, char **argv)
{
	cleanup_free char *cert = NULL, *key = NULL, *ca = NULL;
	cleanup_buf struct buf json = {0};
	struct err e = {0};
	struct json_out o;

	if (file_read(AT_FDCWD, argv[1], 1 << 20, &cert, NULL, &e) ||
	    file_read(AT_FDCWD, argv[2], 1 << 20, &key, NULL, &e) ||
	    file_read(AT_FDCWD, argv[3], 1 << 20, &ca, NULL, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		exit(2);
	}
	json_out_begin(&o, &json, false);
	json_open_obj(&o);
	json_kv_str(&o, "cert", cert);
	json_kv_str(&o, "key", key);
	json_kv_str(&o, "ca", ca);
	json_kv_i64(&o, "uid", 65534);
	json_kv_i64(&o, "gid", 65534);
	json_key(&o, "limits");
	json_open_obj(&o);
	for (int i = 4; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		int64_t n = 0;
		if (!eq || str_to_i64(eq + 1, 0, INT64_MAX, &n))
			exit(2);
		*eq = 0;
		json_kv_i64(&o, argv[i], n);
	}
	json_close_obj(&o);
	json_close_obj(&o);
	int fd = memfd_create("config", MFD_CLOEXEC);
	if (json_out_end(&o) || fd < 0 || file_write_all(fd, json.data, json.len))
		exit(2);
	return fd;
}

static int make_listener(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		exit(2);
	printf("PORT %u\n", ntohs(a.sin_port));
	return fd;
}

static pid_t start_gateway(int control, int listener, int config)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	// Out of the way first: the numbers wanted may be in use.
	int from[] = {fcntl(control, F_DUPFD, 100), fcntl(listener, F_DUPFD, 100),
		      fcntl(config, F_DUPFD, 100)};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC); // its copies are not
	dup2(null, 0);
	dup2(null, 1);
	for (int i = 0; i < 3; i++)
		dup2(from[i], 3 + i);
	char name[] = "jobletd", flag[] = "--gateway";
	char *const args[] = {name, flag, NULL}, *const env[] = {NULL};
	execve("/proc/self/exe", args, env);
	_exit(127);
}

static bool on_packet(int control)
{
	union {
		uint32_t type;
		struct gw_call call;
		struct gw_text text;
		struct gw_auth_failed auth;
	} p;
	int fd = -1;
	size_t n = 1;
	ssize_t len = file_recv_fds(control, &p, sizeof(p), &fd, &n);

	if (len <= 0)
		return false;
	if (p.type == GW_READY)
		say("READY");
	else if (p.type == GW_FAILED)
		printf("FAILED %s\n", p.text.text);
	else if (p.type == GW_AUTH_FAILED)
		printf("AUTH_FAILED cn=%s left_out=%u %s: %s\n", p.auth.cn, p.auth.left_out, p.auth.peer,
		       p.auth.reason);
	else if (p.type == GW_CALL && n == 1 && len == sizeof(p.call))
		start_call(&p.call, fd);
	else
		printf("BAD PACKET %u\n", p.type);
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--gateway") == 0)
		return gateway_main();
	if (argc < 4)
		return 2;
	int pair[2], status;
	signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 2;
	int listener = make_listener(), config = make_config(argc, argv);
	pid_t pid = start_gateway(pair[1], listener, config);
	close(pair[1]);
	close(listener); // so that a gateway that drains leaves nobody who listens
	close(config);
	printf("GATEWAY %d\n", (int)pid);
	fflush(stdout);
	struct pollfd p[] = {{.fd = pair[0], .events = POLLIN}, {.fd = 0, .events = POLLIN}};
	while (poll(p, 2, -1) > 0) {
		char line[64];
		if (p[0].revents && !on_packet(pair[0]))
			break;
		if (!p[1].revents)
			continue;
		ssize_t n = read(0, line, sizeof(line));
		if (n <= 0)
			break;
		uint32_t type = line[0] == 'd' ? GW_DRAIN : 99;
		(void)!send(pair[0], &type, sizeof(type), MSG_NOSIGNAL);
	}
	close(pair[0]);
	if (waitpid(pid, &status, 0) == pid)
		printf("EXIT %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
