/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files of derivatives (see derive-internal.h for where they lie). Nothing here is evidence: what is lost is made again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "derive/derive-internal.h"

void derive_folder(const struct job_mark *job, char out[DERIVE_PATH_SIZE])
{
    if (job->copy)
        snprintf(out, DERIVE_PATH_SIZE, "copies/%s", job->id);
    else
        snprintf(out, DERIVE_PATH_SIZE, "derivatives/%s/%s", job->recording.text + ULID_LENGTH - 2,
                 job->recording.text);
}

int derive_cache_begin(struct derive *d, const char *lease, int *ret_fd)
{
    char path[DERIVE_PATH_SIZE];
    int r, fd;

    snprintf(path, sizeof path, DERIVE_MAKING "/%s", lease);
    r = fd_mkdir_beneath(d->cache_fd, path, 0750, false);
    if (r < 0)
        return r;
    fd = fd_open_beneath(d->cache_fd, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

void derive_cache_drop(struct derive *d, const char *lease)
{
    char path[DERIVE_PATH_SIZE];

    snprintf(path, sizeof path, DERIVE_MAKING "/%s", lease);
    (void)fd_remove_tree_at(d->cache_fd, path);
}

int derive_cache_wipe_making(struct derive *d)
{
    int r = fd_remove_tree_at(d->cache_fd, DERIVE_MAKING);

    return r == -ENOENT ? 0 : r;
}

static bool is_named(const char *file, const struct derivative_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].file, file) == 0)
            return true;
    return false;
}

int derive_cache_clean(struct derive *d, const struct job_mark *job, const struct derivative_row *rows,
                       size_t n)
{
    char path[DERIVE_PATH_SIZE];
    int fd;
    DIR *dir;

    derive_folder(job, path);
    if (n == 0) {
        int r = fd_remove_tree_at(d->cache_fd, path);

        return r == -ENOENT ? 0 : r;
    }
    fd = fd_open_beneath(d->cache_fd, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    for (const struct dirent *de; (de = readdir(dir));)
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 && !is_named(de->d_name, rows, n))
            (void)fd_remove_tree_at(dirfd(dir), de->d_name);
    closedir(dir);
    return 0;
}

int derive_cache_open(struct derive *d, const struct job_mark *job, const struct derivative_row *row,
                      int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    char folder[DERIVE_PATH_SIZE], path[2 * DERIVE_PATH_SIZE];
    struct stat st;

    derive_folder(job, folder);
    snprintf(path, sizeof path, "%s/%s", folder, row->file);
    fd = fd_open_beneath(d->cache_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size != row->bytes)
        return -ESTALE;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int derive_forget(struct derive *d, const struct recording_id *id, const char *copy, struct error *err)
{
    struct job_mark mark = {.recording = *id, .copy = copy != NULL};
    int r;

    snprintf(mark.id, sizeof mark.id, "%s", copy ? copy : "");
    r = derive_cache_clean(d, &mark, NULL, 0);
    return r < 0 ? error_errno(err, r, id->text, "its derivatives cannot be removed") : 0;
}
