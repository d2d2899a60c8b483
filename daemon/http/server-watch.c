/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Watching over connections: how many there are, headers that do not end, bodies that drip. The library's own time-out starts anew
 * with every byte. Only the client's time counts, not what the service takes to hash, write and seal. The watcher is a thread that
 * sleeps while no TCP connection exists; peers on the unix socket are of this machine. It cuts by shutdown(2), upon which the
 * connection's own thread ends it.
 *
 * Locks: http_server.lock before connection.lock. A connection in the list has an open fd.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "http/server-internal.h"

#define TICK_USEC USEC_PER_SEC
#define KEEP_USEC (10 * USEC_PER_SEC)

/* What TCP knows of a connection. Return: false on a unix socket. */
static bool ask_tcp(const struct connection *c, struct tcp_info *ret)
{
    socklen_t size = sizeof *ret;

    *ret = (struct tcp_info){0};
    return c->peer.kind != HTTP_UNIX && getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, ret, &size) == 0;
}

static uint64_t bytes_received(const struct connection *c)
{
    struct tcp_info info;

    return ask_tcp(c, &info) ? info.tcpi_bytes_received : 0;
}

int64_t connection_phase(struct connection *c, enum phase phase)
{
    int64_t now = clock_monotonic_usec();
    uint64_t received = phase == PHASE_HEADERS ? bytes_received(c) : 0;

    pthread_mutex_lock(&c->lock);
    if (c->phase == PHASE_BODY)
        c->client_usec += now - c->since_usec;
    if (phase == PHASE_HEADERS) {
        c->used = true;
        c->client_usec = 0;
        c->bytes = 0;
        c->received = received;
        c->headers_usec = 0;
    }
    c->phase = phase;
    c->since_usec = c->heard_usec = now;
    pthread_mutex_unlock(&c->lock);
    return now;
}

int64_t connection_took(struct connection *c, size_t bytes)
{
    int64_t now = clock_monotonic_usec();

    pthread_mutex_lock(&c->lock);
    c->bytes += bytes;
    c->phase = PHASE_BODY;
    c->since_usec = c->heard_usec = now;
    pthread_mutex_unlock(&c->lock);
    return now;
}

/* ---- coming and going ------------------------------------------------------------------------------------------------------ */

static void cut(struct connection *c)
{
    c->cut = true;
    shutdown(c->fd, SHUT_RDWR);
}

/* For how long nothing has come. Of a record of TLS or the head of a chunk the service hears only when it is whole, and of what waits in
 * the socket when its thread has had its turn; TCP knows of both. */
static int64_t silent_for(const struct connection *c)
{
    int64_t silent = clock_monotonic_usec() - c->heard_usec;
    struct tcp_info info;
    int unread = 0;

    if (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0)
        return 0;
    if (ask_tcp(c, &info))
        silent = MIN(silent, (int64_t)info.tcpi_last_data_recv * USEC_PER_MSEC);
    return silent;
}

bool http_cut_silent(const struct http_request *r, int64_t silent_usec)
{
    struct connection *c = ((const struct exchange *)r->impl)->connection;
    bool gone;

    pthread_mutex_lock(&c->lock);
    if (!c->cut && c->phase == PHASE_BODY && silent_for(c) >= silent_usec)
        cut(c);
    gone = c->cut;
    pthread_mutex_unlock(&c->lock);
    return gone;
}

/* How many connections count against the newcomer's limit, and which of them has asked for nothing for the longest time. */
struct rivals {
    unsigned n;
    struct connection *oldest;
    int64_t since_usec;
};

static void count_rival(struct connection *c, struct rivals *r)
{
    pthread_mutex_lock(&c->lock);
    r->n += !c->cut;
    if (c->phase == PHASE_HEADERS && !c->cut && c->since_usec < r->since_usec) {
        r->oldest = c;
        r->since_usec = c->since_usec;
    }
    pthread_mutex_unlock(&c->lock);
}

/* Where a limit is reached, the oldest connection that asks for nothing goes: who is new comes with a request more likely than who
 * has sat there. Where all are busy, the newcomer is one too many. On loopback one address (a proxy's) stands for many. Called with the server's lock, before c is in the list. */
