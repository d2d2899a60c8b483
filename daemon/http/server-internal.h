/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of the server share: server.c (requests), server-send.c (answers), server-tls.c (certificates) and server-watch.c
 * (connections that are too slow or too many). Only these know libmicrohttpd and GnuTLS.
 */
#ifndef LIUHEN_HTTP_SERVER_INTERNAL_H
#define LIUHEN_HTTP_SERVER_INTERNAL_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http/http.h"

#define SERVER_IDLE_SECONDS 60u /* a connection that says nothing; ticks only while it exists */
#define SERVER_SPARE_CONNECTIONS                                                                             \
    16u /* beyond the limit, while older ones are being cut for them or to be told so */

/* Whose time passes on a connection. */
enum phase {
    PHASE_HEADERS, /* the client's: nothing asked yet, or headers on their way */
    PHASE_BODY,    /* the client's: a body is on its way */
    PHASE_OURS,    /* the service's, or an answer is being sent */
};

/* One accepted connection; lives from MHD's notice of its start to that of its end, and so does its fd. */
struct connection {
    struct http_server *server;
    struct listener *listener;
    struct connection *prev, *next; /* in server->connections; youngest first */
    int fd;
    bool checked_certificate;
    struct http_peer peer;

    pthread_mutex_t lock; /* of what follows: the connection's thread writes, the watcher reads */
    enum phase phase;
    int64_t since_usec;  /* when the phase began */
    int64_t heard_usec;  /* when the client's turn last began: bytes were taken, or the body was asked for */
    int64_t client_usec; /* of the client's time, in this window, before since_usec */
    uint64_t bytes;      /* of the body, in this window */
    uint64_t
        received; /* what the socket had received when the phase began; headers begin with the next byte */
    int64_t headers_usec; /* when headers were first seen to have begun; 0: not yet */
    bool used;            /* a request has gone over it */
    bool cut;

    bool surplus; /* over the limit: answered with 503; set before its thread begins */
};

struct listener {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    enum http_kind kind;
};

struct http_server {
    struct listener *listeners;
    size_t n_listeners;
    struct http_service service;
    unsigned connections_max, address_max;
    int64_t header_usec, window_usec;
    uint64_t rate_bytes;
    atomic_bool stopping;
    atomic_uint streams;
    pthread_mutex_t lock;
    pthread_cond_t done; /* nothing is in hand */
    unsigned in_hand;
    struct connection *connections;
    unsigned n_connections, n_tcp;
    pthread_cond_t wake; /* the watcher: TCP connections exist, or it is to end */
    pthread_t watcher;
    bool watching, watcher_ends;
};

/* One request; the client context of its connection. */
struct exchange {
    struct connection *connection;
    struct MHD_Connection *mhd;
    char *target;
    struct http_request request;
    void *state;
    struct http_answer answer;
    bool begun;    /* and counted among those in hand */
    bool answered; /* the answer is filled and goes out at the next call, or has gone */
    bool whole;    /* finish was called */
};

/* ---- server-send.c */

/* Hands the answer to the library, which sends it after this callback; consumes it. */
enum MHD_Result server_queue(struct exchange *x, struct http_answer *answer);
/* Sends the answer at once, past the library, which could not while a body is on its way; then reads and throws away what
 * comes, a little while, so that the sender sees the answer. Consumes it. Return: MHD_NO, which ends the connection. */
enum MHD_Result server_send_early(struct exchange *x, struct http_answer *answer);

/* ---- server-watch.c */

/* Notes whose time begins. Return: now, as clock_monotonic_usec(). */
int64_t connection_phase(struct connection *c, enum phase phase);
int64_t connection_took(struct connection *c, size_t bytes); /* and back to PHASE_BODY */
void server_on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code);
int server_watch_new(struct http_server *s);
void server_watch_free(struct http_server *s);
void server_cut_all(struct http_server *s);

/* ---- server-tls.c */

int server_tls_check(const struct http_options *options, struct error *err);
void server_tls_peer(gnutls_session_t session, struct http_peer *ret);
extern const char server_tls_priorities[];

#endif
