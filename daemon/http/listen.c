/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making listening sockets (see http.h). Nobody can connect before listen(), so the mode is in force from the first
 * connection on. A unix socket nobody answers on is what a killed daemon left and is replaced; a living one is not.
 */
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

/* Removes a stale socket. Return: 0 (nothing is there now), -EADDRINUSE, -EEXIST, other negative errno. */
static int clear_stale(const struct sockaddr_un *address, struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : error_errno(err, -errno, address->sun_path, "cannot look at the socket");
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, -EEXIST, address->sun_path,
                         "is there and is not a socket; move it away or set socket.path");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, -errno, address->sun_path, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return error_set(err, -EADDRINUSE, address->sun_path,
                         "another daemon answers on this socket; stop it or set socket.path");
    if (errno != ECONNREFUSED)
        return error_errno(err, -errno, address->sun_path, "cannot tell whether the socket is in use");
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return error_errno(err, -errno, address->sun_path, "cannot remove the stale socket");
    return 0;
}

int http_listen_unix(const char *path, mode_t mode, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -1;
    int r;

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(err, -ENAMETOOLONG, path,
                         "is longer than the %zu bytes that a socket's path may have; set socket.path",
                         sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    r = clear_stale(&address, err);
    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, -errno, path, "cannot make a socket");
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return error_errno(err, -errno, path, "cannot make the socket");
    if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
        r = error_errno(err, -errno, path, "cannot listen");
        unlink(path);
        return r;
    }
    return TAKE_FD(fd);
}

/* Splits "host:port" or "[host]:port". Return: 0 or -EINVAL. */
static int split_address(const char *address, char host[64], char port[8])
{
    const char *colon = strrchr(address, ':'), *from = address, *to = colon;
    size_t digits = colon ? strlen(colon + 1) : 0;

    if (!colon || digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits ||
        atoi(colon + 1) > 65535)
        return -EINVAL;
    if (*from == '[') {
        if (to[-1] != ']')
            return -EINVAL;
        from++, to--;
    } else if (memchr(from, ':', (size_t)(to - from))) {
        return -EINVAL; /* IPv6 without brackets: which colon would be the port's? */
    }
    if (to <= from || to - from >= 64)
        return -EINVAL;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    strcpy(port, colon + 1);
    return 0;
}

bool http_is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (address->sa_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) && six->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}

static int open_tcp(const struct addrinfo *where, const char *address, struct error *err)
{
    _cleanup_close_ int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    static const int on = 1, off = 0;

    if (fd < 0)
        return error_errno(err, -errno, address, "cannot make a socket");
    /* after a restart, connections of the old daemon that wait out their time must not keep the port */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return error_errno(err, -errno, address, "cannot set up the socket");
    if (where->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* [::] is for IPv4 too */
    if (bind(fd, where->ai_addr, where->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return error_errno(
            err, -errno, address,
            errno == EADDRINUSE      ? "is in use by another program; stop that, or give another port"
            : errno == EADDRNOTAVAIL ? "is no address of this machine; [::] or 0.0.0.0 means all of them"
            : errno == EACCES
                ? "may not be opened by this user; take a port above 1023, or let systemd listen"
                : "cannot listen");
    return TAKE_FD(fd);
}

int http_listen_tcp(const char *address, bool loopback_only, struct error *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *where = NULL;
    char host[64], port[8];
    int fd;

    if (split_address(address, host, port) < 0 || getaddrinfo(host, port, &hints, &where) != 0)
        return error_set(err, -EINVAL, address,
                         "is not an address and a port; write for example 127.0.0.1:8480 or [::]:8443");
    if (loopback_only && !http_is_loopback(where->ai_addr))
        fd = error_set(
            err, -EPERM, address,
            "is reached from other machines, and what is sent there is not encrypted; use 127.0.0.1 "
            "or [::1], and http.tls for the network");
    else
        fd = open_tcp(where, address, err);
    freeaddrinfo(where);
    return fd;
}
