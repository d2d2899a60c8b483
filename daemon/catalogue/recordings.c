/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading recordings (see recordings.h). A list has one driving condition, for which there is an index in list order, and the
 * other filters as optional conditions: a few fixed texts rather than built ones, so that each is prepared once.
 */
#include "catalogue/recordings.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "catalogue/sql.h"

#define COLUMNS                                                                                              \
    "r.id, r.leaf, r.digest, r.sm3, r.size_bytes, r.name, r.content_name, r.kind, r.door, r.received_usec, " \
    "r.status, "                                                                                             \
    "r.device, r.officer, r.unit, r.started_usec, r.ended_usec, r.certainty, r.sort_usec, r.take, r.links, " \
    "r.holds, "                                                                                              \
    "r.class, r.ending, r.until_usec, r.disc_due_usec, r.policy, r.disposed_leaf"

/* Parameters: 1 cursor sort, 2 cursor id, 3 limit, 4 device, 5 officer, 6 unit, 7 kind, 8 class, 9 take, 10 from, 11 to,
 * 12 damaged, 13 unlinked, 14 held, 15 undecided, 16 case. A driving condition repeats its own parameter. */
#define OPTIONAL(n, column) "(CAST($" #n " AS TEXT) IS NULL OR r." column " = $" #n ") AND "
/* A hold of its own, or of a case it is linked to. */
#define HELD                                                                                                 \
    "r.id IN (SELECT h.recording FROM holds h WHERE h.lifted_usec IS NULL AND h.recording IS NOT NULL "      \
    "UNION SELECT "                                                                                          \
    "k.recording FROM holds h JOIN links k ON k.case_id = h.case_id WHERE h.lifted_usec IS NULL)"
#define LIST_FROM(source, order, driver)                                                                     \
    "SELECT " COLUMNS " FROM " source " WHERE " driver " (" order                                            \
    "sort_usec, r.id) < ($1, $2) AND " OPTIONAL(4, "device") OPTIONAL(5, "officer") OPTIONAL(6, "unit")      \
        OPTIONAL(7, "kind") OPTIONAL(8, "class") OPTIONAL(                                                   \
            9, "take") "r.sort_usec >= $10 AND r.sort_usec < $11 AND ($12 = 0 OR r.status = 'damaged') AND " \
                       "($13 = 0 OR r.links = 0) "                                                           \
                       "AND ($14 = 0 OR " HELD                                                               \
                       ") AND ($15 = 0 OR r.class IS NULL) AND (CAST($16 AS TEXT) IS NULL OR EXISTS "        \
                       "(SELECT 1 FROM links x WHERE x.recording = r.id AND x.case_id = $16)) "              \
                       "ORDER BY " order "sort_usec DESC, r.id DESC LIMIT $3"
#define LIST(driver) LIST_FROM("recordings r", "r.", driver)

enum driver {
    BY_CASE,
    BY_TAKE,
    BY_HELD,
    BY_DEVICE,
    BY_OFFICER,
    BY_UNDECIDED,
    BY_DAMAGED,
    BY_UNIT,
    BY_CLASS,
    BY_UNLINKED,
    BY_KIND,
    BY_TIME
};

