/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening and reading the ledger (see ledger.h). Whatever is handed out was checked on the way: an entry against its leaf
 * hash, a proof against the signed root.
 */
#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "ledger/ledger-impl.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/proof.h"
#include "ledger/receipt.h"

void view_done(struct view *v)
{
    free(TAKE_PTR(v->checkpoint));
}

struct ledger *ledger_close(struct ledger *l)
{
    if (!l)
        return NULL;
    view_done(&l->view);
    free(l->edge);
    free(l->work);
    free(l->tail.data);
    batch_folders_done(&l->durable);
    fd_closep(&l->dirfd);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
    return NULL;
}

int ledger_view(struct ledger *l, struct view *ret)
{
    pthread_mutex_lock(&l->lock);
    *ret = l->view;
    ret->checkpoint = strdup(l->view.checkpoint);
    pthread_mutex_unlock(&l->lock);
    return ret->checkpoint ? 0 : -ENOMEM;
}

uint64_t ledger_size(const struct ledger *l)
{
    struct ledger *m = (struct ledger *)l; /* the lock is not part of the value */
    uint64_t size;

    pthread_mutex_lock(&m->lock);
    size = m->view.size;
    pthread_mutex_unlock(&m->lock);
    return size;
}

void ledger_root(const struct ledger *l, struct digest *ret)
{
    struct ledger *m = (struct ledger *)l;

    pthread_mutex_lock(&m->lock);
    *ret = m->view.root;
    pthread_mutex_unlock(&m->lock);
}

/* Keeps the words, but says -EBADMSG. */
static int as_damage(struct error *err)
{
    if (err)
        err->code = -EBADMSG;
    return -EBADMSG;
}

/* -ENOENT is for what was not published; a file that was published and is gone is damage. */
static int damaged_if_gone(int r, struct error *err)
{
    return r == -ENOENT ? as_damage(err) : r;
}

int ledger_read_checkpoint(struct ledger *l, struct view *ret, struct error *err)
{
    _cleanup_(checkpoint_done) struct checkpoint c = {0};
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = fd_read_file_at(l->dirfd, LEDGER_CHECKPOINT, NOTE_MAX, &text, &size);

    if (r == -EFBIG || r == -EINVAL || r == -EISDIR)
        return error_set(err, -EBADMSG, LEDGER_CHECKPOINT,
                         "not a checkpoint: too large, or not a regular file");
    if (r < 0)
        return error_errno(err, r, LEDGER_CHECKPOINT, "cannot read the ledger's checkpoint");
    r = checkpoint_parse(text, size, l->verifier, &c, err);
    if (r == -EINVAL || r == -ENOKEY || r == -EBADMSG) {
        if (err)
            snprintf(err->object, sizeof err->object, "%s", LEDGER_CHECKPOINT);
        return as_damage(err);
    }
    if (r < 0)
        return r;
    ret->size = c.size;
    ret->root = c.root;
    ret->checkpoint = TAKE_PTR(text);
    return 0;
}

/* Reads the right edge of the published log. Return: 0, -EBADMSG (does not give the root), other negative errno. */
static int load_edge(struct ledger *l, const struct view *v, struct edge *ret, struct error *err)
{
    struct digest root;
    int r = edge_load(l->dirfd, v->size, ret, err);

    if (r < 0)
        return damaged_if_gone(r, err);
    edge_root(ret, &root);
    if (!digest_equal(&root, &v->root))
        return error_set(err, -EBADMSG, "tile/",
                         "the tiles at the right edge do not give the root of the checkpoint of %llu leaves; "
                         "right would be to restore the ledger's files from a copy",
                         (unsigned long long)v->size);
    return 0;
}

static int check_entry(const struct bundle *b, unsigned i, const struct digest *leaf, uint64_t index,
                       struct error *err)
{
    struct digest hash;
    size_t size;
    const char *data = bundle_entry(b, i, &size);

    merkle_hash_leaf(data, size, &hash);
    if (digest_equal(&hash, leaf))
        return 0;
    return error_set(err, -EBADMSG, "tile/entries/",
                     "entry %llu does not hash to its leaf: one of them was changed",
                     (unsigned long long)index);
}

