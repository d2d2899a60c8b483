/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests of acts, the writer and the cases: a fresh ledger with its writer over a fresh catalogue for every case, on SQLite or
 * in a schema of its own on the PostgreSQL of LIUHEN_TEST_PG, with settings and the policy of the Measures.
 */
#ifndef LIUHEN_TESTS_CASES_FIXTURE_H
#define LIUHEN_TESTS_CASES_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/settings.h"
#include "cases/case-acts.h"
#include "cases/decide.h"
#include "cases/place.h"
#include "catalogue/recordings.h"
#include "catalogue/schema.h"
#include "catalogue/sql.h"
#include "catalogue/writer.h"
#include "pg-schema.h"

struct world {
    char folder[64], schema[64], dsn[512], ledger_path[128];
    struct signing_key *key;
    struct ledger *ledger;
    struct writer *writer;
    struct db *db; /* reads */
    struct settings *settings;
    struct placer *placer;
    struct policy *policy;
    struct error err;
};

static _unused_ void check(const struct world *w, int got, int wanted, int line)
{
    if (got != wanted)
        fail_msg("line %d: returned %d, wanted %d: %s: %s", line, got, wanted, w->err.object, w->err.text);
}
#define OK(call)          check(w, (call), 0, __LINE__)
#define GIVES(code, call) check(w, (call), (code), __LINE__)
#define SAYS(words)                                                                                          \
    do {                                                                                                     \
        if (!strstr(w->err.text, (words)))                                                                   \
            fail_msg("wanted \"%s\" in \"%s\"", (words), w->err.text);                                       \
    } while (0)

static const char policy_text[] = "policy: test\n"
                                  "effective: 2026-01-01\n"
                                  "timezone: Asia/Shanghai\n"
                                  "floor: 6 months\n"
                                  "classes:\n"
                                  "  routine: { cite: Art. 17(1), keep: 6 months }\n"
                                  "  evidence:\n"
                                  "    cite: Art. 17(3)\n"
                                  "    when: { link.role: evidence, case.procedure: [general, none] }\n"
                                  "    keep: case\n"
                                  "  disputed:\n"
                                  "    cite: Art. 18\n"
                                  "    when: { hold.ground: [complaint, other] }\n"
                                  "    keep: permanent\n"
                                  "    disc: { copies: 2, within: 30 days, redundancy: 20% }\n"
                                  "case_files:\n"
                                  "  general: { keep: 30 years, from: filed }\n"
                                  "  summary: { keep: 10 years, from: filed }\n";

static _unused_ void print_fault(void *userdata, const struct error *fault)
{
    print_message("%s: %s\n", fault->object, fault->text);
}

static _unused_ void open_writer(struct world *w)
{
    OK(ledger_open(w->ledger_path, w->key, signing_key_verifier(w->key), &w->ledger, &w->err));
    OK(writer_new(w->dsn, w->ledger, "node1", &w->writer, &w->err));
    OK(catalogue_open(w->dsn, DB_READ, &w->db, &w->err));
}

static _unused_ void close_writer(struct world *w)
{
    w->db = db_close(w->db);
    w->writer = writer_free(w->writer);
    w->ledger = ledger_close(w->ledger);
}

static _unused_ void use_settings(struct world *w, const char *yaml)
{
    w->placer = placer_free(w->placer);
    w->settings = settings_free(w->settings);
    OK(settings_parse(yaml, strlen(yaml), "test.yaml", print_fault, NULL, &w->settings));
    OK(placer_new(w->settings, print_fault, NULL, &w->placer));
}

