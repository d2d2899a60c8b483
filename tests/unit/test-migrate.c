/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A catalogue of the first version, with data, is brought up to the version of today by opening it: nothing in it changes, and what came
 * later works. On both engines, from the very SQL that was the first version.
 */
#include "db-fixture.h"

#include <errno.h>

#include "base/ulid.h"
#include "catalogue/act.h"
#include "catalogue/device-rows.h"
#include "catalogue/schema.h"
#include "catalogue/sql.h"

extern const char catalogue_schema_001[]; /* catalogue/schema.c */

static const char recording[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV", device[] = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

/* Version 1 with a recording that a drop folder's device brought, a case and a link. */
static void fill_version_1(struct fixture *f)
{
    static const char *const rows[] = {"INSERT INTO meta (name, value) VALUES ('schema', '1')",
                                       "INSERT INTO meta (name, value) VALUES ('other', 'stays')",
                                       "INSERT INTO cases (id, leaf, number, number_key, procedure, state, "
                                       "opened_usec) VALUES ('01CASE', 1, 'n', "
                                       "'n', 'none', 'open', 5)",
                                       "INSERT INTO acts (idx, time_usec, kind, actor, subject) VALUES (1, "
                                       "5, 'case.added', 'user:li', '01CASE')",
                                       "INSERT INTO pending_leaves (idx, entry) VALUES (7, 'leaf')"};

    OK(db_script(f->db, catalogue_schema_001, &f->err));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        OK(run(f, rows[i]));
    OK(sql_run(
        f->db, &f->err,
        "INSERT INTO recordings (id, leaf, digest, size_bytes, name, content_name, kind, door, "
        "received_usec, "
        "status, device, sort_usec, links, holds, held) VALUES ($1, 2, $2, 10, 'a', 'a', 'video', 'drop', 9, "
        "'ok', 'CAM-1', 9, 1, 0, 0)",
        "tb", recording, "0123456789abcdef0123456789abcdef", (size_t)32));
    OK(sql_run(f->db, &f->err,
               "INSERT INTO links (recording, case_id, role, sort_usec, leaf) VALUES ($1, '01CASE', "
               "'evidence', 9, 3)",
               "t", recording));
}

static int apply(struct fixture *f, uint64_t index, const char *kind, const char *subject, json_t *facts)
{
    struct act act = {kind, 100, "user:li", "node", subject, facts};
    int r = act_apply(f->db, index, &act, &f->err);

    json_decref(facts);
    return r;
}

static void test_from_version_1(void **state)
{
    struct fixture *f = take(state);
    _cleanup_free_ char *version = NULL, *other = NULL;
    struct device_row row;
    char now[16];

    fill_version_1(f);
    f->db = db_close(f->db);
    GIVES(-EPROTO, catalogue_open(f->dsn, DB_READ, &f->db, &f->err)); /* readers do not migrate */
    OK(catalogue_open(f->dsn, DB_WRITE, &f->db, &f->err));
    OK(catalogue_meta_get(f->db, "schema", &version, &f->err));
    snprintf(now, sizeof now, "%d", SCHEMA_VERSION);
    assert_string_equal(version, now);
    OK(catalogue_meta_get(f->db, "other", &other, &f->err));
    assert_string_equal(other, "stays");
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM recordings WHERE device = 'CAM-1' AND links = 1"),
                     1);
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM links"), 1);
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM acts"), 1);
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM pending_leaves"), 1);
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM devices"), 0);

    OK(apply(f, 8, "device.added", device, json_pack("{s:s, s:s}", "serial", "CAM-1", "kind", "camera")));
    OK(apply(f, 9, "recording.arrived-again", recording,
             json_pack("{s:{s:s, s:s, s:s}}", "arrival", "door", "drop", "path", "a", "device", "CAM-1")));
    OK(device_row_by_serial(f->db, "CAM-1", &row, &f->err));
    assert_int_equal(row.arrivals, 1); /* what came before it was registered does not count */
    f->db = db_close(f->db);
    OK(catalogue_open(f->dsn, DB_WRITE, &f->db, &f->err)); /* and once more: nothing to do */
    OK(device_row_by_serial(f->db, "CAM-1", &row, &f->err));
}

