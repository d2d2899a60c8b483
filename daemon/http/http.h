/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HTTP/1.1 over listening sockets (unix, loopback, TLS), streaming in both directions: a thread a connection, bodies handed over
 * as they arrive, back-pressure by blocking in the service. server*.c are the only users of libmicrohttpd and know nothing of routes.
 * Without a connection nothing ever wakes up.
 *
 * What the library lets pass and we refuse: a Content-Length given twice, one beside Transfer-Encoding, other codings than chunked,
 * headers beyond the limits or malformed, a second Host. After such a request the connection is closed, as its framing cannot be trusted. A connection that
 * does not finish its headers in time, or whose body comes slower than the least rate, is cut. A connection is kept after an answer while few are open, and for some seconds.
 */
#ifndef LIUHEN_HTTP_HTTP_H
#define LIUHEN_HTTP_HTTP_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/error.h"

enum http_kind {
    HTTP_UNIX,     /* peers are known by SO_PEERCRED */
    HTTP_LOOPBACK, /* plain TCP, accepted from loopback addresses only */
    HTTP_TLS,      /* TLS; client certificates are asked for and checked, but not needed at this level */
};

/* Who is at the other end. */
struct http_peer {
    enum http_kind kind;
    uid_t uid; /* HTTP_UNIX; else (uid_t)-1 */
    pid_t pid;
    char address[48]; /* "192.0.2.7", "::1"; "" on a unix socket */
    /* HTTP_TLS with a client certificate: SHA-256 of its DER form in hex (RFC 8705 calls the like x5t#S256), else "". */
    char certificate[DIGEST_HEX_SIZE];
    char certificate_fault
        [120]; /* why it does not count: "expired 2026-11-01", "not signed by this site"; "" = it is good */
};

/* A request whose headers are whole. Everything is borrowed and lives until close() has returned. */
struct http_request {
    const char *method, *target; /* the target as it was sent */
    struct http_peer peer;
    int64_t body_bytes; /* Content-Length; -1: chunked, not known; 0: no body */
    const void *impl;
};

/* The value of a header (the first, where it is given more than once; lists are the caller's to join); NULL: not given. Names
 * are compared without case. */
const char *http_header(const struct http_request *r, const char *name);
/* Calls on_header for each header whose name begins with prefix ("" = all). Return: how many there are. */
size_t http_headers_each(const struct http_request *r, const char *prefix,
                         void (*on_header)(void *userdata, const char *name, const char *value),
                         void *userdata);

/* Ends the body of a request from outside when nothing of it has come for silent_usec, although the service was waiting for more: the
 * connection is cut, and its own thread calls close() soon. Bytes that have reached this machine count as come, also those of a
 * part that cannot be handed over yet. From any thread, but only until close() has returned: close() sees to it that nobody calls
 * this any more. Return: whether it has been cut, now or before. */
bool http_cut_silent(const struct http_request *r, int64_t silent_usec);

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

#define HTTP_HEADERS_MAX 128 /* Swift objects may have 90 values of metadata */

struct http_answer {
    unsigned status;
    size_t n_headers;
    struct {
        char *name, *value;
    } headers[HTTP_HEADERS_MAX];
    char *body; /* malloc'ed, or */
    size_t body_size;
    int file_fd; /* ≥ 0: bytes [file_from, file_from + file_bytes) of this file, closed afterwards, or */
    uint64_t file_from, file_bytes;
    /* A stream instead of a body: each call gives the next text (malloc'ed), waiting at most some hundred milliseconds.
     * Return: 1 a text, 0 none yet, negative: the end. on_close frees userdata, called exactly once. */
    int (*next)(void *userdata, char **ret_text);
    void (*on_close)(void *userdata);
    void *userdata;
    bool close; /* the connection ends with this answer */
};
#define HTTP_ANSWER_INIT                                                                                     \
    {                                                                                                        \
        .status = 500, .file_fd = -1                                                                         \
    }
void http_answer_done(struct http_answer *a); /* frees what was not sent; back to HTTP_ANSWER_INIT */

/* Sets a header, replacing one of that name. A value with control characters is refused: -EINVAL. Return: 0, -ENOMEM, -E2BIG. */
int http_answer_header(struct http_answer *a, const char *name, const char *format, ...) _printf_(3, 4);
/* The same with a time as IMF-fixdate (RFC 9110 §5.6.7). */
int http_answer_date(struct http_answer *a, const char *name, int64_t usec);
/* Status and a whole body of a type; takes text (NULL: no body). */
void http_answer_text(struct http_answer *a, unsigned status, const char *type, char *text);

