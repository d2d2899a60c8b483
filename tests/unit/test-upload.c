/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Uploads with a real store, ledger, catalogue and sealer behind them: what comes in is sealed once and has its receipt, what does
 * not come whole leaves nothing behind, and resumable ones go on where they were.
 */
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
static char *large_bytes(void)
{
    static char bytes[LARGE];

    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    return bytes;
}

static void on_fsck_fault(void *userdata, int invariant, const char *object, const char *text)
{
    fail_msg("fsck: invariant %d: %s: %s", invariant, object, text);
}

static void assert_fsck_clean(struct site *s)
{
    struct fsck_options o = {.archive = s->archive, .deep = true, .on_fault = on_fsck_fault};
    struct fsck_result result;

    OK(fsck_run(&o, &result, &s->err));
}

/* announced: bytes, -1 not known */
static struct upload_origin origin(int64_t announced)
{
    return (struct upload_origin){.door = "put", .name = "clip.mp4", .owner = "user:li", .bytes = announced};
}

static int64_t count(struct site *s, const char *sql)
{
    int64_t n = -1;

    OK(sql_integer(s->db, &n, -1, &s->err, sql, ""));
    return n;
}

static json_t *show(struct site *s, const struct recording_id *id)
{
    json_t *o = NULL;

    OK(recordings_show(s->db, id, &o, &s->err));
    return o;
}

/* The receipt proves the seal of these bytes. */
static void assert_receipt(struct site *s, const struct upload_result *r)
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

static struct upload_result send_plain(struct site *s, const char *text)
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

/* ---- plain -------------------------------------------------------------------------------------------------------------- */

static void test_plain_is_sealed_with_its_receipt(void **state)
{
    struct site *s = *state;
    struct upload_result r = send_plain(s, "some footage");
    struct digest wanted;
    json_t *o = show(s, &r.recording);

    digest_of("some footage", 12, &wanted);
    assert_true(digest_equal(&r.sha256, &wanted));
    assert_false(r.again);
    assert_int_equal(r.bytes, 12);
    assert_receipt(s, &r);
    assert_string_equal(json_get_string(o, "name"), "clip.mp4");
    assert_string_equal(json_get_string(o, "door"), "put");
    assert_string_equal(json_get_string(o, "kind"), "video");
    assert_string_equal(json_get_string(json_get_object(o, "arrival"), "path"), "clip.mp4");
    assert_string_equal(json_get_string(json_get_object(o, "arrival"), "zone"), "Asia/Shanghai");
    assert_null(json_object_get(json_get_object(o, "arrival"), "mtime"));
    json_decref(o);
    upload_result_done(&r);
    assert_staging_empty(s);
}

static void test_same_bytes_get_the_first_receipt(void **state)
{
    struct site *s = *state;
    struct upload_result a = send_plain(s, "some footage"), b = send_plain(s, "some footage");

    assert_true(b.again);
    assert_string_equal(a.recording.text, b.recording.text);
    assert_int_equal(a.leaf, b.leaf);
    assert_receipt(s, &b);
    assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
    assert_int_equal(count(s, "SELECT count(*) FROM arrivals"), 2);
    assert_staging_empty(s);
    upload_result_done(&a);
    upload_result_done(&b);
}

static void test_chunked_and_announced_wrongly(void **state)
{
    struct site *s = *state;
    struct upload_origin unknown = origin(-1), short_one = origin(10), long_one = origin(3);
    struct upload_result r = {0};
    struct upload *u;

    OK(upload_new(s->in, &unknown, &u, &s->err));
    for (int i = 0; i < 1000; i++)
        OK(upload_write(u, "abc", 3, &s->err));
    OK(upload_seal(u, &r, &s->err));
    assert_int_equal(r.bytes, 3000);
    upload_result_done(&r);
    upload_free(u);

    OK(upload_new(s->in, &short_one, &u, &s->err));
    OK(upload_write(u, "abc", 3, &s->err));
    GIVES(-EPROTO, upload_seal(u, &r, &s->err));
    SAYS("3 of 10");
    upload_free(u);

    OK(upload_new(s->in, &long_one, &u, &s->err));
    GIVES(-EFBIG, upload_write(u, "abcd", 4, &s->err));
    upload_free(u);

    OK(upload_new(s->in, &unknown, &u, &s->err));
    GIVES(UPLOAD_E_EMPTY, upload_seal(u, &r, &s->err));
    upload_free(u);

    OK(upload_new(s->in, &unknown, &u, &s->err)); /* the client goes away */
    OK(upload_write(u, "abcd", 4, &s->err));
    upload_free(u);
    assert_staging_empty(s);
    assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
    assert_fsck_clean(s);
}

