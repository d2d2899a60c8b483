/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The API: HTTP with JSON for people on the unix socket, and the doors (doors/door.h) for devices on the unix socket, on loopback and
 * over TLS. Reads use read-only connections of their own; changes go to the writer. People are known by the socket's peer
 * credentials, devices by what they bring.
 */
#ifndef LIUHEN_API_API_H
#define LIUHEN_API_API_H

#include "base/feed.h"
#include "base/settings.h"
#include "cases/policy-keeper.h"
#include "catalogue/readers.h"
#include "catalogue/writer.h"
#include "derive/derive.h"
#include "disposal/disposal.h"
#include "doors/door.h"
#include "ledger/ledger.h"
#include "store/store.h"

struct api;

struct views;
struct tickets;

struct api_context {
    struct writer *writer;
    struct ledger *ledger; /* thread-safe for reading */
    struct store *store;
    struct policy_keeper *policy;
    struct feed *feed;
    struct readers *readers;
    struct doors *doors;
    struct intake *intake;
    struct derive *derive;
    struct disposal *disposal;
    struct views *views;     /* of the API itself */
    struct tickets *tickets; /* of the API itself */
    json_t *listens;         /* of the API itself: what listeners_addresses says */
    const struct settings *(*settings)(
        void *userdata); /* the settings in force; valid until the daemon ends */
    json_t *(*status)(
        void *userdata); /* the daemon's own part of `status`: intake state, queues, troubles; new object */
    void *userdata;
};

/* A listening socket from socket activation, with its name (FileDescriptorName= of systemd.socket(5)): "unix", "loopback" or "tls"; by
 * any other name it is known by its family and address. */
struct api_handed {
    int fd;
    const char *name;
};

/* Makes the listeners that the settings ask for and that were not handed over (a stale unix socket is replaced, a living one refused
 * with -EADDRINUSE), and starts serving. Return: 0, -EINVAL (a certificate, an address; err says which), other negative errno. */
int api_new(const struct api_context *context, const struct api_handed *handed, size_t n_handed,
            struct api **ret, struct error *err);
struct api *api_free(struct api *a); /* waits for requests in hand, streams are cut */
DEFINE_CLEANUP(struct api *, api_free)

#endif
