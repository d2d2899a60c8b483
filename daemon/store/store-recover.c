/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a former process left in staging, and intents: the plain texts that say what a batch was about to do. Recovery trusts
 * nothing that it has not read again: after a power cut a file that was never synced may be empty or torn.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/fd.h"
#include "base/inject.h"
#include "store/store-internal.h"
#include "store/store-inventory.h"

#define INTENT_MAX      (256u << 20)
#define INTENT_NAME_MAX 64

/* ---- staging ---- */

static bool intent_name_ok(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= INTENT_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

/* What an entry of staging is; name is cut to what the callback gets. */
static enum store_staging_kind classify(char *name)
{
    const char *temp = strstr(name, ".tmp-");
    char *dot = strchr(name, '.');
    bool move, intent, upload;

    if (temp && temp != name && strspn(temp + 5, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-") == strlen(temp + 5))
        return STORE_STAGING_TEMP;
    if (!dot)
        return ulid_is_valid(name) ? STORE_STAGING_OBJECT : STORE_STAGING_FOREIGN;
    move = strcmp(dot, ".move") == 0;
    intent = strcmp(dot, INTENT_SUFFIX) == 0;
    upload = strcmp(dot, STORE_UPLOAD_SUFFIX) == 0;
    *dot = 0;
    if (move && ulid_is_valid(name))
        return STORE_STAGING_OBJECT;
    if (intent && intent_name_ok(name))
        return STORE_STAGING_INTENT;
    if (upload && ulid_is_valid(name))
        return STORE_STAGING_UPLOAD;
    *dot = '.';
    return STORE_STAGING_FOREIGN;
}

/* Of the right type too: objects are folders, intents and temporaries are plain files, uploads either. */
static enum store_staging_kind classify_entry(struct store *s, char *name)
{
    _cleanup_free_ char *whole = strdup(name);
    enum store_staging_kind kind = classify(name);
    struct stat st;

    if (!whole || fstatat(s->staging_fd, whole, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return kind;
    if ((S_ISDIR(st.st_mode) && (kind == STORE_STAGING_OBJECT || kind == STORE_STAGING_UPLOAD)) ||
        (S_ISREG(st.st_mode) && kind != STORE_STAGING_OBJECT))
        return kind;
    strcpy(name, whole);
    return STORE_STAGING_FOREIGN;
}

int store_each_staging(struct store *s, store_on_staging on_entry, void *userdata, struct error *err)
{
    _cleanup_(store_names_done) struct store_names n = {0};
    int r = store_names_read(s->staging_fd, ".", &n);

    if (r < 0)
        return error_errno(err, r, s->archive, "cannot read folder staging");
    for (size_t i = 0; i < n.count; i++) {
        enum store_staging_kind kind = classify_entry(s, n.names[i]);

        r = on_entry(userdata, kind, n.names[i]);
        if (r != 0)
            return r;
    }
    return 0;
}

int store_staging_remove_temp(struct store *s, const char *name, struct error *err)
{
    _cleanup_free_ char *copy = strdup(name);

    if (!copy)
        return error_errno(err, -ENOMEM, name, "cannot be removed from staging");
    if (strchr(name, '/') || classify_entry(s, copy) != STORE_STAGING_TEMP)
        return error_set(err, -EINVAL, name, "is no temporary file of staging; quarantine it instead");
    if (unlinkat(s->staging_fd, name, 0) < 0 && errno != ENOENT)
        return error_errno(err, -errno, name, "cannot be removed from staging");
    return 0;
}

/* ---- staged objects ---- */

/* The one file in v1/content that is not arrival.json, for an object whose inventory cannot say. */
static int guess_content(struct store_staged *t)
{
    _cleanup_(store_names_done) struct store_names n = {0};
    char path[OBJECT_PATH_SIZE];
    int r;

    store_staged_path(t, "v1/content", path);
    r = store_names_read(t->store->staging_fd, path, &n);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (size_t i = 0; i < n.count && !t->content_name; i++)
        if (strcmp(n.names[i], "arrival.json") != 0)
            t->content_name = TAKE_PTR(n.names[i]);
    return 0;
}

/* Finished means: all files are there, both inventories are the same, their sidecars fit, and they are of this object. */
static int read_finished(struct store_staged *t)
{
    struct store_inventory v;
    struct store_check c = {.dirfd = t->store->staging_fd,
                            .path = t->dir,
                            .shown = "staging/",
                            .id = &t->id,
                            .staged = true,
                            .may_lack = true,
                            .owner = t->store->owner,
                            .inventory = &v};
    int r = store_check_at(&c, NULL);

    if (r != 0)
        return r;
    t->content_name = strdup(v.content_name);
    t->finished = t->content_name != NULL;
    return t->finished ? 0 : -ENOMEM;
}

int store_stage_reopen(struct store *s, const struct recording_id *id, struct store_staged **ret,
                       struct error *err)
{
    _cleanup_(store_staged_freep) struct store_staged *t = calloc(1, sizeof *t);
    int r;

    if (!t)
        return error_errno(err, -ENOMEM, id->text, "cannot open the staged object");
    *t = (struct store_staged){.store = s, .id = *id, .how = STORE_MOVE, .source_fd = -1};
    snprintf(t->dir, sizeof t->dir, "%s.move", id->text);
    if (faccessat(s->staging_fd, t->dir, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        t->how = STORE_COPY;
        strcpy(t->dir, id->text);
        if (faccessat(s->staging_fd, t->dir, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            return error_set(err, STORE_E_UNKNOWN, id->text, "no such object in staging");
    }
    r = read_finished(t);
    if (r == STORE_E_DAMAGED)
        r = guess_content(t);
    if (r < 0)
        return error_errno(err, r, id->text, "cannot read staging/%s", t->dir);
    *ret = TAKE_PTR(t);
    return 0;
}

static int on_first_fault(void *userdata, enum store_fault_kind kind, const char *path, const char *text)
{
    return error_set(userdata, STORE_E_DAMAGED, path, "%s", text);
}

int store_staged_verify(struct store_staged *t, struct error *err)
{
    struct store_check c = {.dirfd = t->store->staging_fd,
                            .path = t->dir,
                            .shown = "staging/",
                            .id = &t->id,
                            .deep = true,
                            .staged = true,
                            .may_lack = t->how == STORE_MOVE,
                            .owner = t->store->owner,
                            .on_fault = on_first_fault,
                            .userdata = err};

    return store_check_at(&c, err);
}

/* ---- intents ---- */

static int intent_path(const char *name, char out[INTENT_NAME_MAX + 16], struct error *err)
{
    if (!intent_name_ok(name))
        return error_set(err, -EINVAL, name, "an intent's name is 1 to %d of A-Z a-z 0-9 - _",
                         INTENT_NAME_MAX);
    snprintf(out, INTENT_NAME_MAX + 16, "%s" INTENT_SUFFIX, name);
    return 0;
}

int store_intent_write(struct store *s, const char *name, const char *text, bool sync, struct error *err)
{
    _cleanup_(durable_done) struct durable d = DURABLE_INIT;
    char path[INTENT_NAME_MAX + 16];
    int r = intent_path(name, path, err);

    if (r < 0)
        return r;
    r = inject_point("store.intent");
    if (r == 0)
        r = durable_open(&d, s->staging_fd, path, 0600);
    if (r == 0) {
        d.no_sync = !sync;
        durable_write(&d, text, strlen(text));
        r = durable_commit(&d);
    }
    return r < 0 ? error_errno(err, r, name, "cannot write the intent in staging") : 0;
}

int store_intent_read(struct store *s, const char *name, char **ret_text, struct error *err)
{
    char path[INTENT_NAME_MAX + 16];
    int r = intent_path(name, path, err);

    if (r < 0)
        return r;
    r = fd_read_file_at(s->staging_fd, path, INTENT_MAX, ret_text, NULL);
    if (r == -ENOENT)
        return error_set(err, STORE_E_UNKNOWN, name, "no such intent in staging");
    return r < 0 ? error_errno(err, r, name, "cannot read the intent in staging") : 0;
}

int store_intent_remove(struct store *s, const char *name, struct error *err)
{
    char path[INTENT_NAME_MAX + 16];
    int r = intent_path(name, path, err);

    if (r == 0)
        r = inject_point("store.intent-remove");
    else
        return r;
    if (r == 0 && unlinkat(s->staging_fd, path, 0) < 0 && errno != ENOENT)
        r = -errno;
    return r < 0 ? error_errno(err, r, name, "cannot remove the intent from staging") : 0;
}

/* ---- uploads ---- */

static int upload_folder(const char *id, char out[ULID_LENGTH + 16], struct error *err)
{
    if (!ulid_is_valid(id))
        return error_set(err, -EINVAL, id, "an upload's id is a ULID");
    snprintf(out, ULID_LENGTH + 16, "%s" STORE_UPLOAD_SUFFIX, id);
    return 0;
}

int store_upload_new(struct store *s, const char *id, struct error *err)
{
    char folder[ULID_LENGTH + 16];
    int r = upload_folder(id, folder, err);

    if (r < 0)
        return r;
    r = inject_point("store.upload");
    if (r == 0 && mkdirat(s->staging_fd, folder, 0700) < 0)
        r = -errno;
    if (r == -EEXIST)
        return error_set(err, STORE_E_EXISTS, id, "an upload of this id is there already");
    return r < 0 ? error_errno(err, r, id, "cannot make the folder staging/%s", folder) : 0;
}

int store_upload_remove(struct store *s, const char *id, struct error *err)
{
    char folder[ULID_LENGTH + 16];
    int r = upload_folder(id, folder, err);

    if (r < 0)
        return r;
    r = inject_point("store.upload-remove");
    r = r < 0 ? r : fd_remove_tree_at(s->staging_fd, folder);
    return r < 0 && r != -ENOENT ? error_errno(err, r, id, "cannot remove staging/%s", folder) : 0;
}

char *store_staging_path(const struct store *s)
{
    char *path;

    return asprintf(&path, "%s/staging", s->archive) < 0 ? NULL : path;
}
