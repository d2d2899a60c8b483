/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A real HTTP server with a service that does what the target says, and a client that writes raw bytes:
 *   /sink            takes everything; "N bytes, sum S"
 *   /refuse          403 at begin, with a state
 *   /until/N         413 once more than N bytes came
 *   /file            the served file (fixture.file)
 *   /head/N          an answer to HEAD that says it would have N bytes
 *   /stream          lines until the client goes
 *   /wait            finish waits until the test lets it go on
 *   /hold            take waits at its first piece until the test lets it go on; then as /sink
 *   /who             kind, address, uid, certificate and fault
 *   /headers/prefix  how many headers begin so, and the first's value
 */
#ifndef LIUHEN_TESTS_HTTP_FIXTURE_H
#define LIUHEN_TESTS_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "http/http.h"

#define FIXTURE_WAIT_USEC (30 * USEC_PER_SEC) /* how long a test waits for what must come */
#define FIXTURE_ETAG      "0123abcd"

struct fixture {
    struct http_server *server;
    uint16_t port, tls_port; /* 0: no such listener */
    char path[64];
    char *file;
    size_t file_bytes;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned begun, finished, refused, closed_whole, closed_cut, streams_closed, waiting;
    uint64_t taken;
    bool go_on;
    const struct http_request *latest; /* the request that came last, until it is closed */
};

struct visit {
    const struct http_request *request;
    uint64_t bytes;
    unsigned sum;
};