static void test_digests_are_compared(void **state)
{
    static const struct {
        const char *algorithm, *hex;
    } of_abc[] = {
        {"md5", "900150983cd24fb0d6963f7d28e17f72"},
        {"sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"sha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                   "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"crc32", "352441c2"},
    };
    struct site *s = *state;
    struct upload_origin o = origin(-1);
    struct upload_result r = {0};
    struct upload *u;
    char md5[33];

    for (size_t i = 0; i < ARRAY_SIZE(of_abc); i++)
        for (int good = 0; good < 2; good++) {
            uint8_t digest[64];
            size_t n = strlen(of_abc[i].hex) / 2;

            assert_int_equal(decode_hex(of_abc[i].hex, digest, n), 0);
            OK(upload_new(s->in, &o, &u, &s->err));
            OK(upload_expect(u, of_abc[i].algorithm, digest, n, &s->err));
            OK(upload_want_md5(u));
            OK(upload_write(u, good ? "a" : "b", 1, &s->err));
            OK(upload_write(u, "bc", 2, &s->err));
            GIVES(good ? 0 : UPLOAD_E_CHECKSUM, upload_seal(u, &r, &s->err));
            upload_md5(u, md5);
            if (good) {
                assert_string_equal(md5, of_abc[0].hex);
                upload_result_done(&r);
            }
            upload_free(u);
        }
    OK(upload_new(s->in, &o, &u, &s->err));
    GIVES(-EOPNOTSUPP, upload_expect(u, "md4", "0123456789abcdef", 16, &s->err));
    GIVES(-EINVAL, upload_expect(u, "md5", "0123456789abcde", 15, &s->err));
    for (int i = 0; i < 4; i++)
        OK(upload_expect(u, "md5", "0123456789abcdef", 16, &s->err));
    GIVES(-E2BIG, upload_expect(u, "md5", "0123456789abcdef", 16, &s->err));
    upload_free(u);
    assert_staging_empty(s);
    assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
}

static void test_origin_reaches_the_arrival(void **state)
{
    struct site *s = *state;
    _cleanup_json_ json_t *facts = json_pack(
        "{s:s, s:s, s:I, s:{s:s, s:f}, s:s, s:s}", "device", "GX-7", "peer", "192.0.2.7", "clock_offset",
        (json_int_t)-2500000, "sidecar", "case", "12", "lat", 41.3, "id", "forged", "door", "forged");
    _cleanup_json_ json_t *more = json_pack("{s:{s:s}}", "sidecar", "officer", "Li Wei");
    struct upload_origin o = origin(-1);
    struct upload_result r = {0};
    const json_t *arrival;
    struct upload *u;
    json_t *row;

    o.name = "../../etc/x\x01y.jpg";
    o.path = "DCIM/a b%.jpg";
    o.door = "tus";
    o.zone = "Europe/Berlin";
    o.mtime_usec = 1795000000000000;
    o.facts = facts;
    OK(upload_new(s->in, &o, &u, &s->err));
    OK(upload_write(u, "jpeg", 4, &s->err));
    OK(upload_add_facts(u, more));
    OK(upload_seal(u, &r, &s->err));
    upload_free(u);
    row = show(s, &r.recording);
    arrival = json_get_object(row, "arrival");
    assert_string_equal(json_get_string(row, "name"), "x%01y.jpg");
    assert_string_equal(json_get_string(row, "kind"), "photo");
    assert_string_equal(json_get_string(arrival, "path"), "DCIM/a b%25.jpg");
    assert_string_equal(json_get_string(arrival, "door"), "tus");
    assert_string_equal(json_get_string(arrival, "zone"), "Europe/Berlin");
    assert_string_equal(json_get_string(arrival, "device"), "GX-7");
    assert_string_equal(json_get_string(arrival, "folder"), "");
    assert_int_equal(json_get_integer(arrival, "mtime", 0), o.mtime_usec);
    assert_int_equal(json_get_integer(arrival, "bytes", 0), 4);
    assert_int_equal(json_get_integer(arrival, "clock_offset", 0), -2500000);
    assert_string_not_equal(json_get_string(arrival, "id"), "forged");
    assert_string_equal(json_get_string(json_get_object(arrival, "sidecar"), "case"), "12");
    assert_string_equal(json_get_string(json_get_object(arrival, "sidecar"), "officer"), "Li Wei");
    json_decref(row);
    upload_result_done(&r);
}

static void test_what_is_too_much_is_refused(void **state)
{
    struct site *s = *state;
    char long_name[1100];
    struct upload_origin o = origin(-1);
    _cleanup_json_ json_t *facts = json_object();
    struct upload *u;

    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    o.name = long_name;
    GIVES(-ENAMETOOLONG, upload_new(s->in, &o, &u, &s->err));
    o = origin(INT64_C(100) << 50);
    GIVES(-EFBIG, upload_new(s->in, &o, &u, &s->err));
    SAYS("uploads.max");
    o = origin(-1);
    for (int i = 0; i < 30; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(facts, key, json_string(long_name));
    }
    o.facts = facts;
    GIVES(-E2BIG, upload_new(s->in, &o, &u, &s->err));
    o.facts = NULL;
    OK(upload_new(s->in, &o, &u, &s->err));
    GIVES(-E2BIG, upload_add_facts(u, facts));
    upload_free(u);
    assert_staging_empty(s);
}

/* ---- room, pauses ------------------------------------------------------------------------------------------------------- */

static json_t *uploads_of_status(struct site *s)
{
    json_t *status = intake_status(s->in), *o = json_incref(json_get_object(status, "uploads"));

    json_decref(status);
    assert_non_null(o);
    return o;
}

static void assert_status(struct site *s, int64_t unfinished, int64_t bytes, int64_t reserved)
{
    _cleanup_json_ json_t *o = uploads_of_status(s);

    assert_int_equal(json_get_integer(o, "unfinished", -1), unfinished);
    assert_int_equal(json_get_integer(o, "bytes", -1), bytes);
    assert_int_equal(json_get_integer(o, "reserved", -1), reserved);
}

static void test_room_is_reserved(void **state)
{
    struct site *s = *state;
    uint64_t free_bytes, inodes;
    struct upload_origin o = origin(0);
    struct upload *u, *other;

    OK(store_space(s->store, &free_bytes, &inodes, &s->err));
    o.bytes = (int64_t)free_bytes;
    GIVES(-ENOSPC, upload_new(s->in, &o, &u, &s->err)); /* the settings keep a reserve */
    SAYS("disk nearly full");
    GIVES(-ENOSPC, upload_create(s->in, &o, NULL, false, &u, &s->err));
    assert_staging_empty(s);
    o.bytes = (int64_t)(free_bytes - s->settings->store.reserve_bytes) / 3 * 2;
    OK(upload_new(s->in, &o, &u, &s->err));
    OK(upload_write(u, "abc", 3, &s->err));
    {
        _cleanup_json_ json_t *status = uploads_of_status(s);
        int64_t reserved = json_get_integer(status, "reserved", 0);

        assert_in_range(reserved, o.bytes - (64 << 20), o.bytes - 3); /* some was taken ahead */
    }
    GIVES(-ENOSPC, upload_new(s->in, &o, &other, &s->err));
    upload_free(u);
    assert_status(s, 0, 0, 0);
    OK(upload_create(s->in, &o, NULL, false, &u, &s->err));
    GIVES(-ENOSPC, upload_new(s->in, &o, &other, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    assert_status(s, 1, 0, o.bytes);
    site_stop(s); /* the reservation is made again at the start */
    site_start(s);
    assert_status(s, 1, 0, o.bytes);
    GIVES(-ENOSPC, upload_new(s->in, &o, &other, &s->err));
}

/* ---- resumable ---------------------------------------------------------------------------------------------------------- */

#define OWNER "user:li"

static void create(struct site *s, int64_t bytes, char id[ULID_LENGTH + 1])
{
    struct upload_origin o = origin(bytes);
    struct upload *u;

    o.door = "tus";
    OK(upload_create(s->in, &o, "filename Y2xpcC5tcDQ=", false, &u, &s->err));
    memcpy(id, upload_id(u), ULID_LENGTH + 1);
    upload_free(u);
}

static struct upload *resume(struct site *s, const char *id, int64_t offset)
{
    struct upload *u = NULL;

    OK(upload_resume(s->in, id, OWNER, offset, &u, &s->err));
    assert_int_equal(upload_offset(u), offset);
    return u;
}

/* One request that brings size bytes from offset on. */
static void patch(struct site *s, const char *id, const char *data, int64_t offset, size_t size)
{
    struct upload *u = resume(s, id, offset);

    OK(upload_write(u, data + offset, size, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
}

static int64_t offset_of(struct site *s, const char *id)
{
    struct upload_state st = {0};
    int64_t offset;

    OK(upload_state(s->in, id, OWNER, &st, &s->err));
    offset = st.offset;
    upload_state_done(&st);
    return offset;
}

static void finish(struct site *s, const char *id, const char *data, int64_t offset, size_t size)
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
static void wait_sealed(struct site *s, const char *id)
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

static void assert_sealed_once(struct site *s, const char *data, size_t size)
{
    struct recording_id id;
    struct digest d;

    digest_of(data, size, &d);
    OK(recordings_by_digest(s->db, &d, &id, &s->err));
    assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
    assert_fsck_clean(s);
}

static void test_resumable_in_pieces(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];
    struct upload_state st = {0};
    struct upload_result r = {0};
    struct upload *u;

    create(s, LARGE, id);
    assert_int_equal(offset_of(s, id), 0);
    patch(s, id, data, 0, 1000001);
    assert_int_equal(offset_of(s, id), 1000001);
    assert_status(s, 1, 1000001, LARGE - 1000001);
    GIVES(UPLOAD_E_OFFSET, upload_resume(s->in, id, OWNER, 1000000, &u, &s->err));
    SAYS("1000001");
    GIVES(UPLOAD_E_DENIED, upload_resume(s->in, id, "user:wang", 1000001, &u, &s->err));
    GIVES(UPLOAD_E_DENIED, upload_state(s->in, id, "user:wang", &st, &s->err));
    GIVES(UPLOAD_E_DENIED, upload_end(s->in, id, "user:wang", &s->err));
    GIVES(-EAGAIN, upload_result(s->in, id, OWNER, &r, &s->err));
    GIVES(UPLOAD_E_NONE, upload_state(s->in, "01M84RD71AC1MXW62P6DYGX468", OWNER, &st, &s->err));
    GIVES(UPLOAD_E_NONE, upload_state(s->in, "../../ledger", OWNER, &st, &s->err));

    u = resume(s, id, 1000001);
    OK(upload_write(u, data + 1000001, 5, &s->err));
    upload_free(u); /* the client went away: what came is kept */
    assert_int_equal(offset_of(s, id), 1000006);
    finish(s, id, data, 1000006, LARGE);

    OK(upload_state(s->in, id, OWNER, &st, &s->err));
    assert_true(st.sealed);
    assert_int_equal(st.offset, LARGE);
    assert_int_equal(st.expires_usec, 0);
    assert_string_equal(st.metadata, "filename Y2xpcC5tcDQ=");
    upload_state_done(&st);
    GIVES(UPLOAD_E_SEALED, upload_resume(s->in, id, OWNER, LARGE, &u, &s->err));
    assert_status(s, 0, 0, 0);
    for (int start = 0; start < 2; start++) { /* the receipt can be had again, also after a restart */
        OK(upload_result(s->in, id, OWNER, &r, &s->err));
        assert_receipt(s, &r);
        assert_int_equal(r.bytes, LARGE);
        upload_result_done(&r);
        site_stop(s);
        site_start(s);
    }
    assert_sealed_once(s, data, LARGE);
    OK(upload_end(s->in, id, OWNER, &s->err));
    GIVES(UPLOAD_E_NONE, upload_state(s->in, id, OWNER, &st, &s->err));
    assert_staging_empty(s);
    assert_sealed_once(s, data, LARGE);
}

static void test_one_writer_at_a_time(void **state)
{
    struct site *s = *state;
    char id[ULID_LENGTH + 1];
    struct upload_state st = {0};
    struct upload *u, *other;

    create(s, 10, id);
    u = resume(s, id, 0);
    OK(upload_write(u, "abc", 3, &s->err));
    GIVES(UPLOAD_E_BUSY, upload_resume(s->in, id, OWNER, 0, &other, &s->err));
    GIVES(UPLOAD_E_BUSY, upload_resume(s->in, id, OWNER, 3, &other, &s->err));
    GIVES(UPLOAD_E_BUSY, upload_end(s->in, id, OWNER, &s->err));
    GIVES(UPLOAD_E_BUSY, upload_state(s->in, id, OWNER, &st, &s->err));
    assert_int_equal(st.bytes, 10);
    upload_state_done(&st);
    upload_free(u);
    OK(upload_end(s->in, id, OWNER, &s->err));
    assert_staging_empty(s);
    assert_status(s, 0, 0, 0);
}

static void test_wrong_piece_goes_back(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];
    struct digest right;
    struct upload *u;

    create(s, LARGE, id);
    patch(s, id, data, 0, 100000);
    digest_of(data + 100000, 50000, &right);
    for (int paused = 0; paused < 2; paused++) {
        u = resume(s, id, 100000);
        OK(upload_expect(u, "sha256", right.bytes, sizeof right.bytes, &s->err));
        OK(upload_write(u, data, 50000, &s->err));
        if (paused)
            GIVES(UPLOAD_E_CHECKSUM, upload_pause(u, &s->err));
        upload_free(u); /* not paused: never compared, so not kept */
        assert_int_equal(offset_of(s, id), 100000);
        assert_status(s, 1, 100000, LARGE - 100000);
    }
    u = resume(s, id, 100000);
    OK(upload_expect(u, "sha256", right.bytes, sizeof right.bytes, &s->err));
    OK(upload_write(u, data + 100000, 50000, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    finish(s, id, data, 150000, LARGE);
    assert_sealed_once(s, data, LARGE);
}

static void test_first_piece_is_compared_too(void **state)
{
    struct site *s = *state;
    char id[ULID_LENGTH + 1];
    struct digest right;
    struct upload *u;

    create(s, 6, id);
    digest_of("abc", 3, &right);
    u = resume(s, id, 0);
    OK(upload_expect(u, "sha256", right.bytes, sizeof right.bytes, &s->err));
    OK(upload_write(u, "xyz", 3, &s->err));
    GIVES(UPLOAD_E_CHECKSUM, upload_pause(u, &s->err));
    upload_free(u);
    u = resume(s, id, 0);
    OK(upload_expect(u, "sha256", right.bytes, sizeof right.bytes, &s->err));
    OK(upload_write(u, "abc", 3, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    finish(s, id, "abcdef", 3, 6);
}

static void test_length_deferred(void **state)
{
    struct site *s = *state;
    char id[ULID_LENGTH + 1];
    struct upload_state st = {0};
    struct upload *u;

    create(s, -1, id);
    patch(s, id, "abcdef", 0, 3);
    u = resume(s, id, 3);
    GIVES(-EINVAL, upload_set_bytes(u, 2, &s->err));
    GIVES(-ENOSPC, upload_set_bytes(u, INT64_C(200) << 30, &s->err));
    OK(upload_set_bytes(u, 6, &s->err));
    OK(upload_set_bytes(u, 6, &s->err));
    GIVES(-EINVAL, upload_set_bytes(u, 7, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    assert_status(s, 1, 3, 3);
    site_stop(s); /* written although no byte came with it */
    site_start(s);
    OK(upload_state(s->in, id, OWNER, &st, &s->err));
    assert_int_equal(st.bytes, 6);
    upload_state_done(&st);
    finish(s, id, "abcdef", 3, 6);
}

static void test_too_many_wait(void **state)
{
    struct site *s = *state;
    struct upload_origin o = origin(5);
    char id[ULID_LENGTH + 1];
    struct upload *u;
    uint64_t bytes;
    unsigned n;

    site_stop(s);
    site_use(s, "uploads: { waiting: 2 }\n");
    site_start(s);
    create(s, 5, id);
    create(s, 7, id);
    GIVES(-EDQUOT, upload_create(s->in, &o, NULL, false, &u, &s->err));
    SAYS("uploads.waiting");
    upload_unfinished(s->in, OWNER, &bytes, &n);
    assert_int_equal(bytes, 12);
    assert_int_equal(n, 2);
    upload_unfinished(s->in, "somebody", &bytes, &n);
    assert_int_equal(n, 0);
    assert_status(s, 2, 0, 12);
    o.owner = "user:wang";
    OK(upload_create(s->in, &o, NULL, false, &u, &s->err));
    upload_free(u);
}

/* ---- restarts and power cuts -------------------------------------------------------------------------------------------- */

static void test_restart_goes_on_at_the_exact_byte(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];

    create(s, LARGE, id);
    patch(s, id, data, 0, 777777);
    site_stop(s);
    assert_fsck_clean(s);
    site_start(s);
    assert_int_equal(offset_of(s, id), 777777);
    finish(s, id, data, 777777, LARGE);
    assert_sealed_once(s, data, LARGE);
}

static char *upload_file(struct site *s, const char *id, const char *file)
{
    static char path[800];

    snprintf(path, sizeof path, "%s/staging/%s.upload/%s", s->archive, id, file);
    return path;
}

/* As if the machine had been started again since: another boot id. */
static void cut_power(struct site *s, const char *id)
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
}

static void append_to_data(struct site *s, const char *id, const char *bytes)
{
    int fd = open(upload_file(s, id, "data"), O_WRONLY | O_APPEND);

    assert_int_equal(fd_write_full(fd, bytes, strlen(bytes)), 0);
    close(fd);
}

static void test_power_cut_goes_back_to_what_was_acknowledged(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];

    create(s, LARGE, id);
    patch(s, id, data, 0, 777777);
    for (int cut = 0; cut < 2; cut++) {
        site_stop(s);
        append_to_data(s, id, "zeroes");
        if (cut)
            cut_power(s, id);
        site_start(s);
        assert_int_equal(offset_of(s, id), cut ? 777777 : 777783);
        assert_status(s, 1, offset_of(s, id), LARGE - offset_of(s, id));
    }
    site_stop(s); /* from now on a crash of the process is one again */
    append_to_data(s, id, "");
    site_start(s);
    finish(s, id, data, 777777, LARGE);
    assert_sealed_once(s, data, LARGE);
}

static void test_checked_pieces_go_back_after_a_crash(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];
    struct digest d;
    struct upload *u;

    create(s, LARGE, id);
    u = resume(s, id, 0);
    digest_of(data, 1000, &d);
    OK(upload_expect(u, "sha256", d.bytes, sizeof d.bytes, &s->err));
    OK(upload_write(u, data, 1000, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    site_stop(s);
    append_to_data(s, id, "never compared");
    site_start(s);
    assert_int_equal(offset_of(s, id), 1000);
    finish(s, id, data, 1000, LARGE);
}

static void test_whole_one_is_sealed_by_itself(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];

    create(s, LARGE, id);
    patch(s, id, data, 0, 1000000);
    site_stop(s); /* the last bytes came, and the daemon was killed before it knew */
    for (size_t at = 1000000; at < LARGE; at += 100000) {
        int fd = open(upload_file(s, id, "data"), O_WRONLY | O_APPEND);

        assert_int_equal(fd_write_full(fd, data + at, MIN((size_t)100000, LARGE - at)), 0);
        close(fd);
    }
    site_start(s);
    wait_sealed(s, id);
    assert_sealed_once(s, data, LARGE);
}

static void test_whole_one_that_is_left_is_sealed_by_itself(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];

    create(s, LARGE, id);
    patch(s, id, data, 0, LARGE);
    wait_sealed(s, id);
    assert_sealed_once(s, data, LARGE);
}

static void test_lost_hints_are_found_again(void **state)
{
    static const char *const lost[] = {"sealed.json", "digest"};
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1];
    struct upload_state st = {0};

    create(s, LARGE, id);
    patch(s, id, data, 0, LARGE);
    wait_sealed(s, id);
    for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
        site_stop(s);
        assert_int_equal(unlink(upload_file(s, id, "sealed.json")), 0);
        if (i > 0)
            assert_int_equal(unlink(upload_file(s, id, lost[i])), 0);
        site_start(s);
        if (i == 0)
            assert_true(offset_of(s, id) == LARGE); /* by the digest and the arrival */
        else /* nothing says any more what it was: its client begins anew, and gets the first receipt */
            GIVES(UPLOAD_E_NONE, upload_state(s->in, id, OWNER, &st, &s->err));
    }
    assert_staging_empty(s);
    assert_sealed_once(s, data, LARGE);
}

static void test_damaged_while_waiting_begins_again(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), id[ULID_LENGTH + 1], hex[DIGEST_HEX_SIZE];
    struct digest d;
    int fd;

    create(s, LARGE, id);
    patch(s, id, data, 0, LARGE - 1);
    site_stop(s);
    append_to_data(s, id, "?"); /* whole by its length, but not by the digest that was noted */
    digest_of(data, LARGE, &d);
    digest_to_hex(&d, hex);
    fd = open(upload_file(s, id, "digest"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(fd_write_full(fd, hex, strlen(hex)), 0);
    close(fd);
    site_start(s);
    for (int i = 0; i < 1000; i++) {
        struct upload_state st = {0};
        int r = upload_state(s->in, id, OWNER, &st, &s->err);
        int64_t offset = st.offset;

        upload_state_done(&st);
        if (r == 0 && offset == 0)
            break;
        usleep(10000);
    }
    finish(s, id, data, 0, LARGE);
    assert_sealed_once(s, data, LARGE);
}

static void test_unreadable_info_goes_to_quarantine(void **state)
{
    struct site *s = *state;
    char id[ULID_LENGTH + 1];
    int fd;

    create(s, 10, id);
    patch(s, id, "abcdefghij", 0, 3);
    site_stop(s);
    fd = open(upload_file(s, id, "info.json"), O_WRONLY | O_TRUNC);
    assert_int_equal(fd_write_full(fd, "{\"version\":1", 12), 0);
    close(fd);
    site_start(s);
    assert_staging_empty(s);
    assert_int_equal(count(s, "SELECT count(*) FROM acts WHERE kind = 'item.quarantined'"), 1);
    assert_fsck_clean(s);
}

static void test_expired_ones_go(void **state)
{
    struct site *s = *state;
    char names[4096], id[ULID_LENGTH + 1];
    struct upload_state st = {0};

    create(s, 10, id);
    patch(s, id, "abcdefghij", 0, 3);
    OK(upload_state(s->in, id, OWNER, &st, &s->err));
    assert_true(st.expires_usec > clock_now_usec());
    assert_true(st.expires_usec <= clock_now_usec() + s->settings->uploads.expire_usec);
    upload_state_done(&st);
    site_stop(s);
    /* as if it had been touched long ago */
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
    site_start(s);
    GIVES(UPLOAD_E_NONE, upload_state(s->in, id, OWNER, &st, &s->err));
    for (int i = 0; i < 1000 && staging_entries(s, names, sizeof names); i++)
        usleep(10000);
    assert_staging_empty(s);
    assert_status(s, 0, 0, 0);
}

/* ---- concatenation ------------------------------------------------------------------------------------------------------ */

static void make_part(struct site *s, const char *data, int64_t bytes, char id[ULID_LENGTH + 1])
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

static void test_parts_are_put_together(void **state)
{
    struct site *s = *state;
    char *data = large_bytes(), a[ULID_LENGTH + 1], b[ULID_LENGTH + 1], id[ULID_LENGTH + 1], names[4096];
    const char *const ids[] = {a, b}, *const twice[] = {a, a},
                      *const unknown[] = {a, "01M84RD71AC1MXW62P6DYGX468"};
    struct upload_origin o = origin(-1);
    struct upload_result r = {0};
    struct upload_state st = {0};
    struct digest wanted;
    struct upload *u;

    make_part(s, data, 1000001, a);
    make_part(s, data + 1000001, LARGE - 1000001, b);
    OK(upload_state(s->in, a, OWNER, &st, &s->err));
    assert_true(st.partial && !st.sealed);
    upload_state_done(&st);
    GIVES(UPLOAD_E_NONE, upload_concat(s->in, &o, NULL, NULL, unknown, 2, &u, &s->err));
    GIVES(UPLOAD_E_BUSY, upload_concat(s->in, &o, NULL, NULL, twice, 2, &u, &s->err));
    GIVES(-EINVAL, upload_concat(s->in, &o, NULL, NULL, ids, 0, &u, &s->err));
    o.owner = "user:wang";
    GIVES(UPLOAD_E_DENIED, upload_concat(s->in, &o, NULL, NULL, ids, 2, &u, &s->err));
    o.owner = OWNER;
    create(s, 3, id);
    {
        const char *const whole[] = {id};

        GIVES(-EINVAL, upload_concat(s->in, &o, NULL, NULL, whole, 1, &u, &s->err));
        OK(upload_end(s->in, id, OWNER, &s->err));
    }
    OK(upload_concat(s->in, &o, "meta", "final;/tus/a /tus/b", ids, 2, &u, &s->err));
    assert_true(upload_is_whole(u));
    memcpy(id, upload_id(u), sizeof id);
    OK(upload_seal(u, &r, &s->err));
    upload_free(u);
    digest_of(data, LARGE, &wanted);
    assert_true(digest_equal(&r.sha256, &wanted));
    assert_receipt(s, &r);
    upload_result_done(&r);
    for (int i = 0; i < 1000 && staging_entries(s, names, sizeof names) > 1; i++)
        usleep(10000);
    GIVES(UPLOAD_E_NONE, upload_state(s->in, a, OWNER, &st, &s->err)); /* the parts have gone */
    OK(upload_state(s->in, id, OWNER, &st, &s->err));
    assert_true(st.final && st.sealed);
    assert_string_equal(st.concat, "final;/tus/a /tus/b");
    assert_string_equal(st.metadata, "meta");
    upload_state_done(&st);
    OK(upload_end(s->in, id, OWNER, &s->err));
    assert_staging_empty(s);
    assert_sealed_once(s, data, LARGE);
}

static void test_empty_and_unfinished_parts(void **state)
{
    struct site *s = *state;
    char a[ULID_LENGTH + 1], b[ULID_LENGTH + 1];
    const char *const ids[] = {a, b};
    struct upload_origin o = origin(5);
    struct upload_result r = {0};
    struct upload *u;

    make_part(s, "abc", 3, a);
    OK(upload_create(s->in, &o, NULL, true, &u, &s->err));
    memcpy(b, upload_id(u), sizeof b);
    OK(upload_write(u, "de", 2, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    o.bytes = -1;
    GIVES(UPLOAD_E_OFFSET, upload_concat(s->in, &o, NULL, NULL, ids, 2, &u, &s->err));
    SAYS("not whole");
    u = resume(s, b, 2); /* nothing is held any more */
    OK(upload_write(u, "fgh", 3, &s->err));
    OK(upload_pause(u, &s->err));
    upload_free(u);
    OK(upload_concat(s->in, &o, NULL, NULL, ids, 2, &u, &s->err));
    OK(upload_seal(u, &r, &s->err));
    assert_int_equal(r.bytes, 8);
    upload_result_done(&r);
    upload_free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_plain_is_sealed_with_its_receipt),
        site_test(test_same_bytes_get_the_first_receipt),
        site_test(test_chunked_and_announced_wrongly),
        site_test(test_digests_are_compared),
        site_test(test_origin_reaches_the_arrival),
        site_test(test_what_is_too_much_is_refused),
        site_test(test_room_is_reserved),
        site_test(test_resumable_in_pieces),
        site_test(test_one_writer_at_a_time),
        site_test(test_wrong_piece_goes_back),
        site_test(test_first_piece_is_compared_too),
        site_test(test_length_deferred),
        site_test(test_too_many_wait),
        site_test(test_restart_goes_on_at_the_exact_byte),
        site_test(test_power_cut_goes_back_to_what_was_acknowledged),
        site_test(test_checked_pieces_go_back_after_a_crash),
        site_test(test_whole_one_is_sealed_by_itself),
        site_test(test_whole_one_that_is_left_is_sealed_by_itself),
        site_test(test_lost_hints_are_found_again),
        site_test(test_damaged_while_waiting_begins_again),
        site_test(test_unreadable_info_goes_to_quarantine),
        site_test(test_expired_ones_go),
        site_test(test_parts_are_put_together),
        site_test(test_empty_and_unfinished_parts),
    };

    return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
