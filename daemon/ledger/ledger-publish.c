/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Publishing a group of entries (see ledger.h). Order: bundles, tiles, folders, all fsynced; then the checkpoint. Memory changes
 * only when all of it has succeeded, so a failed call may simply be made again: the files it left are rewritten.
 */
#include "ledger/ledger-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inject.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

static int write_checkpoint(struct ledger *l, uint64_t size, const struct digest *root, char **ret,
                            struct error *err)
{
    _cleanup_(durable_done) struct durable d = DURABLE_INIT;
    _cleanup_free_ char *text = NULL;
    int r = checkpoint_sign(l->key, size, root, &text);

    if (r < 0)
        return error_errno(err, r, LEDGER_CHECKPOINT, "cannot sign the checkpoint");
    r = durable_open(&d, l->dirfd, LEDGER_CHECKPOINT, 0444);
    if (r == 0) {
        durable_write(&d, text, strlen(text));
        if (d.status == 0 && fchmod(d.fd, 0444) < 0)
            d.status = -errno;
        r = durable_commit(&d);
    }
    if (r < 0)
        return error_errno(err, r, LEDGER_CHECKPOINT, "cannot write the checkpoint");
    *ret = TAKE_PTR(text);
    return 0;
}

static int write_public_key(struct ledger *l, struct error *err)
{
    _cleanup_free_ char *line = NULL, *there = NULL;
    int r = asprintf(&line, "%s\n", verifier_key_text(l->verifier));

    if (r < 0) {
        line = NULL;
        return error_errno(err, -ENOMEM, LEDGER_PUBLIC_KEY, "cannot write the ledger's public key");
    }
    r = fd_read_file_at(l->dirfd, LEDGER_PUBLIC_KEY, NOTE_MAX, &there, NULL);
    if (r == 0 && strcmp(there, line) != 0)
        return error_set(err, -EBADMSG, LEDGER_PUBLIC_KEY,
                         "this ledger belongs to another key; right would be the key it was begun with");
    if (r == -ENOENT)
        r = durable_write_file(l->dirfd, LEDGER_PUBLIC_KEY, 0444, line, strlen(line));
    return r < 0 ? error_errno(err, r, LEDGER_PUBLIC_KEY, "cannot write the ledger's public key") : 0;
}

