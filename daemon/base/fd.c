/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * File descriptors (see fd.h). openat2 is used for every path that somebody else may have had a hand in.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/inject.h"

void fd_closep(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

ssize_t fd_read_full(int fd, void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, (char *)buf + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t fd_pread_full(int fd, void *buf, size_t size, off_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, (char *)buf + done, size - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int fd_write_full(int fd, const void *buf, size_t size)
{
    int r = inject_point("fd.write");

    if (r < 0)
        return r;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)buf + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

int fd_sync(int fd)
{
    int r = inject_point("fd.sync");

    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

int fd_syncfs(int fd)
{
    int r = inject_point("fd.syncfs");

    if (r < 0)
        return r;
    return syncfs(fd) < 0 ? -errno : 0;
}

uint64_t fd_mount_id(int fd)
{
    struct statx x;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 || !(x.stx_mask & STATX_MNT_ID))
        return 0;
    return x.stx_mnt_id;
}

int fd_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd, r = inject_point("fd.open");

    if (r < 0)
        return r;
    for (int tries = 0; tries < 16; tries++) {
        fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        /* EAGAIN: a rename raced with the walk; the kernel asks to try again */
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd < 0 ? -errno : fd;
}

static int mkdir_step(int dirfd, const char *path, mode_t mode, bool sync)
{
    _cleanup_close_ int parent = -1;
    _cleanup_free_ char *copy = strdup(path);
    char *slash;

    if (!copy)
        return -ENOMEM;
    slash = strrchr(copy, '/');
    if (slash)
        *slash = 0;
    parent = fd_open_beneath(dirfd, slash ? copy : ".", O_RDONLY | O_DIRECTORY, 0);
    if (parent < 0)
        return parent;
    if (mkdirat(parent, slash ? slash + 1 : copy, mode) < 0)
        return errno == EEXIST ? 0 : -errno;
    return sync ? fd_sync(parent) : 0;
}

int fd_mkdir_beneath(int dirfd, const char *path, mode_t mode, bool sync)
{
    _cleanup_free_ char *copy = strdup(path);
    _cleanup_close_ int fd = -1;
    int r;

    if (!copy)
        return -ENOMEM;
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/';)
        copy[--n] = 0;
    for (char *p = strchr(copy, '/'); p; p = strchr(p + 1, '/')) {
        if (p > copy && p[-1] == '/')
            continue; /* "a//b" is "a/b" */
        *p = 0;
        r = *copy ? mkdir_step(dirfd, copy, mode, sync) : 0;
        *p = '/';
        if (r < 0)
            return r;
    }
    r = mkdir_step(dirfd, copy, mode, sync);
    if (r < 0)
        return r;
    fd = fd_open_beneath(dirfd, copy, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? fd : 0;
}

int fd_rename_noreplace(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
    int r = inject_point("fd.rename");

    if (r < 0)
        return r;
    return renameat2(from_dirfd, from, to_dirfd, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int fd_read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    _cleanup_free_ char *data = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if ((uint64_t)st.st_size > max)
        return -EFBIG;
    data = malloc((size_t)st.st_size + 1);
    if (!data)
        return -ENOMEM;
    n = fd_read_full(fd, data, (size_t)st.st_size);
    if (n < 0)
        return (int)n;
    data[n] = 0;
    if (ret_size)
        *ret_size = (size_t)n;
    *ret_data = TAKE_PTR(data);
    return 0;
}

static int remove_children(int fd)
{
    _cleanup_dir_ DIR *dir = fdopendir(fd);
    struct dirent *de;
    int r;

    if (!dir) {
        r = -errno;
        close(fd);
        return r;
    }
    for (errno = 0; (de = readdir(dir)); errno = 0) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        r = fd_remove_tree_at(fd, de->d_name);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return -errno;
}

int fd_remove_tree_at(int dirfd, const char *path)
{
    int fd, r;

    if (unlinkat(dirfd, path, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0700) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    r = remove_children(fd);
    if (r < 0)
        return r;
    return unlinkat(dirfd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int fd_sync_dir_at(int dirfd, const char *path)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return fd_sync(fd);
}
