/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP server over libmicrohttpd (see http.h; measurements chose a thread per connection). A listener is a daemon of the library.
 * The raw target is taken in the library's log callback, since its own decoding would merge "%2F" into the path. Bodies go from the
 * library's buffer to the service without a copy. A request is counted from the end of its headers to its completion, so that
 * stopping can wait for those in hand.
 *
 * An answer given to the library at the first call of a request would close the connection, so requests without a body are begun
 * at the first and answered at the second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "http/headers.h"
#include "http/server-internal.h"

#define THREAD_STACK      (256u * 1024)
#define CONNECTION_MEMORY (512u * 1024)
#define HEADERS_BYTES_MAX (32u * 1024)
#define HEADERS_COUNT_MAX 128u
#define REFRESH_USEC      (5 * USEC_PER_SEC)
#define WINDOW_USEC       (30 * USEC_PER_SEC)
#define FINISH_MSEC       2000

static void *on_target(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *x = info && info->socket_context ? calloc(1, sizeof *x) : NULL;

    if (!x)
        return NULL;
    x->connection = info->socket_context;
    x->mhd = mhd;
    x->target = strdup(uri);
    x->answer = (struct http_answer)HTTP_ANSWER_INIT;
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *s = cls;
    struct exchange *x = *con_cls;

    if (!x)
        return;
    *con_cls = NULL;
    if (x->state)
        s->service.close(s->service.userdata, x->state, x->whole);
    http_answer_done(&x->answer);
    connection_phase(x->connection, PHASE_HEADERS);
    if (x->begun) {
        pthread_mutex_lock(&s->lock);
        if (--s->in_hand == 0)
            pthread_cond_broadcast(&s->done);
        pthread_mutex_unlock(&s->lock);
    }
    free(x->target);
    free(x);
}

/* ---- what was asked ---------------------------------------------------------------------------------------------------- */

const char *http_header(const struct http_request *r, const char *name)
{
    const struct exchange *x = r->impl;

    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

struct each {
    const char *prefix;
    void (*on_header)(void *userdata, const char *name, const char *value);
    void *userdata;
    size_t n;
};

static enum MHD_Result on_each(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct each *e = cls;

    if (strncasecmp(name, e->prefix, strlen(e->prefix)) == 0) {
        e->n++;
        if (e->on_header)
            e->on_header(e->userdata, name, value ? value : "");
    }
    return MHD_YES;
}

size_t http_headers_each(const struct http_request *r, const char *prefix,
                         void (*on_header)(void *userdata, const char *name, const char *value),
                         void *userdata)
{
    const struct exchange *x = r->impl;
    struct each e = {prefix, on_header, userdata, 0};

    MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, on_each, &e);
    return e.n;
}

/* What the headers say about the body's framing, and how much they are. */
struct framing {
    unsigned lengths, codings, hosts, count;
    size_t bytes;
    const char *length, *coding, *malformed;
};

/* A name is a token (RFC 9110 §5.6.2): "Content-Length : 5" must not be a header of another name, or what follows would be taken
 * for the next request. A value has no control characters. */
static bool is_well_formed(const char *name, const char *value)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (!*name || name[strspn(name, token)])
        return false;
    for (; *value; value++)
        if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct framing *f = cls;

    value = value ? value : "";
    f->count++;
    f->bytes += strlen(name) + strlen(value) + 4;
    if (!is_well_formed(name, value))
        f->malformed = name;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->lengths++;
        f->length = value;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->codings++;
        f->coding = value;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        f->hosts++;
    }
    return MHD_YES;
}

/* Fills the request's body_bytes (RFC 9112 §3.2, §5.1, §6). Return: 0, or -EFBIG, -EINVAL for 431 and 400. */
static int check_framing(struct exchange *x, const char *version, struct error *err)
{
    struct framing f = {0};

    MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, on_header, &f);
    if (f.bytes > HEADERS_BYTES_MAX || f.count > HEADERS_COUNT_MAX)
        return error_set(err, -EFBIG, "", "the headers are too large; send at most %u bytes in %u headers",
                         HEADERS_BYTES_MAX, HEADERS_COUNT_MAX);
    if (f.malformed)
        return error_set(err, -EINVAL, "",
                         "a header is malformed; write Name: value, without control characters");
    if (f.lengths > 1 || f.codings > 1 || f.hosts > 1)
        return error_set(err, -EINVAL,
                         f.lengths > 1   ? "Content-Length"
                         : f.codings > 1 ? "Transfer-Encoding"
                                         : "Host",
                         "is given more than once; give it once");
    if (f.lengths && f.codings)
        return error_set(err, -EINVAL, "Content-Length", "stands beside Transfer-Encoding; send one of them");
    if (f.codings && (strcasecmp(f.coding, "chunked") != 0 || strcmp(version, MHD_HTTP_VERSION_1_1) != 0))
        return error_set(err, -EINVAL, "Transfer-Encoding",
                         "only chunked is understood, and only in HTTP/1.1");
    x->request.body_bytes = f.codings ? -1 : 0;
    if (f.lengths && header_number(f.length, &x->request.body_bytes) < 0)
        return error_set(err, -EINVAL, "Content-Length", "is not a number of bytes");
    return 0;
}

