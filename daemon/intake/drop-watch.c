/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding files in drop folders: inotify on every folder of the tree, and walking the tree at start, after an overflow and when a
 * folder appears. Folders are opened below their root without following links, and watched through the opened descriptor, so what
 * is watched is what was looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/log.h"
#include "intake/drop-internal.h"

#define EVENTS                                                                                               \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |     \
     IN_EXCL_UNLINK)

bool watch_wants(const struct folder *f, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(name, ".liuhen-", 8) == 0 || (n > 11 && strcmp(name + n - 11, ".tlog-proof") == 0) ||
        strstr(name, ".tlog-proof.tmp-")) /* a receipt being written, or what a kill left of it */
        return false;
    for (size_t i = 0; i < f->settings->ignore.n; i++)
        if (fnmatch(f->settings->ignore.items[i], name, 0) == 0)
            return false;
    return true;
}

static char *join(const char *dir, const char *name)
{
    char *out;

    return asprintf(&out, "%s%s%s", dir, *dir ? "/" : "", name) < 0 ? NULL : out;
}

void watch_refuse(const struct folder *f, const char *path, const char *reason)
{
    _cleanup_free_ char *full = join(f->settings->path, path);
    _cleanup_free_ char *shown = full ? encode_percent(full, strlen(full)) : NULL;

    log_event(EVENT_FILE_REFUSED, "FILE", shown, "REASON", reason, NULL);
}

/* The trouble lasts, and walking at every wake-up would be all that is done. */
void watch_later(struct folder *f)
{
    f->again = true;
    f->again_usec = clock_monotonic_usec() + WALK_PAUSE_USEC;
}

static void set_watch(struct drop *d, int wd, struct folder *f, const char *path)
{
    if ((size_t)wd >= d->n_watches) {
        size_t more = MAX((size_t)wd + 1, 2 * d->n_watches);
        struct watch *bigger = reallocarray(d->watches, more, sizeof *bigger);
        if (!bigger) {
            watch_later(f);
            return;
        }
        memset(bigger + d->n_watches, 0, (more - d->n_watches) * sizeof *bigger);
        d->watches = bigger;
        d->n_watches = more;
    }
    free(d->watches[wd].path);
    d->watches[wd] = (struct watch){f, strdup(path)};
    if (!d->watches[wd].path)
        d->watches[wd].folder = NULL;
}

/* Watches before reading, so that nothing falls between. */
static int add_watch(struct drop *d, struct folder *f, int fd, const char *path)
{
    char proc[40];
    int wd;

    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    wd = inotify_add_watch(d->inotify_fd, proc, EVENTS);
    if (wd < 0)
        return -errno;
    set_watch(d, wd, f, path);
    return 0;
}

/* A stack of folders that are still to be walked. */
struct walk {
    char **paths;
    size_t n, allocated;
};

static void walk_push(struct walk *w, char *path)
{
    if (path && w->n == w->allocated) {
        size_t more = w->allocated ? 2 * w->allocated : 32;
        char **bigger = reallocarray(w->paths, more, sizeof *bigger);
        if (!bigger) {
            free(path);
            return;
        }
        w->paths = bigger;
        w->allocated = more;
    }
    if (path)
        w->paths[w->n++] = path;
}

static int entry_type(int fd, const struct dirent *de)
{
    struct stat st;

    if (de->d_type != DT_UNKNOWN)
        return de->d_type;
    return fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? DT_UNKNOWN : (int)IFTODT(st.st_mode);
}

static void walk_entry(struct drop *d, struct folder *f, struct walk *w, const char *path, int fd,
                       const struct dirent *de)
{
    _cleanup_free_ char *child = NULL;

    if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
        return;
    switch (entry_type(fd, de)) {
    case DT_DIR:
        if (!f->settings->recursive || !watch_wants(f, de->d_name) ||
            (!*path && !strcmp(de->d_name, DONE_FOLDER)))
            return;
        walk_push(w, join(path, de->d_name));
        return;
    case DT_REG:
        if (strcmp(de->d_name, f->settings->complete) == 0)
            return; /* it speaks for files that this walk finds anyway */
        candidate_seen(d, f, path, de->d_name, true);
        return;
    default:
        if (!watch_wants(f, de->d_name))
            return;
        child = join(path, de->d_name);
        if (child)
            watch_refuse(f, child, "is not a regular file; links, pipes and devices are never followed");
    }
}

