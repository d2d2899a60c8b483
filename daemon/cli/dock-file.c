/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking through a card and reading from it (see dock-file.h).
 */
#include "cli/dock-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

#define READ_BLOCK (1u << 20)

int64_t dock_nsec(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What was read before may still be in memory when a card is pulled out; the kernel's list of block devices has lost it at once. */
static bool is_device_gone(dev_t device)
{
    static const char *const list = "/sys/dev/block";
    char path[64];

    if (major(device) == 0 ||
        access(list, X_OK) < 0) /* no block device of its own (btrfs, FUSE), or no sysfs here */
        return false;
    snprintf(path, sizeof path, "%s/%u:%u", list, major(device), minor(device));
    return access(path, F_OK) < 0 && errno == ENOENT;
}

bool dock_is_unplugged(int cardfd, int code)
{
    struct stat st;

    switch (code) {
    case -ENODEV:
    case -ENXIO:
    case -ENOMEDIUM:
    case -ENOTCONN: /* the server of a mounted file system has gone */
    case -ESHUTDOWN:
    case -EREMOTEIO:
        return true;
    case -EIO: /* a bad block, or a card that was pulled out: then nothing at all can be read */
    case -ENOENT: {
        _cleanup_close_ int fd = -1;
        _cleanup_dir_ DIR *d = NULL;

        if (fstat(cardfd, &st) < 0 || st.st_nlink == 0 || is_device_gone(st.st_dev))
            return true;
        fd = openat(cardfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd >= 0 ? fdopendir(fd) : NULL;
        if (!d)
            return true;
        fd = -1; /* d's now */
        errno = 0;
        return !readdir(d) && errno != 0;
    }
    default:
        return false;
    }
}

/* ---- scanning ------------------------------------------------------------------------------------------------------------ */

struct scan {
    int cardfd;
    const struct config_strings *ignore;
    int (*on_file)(void *userdata, const struct dock_found *found);
    void *userdata;
    size_t n;
    struct error *err;
};

static bool is_ignored(const struct scan *s, const char *name)
{
    for (size_t i = 0; i < s->ignore->n; i++)
        if (fnmatch(s->ignore->items[i], name, FNM_CASEFOLD) == 0)
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **items;
    size_t n, room;
};

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->n; i++)
        free(n->items[i]);
    free(n->items);
}

static int names_add(struct names *n, const char *name)
{
    if (n->n == n->room) {
        size_t room = n->room ? n->room * 2 : 64;
        char **bigger = reallocarray(n->items, room, sizeof *bigger);
        if (!bigger)
            return -ENOMEM;
        n->items = bigger;
        n->room = room;
    }
    n->items[n->n] = strdup(name);
    return n->items[n->n] ? (n->n++, 0) : -ENOMEM;
}

/* The names of a folder that are not ignored, in order. */
static int read_names(const struct scan *s, int fd, struct names *ret)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    int r = 0;

    if (!d) {
        r = -errno;
        fd_closep(&copy);
        return r;
    }
    errno = 0;
    while (r == 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !is_ignored(s, e->d_name))
            r = names_add(ret, e->d_name);
        if (ret->n > DOCK_FILES_MAX)
            return -E2BIG;
        errno = 0;
    }
    if (r == 0 && errno)
        r = -errno;
    if (r == 0 && ret->n > 1)
        qsort(ret->items, ret->n, sizeof *ret->items, by_name);
    return r;
}

static int tell(struct scan *s, const char *path, const struct stat *st, const char *fault)
{
    struct dock_found found = {.path = path, .fault = fault, .odd = st && fault};

    if (++s->n > DOCK_FILES_MAX)
        return -E2BIG;
    if (st) {
        found.bytes = (uint64_t)st->st_size;
        found.mtime = st->st_mtim;
    }
    return s->on_file(s->userdata, &found);
}

static int scan_folder(struct scan *s, int fd, const char *path, unsigned depth);

