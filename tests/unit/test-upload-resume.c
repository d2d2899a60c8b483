/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Resumable uploads: in pieces, over restarts and power cuts, with digests of pieces, put together from parts, expired.
 */
#include "upload-site.h"

/* ---- resumable ---------------------------------------------------------------------------------------------------------- */

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
    touched_long_ago(s, id); /* what is whole does not expire: it waits for us, not for its sender */
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
    touched_long_ago(s, id);
    site_start(s);
    GIVES(UPLOAD_E_NONE, upload_state(s->in, id, OWNER, &st, &s->err));
    for (int i = 0; i < 1000 && staging_entries(s, names, sizeof names); i++)
        usleep(10000);
    assert_staging_empty(s);
    assert_status(s, 0, 0, 0);
}

/* ---- concatenation ------------------------------------------------------------------------------------------------------ */

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
    for (int start = 0; start < 2; start++) { /* asked for again, although the parts are gone */
        OK(upload_concat(s->in, &o, "meta", "final;/tus/a /tus/b", ids, 2, &u, &s->err));
        assert_string_equal(upload_id(u), id);
        assert_true(upload_is_whole(u));
        GIVES(-EFBIG, upload_write(u, "x", 1, &s->err));
        if (start)
            OK(upload_pause(u, &s->err));
        OK(upload_seal(u, &r, &s->err));
        assert_receipt(s, &r);
        upload_result_done(&r);
        upload_free(u);
        site_stop(s);
        site_start(s);
    }
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

    return cmocka_run_group_tests_name("upload-resume", tests, NULL, NULL);
}