/* A migration that fails leaves version 1 as it was. */
static void test_failure_changes_nothing(void **state)
{
    struct fixture *f = take(state);
    _cleanup_free_ char *version = NULL;
    struct db *db = NULL;

    fill_version_1(f);
    OK(run(f, "CREATE TABLE device_keys (id BIGINT)")); /* in the way of version 2 */
    f->db = db_close(f->db);
    assert_int_not_equal(catalogue_open(f->dsn, DB_WRITE, &db, &f->err), 0);
    assert_null(db);
    OK(db_open(f->dsn, DB_WRITE, &f->db, &f->err));
    OK(catalogue_meta_get(f->db, "schema", &version, &f->err));
    assert_string_equal(version, "1");
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM recordings"), 1);
    assert_int_not_equal(run(f, "SELECT count(*) FROM devices"), 0);
}

/* Constraints of version 2: what no act may write. */
static void test_constraints(void **state)
{
    static const struct {
        const char *kind, *facts;
    } bad[] = {
        {"device.added", "{\"kind\":\"drone\",\"serial\":\"x\"}"},
        {"device.added", "{\"kind\":\"camera\",\"serial\":\"\"}"},
        {"device.added", "{\"kind\":\"camera\"}"},
        {"device.added", "{\"kind\":\"camera\",\"serial\":\"CAM-1\"}"}, /* there already */
        {"device.added", "{\"kind\":\"camera\",\"quota\":-1,\"serial\":\"x\"}"},
        {"device.set", "{\"kind\":\"drone\"}"},
        {"device.assigned", "{\"from\":5,\"officer\":\"li\",\"until\":5}"},
        {"device.assigned", "{\"from\":15,\"officer\":\"li\",\"until\":25}"}, /* overlaps */
        {"device.unassigned", "{\"from\":11}"},
        {"device.key-added", "{\"key\":\"x\",\"kind\":\"token\"}"},
        {"device.key-added", "{\"digest\":\"00\",\"key\":\"01BX5ZZKBKACTAV9WEVGEMMVRZ\",\"kind\":\"token\"}"},
        {"device.key-revoked", "{\"key\":\"01BX5ZZKBKACTAV9WEVGEMMVRZ\"}"},
        {"device.returned", "{}"},
    };
    struct fixture *f = take(state);

    f->db = db_close(f->db);
    OK(catalogue_open(f->dsn, DB_WRITE, &f->db, &f->err));
    OK(apply(f, 1, "device.added", device, json_pack("{s:s, s:s}", "serial", "CAM-1", "kind", "camera")));
    OK(apply(f, 2, "device.assigned", device,
             json_pack("{s:s, s:i, s:i}", "officer", "li", "from", 10, "until", 20)));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *subject = strcmp(bad[i].kind, "device.added") == 0 ? recording : device;
        json_t *facts = json_loads(bad[i].facts, 0, NULL);
        int r;

        OK(db_begin(f->db, &f->err));
        error_clear(&f->err);
        r = apply(f, 3, bad[i].kind, subject, facts);
        if (r != ACT_E_REFUSED)
            fail_msg("%s %s: returned %d, %s", bad[i].kind, bad[i].facts, r, f->err.text);
        db_rollback(f->db);
    }
    for (const char *const *kind =
             (const char *const[]){"device.set", "device.retired", "device.unassigned", NULL};
         *kind; kind++) {
        OK(db_begin(f->db, &f->err));
        GIVES(ACT_E_REFUSED, apply(f, 3, *kind, recording, json_pack("{s:s, s:i}", "name", "x", "from", 10)));
        db_rollback(f->db);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_from_version_1),
        BOTH(test_failure_changes_nothing),
        BOTH(test_constraints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