static int scan_name(struct scan *s, int fd, const char *path, const char *name, unsigned depth)
{
    _cleanup_free_ char *whole = NULL;
    _cleanup_close_ int below = -1;
    struct stat st;
    int r;

    if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "", name) < 0)
        return -ENOMEM;
    if (strlen(whole) >= PATH_MAX)
        return tell(s, whole, NULL, "its path is too long");
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
        r = -errno;
        return dock_is_unplugged(s->cardfd, r) ? -ENODEV : tell(s, whole, NULL, strerror(-r));
    }
    if (S_ISREG(st.st_mode))
        return tell(s, whole, &st, NULL);
    if (!S_ISDIR(st.st_mode))
        return tell(s, whole, &st, "it is no file: links, devices and pipes are left alone");
    if (depth >= DOCK_DEPTH_MAX)
        return tell(s, whole, NULL, "too many folders in folders; the card may be damaged");
    below = fd_open_beneath(fd, name, O_RDONLY | O_DIRECTORY | O_NOCTTY, 0);
    r = below < 0 ? below : scan_folder(s, below, whole, depth + 1);
    if (r == -ENODEV || r == -E2BIG || r == -ENOMEM || r == -ECANCELED || r == 0)
        return r;
    return dock_is_unplugged(s->cardfd, r) ? -ENODEV : tell(s, whole, NULL, strerror(-r));
}

/* Two entries of one name, as a damaged directory may have them: opening it gives the first one's bytes twice, and once that is removed,
 * the name is the other one's, which nobody has read. */
static int tell_twin(struct scan *s, const char *path, const char *name)
{
    _cleanup_free_ char *whole = NULL;

    if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "", name) < 0)
        return -ENOMEM;
    return tell(s, whole, NULL, "its folder has this name twice; the card may be damaged");
}

static int scan_folder(struct scan *s, int fd, const char *path, unsigned depth)
{
    _cleanup_(names_done) struct names names = {0};
    int r = read_names(s, fd, &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        const char *name = names.items[i];
        bool twin = (i > 0 && strcmp(name, names.items[i - 1]) == 0) ||
                    (i + 1 < names.n && strcmp(name, names.items[i + 1]) == 0);
        r = twin ? tell_twin(s, path, name) : scan_name(s, fd, path, name, depth);
    }
    return r;
}

int dock_scan(int cardfd, const struct config_strings *ignore,
              int (*on_file)(void *userdata, const struct dock_found *found), void *userdata,
              struct error *err)
{
    struct scan s = {cardfd, ignore, on_file, userdata, 0, err};
    int r = scan_folder(&s, cardfd, "", 0);

    if (r == 0 || r == -ECANCELED)
        return r;
    if (r == -E2BIG)
        return error_set(err, r, "", "there are more than %d files on it; the card may be damaged",
                         DOCK_FILES_MAX);
    if (r == -ENODEV || dock_is_unplugged(cardfd, r))
        return error_set(err, -ENODEV, "", "it was unplugged, or cannot be read any more");
    return error_errno(err, r, "", "it cannot be looked through");
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

int dock_open_file(int cardfd, const char *path, struct stat *ret_stat)
{
    int fd = fd_open_beneath(cardfd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0), r;

    if (fd < 0)
        return fd;
    r = fstat(fd, ret_stat) < 0 ? -errno : S_ISREG(ret_stat->st_mode) ? 0 : -EINVAL;
    if (r < 0) {
        fd_closep(&fd);
        return r;
    }
    return fd;
}

int dock_digest(int fd, uint64_t bytes, bool fresh, int (*on_bytes)(void *userdata, uint64_t done),
                void *userdata, struct digest *ret)
{
    _cleanup_(hasher_freep) struct hasher *h = NULL;
    _cleanup_free_ uint8_t *block = malloc(READ_BLOCK);
    struct digest_pair pair;
    uint64_t done = 0;
    int r = block ? hasher_new(false, &h) : -ENOMEM;

    if (r < 0)
        return r;
    if (fresh)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        ssize_t n = fd_pread_full(fd, block, READ_BLOCK, (off_t)done);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        hasher_update(h, block, (size_t)n);
        done += (uint64_t)n;
        if (done > bytes)
            return -ESTALE;
        r = on_bytes ? on_bytes(userdata, done) : 0;
        if (r < 0)
            return r;
    }
    if (done != bytes)
        return -ESTALE;
    hasher_final(h, &pair);
    *ret = pair.sha256;
    return 0;
}