static inline void fixture_count(struct fixture *f, unsigned *counter)
{
    pthread_mutex_lock(&f->lock);
    ++*counter;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Waits until a counter has reached n; fails after a long time. */
static inline _unused_ void fixture_await(struct fixture *f, const unsigned *counter, unsigned n)
{
    struct timespec until;
    bool there;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FIXTURE_WAIT_USEC / USEC_PER_SEC;
    pthread_mutex_lock(&f->lock);
    while (*counter < n && pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0)
        ;
    there = *counter >= n;
    pthread_mutex_unlock(&f->lock);
    if (!there)
        fail_msg("%u of %u came", *counter, n);
}

static inline _unused_ void fixture_let_go_on(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->go_on = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Waits until so many bytes of bodies were taken; fails after a long time. */
static inline _unused_ void fixture_await_bytes(struct fixture *f, uint64_t n)
{
    struct timespec until;
    bool there;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FIXTURE_WAIT_USEC / USEC_PER_SEC;
    pthread_mutex_lock(&f->lock);
    while (f->taken < n && pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0)
        ;
    there = f->taken >= n;
    pthread_mutex_unlock(&f->lock);
    if (!there)
        fail_msg("%llu bytes did not come", (unsigned long long)n);
}

/* http_cut_silent of the latest request, as a service calls it: close() cannot return meanwhile. False when there is none. */
static inline _unused_ bool fixture_cut_silent(struct fixture *f, int64_t silent_usec)
{
    bool cut;

    pthread_mutex_lock(&f->lock);
    cut = f->latest && http_cut_silent(f->latest, silent_usec);
    pthread_mutex_unlock(&f->lock);
    return cut;
}

static inline _printf_(3, 4) void fixture_say(struct http_answer *a, unsigned status, const char *format, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    http_answer_text(a, status, "text/plain", text);
}

static inline bool fixture_is(const struct visit *v, const char *prefix)
{
    return strncmp(v->request->target, prefix, strlen(prefix)) == 0;
}

static inline bool fixture_begin(void *userdata, const struct http_request *request, void **ret_state,
                                 struct http_answer *answer)
{
    struct fixture *f = userdata;
    struct visit *v = calloc(1, sizeof *v);

    v->request = request;
    *ret_state = v;
    pthread_mutex_lock(&f->lock);
    f->latest = request;
    pthread_mutex_unlock(&f->lock);
    fixture_count(f, &f->begun);
    if (!fixture_is(v, "/refuse"))
        return true;
    fixture_say(answer, 403, "{\"no\":%d}", 1);
    (void)http_answer_header(answer, "X-Why", "because");
    return false;
}

static inline void fixture_wait(struct fixture *f)
{
    fixture_count(f, &f->waiting);
    pthread_mutex_lock(&f->lock);
    while (!f->go_on)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static inline bool fixture_take(void *userdata, void *state, const void *data, size_t size,
                                struct http_answer *answer)
{
    struct fixture *f = userdata;
    struct visit *v = state;

    if (fixture_is(v, "/hold") && v->bytes == 0)
        fixture_wait(f);
    v->bytes += size;
    for (size_t i = 0; i < size; i++)
        v->sum = v->sum * 31 + ((const unsigned char *)data)[i];
    pthread_mutex_lock(&f->lock);
    f->taken += size;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (!fixture_is(v, "/until/") || v->bytes <= strtoull(v->request->target + 7, NULL, 10))
        return true;
    fixture_say(answer, 413, "too much");
    return false;
}

static inline int fixture_next(void *userdata, char **ret_text)
{
    struct timespec nap = {0, 5000000};

    nanosleep(&nap, NULL);
    *ret_text = strdup("line\n");
    return 1;
}

static inline void fixture_stream_closed(void *userdata)
{
    struct fixture *f = userdata;

    fixture_count(f, &f->streams_closed);
}

static inline void fixture_first(void *userdata, const char *name, const char *value)
{
    char *first = userdata;

    if (!*first)
        snprintf(first, 100, "%s=%s", name, value);
}

static inline void fixture_serve_file(struct fixture *f, struct visit *v, struct http_answer *answer)
{
    struct http_file file = {.fd = memfd_create("file", MFD_CLOEXEC),
                             .bytes = f->file_bytes,
                             .type = "video/mp4",
                             .etag = FIXTURE_ETAG,
                             .changed_usec = 784111777 * USEC_PER_SEC};

    assert_int_equal(fd_write_full(file.fd, f->file, f->file_bytes), 0);
    assert_int_equal(http_answer_file(answer, v->request, &file), 0);
}

static inline void fixture_finish(void *userdata, void *state, struct http_answer *answer)
{
    struct fixture *f = userdata;
    struct visit *v = state;
    const struct http_peer *p = &v->request->peer;

    if (fixture_is(v, "/file")) {
        fixture_serve_file(f, v, answer);
    } else if (fixture_is(v, "/stream")) {
        answer->status = 200;
        answer->next = fixture_next;
        answer->on_close = fixture_stream_closed;
        answer->userdata = f;
    } else if (fixture_is(v, "/who")) {
        fixture_say(answer, 200, "%d|%s|%d|%s|%s", (int)p->kind, p->address, (int)p->uid, p->certificate,
                    p->certificate_fault);
    } else if (fixture_is(v, "/headers/")) {
        char first[100] = "";
        size_t n = http_headers_each(v->request, v->request->target + 9, fixture_first, first);

        fixture_say(answer, 200, "%zu %s", n, first);
    } else if (fixture_is(v, "/head/")) {
        answer->status = 200;
        (void)http_answer_header(answer, "Content-Length", "%s", v->request->target + 6);
    } else {
        if (fixture_is(v, "/wait"))
            fixture_wait(f);
        fixture_say(answer, 200, "%llu bytes, sum %u", (unsigned long long)v->bytes, v->sum);
    }
    fixture_count(f, &f->finished);
}

static inline void fixture_close(void *userdata, void *state, bool whole)
{
    struct fixture *f = userdata;
    struct visit *v = state;

    pthread_mutex_lock(&f->lock);
    if (f->latest == v->request)
        f->latest = NULL;
    pthread_mutex_unlock(&f->lock);
    free(state); /* a second close is found by the address sanitizer, and by the counters */
    fixture_count(f, whole ? &f->closed_whole : &f->closed_cut);
}

static inline void fixture_refuse(void *userdata, unsigned status, const struct error *err,
                                  struct http_answer *answer)
{
    struct fixture *f = userdata;

    fixture_count(f, &f->refused);
    fixture_say(answer, status, "{\"error\":\"%s\"}", err->text);
}

static inline _unused_ struct http_options fixture_options(void)
{
    return (struct http_options){.connections = 64,
                                 .connections_per_address = 64,
                                 .header_usec = 30 * USEC_PER_SEC,
                                 .rate_bytes = 512};
}

static inline uint16_t fixture_port(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* A server on a unix socket, a loopback port, and a TLS port when the options have a certificate. */
static inline _unused_ struct fixture *fixture_new(const struct http_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_service service = {fixture_begin, fixture_take,   fixture_finish,
                                   fixture_close, fixture_refuse, f};
    struct http_listener listeners[3];
    struct error err = ERROR_INIT;
    size_t n = 2;

    signal(SIGPIPE, SIG_IGN); /* a server that closes early is an error of the write */
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    snprintf(f->path, sizeof f->path, "/tmp/lh-http-%d", (int)getpid());
    listeners[0] = (struct http_listener){http_listen_unix(f->path, 0600, &err), HTTP_UNIX};
    listeners[1] = (struct http_listener){http_listen_tcp("127.0.0.1:0", true, &err), HTTP_LOOPBACK};
    assert_true(listeners[0].fd >= 0 && listeners[1].fd >= 0);
    f->port = fixture_port(listeners[1].fd);
    if (options->certificate) {
        listeners[2] = (struct http_listener){http_listen_tcp("127.0.0.1:0", false, &err), HTTP_TLS};
        assert_true(listeners[2].fd >= 0);
        f->tls_port = fixture_port(listeners[2].fd);
        n = 3;
    }
    if (http_server_new(listeners, n, options, &service, &f->server, &err) != 0)
        fail_msg("%s: %s", err.object, err.text);
    return f;
}

static inline _unused_ void fixture_stop(struct fixture *f)
{
    f->server = http_server_free(f->server);
}

static inline _unused_ void fixture_free(struct fixture *f)
{
    fixture_let_go_on(f);
    fixture_stop(f);
    /* whatever was begun was closed, once */
    assert_int_equal(f->closed_whole + f->closed_cut, f->begun);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    unlink(f->path);
    free(f->file);
    free(f);
}

/* From an address of this machine (127.0.0.1 and the like; TCP only). */
static inline _unused_ int fixture_dial_from(const struct fixture *f, enum http_kind kind, const char *from)
{
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from)};

    struct sockaddr_in tcp = {.sin_family = AF_INET,
                              .sin_port = htons(kind == HTTP_TLS ? f->tls_port : f->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = FIXTURE_WAIT_USEC / USEC_PER_SEC};
    int fd = socket(kind == HTTP_UNIX ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(local.sun_path, f->path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (kind == HTTP_UNIX) {
        assert_int_equal(connect(fd, (struct sockaddr *)&local, sizeof local), 0);
        return fd;
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&source, sizeof source), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&tcp, sizeof tcp), 0);
    return fd;
}

static inline _unused_ int fixture_dial(const struct fixture *f, enum http_kind kind)
{
    return fixture_dial_from(f, kind, "127.0.0.1");
}

static inline _unused_ void fixture_put(int fd, const char *text)
{
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

/* One answer: its head up to the empty line, and a body of Content-Length (or up to the end). */
struct reply {
    int status; /* 0: the connection ended before a whole head */
    char head[4096];
    char *body;
    size_t body_size;
};

static inline _unused_ void reply_done(struct reply *r)
{
    free(r->body);
    *r = (struct reply){0};
}

/* The value of a header of the reply; "" when it is not there. In a static buffer. */
static inline _unused_ const char *reply_header(const struct reply *r, const char *name)
{
    static char value[512];
    size_t n = strlen(name);

    *value = '\0';
    for (const char *p = strstr(r->head, "\r\n"); p && p[2]; p = strstr(p + 2, "\r\n"))
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
            snprintf(value, sizeof value, "%.*s", (int)strcspn(p + 4 + n, "\r"), p + 4 + n);
    return value;
}

/* Reads with read_some(cls, …) as recv(2) would. */
static inline void fixture_read(ssize_t (*read_some)(void *cls, void *buf, size_t size), void *cls,
                                bool head_only, struct reply *r)
{
    size_t n = 0, size = SIZE_MAX;
    ssize_t got = 1;

    *r = (struct reply){0};
    while (!strstr(r->head, "\r\n\r\n") && n + 1 < sizeof r->head &&
           (got = read_some(cls, r->head + n, 1)) > 0)
        r->head[++n] = '\0';
    if (got <= 0 || strncmp(r->head, "HTTP/1.1 ", 9) != 0)
        return;
    r->status = atoi(r->head + 9);
    if (*reply_header(r, "Content-Length"))
        size = strtoull(reply_header(r, "Content-Length"), NULL, 10);
    if (head_only || r->status == 304 || r->status == 204 || r->status / 100 == 1)
        size = 0;
    r->body = calloc(1, 1 << 20);
    while (r->body_size < size && r->body_size + 1 < 1 << 20 &&
           (got = read_some(cls, r->body + r->body_size, MIN(size, (size_t)(1 << 20) - 1) - r->body_size)) >
               0)
        r->body_size += (size_t)got;
}

static inline ssize_t fixture_recv(void *cls, void *buf, size_t size)
{
    return recv(*(int *)cls, buf, size, 0);
}

static inline _unused_ void fixture_get(int fd, bool head_only, struct reply *r)
{
    fixture_read(fixture_recv, &fd, head_only, r);
}

/* Whether the server has ended the connection, cleanly or by a reset; waits for it. What still comes before is passed over: the
 * library sends the head of its own error pages twice. */
static inline _unused_ bool fixture_ended(int fd)
{
    char buf[1024];
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        ;
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* Sends text, half-closes nothing, reads one answer, and closes. Return: the status. */
static inline _unused_ int fixture_ask(const struct fixture *f, const char *text, struct reply *r)
{
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    bool head_only = strncmp(text, "HEAD", 4) == 0;

    fixture_put(fd, text);
    fixture_get(fd, head_only, r);
    close(fd);
    return r->status;
}

#endif
