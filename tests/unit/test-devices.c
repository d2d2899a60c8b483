/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Devices: registering and changing them, whom they are assigned to, tokens and certificates, and what arrivals say of them; on both
 * engines, and a catalogue of the version before them.
 */
#include "cases-fixture.h"

#include "base/encode.h"
#include "cases/devices.h"

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* One change in a job of its own. */
struct doing {
    struct world *w;
    const char *a, *b, *c, *d;
    struct device_input in;
    int64_t expires;
    char id[ULID_LENGTH + 1], token[DEVICE_TOKEN_SIZE];
    int (*what)(struct txn *t, const struct device_context *c, struct doing *x, struct error *err);
};

static int run_doing(struct txn *t, void *userdata, struct error *err)
{
    struct doing *x = userdata;
    struct device_context c = {"user:test", x->w->settings->site.zone};

    return x->what(t, &c, x, err);
}

static int carry_out(struct doing *x)
{
    error_clear(&x->w->err);
    return writer_run(x->w->writer, false, run_doing, x, &x->w->err);
}

static int do_add(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_add(t, c, &x->in, x->id, err);
}

static int do_set(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_set(t, c, x->a, &x->in, err);
}

static int do_assign(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_assign(t, c, x->a, x->b, x->c, x->d, err);
}

static int do_unassign(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_unassign(t, c, x->a, x->b, err);
}

static int do_token(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_token_add(t, c, x->a, x->b, x->c, x->id, x->token, err);
}

static int do_certificate(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_certificate_add(t, c, x->a, x->b, x->c, x->expires, x->id, err);
}

static int do_revoke(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_key_revoke(t, c, x->a, x->b, x->c, err);
}

static int do_retire(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_retire(t, c, x->a, x->b, err);
}

static int do_return(struct txn *t, const struct device_context *c, struct doing *x, struct error *err)
{
    return device_return(t, c, x->a, err);
}