/* A file to be served. */
struct http_file {
    int fd; /* taken */
    uint64_t bytes;
    const char *type;
    const char *etag;     /* strong, without quotes: the digest in hex */
    int64_t changed_usec; /* for Last-Modified; 0: none */
};
/* Fills the answer to GET or HEAD: 200, 206 (one range), 304 (If-None-Match), 412 (If-Match), 416; ETag, Accept-Ranges,
 * Last-Modified; If-Range is honoured (RFC 9110 §13, §14). Several ranges: answered whole, as §14.2 allows. */
int http_answer_file(struct http_answer *a, const struct http_request *r, const struct http_file *file);

/* ---- serving ---------------------------------------------------------------------------------------------------------- */

/* What serves. All run in the connection's thread and may block; several connections at once. */
struct http_service {
    /* The headers are whole. Return: true when the body is wanted: take gets it piece by piece, then finish (also for requests
     * without a body); false when the answer is filled: it goes out without the body being read (a sender that expects 100 sends
     * none; of others a little is read and thrown away so that they see the answer), and the connection ends if there was a body. */
    bool (*begin)(void *userdata, const struct http_request *request, void **ret_state,
                  struct http_answer *answer);
    /* A piece of the body. Return: true to go on; false when the answer is filled, as with begin (a text, no file or stream). */
    bool (*take)(void *userdata, void *state, const void *data, size_t size, struct http_answer *answer);
    /* The body is whole: fills the answer. */
    void (*finish)(void *userdata, void *state, struct http_answer *answer);
    /* Exactly once for each begin that set a state, when the answer has gone out or never will. whole: finish was called. When the
     * client goes in the middle of the body, this is all that is heard of it. */
    void (*close)(void *userdata, void *state, bool whole);
    /* Fills an answer to what never reaches begin (bad framing, header too large) or was cut. */
    void (*refuse)(void *userdata, unsigned status, const struct error *err, struct http_answer *answer);
    void *userdata;
};

struct http_listener {
    int fd; /* a listening socket; the server owns it from http_server_new on, also on failure */
    enum http_kind kind;
};

struct http_options {
    /* At most, a listener; and of these from one address, for HTTP_TLS (on loopback all are the proxy's). Beyond, the connection that
     * has asked for nothing for the longest time is cut for the new one; where all are busy the new one is answered with 503. */
    unsigned connections;
    unsigned connections_per_address;
    /* Headers must be whole within this time after their first byte (of a new TLS connection: of its handshake); TCP only. */
    int64_t header_usec;
    /* A body must bring at least so many bytes a second of the client's time; TCP only. */
    uint64_t rate_bytes;
    int64_t window_usec;           /* over which that is measured; 0: 30 s */
    const char *certificate, *key; /* PEM texts, for HTTP_TLS */
    const char *client_ca; /* PEM text of whoever signs client certificates; NULL: none is asked for */
};

struct http_server;

/* Starts serving n listeners. Return: 0, -EINVAL (a certificate or key that cannot be used; err says which), negative errno. */
int http_server_new(const struct http_listener *listeners, size_t n, const struct http_options *options,
                    const struct http_service *service, struct http_server **ret, struct error *err);

/* Accepts no more, lets requests in hand finish (at most 2 s), cuts bodies and streams, ends all threads. */
struct http_server *http_server_free(struct http_server *s);
DEFINE_CLEANUP(struct http_server *, http_server_free)

/* ---- listening -------------------------------------------------------------------------------------------------------- */

/* A listening socket at path with mode: a stale one is replaced. Return: fd, -EADDRINUSE (somebody serves there), -EEXIST (it
 * is something else), -ENAMETOOLONG, other negative errno. */
int http_listen_unix(const char *path, mode_t mode, struct error *err);

/* "127.0.0.1:8480", "[::]:8443", port 0 = any. loopback_only refuses other addresses: -EPERM. Return: fd or negative errno. */
int http_listen_tcp(const char *address, bool loopback_only, struct error *err);

/* 127.0.0.0/8, ::1, and the former written as IPv6. */
bool http_is_loopback(const struct sockaddr *address);

#endif
