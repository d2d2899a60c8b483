/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Taking the bytes of an upload (see upload.h): beginning, writing, digests on the way.
 */
#include "intake/upload.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/inject.h"
#include "intake/upload-internal.h"

#define ROOM_EVERY (16 << 20)

const char *upload_file_path(const struct upload *u, const char *file, char out[UPLOAD_PATH_SIZE])
{
    snprintf(out, UPLOAD_PATH_SIZE, "%s" STORE_UPLOAD_SUFFIX "/%s", u->id, file);
    return out;
}

const char *upload_data_path(const struct upload *u, char out[UPLOAD_PATH_SIZE])
{
    if (u->resumable)
        return upload_file_path(u, UPLOAD_DATA, out);
    snprintf(out, UPLOAD_PATH_SIZE, "%s" STORE_UPLOAD_SUFFIX, u->id);
    return out;
}

/* ---- beginning ---------------------------------------------------------------------------------------------------------- */

static int check_facts(const json_t *facts, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r = json_canonical(facts, &text);

    if (r == -EINVAL)
        return error_set(err, r, "", "what is said of the upload is not UTF-8");
    if (r == 0 && strlen(text) > UPLOAD_FACTS_MAX)
        return error_set(err, -E2BIG, "", "what is said of the upload is too long; %u bytes at most",
                         UPLOAD_FACTS_MAX);
    return r;
}

/* A text with its place; NULL and "" become fallback. */
static int copy_text(const char *text, const char *fallback, size_t max, const char *what, char **ret,
                     struct error *err)
{
    text = text && *text ? text : fallback;
    if (text && strlen(text) > max)
        return error_set(err, -ENAMETOOLONG, "", "the %s is too long; %zu bytes at most", what, max);
    if (text && !(*ret = strdup(text)))
        return -ENOMEM;
    return 0;
}

static int copy_origin(struct upload *u, const struct upload_origin *o, struct error *err)
{
    const char *slash = o->name ? strrchr(o->name, '/') : NULL;
    int r = copy_text(slash ? slash + 1 : o->name, "upload", UPLOAD_NAME_MAX, "file name", &u->name, err);

    r = r < 0 ? r : copy_text(o->path, u->name, UPLOAD_PATH_MAX, "path", &u->path, err);
    r = r < 0 ? r : copy_text(o->door, "upload", 64, "door", &u->door, err);
    r = r < 0 ? r : copy_text(o->owner, "", 200, "owner", &u->owner, err);
    r = r < 0 ? r : copy_text(o->zone, NULL, 100, "time zone", &u->zone, err);
    if (r < 0)
        return r;
    u->mtime_usec = o->mtime_usec;
    u->announced = o->bytes < 0 ? -1 : o->bytes;
    u->facts = o->facts ? json_reals_to_text(json_deep_copy(o->facts)) : json_object();
    if (!u->facts)
        return -ENOMEM;
    return check_facts(u->facts, err);
}

int upload_make(struct intake *in, const struct upload_origin *origin, const char *id, struct upload **ret,
                struct error *err)
{
    _cleanup_(upload_unrefp) struct upload *u = calloc(1, sizeof *u);
    int r;

    if (!u)
        return error_errno(err, -ENOMEM, "upload", "cannot be begun");
    u->in = in;
    u->refs = 1;
    u->file.fd = -1;
    if (id)
        memcpy(u->id, id, sizeof u->id);
    else
        ulid_make(clock_now_usec(), u->id);
    r = copy_origin(u, origin, err);
    if (r < 0)
        return err->text[0] ? r : error_errno(err, r, "upload", "cannot be begun");
    u->folder.path = in->staging_path;
    u->folder.after = FOLDER_AFTER_REMOVE;
    u->folder.name = u->door;
    *ret = TAKE_PTR(u);
    return 0;
}

int upload_check_size(const struct upload *u, int64_t bytes, struct error *err)
{
    uint64_t max = atomic_load(&u->in->settings)->uploads.max_bytes;

    if (u->announced >= 0 && bytes > u->announced)
        return error_set(err, -EFBIG, u->path, "has more bytes than were announced (%lld)",
                         (long long)u->announced);
    if (bytes > 0 && (uint64_t)bytes > max)
        return error_set(err, -EFBIG, u->path,
                         "is larger than an upload may be (%llu MiB; uploads.max in the settings)",
                         (unsigned long long)(max >> 20));
    return 0;
}

int upload_make_file(struct upload *u, struct error *err)
{
    char path[UPLOAD_PATH_SIZE];
    int r = hasher_new(atomic_load(&u->in->settings)->store.sm3, &u->hasher);

    if (r == 0 && u->resumable)
        r = store_upload_new(u->in->store, u->id, err);
    if (r != 0)
        return r > 0 ? -EEXIST : r;
    u->in_staging = true;
    r = upload_file_create(&u->file, store_staging_fd(u->in->store), upload_data_path(u, path));
    r = r < 0 ? r : inject_point("upload.created");
    return r < 0 ? error_errno(err, r, u->path, "cannot be written to staging") : 0;
}

int upload_new(struct intake *in, const struct upload_origin *origin, struct upload **ret, struct error *err)
{
    _cleanup_(upload_unrefp) struct upload *u = NULL;
    int r;

    error_clear(err);
    r = uploads_may_begin(in, err);
    r = r < 0 ? r : upload_make(in, origin, NULL, &u, err);
    r = r < 0 ? r : upload_check_size(u, u->announced, err);
    r = r < 0 ? r : uploads_reserve(u, (uint64_t)MAX(u->announced, 0), err);
    r = r < 0 ? r : upload_make_file(u, err);
    if (r == 0)
        *ret = TAKE_PTR(u);
    return r;
}

