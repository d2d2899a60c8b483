/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests of uploads: sending, resuming, looking at what became of it, and what a crash or a power cut leaves.
 */
#ifndef LIUHEN_TESTS_UPLOAD_SITE_H
#define LIUHEN_TESTS_UPLOAD_SITE_H

#include "site.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/encode.h"

#include "catalogue/recordings.h"
#include "catalogue/sql.h"
#include "child.h"
#include "fsck/fsck.h"
#include "intake/upload.h"
#include "ledger/receipt.h"

/* ---- helpers ------------------------------------------------------------------------------------------------------------ */

#define LARGE (3 * 1024 * 1024 + 17)

/* The same bytes every time. */
static _unused_ char *large_bytes(void)
{
    static char bytes[LARGE];

    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    return bytes;
}

static _unused_ void on_fsck_fault(void *userdata, int invariant, const char *object, const char *text)
{
    fail_msg("fsck: invariant %d: %s: %s", invariant, object, text);
}

static _unused_ void assert_fsck_clean(struct site *s)
{
    struct fsck_options o = {.archive = s->archive, .deep = true, .on_fault = on_fsck_fault};
    struct fsck_result result;

    OK(fsck_run(&o, &result, &s->err));
}

/* announced: bytes, -1 not known */
static _unused_ struct upload_origin origin(int64_t announced)
{
    return (struct upload_origin){.door = "put", .name = "clip.mp4", .owner = "user:li", .bytes = announced};
}

static _unused_ int64_t count(struct site *s, const char *sql)
{
    int64_t n = -1;

    OK(sql_integer(s->db, &n, -1, &s->err, sql, ""));
    return n;
}

static _unused_ json_t *show(struct site *s, const struct recording_id *id)
{
    json_t *o = NULL;

    OK(recordings_show(s->db, id, &o, &s->err));
    return o;
}

/* The receipt proves the seal of these bytes. */
static _unused_ void assert_receipt(struct site *s, const struct upload_result *r)
{
    struct receipt receipt = {0};
    char hex[DIGEST_HEX_SIZE];

    digest_to_hex(&r->sha256, hex);
    assert_non_null(r->receipt);
    OK(receipt_verify(r->receipt, strlen(r->receipt), signing_key_verifier(s->key), &receipt, &s->err));
    assert_int_equal(receipt.index, r->leaf);
    assert_non_null(strstr(receipt.entry, hex));
    assert_non_null(strstr(receipt.entry, r->recording.text));
    assert_non_null(strstr(receipt.entry, "recording.sealed"));
    receipt_done(&receipt);
}

static _unused_ struct upload_result send_plain(struct site *s, const char *text)
{
    struct upload_result result = {0};
    struct upload_origin o = origin((int64_t)strlen(text));
    struct upload *u = NULL;

    OK(upload_new(s->in, &o, &u, &s->err));
    OK(upload_write(u, text, strlen(text), &s->err));
    OK(upload_seal(u, &result, &s->err));
    upload_free(u);
    return result;
}

static _unused_ json_t *uploads_of_status(struct site *s)
{
    json_t *status = intake_status(s->in), *o = json_incref(json_get_object(status, "uploads"));

    json_decref(status);
    assert_non_null(o);
    return o;
}

static _unused_ void assert_status(struct site *s, int64_t unfinished, int64_t bytes, int64_t reserved)
{
    _cleanup_json_ json_t *o = uploads_of_status(s);

    assert_int_equal(json_get_integer(o, "unfinished", -1), unfinished);
    assert_int_equal(json_get_integer(o, "bytes", -1), bytes);
    assert_int_equal(json_get_integer(o, "reserved", -1), reserved);
}

#define OWNER "user:li"

static _unused_ void create(struct site *s, int64_t bytes, char id[ULID_LENGTH + 1])
{
    struct upload_origin o = origin(bytes);
    struct upload *u;

    o.door = "tus";
    OK(upload_create(s->in, &o, "filename Y2xpcC5tcDQ=", false, &u, &s->err));
    memcpy(id, upload_id(u), ULID_LENGTH + 1);
    upload_free(u);
}

static _unused_ struct upload *resume(struct site *s, const char *id, int64_t offset)
{
    struct upload *u = NULL;

    OK(upload_resume(s->in, id, OWNER, offset, &u, &s->err));
    assert_int_equal(upload_offset(u), offset);
    return u;
}

