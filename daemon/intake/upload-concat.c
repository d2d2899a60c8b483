/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Concatenation (tus 1.0.0): a new upload whose bytes are those of whole partial ones, one after the other. They are copied inside the
 * kernel, as reflinks where the file system can, and digested as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inject.h"
#include "intake/upload-internal.h"

#define COPY_AT_ONCE (64u << 20)

struct parts {
    struct intake *in;
    struct upload **list; /* held */
    size_t n;
    int64_t bytes;
};

static void parts_done(struct parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        upload_unhold(p->list[i]);
    free(p->list);
}

/* Holds one part that is whole. With the lock held. */
static int take_part(struct parts *p, const char *id, const char *owner, struct error *err)
{
    struct upload *u = NULL;
    int r = uploads_look_up(p->in->uploads, id, owner, &u, err);

    if (r == 0 && !u->partial)
        r = error_set(err, -EINVAL, id, "is no partial upload; only such can be put together");
    if (r == 0 && (u->announced < 0 || u->offset != u->announced))
        r = error_set(err, UPLOAD_E_OFFSET, id, "is not whole yet; finish it first");
    r = r != 0 ? r : upload_hold(u, err);
    if (r != 0)
        return r;
    p->list[p->n++] = u;
    p->bytes += u->offset;
    return 0;
}

static int take_parts(struct parts *p, const char *owner, const char *const *ids, size_t n, struct error *err)
{
    int r = 0;

    p->list = calloc(MAX(n, 1), sizeof(struct upload *));
    if (!p->list)
        return error_errno(err, -ENOMEM, "uploads", "cannot be put together");
    if (n == 0)
        return error_set(err, -EINVAL, "Upload-Concat", "names no partial upload");
    pthread_mutex_lock(&p->in->uploads->lock);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = take_part(p, ids[i], owner, err);
    pthread_mutex_unlock(&p->in->uploads->lock);
    return r;
}

/* By reading and writing, where the kernel does not do it by itself. */
static int copy_plain(int from, int64_t at, int to, int64_t bytes)
{
    _cleanup_free_ char *block = malloc(256u << 10);

    if (!block)
        return -ENOMEM;
    while (bytes > 0) {
        ssize_t n = pread(from, block, (size_t)MIN(bytes, (int64_t)(256 << 10)), at);

        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        if (write(to, block, (size_t)n) != n)
            return errno ? -errno : -EIO;
        at += n;
        bytes -= n;
    }
    return 0;
}

static int append(struct upload *u, const struct upload *part)
{
    char path[UPLOAD_PATH_SIZE];
    _cleanup_close_ int from = openat(store_staging_fd(u->in->store), upload_data_path(part, path),
                                      O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int64_t at = 0;
    int r = inject_point("upload.append");

    if (from < 0 || r < 0)
        return r < 0 ? r : -errno;
    while (r == 0 && at < part->offset) {
        loff_t off = at;
        ssize_t n = copy_file_range(from, &off, u->file.fd, NULL,
                                    (size_t)MIN(part->offset - at, (int64_t)COPY_AT_ONCE), 0);

        if (n < 0 && errno != EINTR) {
            if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
                return -errno;
            r = copy_plain(from, at, u->file.fd, part->offset - at);
            break;
        }
        if (n == 0)
            return -ENODATA;
        at += MAX(n, 0);
        if (atomic_load(&u->in->stopping))
            return -ECANCELED;
    }
    u->file.bytes += part->offset;
    uploads_adjust(u);
    return r;
}

static int put_together(struct upload *u, const struct parts *p, struct error *err)
{
    int r = 0;

    u->parts = calloc(p->n, sizeof *u->parts);
    if (!u->parts)
        return -ENOMEM;
    for (; r == 0 && u->n_parts < p->n; u->n_parts++) {
        memcpy(u->parts[u->n_parts], p->list[u->n_parts]->id, sizeof *u->parts);
        r = append(u, p->list[u->n_parts]);
    }
    r = r < 0 ? r : inject_point("upload.concat");
    r = r < 0 ? r : upload_digest_again(u, err);
    r = r < 0 ? r : upload_file_sync(&u->file);
    if (r < 0)
        return r;
    u->acknowledged = u->file.bytes;
    upload_show_offset(u);
    return upload_register(u, err);
}

/* ---- asked for again ---------------------------------------------------------------------------------------------------- */

struct wanted {
    const char *owner;
    const char *const *ids;
    size_t n;
    struct upload *found;
};

static void compare_parts(struct upload *u, void *userdata)
{
    struct wanted *w = userdata;
    bool same = u->final && u->n_parts == w->n && w->n > 0 && !strcmp(u->owner, w->owner);

    for (size_t i = 0; same && i < w->n; i++)
        same = !strcmp(u->parts[i], w->ids[i]);
    if (same && !upload_has_expired(u, clock_now_usec()))
        w->found = u;
}

/* A client that heard of a failure asks again: what was put together of these parts then is gone on with, sealed or not.
 * Return: 0 it is held, 1 there is none, UPLOAD_E_BUSY. */
static int find_same(struct intake *in, const char *owner, const char *const *ids, size_t n,
                     struct upload **ret, struct error *err)
{
    struct wanted w = {owner ? owner : "", ids, n, NULL};
    int r = 1;

    pthread_mutex_lock(&in->uploads->lock);
    uploads_each(in->uploads, compare_parts, &w);
    if (w.found)
        r = upload_hold(w.found, err);
    pthread_mutex_unlock(&in->uploads->lock);
    if (r != 0)
        return r;
    w.found->ended = false;
    w.found->file.bytes = w.found->offset;
    *ret = w.found;
    return 0;
}

int upload_concat(struct intake *in, const struct upload_origin *origin, const char *metadata,
                  const char *concat, const char *const *ids, size_t n, struct upload **ret,
                  struct error *err)
{
    _cleanup_(parts_done) struct parts p = {.in = in};
    struct upload_origin whole = *origin;
    struct upload *u;
    int r;

    error_clear(err);
    r = find_same(in, origin->owner, ids, n, ret, err);
    if (r != 1)
        return r;
    r = take_parts(&p, origin->owner, ids, n, err);
    whole.bytes = p.bytes;
    r = r != 0 ? r : upload_begin(in, &whole, metadata, false, &u, err);
    if (r != 0)
        return r;
    u->final = true;
    u->concat = concat ? strdup(concat) : NULL;
    r = concat && !u->concat ? -ENOMEM : put_together(u, &p, err);
    if (r == 0) {
        *ret = u;
        return 0;
    }
    if (!err->text[0])
        error_errno(err, r, u->path, "cannot be put together");
    upload_give_up(u);
    return upload_code(r);
}
