/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP server over libmicrohttpd (see server.h; shared measurements chose a thread per connection). The raw target is
 * taken in the library's log callback, since its own decoding would merge "%2F" into the path. A request is counted from its first
 * byte of body or end of headers to its completion, so that stopping can wait for those in hand.
 */
#include "http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREAD_STACK      (256u * 1024)
#define CONNECTION_MEMORY (64u * 1024)
#define IDLE_SECONDS      60u         /* a connection that says nothing; ticks only while it exists */
#define DISCARD_MAX       (16u << 20) /* of a body that is too large; beyond it the connection is cut */
#define FINISH_MSEC       2000

struct server {
    struct MHD_Daemon *daemon;
    server_handler handler;
    server_refuser refuser;
    void *userdata;
    atomic_bool stopping;
    atomic_uint streams;
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned in_hand;
};

/* One request while it arrives; the connection's client context. */
struct exchange {
    char *target;
    bool begun; /* and counted among those in hand */
    char *body;
    size_t size, room, discarded;
};

struct stream {
    struct server *server;
    int fd; /* the connection's, to see that the client has gone */
    int (*next)(void *userdata, char **ret_text);
    void (*on_close)(void *userdata);
    void *userdata;
    char *text; /* the rest of the text being sent */
    size_t size, sent;
};

static void *on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);

    if (x)
        x->target = strdup(uri);
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct server *s = cls;
    struct exchange *x = *con_cls;

    if (!x)
        return;
    if (x->begun) {
        pthread_mutex_lock(&s->lock);
        if (--s->in_hand == 0)
            pthread_cond_broadcast(&s->done);
        pthread_mutex_unlock(&s->lock);
    }
    free(x->target);
    free(x->body);
    free(x);
    *con_cls = NULL;
}

static void begin(struct server *s, struct exchange *x)
{
    pthread_mutex_lock(&s->lock);
    s->in_hand++;
    pthread_mutex_unlock(&s->lock);
    x->begun = true;
}

static void stream_free(void *cls)
{
    struct stream *st = cls;

    if (st->on_close)
        st->on_close(st->userdata);
    atomic_fetch_sub(&st->server->streams, 1);
    free(st->text);
    free(st);
}

static bool has_gone(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

static ssize_t on_stream(void *cls, uint64_t position, char *buf, size_t max)
{
    struct stream *st = cls;
    size_t n;

    while (!st->text) {
        int r;

        if (atomic_load(&st->server->stopping) || has_gone(st->fd))
            return MHD_CONTENT_READER_END_OF_STREAM;
        r = st->next(st->userdata, &st->text);
        if (r < 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
        st->size = st->text ? strlen(st->text) : 0;
        st->sent = 0;
        if (st->size == 0)
            free(TAKE_PTR(st->text));
    }
    n = MIN(max, st->size - st->sent);
    memcpy(buf, st->text + st->sent, n);
    st->sent += n;
    if (st->sent == st->size)
        free(TAKE_PTR(st->text));
    return (ssize_t)n;
}

static int connection_fd(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

static struct MHD_Response *make_stream(struct server *s, struct MHD_Connection *connection,
                                        struct server_answer *a)
{
    struct stream *st = calloc(1, sizeof *st);
    struct MHD_Response *response;

    if (!st) {
        a->on_close(a->userdata);
        return NULL;
    }
    *st = (struct stream){.server = s,
                          .fd = connection_fd(connection),
                          .next = a->next,
                          .on_close = a->on_close,
                          .userdata = a->userdata};
    atomic_fetch_add(&s->streams, 1);
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_stream, st, stream_free);
    if (!response)
        stream_free(st);
    return response;
}

/* Consumes the answer. */
static enum MHD_Result send_answer(struct server *s, struct MHD_Connection *connection,
                                   struct server_answer *a, bool close)
{
    struct MHD_Response *response;
    enum MHD_Result ok;

    if (a->next)
        response = make_stream(s, connection, a);
    else
        response = MHD_create_response_from_buffer(a->body_size, a->body ? a->body : (char *)"",
                                                   a->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        if (!a->next)
            free(a->body);
        return MHD_NO;
    }
    ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (ok && a->content_type)
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type);
    if (ok && *a->allow)
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, a->allow);
    if (ok && (close || a->next))
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    ok = ok ? MHD_queue_response(connection, a->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return ok;
}

static enum MHD_Result refuse(struct server *s, struct MHD_Connection *connection, unsigned status,
                              const struct error *err)
{
    struct server_answer answer = {.status = status};

    s->refuser(s->userdata, status, err, &answer);
    return send_answer(s, connection, &answer, true);
}

/* What the headers say about the body's framing. */
struct framing {
    unsigned lengths, codings;
    const char *length, *coding;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct framing *f = cls;

    if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->lengths++;
        f->length = value;
    } else if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->codings++;
        f->coding = value;
    }
    return MHD_YES;
}

