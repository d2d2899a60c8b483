/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One way to write a small file that must survive a power cut: write to a temporary name, fsync, rename over the target,
 * fsync the folder. Errors are sticky: only durable_commit reports, and on failure the previous file still stands.
 */
#ifndef LIUHEN_BASE_DURABLE_H
#define LIUHEN_BASE_DURABLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"

struct durable {
    int dirfd;    /* borrowed: the folder (may be an ancestor of the target) */
    int fd;       /* the temporary file, -1 before init or after done */
    int status;   /* first error, negative errno */
    bool no_sync; /* the caller syncs a whole group (syncfs) before it relies on the file */
    char *target; /* relative path */
    char *temp;   /* target + ".tmp-…" */
};

#define DURABLE_INIT                                                                                         \
    {                                                                                                        \
        .dirfd = -1, .fd = -1                                                                                \
    }

/* Begins writing target below dirfd with mode. Return: 0 or negative errno (also kept in d->status). */
int durable_open(struct durable *d, int dirfd, const char *target, mode_t mode);
void durable_write(struct durable *d, const void *data, size_t size);

/* Makes the file durable under its name, replacing any older one. Return: 0 or the first negative errno. */
int durable_commit(struct durable *d);

/* Drops what was not committed and frees. Safe after commit and on a DURABLE_INIT value. */
void durable_done(struct durable *d);

/* All of the above in one call. */
int durable_write_file(int dirfd, const char *target, mode_t mode, const void *data, size_t size);

#endif