int ledger_create(struct ledger *l, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    struct digest empty;
    int r = write_public_key(l, err);

    if (r < 0)
        return r;
    if (faccessat(l->dirfd, LEDGER_CHECKPOINT, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno != ENOENT)
        return error_errno(err, -errno, LEDGER_CHECKPOINT, "cannot read the ledger's checkpoint");
    /* The first checkpoint is older than the first tile, so tiles without a checkpoint are a log that lost it */
    if (faccessat(l->dirfd, "tile", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(
            err, -EBADMSG, LEDGER_CHECKPOINT,
            "the checkpoint is gone but tiles are there; right would be to restore it from a copy");
    merkle_hash_empty(&empty);
    return write_checkpoint(l, 0, &empty, &text, err);
}

static int tail_append(struct tail *t, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    if (size > t->room - t->size) {
        size_t room = MAX(2 * t->room, t->size + size);
        char *grown = realloc(t->data, room);
        if (!grown)
            return -ENOMEM;
        t->data = grown;
        t->room = room;
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
    return 0;
}

static int tail_append_entry(struct tail *t, const struct ledger_entry *entry)
{
    const uint8_t length[2] = {(uint8_t)(entry->size >> 8), (uint8_t)entry->size};
    int r = tail_append(t, length, 2);

    return r < 0 ? r : tail_append(t, entry->data, entry->size);
}

/* Writes every bundle that the group touches. *tail is a copy of the partial bundle before, and becomes the one after. */
static int write_bundles(struct ledger *l, struct batch *b, const struct ledger_entry *entries, size_t n,
                         struct tail *tail, struct error *err)
{
    char path[TILE_PATH_SIZE];
    uint64_t size = l->view.size;
    int r;

    for (size_t i = 0; i < n; i++) {
        r = tail_append_entry(tail, &entries[i]);
        if (r < 0)
            return error_errno(err, r, l->path, "cannot make an entry bundle");
        size++;
        if (size % TILE_WIDTH != 0 && i + 1 < n)
            continue;
        tile_path(TILE_ENTRIES, (size - 1) / TILE_WIDTH, (unsigned)((size - 1) % TILE_WIDTH) + 1, path);
        r = batch_add(b, path, tail->data, tail->size, err);
        if (r < 0)
            return r;
        if (size % TILE_WIDTH == 0)
            tail->size = 0;
    }
    return batch_flush(b, err);
}

struct tile_writer {
    struct batch *batch;
    struct error *err;
};

static int write_tile(struct tile_writer *w, int level, uint64_t index, unsigned width,
                      const struct digest *hashes)
{
    char path[TILE_PATH_SIZE];

    tile_path(level, index, width, path);
    return batch_add(w->batch, path, hashes, width * sizeof *hashes, w->err);
}

static int on_full_tile(void *userdata, int level, uint64_t index, const struct digest *hashes)
{
    return write_tile(userdata, level, index, TILE_WIDTH, hashes);
}

/* Writes every tile that the group touches; l->work becomes the edge after it. */
static int write_tiles(struct ledger *l, struct batch *b, const struct ledger_entry *entries, size_t n,
                       struct error *err)
{
    struct tile_writer w = {b, err};
    int r = 0;

    edge_copy(l->edge, l->work);
    for (size_t i = 0; i < n && r == 0; i++) {
        struct digest leaf;
        merkle_hash_leaf(entries[i].data, entries[i].size, &leaf);
        r = edge_append(l->work, &leaf, on_full_tile, &w);
    }
    for (int level = 0; level < TILE_LEVELS && r == 0; level++) {
        uint64_t hashes = tile_hashes(level, l->work->size);
        unsigned width = l->work->level[level].n;
        if (width > 0 && hashes != tile_hashes(level, l->edge->size))
            r = write_tile(&w, level, hashes / TILE_WIDTH, width, l->work->level[level].hashes);
    }
    return r < 0 ? r : batch_flush(b, err);
}

static int check_group(struct ledger *l, uint64_t first, const struct ledger_entry *entries, size_t n,
                       struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    int r;

    if (!l->key)
        return error_set(err, -EROFS, l->path, "the ledger is open for reading only");
    if (first != l->view.size)
        return error_set(err, -EINVAL, l->path, "the group begins at leaf %llu, right would be %llu",
                         (unsigned long long)first, (unsigned long long)l->view.size);
    for (size_t i = 0; i < n; i++)
        if (entries[i].size == 0 || entries[i].size > LEDGER_ENTRY_MAX)
            return error_set(err, -EINVAL, l->path, "entry %llu has %zu bytes, right would be 1 to %d",
                             (unsigned long long)(first + i), entries[i].size, LEDGER_ENTRY_MAX);
    if (n > (uint64_t)INT64_MAX - first)
        return error_set(err, -EFBIG, l->path, "no ledger holds so many leaves");
    if (l->tried_size <= first + n)
        return 0;
    /* An earlier call failed late: its checkpoint may be out, and a published checkpoint is never taken back */
    r = ledger_read_checkpoint(l, &v, err);
    if (r == 0 && v.size > first + n)
        r = error_set(err, -EINVAL, l->path,
                      "a checkpoint of %llu leaves is out already, this group ends at %llu",
                      (unsigned long long)v.size, (unsigned long long)(first + n));
    return r;
}

/* Bundles, tiles and folders; nothing names them yet. */
static int write_group(struct ledger *l, const struct ledger_entry *entries, size_t n, struct tail *tail,
                       struct batch_folders *folders, struct error *err)
{
    _cleanup_(batch_done) struct batch b;
    int r;

    batch_init(&b, l->dirfd, &l->durable);
    r = write_bundles(l, &b, entries, n, tail, err);
    if (r < 0)
        return r;
    r = inject_point("ledger.bundles");
    if (r < 0)
        return error_errno(err, r, l->path, "stopped after the entry bundles");
    r = write_tiles(l, &b, entries, n, err);
    if (r < 0)
        return r;
    r = batch_finish(&b, folders, err);
    if (r < 0)
        return r;
    r = inject_point("ledger.tiles");
    return r < 0 ? error_errno(err, r, l->path, "stopped after the tiles") : 0;
}

static int publish_checkpoint(struct ledger *l, struct view *ret, struct error *err)
{
    int r;

    ret->size = l->work->size;
    edge_root(l->work, &ret->root);
    l->tried_size = MAX(l->tried_size, ret->size);
    r = write_checkpoint(l, ret->size, &ret->root, &ret->checkpoint, err);
    if (r < 0)
        return r;
    r = inject_point("ledger.checkpoint");
    if (r < 0)
        return error_errno(err, r, l->path, "stopped after the checkpoint");
    ledger_clean(l->dirfd, l->kept_size, l->view.size, ret->size);
    r = inject_point("ledger.cleaned");
    return r < 0 ? error_errno(err, r, l->path, "stopped after the cleaning") : 0;
}

static int publish_group(struct ledger *l, const struct ledger_entry *entries, size_t n, struct error *err)
{
    _cleanup_(batch_folders_done) struct batch_folders folders = {0};
    _cleanup_(view_done) struct view v = {0};
    struct tail tail = {0};
    struct view old_view;
    struct edge *old_edge;
    int r = tail_append(&tail, l->tail.data ? l->tail.data : "", l->tail.size);

    if (r < 0)
        return error_errno(err, r, l->path, "cannot make an entry bundle");
    r = write_group(l, entries, n, &tail, &folders, err);
    if (r == 0)
        r = publish_checkpoint(l, &v, err);
    if (r < 0) {
        free(tail.data);
        return r;
    }
    batch_folders_done(&l->durable);
    l->durable = folders;
    folders = (struct batch_folders){0};
    free(l->tail.data);
    l->tail = tail;
    l->kept_size = l->view.size;
    old_edge = l->edge;
    l->edge = l->work;
    l->work = old_edge;
    pthread_mutex_lock(&l->lock);
    old_view = l->view;
    l->view = v;
    v = old_view;
    pthread_mutex_unlock(&l->lock);
    return 0;
}

int ledger_publish(struct ledger *l, uint64_t first, const struct ledger_entry *entries, size_t n,
                   struct error *err)
{
    int r = check_group(l, first, entries, n, err);

    if (r < 0 || n == 0)
        return r;
    r = publish_group(l, entries, n, err);
    /* After a failure nothing is taken for granted: folders are made and synced anew */
    if (r < 0)
        batch_folders_done(&l->durable);
    return r;
}
