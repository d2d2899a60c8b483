/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HTTP over a listening unix socket: a thread a connection, whole requests in, whole answers or line streams out. The only user
 * of libmicrohttpd; knows nothing of routes. Without a connection nothing ever wakes up.
 *
 * What the library lets pass and we refuse: a Content-Length given twice, one beside Transfer-Encoding, other codings than
 * chunked, bodies beyond SERVER_BODY_MAX. After such a request the connection is closed, as its framing cannot be trusted.
 */
#ifndef LIUHEN_HTTP_SERVER_H
#define LIUHEN_HTTP_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define SERVER_BODY_MAX        (1u << 20)
#define SERVER_CONNECTIONS_MAX 128
#define SERVER_STREAMS_MAX     32
#define SERVER_ALLOW_SIZE      64

struct server;

/* One request, whole. Everything is borrowed. */
struct server_request {
    const char *method, *target; /* the target as it was sent */
    const char *content_type;    /* NULL when there is none */
    const char *body;            /* NUL-terminated beyond body_size */
    size_t body_size;
    uid_t uid; /* the peer's (SO_PEERCRED) */
    pid_t pid;
};

/* What to answer. body is a malloc'ed text that the server frees. */
struct server_answer {
    unsigned status;
    const char *content_type;      /* a literal */
    char allow[SERVER_ALLOW_SIZE]; /* for 405: "GET, POST"; else "" */
    char *body;
    size_t body_size;
    /* A stream instead of a body: each call gives the next text (malloc'ed), waiting at most some hundred milliseconds.
     * Return: 1 a text, 0 none yet, negative: the end. on_close frees userdata, called exactly once. */
    int (*next)(void *userdata, char **ret_text);
    void (*on_close)(void *userdata);
    void *userdata;
};

/* Called in the connection's thread, may block. */
typedef void (*server_handler)(void *userdata, const struct server_request *request,
                               struct server_answer *answer);

/* Called instead of the handler for requests that must be refused before they are whole: fills a body from err. */
typedef void (*server_refuser)(void *userdata, unsigned status, const struct error *err,
                               struct server_answer *answer);

/* Serves the listening socket fd, which the server owns from then on (also on failure). Return: 0 or negative errno. */
int server_new(int fd, server_handler handler, server_refuser refuser, void *userdata, struct server **ret,
               struct error *err);

/* Accepts no more, lets requests in hand finish (at most 2 s), cuts streams, ends all threads. */
struct server *server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)

/* A listening socket at path with mode: a stale one is replaced. Return: fd, -EADDRINUSE (somebody serves there), -EEXIST (it
 * is something else), -ENAMETOOLONG, other negative errno. */
int server_listen(const char *path, mode_t mode, struct error *err);

#endif
