/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Carrying requests through the table of routes (see visit.h). The order is: understand the target, find the route, know who asks and
 * whether they may; all that is settled before the body is looked at. Then the bytes go to the door as they come, or are gathered
 * for the handler.
 *
 * Who may: on the unix socket people by uid (cases/people.c), or a device that brings its token (a proxy in front); elsewhere devices
 * only, and what is open to everybody. Sign-in for people comes with the console.
 */
#include "api/visit.h"

#include <errno.h>
#include <string.h>

#include "api/route.h"

struct visit {
    const struct api_context *context;
    const struct settings *settings;
    const struct http_request *request;
    struct target target;
    struct route_match match;
    struct person who;
    struct device device;
    bool is_person, is_device;
    char *body; /* of a JSON request */
    size_t size, room;
    struct knock knock;
    bool at_door; /* begin of the door was called, close not yet */
};

/* What all answers of a path have in common. */
static void decorate(const struct visit *v, struct http_answer *answer)
{
    const struct route *path = v->match.path;

    if (path && path->door && path->door->decorate)
        path->door->decorate(v->settings, v->request, answer);
    if (answer->n_headers < HTTP_HEADERS_MAX - 1) {
        bool said = false;
        for (size_t i = 0; i < answer->n_headers; i++)
            said |= strcmp(answer->headers[i].name, "Cache-Control") == 0;
        if (!said)
            (void)http_answer_header(answer, "Cache-Control", "no-store");
    }
}

static bool refuse(struct visit *v, int code, const struct error *err, struct http_answer *answer)
{
    route_log(v->match.route, v->request, &v->who, code, err);
    route_fail(route_status(code), err, answer);
    if (code == -EOPNOTSUPP)
        (void)http_answer_header(answer, "Allow", "%s", v->match.allow);
    if (code == ROUTE_E_SIGN_IN)
        (void)http_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"liuhen\"");
    decorate(v, answer);
    return false;
}

static int find(struct visit *v, struct error *err)
{
    int r = target_parse(v->request->target, &v->target, err);

    r = r != 0 ? r
               : route_find(v->request->method, http_header(v->request, "X-HTTP-Method-Override"), &v->target,
                            &v->match);
    if (r != 0 || v->match.route)
        return r;
    if (!v->match.path)
        return error_set(
            err, ROUTE_E_NOT_HERE, v->request->target,
            "there is nothing at this address; GET /openapi.yaml lists what there is, /v1/… and the doors");
    return error_set(err, -EOPNOTSUPP, v->match.method, "does not go with this address; use %s",
                     v->match.allow);
}

/* Whether the route is for devices, or asks nobody. */
static bool is_for(const struct route *route, unsigned flag)
{
    return (route->flags & flag) || (flag == ROUTE_DEVICES && route->door);
}

/* Return: true; false when the answer is filled. */
static bool identify(struct visit *v, struct http_answer *answer)
{
    const struct route *route = v->match.route;
    const struct http_peer *peer = &v->request->peer;
    bool devices = is_for(route, ROUTE_DEVICES);
    struct error err = ERROR_INIT;
    int r;

    if (route->door && is_for(route, ROUTE_OPEN))
        return true; /* preflights bring no credentials (CORS), and the sign-in asks by itself */
    if (peer->kind == HTTP_UNIX && !(devices && doors_has_credentials(v->request))) {
        r = people_may(v->settings, peer->uid, route->act, &v->who, &err);
        v->is_person = r == 0;
        /* whoever is nobody here may be a proxy, whose clients sign in when they are asked to */
        if (r != PEOPLE_E_DENIED || !devices || v->who.roles)
            return r == 0 || refuse(v, r, &err, answer);
    }
    if (is_for(route, ROUTE_OPEN))
        return true;
    if (!devices) {
        error_set(
            &err, ROUTE_E_SIGN_IN, "",
            "is for people, who are known on the daemon's unix socket only; use the liuhen command there");
        return refuse(v, ROUTE_E_SIGN_IN, &err, answer);
    }
    v->is_device = doors_identify(v->context->doors, v->request, &v->device, answer);
    if (!v->is_device)
        decorate(v, answer);
    return v->is_device;
}

/* Before the answer goes out: whoever reads that bytes were refused finds them gone, and their quota free. */
static void leave_door(struct visit *v, bool whole)
{
    const struct door *door = v->match.route ? v->match.route->door : NULL;

    if (v->at_door && door->close)
        door->close(&v->knock, whole);
    v->at_door = false;
}

