/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file that an upload's bytes go to. The kernel is told to write them out as they come, so that the sync before the seal has
 * little left to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inject.h"
#include "intake/upload-internal.h"

#define WRITE_OUT_BYTES (8 << 20)

int upload_file_open(struct upload_file *f, int dirfd, const char *path, bool fresh)
{
    int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (fresh ? O_CREAT | O_EXCL : 0);
    struct stat st;
    int fd, r = inject_point("upload.open");

    if (r < 0)
        return r;
    fd = openat(dirfd, path, flags, 0600);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_END) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *f = (struct upload_file){fd, st.st_size, st.st_size};
    return 0;
}

int upload_file_write(struct upload_file *f, const void *data, size_t size)
{
    int r = inject_point("upload.write");

    r = r < 0 ? r : fd_write_full(f->fd, data, size);
    if (r < 0)
        return r;
    f->bytes += (int64_t)size;
    if (f->bytes - f->begun >= WRITE_OUT_BYTES) {
        (void)sync_file_range(f->fd, f->begun, f->bytes - f->begun, SYNC_FILE_RANGE_WRITE);
        f->begun = f->bytes;
    }
    return 0;
}

void upload_file_close(struct upload_file *f)
{
    fd_closep(&f->fd);
}
