/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Durable replacement of small files (see durable.h). A killed process leaves at most "<target>.tmp-<pid>-<n>".
 */
#include "base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inject.h"

int durable_open(struct durable *d, int dirfd, const char *target, mode_t mode)
{
    static atomic_uint counter;

    *d = (struct durable){.dirfd = dirfd, .fd = -1};
    d->target = strdup(target);
    if (!d->target ||
        asprintf(&d->temp, "%s.tmp-%d-%u", target, (int)getpid(), atomic_fetch_add(&counter, 1)) < 0) {
        d->temp = NULL;
        return d->status = -ENOMEM;
    }
    d->fd = openat(dirfd, d->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (d->fd < 0)
        d->status = -errno;
    return d->status;
}

void durable_write(struct durable *d, const void *data, size_t size)
{
    if (d->status == 0)
        d->status = fd_write_full(d->fd, data, size);
}

static int sync_parent(const struct durable *d)
{
    _cleanup_free_ char *copy = strdup(d->target);
    char *slash;

    if (!copy)
        return -ENOMEM;
    slash = strrchr(copy, '/');
    if (slash)
        *slash = 0;
    return fd_sync_dir_at(d->dirfd, slash ? copy : ".");
}

int durable_commit(struct durable *d)
{
    if (d->status == 0 && !d->no_sync)
        d->status = fd_sync(d->fd);
    if (d->status == 0)
        d->status = inject_point("durable.rename");
    if (d->status == 0 && renameat(d->dirfd, d->temp, d->dirfd, d->target) < 0)
        d->status = -errno;
    if (d->status < 0)
        return d->status;
    free(TAKE_PTR(d->temp));
    if (!d->no_sync)
        d->status = sync_parent(d);
    return d->status;
}

void durable_done(struct durable *d)
{
    if (d->temp && d->fd >= 0)
        (void)unlinkat(d->dirfd, d->temp, 0);
    fd_closep(&d->fd);
    free(TAKE_PTR(d->temp));
    free(TAKE_PTR(d->target));
}

int durable_write_file(int dirfd, const char *target, mode_t mode, const void *data, size_t size)
{
    _cleanup_(durable_done) struct durable d = DURABLE_INIT;
    int r = durable_open(&d, dirfd, target, mode);

    if (r < 0)
        return r;
    durable_write(&d, data, size);
    return durable_commit(&d);
}
