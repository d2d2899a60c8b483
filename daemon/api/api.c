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
#include "http/http.h"

#define STREAM_WAIT_USEC                                                                                     \
    (300 * USEC_PER_MSEC) /* a watcher that goes, and a daemon that stops, are seen so late */

#define CONNECTIONS_MAX 128

struct api {
    struct api_context context;
    struct readers *readers;
    struct http_server *server;
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

static int start_watching(const struct api_context *context, uid_t uid, struct http_answer *answer)
{
    struct watcher *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->context = context;
    w->uid = uid; /* settings stay NULL: asked again at the first line */
    w->position = feed_position(context->feed);
    answer->status = 200;
    (void)http_answer_header(answer, "Content-Type", "application/x-ndjson; charset=utf-8");
    (void)http_answer_header(answer, "Cache-Control", "no-store");
    answer->next = watcher_next;
    answer->on_close = free;
    answer->userdata = w;
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------- */

/* One request while it arrives. */
struct incoming {
    const struct http_request *http;
    char *body;
    size_t size, room;
};

static void too_large(struct http_answer *answer)
{
    struct error err = ERROR_INIT;

    error_set(&err, -EFBIG, "", "the body is larger than the %u bytes that are read", ROUTE_BODY_MAX);
    route_fail(413, &err, answer);
}

static void out_of_memory(struct http_answer *answer)
{
    struct error err = ERROR_INIT;

    error_set(&err, -ENOMEM, "", "out of memory; try again later");
    route_fail(503, &err, answer);
}

static bool on_begin(void *userdata, const struct http_request *request, void **ret_state,
                     struct http_answer *answer)
{
    struct incoming *in;

    if (request->body_bytes > (int64_t)ROUTE_BODY_MAX) {
        too_large(answer);
        return false;
    }
    in = calloc(1, sizeof *in);
    if (!in) {
        out_of_memory(answer);
        return false;
    }
    in->http = request;
    *ret_state = in;
    return true;
}

static bool on_take(void *userdata, void *state, const void *data, size_t size, struct http_answer *answer)
{
    struct incoming *in = state;

    if (in->size + size > ROUTE_BODY_MAX) {
        too_large(answer);
        return false;
    }
    if (in->size + size + 1 > in->room) {
        size_t room = MAX(2 * in->room, in->size + size + 1);
        char *bigger = realloc(in->body, room);
        if (!bigger) {
            out_of_memory(answer);
            return false;
        }
        in->body = bigger;
        in->room = room;
    }
    memcpy(in->body + in->size, data, size);
    in->size += size;
    in->body[in->size] = '\0';
    return true;
}

static void on_finish(void *userdata, void *state, struct http_answer *answer)
{
    struct api *a = userdata;
    struct incoming *in = state;
    struct api_request request = {in->http, in->body ? in->body : "", in->size};
    bool stream = false;

    route_answer(&a->context, a->readers, &request, &stream, answer);
    if (stream && start_watching(&a->context, in->http->peer.uid, answer) < 0)
        out_of_memory(answer);
}

static void on_close(void *userdata, void *state, bool whole)
{
    struct incoming *in = state;

    free(in->body);
    free(in);
}

static void on_refused(void *userdata, unsigned status, const struct error *err, struct http_answer *answer)
{
    route_fail(status, err, answer);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static int make_socket(struct api *a, int *ret_fd, struct error *err)
{
    const struct settings *s = a->context.settings(a->context.userdata);
    int fd = http_listen_unix(s->socket.path, s->socket.mode, err);

    if (fd < 0)
        return fd;
    *ret_fd = fd;
    a->path = strdup(s->socket.path);
    return a->path && lstat(a->path, &a->made) == 0 ? 0 : -ENOMEM;
}

static int start_server(struct api *a, int fd, struct error *err)
{
    const struct settings *s = a->context.settings(a->context.userdata);
    struct http_listener listener = {fd, HTTP_UNIX};
    struct http_options options = {.connections = CONNECTIONS_MAX,
                                   .connections_per_address = CONNECTIONS_MAX,
                                   .header_usec = s->http.header_usec,
                                   .rate_bytes = s->http.rate_bytes};
    struct http_service service = {.begin = on_begin,
                                   .take = on_take,
                                   .finish = on_finish,
                                   .close = on_close,
                                   .refuse = on_refused,
                                   .userdata = a};

    return http_server_new(&listener, 1, &options, &service, &a->server, err);
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
        r = start_server(a, TAKE_FD(fd), err);
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
    http_server_free(a->server);
    readers_free(a->readers);
    free(a->path);
    free(a);
    return NULL;
}
