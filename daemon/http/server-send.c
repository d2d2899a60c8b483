/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sending answers: through the library when the request is whole, and past it when a body is still on its way. The library can answer
 * only before the first or after the last byte of a body, and closes with bytes unread, upon which the kernel resets the connection
 * and the sender loses the answer. So an early answer is written to the socket here, the sending side is closed, and what still
 * comes is read and thrown away within bounds.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "http/server-internal.h"

#define STREAMS_MAX      32
#define STREAM_BLOCK     4096
#define FILE_BLOCK       (64u * 1024) /* measured best for TLS */
#define KEEP_CONNECTIONS 48u /* with more than so many open, an idle one is worth less than its memory */
#define LINGER_BYTES     (16u << 20)
#define LINGER_USEC      (10 * USEC_PER_SEC)
#define LINGER_IDLE_MSEC 2000
#define POLL_MSEC        300

struct stream {
    struct http_server *server;
    int fd; /* the connection's, to see that the client has gone */
    int (*next)(void *userdata, char **ret_text);
    void (*on_close)(void *userdata);
    void *userdata;
    char *text; /* the rest of the text being sent */
    size_t size, sent;
};

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

static struct MHD_Response *make_stream(struct exchange *x, struct http_answer *a)
{
    struct http_server *s = x->connection->server;
    struct stream *st = calloc(1, sizeof *st);
    struct MHD_Response *response;

    if (!st)
        return NULL;
    *st = (struct stream){.server = s,
                          .fd = x->connection->fd,
                          .next = a->next,
                          .on_close = a->on_close,
                          .userdata = a->userdata};
    atomic_fetch_add(&s->streams, 1);
    a->next = NULL;
    a->on_close = NULL;
    /* how long a watcher waits is no idleness of the client's */
    MHD_set_connection_option(x->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, st, stream_free);
    if (!response)
        stream_free(st);
    return response;
}

struct file {
    int fd;
    uint64_t from;
};

