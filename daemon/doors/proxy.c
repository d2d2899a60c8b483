/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Behind a proxy on this machine (contrib/nginx): whom it speaks for. Only programs on this machine reach the loopback and the unix
 * socket, so what they say in X-Forwarded-* is believed there and nowhere else. It names senders in alarms and arrivals; it lets
 * nobody in.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "doors/doors-internal.h"

static bool is_local(const struct http_request *r)
{
    return r->peer.kind == HTTP_UNIX || r->peer.kind == HTTP_LOOPBACK;
}

const char *doors_address(const struct http_request *r, char buf[DOORS_ADDRESS_SIZE])
{
    const char *said = is_local(r) ? http_header(r, "X-Forwarded-For") : NULL;
    const char *last = said ? strrchr(said, ',') : NULL; /* the one that our own proxy added */
    struct in6_addr ignored;

    snprintf(buf, DOORS_ADDRESS_SIZE, "%s", r->peer.address);
    if (!said)
        return buf;
    said = last ? last + 1 : said;
    said += strspn(said, " \t");
    if (inet_pton(AF_INET, said, &ignored) == 1 || inet_pton(AF_INET6, said, &ignored) == 1)
        snprintf(buf, DOORS_ADDRESS_SIZE, "%s", said);
    return buf;
}

const char *doors_scheme(const struct http_request *r)
{
    const char *said = is_local(r) ? http_header(r, "X-Forwarded-Proto") : NULL;

    return r->peer.kind == HTTP_TLS || (said && strcasecmp(said, "https") == 0) ? "https" : "http";
}
