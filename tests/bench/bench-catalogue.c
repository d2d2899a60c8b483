/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A large archive without footage, for timing lists and the start: bench-catalogue ARCHIVE POLICY-FILE [RECORDINGS [DSN]].
 * Every recording gets the acts of a real one (sealed, examined, placed, decided, some linked and held), encoded and applied by
 * the daemon's own code and published in the ledger; only the objects are missing. The same numbers always give the same rows,
 * but for ids and digests. Indexes are made at the end, and nothing is synced: a crash here means starting again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/ulid.h"
#include "cases/decide.h"
#include "catalogue/act.h"
#include "catalogue/schema.h"
#include "catalogue/sql.h"
#include "ledger/ledger.h"

#define PORTION  20000 /* acts a transaction */
#define CASES    2000
#define DEVICES  200
#define OFFICERS 80
#define UNITS    12
#define INDEXES  64
#define ORIGIN   "liuhen.local/log"
#define HOUR     (60 * USEC_PER_MIN)

struct portion {
    struct ledger_entry *entries;
    size_t n;
    uint64_t first;
};

struct maker {
    struct db *db;
    struct ledger *ledger;
    struct policy *policy;
    uint64_t next_index, seed;
    struct portion now, publishing;
    pthread_t publisher;
    bool publisher_runs;
    int publish_result;
    struct error publish_err;
    struct {
        struct case_id id;
        char number[64];
        enum procedure procedure;
        enum case_state state;
        int64_t ended_usec, filed_usec;
    } cases[CASES];
    struct {
        char take[ULID_LENGTH + 1];
        int64_t ended_usec;
    } devices[DEVICES];
};

static uint64_t any(struct maker *m, uint64_t below)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return (m->seed >> 11) % below;
}

/* Small numbers come more often: the busiest of 200 has about 1.9 % of all, the idlest 0.03 %. */
static uint64_t skewed(struct maker *m, uint64_t below)
{
    uint64_t a = any(m, below), b = any(m, below);

    return any(m, 10) == 0 ? a : MIN(a, b);
}

/* ---- acts ---------------------------------------------------------------------------------------------------------------- */

static void *publish_portion(void *userdata)
{
    struct maker *m = userdata;
    struct portion *p = &m->publishing;

    m->publish_result = ledger_publish(m->ledger, p->first, p->entries, p->n, &m->publish_err);
    for (size_t i = 0; i < p->n; i++)
        free((char *)p->entries[i].data);
    return NULL;
}

static int join_publisher(struct maker *m, struct error *err)
{
    if (!m->publisher_runs)
        return 0;
    pthread_join(m->publisher, NULL);
    m->publisher_runs = false;
    *err = m->publish_err;
    return m->publish_result;
}

/* Commits the portion and publishes it while the next one is made. */
static int end_portion(struct maker *m, struct error *err)
{
    struct portion empty = m->publishing;
    int r = db_commit(m->db, err);

    r = r != 0 ? r : join_publisher(m, err);
    if (r != 0)
        return r;
    m->publishing = m->now;
    m->now = (struct portion){empty.entries, 0, m->next_index};
    r = -pthread_create(&m->publisher, NULL, publish_portion, m);
    m->publisher_runs = r == 0;
    return r < 0 ? r : db_begin(m->db, err);
}

static int act(struct maker *m, const char *kind, const char *actor, const char *subject, int64_t time_usec,
               json_t *facts, struct error *err)
{
    _cleanup_json_ json_t *owned = facts;
    struct act a = {kind, time_usec, actor, "bench", subject, facts};
    char *text;
    size_t size;
    int r;

    if (!facts)
        return error_set(err, -EINVAL, kind, "has a fact that JSON cannot hold");
    r = act_encode(&a, &text, &size, err);
    if (r != 0)
        return r;
    m->now.entries[m->now.n++] = (struct ledger_entry){text, size};
    r = act_apply(m->db, m->next_index, &a, err);
    m->next_index++;
    return r == 0 && m->now.n == PORTION ? end_portion(m, err) : r;
}

/* ---- policy and cases ------------------------------------------------------------------------------------------------------ */

static void on_fault(void *userdata, const struct error *fault)
{
    fprintf(stderr, "bench-catalogue: %s: %s\n", fault->object, fault->text);
}

