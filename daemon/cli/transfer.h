/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests of a docking station: HTTP or HTTPS over libcurl, one connection that is kept, with a token or a client certificate. Each
 * thread has its own. Redirects are never followed: the token goes to the server that was named and to nobody else.
 */
#ifndef LIUHEN_CLI_TRANSFER_H
#define LIUHEN_CLI_TRANSFER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"

/* Why there was no answer. err then says it for people. */
enum {
    TRANSFER_E_UNREACHABLE = 1601, /* nobody answers there */
    TRANSFER_E_BROKEN = 1602,      /* the connection broke off; what was sent may or may not have come */
    TRANSFER_E_TRUST = 1603, /* TLS: the server is not who it should be, or our certificate cannot be used */
    TRANSFER_E_STOPPED = 1604, /* *stop was set */
};

/* Where to, and as whom. Borrowed. */
struct transfer_site {
    const char *server; /* "https://host:8443", "http://127.0.0.1:8480", or the path of a unix socket */
    const char *token;  /* for Authorization: Bearer; NULL = none */
    const char *certificate,
        *key; /* files: PEM, or PKCS#12 when it ends in .p12 or .pfx (key is NULL then); NULL = none */
    const char *password;    /* of the key or the PKCS#12 file; NULL = none */
    const char *ca;          /* file: who signs the server's certificate; NULL = the system's authorities */
    const atomic_bool *stop; /* ends whatever is going on; NULL = never */
};

/* Whether text can be a server. Return: NULL, or what would be right. */
const char *transfer_check_server(const char *text);

struct transfer;
/* Return: 0 or -ENOMEM. */
int transfer_new(const struct transfer_site *site, struct transfer **ret);
struct transfer *transfer_free(struct transfer *t);
DEFINE_CLEANUP(struct transfer *, transfer_free)

#define TRANSFER_HEADERS_MAX 8
struct transfer_request {
    const char *method, *target;               /* the target begins with '/' */
    const char *headers[TRANSFER_HEADERS_MAX]; /* "Name: value"; NULL ends them */
    const void *body;                          /* NULL = none */
    size_t size;
    void (*on_sent)(void *userdata, size_t bytes); /* so much of the body has gone out; may be NULL */
    void *userdata;
};

struct transfer_answer {
    unsigned status;
    char *text; /* NUL-terminated, never NULL after success */
    size_t size;
    char *location;        /* path of the Location header on the same server; NULL = none that can be used */
    int64_t offset;        /* Upload-Offset, -1 = none */
    int64_t retry_seconds; /* Retry-After, -1 = none */
};
void transfer_answer_done(struct transfer_answer *a);

/* Sends one request and takes the answer, whatever its status. Return: 0, TRANSFER_E_*, -ENOMEM, -EFBIG (an answer too large). */
int transfer_do(struct transfer *t, const struct transfer_request *request, struct transfer_answer *ret,
                struct error *err);

#endif