static const char *const list_sql[] = {
    [BY_CASE] =
        "SELECT " COLUMNS " FROM links l JOIN recordings r ON r.id = l.recording WHERE l.case_id = $16 AND "
        "(l.sort_usec, l.recording) < ($1, $2) AND " OPTIONAL(4, "device") OPTIONAL(5, "officer")
            OPTIONAL(6, "unit") OPTIONAL(7, "kind") OPTIONAL(8, "class")
                OPTIONAL(9, "take") "l.sort_usec >= $10 AND l.sort_usec < $11 AND ($12 = 0 OR r.status = "
                                    "'damaged') AND ($13 = 0 OR "
                                    "r.links = 0) AND ($14 = 0 OR " HELD ") AND ($15 = 0 OR r.class IS NULL) "
                                    "ORDER BY l.sort_usec DESC, l.recording DESC LIMIT $3",
    [BY_TAKE] = LIST("r.take = $9 AND"),
    [BY_HELD] = LIST(HELD " AND"),
    [BY_UNDECIDED] = LIST("r.class IS NULL AND"),
    [BY_UNIT] = LIST("r.unit = $6 AND"),
    [BY_DEVICE] = LIST("r.device = $4 AND"),
    [BY_OFFICER] = LIST("r.officer = $5 AND"),
    [BY_DAMAGED] = LIST("r.status = 'damaged' AND"),
    [BY_UNLINKED] = LIST("r.links = 0 AND"),
    [BY_CLASS] = LIST("r.class = $8 AND"),
    [BY_KIND] = LIST("r.kind = $7 AND"),
    [BY_TIME] = LIST(""),
};

static bool is_given(const char *s)
{
    return s && *s;
}

static enum driver choose_driver(const struct recordings_filter *f)
{
    if (is_given(f->case_id))
        return BY_CASE;
    if (is_given(f->take))
        return BY_TAKE;
    if (f->held)
        return BY_HELD;
    if (is_given(f->device))
        return BY_DEVICE;
    if (is_given(f->officer))
        return BY_OFFICER;
    if (f->undecided)
        return BY_UNDECIDED;
    if (f->damaged)
        return BY_DAMAGED;
    if (is_given(f->unit))
        return BY_UNIT;
    if (is_given(f->class_name))
        return BY_CLASS;
    if (f->unlinked)
        return BY_UNLINKED;
    return is_given(f->kind) ? BY_KIND : BY_TIME;
}

static int set_text(json_t *o, const char *key, struct db_stmt *st, int column)
{
    return db_is_null(st, column) ? 0 : json_set_string(o, key, db_text(st, column));
}

static int set_number(json_t *o, const char *key, struct db_stmt *st, int column)
{
    return db_is_null(st, column) ? 0 : json_set_integer(o, key, db_integer(st, column));
}

static int set_hex(json_t *o, const char *key, struct db_stmt *st, int column)
{
    char hex[DIGEST_HEX_SIZE];
    size_t size;
    const void *data = db_blob(st, column, &size);

    if (!data || size != DIGEST_BYTES)
        return 0;
    encode_hex(data, size, hex);
    return json_set_string(o, key, hex);
}