static int adopt_policy(struct maker *m, const char *file, int64_t time_usec, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char hex[DIGEST_HEX_SIZE];
    struct digest digest;
    size_t size;
    int r = fd_read_file_at(AT_FDCWD, file, POLICY_BYTES_MAX, &text, &size);

    if (r < 0)
        return error_errno(err, r, file, "cannot be read");
    r = policy_parse(text, size, file, on_fault, NULL, &m->policy);
    if (r < 0)
        return error_set(err, r, file, "is faulty");
    digest_of(text, size, &digest);
    digest_to_hex(&digest, hex);
    return act(m, "policy.adopted", "system", policy_name(m->policy), time_usec,
               json_pack("{s:s, s:s, s:s, s:s}", "version", policy_version(m->policy), "digest", hex, "text",
                         text, "note", "first policy"),
               err);
}

/* A quarter stay open, half are ended, a quarter filed. */
static int add_case(struct maker *m, size_t i, int64_t from_usec, struct error *err)
{
    int64_t opened = from_usec + (int64_t)i * 12 * HOUR, ended = opened + 24 * 20 * HOUR,
            filed = ended + 24 * 30 * HOUR;
    const char *id = m->cases[i].id.text;
    int r;

    ulid_make(from_usec + (int64_t)i * USEC_PER_MSEC, m->cases[i].id.text);
    snprintf(m->cases[i].number, sizeof m->cases[i].number, "本溪卫医罚〔%d〕%zu号", 2024 + (int)(i / 700),
             i + 1);
    m->cases[i].procedure = i % 3 == 0 ? PROCEDURE_SUMMARY : PROCEDURE_GENERAL;
    m->cases[i].state = i % 4 == 0 ? CASE_OPEN : i % 4 == 3 ? CASE_FILED : CASE_ENDED;
    m->cases[i].ended_usec = m->cases[i].state == CASE_OPEN ? 0 : ended;
    m->cases[i].filed_usec = m->cases[i].state == CASE_FILED ? filed : 0;
    r = act(m, "case.added", "user:li.na", id, opened,
            json_pack("{s:s, s:s, s:s, s:I}", "number", m->cases[i].number, "procedure",
                      procedure_name(m->cases[i].procedure), "title", "未取得许可擅自执业", "opened",
                      (json_int_t)opened),
            err);
    if (r == 0 && m->cases[i].ended_usec)
        r = act(m, "case.ended", "user:li.na", id, ended, json_pack("{s:I}", "ended", (json_int_t)ended),
                err);
    if (r == 0 && m->cases[i].filed_usec)
        r = act(m, "case.filed", "user:li.na", id, filed, json_pack("{s:I}", "filed", (json_int_t)filed),
                err);
    return r;
}

/* ---- recordings ------------------------------------------------------------------------------------------------------------ */

struct one {
    struct recording_id id;
    uint64_t device, officer, unit;
    size_t case_index; /* CASES = none */
    const char *kind, *extension;
    bool damaged, evidence, held;
    int64_t received_usec, started_usec, ended_usec;
};

static void pick_kind(struct maker *m, struct one *o)
{
    uint64_t roll = any(m, 1000);

    o->kind = roll < 700   ? "video"
              : roll < 920 ? "photo"
              : roll < 980 ? "audio"
              : roll < 998 ? "document"
                           : "data";
    o->extension = roll < 700 ? "mp4" : roll < 920 ? "jpg" : roll < 980 ? "wav" : roll < 998 ? "pdf" : "bin";
}

static void pick(struct maker *m, int64_t received_usec, struct one *o)
{
    int64_t length;

    *o = (struct one){.device = skewed(m, DEVICES), .case_index = CASES, .received_usec = received_usec};
    ulid_make(received_usec, o->id.text);
    o->unit = o->device % UNITS;
    o->officer = any(m, 10) == 0 ? any(m, OFFICERS) : o->device % OFFICERS;
    pick_kind(m, o);
    o->damaged = any(m, 200) == 0;
    length = o->kind[0] == 'v' || o->kind[0] == 'a' ? (int64_t)(1 + any(m, 600)) * USEC_PER_SEC : 0;
    o->started_usec = received_usec - (int64_t)any(m, 48 * 60) * USEC_PER_MIN - length;
    o->ended_usec = o->started_usec + length;
    if (any(m, 100) < 8) {
        o->case_index = any(m, 20) == 0 ? any(m, 3) : any(m, CASES);
        o->evidence = any(m, 2) == 0;
    }
    o->held = any(m, 4000) == 0;
}

