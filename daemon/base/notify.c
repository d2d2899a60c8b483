/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Words to the service manager (see notify.h). A socket is made for each: they are rare, and nothing is kept open.
 */
#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/fd.h"

#define STATE_WAIT_SEC 2

static int address(struct sockaddr_un *ret, socklen_t *ret_size)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;

    if (n == 0)
        return 0;
    if ((path[0] != '/' && path[0] != '@') || n >= sizeof ret->sun_path)
        return -EINVAL;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, n);
    if (path[0] == '@')
        ret->sun_path[0] = '\0'; /* abstract */
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
    return 1;
}

static int send_text(const char *text, int wait_sec)
{
    const struct timeval wait = {.tv_sec = wait_sec};
    struct sockaddr_un to;
    socklen_t size = 0;
    int r = address(&to, &size);
    _cleanup_close_ int fd = -1;

    if (r <= 0)
        return r;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0)
        return -errno;
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL | (wait_sec ? 0 : MSG_DONTWAIT),
               (const struct sockaddr *)&to, size) < 0)
        return -errno;
    return 1;
}

void notify_status(const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0)
        text = NULL;
    else
        (void)send_text(text, 0);
}

int notify_state(const char *text)
{
    return send_text(text, STATE_WAIT_SEC);
}
