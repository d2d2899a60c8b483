/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The local store: opening the archive folder, and putting objects in their place under objects/. An object gets there whole, by
 * one rename that never replaces; what follows the rename (folder modes, immutable flags, syncs) can be done again at any time
 * by store_commit_again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inject.h"
#include "base/json.h"
#include "store/store-internal.h"
#include "store/store-read.h"

#define LOCK_PID_SIZE   32
#define LOCK_TRIES      40
#define LOCK_PAUSE_USEC 50000

const char *const store_object_files[OBJECT_FIXED_FILES] = {
    OBJECT_NAMASTE,      "inventory.json",           OBJECT_SIDECAR,
    "v1/inventory.json", "v1/inventory.json.sha256", OBJECT_ARRIVAL};
const char *const store_object_folders[OBJECT_FOLDERS] = {"v1/content", "v1", "."};

/* ---- opening ---- */

static bool may_set_immutable(enum store_immutable wanted)
{
    cap_flag_value_t have = CAP_CLEAR;
    cap_t caps;

    if (wanted != STORE_IMMUTABLE_AUTO)
        return wanted == STORE_IMMUTABLE_YES;
    if (geteuid() == 0)
        return false;
    caps = cap_get_proc();
    if (caps)
        (void)cap_get_flag(caps, CAP_LINUX_IMMUTABLE, CAP_EFFECTIVE, &have);
    cap_free(caps);
    return have == CAP_SET;
}

static int user_text(const struct store_options *o, char **ret)
{
    _cleanup_json_ json_t *user = json_object();
    int r = json_set_string(user, "name", o->user_name ?: "liuhend");

    if (r == 0)
        r = json_set_string(user, "address", "urn:liuhen:daemon");
    return r < 0 ? r : json_canonical(user, ret);
}

/* Opens one of the archive's folders, made when create. */
static int open_folder(struct store *s, const char *name, mode_t mode, bool create, int *ret,
                       struct error *err)
{
    int fd;

    if (create && mkdirat(s->archive_fd, name, mode) < 0 && errno != EEXIST)
        return error_errno(err, -errno, s->archive, "cannot make folder %s", name);
    fd = openat(s->archive_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, -errno, s->archive, "cannot open folder %s", name);
    *ret = fd;
    return 0;
}

/* The process that took the lock last, as text; "" = not known. */
static void read_holder(const struct store *s, char ret[LOCK_PID_SIZE])
{
    ssize_t n = fd_pread_full(s->lock_fd, ret, LOCK_PID_SIZE - 1, 0);

    ret[MAX(n, 0)] = 0;
    ret[strcspn(ret, "\n")] = 0;
}

/* A process that was killed while it started a program leaves the lock to that for the moment before its exec. */
static bool has_just_ended(const char *pid)
{
    int n = atoi(pid);

    return n > 0 && kill((pid_t)n, 0) < 0 && errno == ESRCH;
}

static int take_lock(struct store *s, struct error *err)
{
    char pid[LOCK_PID_SIZE];
    int n;

    s->lock_fd = openat(s->archive_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return error_errno(err, -errno, s->archive, "cannot open file lock");
    for (int tries = 0; flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK)
            return error_errno(err, -errno, s->archive, "cannot lock file lock");
        read_holder(s, pid);
        if (tries >= LOCK_TRIES || !has_just_ended(pid))
            return error_set(
                err, STORE_E_LOCKED, s->archive,
                "another daemon (process %s) has this archive; stop it first, or name another folder",
                *pid ? pid : "unknown");
        usleep(LOCK_PAUSE_USEC);
    }
    n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    /* the number is for people only; the lock is what counts */
    if (ftruncate(s->lock_fd, 0) == 0)
        (void)!pwrite(s->lock_fd, pid, (size_t)n, 0);
    return 0;
}

/* rename(2) crosses neither file systems nor mounts of one. */
static int same_mount(const struct store_local *l, struct error *err)
{
    const struct {
        const char *name;
        int fd;
    } folders[] = {{"staging", l->base.staging_fd}, {"quarantine", l->base.quarantine_fd}};
    struct statx root, other;

    if (statx(l->objects_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &root) < 0)
        return error_errno(err, -errno, l->base.archive, "cannot examine folder objects");
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (statx(folders[i].fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &other) < 0)
            return error_errno(err, -errno, l->base.archive, "cannot examine folder %s", folders[i].name);
        if (other.stx_dev_major != root.stx_dev_major || other.stx_dev_minor != root.stx_dev_minor ||
            other.stx_mnt_id != root.stx_mnt_id)
            return error_set(err, -EXDEV, l->base.archive,
                             "%s and objects are on different file systems; the whole archive must be on one",
                             folders[i].name);
    }
    return 0;
}

