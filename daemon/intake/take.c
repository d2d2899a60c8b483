/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Taking one file (steps 1 and 2 of the seal): opened below its drop folder without following a link, leased so that nobody
 * writes meanwhile, digested in place where it can be moved in, copied and digested in one pass where it cannot, and staged. The
 * source is not touched here. Runs in the hashing pool, any number at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "catalogue/recordings.h"
#include "intake/intake-internal.h"

#define COPY_BLOCK        (256u * 1024)
#define LEASE_CHECK_BYTES (64u << 20)

struct item *item_free(struct item *item)
{
    if (!item)
        return NULL;
    store_staged_free(item->staged);
    fd_closep(&item->source_fd);
    fd_closep(&item->source_dirfd);
    json_decref(item->facts);
    free(item->path);
    free(item);
    return NULL;
}

const char *item_shown(const struct item *item)
{
    return item->shown ? item->shown : item->path;
}

void source_stat_of(const struct stat *st, struct source_stat *ret)
{
    /* far dates (after 2262) wrap around; only sameness counts */
    uint64_t mtime_nsec = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;

    *ret = (struct source_stat){st->st_dev, st->st_ino, st->st_size, (int64_t)mtime_nsec};
}

bool source_stat_equal(const struct source_stat *a, const struct source_stat *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->bytes == b->bytes && a->mtime_nsec == b->mtime_nsec;
}

int64_t source_mtime_usec(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * USEC_PER_SEC + st->st_mtim.tv_nsec / 1000;
}

static void end(struct item *item, enum outcome outcome)
{
    item->outcome = outcome;
}

/* Sorts a failure into a tier: a short resource pauses, everything else leaves the item where it is. */
static void fail(struct item *item, int r)
{
    if (r == -ENOENT || r == -ENOTDIR)
        end(item, OUTCOME_GONE);
    else if (r == -ECANCELED)
        end(item, OUTCOME_LATER);
    else if (error_is_resource(r))
        end(item, OUTCOME_RESOURCE);
    else
        end(item, OUTCOME_LEAVE);
}

static int fail_errno(struct item *item, int r, const char *what)
{
    error_errno(&item->err, r, item->path, "%s", what);
    fail(item, r);
    return r;
}

/* The same for the source: where it lies may fail without anything of ours being short. One bad file must not pause all others. */
static int fail_source(struct item *item, int r, const char *what)
{
    if (r == -EIO || r == -EREMOTEIO || r == -ESTALE || r == -ETIMEDOUT || r == -EHOSTDOWN) {
        error_set(&item->err, r, item->path,
                  "%s: %s; check the disk, card or share it lies on. It is tried again", what, strerror(-r));
        end(item, OUTCOME_UNREADABLE);
        return r;
    }
    return fail_errno(item, r, what);
}