/* Return: 0, or the status with which the request is refused. */
static unsigned check_framing(struct MHD_Connection *connection, struct error *err)
{
    struct framing f = {0};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &f);
    if (f.lengths > 1 || f.codings > 1) {
        error_set(err, -EINVAL, f.lengths > 1 ? "Content-Length" : "Transfer-Encoding",
                  "is given more than once; give it once");
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f.lengths && f.codings) {
        error_set(err, -EINVAL, "Content-Length", "stands beside Transfer-Encoding; send one of them");
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f.codings && (!f.coding || strcasecmp(f.coding, "chunked") != 0)) {
        error_set(err, -EINVAL, "Transfer-Encoding", "only chunked is understood");
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f.lengths && (!f.length || !*f.length || strspn(f.length, "0123456789") != strlen(f.length))) {
        error_set(err, -EINVAL, "Content-Length", "is not a number of bytes");
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f.lengths && (strlen(f.length) > 12 || strtoull(f.length, NULL, 10) > SERVER_BODY_MAX)) {
        error_set(err, -EFBIG, "", "the body is larger than the %u bytes that are read", SERVER_BODY_MAX);
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    return 0;
}

/* Takes a piece of the body. Return: MHD_NO cuts the connection. */
static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
    size_t n = *size;

    *size = 0;
    if (x->discarded || x->size + n > SERVER_BODY_MAX) {
        x->discarded += n;
        return x->discarded <= DISCARD_MAX ? MHD_YES : MHD_NO;
    }
    if (x->size + n + 1 > x->room) {
        size_t room = MAX(2 * x->room, x->size + n + 1);
        char *bigger = realloc(x->body, room);
        if (!bigger)
            return MHD_NO;
        x->body = bigger;
        x->room = room;
    }
    memcpy(x->body + x->size, data, n);
    x->size += n;
    x->body[x->size] = '\0';
    return MHD_YES;
}

static bool peer(struct MHD_Connection *connection, struct ucred *ret)
{
    socklen_t size = sizeof *ret;

    return getsockopt(connection_fd(connection), SOL_SOCKET, SO_PEERCRED, ret, &size) == 0 &&
           size == sizeof *ret;
}

static enum MHD_Result finish(struct server *s, struct MHD_Connection *connection, struct exchange *x,
                              const char *method)
{
    struct server_answer answer = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    struct server_request request;
    struct error err = ERROR_INIT;
    struct ucred who;

    if (x->discarded) {
        error_set(&err, -EFBIG, "", "the body is larger than the %u bytes that are read", SERVER_BODY_MAX);
        return refuse(s, connection, MHD_HTTP_CONTENT_TOO_LARGE, &err);
    }
    if (!peer(connection, &who)) {
        error_set(&err, -EACCES, "", "the socket does not say who you are; use the daemon's unix socket");
        return refuse(s, connection, MHD_HTTP_UNAUTHORIZED, &err);
    }
    request = (struct server_request){
        .method = method,
        .target = x->target,
        .content_type =
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE),
        .body = x->body ? x->body : "",
        .body_size = x->size,
        .uid = who.uid,
        .pid = who.pid,
    };
    /* the time the handler or a stream takes is no idleness of the client's */
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    s->handler(s->userdata, &request, &answer);
    if (!answer.next)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_SECONDS);
    if (answer.next && atomic_load(&s->streams) >= SERVER_STREAMS_MAX) {
        answer.on_close(answer.userdata);
        error_set(&err, -EBUSY, "", "%d watchers are connected already; end one of them", SERVER_STREAMS_MAX);
        return refuse(s, connection, MHD_HTTP_SERVICE_UNAVAILABLE, &err);
    }
    return send_answer(s, connection, &answer, false);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **con_cls)
{
    struct server *s = cls;
    struct exchange *x = *con_cls;
    struct error err = ERROR_INIT;
    unsigned status;

    if (!x || !x->target)
        return MHD_NO; /* no memory */
    if (!x->begun) {
        begin(s, x);
        status = check_framing(connection, &err);
        return status ? refuse(s, connection, status, &err) : MHD_YES;
    }
    if (*size > 0)
        return take_body(x, data, size);
    return finish(s, connection, x, method);
}

int server_new(int fd, server_handler handler, server_refuser refuser, void *userdata, struct server **ret,
               struct error *err)
{
    struct server *s = calloc(1, sizeof *s);
    pthread_condattr_t monotonic;

    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    s->handler = handler;
    s->refuser = refuser;
    s->userdata = userdata;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request,
        s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)THREAD_STACK, MHD_OPTION_END);
    if (!s->daemon) {
        close(fd);
        pthread_cond_destroy(&s->done);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return error_set(err, -EIO, "", "the HTTP server does not start on this socket");
    }
    *ret = s;
    return 0;
}

struct server *server_free(struct server *s)
{
    struct timespec until;
    MHD_socket fd;

    if (!s)
        return NULL;
    fd = MHD_quiesce_daemon(s->daemon);
    atomic_store(&s->stopping, true);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FINISH_MSEC / 1000;
    pthread_mutex_lock(&s->lock);
    while (s->in_hand > 0 && pthread_cond_timedwait(&s->done, &s->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&s->lock);
    MHD_stop_daemon(s->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return NULL;
}