static json_t *fact(const char *value, const char *source, const char *certainty)
{
    return json_pack("{s:s, s:s, s:s}", "value", value, "source", source, "certainty", certainty);
}

static json_t *time_fact(int64_t usec, const char *source)
{
    return json_pack("{s:I, s:s, s:s}", "value", (json_int_t)usec, "source", source, "certainty", "probable");
}

static int seal(struct maker *m, const struct one *o, uint64_t n, struct error *err)
{
    char arrival_id[ULID_LENGTH + 1], hex[DIGEST_HEX_SIZE], name[64], path[128];
    struct digest digest;

    digest_of(&n, sizeof n, &digest);
    digest_to_hex(&digest, hex);
    ulid_make(o->received_usec, arrival_id);
    snprintf(name, sizeof name, "DSJ-%03llu_%012llu.%s", (unsigned long long)o->device, (unsigned long long)n,
             o->extension);
    snprintf(path, sizeof path, "2026/%02llu/DSJ-%03llu/%s", (unsigned long long)(n % 12 + 1),
             (unsigned long long)o->device, name);
    return act(m, "recording.sealed", "door:dock-1", o->id.text, o->received_usec,
               json_pack("{s:s, s:I, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:I, s:I, s:s}}", "digest", hex,
                         "bytes", (json_int_t)(100000 + n * 7919 % 200000000), "name", name, "content", name,
                         "kind", o->kind, "arrival", "id", arrival_id, "door", "drop:dock-1", "folder",
                         "dock-1", "path", path, "bytes", (json_int_t)(100000 + n * 7919 % 200000000),
                         "mtime", (json_int_t)o->ended_usec, "zone", "Asia/Shanghai"),
               err);
}

static int examine(struct maker *m, const struct one *o, struct error *err)
{
    json_t *media =
        json_pack("{s:s, s:s, s:I, s:[{s:s, s:s, s:i, s:i, s:s}, {s:s, s:s, s:i, s:i}], s:I, s:s, s:s, "
                  "s:{s:i, s:i}, s:{s:s, s:s}}",
                  "lock", "full", "container", "mp4", "duration_usec",
                  (json_int_t)(o->ended_usec - o->started_usec), "streams", "type", "video", "codec", "h264",
                  "width", 1920, "height", 1080, "rate", "30/1", "type", "audio", "codec", "aac", "channels",
                  1, "sample_rate", 16000, "started_usec", (json_int_t)o->started_usec, "started_source",
                  "container creation_time", "started_certainty", "probable", "gps", "lat_e7", 412903000,
                  "lon_e7", 1237705000, "device", "make", "Example", "model", "DSJ-X1");

    return act(m, "recording.examined", "system", o->id.text, o->received_usec + USEC_PER_SEC,
               json_pack("{s:s, s:s, s:s*, s:o}", "status", o->damaged ? "damaged" : "ok", "kind", o->kind,
                         "message", o->damaged ? "the file ends in the middle of a frame" : NULL, "media",
                         media),
               err);
}

static int place(struct maker *m, const struct one *o, struct error *err)
{
    char device[32], officer[32], unit[32], *take = m->devices[o->device].take;
    json_t *place;

    snprintf(device, sizeof device, "DSJ-%03llu", (unsigned long long)o->device);
    snprintf(officer, sizeof officer, "officer.%02llu", (unsigned long long)o->officer);
    snprintf(unit, sizeof unit, "监督%llu科", (unsigned long long)o->unit + 1);
    if (!*take || any(m, 5) == 0)
        ulid_make(o->received_usec, take);
    place = json_pack("{s:o, s:o, s:o, s:o, s:o}", "device", fact(device, "rule:dock-layout", "certain"),
                      "officer", fact(officer, "rule:dock-layout", "certain"), "unit",
                      fact(unit, "folder:dock-1", "certain"), "started",
                      time_fact(o->started_usec, "media:container creation_time"), "ended",
                      time_fact(o->ended_usec, "started + duration"));
    return act(
        m, "recording.placed", "system", o->id.text, o->received_usec + USEC_PER_SEC,
        json_pack("{s:o, s:s, s:I}", "place", place, "take", take, "sort", (json_int_t)o->started_usec), err);
}