static int load_tail(struct ledger *l, struct error *err)
{
    _cleanup_(bundle_done) struct bundle b = {0};
    unsigned width = l->edge->level[0].n;
    uint64_t first = l->view.size - width;
    int r;

    if (width == 0)
        return 0;
    r = bundle_read(l->dirfd, first / TILE_WIDTH, width, &b, err);
    if (r < 0)
        return damaged_if_gone(r, err);
    for (unsigned i = 0; i < width && r == 0; i++)
        r = check_entry(&b, i, &l->edge->level[0].hashes[i], first + i, err);
    if (r < 0)
        return r;
    l->tail.size = l->tail.room = b.start[width] - 2;
    l->tail.data = TAKE_PTR(b.data);
    return 0;
}

/* Only one program at a time may write: an exclusive lock on the folder, held until it is closed. */
static int lock_folder(struct ledger *l, struct error *err)
{
    if (flock(l->dirfd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(err, -EBUSY, l->path, "another program is writing this ledger");
    return error_errno(err, -errno, l->path, "cannot lock the ledger");
}

static int open_folder(struct ledger *l, struct error *err)
{
    bool made = l->key && mkdir(l->path, 0755) == 0;

    if (l->key && !made && errno != EEXIST)
        return error_errno(err, -errno, l->path, "cannot make the ledger's folder");
    l->dirfd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->dirfd < 0)
        return error_errno(err, -errno, l->path, "cannot open the ledger");
    if (made) {
        int r = fd_sync_dir_at(l->dirfd, "..");
        if (r < 0)
            return error_errno(err, r, l->path, "cannot make the ledger's folder durable");
    }
    return l->key ? lock_folder(l, err) : 0;
}

static int open_for_writing(struct ledger *l, struct error *err)
{
    int r;

    l->edge = calloc(1, sizeof *l->edge);
    l->work = calloc(1, sizeof *l->work);
    if (!l->edge || !l->work)
        return error_errno(err, -ENOMEM, l->path, "cannot open the ledger");
    r = ledger_create(l, err);
    if (r == 0)
        r = ledger_read_checkpoint(l, &l->view, err);
    if (r == 0)
        r = load_edge(l, &l->view, l->edge, err);
    if (r == 0)
        r = load_tail(l, err);
    if (r == 0)
        r = ledger_sweep(l->dirfd, l->view.size, err);
    l->kept_size = l->tried_size = l->view.size;
    return r;
}

/* Reads the checkpoint, and that its tiles are there; a publisher may be two groups ahead by then, so tries again. */
static int read_view(struct ledger *l, struct view *ret, struct error *err)
{
    _cleanup_free_ struct edge *edge = malloc(sizeof *edge);
    int r = -EBADMSG;

    if (!edge)
        return error_errno(err, -ENOMEM, l->path, "cannot read the ledger");
    for (int tries = 0; tries < 3 && r == -EBADMSG; tries++) {
        _cleanup_(view_done) struct view v = {0};
        error_clear(err);
        r = ledger_read_checkpoint(l, &v, err);
        if (r == 0)
            r = load_edge(l, &v, edge, err);
        if (r == 0) {
            *ret = v;
            v.checkpoint = NULL;
        }
    }
    return r;
}

int ledger_open(const char *path, const struct signing_key *key, const struct verifier_key *verifier,
                struct ledger **ret, struct error *err)
{
    _cleanup_(ledger_closep) struct ledger *l = calloc(1, sizeof *l);
    int r;

    if (!l)
        return error_errno(err, -ENOMEM, path, "cannot open the ledger");
    l->dirfd = -1;
    pthread_mutex_init(&l->lock, NULL);
    l->key = key;
    l->verifier = verifier ? verifier : key ? signing_key_verifier(key) : NULL;
    l->path = strdup(path);
    if (!l->path)
        return error_errno(err, -ENOMEM, path, "cannot open the ledger");
    if (!l->verifier)
        return error_set(err, -EINVAL, path, "no key given to open the ledger with");
    r = open_folder(l, err);
    if (r == 0)
        r = key ? open_for_writing(l, err) : read_view(l, &l->view, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(l);
    return 0;
}

/* Whether the newer state continues the one that this reader has seen: the log was not rewritten in between. */
static int check_grown(struct ledger *l, const struct view *fresh, struct error *err)
{
    _cleanup_(view_done) struct view known = {0};
    struct digest roots[2];
    struct proof proof;
    int r = ledger_view(l, &known);

    if (r < 0)
        return error_errno(err, r, l->path, "cannot read the ledger");
    if (known.size == 0)
        return 0;
    if (fresh->size < known.size)
        return error_set(err, -EBADMSG, LEDGER_CHECKPOINT,
                         "the checkpoint went back from %llu to %llu leaves", (unsigned long long)known.size,
                         (unsigned long long)fresh->size);
    r = proof_make_consistency(l->dirfd, fresh->size, known.size, fresh->size, &proof, roots, err);
    if (r < 0)
        return damaged_if_gone(r, err);
    if (digest_equal(&roots[0], &known.root) && digest_equal(&roots[1], &fresh->root))
        return 0;
    return error_set(
        err, -EBADMSG, LEDGER_CHECKPOINT,
        "the log of %llu leaves does not continue the one of %llu leaves seen before: it was rewritten",
        (unsigned long long)fresh->size, (unsigned long long)known.size);
}

/* A reader that is asked for more than it knows looks whether more was published since. */
static int view_reaching(struct ledger *l, uint64_t size, struct view *ret, struct error *err)
{
    struct view fresh;
    int r;

    if (size > ledger_size(l) && !l->key) {
        r = read_view(l, &fresh, err);
        if (r < 0)
            return r;
        r = check_grown(l, &fresh, err);
        if (r < 0) {
            view_done(&fresh);
            return r;
        }
        pthread_mutex_lock(&l->lock);
        if (fresh.size >= l->view.size) {
            struct view old = l->view;
            l->view = fresh;
            fresh = old;
        }
        pthread_mutex_unlock(&l->lock);
        view_done(&fresh);
    }
    r = ledger_view(l, ret);
    if (r < 0)
        return error_errno(err, r, l->path, "cannot read the ledger");
    if (size <= ret->size)
        return 0;
    return error_set(err, -ENOENT, l->path, "the ledger has %llu published leaves, %llu are needed",
                     (unsigned long long)ret->size, (unsigned long long)size);
}

/* One bundle with its leaf hashes, as far as it was published in v. */
static int load_bundle(struct ledger *l, const struct view *v, uint64_t index, struct bundle *ret,
                       struct digest leaves[TILE_WIDTH], struct error *err)
{
    unsigned width = tile_width(0, index, v->size);
    int r = tile_read(l->dirfd, 0, index, width, leaves, err);

    return r < 0 ? r : bundle_read(l->dirfd, index, width, ret, err);
}

int ledger_read_entry(struct ledger *l, uint64_t index, char **ret_data, size_t *ret_size, struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    _cleanup_(bundle_done) struct bundle b = {0};
    struct digest leaves[TILE_WIDTH];
    unsigned at = (unsigned)(index % TILE_WIDTH);
    const char *entry;
    size_t size;
    char *copy;
    int r = view_reaching(l, MIN(index, (uint64_t)INT64_MAX - 1) + 1, &v, err);

    if (r == 0)
        r = damaged_if_gone(load_bundle(l, &v, index / TILE_WIDTH, &b, leaves, err), err);
    if (r == 0)
        r = check_entry(&b, at, &leaves[at], index, err);
    if (r < 0)
        return r;
    entry = bundle_entry(&b, at, &size);
    copy = malloc(size + 1);
    if (!copy)
        return error_errno(err, -ENOMEM, l->path, "cannot read an entry");
    memcpy(copy, entry, size);
    copy[size] = 0;
    *ret_data = copy;
    if (ret_size)
        *ret_size = size;
    return 0;
}

int ledger_each_entry(struct ledger *l, uint64_t first, uint64_t count,
                      int (*on_entry)(void *userdata, uint64_t index, const char *data, size_t size),
                      void *userdata, struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    uint64_t end = first + count;
    int r;

    if (end < first)
        return error_set(err, -EINVAL, l->path, "more entries asked for than there are numbers");
    r = view_reaching(l, end, &v, err);
    for (uint64_t at = first; r == 0 && at < end;) {
        _cleanup_(bundle_done) struct bundle b = {0};
        struct digest leaves[TILE_WIDTH];
        r = damaged_if_gone(load_bundle(l, &v, at / TILE_WIDTH, &b, leaves, err), err);
        for (unsigned i = (unsigned)(at % TILE_WIDTH); r == 0 && at < end && i < b.n; i++, at++) {
            size_t size;
            const char *data = bundle_entry(&b, i, &size);
            r = check_entry(&b, i, &leaves[i], at, err);
            if (r == 0)
                r = on_entry(userdata, at, data, size);
        }
    }
    return r;
}

int ledger_checkpoint(struct ledger *l, char **ret, struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    int r = ledger_view(l, &v);

    if (r < 0)
        return error_errno(err, r, l->path, "cannot read the checkpoint");
    *ret = TAKE_PTR(v.checkpoint);
    return 0;
}

int ledger_receipt(struct ledger *l, uint64_t index, char **ret, struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    _cleanup_(bundle_done) struct bundle b = {0};
    struct proof proof;
    struct digest leaf;
    const char *entry;
    size_t size;
    int r = view_reaching(l, MIN(index, (uint64_t)INT64_MAX - 1) + 1, &v, err);

    if (r < 0)
        return r;
    r = proof_make_inclusion(l->dirfd, v.size, index, v.size, &proof, &leaf, err);
    if (r == 0)
        r = bundle_read(l->dirfd, index / TILE_WIDTH, tile_width(TILE_ENTRIES, index / TILE_WIDTH, v.size),
                        &b, err);
    if (r == 0)
        r = check_entry(&b, (unsigned)(index % TILE_WIDTH), &leaf, index, err);
    if (r < 0)
        return damaged_if_gone(r, err);
    if (!merkle_check_inclusion(index, v.size, &leaf, proof.hashes, proof.n, &v.root))
        return error_set(err, -EBADMSG, "tile/",
                         "the tiles do not prove entry %llu against the checkpoint: a tile was changed",
                         (unsigned long long)index);
    entry = bundle_entry(&b, (unsigned)(index % TILE_WIDTH), &size);
    r = receipt_make(index, entry, size, proof.hashes, proof.n, v.checkpoint, ret);
    return r < 0 ? error_errno(err, r, l->path, "cannot make a receipt") : 0;
}

int ledger_consistency(struct ledger *l, uint64_t from_size, uint64_t to_size, struct digest **ret,
                       size_t *ret_n, struct error *err)
{
    _cleanup_(view_done) struct view v = {0};
    struct digest roots[2], *hashes;
    struct proof proof;
    int r;

    if (from_size == 0 || from_size > to_size)
        return error_set(err, -EINVAL, l->path,
                         "no proof leads from %llu to %llu leaves; right would be 1 ≤ from ≤ to",
                         (unsigned long long)from_size, (unsigned long long)to_size);
    r = view_reaching(l, to_size, &v, err);
    if (r < 0)
        return r;
    r = proof_make_consistency(l->dirfd, v.size, from_size, to_size, &proof, roots, err);
    if (r < 0)
        return damaged_if_gone(r, err);
    if (!merkle_check_consistency(from_size, to_size, &roots[0], &roots[1], proof.hashes, proof.n) ||
        (to_size == v.size && !digest_equal(&roots[1], &v.root)))
        return error_set(err, -EBADMSG, "tile/", "the tiles do not hold together: a tile was changed");
    hashes = malloc(MAX(proof.n, 1u) * sizeof *hashes);
    if (!hashes)
        return error_errno(err, -ENOMEM, l->path, "cannot make a proof");
    memcpy(hashes, proof.hashes, proof.n * sizeof *hashes);
    *ret = hashes;
    *ret_n = proof.n;
    return 0;
}
