/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is written of a resumable upload beside its bytes. info.json is only ever replaced whole and durably. The facts that may be
 * lost in a power cut, because they can be found out again or do not count after one, are files of their own that cost no sync:
 * "boot" (since which start of the machine no power cut counts, where it is not info.json's), "checked" (pieces are compared with digests), "digest" (of the whole), "sealed" (as which recording).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "intake/upload-internal.h"

#define INFO_MAX     (1u << 20)
#define INFO_VERSION 1
#define BOOT_ID      "/proc/sys/kernel/random/boot_id"
#define BOOT_FILE    "boot"
#define CHECKED_FILE "checked"
#define DIGEST_FILE  "digest"
#define SEALED_FILE  "sealed.json"

/* Which start of the machine this is; "" = cannot be told, which counts as another. */
static void boot_id(char out[64])
{
    _cleanup_close_ int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : fd_read_full(fd, out, 63);

    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

/* Texts come from outside and may be of any bytes. */
static int set_text(json_t *o, const char *key, const char *text)
{
    _cleanup_free_ char *encoded = text ? encode_percent(text, strlen(text)) : NULL;

    if (text && !encoded)
        return -ENOMEM;
    return json_set_string(o, key, encoded);
}

static int set_parts(json_t *o, const struct upload *u)
{
    json_t *list = u->n_parts ? json_array() : NULL;

    if (u->n_parts == 0)
        return 0;
    for (size_t i = 0; list && i < u->n_parts; i++)
        if (json_array_append_new(list, json_string(u->parts[i])) < 0) {
            json_decref(list);
            return -ENOMEM;
        }
    return json_set_take(o, "parts", list);
}

static int info_text(const struct upload *u, char **ret)
{
    _cleanup_json_ json_t *o = json_object();
    char boot[64];
    int r = o ? 0 : -ENOMEM;

    boot_id(boot);
    r = r < 0 ? r : json_set_integer(o, "version", INFO_VERSION);
    r = r < 0 ? r : set_text(o, "door", u->door);
    r = r < 0 ? r : set_text(o, "name", u->name);
    r = r < 0 ? r : set_text(o, "path", u->path);
    r = r < 0 ? r : set_text(o, "owner", u->owner);
    r = r < 0 ? r : set_text(o, "zone", u->zone);
    r = r < 0 ? r : set_text(o, "metadata", u->metadata);
    r = r < 0 ? r : set_text(o, "concat", u->concat);
    r = r < 0 ? r : json_set_integer(o, "mtime", u->mtime_usec);
    r = r < 0 ? r : json_set_integer(o, "announced", u->announced);
    r = r < 0 ? r : json_set_integer(o, "acknowledged", u->acknowledged);
    r = r < 0 ? r : json_set_integer(o, "touched", u->touched_usec);
    r = r < 0 ? r : json_set_bool(o, "partial", u->partial);
    r = r < 0 ? r : json_set_bool(o, "final", u->final);
    r = r < 0 ? r : json_set_string(o, "boot", boot);
    r = r < 0 ? r : json_set_take(o, "facts", json_incref(u->facts));
    r = r < 0 ? r : set_parts(o, u);
    return r < 0 ? r : json_canonical(o, ret);
}

int upload_info_write(struct upload *u)
{
    _cleanup_free_ char *text = NULL;
    char path[UPLOAD_PATH_SIZE];
    int r = inject_point("upload.info");

    r = r < 0 ? r : info_text(u, &text);
    if (r == 0 && strlen(text) > INFO_MAX)
        r = -E2BIG;
    return r < 0 ? r
                 : durable_write_file(store_staging_fd(u->in->store), upload_file_path(u, UPLOAD_INFO, path),
                                      0600, text, strlen(text));
}

/* A file that a power cut may take; without it less is known, nothing is wrong. */
static void write_hint(const struct upload *u, const char *file, const char *text)
{
    _cleanup_(durable_done) struct durable d = DURABLE_INIT;
    char path[UPLOAD_PATH_SIZE];

    if (durable_open(&d, store_staging_fd(u->in->store), upload_file_path(u, file, path), 0600) < 0)
        return;
    d.no_sync = true;
    durable_write(&d, text, strlen(text));
    (void)durable_commit(&d);
}

int upload_info_checked(struct upload *u)
{
    char path[UPLOAD_PATH_SIZE];
    int fd;

    if (u->checked)
        return 0;
    fd = openat(store_staging_fd(u->in->store), upload_file_path(u, CHECKED_FILE, path),
                O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    u->checked = true;
    return 0;
}

void upload_info_boot(const struct upload *u)
{
    char boot[64];

    boot_id(boot);
    write_hint(u, BOOT_FILE, boot);
}

void upload_info_digest(const struct upload *u)
{
    char hex[DIGEST_HEX_SIZE];

    digest_to_hex(&u->digests.sha256, hex);
    write_hint(u, DIGEST_FILE, hex);
}

void upload_info_sealed(const struct upload *u)
{
    char text[256], hex[DIGEST_HEX_SIZE];

    digest_to_hex(&u->digests.sha256, hex);
    snprintf(text, sizeof text, "{\"again\":%s,\"digest\":\"%s\",\"recording\":\"%s\",\"sealed\":%lld}",
             u->again ? "true" : "false", hex, u->recording.text, (long long)u->touched_usec);
    write_hint(u, SEALED_FILE, text);
    (void)inject_point("upload.sealed");
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static int read_file(struct intake *in, const char *id, const char *file, char **ret)
{
    char path[UPLOAD_PATH_SIZE];

    snprintf(path, sizeof path, "%s" STORE_UPLOAD_SUFFIX "/%s", id, file);
    return fd_read_file_at(store_staging_fd(in->store), path, INFO_MAX, ret, NULL);
}

static int get_text(const json_t *o, const char *key, char **ret)
{
    const char *text = json_get_string(o, key);

    return text ? decode_percent(text, ret, NULL) : 0;
}

static int get_parts(const json_t *o, struct upload *u)
{
    const json_t *list = json_get_array(o, "parts");
    size_t n = json_array_size(list);

    if (n == 0)
        return 0;
    u->parts = calloc(n, sizeof *u->parts);
    if (!u->parts)
        return -ENOMEM;
    for (; u->n_parts < n; u->n_parts++) {
        const char *id = json_string_value(json_array_get(list, u->n_parts));

        if (!id || !ulid_is_valid(id))
            return -EINVAL;
        memcpy(u->parts[u->n_parts], id, sizeof *u->parts);
    }
    return 0;
}

/* The origin's texts, decoded. */
struct origin_texts {
    char *door, *name, *path, *owner, *zone;
};

static void origin_texts_done(struct origin_texts *t)
{
    free(t->door);
    free(t->name);
    free(t->path);
    free(t->owner);
    free(t->zone);
}

static int from_info(struct intake *in, const char *id, const json_t *o, struct upload **ret)
{
    _cleanup_(origin_texts_done) struct origin_texts t = {0};
    _cleanup_(upload_unrefp) struct upload *u = NULL;
    struct upload_origin origin = {.bytes = json_get_integer(o, "announced", -1),
                                   .mtime_usec = json_get_integer(o, "mtime", 0),
                                   .facts = json_get_object(o, "facts")};
    struct error ignored = ERROR_INIT;
    int r = get_text(o, "door", &t.door);

    r = r < 0 ? r : get_text(o, "name", &t.name);
    r = r < 0 ? r : get_text(o, "path", &t.path);
    r = r < 0 ? r : get_text(o, "owner", &t.owner);
    r = r < 0 ? r : get_text(o, "zone", &t.zone);
    if (r < 0)
        return r;
    origin.door = t.door, origin.name = t.name, origin.path = t.path;
    origin.owner = t.owner, origin.zone = t.zone;
    r = upload_make(in, &origin, id, &u, &ignored);
    r = r < 0 ? r : get_text(o, "metadata", &u->metadata);
    r = r < 0 ? r : get_text(o, "concat", &u->concat);
    r = r < 0 ? r : get_parts(o, u);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    u->resumable = u->in_staging = true;
    u->partial = json_get_bool(o, "partial", false);
    u->final = json_get_bool(o, "final", false);
    u->acknowledged = json_get_integer(o, "acknowledged", 0);
    u->touched_usec = json_get_integer(o, "touched", 0);
    *ret = TAKE_PTR(u);
    return 0;
}

static void read_sealed(struct intake *in, struct upload_info *info)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *o = NULL;
    struct error ignored = ERROR_INIT;
    const char *recording, *digest;

    if (read_file(in, info->upload->id, SEALED_FILE, &text) < 0 ||
        json_parse(text, strlen(text), "", &o, &ignored) < 0)
        return;
    recording = json_get_string(o, "recording");
    digest = json_get_string(o, "digest");
    if (!recording || recording_id_parse(recording, &info->recording) < 0 || !digest ||
        digest_from_hex(digest, &info->digest) < 0)
        return;
    info->sealed = info->have_digest = true;
    info->again = json_get_bool(o, "again", false);
    info->upload->touched_usec = json_get_integer(o, "sealed", info->upload->touched_usec);
}

int upload_info_read(struct intake *in, const char *id, struct upload_info *ret)
{
    _cleanup_free_ char *text = NULL, *digest = NULL, *checked = NULL, *noted = NULL;
    _cleanup_json_ json_t *o = NULL;
    struct upload_info info = {0};
    struct error ignored = ERROR_INIT;
    char boot[64];
    int r = read_file(in, id, UPLOAD_INFO, &text);

    if (r == -ENOTDIR) /* a plain one is a file */
        r = -ENOENT;
    if (r == -ENOMEM || r == -ENOENT)
        return r;
    r = r < 0 ? -EINVAL : json_parse(text, strlen(text), id, &o, &ignored);
    if (r == 0 && json_get_integer(o, "version", 0) != INFO_VERSION)
        r = -EINVAL;
    r = r < 0 ? r : from_info(in, id, o, &info.upload);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    boot_id(boot);
    info.same_boot = boot[0] && json_get_string(o, "boot") && !strcmp(boot, json_get_string(o, "boot"));
    if (!info.same_boot && read_file(in, id, BOOT_FILE, &noted) == 0)
        info.same_boot = boot[0] && !strcmp(boot, noted);
    info.checked = read_file(in, id, CHECKED_FILE, &checked) == 0;
    info.have_digest =
        read_file(in, id, DIGEST_FILE, &digest) == 0 && digest_from_hex(digest, &info.digest) == 0;
    read_sealed(in, &info);
    *ret = info;
    return 0;
}