static int open_folders(struct store_local *l, bool create, struct error *err)
{
    struct store *s = &l->base;
    _cleanup_close_ int cache_fd = -1;
    int r = open_folder(s, "objects", 0700, create, &l->objects_fd, err);

    if (r == 0)
        r = open_folder(s, "staging", 0700, create, &s->staging_fd, err);
    if (r == 0)
        r = open_folder(s, "quarantine", 0700, create, &s->quarantine_fd, err);
    if (r == 0 && create)
        r = open_folder(s, "cache", 0750, create, &cache_fd, err);
    if (r == 0)
        r = same_mount(l, err);
    return r;
}

static int open_root(struct store_local *l, const struct store_options *o, struct error *err)
{
    char shown[STORE_PATH_SIZE];
    struct stat st;
    int r;

    snprintf(shown, sizeof shown, "%s/objects", l->base.archive);
    if (o->create) {
        r = store_layout_create(l->objects_fd, shown, err);
        if (r < 0)
            return r;
        r = fd_sync(l->base.archive_fd);
        if (r < 0)
            return error_errno(err, r, l->base.archive, "cannot sync the folder");
    }
    r = store_layout_read(l->objects_fd, shown, &l->layout, err);
    if (r < 0)
        return r;
    if (fstat(l->objects_fd, &st) < 0)
        return error_errno(err, -errno, shown, "cannot examine the folder");
    l->base.owner = st.st_uid;
    l->immutable = may_set_immutable(o->immutable);
    return 0;
}

int store_open_local(const char *archive, const struct store_options *options, struct store **ret,
                     struct error *err)
{
    const struct store_options o = options ? *options : (struct store_options){0};
    struct store_local *l = calloc(1, sizeof *l);
    _cleanup_(store_closep) struct store *s = l ? &l->base : NULL;
    bool made;
    int r;

