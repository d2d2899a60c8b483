/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making the listening socket (see server.h). Nobody can connect before listen(), so the mode is in force from the first
 * connection on. A socket nobody answers on is what a killed daemon left and is replaced; a living one is not.
 */
#include "http/server.h"

#include <errno.h>
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

int server_listen(const char *path, mode_t mode, struct error *err)
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