/* Who is at the other end is found out once a connection. */
static int know_peer(struct exchange *x, struct error *err)
{
    struct connection *c = x->connection;
    const union MHD_ConnectionInfo *info;
    struct ucred who;
    socklen_t size = sizeof who;

    if (c->peer.kind == HTTP_UNIX && c->peer.uid == (uid_t)-1) {
        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || size != sizeof who)
            return error_set(err, -EACCES, "",
                             "the socket does not say who you are; use the daemon's unix socket");
        c->peer.uid = who.uid;
        c->peer.pid = who.pid;
    }
    if (c->peer.kind == HTTP_TLS && !c->checked_certificate) {
        info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        if (!info || !info->tls_session)
            return error_set(err, -EACCES, "", "there is no TLS session; connect anew");
        server_tls_peer(info->tls_session, &c->peer);
        c->checked_certificate = true;
    }
    x->request.peer = c->peer;
    return 0;
}

/* ---- a request from its headers to its answer ---------------------------------------------------------------------------- */

/* The time that the service takes is no idleness of the client's. Only what took long is worth telling the library. */
static void refresh_idle_time(struct exchange *x, int64_t took_usec)
{
    if (took_usec < REFRESH_USEC)
        return;
    /* setting it from "never" counts from now */
    MHD_set_connection_option(x->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    MHD_set_connection_option(x->mhd, MHD_CONNECTION_OPTION_TIMEOUT, SERVER_IDLE_SECONDS);
}

static enum MHD_Result refuse(struct http_server *s, struct exchange *x, unsigned status,
                              const struct error *err)
{
    http_answer_done(&x->answer);
    s->service.refuse(s->service.userdata, status, err, &x->answer);
    x->answer.status = status;
    x->answer.close = true;
    return server_send_early(x, &x->answer);
}

/* Whether the request may reach the service. Return: 0, or the status with which it is refused. */
static unsigned check_request(struct exchange *x, const char *version, struct error *err)
{
    int r;

    if (x->connection->surplus) {
        error_set(err, -EBUSY, "", "there are too many connections; try again later");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    r = check_framing(x, version, err);
    if (r < 0)
        return r == -EFBIG ? MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE : MHD_HTTP_BAD_REQUEST;
    return know_peer(x, err) < 0 ? MHD_HTTP_UNAUTHORIZED : 0;
}

/* The first call: headers are whole, no byte of a body was taken. */
static enum MHD_Result begin(struct http_server *s, struct exchange *x, const char *method,
                             const char *version)
{
    int64_t started = connection_phase(x->connection, PHASE_OURS);
    struct error err = ERROR_INIT;
    unsigned status;

    pthread_mutex_lock(&s->lock);
    s->in_hand++;
    pthread_mutex_unlock(&s->lock);
    x->begun = true;
    x->request.method = method;
    x->request.target = x->target;
    x->request.impl = x;
    status = check_request(x, version, &err);
    if (status)
        return refuse(s, x, status, &err);
    x->answered = !s->service.begin(s->service.userdata, &x->request, &x->state, &x->answer);
    if (x->answered && x->request.body_bytes != 0)
        return server_send_early(x, &x->answer);
    refresh_idle_time(x, connection_phase(x->connection, PHASE_BODY) - started);
    return MHD_YES;
}

static enum MHD_Result take(struct http_server *s, struct exchange *x, const char *data, size_t *size)
{
    int64_t started;
    size_t n = *size;
    bool more;

    *size = 0;
    started = connection_phase(x->connection, PHASE_OURS);
    more = s->service.take(s->service.userdata, x->state, data, n, &x->answer);
    if (!more) {
        x->answered = true;
        return server_send_early(x, &x->answer);
    }
    refresh_idle_time(x, connection_took(x->connection, n) - started);
    return MHD_YES;
}

static enum MHD_Result finish(struct http_server *s, struct exchange *x)
{
    int64_t started = connection_phase(x->connection, PHASE_OURS);

    if (!x->answered) {
        x->whole = true;
        s->service.finish(s->service.userdata, x->state, &x->answer);
        x->answered = true;
    }
    refresh_idle_time(x, connection_phase(x->connection, PHASE_OURS) - started);
    return server_queue(x, &x->answer);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **con_cls)
{
    struct http_server *s = cls;
    struct exchange *x = *con_cls;

    if (!x || !x->target)
        return MHD_NO; /* no memory */
    if (!x->begun)
        return begin(s, x, method, version);
    if (*size > 0)
        return take(s, x, data, size);
    return finish(s, x);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t size)
{
    struct listener *l = cls;

    if (atomic_load(&l->server->stopping))
        return MHD_NO;
    return l->kind != HTTP_LOOPBACK || http_is_loopback(address) ? MHD_YES : MHD_NO;
}

static int start_listener(struct listener *l, int fd, const struct http_options *options, struct error *err)
{
    struct http_server *s = l->server;
    bool tls = l->kind == HTTP_TLS;
    struct MHD_OptionItem tls_items[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)server_tls_priorities},
        {options->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)options->client_ca},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC;

    l->daemon = MHD_start_daemon(
        flags | (tls ? MHD_USE_TLS : 0), 0, on_accept, l, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, server_on_connection, l, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_LIMIT, options->connections + SERVER_SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_ARRAY,
        tls ? tls_items : none, MHD_OPTION_END);
    if (l->daemon)
        return 0;
    close(fd);
    return error_set(err, -EIO, "", "the HTTP server does not start on this socket");
}