static bool enter_door(struct visit *v, struct http_answer *answer)
{
    const struct door *door = v->match.route->door;
    struct knock *k = &v->knock;
    bool wanted;

    *k = (struct knock){.doors = v->context->doors,
                        .context = doors_context_of(v->context->doors),
                        .settings = v->settings,
                        .request = v->request,
                        .target = &v->target,
                        .method = v->match.method,
                        .device = v->is_device ? &v->device : NULL};
    memcpy(k->args, v->match.args, sizeof k->args);
    snprintf(k->owner, sizeof k->owner, "%s", v->is_device ? v->device.id : v->is_person ? v->who.actor : "");
    v->at_door = true;
    wanted = !door->begin || door->begin(k, answer);
    if (!wanted) {
        leave_door(v, false);
        decorate(v, answer);
    }
    return wanted;
}

/* A body that is known to be too large, or not wanted, is not waited for. */
static bool check_body(struct visit *v, struct http_answer *answer)
{
    struct error err = ERROR_INIT;

    if (v->request->body_bytes > (int64_t)ROUTE_BODY_MAX) {
        error_set(&err, -EFBIG, "", "the body is larger than the %u bytes that are read", ROUTE_BODY_MAX);
        return refuse(v, -EFBIG, &err, answer);
    }
    return true;
}

static bool on_begin(void *userdata, const struct http_request *request, void **ret_state,
                     struct http_answer *answer)
{
    const struct api_context *context = userdata;
    struct visit *v = calloc(1, sizeof *v);
    struct error err = ERROR_INIT;
    int r;

    if (!v) {
        route_fail(503, &err, answer);
        return false;
    }
    v->context = context;
    v->settings = context->settings(context->userdata);
    v->request = request;
    *ret_state = v;
    r = find(v, &err);
    if (r != 0)
        return refuse(v, r, &err, answer);
    if (!identify(v, answer))
        return false;
    return v->match.route->door ? enter_door(v, answer) : check_body(v, answer);
}

/* Gathers the body of a JSON request, and one byte more for the end of the text. */
static int gather(struct visit *v, const void *data, size_t size, struct error *err)
{
    if (v->size + size > ROUTE_BODY_MAX)
        return error_set(err, -EFBIG, "", "the body is larger than the %u bytes that are read",
                         ROUTE_BODY_MAX);
    if (v->size + size + 1 > v->room) {
        size_t room = MAX(2 * v->room, v->size + size + 1);
        char *bigger = realloc(v->body, room);
        if (!bigger)
            return -ENOMEM;
        v->body = bigger;
        v->room = room;
    }
    memcpy(v->body + v->size, data, size);
    v->size += size;
    v->body[v->size] = '\0';
    return 0;
}

static bool on_take(void *userdata, void *state, const void *data, size_t size, struct http_answer *answer)
{
    struct visit *v = state;
    const struct door *door = v->match.route->door;
    struct error err = ERROR_INIT;
    int r;

    if (!door) {
        r = gather(v, data, size, &err);
        return r == 0 || refuse(v, r, &err, answer);
    }
    if (!door->take) {
        error_set(&err, -EINVAL, "", "this request takes no body; send none");
        return refuse(v, -EINVAL, &err, answer);
    }
    if (door->take(&v->knock, data, size, answer))
        return true;
    leave_door(v, false);
    decorate(v, answer);
    return false;
}

static void run_call(struct visit *v, struct http_answer *answer)
{
    struct call c = {.context = v->context,
                     .settings = v->settings,
                     .target = &v->target,
                     .request = v->request,
                     .who = v->is_person ? &v->who : NULL,
                     .device = v->is_device ? &v->device : NULL,
                     .whole = answer,
                     .err = ERROR_INIT};

    memcpy(c.args, v->match.args, sizeof c.args);
    route_call(v->match.route, &c, v->body ? v->body : "", v->size);
    if (!c.stream)
        return;
    if (strcmp(v->request->method, "HEAD") == 0)
        http_answer_text(answer, 200, "application/x-ndjson; charset=utf-8", NULL);
    else if (watch_start(v->context, v->who.uid, answer) < 0)
        route_fail(503, &c.err, answer);
}

static void on_finish(void *userdata, void *state, struct http_answer *answer)
{
    struct visit *v = state;
    const struct door *door = v->match.route->door;

    if (door) {
        door->finish(&v->knock, answer);
        leave_door(v, true);
    } else {
        run_call(v, answer);
    }
    decorate(v, answer);
}

static void on_close(void *userdata, void *state, bool whole)
{
    struct visit *v = state;

    leave_door(v, whole);
    route_match_done(&v->match);
    target_done(&v->target);
    free(v->body);
    free(v);
}

static void on_refused(void *userdata, unsigned status, const struct error *err, struct http_answer *answer)
{
    route_fail(status, err, answer);
    (void)http_answer_header(answer, "Cache-Control", "no-store");
}

struct http_service visit_service(const struct api_context *context)
{
    return (struct http_service){on_begin, on_take,    on_finish,
                                 on_close, on_refused, (void *)(uintptr_t)context};
}