    if (!l)
        return error_errno(err, -ENOMEM, archive, "cannot open the archive");
    *l = (struct store_local){.base = {&store_local_ops, NULL, -1, -1, -1, -1, 0, NULL}, .objects_fd = -1};
    s->archive = strdup(archive);
    r = s->archive ? user_text(&o, &s->user) : -ENOMEM;
    if (r < 0)
        return error_errno(err, r, archive, "cannot use the store's user name and address");
    made = o.create && mkdir(archive, 0750) == 0;
    if (o.create && !made && errno != EEXIST)
        return error_errno(err, -errno, archive, "cannot make the archive folder");
    s->archive_fd = open(archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->archive_fd < 0)
        return error_errno(err, -errno, archive, "cannot open the archive folder");
    r = made ? fd_sync_dir_at(s->archive_fd, "..") : 0;
    if (r < 0 &&
        r != -EACCES) /* a folder that may be written but not read: the next sync of the disk does it */
        return error_errno(err, r, archive, "cannot make the archive folder durable");
    r = o.lock ? take_lock(s, err) : 0;
    if (r == 0)
        r = open_folders(l, o.create, err);
    if (r == 0)
        r = open_root(l, &o, err);
    if (r != 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

static void local_close(struct store *s)
{
    fd_closep(&((struct store_local *)s)->objects_fd);
}

int store_space(struct store *s, uint64_t *ret_bytes_free, uint64_t *ret_inodes_free, struct error *err)
{
    struct statvfs v;

    if (fstatvfs(s->staging_fd, &v) < 0)
        return error_errno(err, -errno, s->archive, "cannot ask for free space");
    *ret_bytes_free = (uint64_t)v.f_bavail * v.f_frsize;
    *ret_inodes_free = v.f_files ? (uint64_t)v.f_favail : UINT64_MAX;
    return 0;
}

/* ---- objects in their place ---- */

static void local_object_path(const struct store *s, const struct recording_id *id, char out[STORE_PATH_SIZE])
{
    char path[LAYOUT_PATH_SIZE];

    store_layout_path(&((const struct store_local *)s)->layout, id, path);
    snprintf(out, STORE_PATH_SIZE, "objects/%s", path);
}

static int local_has(struct store *s, const struct recording_id *id, bool *ret, struct error *err)
{
    const struct store_local *l = (const struct store_local *)s;
    char path[LAYOUT_PATH_SIZE];

    store_layout_path(&l->layout, id, path);
    if (faccessat(l->objects_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        *ret = true;
    else if (errno == ENOENT)
        *ret = false;
    else
        return error_errno(err, -errno, id->text, "cannot look for the object");
    return 0;
}

/* Makes the tuple folders above path; undo: removes those that are empty (OCFL: no empty folders under the root). */
static int make_tuples(const struct store_local *l, char *path)
{
    for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        int r;

        *p = 0;
        r = mkdirat(l->objects_fd, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
        *p = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

static void drop_empty_tuples(const struct store_local *l, char *path)
{
    for (char *p = strrchr(path, '/'); p; p = strrchr(path, '/')) {
        *p = 0;
        if (unlinkat(l->objects_fd, path, AT_REMOVEDIR) < 0)
            return;
    }
}

static int place(const struct store_local *l, struct store_staged *t, char *path)
{
    int r = inject_point("store.rename");

    if (r < 0)
        return r;
    /* the folders of another object may come and go (drop_empty_tuples) between the two calls */
    for (int tries = 0; tries < 8; tries++) {
        r = fd_rename_noreplace(t->store->staging_fd, t->dir, l->objects_fd, path);
        if (r != -ENOENT)
            return r;
        if (faccessat(t->store->staging_fd, t->dir, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
        r = inject_point("store.tuples");
        if (r == 0)
            r = make_tuples(l, path);
        if (r < 0)
            return r;
    }
    return r;
}

static void set_immutable(int dirfd, const char *path)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int flags;

    /* best effort: the file system may not have the flag, the process not the right */
    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || (flags & FS_IMMUTABLE_FL))
        return;
    flags |= FS_IMMUTABLE_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* Read-only for ever: folders 0500, immutable flags. */
static int harden(const struct store_local *l, const char *path, const char *content_name)
{
    char at[OBJECT_PATH_SIZE];
    int r = inject_point("store.harden");

    if (r < 0)
        return r;
    for (size_t i = 0; i < OBJECT_FOLDERS; i++) {
        snprintf(at, sizeof at, "%s/%s", path, store_object_folders[i]);
        if (fchmodat(l->objects_fd, at, 0500, 0) < 0)
            return -errno;
    }
    if (!l->immutable)
        return 0;
    for (size_t i = 0; i < OBJECT_FIXED_FILES; i++) {
        snprintf(at, sizeof at, "%s/%s", path, store_object_files[i]);
        set_immutable(l->objects_fd, at);
    }
    store_content_path(path, content_name, at);
    set_immutable(l->objects_fd, at);
    return 0;
}

static int commit_content(struct store_staged *t, struct error *err)
{
    char path[OBJECT_PATH_SIZE];
    bool have = false;
    int r;

    if (!t->finished)
        return error_set(err, -EINVAL, t->id.text, "the object is not finished");
    r = store_staged_has_content(t, &have, err);
    if (r < 0)
        return r;
    if (!have)
        return error_set(err, STORE_E_UNKNOWN, t->id.text, "the staged object has no content yet");
    if (t->ours)
        return 0;
    store_content_path(t->dir, t->content_name, path);
    r = store_own_content(t->store->staging_fd, path, t->store->owner, err);
    t->ours = r == 0;
    return r;
}

static int local_commit(struct store *s, struct store_staged *t, struct error *err)
{
    const struct store_local *l = (const struct store_local *)s;
    char path[LAYOUT_PATH_SIZE], undo[LAYOUT_PATH_SIZE];
    int r;

    store_layout_path(&l->layout, &t->id, path);
    if (!t->committed) {
        r = commit_content(t, err);
        if (r != 0)
            return r;
        r = place(l, t, path);
        if (r < 0) {
            strcpy(undo, path);
            drop_empty_tuples(l, undo);
            if (r == -EEXIST)
                return error_set(err, STORE_E_EXISTS, t->id.text,
                                 "an object of this id is in the store already");
            return error_errno(err, r, t->id.text, "cannot rename the object to objects/%s", path);
        }
        t->committed = true;
    }
    r = harden(l, path, t->content_name);
    return r < 0 ? error_errno(err, r, t->id.text, "cannot make objects/%s read-only", path) : 0;
}

/* The object and the folders above it. */
static int sync_placed(const struct store_local *l, char *path, const char *content_name)
{
    int r = store_sync_object(l->objects_fd, path, content_name);

    for (char *p = strrchr(path, '/'); r == 0 && p; p = strrchr(path, '/')) {
        *p = 0;
        r = fd_sync_dir_at(l->objects_fd, path);
    }
    if (r == 0)
        r = fd_sync(l->objects_fd);
    return r;
}

static int local_commit_sync(struct store *s, struct store_staged *const *staged, size_t n, struct error *err)
{
    const struct store_local *l = (const struct store_local *)s;
    char path[LAYOUT_PATH_SIZE];
    int r = inject_point("store.commit-sync");

    if (r == 0 && n >= STORE_GROUP)
        r = fd_syncfs(l->objects_fd);
    else if (r == 0) {
        for (size_t i = 0; r == 0 && i < n; i++) {
            store_layout_path(&l->layout, &staged[i]->id, path);
            r = sync_placed(l, path, staged[i]->content_name);
        }
        if (r == 0)
            r = fd_sync(s->staging_fd);
    }
    return r < 0 ? error_errno(err, r, s->archive, "cannot make %zu objects durable", n) : 0;
}

#define ERASING "cache/erasing"

static void clear_immutable(int dirfd, const char *path)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int flags;

    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_IMMUTABLE_FL))
        return;
    flags &= ~FS_IMMUTABLE_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* Out of objects/ in one step; the folder's own mode must allow that its ".." changes. */
static int move_out(const struct store_local *l, const struct recording_id *id, char *path, const char *to)
{
    struct store_object o;
    char at[OBJECT_PATH_SIZE];
    int r = inject_point("store.erase");

    for (size_t i = 0; r == 0 && l->immutable && i < OBJECT_FIXED_FILES; i++) {
        snprintf(at, sizeof at, "%s/%s", path, store_object_files[i]);
        clear_immutable(l->objects_fd, at);
    }
    if (r == 0 && l->immutable && store_describe_object((struct store *)l, id, &o, NULL) == 0) {
        store_content_path(path, o.content_name, at);
        clear_immutable(l->objects_fd, at);
    }
    if (r == 0 && fchmodat(l->objects_fd, path, 0700, 0) < 0)
        r = -errno;
    if (r == 0)
        r = fd_rename_noreplace(l->objects_fd, path, l->base.archive_fd, to);
    if (r < 0)
        return r;
    drop_empty_tuples(l, path);
    r = fd_sync(l->objects_fd);
    r = r != 0 ? r : fd_syncfs(l->objects_fd); /* the tuple folders that stay, too */
    return r != 0 ? r : inject_point("store.erase-moved");
}

static int local_erase(struct store *s, const struct recording_id *id, struct error *err)
{
    const struct store_local *l = (const struct store_local *)s;
    char path[LAYOUT_PATH_SIZE], to[sizeof ERASING + ULID_LENGTH + 1];
    bool there;
    int r = local_has(s, id, &there, err);

    if (r != 0)
        return r;
    store_layout_path(&l->layout, id, path);
    snprintf(to, sizeof to, ERASING "/%s", id->text);
    r = fd_mkdir_beneath(s->archive_fd, ERASING, 0700, true);
    if (r == 0 && there)
        r = move_out(l, id, path, to);
    r = r != 0 ? r : inject_point("store.erase-unlink");
    if (r == 0)
        r = fd_remove_tree_at(s->archive_fd, to);
    r = r == -ENOENT ? 0 : r;
    r = r != 0 ? r : fd_sync_dir_at(s->archive_fd, ERASING);
    return r < 0 ? error_errno(err, r, id->text, "cannot be erased") : 0;
}

static int local_commit_again(struct store *s, const struct recording_id *id, struct error *err)
{
    const struct store_local *l = (const struct store_local *)s;
    char path[LAYOUT_PATH_SIZE], at[OBJECT_PATH_SIZE];
    struct store_object o;
    int r = store_describe_object(s, id, &o, err);

    if (r != 0)
        return r;
    store_layout_path(&l->layout, id, path);
    store_content_path(path, o.content_name, at);
    r = store_own_content(l->objects_fd, at, s->owner, err);
    if (r < 0)
        return r;
    r = harden(l, path, o.content_name);
    if (r == 0)
        r = sync_placed(l, path, o.content_name);
    if (r == 0)
        r = fd_sync(s->staging_fd);
    return r < 0 ? error_errno(err, r, id->text, "cannot finish the object in objects/") : 0;
}

const struct store_ops store_local_ops = {
    .close = local_close,
    .commit = local_commit,
    .commit_sync = local_commit_sync,
    .commit_again = local_commit_again,
    .erase = local_erase,
    .has = local_has,
    .open_content = store_read_open_content,
    .read_arrival = store_read_arrival_text,
    .describe = store_read_describe,
    .object_path = local_object_path,
    .each_object = store_read_each_object,
    .check_object = store_read_check_object,
};