/* Opens the folder, the parent and the file. Only a regular file that was reached without a link gets through. */
static int open_source(struct item *item)
{
    _cleanup_close_ int root = open(item->folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd;

    if (root < 0)
        return fail_source(item, -errno, "cannot open the drop folder");
    item->source_dirfd = source_open_parent(root, item->path, &item->source_name);
    if (item->source_dirfd < 0)
        return fail_source(item, item->source_dirfd, "cannot open its folder");
    fd = fd_open_beneath(item->source_dirfd, item->source_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY,
                         0);
    if (fd < 0)
        return fail_source(item, fd, "cannot be read");
    item->source_fd = fd;
    if (fstat(fd, &item->st) < 0)
        return fail_errno(item, -errno, "cannot be looked at");
    if (!S_ISREG(item->st.st_mode)) {
        error_set(&item->err, -EINVAL, item->path,
                  "is not a regular file; links, pipes and devices are never followed");
        end(item, OUTCOME_LEAVE);
        return -EINVAL;
    }
    return 0;
}

/* A read lease is refused while anybody has the file open for writing (fcntl(2), F_SETLEASE).
 * Return: 0 leased, 1 leases cannot be had here, -EAGAIN somebody writes. */
static int lease(struct item *item)
{
    int r = inject_point("take.lease");

    if (r == 0 && fcntl(item->source_fd, F_SETLEASE, F_RDLCK) == 0)
        return 0;
    r = r ? r : -errno;
    return r == -EAGAIN || r == -EBUSY ? -EAGAIN : 1;
}

bool take_lease_holds(const struct item *item)
{
    return item->upload || fcntl(item->source_fd, F_GETLEASE) == F_RDLCK;
}

/* The file must have stood still for so long while we watched. Its own times say nothing: the clock of a file server, or ours, may
 * be anywhere. */
static bool stands_still(struct item *item, int64_t usec)
{
    int64_t now = clock_monotonic_usec();
    struct source_stat is;

    source_stat_of(&item->st, &is);
    if (!item->seen_usec || !source_stat_equal(&is, &item->seen)) {
        item->seen = is;
        item->seen_usec = now;
    }
    return now - item->seen_usec >= usec;
}

/* Without a lease nobody says whether it is still being written; an empty file may be one that is only being begun; and where uploads
 * are resumed, one that broke off must not be taken for whole. */
static int64_t must_stand_usec(const struct item *item, bool leased)
{
    int64_t settle = leased && item->st.st_size > 0 ? 0 : item->folder->settle_usec;

    return MAX(settle, item->folder->quiet_usec);
}

static bool same_as_before(const struct item *item)
{
    struct source_stat a, b;
    struct stat now;

    if (fstat(item->source_fd, &now) < 0)
        return false;
    source_stat_of(&item->st, &a);
    source_stat_of(&now, &b);
    return source_stat_equal(&a, &b);
}

struct watch {
    struct item *item;
    bool leased;
    uint64_t next_check;
};

/* Stops hashing when the daemon stops, or when somebody wants to write (the lease is being broken). */
static int on_progress(void *userdata, uint64_t bytes)
{
    struct watch *w = userdata;

    if (bytes > (uint64_t)w->item->st.st_size)
        return -ECANCELED; /* it grows */
    if (bytes < w->next_check)
        return 0;
    w->next_check = bytes + LEASE_CHECK_BYTES;
    if (atomic_load(&w->item->in->stopping))
        return -ECANCELED;
    return w->leased && !take_lease_holds(w->item) ? -ECANCELED : 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* Copies and digests in one pass; holes stay holes. */
static int copy_and_digest(struct item *item, int to, struct watch *watch, uint64_t *ret_bytes)
{
    bool sparse = item->st.st_blocks * 512 < item->st.st_size;
    _cleanup_(hasher_freep) struct hasher *h = NULL;
    _cleanup_free_ uint8_t *block = malloc(COPY_BLOCK);
    uint64_t total = 0;
    int r = hasher_new(atomic_load(&item->in->settings)->store.sm3, &h);

    if (r < 0 || !block)
        return -ENOMEM;
    (void)posix_fadvise(item->source_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        ssize_t n = fd_pread_full(item->source_fd, block, COPY_BLOCK, (off_t)total);
        if (n <= 0) {
            r = item->read_fault = (int)n;
            break;
        }
        hasher_update(h, block, (size_t)n);
        if (sparse && all_zero(block, (size_t)n))
            r = lseek(to, n, SEEK_CUR) < 0 ? -errno : 0;
        else
            r = fd_write_full(to, block, (size_t)n);
        total += (uint64_t)n;
        r = r < 0 ? r : on_progress(watch, total);
        if (r < 0)
            break;
    }
    if (r == 0 && ftruncate(to, (off_t)total) < 0)
        r = -errno;
    hasher_final(h, &item->digests);
    *ret_bytes = total;
    return r;
}

static const char *guess_kind(const char *name)
{
    static const struct {
        const char *kind, *extensions;
    } kinds[] = {{"video", " mp4 mov avi mkv webm ts mts m2ts mpg mpeg vob dav 3gp flv asf wmv mxf m4v mod "},
                 {"audio", " wav mp3 m4a aac amr flac ogg opus wma bwf "},
                 {"photo", " jpg jpeg png heic heif bmp tif tiff gif webp "},
                 {"document", " pdf doc docx xls xlsx wps ofd txt rtf odt "}};
    const char *dot = strrchr(name, '.');
    char key[16];

    if (!dot || snprintf(key, sizeof key, " %s ", dot + 1) >= (int)sizeof key)
        return "data";
    for (char *p = key; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strstr(kinds[i].extensions, key))
            return kinds[i].kind;
    return "data";
}

static int set_if(json_t *o, const char *key, const char *value)
{
    return value && *value ? json_set_string(o, key, value) : 0;
}

/* The device: the folder's own, or whom its first sub-folder belongs to. */
static int add_device(const struct item *item, json_t *arrival)
{
    const struct settings_folder *f = item->folder;
    size_t n = strcspn(item->path, "/");
    _cleanup_free_ char *serial = NULL;

    if (!f->per_device || !item->path[n])
        return set_if(arrival, "device", f->device);
    serial = encode_percent(item->path, n);
    return serial ? json_set_string(arrival, "device", serial) : -ENOMEM;
}

static int build_arrival(struct item *item, json_t **ret)
{
    const struct settings_folder *f = item->folder;
    _cleanup_json_ json_t *a = json_object();
    _cleanup_free_ char *path = encode_percent(item->path, strlen(item->path)), *door = door_of_folder(f);
    char arrival_id[ULID_LENGTH + 1];
    int r;

    if (!a || !path || !door)
        return -ENOMEM;
    ulid_make(item->received_usec, arrival_id);
    r = json_set_string(a, "id", arrival_id);
    r = r < 0 ? r : json_set_string(a, "door", door);
    r = r < 0 ? r : json_set_string(a, "folder", f->name);
    r = r < 0 ? r : json_set_string(a, "path", path);
    r = r < 0 ? r : json_set_integer(a, "bytes", item->st.st_size);
    r = r < 0 ? r : json_set_integer(a, "mtime", source_mtime_usec(&item->st));
    r = r < 0 ? r : json_set_string(a, "zone", zone_name(f->zone));
    r = r < 0 ? r : add_device(item, a);
    r = r < 0 ? r : set_if(a, "officer", f->officer);
    r = r < 0 ? r : set_if(a, "unit", f->unit);
    r = r < 0 ? r : sidecar_add(item, a);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(a);
    return 0;
}

/* The facts of the act; takes arrival. */
static int build_facts(struct item *item, const char *original, json_t *arrival)
{
    _cleanup_json_ json_t *o = json_object();
    _cleanup_free_ char *name = encode_percent(original, strlen(original));
    char hex[DIGEST_HEX_SIZE];
    int r = json_set_take(o, "arrival", arrival);

    if (r < 0 || !name)
        return r < 0 ? r : -ENOMEM;
    digest_to_hex(&item->digests.sha256, hex);
    r = r < 0 ? r : json_set_string(o, "digest", hex);
    if (item->digests.have_sm3) {
        encode_hex(item->digests.sm3, DIGEST_BYTES, hex);
        r = r < 0 ? r : json_set_string(o, "sm3", hex);
    }
    r = r < 0 ? r : json_set_integer(o, "bytes", item->st.st_size);
    r = r < 0 ? r : json_set_string(o, "name", name);
    r = r < 0 ? r : json_set_string(o, "content", store_staged_content_name(item->staged));
    r = r < 0 ? r : json_set_string(o, "kind", guess_kind(original));
    if (r == 0)
        item->facts = TAKE_PTR(o);
    return r;
}

/* arrival.json: the facts of the act with the recording's id and time, so that an object explains itself. */
static int arrival_text(const struct item *item, char **ret)
{
    _cleanup_json_ json_t *o = json_copy(item->facts);
    int r = o ? 0 : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "recording", item->id.text);
    r = r < 0 ? r : json_set_integer(o, "received", item->received_usec);
    return r < 0 ? r : json_canonical(o, ret);
}

/* Moving in is for files that nobody else can go on writing to: leased, one name, same file system and mount, ours to own. */
static bool can_move(const struct item *item, bool leased)
{
    return leased && item->folder->after == FOLDER_AFTER_REMOVE && item->st.st_nlink == 1 &&
           item->st.st_dev == item->in->archive_dev &&
           fd_mount_id(item->source_fd) == item->in->archive_mount &&
           (item->st.st_uid == geteuid() || item->in->may_chown) &&
           faccessat(item->source_dirfd, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

static int digest_source(struct item *item, struct watch *watch, uint64_t *ret_bytes)
{
    bool sm3 = atomic_load(&item->in->settings)->store.sm3;
    int r = digest_of_fd(item->source_fd, sm3, on_progress, watch, &item->digests, ret_bytes);

    item->read_fault = r == -ECANCELED || r == -ENOMEM ? 0 : r;
    return r;
}

static int get_content(struct item *item, struct watch *watch)
{
    _cleanup_close_ int to = -1;
    uint64_t bytes = 0;
    int r;

    if (item->is_move) {
        r = digest_source(item, watch, &bytes);
        store_stage_source(item->staged, item->source_fd);
    } else if ((r = store_stage_clone(item->staged, item->source_fd, &item->err)) == 0) {
        r = digest_source(item, watch, &bytes);
    } else if (r == -EOPNOTSUPP || r == -EXDEV) {
        r = store_stage_content(item->staged, &to, &item->err);
        r = r != 0 ? r : copy_and_digest(item, to, watch, &bytes);
    }
    if (r < 0)
        return r;
    if (r != 0)
        return -EBUSY;
    if (bytes != (uint64_t)item->st.st_size || !same_as_before(item))
        return -ECANCELED; /* changed while it was read */
    return 0;
}

int take_finish_staged(struct item *item, const char *name, json_t *arrival)
{
    _cleanup_free_ char *text = NULL;
    int r = build_facts(item, name, arrival);

    r = r < 0 ? r : arrival_text(item, &text);
    if (r == 0)
        r = store_stage_finish(item->staged, &item->digests, (uint64_t)item->st.st_size, text,
                               item->received_usec, &item->err);
    return r != 0 ? r : inject_point("seal.staged");
}

static int stage(struct item *item, bool leased)
{
    struct watch watch = {item, leased, LEASE_CHECK_BYTES};
    json_t *arrival;
    int r;

    item->is_move = can_move(item, leased);
    item->received_usec = clock_now_usec();
    ulid_make(item->received_usec, item->id.text);
    r = store_stage_new(item->in->store, &item->id, item->is_move ? STORE_MOVE : STORE_COPY,
                        item->source_name, strlen(item->source_name), &item->staged, &item->err);
    if (r != 0)
        return r;
    r = get_content(item, &watch);
    if (r == 0)
        r = inject_point("seal.taken");
    item->received_usec = clock_now_usec();
    if (r == 0)
        r = build_arrival(item, &arrival);
    if (r == 0)
        r = take_finish_staged(item, item->source_name, arrival);
    return r == STORE_E_CHANGED ? -ECANCELED : r;
}

static void give_up_staged(struct item *item)
{
    struct error ignored;

    if (item->staged)
        (void)store_stage_abort(item->staged, item->source_dirfd, item->source_name, &ignored);
    item->staged = store_staged_free(item->staged);
}

/* "No such file" while the source stands is about the archive, and must not pass for a source that has gone. */
static bool is_archive_missing(const struct item *item, int r)
{
    struct stat st;

    return (r == -ENOENT || r == -ENOTDIR) &&
           fstatat(item->source_dirfd, item->source_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == item->st.st_ino && st.st_dev == item->st.st_dev;
}

/* An empty file is no recording: once it has stood still it goes to quarantine (or stays, where sources are kept). */
static void refuse_empty(struct item *item)
{
    static const char why[] = "the file is empty: nothing was recorded, or the upload never began";
    int r = 0;

    if (item->folder->after != FOLDER_AFTER_KEEP)
        r = intake_quarantine_source(item, why);
    if (r < 0) {
        fail(item, r);
        return;
    }
    error_set(&item->err, -ENODATA, item->path, "%s", why);
    end(item, item->folder->after == FOLDER_AFTER_KEEP ? OUTCOME_LEAVE : OUTCOME_DONE);
}

void take_item(struct item *item)
{
    int leased, r;

    item->source_fd = item->source_dirfd = -1;
    if (atomic_load(&item->in->stopping)) {
        end(item, OUTCOME_LATER);
        return;
    }
    if (open_source(item) < 0)
        return;
    if (item->folder->after == FOLDER_AFTER_KEEP && intake_source_is_known(item)) {
        end(item, OUTCOME_LEAVE);
        return;
    }
    if (item->is_orphan && !sidecar_was_used(item)) {
        end(item, OUTCOME_LEAVE);
        return;
    }
    leased = lease(item);
    item->leased = leased == 0;
    if (leased == -EAGAIN || !stands_still(item, must_stand_usec(item, leased == 0))) {
        error_set(&item->err, -EAGAIN, item->path, "is still being written");
        end(item, OUTCOME_LATER);
        return;
    }
    if (fstat(item->source_fd, &item->st) < 0) { /* again: now nobody writes */
        fail_errno(item, -errno, "cannot be looked at");
        return;
    }
    if (item->st.st_size == 0) {
        refuse_empty(item);
        return;
    }
    if (!intake_has_room(item->in, can_move(item, leased == 0) ? 0 : (uint64_t)item->st.st_size,
                         &item->err)) {
        end(item, OUTCOME_RESOURCE);
        return;
    }
    r = stage(item, leased == 0);
    if (r != 0) {
        give_up_staged(item);
        if (item->read_fault) {
            fail_source(item, item->read_fault, "cannot be read");
            return;
        }
        if (is_archive_missing(item, r))
            r = error_set(&item->err, -ENOTCONN, "archive",
                          "a folder of the archive is gone (staging/?); put it back or mount it again");
        if (!item->err.text[0])
            error_errno(&item->err, r, item->path, "could not be taken in");
        fail(item, r > 0 ? -EIO : r);
        return;
    }
    end(item, OUTCOME_DONE);
}