static int row_to_json(struct db_stmt *st, json_t **ret)
{
    static const struct {
        const char *key;
        char type;
    } columns[] = {{"id", 't'},        {"leaf", 'i'},     {"digest", 'h'},       {"sm3", 'h'},
                   {"bytes", 'i'},     {"name", 't'},     {"content", 't'},      {"kind", 't'},
                   {"door", 't'},      {"received", 'i'}, {"status", 't'},       {"device", 't'},
                   {"officer", 't'},   {"unit", 't'},     {"started", 'i'},      {"ended", 'i'},
                   {"certainty", 't'}, {"sort", 'i'},     {"take", 't'},         {"links", 'i'},
                   {"holds", 'i'},     {"class", 't'},    {"ending", 't'},       {"until", 'i'},
                   {"disc_due", 'i'},  {"policy", 't'},   {"disposed_leaf", 'i'}};
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (int i = 0; r == 0 && i < (int)ARRAY_SIZE(columns); i++) {
        const char *key = columns[i].key;
        r = columns[i].type == 't'   ? set_text(o, key, st, i)
            : columns[i].type == 'i' ? set_number(o, key, st, i)
                                     : set_hex(o, key, st, i);
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

/* A page mark is "<sort>.<id>". */
static int parse_cursor(const char *cursor, int64_t *ret_sort, const char **ret_id, struct error *err)
{
    char *end;

    errno = 0;
    *ret_sort = strtoll(cursor, &end, 10);
    if (errno || end == cursor || *end != '.' || !ulid_is_valid(end + 1))
        return error_set(err, RECORDINGS_E_CURSOR, cursor,
                         "is not a page mark; use the one the last page gave");
    *ret_id = end + 1;
    return 0;
}

static const char *text_or_null(const char *s)
{
    return is_given(s) ? s : NULL;
}

int recordings_list(struct db *db, const struct recordings_filter *f, const char *cursor, int limit,
                    json_t **ret_page, char **ret_next, struct error *err)
{
    _cleanup_json_ json_t *page = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    const char *cursor_id = "";
    int64_t to = f->to_usec ? f->to_usec : INT64_MAX, cursor_sort = to;
    bool row;
    int r = cursor ? parse_cursor(cursor, &cursor_sort, &cursor_id, err) : 0;

    if (r != 0 || !page)
        return r != 0 ? r : -ENOMEM;
    if (cursor_sort >=
        to) { /* so that the index is entered at the end of the period, not walked down to it */
        cursor_sort = to;
        cursor_id = "";
    }
    limit = MAX(1, MIN(limit, RECORDINGS_PAGE_MAX));
    r = sql_query(db, &st, &row, err, list_sql[choose_driver(f)], "itittttttiiiiiit", cursor_sort, cursor_id,
                  (int64_t)limit + 1, text_or_null(f->device), text_or_null(f->officer),
                  text_or_null(f->unit), text_or_null(f->kind), text_or_null(f->class_name),
                  text_or_null(f->take), f->from_usec ? f->from_usec : INT64_MIN, to, (int64_t)f->damaged,
                  (int64_t)f->unlinked, (int64_t)f->held, (int64_t)f->undecided, text_or_null(f->case_id));
    *ret_next = NULL;
    for (; r == 0 && row; r = db_step(st, &row, err)) {
        json_t *o = NULL;
        if (json_array_size(page) == (size_t)limit) {
            const json_t *last = json_array_get(page, (size_t)limit - 1);
            if (asprintf(ret_next, "%lld.%s", (long long)json_get_integer(last, "sort", 0),
                         json_get_string(last, "id")) < 0)
                return -ENOMEM;
            break;
        }
        r = row_to_json(st, &o);
        if (r < 0 || json_array_append_new(page, o) < 0)
            return -ENOMEM;
    }
    if (r != 0)
        return r;
    *ret_page = TAKE_PTR(page);
    return 0;
}

static int none(const char *text, struct error *err)
{
    return error_set(err, RECORDINGS_E_NONE, text, "no such recording; `liuhen ls` lists them");
}

/* JSON text column into an object; absent when NULL. */
static int set_json(json_t *o, const char *key, struct db_stmt *st, int column, struct error *err)
{
    const char *text = db_text(st, column);
    json_t *value;
    int r;

    if (!text)
        return 0;
    r = json_parse(text, strlen(text), key, &value, err);
    return r < 0 ? r : json_set_take(o, key, value);
}

static int add_facts(struct db *db, json_t *o, const char *id, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT arrival, message, media, place, reasons FROM recording_facts WHERE recording = $1", "t", id);

    if (r != 0 || !row)
        return r;
    r = set_json(o, "arrival", st, 0, err);
    r = r != 0 ? r : set_text(o, "message", st, 1);
    r = r != 0 ? r : set_json(o, "media", st, 2, err);
    r = r != 0 ? r : set_json(o, "place", st, 3, err);
    return r != 0 ? r : set_json(o, "reasons", st, 4, err);
}

/* Appends objects built from rows: keys and types in pairs as in "id:t leaf:i". */
static int add_rows(json_t *o, const char *key, struct db_stmt *st, bool row, const char *columns,
                    struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;

    for (; r == 0 && row; r = db_step(st, &row, err)) {
        json_t *item = json_object();
        const char *p = columns;

        if (!item || json_array_append_new(list, item) < 0)
            return -ENOMEM;
        for (int i = 0; *p && r == 0; i++) {
            char name[24];
            size_t n = strcspn(p, ":");
            snprintf(name, sizeof name, "%.*s", (int)n, p);
            r = p[n + 1] == 'i' ? set_number(item, name, st, i) : set_text(item, name, st, i);
            p += n + 2;
            p += *p == ' ';
        }
    }
    return r != 0 ? r : json_set_take(o, key, TAKE_PTR(list));
}

static int add_links_and_holds(struct db *db, json_t *o, const char *id, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *links = NULL, *holds = NULL, *arrivals = NULL;
    bool row;
    int r = sql_query(
        db, &links, &row, err,
        "SELECT l.case_id, c.number, l.role, l.step, c.procedure, c.state FROM links l JOIN cases c ON "
        "c.id = l.case_id WHERE l.recording = $1 ORDER BY l.leaf",
        "t", id);

    r = r != 0 ? r
               : add_rows(o, "cases", links, row, "case:t number:t role:t step:t procedure:t state:t", err);
    if (r == 0)
        r = sql_query(
            db, &holds, &row, err,
            "SELECT h.id, h.ground, h.matter, h.reason, h.placed_usec, h.placed_by, h.lifted_usec, "
            "h.lifted_by, h.case_id FROM holds h WHERE h.recording = $1 OR h.case_id IN (SELECT l.case_id "
            "FROM links l WHERE l.recording = $1) ORDER BY h.leaf",
            "t", id);
    r = r != 0 ? r
               : add_rows(o, "hold_list", holds, row,
                          "id:t ground:t matter:t reason:t placed:i placed_by:t lifted:i lifted_by:t case:t",
                          err);
    if (r == 0)
        r = sql_query(
            db, &arrivals, &row, err,
            "SELECT leaf, time_usec, door, path FROM arrivals WHERE recording = $1 ORDER BY leaf LIMIT 100",
            "t", id);
    return r != 0 ? r : add_rows(o, "arrivals", arrivals, row, "leaf:i time:i door:t path:t", err);
}

int recordings_show(struct db *db, const struct recording_id *id, json_t **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *o = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err, "SELECT " COLUMNS " FROM recordings r WHERE r.id = $1", "t", id->text);

    if (r != 0)
        return r;
    if (!row)
        return none(id->text, err);
    r = row_to_json(st, &o);
    r = r != 0 ? r : add_facts(db, o, id->text, err);
    r = r != 0 ? r : add_links_and_holds(db, o, id->text, err);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

bool ulid_range(const char *text, char low[ULID_LENGTH + 1], char high[ULID_LENGTH + 1])
{
    size_t n = strlen(text);

    if (n < 4 || n > ULID_LENGTH ||
        strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz") != n)
        return false;
    for (size_t i = 0; i < ULID_LENGTH; i++) {
        char c = i < n && text[i] >= 'a' ? (char)(text[i] - 'a' + 'A') : i < n ? text[i] : '0';

        low[i] = c;
        high[i] = i < n ? c : 'Z';
    }
    low[ULID_LENGTH] = high[ULID_LENGTH] = 0;
    return true;
}

int recordings_resolve(struct db *db, const char *text, struct recording_id *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char low[ULID_LENGTH + 1], high[ULID_LENGTH + 1];
    struct recording_id found;
    bool row;
    int r;

    if (!ulid_range(text, low, high))
        return none(text, err);
    r = sql_query(db, &st, &row, err,
                  "SELECT id FROM recordings WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT 2", "tt", low,
                  high);
    if (r != 0)
        return r;
    if (!row)
        return none(text, err);
    if (recording_id_parse(db_text(st, 0), &found) < 0)
        return -EPROTO;
    r = db_step(st, &row, err);
    if (r == 0 && row)
        return error_set(err, RECORDINGS_E_AMBIGUOUS, text,
                         "is the beginning of more than one id; give more of it");
    if (r == 0)
        *ret = found;
    return r;
}

int recordings_by_digest(struct db *db, const struct digest *digest, struct recording_id *ret,
                         struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err, "SELECT id FROM recordings WHERE digest = $1 AND disposed_leaf IS NULL",
                  "b", digest->bytes, sizeof digest->bytes);

    if (r != 0)
        return r;
    if (!row)
        return RECORDINGS_E_NONE;
    return recording_id_parse(db_text(st, 0), ret) < 0 ? -EPROTO : 0;
}

int recordings_has_arrival(struct db *db, const char *recording, const char *arrival_id, bool *ret,
                           struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char mark[64];
    bool row;
    int r;

    snprintf(mark, sizeof mark, "\"id\":\"%.26s\"", arrival_id);
    *ret = false;
    r = sql_query(db, &st, &row, err,
                  "SELECT arrival FROM arrivals WHERE recording = $1 ORDER BY leaf DESC LIMIT 1000", "t",
                  recording);
    for (; r == 0 && row && !*ret; r = db_step(st, &row, err))
        *ret = strstr(db_text(st, 0), mark) != NULL;
    return r;
}

int recordings_source_is_known(struct db *db, const char *door, const char *path, int64_t bytes,
                               int64_t mtime_usec, bool *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *arrival = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT arrival FROM arrivals WHERE path = $1 AND door = $2 ORDER BY leaf DESC LIMIT 1",
                      "tt", path, door);

    *ret = false;
    if (r != 0 || !row)
        return r;
    r = json_parse(db_text(st, 0), strlen(db_text(st, 0)), path, &arrival, err);
    if (r == 0)
        *ret = json_get_integer(arrival, "bytes", -1) == bytes &&
               json_get_integer(arrival, "mtime", -1) == mtime_usec;
    return r;
}

int acts_about(struct db *db, const char *id, int64_t after, int limit, json_t **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *o = json_object();
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT a.idx, a.time_usec, a.kind, a.actor, a.subject, a.object FROM acts a WHERE a.idx IN "
        "(SELECT idx FROM acts WHERE subject = $1 UNION SELECT idx FROM acts WHERE object = $1) AND "
        "a.idx > $2 ORDER BY a.idx LIMIT $3",
        "tii", id, after, (int64_t)limit);

    r = r != 0 ? r : add_rows(o, "acts", st, row, "index:i time:i kind:t actor:t subject:t object:t", err);
    if (r == 0)
        *ret = json_incref(json_object_get(o, "acts"));
    return r;
}

