/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading objects of the local store: content, arrival, what the inventory says, and the walk over all of them. The walk keeps
 * only one folder's names a level in memory, so it serves a root of any size.
 */
#include "store/store-read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "store/store-internal.h"
#include "store/store-inventory.h"

static const struct store_local *local(const struct store *s)
{
    return (const struct store_local *)s;
}

static int unknown(int r, const struct recording_id *id, const char *what, struct error *err)
{
    if (r == -ENOENT || r == -ENOTDIR)
        return error_set(err, STORE_E_UNKNOWN, id->text, "no %s of this id is in the store", what);
    if (r == -ELOOP || r == -EFBIG || r == -EISDIR || r == -EINVAL)
        return error_set(err, STORE_E_DAMAGED, id->text, "the %s is not a plain file as we make it", what);
    return error_errno(err, r, id->text, "cannot read the %s", what);
}

static int read_inventory(const struct store_local *l, const char *path, const char *shown,
                          struct store_inventory *ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char at[OBJECT_PATH_SIZE];
    size_t size;
    int r;

    snprintf(at, sizeof at, "%s/inventory.json", path);
    r = fd_read_file_at(l->objects_fd, at, OBJECT_TEXT_MAX, &text, &size);
    if (r == 0)
        r = store_inventory_parse(text, size, shown, ret, err);
    return r;
}

int store_read_describe(struct store *s, const struct recording_id *id, struct store_object *ret,
                        struct error *err)
{
    struct store_object o = {.id = *id};
    struct store_inventory v;
    char path[LAYOUT_PATH_SIZE], at[OBJECT_PATH_SIZE];
    struct stat st;
    int r;