static int server_init(struct http_server *s, const struct http_options *options, size_t n, struct error *err)
{
    pthread_condattr_t monotonic;

    s->listeners = calloc(n, sizeof *s->listeners);
    if (!s->listeners)
        return -ENOMEM;
    s->connections_max = options->connections;
    s->address_max = options->connections_per_address;
    s->header_usec = options->header_usec;
    s->window_usec = options->window_usec ? options->window_usec : WINDOW_USEC;
    s->rate_bytes = options->rate_bytes;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->done, &monotonic);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

static int start_all(struct http_server *s, const struct http_listener *listeners, size_t n,
                     const struct http_options *options, struct error *err)
{
    bool tcp = false, tls = false;
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        tcp = tcp || listeners[i].kind != HTTP_UNIX;
        tls = tls || listeners[i].kind == HTTP_TLS;
    }
    if (tls)
        r = server_tls_check(options, err);
    if (r == 0 && tcp)
        r = server_watch_new(s);
    for (size_t i = 0; i < n; i++) {
        struct listener *l = &s->listeners[s->n_listeners];

        *l = (struct listener){.server = s, .kind = listeners[i].kind};
        if (r == 0)
            r = start_listener(l, listeners[i].fd, options, err);
        else
            close(listeners[i].fd);
        if (l->daemon)
            s->n_listeners++;
    }
    return r;
}

int http_server_new(const struct http_listener *listeners, size_t n, const struct http_options *options,
                    const struct http_service *service, struct http_server **ret, struct error *err)
{
    struct http_server *s = calloc(1, sizeof *s);
    int r = s ? server_init(s, options, n, err) : -ENOMEM;

    if (r < 0) {
        for (size_t i = 0; i < n; i++)
            close(listeners[i].fd);
        free(s);
        return r;
    }
    s->service = *service;
    r = start_all(s, listeners, n, options, err);
    if (r < 0) {
        http_server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void wait_for_requests(struct http_server *s)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FINISH_MSEC / 1000;
    pthread_mutex_lock(&s->lock);
    while (s->in_hand > 0 && pthread_cond_timedwait(&s->done, &s->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&s->lock);
}

struct http_server *http_server_free(struct http_server *s)
{
    if (!s)
        return NULL;
    atomic_store(&s->stopping, true);
    for (size_t i = 0; i < s->n_listeners; i++) {
        MHD_socket fd = MHD_quiesce_daemon(s->listeners[i].daemon);

        if (fd != MHD_INVALID_SOCKET)
            close(fd);
    }
    wait_for_requests(s);
    server_cut_all(s);
    for (size_t i = 0; i < s->n_listeners; i++)
        MHD_stop_daemon(s->listeners[i].daemon);
    server_watch_free(s);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    free(s->listeners);
    free(s);
    return NULL;
}
