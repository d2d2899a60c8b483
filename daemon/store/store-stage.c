/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making an object in staging: the folder tree, its content (written, cloned or moved in), its inventories, and making all that
 * durable. Nothing here touches objects/. A staged object is <ULID>/ when its content is a copy and <ULID>.move/ when it is the
 * original itself, so that after a crash the name alone says whether the content may be thrown away.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/json.h"
#include "store/store-internal.h"
#include "store/store-inventory.h"

void store_staged_path(const struct store_staged *t, const char *rest, char out[OBJECT_PATH_SIZE])
{
    snprintf(out, OBJECT_PATH_SIZE, "%s/%s", t->dir, rest);
}

struct store_staged *store_staged_free(struct store_staged *t)
{
    if (!t)
        return NULL;
    free(t->content_name);
    free(t);
    return NULL;
}

const char *store_staged_content_name(const struct store_staged *t)
{
    return t->content_name;
}

enum store_how store_staged_how(const struct store_staged *t)
{
    return t->how;
}

bool store_staged_is_finished(const struct store_staged *t)
{
    return t->finished;
}

void store_stage_source(struct store_staged *t, int source_fd)
{
    t->source_fd = source_fd;
}

/* ---- beginning ---- */

static int make_tree(struct store_staged *t)
{
    char path[OBJECT_PATH_SIZE];
    int r = inject_point("store.stage");

    if (r < 0)
        return r;
    if (mkdirat(t->store->staging_fd, t->dir, 0700) < 0)
        return -errno;
    for (size_t i = OBJECT_FOLDERS - 1; i-- > 0;) {
        store_staged_path(t, store_object_folders[i], path);
        if (mkdirat(t->store->staging_fd, path, 0700) < 0) {
            r = -errno;
            (void)fd_remove_tree_at(t->store->staging_fd, t->dir);
            return r;
        }
    }
    return 0;
}

