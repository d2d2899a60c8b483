/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing many files durably with few fsyncs: each file is written under a temporary name, fsynced and renamed; the folders are
 * fsynced once at the end. A file is in no case visible half-written. Nothing may rely on the files before
 * batch_finish has returned 0.
 */
#ifndef LIUHEN_LEDGER_BATCH_H
#define LIUHEN_LEDGER_BATCH_H

#include "base/durable.h"
#include "base/error.h"
#include "ledger/tile.h"

#define BATCH_FILES 32 /* held open at once */

struct batch_folders {
    char (*paths)[TILE_PATH_SIZE];
    size_t n, room;
};

struct batch {
    int dirfd; /* borrowed */
    struct durable files[BATCH_FILES];
    size_t n;
    struct batch_folders dirty;          /* to be fsynced */
    const struct batch_folders *durable; /* borrowed: folders known to be durable, with those above them */
};

void batch_init(struct batch *b, int dirfd, const struct batch_folders *durable);
void batch_done(struct batch *b); /* drops what was not renamed */
void batch_folders_done(struct batch_folders *f);

/* Writes a file below dirfd, mode 0444; missing folders are made. Return: 0 or negative errno. */
int batch_add(struct batch *b, const char *path, const void *data, size_t size, struct error *err);

/* Fsyncs the files added so far and gives them their names. */
int batch_flush(struct batch *b, struct error *err);

/* The same, then fsyncs the folders. On success *ret takes the folders, for the next batch. */
int batch_finish(struct batch *b, struct batch_folders *ret, struct error *err);

#endif
