/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A batch on its way through the seal, from the sealer (seal.c, steps 3 to 7) to the committer (seal-commit.c, steps 8 to 11). It is
 * owned by one of the two threads at a time.
 */
#ifndef LIUHEN_INTAKE_SEAL_INTERNAL_H
#define LIUHEN_INTAKE_SEAL_INTERNAL_H

#include "intake/intake-internal.h"

#define SEAL_BATCH_MAX 512

struct batch {
    struct intake *in;
    struct item *items[SEAL_BATCH_MAX];
    size_t n;
    char name[ULID_LENGTH + 1]; /* of its intent */
};

/* Gives the items back to the watcher with their outcomes; they are not the batch's any more. Any thread. */
void batch_end(struct batch *b);

struct committer;

int committer_new(struct committer **ret); /* 0 or negative errno */
/* Finishes the batch in hand first. */
struct committer *committer_free(struct committer *c);
DEFINE_CLEANUP(struct committer *, committer_free)

/* Hands over a stored batch, after waiting for the one before; *b stays in use until the next committer_wait or committer_give
 * returns. One caller at a time. */
void committer_give(struct committer *c, struct batch *b);

/* Waits until no batch is in hand. */
void committer_wait(struct committer *c);

#endif
