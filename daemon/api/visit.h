/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One request on its way from the HTTP server to its handler or door and back.
 */
#ifndef LIUHEN_API_VISIT_H
#define LIUHEN_API_VISIT_H

#include "api/api.h"

/* The service that carries requests through the table of routes. context is borrowed. */
struct http_service visit_service(const struct api_context *context);

/* Puts the feed, from now on, into an answer, for the person with this uid. Return: 0 or -ENOMEM. */
int watch_start(const struct api_context *context, uid_t uid, struct http_answer *answer);

#endif
