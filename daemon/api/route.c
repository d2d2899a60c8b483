/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Carrying a request through its route (see route.h). The order is: understand the target, find the route, know who asks and
 * whether they may, read parameters and body strictly, run the handler. What a person may not do is refused before what they
 * wrote is looked at.
 */
#include "api/route.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "cases/case-acts.h"
#include "catalogue/case-rows.h"
#include "catalogue/recordings.h"

static bool matches(const char *path, const struct target *target, const char *args[ROUTE_ARGS_MAX])
{
    size_t n_args = 0, segment = 0;

    for (const char *p = path + 1; *p; segment++) {
        size_t n = strcspn(p, "/");

        if (segment == target->n_segments)
            return false;
        if (n == 2 && p[0] == '{')
            args[n_args++] = target->segments[segment];
        else if (strlen(target->segments[segment]) != n || memcmp(target->segments[segment], p, n) != 0)
            return false;
        p += n;
        p += *p == '/';
    }
    return segment == target->n_segments;
}

const struct route *route_find(const char *method, const struct target *target,
                               const char *args[ROUTE_ARGS_MAX], char ret_allow[ROUTE_ALLOW_SIZE])
{
    size_t used = 0;

    *ret_allow = '\0';
    for (size_t i = 0; i < n_api_routes; i++) {
        const struct route *r = &api_routes[i];
        if (!matches(r->path, target, args))
            continue;
        if (strcmp(r->method, method) == 0)
            return r;
        used +=
            (size_t)snprintf(ret_allow + used, ROUTE_ALLOW_SIZE - used, "%s%s", used ? ", " : "", r->method);
    }
    return NULL;
}

unsigned route_status(int code)
{
    static const struct {
        int code;
        unsigned status;
    } table[] = {
        {0, 200},
        {RECORDINGS_E_NONE, 404},
        {CASES_E_NONE, 404},
        {RECORDINGS_E_AMBIGUOUS, 409},
        {CASES_E_AMBIGUOUS, 409},
        {RECORDINGS_E_CURSOR, 400},
        {CASES_E_CURSOR, 400},
        {ACT_E_REFUSED, 409},
        {DB_E_BUSY, 503},
        {DB_E_CONSTRAINT, 422},
        {-EINVAL, 400},
        {CASES_E_INPUT, 422},
        {PEOPLE_E_DENIED, 403},
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
    return error_is_resource(code) ? 503 : 500;
}

static const char type_json[] = "application/json; charset=utf-8";

/* A whole answer that nobody on the way may keep. Takes text. */
static void set_text(struct http_answer *answer, unsigned status, const char *type, char *text)
{
    http_answer_text(answer, status, type, text);
    (void)http_answer_header(answer, "Cache-Control", "no-store");
}

/* Errors are written "what; what would be right". */
void route_fail(unsigned status, const struct error *err, struct http_answer *answer)
{
    const char *said = *err->text      ? err->text
                       : status >= 500 ? "failed; the daemon's log says more"
                                       : "refused";
    const char *right = strstr(said, "; ");
    _cleanup_free_ char *what = right ? strndup(said, (size_t)(right - said)) : strdup(said);
    char *text = NULL;
    _cleanup_json_ json_t *root = json_object();
    json_t *o = json_object();

    answer->status = status;
    if (!what || json_set_string(o, "what", what) < 0 || json_set_string(o, "object", err->object) < 0 ||
        json_set_string(o, "right", right ? right + 2 : "") < 0) {
        json_decref(o);
        return; /* the status alone */
    }
    if (json_set_take(root, "error", o) == 0 && json_canonical(root, &text) == 0)
        set_text(answer, status, type_json, text);
}

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

static int read_body(const struct route *route, const struct api_request *request, struct call *c)
{
    const char *type = http_header(request->http, "Content-Type");
    int r;

    if (!(route->flags & ROUTE_BODY))
        return request->body_size == 0
                   ? 0
                   : error_set(&c->err, -EINVAL, "", "this request takes no body; send none");
    if (request->body_size == 0) {
        c->body = json_object();
        return c->body ? 0 : -ENOMEM;
    }
    if (!is_json_type(type))
        return error_set(&c->err, -EPROTOTYPE, type ? type : "Content-Type",
                         "the body is not marked as JSON; send Content-Type: application/json");
    r = json_parse(request->body, request->body_size, "body", &c->body, &c->err);
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
        set_text(answer, c->status, "text/plain; charset=utf-8", TAKE_PTR(c->text));
        return 0;
    }
    r = json_canonical(c->answer, &text);
    if (r == 0)
        set_text(answer, c->status, type_json, text);
    return r;
}

static int find_route(const struct api_request *request, struct call *c, const struct route **ret,
                      struct http_answer *answer)
{
    char allow[ROUTE_ALLOW_SIZE];

    *ret = route_find(request->http->method, c->target, c->args, allow);
    if (*ret)
        return 0;
    if (!*allow)
        return error_set(&c->err, -ENOENT, request->http->target,
                         "there is nothing at this address; the paths begin with /v1/");
    (void)http_answer_header(answer, "Allow", "%s", allow);
    return error_set(&c->err, -EOPNOTSUPP, request->http->method, "does not go with this address; use %s",
                     allow);
}

/* What was denied and what failed is logged here, once. */
static void log_failure(const struct route *route, const struct api_request *request,
                        const struct person *who, int r, const struct error *err)
{
    const char *act = route ? route->act : request->http->method;
    char why[1100], user[80];

    if (r == 0 || (r != PEOPLE_E_DENIED && route_status(r) != 500))
        return;
    if (*err->text)
        error_format(err, why, sizeof why);
    else
        snprintf(why, sizeof why, "%s", strerror(r < 0 ? -r : EIO));
    snprintf(user, sizeof user, "%s (uid %u, pid %d)", *who->user ? who->user : "?",
             (unsigned)request->http->peer.uid, (int)request->http->peer.pid);
    if (r == PEOPLE_E_DENIED)
        log_event(EVENT_API_DENIED, "WHO", user, "ACT", act, "REASON", why, NULL);
    else
        log_event(EVENT_API_FAILED, "ACT", act, "REASON", why, NULL);
}

static int carry(struct readers *readers, const struct api_request *request, struct call *c,
                 struct http_answer *answer)
{
    _cleanup_(target_done) struct target target = {0};
    struct person who = {0};
    const struct route *route = NULL;
    int r = target_parse(request->http->target, &target, &c->err);

    c->target = &target;
    r = r != 0 ? r : find_route(request, c, &route, answer);
    r = r != 0 ? r : people_may(c->settings, request->http->peer.uid, route->act, &who, &c->err);
    c->who = &who;
    r = r != 0 ? r : read_body(route, request, c);
    r = r != 0 ? r : check_names(route, c);
    r = r != 0 ? r : run_handler(route, readers, c);
    log_failure(route, request, &who, r, &c->err);
    c->target = NULL;
    c->who = NULL;
    return r;
}

void route_answer(const struct api_context *context, struct readers *readers,
                  const struct api_request *request, bool *ret_stream, struct http_answer *answer)
{
    struct call c = {.context = context,
                     .settings = context->settings(context->userdata),
                     .status = 200,
                     .err = ERROR_INIT};
    int r = carry(readers, request, &c, answer);

    *ret_stream = r == 0 && c.stream;
    if (r == 0 && !c.stream)
        r = fill_answer(&c, answer);
    if (r != 0)
        route_fail(route_status(r), &c.err, answer);
    json_decref(c.answer);
    json_decref(c.body);
    free(c.text);
}
