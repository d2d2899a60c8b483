/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Uploads with a real store, ledger, catalogue and sealer behind them: what comes in is sealed once and has its receipt, what does
 * not come whole leaves nothing behind, and resumable ones go on where they were.
 */
#include "site.h"

#include <errno.h>

#include "catalogue/recordings.h"
#include "catalogue/sql.h"
#include "intake/upload.h"
#include "ledger/receipt.h"

/* ---- helpers ------------------------------------------------------------------------------------------------------------ */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_plain_is_sealed_with_its_receipt),
        site_test(test_same_bytes_get_the_first_receipt),
    };

    return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