    store_layout_path(&local(s)->layout, id, path);
    r = read_inventory(local(s), path, id->text, &v, err);
    if (r == -EPROTO)
        return STORE_E_DAMAGED;
    if (r < 0)
        return unknown(r, id, "inventory", err);
    if (strcmp(v.id.text, id->text) != 0)
        return error_set(err, STORE_E_DAMAGED, id->text, "the inventory in its place is of urn:liuhen:%s",
                         v.id.text);
    store_content_path(path, v.content_name, at);
    if (fstatat(local(s)->objects_fd, at, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return unknown(-errno, id, "content", err);
    strcpy(o.content_name, v.content_name);
    o.sha256 = v.content.sha256;
    o.have_sm3 = v.content.have_sm3;
    memcpy(o.sm3, v.content.sm3, DIGEST_BYTES);
    o.bytes = (uint64_t)st.st_size;
    *ret = o;
    return 0;
}

int store_read_open_content(struct store *s, const struct recording_id *id, const char *name, int *ret_fd,
                            struct error *err)
{
    _cleanup_close_ int fd = -1;
    char path[LAYOUT_PATH_SIZE], at[OBJECT_PATH_SIZE];
    struct store_object o;
    struct stat st;

    if (!name) {
        int r = store_read_describe(s, id, &o, err);
        if (r != 0)
            return r;
        name = o.content_name;
    } else if (!store_is_plain_name(name))
        return error_set(err, -EINVAL, id->text, "a content name is a plain name");
    store_layout_path(&local(s)->layout, id, path);
    store_content_path(path, name, at);
    fd = openat(local(s)->objects_fd, at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return unknown(-errno, id, "content", err);
    if (!S_ISREG(st.st_mode))
        return unknown(-EINVAL, id, "content", err);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int store_read_arrival_text(struct store *s, const struct recording_id *id, char **ret_text,
                            struct error *err)
{
    char path[LAYOUT_PATH_SIZE], at[OBJECT_PATH_SIZE];
    int r;

    store_layout_path(&local(s)->layout, id, path);
    snprintf(at, sizeof at, "%s/" OBJECT_ARRIVAL, path);
    r = fd_read_file_at(local(s)->objects_fd, at, OBJECT_TEXT_MAX, ret_text, NULL);
    return r < 0 ? unknown(r, id, "arrival.json", err) : 0;
}

int store_read_check_object(struct store *s, const struct recording_id *id, const struct store_expect *expect,
                            bool deep, store_on_fault on_fault, void *userdata, struct error *err)
{
    char path[LAYOUT_PATH_SIZE];
    const struct store_check c = {.dirfd = local(s)->objects_fd,
                                  .path = path,
                                  .shown = "objects/",
                                  .id = id,
                                  .expect = expect,
                                  .deep = deep,
                                  .owner = s->owner,
                                  .on_fault = on_fault,
                                  .userdata = userdata};

    store_layout_path(&local(s)->layout, id, path);
    return store_check_at(&c, err);
}

/* ---- the walk ---- */

struct walk {
    const struct store_local *l;
    store_on_object on_object;
    store_on_foreign on_foreign;
    void *userdata;
    struct error *err;
    char path[STORE_PATH_SIZE]; /* below objects/, "" = the root */
};

static int foreign(struct walk *w, const char *path, const char *why)
{
    _cleanup_free_ char *shown = NULL, *safe = encode_percent(path, strlen(path));

    if (!w->on_foreign)
        return 0;
    if (!safe || asprintf(&shown, "objects/%s", safe) < 0) {
        shown = NULL;
        return error_errno(w->err, -ENOMEM, "objects", "cannot walk the store");
    }
    return w->on_foreign(w->userdata, shown, why);
}

static int visit_object(struct walk *w)
{
    struct store_inventory v;
    struct error why = ERROR_INIT;
    char place[LAYOUT_PATH_SIZE];
    int r = read_inventory(w->l, w->path, w->path, &v, &why);

    if (r == -ENOMEM || error_is_resource(r))
        return error_errno(w->err, r, w->path, "cannot read the inventory");
    if (r < 0)
        return foreign(w, w->path, why.text[0] ? why.text : "has no readable inventory.json");
    store_layout_path(&w->l->layout, &v.id, place);
    if (strcmp(place, w->path) != 0)
        return foreign(w, w->path, "is not where its id belongs");
    return w->on_object(w->userdata, &v.id);
}

static bool belongs_to_root(const char *name)
{
    return strcmp(name, LAYOUT_NAMASTE) == 0 || strcmp(name, LAYOUT_FILE) == 0 ||
           strcmp(name, "extensions") == 0;
}

static int walk_folder(struct walk *w, unsigned depth);

static int visit_entry(struct walk *w, const char *name, unsigned depth)
{
    size_t length = strlen(w->path);
    bool object = depth == w->l->layout.tuples;
    char shown[STORE_PATH_SIZE + 256];
    struct stat st;
    int r;

    if (depth == 0 && belongs_to_root(name))
        return 0;
    snprintf(shown, sizeof shown, "%s%s%s", w->path, length ? "/" : "", name);
    if (fstatat(w->l->objects_fd, shown, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(w->err, -errno, shown, "cannot be examined");
    if (!S_ISDIR(st.st_mode) ||
        !(object ? store_layout_is_object(&w->l->layout, name) : store_layout_is_tuple(&w->l->layout, name)))
        return foreign(w, shown, "does not belong in the storage root");
    snprintf(w->path + length, sizeof w->path - length, "%s%.64s", length ? "/" : "", name);
    r = object ? visit_object(w) : walk_folder(w, depth + 1);
    w->path[length] = 0;
    return r;
}

static int walk_folder(struct walk *w, unsigned depth)
{
    _cleanup_(store_names_done) struct store_names n = {0};
    int r = store_names_read(w->l->objects_fd, *w->path ? w->path : ".", &n);

    /* a folder may go between listing and reading: store_stage_commit undoing itself */
    if (r == -ENOENT && depth > 0)
        return 0;
    if (r < 0)
        return error_errno(w->err, r, *w->path ? w->path : "objects", "cannot read the folder");
    if (n.count == 0 && depth > 0)
        return foreign(w, w->path, "is an empty folder");
    for (size_t i = 0; i < n.count; i++) {
        r = visit_entry(w, n.names[i], depth);
        if (r != 0)
            return r;
    }
    return 0;
}

int store_read_each_object(struct store *s, store_on_object on_object, store_on_foreign on_foreign,
                           void *userdata, struct error *err)
{
    struct walk w = {
        .l = local(s), .on_object = on_object, .on_foreign = on_foreign, .userdata = userdata, .err = err};

    return walk_folder(&w, 0);
}