int upload_may_begin(struct intake *in, uint64_t bytes, struct error *err)
{
    int r;

    error_clear(err);
    r = uploads_may_begin(in, err);
    return r < 0 || intake_has_room(in, bytes, err) ? r : -ENOSPC;
}

struct upload *upload_free(struct upload *u)
{
    if (!u)
        return NULL;
    if (u->resumable)
        upload_let_go(u);
    else
        upload_throw_away(u);
    return upload_unref(u);
}

/* ---- digests that the sender says --------------------------------------------------------------------------------------- */

static size_t digest_size(const char *algorithm)
{
    static const struct {
        const char *name;
        size_t size;
    } known[] = {{"md5", 16}, {"sha1", 20}, {"sha256", 32}, {"sha512", 64}, {"crc32", 4}};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i].name, algorithm) == 0)
            return known[i].size;
    return 0;
}

int upload_expect(struct upload *u, const char *algorithm, const void *digest, size_t size, struct error *err)
{
    struct upload_check c = {.size = size};
    size_t right = digest_size(algorithm);
    int r = 0;

    error_clear(err);

    if (right == 0)
        return error_set(err, -EOPNOTSUPP, algorithm,
                         "is not known here; md5, sha1, sha256, sha512 and crc32 are");
    if (size != right)
        return error_set(err, -EINVAL, algorithm, "a digest of it has %zu bytes, not %zu", right, size);
    if (u->n_checks == UPLOAD_CHECKS_MAX)
        return error_set(err, -E2BIG, algorithm, "too many digests are given; %d at most", UPLOAD_CHECKS_MAX);
    if (u->resumable)
        r = upload_mark_request(u);
    /* the digest of the whole content is computed anyway */
    if (r == 0 && (strcmp(algorithm, "sha256") != 0 || u->file.bytes > 0))
        r = checker_new(algorithm, &c.checker);
    if (r < 0)
        return error_errno(err, r, algorithm, "cannot be computed");
    memcpy(c.wanted, digest, size);
    u->checks[u->n_checks++] = c;
    return 0;
}

void upload_forget_checks(struct upload *u)
{
    for (size_t i = 0; i < u->n_checks; i++)
        checker_free(u->checks[i].checker);
    u->n_checks = 0;
    u->request_hasher = hasher_free(u->request_hasher);
}

int upload_want_md5(struct upload *u)
{
    return u->md5 ? 0 : checker_new("md5", &u->md5);
}

void upload_md5(struct upload *u, char out[33])
{
    uint8_t digest[CHECKER_BYTES_MAX];

    if (u->md5) {
        encode_hex(digest, checker_final(u->md5, digest), u->md5_hex);
        u->md5 = checker_free(u->md5);
    }
    memcpy(out, u->md5_hex, sizeof u->md5_hex);
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------- */

static void digest_bytes(struct upload *u, const void *data, size_t size)
{
    hasher_update(u->hasher, data, size);
    for (size_t i = 0; i < u->n_checks; i++)
        if (u->checks[i].checker)
            checker_update(u->checks[i].checker, data, size);
    if (u->md5)
        checker_update(u->md5, data, size);
}

/* What was not announced must not eat up the reserve unseen. */
static int look_for_room(struct upload *u, struct error *err)
{
    if (u->announced >= 0 || u->file.bytes < u->room_at)
        return 0;
    u->room_at = u->file.bytes + ROOM_EVERY;
    return intake_has_room(u->in, 0, err) ? 0 : err->code == -ENOSPC ? -ENOSPC : -EAGAIN;
}

int upload_write(struct upload *u, const void *data, size_t size, struct error *err)
{
    int r;

    error_clear(err);
    r = size > INT64_MAX / 2 ? -EFBIG : upload_check_size(u, u->file.bytes + (int64_t)size, err);
    if (r == 0 && u->ended)
        return error_set(err, -EINVAL, u->path, "its bytes have ended already");
    if (r == 0 && atomic_load(&u->in->stopping))
        r = error_set(err, -ECANCELED, "liuhend", "is stopping; send again in a moment");
    r = r < 0 ? r : look_for_room(u, err);
    if (r < 0 || size == 0)
        return r;
    if (u->announced >= 0)
        upload_file_take(&u->file, u->announced - u->file.bytes);
    r = upload_file_write(&u->file, data, size);
    uploads_adjust(u);
    if (r < 0)
        return error_errno(err, r, u->path, "cannot be written to staging");
    digest_bytes(u, data, size);
    return 0;
}

int upload_add_facts(struct upload *u, const json_t *facts)
{
    _cleanup_json_ json_t *all = json_deep_copy(u->facts);
    _cleanup_json_ json_t *more = json_deep_copy(facts);
    struct error ignored;
    int r;

    more = more ? json_reals_to_text(TAKE_PTR(more)) : NULL;
    if (!all || !more || json_object_update_recursive(all, more) < 0)
        return -ENOMEM;
    r = check_facts(all, &ignored);
    if (r == 0) {
        json_decref(u->facts);
        u->facts = TAKE_PTR(all);
    }
    return r;
}

void upload_set_mtime(struct upload *u, int64_t mtime_usec)
{
    u->mtime_usec = mtime_usec;
}
