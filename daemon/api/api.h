/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The API: HTTP with JSON over the unix socket (libmicrohttpd, a thread a connection). Reads use read-only connections of their
 * own; changes go to the writer. Who calls is known by the socket's peer credentials.
 */
#ifndef LIUHEN_API_API_H
#define LIUHEN_API_API_H

#include "base/feed.h"
#include "base/settings.h"
#include "cases/policy-keeper.h"
#include "catalogue/writer.h"
#include "ledger/ledger.h"
#include "store/store.h"

struct api;

struct api_context {
    struct writer *writer;
    struct ledger *ledger; /* thread-safe for reading */
    struct store *store;
    struct policy_keeper *policy;
    struct feed *feed;
    const struct settings *(*settings)(
        void *userdata); /* the settings in force; valid until the daemon ends */
    json_t *(*status)(
        void *userdata); /* the daemon's own part of `status`: intake state, queues, troubles; new object */
    void *userdata;
};

/* Makes the socket (mode from the settings; a stale one is replaced, a living one refused with -EADDRINUSE), or takes listen_fd
 * (≥ 0) from socket activation, and starts serving. */
int api_new(const struct api_context *context, int listen_fd, struct api **ret, struct error *err);
struct api *api_free(struct api *a); /* waits for requests in hand, streams are cut */
DEFINE_CLEANUP(struct api *, api_free)

#endif