/* One request that brings size bytes from offset on. */
static _unused_ void patch(struct site *s, const char *id, const char *data, int64_t offset, size_t size)
{
    struct upload *u = resume(s, id, offset);

    OK(upload_write(u, data + offset, size, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
}

static _unused_ int64_t offset_of(struct site *s, const char *id)
{
    struct upload_state st = {0};
    int64_t offset;

    OK(upload_state(s->in, id, OWNER, &st, &s->err));
    offset = st.offset;
    upload_state_done(&st);
    return offset;
}

static _unused_ void finish(struct site *s, const char *id, const char *data, int64_t offset, size_t size)
{
    struct upload *u = resume(s, id, offset);
    struct upload_result r = {0};
    struct digest wanted;

    digest_of(data, size, &wanted);
    if (offset < (int64_t)size)
        OK(upload_write(u, data + offset, size - (size_t)offset, &s->err));
    OK(upload_pause(u, &s->err));
    assert_true(upload_is_whole(u));
    OK(upload_seal(u, &r, &s->err));
    upload_free(u);
    assert_true(digest_equal(&r.sha256, &wanted));
    assert_receipt(s, &r);
    upload_result_done(&r);
}

/* Waits until it is sealed by itself. */
static _unused_ void wait_sealed(struct site *s, const char *id)
{
    struct upload_state st = {0};
    bool sealed = false;

    for (int i = 0; i < 3000 && !sealed; i++) {
        int r = upload_state(s->in, id, OWNER, &st, &s->err);

        if (r != 0 && r != UPLOAD_E_BUSY)
            fail_msg("upload_state: %d: %s", r, s->err.text);
        sealed = st.sealed;
        upload_state_done(&st);
        if (!sealed)
            usleep(10000);
    }
    assert_true(sealed);
}

static _unused_ void assert_sealed_once(struct site *s, const char *data, size_t size)
{
    struct recording_id id;
    struct digest d;

    digest_of(data, size, &d);
    OK(recordings_by_digest(s->db, &d, &id, &s->err));
    assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
    assert_fsck_clean(s);
}

static _unused_ char *upload_file(struct site *s, const char *id, const char *file)
{
    static char path[800];

    snprintf(path, sizeof path, "%s/staging/%s.upload/%s", s->archive, id, file);
    return path;
}

/* As if the machine had been started again since: another boot id. */
static _unused_ void cut_power(struct site *s, const char *id)
{
    _cleanup_free_ char *text = NULL;
    char *boot;
    int fd;

    assert_int_equal(fd_read_file_at(AT_FDCWD, upload_file(s, id, "info.json"), 65536, &text, NULL), 0);
    boot = strstr(text, "\"boot\":\"");
    assert_non_null(boot);
    boot[8] = boot[8] == 'f' ? '0' : 'f';
    fd = open(upload_file(s, id, "info.json"), O_WRONLY | O_TRUNC);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
    (void)!truncate(upload_file(s, id, "boot"), 0); /* it was never synced */
}

/* As if nobody had touched it for long. Only while the site is stopped. */
static _unused_ void touched_long_ago(struct site *s, const char *id)
{
    _cleanup_free_ char *text = NULL, *changed = NULL;
    char *touched;
    int fd;

    assert_int_equal(fd_read_file_at(AT_FDCWD, upload_file(s, id, "info.json"), 65536, &text, NULL), 0);
    touched = strstr(text, "\"touched\":");
    assert_non_null(touched);
    *touched = 0;
    assert_true(asprintf(&changed, "%s\"touched\":1%s", text, strchr(touched + 1, ',')) > 0);
    fd = open(upload_file(s, id, "info.json"), O_WRONLY | O_TRUNC);
    assert_int_equal(fd_write_full(fd, changed, strlen(changed)), 0);
    close(fd);
}

static _unused_ void append_to_data(struct site *s, const char *id, const char *bytes)
{
    int fd = open(upload_file(s, id, "data"), O_WRONLY | O_APPEND);

    assert_int_equal(fd_write_full(fd, bytes, strlen(bytes)), 0);
    close(fd);
}

static _unused_ void make_part(struct site *s, const char *data, int64_t bytes, char id[ULID_LENGTH + 1])
{
    struct upload_origin o = origin(bytes);
    struct upload *u;

    OK(upload_create(s->in, &o, NULL, true, &u, &s->err));
    memcpy(id, upload_id(u), ULID_LENGTH + 1);
    OK(upload_write(u, data, (size_t)bytes, &s->err));
    OK(upload_pause(u, &s->err));
    assert_false(upload_is_whole(u));
    upload_free(u);
}

#endif
