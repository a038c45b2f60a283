// SPDX-License-Identifier: Apache-2.0
// The listening socket of jobletd. It is bound by the core, which may use any port, or comes from the service
// manager, and is handed to every gateway in turn.
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "jobletd/gateway_listen.h"

#define BACKLOG 1024

static int bind_to(const struct addrinfo *a, int *out)
{
	cleanup_close int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, off = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	// `::` takes IPv4 clients too, whatever the machine's default is.
	if (a->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*out = take_fd(fd);
	return 0;
}

int gateway_listen(const char *address, unsigned port, int *out, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	int gai = getaddrinfo(address, service, &hints, &list);
	if (gai)
		return err_set(e, -EINVAL, "server.address \"%s\": %s", address, gai_strerror(gai));
	int rc = bind_to(list, out);
	freeaddrinfo(list);
	if (rc == -EADDRINUSE)
		return err_set(e, rc, "port %u of %s is in use by another program", port, address);
	if (rc)
		return err_sys(e, rc, "cannot listen on %s port %u", address, port);
	return 0;
}

int gateway_listen_inherited(int *out, struct err *e)
{
	int n = sd_listen_fds(1);
	if (n < 0)
		return err_sys(e, n, "LISTEN_FDS");
	if (n == 0)
		return 1;
	if (n > 1)
		return err_set(e, -EINVAL, "socket activation: %d sockets; jobletd listens on one", n);
	cleanup_close int fd = SD_LISTEN_FDS_START;
	if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) <= 0)
		return err_set(e, -EINVAL, "socket activation: descriptor %d is no listening TCP socket", fd);
	// Gateways accept until nothing is left, and must not wait there.
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, -errno, "socket activation");
	*out = take_fd(fd);
	return 0;
}

void gateway_listen_address(int fd, char out[GATEWAY_ADDRESS_MAX])
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&a, len, out, GATEWAY_ADDRESS_MAX, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(out, GATEWAY_ADDRESS_MAX, "?");
}

unsigned gateway_listen_port(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return 0;
	if (a.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)(void *)&a)->sin6_port);
	return ntohs(((struct sockaddr_in *)(void *)&a)->sin_port); // analyzed: getsockname has filled it
}
