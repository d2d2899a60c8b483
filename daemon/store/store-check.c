/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checking one object against its inventory and against what the caller knows: every file is there and nothing else, declarations
 * and sidecars fit, nobody could write, digests are right. Only reads; every fault is told, none ends the check.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/store-internal.h"
#include "store/store-inventory.h"

struct run {
    const struct store_check *c;
    int result; /* a callback's or STORE_E_DAMAGED; not 0: stop */
};

static void fault(struct run *u, enum store_fault_kind kind, const char *rest, const char *format, ...)
    _printf_(4, 5);

static void fault(struct run *u, enum store_fault_kind kind, const char *rest, const char *format, ...)
{
    char path[OBJECT_PATH_SIZE], text[512];
    va_list ap;

    if (u->result != 0)
        return;
    if (!u->c->on_fault) {
        u->result = STORE_E_DAMAGED;
        return;
    }
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    snprintf(path, sizeof path, "%s%s%s%s", u->c->shown, u->c->path, *rest ? "/" : "", rest);
    u->result = u->c->on_fault(u->c->userdata, kind, path, text);
}

/* A system call failed: missing is a fault, the rest ends the check. */
static void failed(struct run *u, int r, const char *rest, struct error *err)
{
    if (r == -ENOENT)
        fault(u, STORE_FAULT_MISSING, rest, "is missing");
    else if (r == -ENOTDIR || r == -ELOOP || r == -EFBIG || r == -EISDIR || r == -EINVAL)
        fault(u, STORE_FAULT_EXTRA, rest, "is not the plain file or folder that should be there");
    else if (u->result == 0)
        u->result = error_errno(err, r, u->c->id->text, "cannot check %s", *rest ? rest : "the object");
}

static void below(const struct run *u, const char *rest, char out[OBJECT_PATH_SIZE])
{
    snprintf(out, OBJECT_PATH_SIZE, "%s/%s", u->c->path, rest);
}

/* ---- names ---- */

static bool listed(const char *name, const char *const *allowed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (allowed[i] && strcmp(allowed[i], name) == 0)
            return true;
    return false;
}

static void check_folder(struct run *u, const char *folder, const char *const *allowed, size_t n,
                         struct error *err)
{
    _cleanup_(store_names_done) struct store_names names = {0};
    char path[OBJECT_PATH_SIZE];
    struct stat st;
    int r;

