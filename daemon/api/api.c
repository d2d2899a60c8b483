/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The API as a whole (see api.h): the socket, the server, the read connections, and the feed as a stream.
 */
#include "api/api.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/route.h"
#include "cases/people.h"
#include "catalogue/readers.h"
#include "http/server.h"

#define STREAM_WAIT_USEC                                                                                     \
    (300 * USEC_PER_MSEC) /* a watcher that goes, and a daemon that stops, are seen so late */

struct api {
    struct api_context context;
    struct readers *readers;
    struct server *server;
    char *path; /* of a socket that we made; NULL when it was handed over */
    struct stat made;
};

struct watcher {
    const struct api_context *context;
    const struct settings *settings; /* under which they may */
    uid_t uid;
    uint64_t position;
    bool greeted;
};

/* Whether they may still, under settings that came after they began. */
static bool may_watch(struct watcher *w)
{
    const struct settings *now = w->context->settings(w->context->userdata);
    struct error ignored = ERROR_INIT;

    if (now != w->settings && people_may(now, w->uid, "watch", NULL, &ignored) != 0)
        return false;
    w->settings = now;
    return true;
}

static int watcher_next(void *userdata, char **ret_text)
{
    struct watcher *w = userdata;
    _cleanup_free_ char *line = NULL;
    uint64_t missed = 0;
    int r, n;

    if (!w->greeted) {
        /* from here on nothing escapes the watcher */
        w->greeted = true;
        *ret_text = strdup("{\"event\":\"watching\"}\n");
        return *ret_text ? 1 : -ENOMEM;
    }
    r = feed_next(w->context->feed, &w->position, STREAM_WAIT_USEC, &line, &missed);
    if (!may_watch(w))
        return -EACCES;
    if (r <= 0)
        return r;
    n = missed ? asprintf(ret_text, "{\"event\":\"missed\",\"lines\":%llu}\n%s\n", (unsigned long long)missed,
                          line)
               : asprintf(ret_text, "%s\n", line);
    return n < 0 ? -ENOMEM : 1;
}

static int start_watching(const struct api_context *context, uid_t uid, struct server_answer *answer)
{
    struct watcher *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->context = context;
    w->uid = uid; /* settings stay NULL: asked again at the first line */
    w->position = feed_position(context->feed);
    answer->status = 200;
    answer->content_type = "application/x-ndjson; charset=utf-8";
    answer->next = watcher_next;
    answer->on_close = free;
    answer->userdata = w;
    return 0;
}

static void on_request(void *userdata, const struct server_request *request, struct server_answer *answer)
{
    struct api *a = userdata;
    bool stream = false;

    route_answer(&a->context, a->readers, request, &stream, answer);
    if (stream && start_watching(&a->context, request->uid, answer) < 0) {
        struct error err = ERROR_INIT;
        error_set(&err, -ENOMEM, "", "out of memory; try again later");
        route_fail(503, &err, answer);
    }
}

static void on_refused(void *userdata, unsigned status, const struct error *err, struct server_answer *answer)
{
    route_fail(status, err, answer);
}

static int make_socket(struct api *a, int *ret_fd, struct error *err)
{
    const struct settings *s = a->context.settings(a->context.userdata);
    int fd = server_listen(s->socket.path, s->socket.mode, err);

    if (fd < 0)
        return fd;
    *ret_fd = fd;
    a->path = strdup(s->socket.path);
    return a->path && lstat(a->path, &a->made) == 0 ? 0 : -ENOMEM;
}

int api_new(const struct api_context *context, int listen_fd, struct api **ret, struct error *err)
{
    _cleanup_(api_freep) struct api *a = calloc(1, sizeof *a);
    int r, fd = listen_fd;

    if (!a)
        return -ENOMEM;
    a->context = *context;
    r = readers_new(context->settings(context->userdata)->catalogue.dsn, &a->readers);
    if (r == 0 && fd < 0)
        r = make_socket(a, &fd, err);
    if (r == 0)
        r = server_new(TAKE_FD(fd), on_request, on_refused, a, &a->server, err);
    if (fd >= 0 && fd != listen_fd)
        close(fd);
    if (r == 0)
        *ret = TAKE_PTR(a);
    return r;
}

struct api *api_free(struct api *a)
{
    struct stat now;

    if (!a)
        return NULL;
    /* first the name, so that nobody comes to a door that is being closed; but only if it is still ours */
    if (a->path && lstat(a->path, &now) == 0 && now.st_ino == a->made.st_ino && now.st_dev == a->made.st_dev)
        unlink(a->path);
    server_free(a->server);
    readers_free(a->readers);
    free(a->path);
    free(a);
    return NULL;
}