static _unused_ int world_set_up(void **state, bool postgres)
{
    struct world *w = calloc(1, sizeof *w);
    char path[128];

    assert_non_null(w);
    *state = w;
    log_set_level(LOG_LEVEL_ERROR);
    strcpy(w->folder, "/tmp/test-cases.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    if (postgres && !pg_is_there())
        return 0; /* the case skips itself */
    if (postgres)
        pg_schema_new(w->schema, w->dsn);
    else
        snprintf(w->dsn, sizeof w->dsn, "%s/catalogue.db", w->folder);
    snprintf(path, sizeof path, "%s/key", w->folder);
    snprintf(w->ledger_path, sizeof w->ledger_path, "%s/ledger", w->folder);
    OK(signing_key_load(path, "test.example", true, &w->key, &w->err));
    open_writer(w);
    use_settings(w, "site: { timezone: Asia/Shanghai }\n");
    OK(policy_parse(policy_text, strlen(policy_text), "policy.yaml", print_fault, NULL, &w->policy));
    return 0;
}

static _unused_ int sqlite_set_up(void **state)
{
    return world_set_up(state, false);
}

static _unused_ int pg_set_up(void **state)
{
    return world_set_up(state, true);
}

static _unused_ int world_tear_down(void **state)
{
    struct world *w = *state;

    close_writer(w);
    signing_key_free(w->key);
    placer_free(w->placer);
    settings_free(w->settings);
    policy_free(w->policy);
    pg_schema_drop(w->schema);
    fd_remove_tree_at(AT_FDCWD, w->folder);
    free(w);
    return 0;
}

static _unused_ struct world *take(void **state)
{
    struct world *w = *state;

    if (!w->dsn[0])
        pg_skip();
    return w;
}

#define BOTH(test)                                                                                           \
    {"sqlite " #test, test, sqlite_set_up, world_tear_down, NULL},                                           \
    {                                                                                                        \
        "postgres " #test, test, pg_set_up, world_tear_down, NULL                                            \
    }
#define SQLITE(test)                                                                                         \
    {                                                                                                        \
        "sqlite " #test, test, sqlite_set_up, world_tear_down, NULL                                          \
    }

/* ---- doing things ---- */

struct one_act {
    const char *kind, *subject;
    int64_t time_usec;
    json_t *facts;
};

static _unused_ int run_one_act(struct txn *t, void *userdata, struct error *err)
{
    struct one_act *a = userdata;

    return txn_act(t, a->kind, "user:test", a->subject, a->time_usec, json_incref(a->facts), NULL, err);
}

/* One act in a job of its own; takes facts. */
static _unused_ int act(struct world *w, const char *kind, const char *subject, int64_t time_usec,
                        json_t *facts)
{
    struct one_act a = {kind, subject, time_usec, facts};
    int r;

    assert_non_null(facts);
    error_clear(&w->err);
    r = writer_run(w->writer, false, run_one_act, &a, &w->err);
    json_decref(facts);
    return r;
}

static _unused_ json_t *arrival_of(const char *path)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s}", "door", "folder:dock", "folder", "dock", "path", path,
                     "mtime", (json_int_t)1, "zone", "Asia/Shanghai");
}

static _unused_ json_t *sealed_facts(json_t *arrival, const char *kind)
{
    static int n;
    struct digest d;
    char hex[DIGEST_HEX_SIZE];

    n++;
    digest_of(&n, sizeof n, &d);
    digest_to_hex(&d, hex);
    return json_pack("{s:o, s:s, s:i, s:s, s:s, s:s}", "arrival", arrival, "digest", hex, "bytes", 1000 + n,
                     "name", json_get_string(arrival, "path"), "content", "content", "kind", kind);
}

/* Seals a recording that arrived as described (taken). received 0 = now. */
static _unused_ struct recording_id seal_as(struct world *w, json_t *arrival, const char *kind,
                                            int64_t received)
{
    struct recording_id id;

    ulid_make(clock_now_usec(), id.text);
    OK(act(w, "recording.sealed", id.text, received ? received : clock_now_usec(),
           sealed_facts(arrival, kind)));
    return id;
}

static _unused_ struct recording_id seal(struct world *w, const char *path)
{
    return seal_as(w, arrival_of(path), "video", 0);
}

struct on_recording {
    struct world *w;
    struct recording_id id;
    bool changed;
};

static _unused_ int run_place(struct txn *t, void *userdata, struct error *err)
{
    struct on_recording *o = userdata;

    return place_recording(t, o->w->placer, &o->id, err);
}

static _unused_ int run_decide(struct txn *t, void *userdata, struct error *err)
{
    struct on_recording *o = userdata;

    return decide_recording(t, o->w->policy, &o->id, &o->changed, err);
}

static _unused_ void place_it(struct world *w, struct recording_id id)
{
    struct on_recording o = {w, id, false};

    OK(writer_run(w->writer, false, run_place, &o, &w->err));
}

static _unused_ bool decide_it(struct world *w, struct recording_id id)
{
    struct on_recording o = {w, id, false};

    OK(writer_run(w->writer, false, run_decide, &o, &w->err));
    return o.changed;
}

/* A recording as show gives it; owned by the caller. */
static _unused_ json_t *show(struct world *w, struct recording_id id)
{
    json_t *o = NULL;

    OK(recordings_show(w->db, &id, &o, &w->err));
    return o;
}

static _unused_ int64_t count(struct world *w, const char *sql)
{
    int64_t n;

    OK(sql_integer(w->db, &n, -1, &w->err, sql, ""));
    return n;
}

static _unused_ int64_t usec_of(const char *text)
{
    int64_t usec = 0;

    assert_int_equal(calendar_parse(NULL, text, &usec, NULL), 0);
    return usec;
}

#endif