    below(u, folder, path);
    r = store_names_read(u->c->dirfd, path, &names);
    if (r < 0) {
        failed(u, r, folder, err);
        return;
    }
    for (size_t i = 0; i < names.count; i++) {
        char rest[OBJECT_PATH_SIZE];

        if (listed(names.names[i], allowed, n))
            continue;
        snprintf(rest, sizeof rest, "%s%s%s", strcmp(folder, ".") ? folder : "",
                 strcmp(folder, ".") ? "/" : "", names.names[i]);
        fault(u, STORE_FAULT_EXTRA, rest, "is not named in the inventory");
    }
    if (u->c->staged || fstatat(u->c->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if ((st.st_mode & 07777) != 0500 || st.st_uid != u->c->owner)
        fault(u, STORE_FAULT_WRITABLE, folder, "folder has mode %04o, owner %u; must be 0500, %u",
              st.st_mode & 07777u, st.st_uid, u->c->owner);
}

static void check_names(struct run *u, const char *content_name, struct error *err)
{
    const char *const root[] = {OBJECT_NAMASTE, "inventory.json", OBJECT_SIDECAR, "v1"};
    const char *const version[] = {"inventory.json", OBJECT_SIDECAR, "content"};
    const char *const content[] = {"arrival.json", content_name};

    check_folder(u, ".", root, ARRAY_SIZE(root), err);
    check_folder(u, "v1", version, ARRAY_SIZE(version), err);
    /* without an inventory nobody can say which name is right */
    if (content_name)
        check_folder(u, "v1/content", content, ARRAY_SIZE(content), err);
}

/* ---- files ---- */

static int check_file(struct run *u, const char *rest, struct stat *ret, struct error *err)
{
    char path[OBJECT_PATH_SIZE];

    below(u, rest, path);
    if (fstatat(u->c->dirfd, path, ret, AT_SYMLINK_NOFOLLOW) < 0) {
        failed(u, -errno, rest, err);
        return -1;
    }
    if (!S_ISREG(ret->st_mode)) {
        fault(u, STORE_FAULT_EXTRA, rest, "is not a plain file");
        return -1;
    }
    if (u->c->staged)
        return 0;
    if ((ret->st_mode & 07777) != 0400 || ret->st_uid != u->c->owner)
        fault(u, STORE_FAULT_WRITABLE, rest, "has mode %04o, owner %u; must be 0400, %u",
              ret->st_mode & 07777u, ret->st_uid, u->c->owner);
    if (ret->st_nlink != 1)
        fault(u, STORE_FAULT_WRITABLE, rest, "has %lu hard links; must have one",
              (unsigned long)ret->st_nlink);
    return 0;
}

/* Reads a small file whole; NULL after telling the fault. */
static char *read_text(struct run *u, const char *rest, size_t *ret_size, struct error *err)
{
    char path[OBJECT_PATH_SIZE], *text;
    struct stat st;
    int r;

    if (check_file(u, rest, &st, err) < 0)
        return NULL;
    below(u, rest, path);
    r = fd_read_file_at(u->c->dirfd, path, OBJECT_TEXT_MAX, &text, ret_size);
    if (r == 0)
        return text;
    failed(u, r, rest, err);
    return NULL;
}

static void check_text(struct run *u, const char *rest, const char *want, const char *what, struct error *err)
{
    size_t size;
    _cleanup_free_ char *text = read_text(u, rest, &size, err);

    if (text && (size != strlen(want) || memcmp(text, want, size) != 0))
        fault(u, STORE_FAULT_INVENTORY, rest, "%s", what);
}

/* Both inventories, their sidecars and the declaration. Return: 0 and *ret, or -1 when the inventory cannot be used. */
static int check_inventories(struct run *u, struct store_inventory *ret, struct error *err)
{
    static const char sidecar_wrong[] = "does not hold the digest of its inventory";
    char sidecar[SIDECAR_SIZE];
    struct error why = ERROR_INIT;
    size_t size = 0;
    _cleanup_free_ char *text = read_text(u, "inventory.json", &size, err);
    int r;

    check_text(u, OBJECT_NAMASTE, OBJECT_NAMASTE_TEXT, "must hold \"ocfl_object_1.1\" and a newline", err);
    if (!text)
        return -1;
    store_inventory_sidecar(text, size, sidecar);
    check_text(u, OBJECT_SIDECAR, sidecar, sidecar_wrong, err);
    check_text(u, "v1/inventory.json", text, "differs from inventory.json", err);
    check_text(u, "v1/" OBJECT_SIDECAR, sidecar, sidecar_wrong, err);
    r = store_inventory_parse(text, size, "inventory.json", ret, &why);
    if (r == -ENOMEM)
        failed(u, r, "inventory.json", err);
    else if (r < 0)
        fault(u, STORE_FAULT_INVENTORY, "inventory.json", "%s", why.text);
    if (r < 0)
        return -1;
    if (strcmp(ret->id.text, u->c->id->text) != 0) {
        fault(u, STORE_FAULT_INVENTORY, "inventory.json", "is of urn:liuhen:%s", ret->id.text);
        return -1;
    }
    return 0;
}

static void check_deep(struct run *u, const char *rest, const struct store_inventory *v, struct error *err)
{
    _cleanup_close_ int fd = -1;
    char path[OBJECT_PATH_SIZE], hex[DIGEST_HEX_SIZE];
    struct digest_pair d;
    uint64_t bytes;
    int r;

    below(u, rest, path);
    fd = openat(u->c->dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    r = fd < 0 ? -errno : digest_of_fd(fd, v->content.have_sm3, NULL, NULL, &d, &bytes);
    if (r == -EIO) {
        fault(u, STORE_FAULT_DIGEST, rest, "cannot be read: %s", strerror(EIO));
        return;
    }
    if (r < 0) {
        failed(u, r, rest, err);
        return;
    }
    digest_to_hex(&v->content.sha256, hex);
    if (!digest_equal(&d.sha256, &v->content.sha256))
        fault(u, STORE_FAULT_DIGEST, rest, "does not have the SHA-256 %s of the inventory", hex);
    if (v->content.have_sm3 && memcmp(d.sm3, v->content.sm3, DIGEST_BYTES) != 0)
        fault(u, STORE_FAULT_DIGEST, rest, "does not have the SM3 of the inventory");
}

static void check_content(struct run *u, const struct store_inventory *v, struct error *err)
{
    const struct store_expect none = STORE_EXPECT_NONE, *e = u->c->expect ?: &none;
    char rest[300], path[OBJECT_PATH_SIZE];
    struct stat st;

    snprintf(rest, sizeof rest, "v1/content/%s", v->content_name);
    if (e->content_name && strcmp(e->content_name, v->content_name) != 0)
        fault(u, STORE_FAULT_INVENTORY, "inventory.json", "names the content %s; expected is %s",
              v->content_name, e->content_name);
    if (e->sha256 && !digest_equal(e->sha256, &v->content.sha256))
        fault(u, STORE_FAULT_DIGEST, "inventory.json", "names another SHA-256 than is expected");
    below(u, rest, path);
    if (u->c->may_lack && faccessat(u->c->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (check_file(u, rest, &st, err) < 0)
        return;
    if (e->bytes >= 0 && st.st_size != e->bytes)
        fault(u, STORE_FAULT_SIZE, rest, "has %lld bytes; expected are %lld", (long long)st.st_size,
              (long long)e->bytes);
    if (u->c->deep && u->result == 0)
        check_deep(u, rest, v, err);
}

static void check_arrival(struct run *u, const struct store_inventory *v, struct error *err)
{
    struct digest d;
    size_t size = 0;
    _cleanup_free_ char *text = read_text(u, OBJECT_ARRIVAL, &size, err);

    if (!text)
        return;
    digest_of(text, size, &d);
    if (!digest_equal(&d, &v->arrival))
        fault(u, STORE_FAULT_DIGEST, OBJECT_ARRIVAL, "does not have the SHA-256 of the inventory");
}

int store_check_at(const struct store_check *c, struct error *err)
{
    struct run u = {.c = c};
    struct store_inventory v;
    struct stat st;
    int r;

    if (fstatat(c->dirfd, c->path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        failed(&u, -errno, "", err);
        return u.result;
    }
    r = check_inventories(&u, &v, err);
    check_names(&u, r == 0 ? v.content_name : NULL, err);
    if (r == 0) {
        if (c->inventory)
            *c->inventory = v;
        check_arrival(&u, &v, err);
        check_content(&u, &v, err);
    }
    return u.result;
}
