/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Plain uploads with a real store, ledger, catalogue and sealer behind them: what comes in is sealed once and has its receipt, what
 * does not come whole leaves nothing behind.
 */
#include "upload-site.h"

#include <sys/stat.h>

#include "intake/intake-internal.h"

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

/* Whoever sends the same bytes again must not be told that they are safe when the copy in the store is not. */
static void test_same_bytes_over_a_damaged_copy(void **state)
{
    struct site *s = *state;
    struct upload_result a = send_plain(s, "some footage"), b = {0};
    struct upload_origin o = origin(-1);
    char path[STORE_PATH_SIZE], file[STORE_PATH_SIZE + 700];
    struct upload *u;
    int fd;

    store_object_path(s->store, &a.recording, path);
    snprintf(file, sizeof file, "%s/%s/v1/content/clip.mp4", s->archive, path);
    assert_int_equal(chmod(file, 0600), 0);
    fd = open(file, O_WRONLY);
    assert_int_equal(pwrite(fd, "S", 1, 0), 1);
    close(fd);
    OK(upload_new(s->in, &o, &u, &s->err));
    OK(upload_write(u, "some footage", 12, &s->err));
    GIVES(-EUCLEAN, upload_seal(u, &b, &s->err));
    SAYS("damaged");
    upload_free(u);
    assert_staging_empty(s);
    assert_int_equal(count(s, "SELECT count(*) FROM arrivals"), 1);
    upload_result_done(&a);
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
    assert_false(intake_has_room(s->in, (uint64_t)o.bytes, &s->err)); /* drop folders see it too */
    SAYS("announced");
    upload_free(u);
    assert_true(intake_has_room(s->in, (uint64_t)o.bytes, &s->err));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_plain_is_sealed_with_its_receipt),
        site_test(test_same_bytes_get_the_first_receipt),
        site_test(test_same_bytes_over_a_damaged_copy),
        site_test(test_chunked_and_announced_wrongly),
        site_test(test_digests_are_compared),
        site_test(test_origin_reaches_the_arrival),
        site_test(test_what_is_too_much_is_refused),
        site_test(test_room_is_reserved),
    };

    return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
