/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Wiping a card: the only thing here that destroys, so it believes nothing that was worked out before. For each file, at this moment: the
 * site says that cards may be wiped; the receipt in the state folder verifies with the pinned key; the file on the card, read again from
 * the medium, has the digest that the receipt was given for; and the site, asked anew, still has these bytes and answers with a receipt
 * that verifies (it may have been set back to a backup). Then, with the card writable: it is still the very file that was read, a
 * line is in wiped.log, and it is removed. Anything else stays, and so do folders.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/dock-file.h"
#include "cli/dock-receipt.h"
#include "cli/dock.h"

/* FAT has no inode numbers: what the kernel makes up for them changes when it forgets a file and looks it up again. */
static bool has_inodes(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type != MSDOS_SUPER_MAGIC && fs.f_type != EXFAT_SUPER_MAGIC &&
           fs.f_type != FUSE_SUPER_MAGIC;
}

static bool is_same(const struct stat *a, const struct stat *b, bool inodes)
{
    return a->st_dev == b->st_dev && a->st_size == b->st_size &&
           dock_nsec(a->st_mtim) == dock_nsec(b->st_mtim) &&
           (!inodes || (a->st_ino == b->st_ino && dock_nsec(a->st_ctim) == dock_nsec(b->st_ctim)));
}

int dock_wipe_check(const struct dock_state *state, const struct verifier_key *key, const struct dock_file *f,
                    struct stat *ret, struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *text = NULL;
    char recording[ULID_LENGTH + 1];
    struct digest now;
    struct stat after;
    size_t size;
    int r;

    fd = dock_open_file(f->card->fd, f->path, ret);
    if (fd < 0)
        return error_errno(err, fd, "", "it cannot be opened");
    if ((uint64_t)ret->st_size != f->bytes || dock_nsec(ret->st_mtim) != f->mtime_nsec)
        return error_set(err, -ESTALE, "", "it has changed since it was sent");
    r = dock_digest(fd, f->bytes, true, NULL, NULL, &now);
    if (r < 0)
        return error_errno(err, r, "", "it cannot be read again");
    if (fstat(fd, &after) < 0 || !is_same(ret, &after, true))
        return error_set(err, -ESTALE, "", "it changes while it is read");
    if (!digest_equal(&now, &f->sha256))
        return error_set(err, -ESTALE, "", "its bytes are not those that were sent");
    r = dock_state_load_receipt(state, &now, &text, &size);
    if (r < 0)
        return error_set(err, r, "", "there is no receipt for the bytes that are on the card now");
    return dock_receipt_check(text, size, key, &now, f->bytes, recording, err);
}

static int log_line(const struct dock_state *state, const struct dock_file *f, const char *event,
                    const char *why)
{
    _cleanup_json_ json_t *o = json_object();
    _cleanup_free_ char *path = encode_percent(f->path, strlen(f->path));
    char hex[DIGEST_HEX_SIZE];
    int r = path ? 0 : -ENOMEM;

    digest_to_hex(&f->sha256, hex);
    r = r ? r : json_set_integer(o, "time", clock_now_usec());
    r = r ? r : json_set_string(o, "event", event);
    r = r ? r : json_set_string(o, "card", f->card->id);
    r = r ? r : json_set_string(o, "path", path);
    r = r ? r : json_set_integer(o, "bytes", (int64_t)f->bytes);
    r = r ? r : json_set_string(o, "sha256", hex);
    r = r ? r : json_set_string(o, "recording", f->recording);
    r = r ? r : json_set_string(o, "why", why);
    return r ? r : dock_state_log_wipe(state, o);
}

int dock_wipe_file(const struct dock_state *state, const struct dock_file *f, const struct stat *checked,
                   struct error *err)
{
    const char *slash = strrchr(f->path, '/'), *name = slash ? slash + 1 : f->path;
    _cleanup_free_ char *folder = slash ? strndup(f->path, (size_t)(slash - f->path)) : strdup(".");
    _cleanup_close_ int fd = -1;
    struct stat now;
    int r;

