/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quarantine: what could not be taken in, kept with the reason. The reason is durable before the thing moves, so nothing lies
 * there unexplained; a copy from another file system is made in staging under a temporary name and gets its name in
 * quarantine only when it is whole and synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "store/store-internal.h"

#define REASON_SUFFIX ".reason.json"
#define NAME_KEPT     160 /* bytes of the safe name; leaves room for the ULID, the suffix and a temporary's */
#define COPY_BLOCK    (1u << 20)

static int quarantine_name(const char *name, char **ret)
{
    _cleanup_free_ char *safe = encode_safe_name(name, strlen(name));
    char ulid[ULID_LENGTH + 1], short_name[NAME_KEPT + 1];

    if (!safe)
        return -ENOMEM;
    snprintf(short_name, sizeof short_name, "%s", safe);
    utf8_repair(short_name, sizeof short_name);
    ulid_make(clock_now_usec(), ulid);
    return asprintf(ret, "%s-%s", ulid, short_name) < 0 ? -ENOMEM : 0;
}

static int write_reason(struct store *s, const char *kept, const char *reason_json)
{
    _cleanup_free_ char *file = NULL;

    if (asprintf(&file, "%s" REASON_SUFFIX, kept) < 0) {
        file = NULL;
        return -ENOMEM;
    }
    return durable_write_file(s->quarantine_fd, file, 0400, reason_json, strlen(reason_json));
}

static int copy_bytes(int from, int to)
{
    _cleanup_free_ char *block = malloc(COPY_BLOCK);
    ssize_t n;
    int r;

    if (!block)
        return -ENOMEM;
    while ((n = fd_read_full(from, block, COPY_BLOCK)) > 0) {
        r = fd_write_full(to, block, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
}

/* Copies a plain file from another file system; -EBUSY when it changed meanwhile. */
static int copy_file(struct store *s, int dirfd, const char *path, const char *kept, struct stat *ret)
{
    _cleanup_close_ int from = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), to = -1;
    char temp[ULID_LENGTH + 32];
    struct stat after;
    int r;

    if (from < 0 || fstat(from, ret) < 0)
        return -errno;
    if (!S_ISREG(ret->st_mode))
        return -EXDEV;
    snprintf(temp, sizeof temp, "quarantine.tmp-%.*s", ULID_LENGTH, kept);
    to = openat(s->staging_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    if (to < 0)
        return -errno;
    r = copy_bytes(from, to);
    if (r == 0)
        r = fd_sync(to);
    if (r == 0 && fstat(from, &after) < 0)
        r = -errno;
    if (r == 0 && !store_same_version(ret, &after))
        r = -EBUSY;
    if (r == 0)
        r = fd_rename_noreplace(s->staging_fd, temp, s->quarantine_fd, kept);
    if (r < 0)
        (void)unlinkat(s->staging_fd, temp, 0);
    return r;
}

/* A folder can only change its parent when it is writable itself. */
static int rename_tree(struct store *s, int dirfd, const char *path, const char *kept)
{
    _cleanup_close_ int fd = -1;
    int r = fd_rename_noreplace(dirfd, path, s->quarantine_fd, kept);

    if (r != -EACCES)
        return r;
    fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0700) < 0)
        return r;
    return fd_rename_noreplace(dirfd, path, s->quarantine_fd, kept);
}

static int sync_both(struct store *s, int dirfd, const char *path)
{
    _cleanup_free_ char *parent = strdup(path);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    int r = parent ? fd_sync(s->quarantine_fd) : -ENOMEM;

    if (slash)
        *slash = 0;
    return r < 0 ? r : fd_sync_dir_at(dirfd, slash ? parent : ".");
}

/* Removes the source of a copy, if it is still what was copied. */
static int drop_source(int dirfd, const char *path, const struct stat *copied, const char *kept,
                       struct error *err)
{
    struct stat now;