/* Walks from path ("" = root) downward. Return: 0, or negative errno when path itself cannot be opened. */
static int walk_from(struct drop *d, struct folder *f, const char *path)
{
    _cleanup_close_ int root = open(f->settings->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct walk w = {0};
    struct stat st;
    int first = 0;

    if (root < 0 || fstat(root, &st) < 0)
        return -errno;
    if (!*path) {
        f->dev = st.st_dev;
        f->ino = st.st_ino;
    }
    walk_push(&w, strdup(path));
    while (w.n > 0) {
        _cleanup_free_ char *dir = w.paths[--w.n];
        int fd = fd_open_beneath(root, *dir ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
        int r = fd < 0 ? fd : add_watch(d, f, fd, dir);
        _cleanup_dir_ DIR *stream = r < 0 ? NULL : fdopendir(fd);
        const struct dirent *de;

        if (!stream) {
            r = r < 0 ? r : -errno;
            if (fd >= 0)
                close(fd);
            if (!strcmp(dir, path))
                first = r;
            if (r != -ENOENT)
                watch_refuse(f, dir,
                             r == -ENOSPC ? "too many folders to watch: raise fs.inotify.max_user_watches"
                                          : strerror(-r));
            if (r == -ENOSPC || r == -EMFILE || r == -ENFILE || r == -ENOMEM)
                watch_later(f);
            continue;
        }
        while ((de = readdir(stream)))
            walk_entry(d, f, &w, dir, dirfd(stream), de);
    }
    free(w.paths);
    return first;
}

static void forget_folder(struct drop *d, const struct folder *f)
{
    for (size_t wd = 0; wd < d->n_watches; wd++) {
        if (d->watches[wd].folder != f)
            continue;
        (void)inotify_rm_watch(d->inotify_fd, (int)wd);
        free(d->watches[wd].path);
        d->watches[wd] = (struct watch){0};
    }
}

void watch_folder(struct drop *d, struct folder *f)
{
    bool was = f->present, said = !was && f->again;
    int r;

    f->again = false;
    r = walk_from(d, f, "");
    f->present = r == 0;
    if (r < 0) {
        forget_folder(d, f);
        if (!said)
            log_event(EVENT_FOLDER_MISSING, "FOLDER", f->settings->path, "REASON", strerror(-r), NULL);
        f->again = true;
    } else if (!was) {
        log_event(EVENT_FOLDER_RETURNED, "FOLDER", f->settings->path, NULL);
    }
}

/* What is mounted over a folder, or renamed above it, sends no event to those who watch it. */
void watch_check_root(struct drop *d, struct folder *f)
{
    struct stat st;

    if (!f->present || (stat(f->settings->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino))
        return;
    forget_folder(d, f);
    watch_folder(d, f);
}

void watch_forget_all(struct drop *d)
{
    for (size_t i = 0; i < d->n_folders; i++)
        forget_folder(d, &d->folders[i]);
    for (size_t wd = 0; wd < d->n_watches; wd++)
        free(d->watches[wd].path);
    free(d->watches);
    d->watches = NULL;
    d->n_watches = 0;
}

static void on_overflow(struct drop *d)
{
    for (size_t i = 0; i < d->n_folders; i++) {
        log_event(EVENT_FOLDER_OVERFLOW, "FOLDER", d->folders[i].settings->path, NULL);
        watch_folder(d, &d->folders[i]);
    }
}

static void on_event(struct drop *d, const struct inotify_event *e)
{
    struct watch *w;

    if (e->mask & IN_Q_OVERFLOW) {
        on_overflow(d);
        return;
    }
    if (e->wd < 0 || (size_t)e->wd >= d->n_watches || !d->watches[e->wd].folder)
        return;
    w = &d->watches[e->wd];
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
        struct folder *f = w->folder;
        bool root = !*w->path;
        free(w->path);
        *w = (struct watch){0};
        if (e->mask & IN_MOVE_SELF)
            (void)inotify_rm_watch(d->inotify_fd, e->wd);
        if (root)
            watch_folder(d, f); /* gone, or replaced under the same name */
        else if (e->mask & IN_MOVE_SELF)
            f->again = true; /* renamed: the event of its new name came first and met the old watch */
        return;
    }
    if (e->len == 0)
        return;
    if (e->mask & IN_ISDIR) {
        _cleanup_free_ char *path = join(w->path, e->name);
        if ((e->mask & (IN_CREATE | IN_MOVED_TO)) && path && w->folder->settings->recursive &&
            watch_wants(w->folder, e->name) && strcmp(path, DONE_FOLDER) != 0)
            (void)walk_from(d, w->folder, path);
        return;
    }
    candidate_seen(d, w->folder, w->path, e->name, (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0);
}

void watch_read_events(struct drop *d)
{
    char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));

    for (;;) {
        ssize_t n = read(d->inotify_fd, buf, sizeof buf);
        if (n <= 0)
            return;
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)p;
            on_event(d, e);
            p += sizeof *e + e->len;
        }
    }
}