static ssize_t on_file(void *cls, uint64_t position, char *buf, size_t max)
{
    struct file *f = cls;
    ssize_t n = pread(f->fd, buf, max, (off_t)(f->from + position));

    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void file_free(void *cls)
{
    struct file *f = cls;

    close(f->fd);
    free(f);
}

/* Plain: sendfile(2) by the library. TLS: in blocks, as from a file descriptor it would read 4 KiB at a time. */
static struct MHD_Response *make_file(struct exchange *x, struct http_answer *a)
{
    struct MHD_Response *response;
    struct file *f;

    if (x->connection->listener->kind != HTTP_TLS) {
        response = MHD_create_response_from_fd_at_offset64(a->file_bytes, a->file_fd, a->file_from);
        if (response)
            a->file_fd = -1;
        return response;
    }
    f = malloc(sizeof *f);
    if (!f)
        return NULL;
    *f = (struct file){TAKE_FD(a->file_fd), a->file_from};
    response = MHD_create_response_from_callback(a->file_bytes, FILE_BLOCK, on_file, f, file_free);
    if (!response)
        file_free(f);
    return response;
}

static ssize_t on_nothing(void *cls, uint64_t position, char *buf, size_t max)
{
    return MHD_CONTENT_READER_END_WITH_ERROR; /* never called: HEAD */
}

/* The size that an answer to HEAD says a GET would have, where its maker set it as a header; else -1. */
static int64_t said_length(const struct exchange *x, const struct http_answer *a)
{
    if (strcmp(x->request.method, "HEAD") != 0 || a->body || a->file_fd >= 0 || a->next)
        return -1;
    for (size_t i = 0; i < a->n_headers; i++)
        if (strcasecmp(a->headers[i].name, "Content-Length") == 0)
            return strtoll(a->headers[i].value, NULL, 10);
    return -1;
}

static struct MHD_Response *make_response(struct exchange *x, struct http_answer *a)
{
    struct MHD_Response *response;
    int64_t length = said_length(x, a);

    if (length >= 0)
        return MHD_create_response_from_callback((uint64_t)length, STREAM_BLOCK, on_nothing, NULL, NULL);
    if (a->next)
        return make_stream(x, a);
    if (a->file_fd >= 0 && a->file_bytes > 0)
        return make_file(x, a);
    response = MHD_create_response_from_buffer(a->body_size, a->body ? a->body : (char *)"",
                                               a->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response)
        a->body = NULL;
    return response;
}

static bool too_many_open(struct http_server *s)
{
    bool many;

    pthread_mutex_lock(&s->lock);
    many = s->n_connections > KEEP_CONNECTIONS || atomic_load(&s->stopping);
    pthread_mutex_unlock(&s->lock);
    return many;
}

/* Headers that the server itself is responsible for. */
static bool is_ours(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0 ||
           strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Date") == 0;
}

enum MHD_Result server_queue(struct exchange *x, struct http_answer *a)
{
    struct http_server *s = x->connection->server;
    bool close = a->close || a->next || too_many_open(s);
    enum MHD_Result ok = MHD_YES;
    struct MHD_Response *response;

    if (a->next && atomic_load(&s->streams) >= STREAMS_MAX) {
        struct error err = ERROR_INIT;

        error_set(&err, -EBUSY, "", "%d watchers are connected already; end one of them", STREAMS_MAX);
        http_answer_done(a);
        s->service.refuse(s->service.userdata, MHD_HTTP_SERVICE_UNAVAILABLE, &err, a);
        a->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    response = make_response(x, a);
    if (!response) {
        http_answer_done(a);
        return MHD_NO;
    }
    for (size_t i = 0; ok && i < a->n_headers; i++)
        if (!is_ours(a->headers[i].name))
            ok = MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    if (ok && close)
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    ok = ok ? MHD_queue_response(x->mhd, a->status, response) : MHD_NO;
    MHD_destroy_response(response);
    http_answer_done(a);
    return ok;
}

/* ---- early answers -------------------------------------------------------------------------------------------------------- */

/* The connection's bytes, past the library. */
struct wire {
    struct http_server *server;
    int fd;
    gnutls_session_t tls; /* NULL: plain */
    int64_t until_usec;
};

/* Return: false when the time is over, the server stops, or nothing came for timeout. */
static bool wire_wait(const struct wire *w, short events, int timeout_msec)
{
    for (int waited = 0; waited < timeout_msec; waited += POLL_MSEC) {
        struct pollfd p = {.fd = w->fd, .events = events};

        if (poll(&p, 1, POLL_MSEC) > 0)
            return true;
        if (clock_monotonic_usec() > w->until_usec || atomic_load(&w->server->stopping))
            return false;
    }
    return false;
}

static ssize_t wire_once(const struct wire *w, bool send_it, void *data, size_t size)
{
    ssize_t n;

    if (!w->tls) {
        n = send_it ? send(w->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT)
                    : recv(w->fd, data, size, MSG_DONTWAIT);
        return n < 0 ? -errno : n;
    }
    n = send_it ? gnutls_record_send(w->tls, data, size) : gnutls_record_recv(w->tls, data, size);
    return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? -EAGAIN : n < 0 ? -EIO : n;
}

static bool wire_send(const struct wire *w, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = wire_once(w, true, (void *)text, size);

        if (n == -EAGAIN && wire_wait(w, POLLOUT, LINGER_IDLE_MSEC))
            continue;
        if (n < 0 && n != -EINTR)
            return false;
        if (n > 0)
            text += n, size -= (size_t)n;
    }
    return true;
}

/* Reads and throws away until the sender has closed, or it was enough. */
static void wire_drain(const struct wire *w)
{
    _cleanup_free_ char *buf = malloc(FILE_BLOCK);

    for (size_t drained = 0; buf && drained < LINGER_BYTES && clock_monotonic_usec() < w->until_usec;) {
        ssize_t n = wire_once(w, false, buf, FILE_BLOCK);

        if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
            return;
        if (n == -EAGAIN && !wire_wait(w, POLLIN, LINGER_IDLE_MSEC))
            return;
        drained += n > 0 ? (size_t)n : 0;
    }
}

/* Status line and headers (RFC 9112 §4, §5). New string, NULL: no memory. */
static char *make_head(const struct http_answer *a)
{
    char *text = NULL, date[64];
    time_t now = (time_t)(clock_now_usec() / USEC_PER_SEC);
    struct tm tm;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    fprintf(f, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\n", a->status,
            MHD_get_reason_phrase_for(a->status), date);
    for (size_t i = 0; i < a->n_headers; i++)
        if (!is_ours(a->headers[i].name))
            fprintf(f, "%s: %s\r\n", a->headers[i].name, a->headers[i].value);
    if (a->status != MHD_HTTP_NO_CONTENT)
        fprintf(f, "Content-Length: %zu\r\n", a->body_size);
    fputs("\r\n", f);
    if (fclose(f) != 0)
        free(TAKE_PTR(text));
    return text;
}

enum MHD_Result server_send_early(struct exchange *x, struct http_answer *a)
{
    const union MHD_ConnectionInfo *info = NULL;
    struct wire w = {.server = x->connection->server, .fd = x->connection->fd};
    _cleanup_free_ char *head = make_head(a);
    bool sent;

    x->answered = true;
    if (x->connection->listener->kind == HTTP_TLS)
        info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    w.tls = info ? info->tls_session : NULL;
    w.until_usec = clock_monotonic_usec() + LINGER_USEC;
    sent = head && wire_send(&w, head, strlen(head));
    if (sent && a->body && strcmp(x->request.method, "HEAD") != 0)
        sent = wire_send(&w, a->body, a->body_size);
    http_answer_done(a);
    if (sent && w.tls)
        (void)gnutls_bye(w.tls, GNUTLS_SHUT_WR);
    if (sent && shutdown(w.fd, SHUT_WR) == 0)
        wire_drain(&w);
    return MHD_NO;
}