static int link_and_hold(struct maker *m, const struct one *o, struct error *err)
{
    char hold[ULID_LENGTH + 1];
    int r = 0;

    if (o->case_index < CASES)
        r = act(m, "link.added", "user:li.na", o->id.text, o->received_usec + 2 * USEC_PER_SEC,
                json_pack("{s:s, s:s}", "case", m->cases[o->case_index].id.text, "role",
                          o->evidence ? "evidence" : "context"),
                err);
    if (r != 0 || !o->held)
        return r;
    ulid_make(o->received_usec, hold);
    return act(
        m, "hold.added", "user:li.na", hold, o->received_usec + 3 * USEC_PER_SEC,
        json_pack("{s:s, s:s, s:s}", "recording", o->id.text, "about", o->id.text, "ground", "complaint"),
        err);
}

static int decide(struct maker *m, const struct one *o, struct error *err)
{
    struct policy_link link = {0};
    struct policy_facts f = {.kind = o->kind,
                             .received_usec = o->received_usec,
                             .ended_usec = o->ended_usec,
                             .ended_certain = true,
                             .links = &link,
                             .n_links = o->case_index < CASES,
                             .holds = o->held ? 1u << HOLD_COMPLAINT : 0};
    struct decision d;
    json_t *facts;

    if (f.n_links)
        link = (struct policy_link){o->evidence ? LINK_EVIDENCE : LINK_CONTEXT,
                                    m->cases[o->case_index].procedure,
                                    m->cases[o->case_index].state,
                                    m->cases[o->case_index].ended_usec,
                                    m->cases[o->case_index].filed_usec,
                                    m->cases[o->case_index].number};
    policy_decide(m->policy, &f, &d);
    facts = json_pack("{s:s, s:s, s:o, s:s, s:s}", "class", d.class_name, "ending", ending_name(d.ending),
                      "reasons", decision_reasons_json(&d), "policy", policy_name(m->policy), "version",
                      policy_version(m->policy));
    if (facts && d.until_usec != INT64_MAX)
        (void)json_set_integer(facts, "until", d.until_usec);
    return act(m, "recording.decided", "system", o->id.text, o->received_usec + 4 * USEC_PER_SEC, facts, err);
}

static int add_recording(struct maker *m, uint64_t n, int64_t received_usec, struct error *err)
{
    struct one o;
    int r;

    pick(m, received_usec, &o);
    r = seal(m, &o, n, err);
    r = r != 0 ? r : examine(m, &o, err);
    r = r != 0 ? r : place(m, &o, err);
    r = r != 0 ? r : link_and_hold(m, &o, err);
    return r != 0 ? r : decide(m, &o, err);
}

/* A hundred whole cases are held besides, the very large ones not. */
static int hold_cases(struct maker *m, int64_t now, struct error *err)
{
    int r = 0;

    for (size_t i = 10; i < CASES && r == 0; i += 20) {
        char hold[ULID_LENGTH + 1];
        ulid_make(now, hold);
        r = act(m, "hold.added", "user:li.na", hold, now,
                json_pack("{s:s, s:s, s:s}", "case", m->cases[i].id.text, "about", m->cases[i].id.text,
                          "ground", "litigation"),
                err);
    }
    return r;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------- */

/* Indexes that no constraint needs: taken away while the rows come, and made again. */
struct indexes {
    char *name[INDEXES], *sql[INDEXES];
    size_t n;
};

static int take_indexes(struct db *db, struct indexes *x, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      db_is_postgres(db)
                          ? "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
                            "AND indexdef NOT LIKE 'CREATE UNIQUE%'"
                          : "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
                      "");

    for (; r == 0 && row && x->n < INDEXES; r = db_step(st, &row, err)) {
        x->name[x->n] = strdup(db_text(st, 0));
        x->sql[x->n] = strdup(db_text(st, 1));
        x->n++;
    }
    st = db_finish(st);
    for (size_t i = 0; i < x->n && r == 0; i++) {
        char drop[200];
        snprintf(drop, sizeof drop, "DROP INDEX %s", x->name[i]);
        r = db_exec(db, drop, err);
    }
    return r;
}

