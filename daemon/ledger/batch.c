/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing many files durably (see batch.h). Write-back of each file is started as soon as it is written, so that the fsyncs
 * that follow wait for the disk once rather than one after the other.
 */
#include "ledger/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

void batch_init(struct batch *b, int dirfd, const struct batch_folders *durable)
{
    memset(b, 0, sizeof *b);
    b->dirfd = dirfd;
    b->durable = durable;
}

void batch_folders_done(struct batch_folders *f)
{
    free(f->paths);
    *f = (struct batch_folders){0};
}

void batch_done(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        durable_done(&b->files[i]);
    b->n = 0;
    batch_folders_done(&b->dirty);
}

static bool folders_have(const struct batch_folders *f, const char *path)
{
    for (size_t i = f->n; i > 0; i--)
        if (strcmp(f->paths[i - 1], path) == 0)
            return true;
    return false;
}

/* Whether path or a folder below it is known; then path itself is durable. */
static bool folders_reach(const struct batch_folders *f, const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < f->n; i++)
        if (strncmp(f->paths[i], path, n) == 0 && (f->paths[i][n] == 0 || f->paths[i][n] == '/'))
            return true;
    return false;
}

static int folders_add(struct batch_folders *f, const char *path)
{
    if (folders_have(f, path))
        return 0;
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 16;
        void *paths = realloc(f->paths, room * sizeof *f->paths);
        if (!paths)
            return -ENOMEM;
        f->paths = paths;
        f->room = room;
    }
    snprintf(f->paths[f->n++], sizeof *f->paths, "%s", path);
    return 0;
}

/* Notes the folder of a file, makes it when it is new, and then notes those above it up to one that is durable already. */
static int enter_folder(struct batch *b, const char *path)
{
    char folder[TILE_PATH_SIZE];
    char *slash;
    int r;

    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (!slash)
        return folders_add(&b->dirty, ".");
    *slash = 0;
    if (folders_have(&b->dirty, folder))
        return 0;
    if (!folders_reach(b->durable, folder)) {
        r = fd_mkdir_beneath(b->dirfd, folder, 0755, false);
        if (r < 0)
            return r;
    }
    for (;;) {
        r = folders_add(&b->dirty, folder);
        if (r < 0 || folders_reach(b->durable, folder))
            return r;
        slash = strrchr(folder, '/');
        if (!slash)
            return folders_add(&b->dirty, ".");
        *slash = 0;
    }
}

static int write_file(struct batch *b, const char *path, const void *data, size_t size)
{
    struct durable *d = &b->files[b->n];
    int r = durable_open(d, b->dirfd, path, 0444);

    b->n++;
    d->no_sync = true;
    if (r < 0)
        return r;
    durable_write(d, data, size);
    if (d->status == 0 && fchmod(d->fd, 0444) < 0)
        d->status = -errno;
    if (d->status == 0)
        (void)sync_file_range(d->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return d->status;
}

int batch_add(struct batch *b, const char *path, const void *data, size_t size, struct error *err)
{
    int r = b->n == BATCH_FILES ? batch_flush(b, err) : 0;

    if (r < 0)
        return r;
    r = enter_folder(b, path);
    if (r < 0)
        return error_errno(err, r, path, "cannot make the folder of this file of the ledger");
    r = write_file(b, path, data, size);
    return r < 0 ? error_errno(err, r, path, "cannot write this file of the ledger") : 0;
}

int batch_flush(struct batch *b, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < b->n && r == 0; i++) {
        r = fd_sync(b->files[i].fd);
        if (r == 0)
            r = durable_commit(&b->files[i]);
        if (r < 0)
            error_errno(err, r, b->files[i].target, "cannot write this file of the ledger");
    }
    for (size_t i = 0; i < b->n; i++)
        durable_done(&b->files[i]);
    b->n = 0;
    return r;
}

int batch_finish(struct batch *b, struct batch_folders *ret, struct error *err)
{
    int r = batch_flush(b, err);

    for (size_t i = 0; i < b->dirty.n && r == 0; i++) {
        r = fd_sync_dir_at(b->dirfd, b->dirty.paths[i]);
        if (r < 0)
            error_errno(err, r, b->dirty.paths[i], "cannot make this folder of the ledger durable");
    }
    if (r < 0)
        return r;
    batch_folders_done(ret);
    *ret = b->dirty;
    b->dirty = (struct batch_folders){0};
    return 0;
}
