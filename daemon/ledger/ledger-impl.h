/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What ledger.c (opening, reading), ledger-publish.c (writing), ledger-sweep.c (cleaning) and ledger-verify.c share. Included by
 * them only.
 *
 * Threads: `view` is guarded by `lock`; every read takes a copy of it and then works on files that do not change. All
 * below "writer" belongs to the one thread that publishes.
 */
#ifndef LIUHEN_LEDGER_LEDGER_IMPL_H
#define LIUHEN_LEDGER_LEDGER_IMPL_H

#include <pthread.h>

#include "ledger/batch.h"
#include "ledger/edge.h"
#include "ledger/ledger.h"

#define LEDGER_CHECKPOINT "checkpoint"
#define LEDGER_PUBLIC_KEY "ledger.pub"

/* One published state. */
struct view {
    uint64_t size;
    struct digest root;
    char *checkpoint; /* as published */
};

/* Entries of the partial bundle, each with its length before it. */
struct tail {
    char *data;
    size_t size, room;
};

struct ledger {
    int dirfd;
    char *path;
    const struct signing_key *key; /* NULL: read-only */
    const struct verifier_key *verifier;
    pthread_mutex_t lock;
    struct view view;

    /* writer */
    struct edge *edge;            /* as of view.size */
    struct edge *work;            /* the one being made */
    struct tail tail;             /* as of view.size */
    struct batch_folders durable; /* folders of the last group */
    uint64_t kept_size;           /* size of the checkpoint before, whose partial tiles still lie there */
    uint64_t tried_size;          /* the largest size whose checkpoint was begun */
};

void view_done(struct view *v);

/* A copy of the state now. Return: 0 or -ENOMEM. */
int ledger_view(struct ledger *l, struct view *ret);

/* Reads and checks the checkpoint on disk. Return: 0, -ENOENT, -EBADMSG, other negative errno. */
int ledger_read_checkpoint(struct ledger *l, struct view *ret, struct error *err);

/* Creates the log's first files. Return: 0 or negative errno. */
int ledger_create(struct ledger *l, struct error *err);

/* Removes what a killed writer left: temporary files, and partial tiles that have grown by the checkpoint of size leaves. */
int ledger_sweep(int dirfd, uint64_t size, struct error *err);

/* Removes the partial tiles of old_size that neither size1 nor size2 needs. What cannot be removed stays until the next sweep. */
void ledger_clean(int dirfd, uint64_t old_size, uint64_t size1, uint64_t size2);

#endif
