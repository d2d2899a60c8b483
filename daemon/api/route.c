/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of routes at work (see route.h): finding a route, and running the handler of a JSON request. Parameters and body are read
 * strictly before the handler is asked.
 */
#include "api/route.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "cases/case-acts.h"
#include "catalogue/case-rows.h"
#include "catalogue/recordings.h"

/* ---- finding ------------------------------------------------------------------------------------------------------------ */

/* One part of a path, n bytes, against a segment. Return: 0 no, 1 the same text, 2 an argument. */
static int matches_part(const char *part, size_t n, const char *segment)
{
    const char *brace = memchr(part, '{', n);
    size_t prefix = brace ? (size_t)(brace - part) : n;

    if (strncmp(segment, part, prefix) != 0)
        return 0;
    if (brace)
        return segment[prefix] ? 2 : 0;
    return segment[prefix] ? 0 : 1;
}

/* Whether a path leads to the target; *ret_rest: where what "{name...}" stands for begins, SIZE_MAX when there is none. */
static bool matches(const char *path, const struct target *target, const char *args[ROUTE_ARGS_MAX],
                    size_t *ret_n_args, size_t *ret_rest)
{
    size_t n_args = 0, segment = 0;

    *ret_rest = SIZE_MAX;
    for (const char *p = path + 1; *p; segment++) {
        size_t n = strcspn(p, "/");
        int part;

        if (segment == target->n_segments)
            return false;
        part = matches_part(p, n, target->segments[segment]);
        if (part == 0)
            return false;
        if (part == 2) {
            *ret_n_args = n_args + 1;
            args[n_args++] = target->segments[segment];
        }
        if (n > 4 && memcmp(p + n - 4, "...}", 4) == 0) {
            *ret_rest = segment;
            return true;
        }
        p += n;
        p += *p == '/';
    }
    return segment == target->n_segments;
}

static void allow_method(struct route_match *m, const char *method)
{
    size_t used = strlen(m->allow);

    snprintf(m->allow + used, sizeof m->allow - used, "%s%s", used ? ", " : "", method);
}

static int found(const struct route *route, const struct target *target, size_t n_args, size_t rest,
                 struct route_match *ret)
{
    ret->route = route;
    if (rest == SIZE_MAX || rest + 1 == target->n_segments)
        return 0;
    ret->rest = target_rest(target, rest);
    ret->args[n_args - 1] = ret->rest;
    return ret->rest ? 0 : -ENOMEM;
}

int route_find(const char *method, const char *override, const struct target *target, struct route_match *ret)
{
    const struct route *get = NULL;
    size_t get_args = 0, get_rest = SIZE_MAX;

    *ret = (struct route_match){.method = method};
    for (size_t i = 0; i < n_api_routes; i++) {
        const struct route *r = &api_routes[i];
        const char *args[ROUTE_ARGS_MAX] = {NULL};
        size_t n_args = 0, rest;

        if (!matches(r->path, target, args, &n_args, &rest))
            continue;
        memcpy(ret->args, args, sizeof args);
        ret->path = r;
        if ((r->flags & ROUTE_OVERRIDE) && override)
            ret->method = override;
        if (strcmp(r->method, ret->method) == 0)
            return found(r, target, n_args, rest, ret);
        allow_method(ret, r->method);
        if (strcmp(r->method, "GET") == 0 && !r->door) {
            allow_method(ret, "HEAD");
            get = r, get_args = n_args, get_rest = rest;
        }
    }
    return get && strcmp(ret->method, "HEAD") == 0 ? found(get, target, get_args, get_rest, ret) : 0;
}

void route_match_done(struct route_match *m)
{
    free(TAKE_PTR(m->rest));
}

/* ---- failing ------------------------------------------------------------------------------------------------------------ */

unsigned route_status(int code)
{
    static const struct {
        int code;
        unsigned status;
    } table[] = {
        {0, 200},
        {RECORDINGS_E_NONE, 404},
        {CASES_E_NONE, 404},
        {DEVICES_E_NONE, 404},
        {DEVICE_ROWS_E_NONE, 404},
        {RECORDINGS_E_AMBIGUOUS, 409},
        {CASES_E_AMBIGUOUS, 409},
        {DEVICES_E_AMBIGUOUS, 409},
        {DEVICE_ROWS_E_AMBIGUOUS, 409},
        {RECORDINGS_E_CURSOR, 400},
        {CASES_E_CURSOR, 400},
        {ACT_E_REFUSED, 409},
        {DISPOSAL_E_NONE, 404},
        {DB_E_BUSY, 503},
        {DB_E_CONSTRAINT, 422},
        {-EINVAL, 400},
        {CASES_E_INPUT, 422},
        {DEVICES_E_INPUT, 422},
        {PEOPLE_E_DENIED, 403},
        {ROUTE_E_SIGN_IN, 401},
        {ROUTE_E_NOT_HERE, 404},
        {ROUTE_E_GONE, 410},
        {-ENOENT, 404},
        {-EOPNOTSUPP, 405},
        {-ENAMETOOLONG, 414},
        {-EFBIG, 413},
        {-EMSGSIZE, 413},
        {-EPROTOTYPE, 415},
        {-EAGAIN, 503},
        {-EBUSY, 503},
        {-ECANCELED, 503},
        {-ENOTCONN, 503},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].code == code)
            return table[i].status;
    return doors_status_of(code, 400);
}

