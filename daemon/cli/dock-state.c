/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The station's memory on disk (see dock-state.h).
 */
#include "cli/dock-state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"
#include "ledger/receipt.h"

#define ENTRY_MAX  (64u * 1024)
#define KEY_MAX    4096
#define STALE_SEC  3600 /* a temporary file so old was left behind by a kill */
#define TARGET_MAX 256

/* ---- names --------------------------------------------------------------------------------------------------------------- */

static void card_folder(const char *card, char out[TARGET_MAX])
{
    char hex[DIGEST_HEX_SIZE];
    struct digest d;

    digest_of(card, strlen(card), &d);
    digest_to_hex(&d, hex);
    snprintf(out, TARGET_MAX, "cards/%.32s", hex);
}

static void entry_name(const char *card, const char *path, char out[TARGET_MAX])
{
    char hex[DIGEST_HEX_SIZE];
    struct digest d;
    size_t n;

    card_folder(card, out);
    digest_of(path, strlen(path), &d);
    digest_to_hex(&d, hex);
    n = strlen(out);
    snprintf(out + n, TARGET_MAX - n, "/%s.json", hex);
}

static void receipt_name(const struct digest *sha256, char out[TARGET_MAX])
{
    char hex[DIGEST_HEX_SIZE];

    digest_to_hex(sha256, hex);
    snprintf(out, TARGET_MAX, "receipts/%s.tlog-proof", hex);
}

/* A temporary file that a killed run of the same process id left is in the way once: the next try has another name. sync: it must
 * outlive a power cut on its own; else dock_state_sync does that for all. */
static int write_file(const struct dock_state *s, const char *target, const void *data, size_t size,
                      bool sync)
{
    int r = -EEXIST;

    for (int i = 0; i < 8 && r == -EEXIST; i++) {
        _cleanup_(durable_done) struct durable d = DURABLE_INIT;

        r = durable_open(&d, s->dirfd, target, 0600);
        d.no_sync = !sync;
        durable_write(&d, data, size);
        r = r < 0 ? r : durable_commit(&d);
    }
    return r;
}

int dock_state_sync(const struct dock_state *s)
{
    return fd_syncfs(s->dirfd);
}

/* ---- the folder ---------------------------------------------------------------------------------------------------------- */