/* Neither staged in the other way nor in its place. */
static int check_free(struct store *s, const struct recording_id *id, enum store_how how, struct error *err)
{
    char other[ULID_LENGTH + 8];
    bool have = false;
    int r = store_has(s, id, &have, err);

    if (r != 0)
        return r;
    if (have)
        return error_set(err, STORE_E_EXISTS, id->text, "an object of this id is in the store already");
    snprintf(other, sizeof other, "%s%s", id->text, how == STORE_MOVE ? "" : ".move");
    if (faccessat(s->staging_fd, other, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(err, STORE_E_EXISTS, id->text, "an object of this id is staged already");
    return 0;
}

int store_stage_new(struct store *s, const struct recording_id *id, enum store_how how, const void *name,
                    size_t name_size, struct store_staged **ret, struct error *err)
{
    _cleanup_(store_staged_freep) struct store_staged *t = calloc(1, sizeof *t);
    int r = check_free(s, id, how, err);

    if (r != 0)
        return r;
    if (t)
        t->content_name = encode_safe_name(name, name_size);
    if (!t || !t->content_name)
        return error_errno(err, -ENOMEM, id->text, "cannot stage the object");
    t->store = s;
    t->id = *id;
    t->how = how;
    t->source_fd = -1;
    snprintf(t->dir, sizeof t->dir, "%s%s", id->text, how == STORE_MOVE ? ".move" : "");
    r = make_tree(t);
    if (r == -EEXIST)
        return error_set(err, STORE_E_EXISTS, id->text, "an object of this id is staged already");
    if (r < 0)
        return error_errno(err, r, id->text, "cannot make the folder staging/%s", t->dir);
    *ret = TAKE_PTR(t);
    return 0;
}

/* ---- content of a copy ---- */

static int make_content(struct store_staged *t, struct error *err)
{
    char path[OBJECT_PATH_SIZE];
    int fd;

    if (t->how != STORE_COPY)
        return error_set(err, -EINVAL, t->id.text,
                         "the content of this object is to be moved in, not written");
    store_content_path(t->dir, t->content_name, path);
    fd = openat(t->store->staging_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    if (fd < 0)
        return error_errno(err, -errno, t->id.text, "cannot make staging/%s", path);
    t->ours = true;
    return fd;
}

int store_stage_content(struct store_staged *t, int *ret_fd, struct error *err)
{
    int fd = make_content(t, err);

    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

int store_stage_clone(struct store_staged *t, int source_fd, struct error *err)
{
    _cleanup_close_ int fd = make_content(t, err);
    char path[OBJECT_PATH_SIZE];
    int r;

    if (fd < 0)
        return fd;
    r = inject_point("store.clone");
    if (r == 0 && ioctl(fd, FICLONE, source_fd) == 0)
        return 0;
    if (r == 0)
        r = -errno;
    store_content_path(t->dir, t->content_name, path);
    (void)unlinkat(t->store->staging_fd, path, 0);
    /* one answer for all the ways in which file systems say that they cannot */
    if (r == -ENOTTY || r == -ENOSYS || r == -EINVAL || r == -EOPNOTSUPP)
        return -EOPNOTSUPP;
    if (r == -EXDEV)
        return r;
    return error_errno(err, r, t->id.text, "cannot clone the content");
}

/* ---- finishing ---- */

static int write_file(struct store_staged *t, const char *rest, const void *data, size_t size)
{
    _cleanup_close_ int fd = -1;
    char path[OBJECT_PATH_SIZE];

    store_staged_path(t, rest, path);
    fd = openat(t->store->staging_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    if (fd < 0)
        return -errno;
    return fd_write_full(fd, data, size);
}

static int write_metadata(struct store_staged *t, const char *arrival, const char *inventory)
{
    char sidecar[SIDECAR_SIZE];
    const char *texts[OBJECT_FIXED_FILES] = {OBJECT_NAMASTE_TEXT, inventory, sidecar,
                                             inventory,           sidecar,   arrival};

    store_inventory_sidecar(inventory, strlen(inventory), sidecar);
    /* backwards: what declares the object comes last */
    for (size_t i = OBJECT_FIXED_FILES; i-- > 0;) {
        int r = write_file(t, store_object_files[i], texts[i], strlen(texts[i]));
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_copy(struct store_staged *t, uint64_t bytes, struct error *err)
{
    char path[OBJECT_PATH_SIZE];
    struct stat st;

    store_content_path(t->dir, t->content_name, path);
    if (fstatat(t->store->staging_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, -errno, t->id.text, "the content of the staged object cannot be examined");
    if ((uint64_t)st.st_size != bytes)
        return error_set(err, STORE_E_CHANGED, t->id.text,
                         "the staged content has %lld bytes, %llu were digested", (long long)st.st_size,
                         (unsigned long long)bytes);
    return 0;
}

int store_stage_finish(struct store_staged *t, const struct digest_pair *digests, uint64_t bytes,
                       const char *arrival_json, int64_t created_usec, struct error *err)
{
    struct store_inventory v = {.id = t->id, .content = *digests};
    _cleanup_free_ char *inventory = NULL;
    int r;

    if (t->finished)
        return error_set(err, -EINVAL, t->id.text, "the object is finished already");
    r = t->how == STORE_COPY ? check_copy(t, bytes, err) : 0;
    if (r != 0)
        return r;
    snprintf(v.content_name, sizeof v.content_name, "%s", t->content_name);
    digest_of(arrival_json, strlen(arrival_json), &v.arrival);
    r = store_inventory_write(&v, t->store->user, created_usec, &inventory);
    if (r == 0)
        r = inject_point("store.finish");
    if (r == 0)
        r = write_metadata(t, arrival_json, inventory);
    if (r < 0)
        return error_errno(err, r, t->id.text, "cannot write the object's inventory in staging");
    t->finished = true;
    return 0;
}

/* ---- durable in staging ---- */

int store_sync_object(int dirfd, const char *path, const char *content_name)
{
    int fds[OBJECT_FIXED_FILES + 1], r = 0;
    char at[OBJECT_PATH_SIZE];
    size_t n = 0, files = OBJECT_FIXED_FILES + (content_name ? 1 : 0);

    for (; n < files; n++) {
        if (n < OBJECT_FIXED_FILES)
            snprintf(at, sizeof at, "%s/%s", path, store_object_files[n]);
        else
            store_content_path(path, content_name, at);
        fds[n] = openat(dirfd, at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fds[n] < 0) {
            r = -errno;
            break;
        }
        (void)sync_file_range(fds[n], 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    for (size_t i = 0; i < n; i++) {
        if (r == 0)
            r = fd_sync(fds[i]);
        close(fds[i]);
    }
    for (size_t i = 0; r == 0 && i < OBJECT_FOLDERS; i++) {
        snprintf(at, sizeof at, "%s/%s", path, store_object_folders[i]);
        r = fd_sync_dir_at(dirfd, at);
    }
    return r;
}

static int sync_intent(struct store *s, const char *intent)
{
    _cleanup_close_ int fd = -1;
    char path[128];

    snprintf(path, sizeof path, "%s" INTENT_SUFFIX, intent);
    fd = openat(s->staging_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd_sync(fd);
}

static int sync_one(struct store *s, struct store_staged *t)
{
    int r = store_sync_object(s->staging_fd, t->dir, t->how == STORE_COPY ? t->content_name : NULL);

    if (r == 0 && t->how == STORE_MOVE && t->source_fd >= 0)
        r = fd_sync(t->source_fd);
    return r;
}

int store_stage_sync(struct store *s, struct store_staged *const *staged, size_t n, const char *intent,
                     struct error *err)
{
    int r = inject_point("store.sync");

    if (r == 0 && n >= STORE_GROUP)
        r = fd_syncfs(s->staging_fd);
    else {
        for (size_t i = 0; r == 0 && i < n; i++)
            r = sync_one(s, staged[i]);
        if (r == 0 && intent)
            r = sync_intent(s, intent);
        if (r == 0)
            r = fd_sync(s->staging_fd);
    }
    return r < 0 ? error_errno(err, r, s->archive, "cannot make %zu staged objects durable", n) : 0;
}

/* ---- moving the source in ---- */

int store_own_content(int dirfd, const char *path, uid_t owner, struct error *err)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int r = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, -errno, path, "cannot open the content");
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, path, "the content is not a plain file");
    if (st.st_uid != owner)
        r = fchown(fd, owner, (gid_t)-1) < 0 ? -errno : 0;
    if (r == 0 && (st.st_mode & 07777) != 0400)
        r = fchmod(fd, 0400) < 0 ? -errno : 0;
    return r < 0 ? error_errno(err, r, path, "cannot make the content ours and read-only") : 0;
}

/* The open source against what was digested. */
static int check_source(int fd, const struct stat *expected, const char *name, struct error *err)
{
    struct stat now;

    if (fstat(fd, &now) < 0)
        return error_errno(err, -errno, name, "cannot examine the source");
    if (!S_ISREG(now.st_mode) || !store_same_file(&now, expected) || !store_same_version(&now, expected))
        return error_set(err, STORE_E_CHANGED, name, "the file changed after it was digested");
    if (now.st_nlink != 1)
        return error_set(err, STORE_E_CHANGED, name,
                         "the file has another hard link, through which it could be changed");
    return 0;
}

/* The moved-in content goes back under its name, as it was; when somebody has a new file there, into quarantine. */
static int give_back(struct store_staged *t, int dirfd, const char *name, const char *why, struct error *err)
{
    char path[OBJECT_PATH_SIZE];
    _cleanup_json_ json_t *reason = NULL;
    _cleanup_free_ char *text = NULL, *encoded = NULL, *kept = NULL;
    int r;

    store_content_path(t->dir, t->content_name, path);
    if (t->adopted) {
        /* best effort: the name is what matters */
        (void)!fchownat(t->store->staging_fd, path, t->source_stat.st_uid, t->source_stat.st_gid,
                        AT_SYMLINK_NOFOLLOW);
        (void)!fchmodat(t->store->staging_fd, path, t->source_stat.st_mode & 07777, 0);
    }
    if (dirfd >= 0 && fd_rename_noreplace(t->store->staging_fd, path, dirfd, name) == 0) {
        t->adopted = t->ours = false;
        return 0;
    }
    encoded = encode_percent(name ?: t->content_name, strlen(name ?: t->content_name));
    reason = json_object();
    r = encoded ? json_set_string(reason, "name", encoded) : -ENOMEM;
    if (r == 0)
        r = json_set_string(reason, "recording", t->id.text);
    if (r == 0)
        r = json_set_string(reason, "reason", why);
    if (r == 0)
        r = json_canonical(reason, &text);
    if (r < 0)
        return error_errno(err, r, t->id.text, "cannot write the reason for quarantine");
    r = store_quarantine_path(t->store, t->store->staging_fd, path, t->content_name, text, &kept, err);
    if (r != 0)
        return r;
    t->adopted = t->ours = false;
    return error_set(err, 0, name ?: t->id.text, "%s; its place was taken, it is in quarantine as %s", why,
                     kept);
}

static int check_plain_name(const char *name, struct error *err)
{
    return store_is_plain_name(name) ? 0 : error_set(err, -EINVAL, name, "must be a plain file name");
}

/* The file is in: is it the one we hold open, and can it be made ours? If not it goes back. */
static int settle(struct store_staged *t, int fd, int dirfd, const char *name, const struct stat *expected,
                  struct error *err)
{
    char path[OBJECT_PATH_SIZE];
    struct error back = ERROR_INIT;
    struct stat in;
    int r;

    store_content_path(t->dir, t->content_name, path);
    if (fstatat(t->store->staging_fd, path, &in, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, -errno, name, "cannot examine the file that was moved in");
    if (!store_same_file(&in, expected))
        r = error_set(err, STORE_E_CHANGED, name, "another file took the name after it was digested");
    else
        r = check_source(fd, expected, name, err);
    if (r == 0) {
        t->source_stat = in;
        t->adopted = true;
        r = inject_point("store.own");
        if (r < 0)
            error_errno(err, r, name, "cannot make the content ours and read-only");
        else
            r = store_own_content(t->store->staging_fd, path, t->store->owner, err);
    }
    if (r == 0) {
        t->ours = true;
        return 0;
    }
    if (give_back(t, dirfd, name, err && err->code ? err->text : "could not be taken in", &back) != 0 ||
        back.text[0]) {
        back.code = r;
        if (err)
            *err = back; /* where it is now matters more than why */
    }
    return r;
}

/* The source given by store_stage_source, else the file of that name. */
static int open_source(const struct store_staged *t, int dirfd, const char *name, int *ret_opened,
                       struct error *err)
{
    if (t->source_fd >= 0)
        return t->source_fd;
    *ret_opened = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*ret_opened >= 0)
        return *ret_opened;
    return error_errno(err, -errno, name, "the source cannot be opened");
}

static int rename_in(struct store_staged *t, int dirfd, const char *name, struct error *err)
{
    char path[OBJECT_PATH_SIZE];
    int r = inject_point("store.adopt");

    store_content_path(t->dir, t->content_name, path);
    if (r == 0)
        r = fd_rename_noreplace(dirfd, name, t->store->staging_fd, path);
    return r < 0 ? error_errno(err, r, name, "the source cannot be moved in") : 0;
}

int store_stage_adopt(struct store_staged *t, int dirfd, const char *name, const struct stat *expected,
                      struct error *err)
{
    _cleanup_close_ int opened = -1;
    int fd, r = check_plain_name(name, err);
    bool have = false;

    if (r == 0 && (t->how != STORE_MOVE || !t->finished))
        r = error_set(err, -EINVAL, t->id.text,
                      "only a finished object whose content is to be moved in can take a source");
    if (r == 0)
        r = store_staged_has_content(t, &have, err);
    if (r != 0 || have)
        return r;
    fd = open_source(t, dirfd, name, &opened, err);
    r = fd < 0 ? fd : check_source(fd, expected, name, err);
    if (r == 0)
        r = rename_in(t, dirfd, name, err);
    if (r == -ENOENT || r == -ELOOP)
        return error_set(err, STORE_E_CHANGED, name, "the file is gone, or another took its name");
    return r == 0 ? settle(t, fd, dirfd, name, expected, err) : r;
}

int store_staged_has_content(struct store_staged *t, bool *ret, struct error *err)
{
    char path[OBJECT_PATH_SIZE];

    *ret = false;
    if (!t->content_name)
        return 0;
    store_content_path(t->dir, t->content_name, path);
    if (faccessat(t->store->staging_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        *ret = true;
    else if (errno != ENOENT)
        return error_errno(err, -errno, t->id.text, "cannot look for staging/%s", path);
    return 0;
}

/* ---- undoing ---- */

int store_stage_abort(struct store_staged *t, int dirfd, const char *name, struct error *err)
{
    bool have = false;
    int r;

    if (t->committed)
        return error_set(err, -EINVAL, t->id.text, "the object is in its place; it is not undone");
    r = name && dirfd >= 0 ? check_plain_name(name, err) : 0;
    if (r == 0)
        r = store_staged_has_content(t, &have, err);
    if (r != 0)
        return r;
    if (have && t->how == STORE_MOVE) {
        r = give_back(t, name ? dirfd : -1, name, "the seal was undone", err);
        if (r != 0)
            return r;
    }
    r = inject_point("store.abort");
    if (r == 0)
        r = fd_remove_tree_at(t->store->staging_fd, t->dir);
    return r < 0 && r != -ENOENT ? error_errno(err, r, t->id.text, "cannot remove staging/%s", t->dir) : 0;
}