void route_fail(unsigned status, const struct error *err, struct http_answer *answer)
{
    _cleanup_json_ json_t *root = json_object();
    char *text = NULL;

    if (root && json_set_take(root, "error", doors_error_json(err)) == 0)
        (void)json_canonical(root, &text); /* without memory the status alone */
    http_answer_text(answer, status, "application/json; charset=utf-8", text);
}

/* What was denied and what failed is logged here, once. */
void route_log(const struct route *route, const struct http_request *request, const struct person *who, int r,
               const struct error *err)
{
    const char *act = route ? route->act : request->method;
    char why[1100], user[160];

    if (r == 0 || (r != PEOPLE_E_DENIED && route_status(r) != 500))
        return;
    if (*err->text)
        error_format(err, why, sizeof why);
    else
        snprintf(why, sizeof why, "%s", strerror(r < 0 ? -r : EIO));
    if (request->peer.kind == HTTP_UNIX)
        snprintf(user, sizeof user, "%s (uid %u, pid %d)", who && *who->user ? who->user : "?",
                 (unsigned)request->peer.uid, (int)request->peer.pid);
    else
        snprintf(user, sizeof user, "%s", request->peer.address);
    if (r == PEOPLE_E_DENIED)
        log_event(EVENT_API_DENIED, "WHO", user, "ACT", act, "REASON", why, NULL);
    else
        log_event(EVENT_API_FAILED, "ACT", act, "REASON", why, NULL);
}

/* ---- calling ------------------------------------------------------------------------------------------------------------ */

/* Whether a space-separated list of words has this one. */
static bool is_listed(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && memcmp(p, word, n) == 0)
            return true;
    return false;
}

static int check_names(const struct route *route, struct call *c)
{
    const char *key;
    const json_t *value;

    if (route->flags & ROUTE_BODY) {
        json_object_foreach (c->body, key, value)
            if (!is_listed(route->params, key))
                return error_set(&c->err, -EINVAL, key, "is not known here; the body may have: %s",
                                 *route->params ? route->params : "nothing");
        if (c->target->n_params > 0)
            return error_set(&c->err, -EINVAL, c->target->params[0].name,
                             "parameters do not belong here; send a JSON object");
        return 0;
    }
    for (size_t i = 0; i < c->target->n_params; i++)
        if (!is_listed(route->params, c->target->params[i].name))
            return error_set(&c->err, -EINVAL, c->target->params[i].name,
                             "is not known here; the parameters are: %s",
                             *route->params ? route->params : "none");
    return 0;
}

static bool is_json_type(const char *type)
{
    size_t n = type ? strcspn(type, "; \t") : 0;

    return n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0;
}

static int read_body(const struct route *route, const char *body, size_t body_size, struct call *c)
{
    const char *type = http_header(c->request, "Content-Type");
    int r;

    if (!(route->flags & ROUTE_BODY))
        return body_size == 0 ? 0 : error_set(&c->err, -EINVAL, "", "this request takes no body; send none");
    if (body_size == 0) {
        c->body = json_object();
        return c->body ? 0 : -ENOMEM;
    }
    if (!is_json_type(type))
        return error_set(&c->err, -EPROTOTYPE, type ? type : "Content-Type",
                         "the body is not marked as JSON; send Content-Type: application/json");
    r = json_parse(body, body_size, "body", &c->body, &c->err);
    if (r == 0 && !json_is_object(c->body))
        return error_set(&c->err, -EINVAL, "body", "is not a JSON object; send {\"member\": value, ...}");
    return r;
}

/* Runs the handler with a read connection where it needs one. */
static int run_handler(const struct route *route, struct readers *readers, struct call *c)
{
    int r = 0;

    if (route->flags & ROUTE_READS)
        r = readers_take(readers, &c->db, &c->err);
    if (r != 0)
        return r;
    r = route->handle(c);
    if (c->db)
        readers_give(readers, c->db, r < 0 && r != -EINVAL && r != -ENOENT);
    return r;
}

static int fill_answer(struct call *c, struct http_answer *answer)
{
    char *text = NULL;
    int r;

    if (c->text) {
        http_answer_text(answer, c->status, c->type ? c->type : "text/plain; charset=utf-8",
                         TAKE_PTR(c->text));
        return 0;
    }
    r = json_canonical(c->answer, &text);
    if (r == 0)
        http_answer_text(answer, c->status, "application/json; charset=utf-8", text);
    return r;
}

void route_call(const struct route *route, struct call *c, const char *body, size_t body_size)
{
    int r;

    c->status = 200;
    r = read_body(route, body, body_size, c);
    r = r != 0 ? r : check_names(route, c);
    r = r != 0 ? r : run_handler(route, c->context->readers, c);
    if (r == 0 && !c->stream && !c->is_whole)
        r = fill_answer(c, c->whole);
    route_log(route, c->request, c->who, r, &c->err);
    if (r != 0) {
        http_answer_done(c->whole); /* what a handler had begun */
        route_fail(route_status(r), &c->err, c->whole);
    }
    json_decref(TAKE_PTR(c->answer));
    json_decref(TAKE_PTR(c->body));
    free(TAKE_PTR(c->text));
}
