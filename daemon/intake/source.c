/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What happens to a source after its bytes are safe: removed, moved to done/, or kept. Somebody may put a new file under the same
 * name at any moment, so a source is first renamed to a name of ours, looked at, and only then removed; anything else is put
 * back.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "intake/intake-internal.h"

static bool is_same(int dirfd, const char *name, const struct source_stat *was)
{
    struct source_stat now;
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return false;
    source_stat_of(&st, &now);
    return source_stat_equal(&now, was);
}

/* Takes the name away from whoever might still use it. Return: 0 *ret_temp holds the very file, 1 it is gone or another one. */
static int take_aside(int dirfd, const char *name, const struct source_stat *was, const char *tag,
                      char **ret_temp)
{
    char *temp = NULL;
    int r;

    if (asprintf(&temp, ".liuhen-%s.part", tag) < 0)
        return -ENOMEM;
    if (is_same(dirfd, temp, was)) { /* a former process got this far */
        *ret_temp = temp;
        return 0;
    }
    r = is_same(dirfd, name, was) ? fd_rename_noreplace(dirfd, name, dirfd, temp) : 1;
    if (r == 0 && !is_same(dirfd, temp, was)) {
        r = fd_rename_noreplace(dirfd, temp, dirfd, name); /* it was swapped in between: back with it */
        r = r < 0 ? r : 1;
    }
    if (r == 0)
        *ret_temp = TAKE_PTR(temp);
    free(temp);
    return r == -ENOENT ? 1 : r;
}

/* The folder below done/ that path goes to, made where it is missing. Return: fd or negative errno. */
static int open_done(int rootfd, const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = NULL;
    int r;

    if (asprintf(&folder, DONE_FOLDER "/%.*s", slash ? (int)(slash - path) : 0, path) < 0)
        return -ENOMEM;
    r = fd_mkdir_beneath(rootfd, folder, 0755, false);
    return r < 0 ? r : fd_open_beneath(rootfd, folder, O_RDONLY | O_DIRECTORY, 0);
}

static int move_to_done(int donefd, int dirfd, const char *temp, const char *name, const char *tag)
{
    _cleanup_free_ char *other = NULL;
    int r = fd_rename_noreplace(dirfd, temp, donefd, name);

    if (r != -EEXIST)
        return r;
    if (asprintf(&other, "%s-%.200s", tag, name) < 0)
        return -ENOMEM;
    return fd_rename_noreplace(dirfd, temp, donefd, other);
}

/* done/ must be there and a rename to it possible before the source is touched: a source that is put back under its name looks
 * like a new one. Return: fd, -1 when it is not needed, or another negative errno. */
static int prepare_done(const struct settings_folder *folder, int rootfd, int dirfd, const char *path)
{
    _cleanup_close_ int donefd = -1;
    struct stat a, b;

    if (folder->after != FOLDER_AFTER_MOVE)
        return -1;
    donefd = open_done(rootfd, path);
    if (donefd < 0)
        return donefd == -EPERM ? -EACCES : donefd; /* -EPERM is -1 */
    if (fstat(donefd, &a) < 0 || fstat(dirfd, &b) < 0)
        return -EIO;
    return a.st_dev == b.st_dev ? TAKE_FD(donefd) : -EXDEV;
}

int source_open_parent(int rootfd, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");

    *ret_name = slash ? slash + 1 : path;
    if (!folder)
        return -ENOMEM;
    return fd_open_beneath(rootfd, folder, O_RDONLY | O_DIRECTORY, 0);
}

int source_open_folder(const char *folder, const char *path, const char **ret_name)
{
    _cleanup_close_ int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = root < 0 ? -errno : 0;
    int fd = source_open_parent(root, path, ret_name); /* the name in any case */

    return r < 0 ? r : fd;
}

/* Whether somebody opened the file to write before its name was taken away: they wait for the lease, and what they write must be
 * found under the old name. */
static bool is_wanted(int leased_fd)
{
    return leased_fd >= 0 && fcntl(leased_fd, F_GETLEASE) != F_RDLCK;
}

int source_finish(const struct settings_folder *folder, const char *path, const struct source_stat *was,
                  const char *tag, int leased_fd, struct error *err)
{
    _cleanup_close_ int rootfd = -1, dirfd = -1, donefd = -1;
    _cleanup_free_ char *temp = NULL;
    const char *name;
    int r;

    if (folder->after == FOLDER_AFTER_KEEP)
        return 0;
    r = inject_point("source.finish");
    if (r < 0)
        return error_errno(err, r, path, "cannot take the source away");
    rootfd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dirfd = rootfd < 0 ? -errno : source_open_parent(rootfd, path, &name);
    if (dirfd < 0)
        return dirfd == -ENOENT ? 0 : error_errno(err, dirfd, path, "cannot open the source's folder");
    donefd = prepare_done(folder, rootfd, dirfd, path);
    if (donefd < -1)
        return error_errno(err, donefd, path, "cannot be moved to the folder done");
    r = take_aside(dirfd, name, was, tag, &temp);
    if (r == 1)
        return 0;
    if (r == 0 && is_wanted(leased_fd)) {
        r = fd_rename_noreplace(dirfd, temp, dirfd, name);
    } else if (r == 0 && folder->after == FOLDER_AFTER_MOVE) {
        r = move_to_done(donefd, dirfd, temp, name, tag);
        if (r < 0)
            (void)fd_rename_noreplace(dirfd, temp, dirfd, name);
    } else if (r == 0 && unlinkat(dirfd, temp, 0) < 0) {
        r = -errno;
    }
    return r < 0 ? error_errno(err, r, path, "cannot take the source away") : 0;
}

/* "<name>.tlog-proof"; with the id where an earlier arrival of that name has its receipt there already. */
static int receipt_name(int dirfd, const char *name, const char *id, char **ret)
{
    char *target;

    if (asprintf(&target, "%.200s.tlog-proof", name) < 0)
        return -ENOMEM;
    if (faccessat(dirfd, target, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        free(target);
        if (asprintf(&target, "%.200s.%s.tlog-proof", name, id) < 0)
            return -ENOMEM;
    }
    *ret = target;
    return 0;
}

void source_write_receipt(struct item *item)
{
    bool done = item->folder->after == FOLDER_AFTER_MOVE;
    _cleanup_close_ int rootfd = open(item->folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dirfd = -1;
    _cleanup_free_ char *text = NULL, *target = NULL;
    const char *name = item->source_name;
    struct error err = ERROR_INIT;
    int r = rootfd < 0 ? -errno : ledger_receipt(item->in->ledger, item->leaf, &text, &err);

    if (r == 0)
        dirfd = done ? open_done(rootfd, item->path) : source_open_parent(rootfd, item->path, &name);
    if (r == 0 && dirfd < 0)
        r = dirfd;
    else if (r == 0)
        r = receipt_name(dirfd, name, item->id.text, &target);
    r = r < 0 ? r : durable_write_file(dirfd, target, 0644, text, strlen(text));
    if (r < 0)
        log_event(EVENT_SOURCE_LEFT, "FILE", item->id.text, "REASON",
                  "its receipt could not be written beside the source", NULL);
}