int recordings_to_examine(struct db *db, const char *after, struct recording_id *ret, size_t max,
                          size_t *ret_n, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    size_t n = 0;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT id FROM recordings WHERE status = 'new' AND id > $1 ORDER BY id LIMIT $2", "ti",
                      after, (int64_t)max);

    for (; r == 0 && row && n < max; r = db_step(st, &row, err))
        if (recording_id_parse(db_text(st, 0), &ret[n]) == 0)
            n++;
    *ret_n = n;
    return r;
}

int catalogue_counts(struct db *db, json_t **ret, struct error *err)
{
    static const struct {
        const char *key, *sql;
    } counts[] = {
        {"recordings", "SELECT count(*) FROM recordings"},
        {"bytes", "SELECT CAST(sum(size_bytes) AS BIGINT) FROM recordings"},
        {"to_examine", "SELECT count(*) FROM recordings WHERE status = 'new'"},
        {"damaged", "SELECT count(*) FROM recordings WHERE status = 'damaged'"},
        {"unlinked", "SELECT count(*) FROM recordings WHERE links = 0"},
        {"holds", "SELECT count(*) FROM holds WHERE lifted_usec IS NULL"},
        {"cases", "SELECT count(*) FROM cases"},
        {"quarantined", "SELECT count(*) FROM quarantined"},
        {"acts", "SELECT MAX(idx) + 1 FROM acts"},
    };
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(counts); i++) {
        int64_t n;
        r = sql_integer(db, &n, 0, err, counts[i].sql, "");
        r = r != 0 ? r : json_set_integer(o, counts[i].key, n);
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}