/* Removes temporary files of killed runs. Others may be at work in the same folder: theirs are young. */
static void sweep_temporary(const struct dock_state *s, const char *folder)
{
    int fd = fd_open_beneath(s->dirfd, folder, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_dir_ DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct timespec now;
    struct dirent *e;
    struct stat st;

    if (!d) {
        fd_closep(&fd);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    while ((e = readdir(d)))
        if (strstr(e->d_name, ".tmp-") && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            now.tv_sec - st.st_mtim.tv_sec > STALE_SEC)
            (void)unlinkat(fd, e->d_name, 0);
}

int dock_state_open(const char *path, struct dock_state *ret, struct error *err)
{
    _cleanup_(dock_state_done) struct dock_state s = {-1, strdup(path)};
    int r = !s.path ? -ENOMEM : mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;

    if (r == 0 && (s.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    r = r < 0 ? r : fd_mkdir_beneath(s.dirfd, "cards", 0700, true);
    r = r < 0 ? r : fd_mkdir_beneath(s.dirfd, "receipts", 0700, true);
    if (r < 0)
        return error_errno(err, r, path, "the station's folder cannot be used");
    sweep_temporary(&s, ".");
    sweep_temporary(&s, "receipts");
    ret->dirfd = TAKE_FD(s.dirfd);
    ret->path = TAKE_PTR(s.path);
    return 0;
}

void dock_state_done(struct dock_state *s)
{
    fd_closep(&s->dirfd);
    free(TAKE_PTR(s->path));
}

int dock_state_lock(const struct dock_state *s, const char *card)
{
    _cleanup_close_ int fd = -1;
    char folder[TARGET_MAX], name[TARGET_MAX + 8];
    int r;

    card_folder(card, folder);
    r = fd_mkdir_beneath(s->dirfd, folder, 0700, true);
    if (r < 0)
        return r;
    snprintf(name, sizeof name, "%s/lock", folder);
    fd = fd_open_beneath(s->dirfd, name, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    sweep_temporary(s, folder);
    return TAKE_FD(fd);
}

/* ---- entries ------------------------------------------------------------------------------------------------------------- */

void dock_entry_done(struct dock_entry *e)
{
    free(e->server);
    free(e->url);
    *e = (struct dock_entry){0};
}

static int set_digest(json_t *o, const char *key, const struct digest *d)
{
    char hex[DIGEST_HEX_SIZE];

    digest_to_hex(d, hex);
    return json_set_string(o, key, hex);
}

int dock_state_write(const struct dock_state *s, const char *card, const char *path,
                     const struct dock_entry *entry)
{
    _cleanup_json_ json_t *o = json_object();
    _cleanup_free_ char *encoded = encode_percent(path, strlen(path)), *text = NULL;
    char name[TARGET_MAX];
    int r = encoded && o ? 0 : -ENOMEM;

    entry_name(card, path, name);
    r = r ? r : json_set_string(o, "path", encoded);
    r = r ? r : json_set_integer(o, "bytes", (int64_t)entry->bytes);
    r = r ? r : set_digest(o, "sha256", &entry->sha256);
    r = r ? r : json_set_string(o, "server", entry->server);
    r = r ? r : json_set_string(o, "url", entry->url);
    r = r ? r : json_canonical(o, &text);
    return r ? r : write_file(s, name, text, strlen(text), true);
}

static int copy_text(const json_t *o, const char *key, char **slot)
{
    const char *value = json_get_string(o, key);

    if (value && !(*slot = strdup(value)))
        return -ENOMEM;
    return 0;
}

static int read_entry(const json_t *o, const char *path, struct dock_entry *ret)
{
    _cleanup_(dock_entry_done) struct dock_entry e = {0};
    _cleanup_free_ char *encoded = encode_percent(path, strlen(path));
    const char *said = json_get_string(o, "path"), *sha256 = json_get_string(o, "sha256");
    int64_t bytes = json_get_integer(o, "bytes", -1);

    if (!encoded)
        return -ENOMEM;
    if (!said || strcmp(said, encoded) != 0 || bytes < 0 || !sha256 || digest_from_hex(sha256, &e.sha256) < 0)
        return -ENOENT;
    e.bytes = (uint64_t)bytes;
    if (copy_text(o, "server", &e.server) < 0 || copy_text(o, "url", &e.url) < 0)
        return -ENOMEM;
    if (e.url && e.url[0] != '/') /* only ever a path on the server that the settings name */
        return -ENOENT;
    *ret = e;
    e.server = e.url = NULL;
    return 0;
}

int dock_state_read(const struct dock_state *s, const char *card, const char *path, struct dock_entry *ret)
{
    _cleanup_json_ json_t *o = NULL;
    _cleanup_free_ char *text = NULL;
    char name[TARGET_MAX];
    size_t size;
    int r;

    entry_name(card, path, name);
    r = fd_read_file_at(s->dirfd, name, ENTRY_MAX, &text, &size);
    if (r == -EFBIG)
        return -ENOENT;
    r = r < 0 ? r : json_parse(text, size, name, &o, NULL);
    if (r == -EINVAL)
        return -ENOENT;
    return r < 0 ? r : read_entry(o, path, ret);
}

int dock_state_forget(const struct dock_state *s, const char *card, const char *path)
{
    char name[TARGET_MAX];

    entry_name(card, path, name);
    return unlinkat(s->dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Whether the entry in the file `name` may go: of a file that is not on the card, and nothing is under way. */
static bool is_left_over(int dirfd, const char *name, bool (*is_there)(void *, const char *), void *userdata)
{
    _cleanup_json_ json_t *o = NULL;
    _cleanup_free_ char *text = NULL, *path = NULL;
    const char *encoded;
    size_t size;

    if (fd_read_file_at(dirfd, name, ENTRY_MAX, &text, &size) < 0 ||
        json_parse(text, size, name, &o, NULL) < 0)
        return false;
    encoded = json_get_string(o, "path");
    if (!encoded || decode_percent(encoded, &path, &size) < 0)
        return false;
    return !json_get_string(o, "url") && !is_there(userdata, path);
}

int dock_state_sweep(const struct dock_state *s, const char *card,
                     bool (*is_there)(void *userdata, const char *path), void *userdata)
{
    char folder[TARGET_MAX];
    _cleanup_dir_ DIR *d = NULL;
    struct dirent *e;
    int fd, n = 0;

    card_folder(card, folder);
    fd = fd_open_beneath(s->dirfd, folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    d = fdopendir(fd);
    if (!d) {
        fd_closep(&fd);
        return -ENOMEM;
    }
    while ((e = readdir(d))) {
        size_t length = strlen(e->d_name);
        if (length == DIGEST_HEX_SIZE - 1 + 5 && strcmp(e->d_name + length - 5, ".json") == 0 &&
            is_left_over(fd, e->d_name, is_there, userdata))
            n += unlinkat(fd, e->d_name, 0) == 0;
    }
    return n;
}

/* ---- receipts, key, clock, log --------------------------------------------------------------------------------------------- */

int dock_state_save_receipt(const struct dock_state *s, const struct digest *sha256, const char *text)
{
    char name[TARGET_MAX];

    receipt_name(sha256, name);
    return write_file(s, name, text, strlen(text), false);
}

int dock_state_load_receipt(const struct dock_state *s, const struct digest *sha256, char **ret_text,
                            size_t *ret_size)
{
    char name[TARGET_MAX];

    receipt_name(sha256, name);
    return fd_read_file_at(s->dirfd, name, RECEIPT_MAX, ret_text, ret_size);
}

int dock_state_load_key(const struct dock_state *s, char **ret)
{
    int r = fd_read_file_at(s->dirfd, "site.key", KEY_MAX, ret, NULL);

    if (r == 0)
        (*ret)[strcspn(*ret, "\r\n")] = '\0';
    return r;
}

int dock_state_pin_key(const struct dock_state *s, const char *text)
{
    _cleanup_close_ int lock = fd_open_beneath(s->dirfd, "lock", O_RDWR | O_CREAT, 0600);
    _cleanup_free_ char *line = NULL;

    if (lock < 0)
        return lock;
    if (flock(lock, LOCK_EX) < 0) /* several cards may be plugged in for the first time together */
        return -errno;
    if (faccessat(s->dirfd, "site.key", F_OK, 0) == 0)
        return -EEXIST;
    if (asprintf(&line, "%s\n", text) < 0)
        return -ENOMEM;
    return write_file(s, "site.key", line, strlen(line), true);
}

int dock_state_load_clock(const struct dock_state *s, const char *card, int64_t *ret_nsec)
{
    _cleanup_free_ char *text = NULL;
    char folder[TARGET_MAX], name[TARGET_MAX + 8], *end;
    int r;

    card_folder(card, folder);
    snprintf(name, sizeof name, "%s/clock", folder);
    r = fd_read_file_at(s->dirfd, name, 64, &text, NULL);
    if (r < 0)
        return r;
    errno = 0;
    *ret_nsec = strtoll(text, &end, 10);
    return errno || end == text || *end != '\n' ? -ENOENT : 0;
}

int dock_state_save_clock(const struct dock_state *s, const char *card, int64_t nsec)
{
    char folder[TARGET_MAX], name[TARGET_MAX + 8], text[32];

    card_folder(card, folder);
    snprintf(name, sizeof name, "%s/clock", folder);
    snprintf(text, sizeof text, "%" PRId64 "\n", nsec);
    return write_file(s, name, text, strlen(text), true);
}

int dock_state_log_wipe(const struct dock_state *s, const json_t *line)
{
    _cleanup_close_ int fd = fd_open_beneath(s->dirfd, "wiped.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    _cleanup_free_ char *text = NULL, *whole = NULL;
    int r = fd < 0 ? fd : json_canonical(line, &text);

    /* one write: lines of several runs do not mix */
    if (r == 0 && asprintf(&whole, "%s\n", text) < 0)
        r = -ENOMEM;
    r = r < 0 ? r : fd_write_full(fd, whole, strlen(whole));
    return r < 0 ? r : fd_sync(fd);
}