static int give_indexes(struct db *db, struct indexes *x, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < x->n; i++) {
        r = r != 0 ? r : db_exec(db, x->sql[i], err);
        free(x->name[i]);
        free(x->sql[i]);
    }
    return r;
}

static int make_all(struct maker *m, const char *policy_file, uint64_t recordings, struct error *err)
{
    int64_t now = clock_now_usec(), from = now - 3 * 365 * 24 * HOUR,
            step = (now - from) / (int64_t)(recordings + 1);
    int r = act(m, "ledger.started", "system", ORIGIN, from,
                json_pack("{s:s, s:s}", "key", "bench", "version", "bench"), err);

    r = r != 0 ? r : adopt_policy(m, policy_file, from, err);
    for (size_t i = 0; i < CASES && r == 0; i++)
        r = add_case(m, i, from, err);
    for (uint64_t n = 0; n < recordings && r == 0; n++) {
        r = add_recording(m, n, from + (int64_t)n * step, err);
        if (n % 50000 == 0 && isatty(STDERR_FILENO))
            fprintf(stderr, "\r%llu of %llu recordings ", (unsigned long long)n,
                    (unsigned long long)recordings);
    }
    r = r != 0 ? r : hold_cases(m, now, err);
    r = r != 0 ? r : end_portion(m, err);
    return r != 0 ? r : join_publisher(m, err);
}

static int open_archive(struct maker *m, const char *archive, const char *dsn, struct error *err)
{
    _cleanup_free_ char *keys = NULL, *key_path = NULL, *ledger = NULL, *catalogue = NULL;
    static struct signing_key *key; /* borrowed by the ledger to the end */
    int r;

    if (asprintf(&keys, "%s/keys", archive) < 0 || asprintf(&key_path, "%s/ledger.key", keys) < 0 ||
        asprintf(&ledger, "%s/ledger", archive) < 0 || asprintf(&catalogue, "%s/catalogue.db", archive) < 0)
        return -ENOMEM;
    (void)mkdir(archive, 0755);
    (void)mkdir(keys, 0700);
    r = signing_key_load(key_path, ORIGIN, true, &key, err);
    r = r < 0 ? r : ledger_open(ledger, key, NULL, &m->ledger, err);
    if (r == 0 && ledger_size(m->ledger) > 0)
        r = error_set(err, -EEXIST, archive, "has acts already; remove it first");
    r = r < 0 ? r : catalogue_open(dsn ? dsn : catalogue, DB_WRITE, &m->db, err);
    if (r == 0)
        r = db_exec(m->db,
                    db_is_postgres(m->db) ? "SET synchronous_commit = off" : "PRAGMA synchronous = OFF", err);
    if (r == 0 && !db_is_postgres(m->db))
        r = db_exec(m->db, "PRAGMA cache_size = -400000", err);
    m->now.entries = calloc(PORTION, sizeof *m->now.entries);
    m->publishing.entries = calloc(PORTION, sizeof *m->publishing.entries);
    return r != 0 ? r : m->now.entries && m->publishing.entries ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
    static struct maker m = {.seed = 88172645463325252u};
    uint64_t recordings = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000;
    struct indexes indexes = {0};
    struct error err = ERROR_INIT;
    char text[1200];
    int r;

    if (argc < 3 || recordings == 0) {
        fprintf(stderr, "usage: bench-catalogue ARCHIVE POLICY-FILE [RECORDINGS [DSN]]\n");
        return 2;
    }
    r = open_archive(&m, argv[1], argc > 4 ? argv[4] : NULL, &err);
    r = r != 0 ? r : take_indexes(m.db, &indexes, &err);
    r = r != 0 ? r : db_begin(m.db, &err);
    r = r != 0 ? r : make_all(&m, argv[2], recordings, &err);
    r = r != 0 ? r : db_commit(m.db, &err);
    r = r != 0 ? r : give_indexes(m.db, &indexes, &err);
    if (r != 0) {
        fprintf(stderr, "bench-catalogue: %s\n", error_format(&err, text, sizeof text));
        return 1;
    }
    printf("acts %llu\n", (unsigned long long)m.next_index);
    db_close(m.db);
    ledger_close(m.ledger);
    policy_free(m.policy);
    return 0;
}
