/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The API as a whole (see api.h): the listeners and the server.
 */
#include "api/api.h"

#include <errno.h>
#include <string.h>

#include "api/listeners.h"
#include "api/tickets.h"
#include "api/views.h"
#include "api/visit.h"
#include "base/log.h"

struct api {
    struct api_context context;
    struct listeners listeners;
    struct http_server *server;
};

static void say_listens(const json_t *addresses)
{
    const json_t *one;
    size_t i;

    json_array_foreach (addresses, i, one)
        log_event(EVENT_API_LISTENS, "ADDRESS", json_string_value(one), NULL);
}

int api_new(const struct api_context *context, const struct api_handed *handed, size_t n_handed,
            struct api **ret, struct error *err)
{
    _cleanup_(api_freep) struct api *a = calloc(1, sizeof *a);
    const struct settings *s = context->settings(context->userdata);
    struct http_options options;
    struct http_service service;
    int r;

    if (!a)
        return -ENOMEM;
    a->context = *context;
    a->context.views = NULL;
    a->context.tickets = NULL;
    a->context.listens = NULL;
    service = visit_service(&a->context);
    r = views_new(&a->context.views);
    r = r != 0 ? r : tickets_new(&a->context.tickets);
    r = r != 0 ? r : listeners_open(&a->listeners, s, handed, n_handed, err);
    if (r == 0 && !(a->context.listens = listeners_addresses(&a->listeners)))
        r = -ENOMEM;
    if (r != 0)
        return r;
    options = (struct http_options){
        .connections = (unsigned)s->http.connections,
        .connections_per_address = (unsigned)s->http.connections_per_address,
        .header_usec = s->http.header_usec,
        .rate_bytes = s->http.rate_bytes,
        .certificate = a->listeners.certificate,
        .key = a->listeners.key,
        .client_ca = a->listeners.client_ca,
    };
    r = http_server_new(a->listeners.list, listeners_take(&a->listeners), &options, &service, &a->server,
                        err);
    if (r != 0)
        return r;
    say_listens(a->context.listens);
    *ret = TAKE_PTR(a);
    return 0;
}

struct api *api_free(struct api *a)
{
    if (!a)
        return NULL;
    /* first the name, so that nobody comes to a door that is being closed */
    listeners_unlink(&a->listeners);
    http_server_free(a->server);
    listeners_done(&a->listeners);
    tickets_free(a->context.tickets);
    views_free(a->context.views);
    json_decref(a->context.listens);
    free(a);
    return NULL;
}
