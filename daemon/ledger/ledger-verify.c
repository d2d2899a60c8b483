/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The full check of a ledger (see ledger_verify). The tree is built again from the entry bundles alone, and every tile that the
 * checkpoint needs is compared with it. Goes on after a fault, so that one run names all that is wrong.
 */
#include "ledger/ledger-impl.h"

#include <errno.h>

#include "ledger/merkle.h"

struct check {
    struct ledger *l;
    const struct view *view;
    struct edge edge;
    bool broken; /* leaves are missing: nothing above level 0 can be computed any more */
    uint64_t faults;
    void (*on_fault)(void *userdata, const struct error *fault);
    void *userdata;
};

static void report(struct check *c, const struct error *fault)
{
    c->faults++;
    if (c->on_fault)
        c->on_fault(c->userdata, fault);
}

/* Compares a tile file with the hashes that it must hold. */
static void compare_tile(struct check *c, int level, uint64_t index, unsigned width,
                         const struct digest *hashes)
{
    struct digest there[TILE_WIDTH];
    struct error fault = ERROR_INIT;
    char path[TILE_PATH_SIZE];

    if (tile_read(c->l->dirfd, level, index, width, there, &fault) < 0) {
        report(c, &fault);
        return;
    }
    tile_path(level, index, width, path);
    for (unsigned i = 0; i < width; i++) {
        uint64_t number = index * TILE_WIDTH + i;
        if (digest_equal(&there[i], &hashes[i]))
            continue;
        if (level == 0)
            error_set(&fault, -EBADMSG, path,
                      "entry %llu does not hash to its leaf: the bundle or the tile was changed",
                      (unsigned long long)number);
        else
            error_set(&fault, -EBADMSG, path,
                      "hash %u is not that of tile %llu of level %d computed from the entries", i,
                      (unsigned long long)number, level - 1);
        report(c, &fault);
    }
}

static int on_full(void *userdata, int level, uint64_t index, const struct digest *hashes)
{
    struct check *c = userdata;

    if (level > 0)
        compare_tile(c, level, index, TILE_WIDTH, hashes);
    return 0;
}

/* One bundle: its leaf hashes against level 0, then up into the tree. */
static void check_bundle(struct check *c, uint64_t index)
{
    _cleanup_(bundle_done) struct bundle b = {0};
    unsigned width = tile_width(TILE_ENTRIES, index, c->view->size);
    struct digest leaves[TILE_WIDTH];
    struct error fault = ERROR_INIT;

    if (bundle_read(c->l->dirfd, index, width, &b, &fault) == 0) {
        for (unsigned i = 0; i < width; i++) {
            size_t size;
            const char *entry = bundle_entry(&b, i, &size);
            merkle_hash_leaf(entry, size, &leaves[i]);
        }
        compare_tile(c, 0, index, width, leaves);
    } else {
        /* the tile stands in for the lost entries, so that the levels above can still be checked */
        report(c, &fault);
        error_clear(&fault);
        if (tile_read(c->l->dirfd, 0, index, width, leaves, &fault) < 0) {
            report(c, &fault);
            c->broken = true;
        }
    }
    for (unsigned i = 0; i < width && !c->broken; i++)
        (void)edge_append(&c->edge, &leaves[i], on_full, c);
}

/* The checkpoint may have been changed on disk since it was read. */
static void check_checkpoint(struct check *c)
{
    _cleanup_(view_done) struct view there = {0};
    struct error fault = ERROR_INIT;
    int r = ledger_read_checkpoint(c->l, &there, &fault);

    if (r == 0 && there.size < c->view->size)
        r = error_set(&fault, -EBADMSG, LEDGER_CHECKPOINT,
                      "the checkpoint went back from %llu to %llu leaves", (unsigned long long)c->view->size,
                      (unsigned long long)there.size);
    if (r < 0)
        report(c, &fault);
}

static void check_top(struct check *c)
{
    struct error fault = ERROR_INIT;
    struct digest root;

    for (int level = 1; level < TILE_LEVELS; level++) {
        unsigned width = c->edge.level[level].n;
        if (width > 0)
            compare_tile(c, level, tile_hashes(level, c->edge.size) / TILE_WIDTH, width,
                         c->edge.level[level].hashes);
    }
    edge_root(&c->edge, &root);
    if (digest_equal(&root, &c->view->root))
        return;
    error_set(&fault, -EBADMSG, LEDGER_CHECKPOINT,
              "the root of %llu leaves is not the one computed from the entries",
              (unsigned long long)c->view->size);
    report(c, &fault);
}

int ledger_verify(struct ledger *l, void (*on_fault)(void *userdata, const struct error *fault),
                  void *userdata, struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    _cleanup_free_ struct check *c = calloc(1, sizeof *c);
    uint64_t bundles;
    int r = ledger_view(l, &v);

    if (r < 0 || !c)
        return error_errno(err, -ENOMEM, l->path, "cannot check the ledger");
    c->l = l;
    c->view = &v;
    c->on_fault = on_fault;
    c->userdata = userdata;
    bundles = tile_count(TILE_ENTRIES, v.size);
    for (uint64_t i = 0; i < bundles; i++)
        check_bundle(c, i);
    if (!c->broken)
        check_top(c);
    check_checkpoint(c);
    if (c->faults == 0)
        return 0;
    return error_set(err, -EBADMSG, l->path, "%llu faults found in the ledger",
                     (unsigned long long)c->faults);
}