    if (fstatat(dirfd, path, &now, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0
                               : error_set(err, STORE_E_STAYS, path, "copied to quarantine/%s, stays", kept);
    if (!store_same_file(&now, copied) || !store_same_version(&now, copied))
        return error_set(err, STORE_E_STAYS, path,
                         "copied to quarantine/%s, but a changed file is there and stays", kept);
    if (unlinkat(dirfd, path, 0) < 0)
        return error_set(err, STORE_E_STAYS, path, "copied to quarantine/%s, but cannot be removed: %s", kept,
                         strerror(errno));
    return 0;
}

static int move_in(struct store *s, int dirfd, const char *path, const char *kept, struct error *err)
{
    struct stat copied;
    int r = inject_point("store.quarantine"), stays = 0;

    if (r == 0)
        r = rename_tree(s, dirfd, path, kept);
    /* no right to take the name away (EACCES, EPERM), another mount, or read-only there: keep a copy at least */
    if (r == -EXDEV || r == -EACCES || r == -EPERM || r == -EROFS) {
        int moved = r;

        r = copy_file(s, dirfd, path, kept, &copied);
        if (r == 0)
            r = fd_sync(s->quarantine_fd);
        if (r < 0)
            return error_errno(err, r == -EXDEV ? moved : r, path, "cannot be moved or copied to quarantine");
        stays = drop_source(dirfd, path, &copied, kept, err);
    }
    if (r == -ENOENT)
        return error_set(err, STORE_E_UNKNOWN, path, "is not there");
    if (r == 0)
        r = sync_both(s, dirfd, path);
    return r < 0 ? error_errno(err, r, path, "cannot be moved to quarantine") : stays;
}

int store_quarantine_path(struct store *s, int dirfd, const char *path, const char *name,
                          const char *reason_json, char **ret_name, struct error *err)
{
    _cleanup_free_ char *kept = NULL, *reason = NULL;
    int r;

    if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return error_set(err, STORE_E_UNKNOWN, path, "is not there");
    r = quarantine_name(name, &kept);
    if (r == 0)
        r = write_reason(s, kept, reason_json);
    if (r < 0)
        return error_errno(err, r, path, "cannot write the reason for quarantine");
    r = move_in(s, dirfd, path, kept, err);
    if (r != 0 && r != STORE_E_STAYS) {
        if (faccessat(s->quarantine_fd, kept, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
            asprintf(&reason, "%s" REASON_SUFFIX, kept) >= 0)
            (void)unlinkat(s->quarantine_fd, reason, 0);
        return r;
    }
    if (ret_name)
        *ret_name = TAKE_PTR(kept);
    return r;
}

int store_quarantine(struct store *s, int dirfd, const char *name, const char *reason_json, char **ret_name,
                     struct error *err)
{
    if (!store_is_plain_name(name))
        return error_set(err, -EINVAL, name, "must be a plain name");
    return store_quarantine_path(s, dirfd, name, name, reason_json, ret_name, err);
}

/* A reason, or what a killed writer left of one. An item may itself be called "x.reason.json": it has a reason of its own. */
static bool is_reason(struct store *s, const char *name)
{
    char longer[300];
    size_t n = strlen(name), m = strlen(REASON_SUFFIX);

    if (strstr(name, REASON_SUFFIX ".tmp-"))
        return true;
    if (n < m || strcmp(name + n - m, REASON_SUFFIX) != 0)
        return false;
    snprintf(longer, sizeof longer, "%s" REASON_SUFFIX, name);
    return faccessat(s->quarantine_fd, longer, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

int store_quarantine_list(struct store *s, store_on_quarantine on_entry, void *userdata, struct error *err)
{
    _cleanup_(store_names_done) struct store_names n = {0};
    int r = store_names_read(s->quarantine_fd, ".", &n);

    if (r < 0)
        return error_errno(err, r, s->archive, "cannot read folder quarantine");
    for (size_t i = 0; i < n.count; i++) {
        _cleanup_free_ char *reason = NULL;
        char file[300];
        struct stat st;

        if (is_reason(s, n.names[i]) || fstatat(s->quarantine_fd, n.names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        snprintf(file, sizeof file, "%s" REASON_SUFFIX, n.names[i]);
        r = fd_read_file_at(s->quarantine_fd, file, OBJECT_TEXT_MAX, &reason, NULL);
        if (r < 0 && r != -ENOENT)
            return error_errno(err, r, file, "cannot read the reason of quarantine");
        r = on_entry(userdata, n.names[i], S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, reason);
        if (r != 0)
            return r;
    }
    return 0;
}
