/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes: one table of method, path, permission, parameters and handler or door (routes.c). Dispatch (visit.c), permissions and
 * openapi.yaml (openapi.c) come from it. A handler gets a whole request and gives JSON; a door (doors/door.h) streams.
 */
#ifndef LIUHEN_API_ROUTE_H
#define LIUHEN_API_ROUTE_H

#include "api/api.h"
#include "cases/people.h"
#include "doors/door.h"
#include "http/target.h"

#define ROUTE_ARGS_MAX KNOCK_ARGS_MAX
#define ROUTE_BODY_MAX (1u << 20) /* of a JSON request */

enum {
    ROUTE_E_SIGN_IN = 1501,  /* people are known on the unix socket only (401) */
    ROUTE_E_NOT_HERE = 1502, /* nothing for whoever asks (404) */
    ROUTE_E_GONE = 1503      /* was here, and has ended (410) */
};

/* What a handler gets and gives. */
struct call {
    const struct api_context *context;
    const struct settings *settings;
    const struct target *target;
    const struct http_request *request;
    const char *args[ROUTE_ARGS_MAX]; /* what stood for {…} in the path */
    json_t *body;                     /* the request's object; empty when none was sent */
    const struct person *who;         /* NULL: not a person (ROUTE_DEVICES, ROUTE_OPEN over TCP) */
    const struct device *device;      /* NULL: not a device */
    struct db *db;                    /* a read connection where the route has ROUTE_READS */

    unsigned status;           /* 200 unless the handler says otherwise */
    json_t *answer;            /* new reference, or */
    char *text;                /* malloc'ed text, of type */
    const char *type;          /* of text; NULL: text/plain */
    bool stream;               /* the feed, or */
    struct http_answer *whole; /* filled by the handler itself, which then sets is_whole */
    bool is_whole;
    struct error err;
};

enum route_flags {
    ROUTE_READS = 1,     /* the handler needs call.db */
    ROUTE_BODY = 2,      /* takes a JSON object */
    ROUTE_OPEN = 4,      /* over TCP nobody is asked who they are; on the unix socket people_may is */
    ROUTE_DEVICES = 8,   /* for devices too */
    ROUTE_OVERRIDE = 16, /* X-HTTP-Method-Override counts (tus 1.0.0, Headers) */
};

struct route {
    const char *method;
    const char *
        path; /* "{name}" stands for one segment, "prefix{name}" for one that begins so, a last "{name...}" for the rest */
    const char *act; /* what people_may is asked; the table of who may what is in cases/people.c */
    unsigned flags;
    const char *params; /* query parameters that it knows, space-separated; or members of the body */
    /* Return: 0 or what a catalogue, case or ledger function gave; call.err then says it. */
    int (*handle)(struct call *c);
    const char *help;
    const struct door *door; /* instead of handle */
    /* For openapi.yaml: status and schema of what it answers, "200 Recording", or one of text, lines, bytes, yaml; which members the
     * body must have, at a door the type of its body. */
    const char *answer, *takes;
};

extern const struct route api_routes[];
extern const size_t n_api_routes;

/* Where a target leads. */
struct route_match {
    const struct route *route; /* NULL: nowhere */
    const char *args[ROUTE_ARGS_MAX];
    char *rest;         /* owns what a "{name...}" stands for */
    const char *method; /* after X-HTTP-Method-Override */
    const struct route *
        path; /* a route with this path, whatever its method; for what all answers of a path have in common */
    char allow
        [64]; /* when route is NULL: the methods that the path has, "GET, HEAD, POST"; "" = no such path */
};

/* The route of a request; HEAD goes where GET does. override: X-HTTP-Method-Override, NULL = none. Return: 0 or -ENOMEM. */
int route_find(const char *method, const char *override, const struct target *target,
               struct route_match *ret);
void route_match_done(struct route_match *m);

/* The status for what a function returned. */
unsigned route_status(int code);

/* {"error":{"what","object","right"}} as a body. */
void route_fail(unsigned status, const struct error *err, struct http_answer *answer);

/* Checks parameters and body of a request, runs the handler and fills the answer from what it gives. */
void route_call(const struct route *route, struct call *c, const char *body, size_t body_size);

/* Who asks for what was denied, and what failed, is logged once. */
void route_log(const struct route *route, const struct http_request *request, const struct person *who, int r,
               const struct error *err);

#endif