#define DO(...) carry_out(&(struct doing){.w = w, __VA_ARGS__})
#define ADD(serial_, ...)                                                                                    \
    carry_out(&(struct doing){.w = w, .what = do_add, .in = {.serial = (serial_), ##__VA_ARGS__}})
#define SET(text_, ...) carry_out(&(struct doing){.w = w, .what = do_set, .a = (text_), .in = {__VA_ARGS__}})
#define ASSIGN(text_, officer_, from_, until_)                                                               \
    DO(.what = do_assign, .a = (text_), .b = (officer_), .c = (from_), .d = (until_))

static json_t *seen(struct world *w, const char *serial)
{
    struct device_row row;
    json_t *o = NULL;

    OK(device_resolve(w->db, serial, &row, &w->err));
    OK(device_show(w->db, row.id, clock_now_usec(), &o, &w->err));
    return o;
}

static void test_add_and_set(void **state)
{
    struct world *w = take(state);
    struct device d;

    OK(ADD("CAM-1", .name = "张三的记录仪", .unit = "一大队", .zone = "Asia/Shanghai", .quota = "20 GiB",
           .rate = "600"));
    OK(ADD("dock 7", .kind = "dock"));
    GIVES(ACT_E_REFUSED, ADD("CAM-1"));
    SAYS("registered already");
    OK(device_by_serial(w->db, "CAM-1", clock_now_usec(), &d, &w->err));
    assert_string_equal(d.name, "张三的记录仪");
    assert_string_equal(d.kind, "camera");
    assert_int_equal(d.quota_bytes, INT64_C(20) << 30);
    assert_int_equal(d.rate_requests, 600);
    OK(SET("CAM-1", .name = "", .quota = "", .kind = "phone"));
    OK(device_by_serial(w->db, "CAM-1", clock_now_usec(), &d, &w->err));
    assert_string_equal(d.name, "");
    assert_string_equal(d.unit, "一大队");
    assert_string_equal(d.kind, "phone");
    assert_int_equal(d.quota_bytes, 0);
    assert_int_equal(d.rate_requests, 600);
    GIVES(DEVICES_E_NONE, device_by_serial(w->db, "CAM-2", clock_now_usec(), &d, &w->err));
    GIVES(DEVICES_E_NONE, device_by_serial(w->db, "CAM\xff", clock_now_usec(), &d, &w->err));
    GIVES(DEVICES_E_NONE, SET("nobody", .name = "x"));
    GIVES(DEVICES_E_INPUT, SET("CAM-1", .name = NULL));
    SAYS("nothing to change");
    GIVES(DEVICES_E_INPUT, SET("CAM-1", .serial = "CAM-2"));
    SAYS("never changed");
}

static void test_bad_input(void **state)
{
    static const char *const serials[] = {"",          "../x", "a/b", ".hidden", "-rf",      "a\nb", "a\x7f",
                                          "a\xc2\x85", "a\"b", "a:b", "cam ",    "\xff\xfe", NULL};
    struct world *w = take(state);
    char long_text[DEVICE_TEXT + 1];

    memset(long_text, 'x', DEVICE_TEXT);
    long_text[DEVICE_TEXT] = 0;
    for (const char *const *s = serials; *s; s++)
        GIVES(DEVICES_E_INPUT, ADD(*s));
    GIVES(DEVICES_E_INPUT, ADD(NULL));
    GIVES(DEVICES_E_INPUT, ADD(long_text));
    GIVES(DEVICES_E_INPUT, ADD("a", .name = long_text));
    GIVES(DEVICES_E_INPUT, ADD("a", .unit = "x\ny"));
    GIVES(DEVICES_E_INPUT, ADD("a", .kind = "drone"));
    SAYS("camera, dock");
    GIVES(DEVICES_E_INPUT, ADD("a", .kind = ""));
    GIVES(DEVICES_E_INPUT, ADD("a", .zone = "Asia/Nowhere"));
    SAYS("IANA");
    GIVES(DEVICES_E_INPUT, ADD("a", .zone = "../../etc/passwd"));
    GIVES(DEVICES_E_INPUT, ADD("a", .quota = "many"));
    SAYS("is not a size");
    GIVES(DEVICES_E_INPUT, ADD("a", .quota = "-1 GiB"));
    GIVES(DEVICES_E_INPUT, ADD("a", .rate = "1.5"));
    GIVES(DEVICES_E_INPUT, ADD("a", .rate = "10000000"));
    assert_int_equal(count(w, "SELECT count(*) FROM devices"), 0);
    OK(ADD("'; DROP TABLE devices; --"));
    assert_int_equal(count(w, "SELECT count(*) FROM devices"), 1);
}

static void officer_is(struct world *w, const char *serial, const char *when, const char *wanted)
{
    char officer[DEVICE_TEXT] = "untouched";

    OK(device_officer_at(w->db, serial, usec_of(when), officer, &w->err));
    assert_string_equal(officer, wanted);
}

static void test_assignments(void **state)
{
    struct world *w = take(state);

    OK(ADD("CAM-1"));
    OK(ADD("CAM-2"));
    OK(ASSIGN("CAM-1", "li", "2026-01-01", NULL));
    OK(ASSIGN("CAM-1", "王五", "2026-02-01 08:00", "2026-02-28"));
    OK(ASSIGN("CAM-1", "zhao", "2026-03-10", NULL));
    officer_is(w, "CAM-1", "2025-12-31T15:59:59Z", "");
    officer_is(w, "CAM-1", "2025-12-31T16:00:00Z", "li");
    officer_is(w, "CAM-1", "2026-01-31T23:59:59Z", "li");
    officer_is(w, "CAM-1", "2026-02-01T00:00:00Z", "王五");
    officer_is(w, "CAM-1", "2026-02-28T15:59:59Z", "王五"); /* the whole last day, in Shanghai */
    officer_is(w, "CAM-1", "2026-02-28T16:00:00Z", "");
    officer_is(w, "CAM-1", "2030-01-01T00:00:00Z", "zhao");
    officer_is(w, "CAM-2", "2026-01-15T00:00:00Z", "");
    officer_is(w, "CAM-3", "2026-01-15T00:00:00Z", "");
    GIVES(ACT_E_REFUSED, ASSIGN("CAM-1", "qian", "2026-02-10", "2026-02-12"));
    SAYS("王五");
    GIVES(ACT_E_REFUSED, ASSIGN("CAM-1", "qian", "2025-06-01", NULL));
    GIVES(ACT_E_REFUSED, ASSIGN("CAM-1", "qian", "2026-03-10", NULL)); /* from the same instant */
    OK(ASSIGN("CAM-1", "qian", "2026-03-01", "2026-03-02"));           /* where nobody had it */
    OK(ASSIGN("CAM-1", "", "2026-04-01", NULL));
    officer_is(w, "CAM-1", "2026-03-31T15:00:00Z", "zhao");
    officer_is(w, "CAM-1", "2026-04-02T00:00:00Z", "");
    OK(DO(.what = do_unassign, .a = "CAM-1", .b = "2026-02-01 08:00"));
    officer_is(w, "CAM-1", "2026-02-10T00:00:00Z", "");
    GIVES(ACT_E_REFUSED, DO(.what = do_unassign, .a = "CAM-1", .b = "2026-02-01 08:00"));
    GIVES(DEVICES_E_INPUT, DO(.what = do_unassign, .a = "CAM-1"));
    GIVES(DEVICES_E_INPUT, ASSIGN("CAM-1", "li", "2027-01-02", "2027-01-01"));
    GIVES(DEVICES_E_INPUT, ASSIGN("CAM-1", "li", "yesterday", NULL));
    GIVES(DEVICES_E_INPUT, ASSIGN("CAM-1", "", "2027-01-02", "2027-02-01"));
    GIVES(DEVICES_E_INPUT, ASSIGN("CAM-1", "l\ni", NULL, NULL));
    GIVES(DEVICES_E_NONE, ASSIGN("CAM-9", "li", NULL, NULL));
}

/* A new token of CAM-1. */
static struct doing token_of(struct world *w, const char *expires)
{
    struct doing x = {.w = w, .what = do_token, .a = "CAM-1", .b = "label", .c = expires};

    OK(carry_out(&x));
    return x;
}

static void test_tokens(void **state)
{
    struct world *w = take(state);
    int64_t now = clock_now_usec();
    struct device d = {.id = ""};
    struct doing x, y;

    OK(ADD("CAM-1", .unit = "u"));
    x = token_of(w, NULL);
    y = token_of(w, "2035-01-01");
    assert_int_equal(strlen(x.token), DEVICE_TOKEN_SIZE - 1);
    assert_int_equal(strncmp(x.token, "lh_", 3), 0);
    assert_string_not_equal(x.token + 30, y.token + 30);
    OK(device_by_token(w->db, x.token, now, &d, &w->err));
    assert_string_equal(d.serial, "CAM-1");
    assert_string_equal(d.unit, "u");
    assert_string_equal(d.key, x.id);
    OK(device_by_token(w->db, y.token, now, &d, &w->err));
    GIVES(DEVICES_E_REVOKED, device_by_token(w->db, y.token, usec_of("2035-01-01T16:00:01Z"), &d, &w->err));
    SAYS("expired");
    memset(&d, 0, sizeof d);
    OK(DO(.what = do_revoke, .a = "CAM-1", .b = x.id, .c = "lost"));
    GIVES(DEVICES_E_REVOKED, device_by_token(w->db, x.token, now, &d, &w->err));
    SAYS("revoked");
    assert_string_equal(d.serial, "CAM-1"); /* for the alarm */
    GIVES(ACT_E_REFUSED, DO(.what = do_revoke, .a = "CAM-1", .b = x.id));
    GIVES(DEVICES_E_NONE, DO(.what = do_revoke, .a = "CAM-1", .b = "nonsense"));
    GIVES(DEVICES_E_NONE, DO(.what = do_revoke, .a = "CAM-1"));
    OK(ADD("CAM-2"));
    GIVES(DEVICES_E_NONE, DO(.what = do_revoke, .a = "CAM-2", .b = y.id)); /* another device's */
    OK(DO(.what = do_retire, .a = "CAM-1", .b = "broken"));
    GIVES(DEVICES_E_RETIRED, device_by_token(w->db, y.token, now, &d, &w->err));
    assert_string_equal(d.serial, "CAM-1");
    GIVES(ACT_E_REFUSED, DO(.what = do_retire, .a = "CAM-1"));
    GIVES(ACT_E_REFUSED, DO(.what = do_token, .a = "CAM-1"));
    OK(DO(.what = do_return, .a = "CAM-1"));
    OK(device_by_token(w->db, y.token, now, &d, &w->err));
    GIVES(ACT_E_REFUSED, DO(.what = do_return, .a = "CAM-1"));
    GIVES(DEVICES_E_INPUT, DO(.what = do_token, .a = "CAM-1", .c = "2020-01-01"));
    SAYS("passed");
}

static void test_wrong_tokens(void **state)
{
    struct world *w = take(state);
    struct device d = {.id = "untouched"};
    struct doing x, y;
    char wrong[200];

    OK(ADD("CAM-1"));
    x = token_of(w, NULL);
    y = token_of(w, NULL);
    for (size_t i = 0; x.token[i]; i++) { /* each character counts */
        strcpy(wrong, x.token);
        wrong[i] = wrong[i] == 'a' ? 'b' : 'a';
        GIVES(DEVICES_E_UNKNOWN, device_by_token(w->db, wrong, clock_now_usec(), &d, &w->err));
    }
    snprintf(wrong, sizeof wrong, "%.30s%s", x.token, y.token + 30); /* one's id, the other's secret */
    GIVES(DEVICES_E_UNKNOWN, device_by_token(w->db, wrong, clock_now_usec(), &d, &w->err));
    snprintf(wrong, sizeof wrong, "%s ", x.token);
    GIVES(DEVICES_E_UNKNOWN, device_by_token(w->db, wrong, clock_now_usec(), &d, &w->err));
    GIVES(DEVICES_E_UNKNOWN, device_by_token(w->db, "", clock_now_usec(), &d, &w->err));
    GIVES(DEVICES_E_UNKNOWN, device_by_token(w->db, "lh_", clock_now_usec(), &d, &w->err));
    GIVES(DEVICES_E_UNKNOWN, device_by_token(w->db, "' OR 1=1 --", clock_now_usec(), &d, &w->err));
    assert_string_equal(d.id, "untouched");
}

static void test_secrets_stay_secret(void **state)
{
    struct world *w = take(state);
    _cleanup_json_ json_t *o = NULL;
    _cleanup_free_ char *text = NULL;
    char path[200], command[600];
    struct doing x;

    OK(ADD("CAM-1"));
    x = token_of(w, NULL);
    o = seen(w, "CAM-1");
    assert_int_equal(json_canonical(o, &text), 0);
    assert_null(strstr(text, x.token + 30));
    assert_null(strstr(text, "digest"));
    assert_non_null(strstr(text, x.id));
    snprintf(path, sizeof path, "%s", w->folder);
    snprintf(command, sizeof command, "grep -rq %s %s", x.token + 30, path);
    assert_int_not_equal(system(command), 0); /* neither in the catalogue nor in the ledger */
    snprintf(command, sizeof command, "grep -rq CAM-1 %s", path);
    assert_int_equal(system(command), 0);
}

static void test_certificates(void **state)
{
    struct world *w = take(state);
    struct device d;
    int64_t now = clock_now_usec();

    OK(ADD("CAM-1"));
    OK(ADD("CAM-2"));
    OK(DO(.what = do_certificate, .a = "CAM-1", .b = FINGERPRINT, .expires = now + USEC_PER_DAY));
    OK(device_by_certificate(w->db, FINGERPRINT, now, &d, &w->err));
    assert_string_equal(d.serial, "CAM-1");
    GIVES(DEVICES_E_REVOKED, device_by_certificate(w->db, FINGERPRINT, now + USEC_PER_DAY, &d, &w->err));
    GIVES(ACT_E_REFUSED, DO(.what = do_certificate, .a = "CAM-2", .b = FINGERPRINT, .expires = INT64_MAX));
    GIVES(DEVICES_E_UNKNOWN, device_by_certificate(w->db, FINGERPRINT "00", now, &d, &w->err));
    GIVES(DEVICES_E_UNKNOWN, device_by_certificate(w->db, "", now, &d, &w->err));
    GIVES(DEVICES_E_UNKNOWN,
          device_by_certificate(w->db, "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                                now, &d, &w->err));
    GIVES(DEVICES_E_INPUT, DO(.what = do_certificate, .a = "CAM-2", .b = "00:11", .expires = INT64_MAX));
    GIVES(DEVICES_E_INPUT, DO(.what = do_certificate, .a = "CAM-2", .b = NULL, .expires = INT64_MAX));
    OK(DO(.what = do_certificate, .a = "CAM-2",
          .b = "FF:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:"
               "EE:FF",
          .expires = INT64_MAX));
    OK(device_by_certificate(w->db, "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", now,
                             &d, &w->err));
    assert_string_equal(d.serial, "CAM-2");
}

static void test_facts(void **state)
{
    struct device d = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV", .serial = "CAM-1", .officer = "li"};
    _cleanup_json_ json_t *a = device_facts(&d, INT64_MIN), *b = NULL;
    _cleanup_free_ char *text = NULL, *more = NULL;

    assert_int_equal(json_canonical(a, &text), 0);
    assert_string_equal(text,
                        "{\"device\":\"CAM-1\",\"device_id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"own\":true}");
    strcpy(d.kind, "dock");
    strcpy(d.unit, "u");
    strcpy(d.zone, "UTC");
    b = device_facts(&d, -5);
    assert_int_equal(json_canonical(b, &more), 0);
    assert_string_equal(more, "{\"clock_offset\":-5,\"device\":\"CAM-1\",\"device_id\":"
                              "\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"unit\":\"u\",\"zone\":\"UTC\"}");
}

/* An arrival as a door makes it: by device_id, or as a drop folder does: by the serial alone. */
static json_t *arrival_from(const char *id, const char *serial, int64_t offset)
{
    json_t *a = arrival_of(serial);

    json_set_string(a, "device", serial);
    json_set_string(a, "device_id", id);
    if (offset != INT64_MIN)
        json_set_integer(a, "clock_offset", offset);
    return a;
}

static void test_arrivals(void **state)
{
    struct world *w = take(state);
    struct doing x = {.w = w, .what = do_add, .in = {.serial = "CAM-1"}};
    int64_t now = clock_now_usec();
    struct recording_id id;
    struct device_row row;

    OK(carry_out(&x));
    OK(ADD("CAM-2"));
    id = seal_as(w, arrival_from(x.id, "CAM-1", 42), "video", now);
    OK(device_row_by_serial(w->db, "CAM-1", &row, &w->err));
    assert_int_equal(row.arrivals, 1);
    assert_int_equal(row.last_arrival_usec, now);
    assert_int_equal(row.clock_offset_usec, 42);
    assert_int_equal(row.clock_usec, now);
    OK(act(w, "recording.arrived-again", id.text, now + 5,
           json_pack("{s:o}", "arrival", arrival_from(x.id, "CAM-1", INT64_MIN))));
    OK(device_row_by_serial(w->db, "CAM-1", &row, &w->err));
    assert_int_equal(row.arrivals, 2);
    assert_int_equal(row.last_arrival_usec, now + 5);
    assert_int_equal(row.clock_offset_usec, 42); /* the last one that was measured */
    assert_int_equal(row.clock_usec, now);
    seal_as(w, arrival_from(NULL, "CAM-2", 7), "video", now);
    OK(device_row_by_serial(w->db, "CAM-2", &row, &w->err));
    assert_int_equal(row.arrivals, 1);
    assert_int_equal(row.clock_usec, 0);
    seal_as(w, arrival_from("01ARZ3NDEKTSV4RRFFQ69G5FAV", "CAM-2", 7), "video", now); /* no such device */
    OK(device_row_by_serial(w->db, "CAM-2", &row, &w->err));
    assert_int_equal(row.arrivals, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_add_and_set),  BOTH(test_bad_input),         BOTH(test_assignments),
        BOTH(test_tokens),       BOTH(test_wrong_tokens),      SQLITE(test_secrets_stay_secret),
        BOTH(test_certificates), cmocka_unit_test(test_facts), BOTH(test_arrivals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