    if (!folder)
        return -ENOMEM;
    fd = fd_open_beneath(f->card->fd, folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_errno(err, fd, "", "its folder cannot be opened");
    if (fstatat(fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0 || !is_same(checked, &now, has_inodes(fd)))
        return error_set(err, -ESTALE, "", "it has changed since it was checked");
    r = log_line(state, f, "wipe", NULL);
    if (r < 0)
        return error_errno(err, r, "", "wiped.log in the state folder cannot be written");
    if (unlinkat(fd, name, 0) < 0) {
        r = error_errno(err, -errno, "", "it cannot be removed");
        (void)log_line(state, f, "not-wiped", err->text);
        return r;
    }
    r = fd_sync(fd);
    return r < 0 ? error_errno(err, r, "", "its removal may not be lasting") : 0;
}

/* ---- all cards ----------------------------------------------------------------------------------------------------------- */

static void keep(struct dock *d, struct dock_file *f, const struct error *err)
{
    free(f->why);
    f->why = strdup(err->text);
    dock_show_file(d, f);
}

/* Everything that must hold before a file may go. */
static int may_go(struct dock *d, struct transfer *t, const struct dock_file *f, struct stat *ret,
                  struct error *err)
{
    int r = dock_wipe_check(&d->state, d->key, f, ret, err);

    return r == 0 ? dock_site_has(d, t, &f->sha256, f->bytes, err) : r;
}

/* What may go from one card. *ret_n: how many; what may not is said. Return: an array beside d->files; NULL = no memory. */
static struct stat *check_card(struct dock *d, const struct dock_card *card, bool *may, size_t *ret_n)
{
    _cleanup_(transfer_freep) struct transfer *t = NULL;
    struct stat *checked = calloc(MAX(d->n_files, 1u), sizeof *checked);

    *ret_n = 0;
    if (transfer_new(&d->site, &t) < 0) {
        free(checked);
        return NULL;
    }
    for (size_t i = 0; checked && i < d->n_files && !atomic_load(&d->signalled); i++) {
        struct dock_file *f = &d->files[i];
        struct error err = ERROR_INIT;

        if (f->card != card || (f->outcome != DOCK_SEALED && f->outcome != DOCK_KNOWN))
            continue;
        may[i] = may_go(d, t, f, &checked[i], &err) == 0;
        *ret_n += may[i];
        if (!may[i])
            keep(d, f, &err);
    }
    return checked;
}

static void wipe_files(struct dock *d, const bool *may, const struct stat *checked)
{
    for (size_t i = 0; i < d->n_files && !atomic_load(&d->signalled); i++) {
        struct dock_file *f = &d->files[i];
        struct error err = ERROR_INIT;

        if (!may[i])
            continue;
        if (dock_wipe_file(&d->state, f, &checked[i], &err) < 0) {
            keep(d, f, &err);
            continue;
        }
        f->wiped = true;
        (void)dock_state_forget(&d->state, f->card->id, f->path);
        dock_show_file(d, f);
    }
}

/* CLI_NO when something that is sealed is still on the card. */
static int all_wiped(const struct dock *d, const struct dock_card *card)
{
    for (size_t i = 0; i < d->n_files; i++) {
        const struct dock_file *f = &d->files[i];
        if (f->card == card && !f->wiped && (f->outcome == DOCK_SEALED || f->outcome == DOCK_KNOWN))
            return CLI_NO;
    }
    return CLI_OK;
}

static int wipe_card(struct dock *d, const struct dock_card *card)
{
    _cleanup_free_ bool *may = calloc(MAX(d->n_files, 1u), sizeof *may);
    size_t n = 0;
    _cleanup_free_ struct stat *checked = may ? check_card(d, card, may, &n) : NULL;
    struct error err = ERROR_INIT;

    if (!checked)
        return cli_fail(CLI_BUSY, "", "out of memory");
    if (n == 0)
        return all_wiped(d, card);
    if (dock_card_writable(card, true, &err) < 0)
        return cli_fail(CLI_REFUSED, err.object, "%s; nothing was wiped", err.text);
    wipe_files(d, may, checked);
    if (dock_card_writable(card, false, &err) < 0)
        return cli_fail(CLI_REFUSED, err.object, "%s", err.text);
    return all_wiped(d, card);
}

int dock_wipe(struct dock *d)
{
    struct error err = ERROR_INIT;
    int r = dock_site_may_wipe(d, &err), worst = CLI_OK;

    if (r == 0)
        return cli_fail(CLI_DENIED, d->site.server,
                        "the site does not allow cards to be wiped (devices.wipe in its retention.yaml); "
                        "nothing was wiped");
    if (r != 1)
        return cli_fail(CLI_UNREACHABLE, err.object, "%s; nothing was wiped", err.text);
    r = dock_state_sync(&d->state);
    if (r < 0)
        return cli_fail(CLI_BUSY, d->state.path, "the receipts cannot be made durable: %s; nothing was wiped",
                        strerror(-r));
    for (size_t i = 0; i < d->n_cards; i++) {
        r = wipe_card(d, &d->cards[i]);
        worst = worst == CLI_OK ? r : worst;
    }
    return worst;
}