static void make_room(struct connection *c)
{
    struct rivals all = {0, NULL, INT64_MAX}, near = {0, NULL, INT64_MAX}, *full;
    struct http_server *s = c->server;

    for (struct connection *other = s->connections; other; other = other->next) {
        if (other->listener != c->listener)
            continue;
        count_rival(other, &all);
        if (c->peer.kind == HTTP_TLS && strcmp(other->peer.address, c->peer.address) == 0)
            count_rival(other, &near);
    }
    full = near.n >= s->address_max ? &near : all.n >= s->connections_max ? &all : NULL;
    if (!full)
        return;
    c->surplus = !full->oldest;
    if (c->surplus &&
        full->n >= (full == &near ? s->address_max : s->connections_max) + SERVER_SPARE_CONNECTIONS) {
        c->cut = true;
        shutdown(c->fd, SHUT_RDWR);
    }
    if (full->oldest) {
        pthread_mutex_lock(&full->oldest->lock);
        cut(full->oldest);
        pthread_mutex_unlock(&full->oldest->lock);
    }
}

static void add(struct connection *c)
{
    struct http_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    make_room(c);
    c->next = s->connections;
    if (c->next)
        c->next->prev = c;
    s->connections = c;
    s->n_connections++;
    if (c->peer.kind != HTTP_UNIX && s->n_tcp++ == 0)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void drop(struct connection *c)
{
    struct http_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->n_connections--;
    if (c->peer.kind != HTTP_UNIX)
        s->n_tcp--;
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void write_address(const struct sockaddr *address, struct http_peer *ret)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;

    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &four->sin_addr, ret->address, sizeof ret->address);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], ret->address, sizeof ret->address);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, ret->address, sizeof ret->address);
}

void server_on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct listener *l = cls;
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct connection *c = *context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *context = NULL;
        if (c)
            drop(c);
        return;
    }
    c = calloc(1, sizeof *c);
    if (!c || !fd) {
        free(c);
        return; /* its requests are refused for want of memory */
    }
    c->server = l->server;
    c->listener = l;
    c->fd = fd->connect_fd;
    c->peer = (struct http_peer){.kind = l->kind, .uid = (uid_t)-1};
    if (address && address->client_addr)
        write_address(address->client_addr, &c->peer);
    c->since_usec = clock_monotonic_usec();
    pthread_mutex_init(&c->lock, NULL);
    *context = c;
    add(c);
}

void server_cut_all(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    for (struct connection *c = s->connections; c; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the watcher ------------------------------------------------------------------------------------------------------------- */

/* Whether headers have begun and do not end, or a connection that was kept after an answer is not used again: the library has then
 * touched the whole of its buffer, which is more than a new connection costs. */
static bool headers_are_late(struct connection *c, int64_t now)
{
    if (c->headers_usec == 0 && bytes_received(c) > c->received)
        c->headers_usec = now;
    if (c->headers_usec)
        return now - c->headers_usec > c->server->header_usec;
    return c->used && now - c->since_usec > KEEP_USEC;
}

/* Whether a window is over in which too little came; begins the next. */
static bool body_is_slow(struct connection *c, int64_t now)
{
    int64_t took = c->client_usec + now - c->since_usec;
    bool slow;

    if (took < c->server->window_usec)
        return false;
    slow = c->bytes < c->server->rate_bytes * (uint64_t)(took / USEC_PER_MSEC) / 1000;
    c->client_usec = 0;
    c->since_usec = now;
    c->bytes = 0;
    return slow;
}

static void look_at(struct connection *c, int64_t now)
{
    pthread_mutex_lock(&c->lock);
    if (!c->cut && c->peer.kind != HTTP_UNIX &&
        ((c->phase == PHASE_HEADERS && headers_are_late(c, now)) ||
         (c->phase == PHASE_BODY && body_is_slow(c, now))))
        cut(c);
    pthread_mutex_unlock(&c->lock);
}

static void *watch(void *userdata)
{
    struct http_server *s = userdata;

    pthread_mutex_lock(&s->lock);
    while (!s->watcher_ends) {
        struct timespec until;
        int64_t now;

        if (s->n_tcp == 0) {
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TICK_USEC / USEC_PER_SEC;
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
        now = clock_monotonic_usec();
        for (struct connection *c = s->connections; c; c = c->next)
            look_at(c, now);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int server_watch_new(struct http_server *s)
{
    int r = pthread_create(&s->watcher, NULL, watch, s);

    s->watching = r == 0;
    return -r;
}

void server_watch_free(struct http_server *s)
{
    if (!s->watching)
        return;
    pthread_mutex_lock(&s->lock);
    s->watcher_ends = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->watcher, NULL);
}
