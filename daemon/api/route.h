/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes: one table of method, path, permission, parameters and handler (routes.c), and what carries a request through it
 * (route.c): matching, who asks and what they may, a read connection, the handler, and errors as JSON with a fitting status.
 */
#ifndef LIUHEN_API_ROUTE_H
#define LIUHEN_API_ROUTE_H

#include "api/api.h"
#include "cases/people.h"
#include "catalogue/readers.h"
#include "http/http.h"
#include "http/target.h"

#define ROUTE_ARGS_MAX 2
#define ROUTE_BODY_MAX (1u << 20)

/* A request, whole. Everything is borrowed. */
struct api_request {
    const struct http_request *http;
    const char *body; /* NUL-terminated beyond body_size */
    size_t body_size;
};

/* What a handler gets and gives. */
struct call {
    const struct api_context *context;
    const struct settings *settings;
    const struct target *target;
    const char *args[ROUTE_ARGS_MAX]; /* what stood for {} in the path */
    json_t *body;                     /* the request's object; empty when none was sent */
    const struct person *who;
    struct db *db; /* a read connection where the route has ROUTE_READS */

    unsigned status; /* 200 unless the handler says otherwise */
    json_t *answer;  /* new reference, or */
    char *text;      /* malloc'ed plain text, or */
    bool stream;     /* the feed */
    struct error err;
};

enum route_flags {
    ROUTE_READS = 1, /* the handler needs call.db */
    ROUTE_BODY = 2,  /* takes a JSON object */
};

struct route {
    const char *method;
    const char *path; /* "{}" stands for one segment */
    const char *act;  /* what people_may is asked; the table of who may what is in cases/people.c */
    unsigned flags;
    const char *params; /* query parameters that it knows, space-separated; or members of the body */
    /* Return: 0 or what a catalogue, case or ledger function gave; call.err then says it. */
    int (*handle)(struct call *c);
    const char *help;
};

extern const struct route api_routes[];
extern const size_t n_api_routes;

/* The route of a request. Return: the route with args filled; NULL with *ret_allow = "" (no such path) or the methods that the path
 * has ("GET, POST"; a buffer of at least ROUTE_ALLOW_SIZE). */
#define ROUTE_ALLOW_SIZE 64
const struct route *route_find(const char *method, const struct target *target,
                               const char *args[ROUTE_ARGS_MAX], char ret_allow[ROUTE_ALLOW_SIZE]);

/* The status for what a function returned. */
unsigned route_status(int code);

/* {"error":{"what","object","right"}} as a body. */
void route_fail(unsigned status, const struct error *err, struct http_answer *answer);

/* Carries a request through. *ret_stream: the feed was asked for, and the caller puts it into the answer. */
void route_answer(const struct api_context *context, struct readers *readers,
                  const struct api_request *request, bool *ret_stream, struct http_answer *answer);

#endif
