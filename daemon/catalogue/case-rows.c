/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading cases, links and holds (see case-rows.h). Lists page by key (opened, id).
 */
#include "catalogue/case-rows.h"

#include <errno.h>

#include "catalogue/act.h"
#include "catalogue/recordings.h"
#include "catalogue/row.h"
#include "catalogue/sql.h"

#define COLUMNS                                                                                              \
    "c.id, c.number, c.title, c.procedure, c.state, c.opened_usec, c.ended_usec, c.filed_usec, (SELECT "     \
    "count(*) "                                                                                              \
    "FROM links l WHERE l.case_id = c.id), (SELECT count(*) FROM holds h WHERE h.case_id = c.id AND "        \
    "h.lifted_usec IS "                                                                                      \
    "NULL)"

static const struct row_column case_columns[] = {
    {"id", 't'},    {"number", 't'}, {"title", 't'},      {"procedure", 't'}, {"state", 't'}, {"opened", 'i'},
    {"ended", 'i'}, {"filed", 'i'},  {"recordings", 'i'}, {"holds", 'i'},     {NULL, 0}};

int cases_list(struct db *db, const struct cases_filter *filter, const char *cursor, int limit,
               json_t **ret_page, char **ret_next, struct error *err)
{
    _cleanup_json_ json_t *page = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_free_ char *next = NULL;
    int64_t opened = INT64_MAX;
    const char *id = "";
    bool row, more = false;
    int r = cursor ? row_mark_parse(cursor, CASES_E_CURSOR, &opened, &id, err) : 0;

    if (r != 0 || !page)
        return r != 0 ? r : -ENOMEM;
    limit = MAX(1, MIN(limit, CASES_PAGE_MAX));
    r = sql_query(db, &st, &row, err,
                  "SELECT " COLUMNS
                  " FROM cases c WHERE (c.opened_usec, c.id) < ($1, $2) AND (CAST($3 AS TEXT) IS NULL OR "
                  "c.state = $3) AND (CAST($4 AS TEXT) IS NULL OR c.procedure = $4) ORDER BY c.opened_usec "
                  "DESC, c.id DESC "
                  "LIMIT $5",
                  "ittti", opened, id, filter ? filter->state : NULL, filter ? filter->procedure : NULL,
                  (int64_t)limit + 1);
    r = r != 0 ? r : row_list(st, row, case_columns, (size_t)limit, page, &more, err);
    if (r == 0 && more)
        r = row_mark_make(page, "opened", &next);
    if (r != 0)
        return r;
    *ret_page = TAKE_PTR(page);
    *ret_next = TAKE_PTR(next);
    return 0;
}

static int none(const char *text, struct error *err)
{
    return error_set(err, CASES_E_NONE, text, "no such case; `liuhen case ls` lists them");
}

/* All holds of the case, lifted ones too; lists that page are in holds.c. */
static int add_holds(struct db *db, json_t *o, const char *id, struct error *err)
{
    static const struct row_column columns[] = {{"id", 't'},     {"ground", 't'},    {"matter", 't'},
                                                {"reason", 't'}, {"placed", 'i'},    {"placed_by", 't'},
                                                {"lifted", 'i'}, {"lifted_by", 't'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *list = json_array();
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT id, ground, matter, reason, placed_usec, placed_by, lifted_usec, lifted_by FROM holds WHERE "
        "case_id = $1 ORDER BY leaf",
        "t", id);

    if (!list)
        return -ENOMEM;
    r = r != 0 ? r : row_list(st, row, columns, ROW_NO_LIMIT, list, NULL, err);
    return r != 0 ? r : json_set_take(o, "hold_list", TAKE_PTR(list));
}

int case_show(struct db *db, const struct case_id *id, json_t **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *o = NULL;
    int64_t evidence = 0, bytes = 0;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " COLUMNS " FROM cases c WHERE c.id = $1", "t", id->text);

    if (r != 0)
        return r;
    if (!row)
        return none(id->text, err);
    r = row_object(st, case_columns, &o);
    if (r == 0)
        r = sql_integer(db, &evidence, 0, err,
                        "SELECT count(*) FROM links WHERE case_id = $1 AND role = 'evidence'", "t", id->text);
    if (r == 0)
        r = sql_integer(
            db, &bytes, 0, err,
            "SELECT CAST(sum(r.size_bytes) AS BIGINT) FROM links l JOIN recordings r ON r.id = l.recording "
            "WHERE l.case_id = $1",
            "t", id->text);
    r = r != 0 ? r : json_set_integer(o, "evidence", evidence);
    r = r != 0 ? r : json_set_integer(o, "bytes", bytes);
    r = r != 0 ? r : add_holds(db, o, id->text, err);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

int case_by_number(struct db *db, const char *number, struct case_id *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_free_ char *key = case_number_fold(number);
    bool row;
    int r;

    if (!key || !*key)
        return CASES_E_NONE;
    r = sql_query(db, &st, &row, err, "SELECT id FROM cases WHERE number_key = $1", "t", key);
    if (r != 0)
        return r;
    if (!row)
        return CASES_E_NONE;
    return case_id_parse(db_text(st, 0), ret) < 0 ? -EPROTO : 0;
}

int case_resolve(struct db *db, const char *text, struct case_id *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char low[ULID_LENGTH + 1], high[ULID_LENGTH + 1];
    struct case_id found;
    bool row;
    int r = case_by_number(db, text, ret, err);

    if (r != CASES_E_NONE)
        return r;
    if (!ulid_range(text, low, high))
        return none(text, err);
    r = sql_query(db, &st, &row, err, "SELECT id FROM cases WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT 2",
                  "tt", low, high);
    if (r != 0)
        return r;
    if (!row)
        return none(text, err);
    if (case_id_parse(db_text(st, 0), &found) < 0)
        return -EPROTO;
    r = db_step(st, &row, err);
    if (r == 0 && row)
        return error_set(err, CASES_E_AMBIGUOUS, text,
                         "is the beginning of more than one case's id; give more of it, or the number");
    if (r == 0)
        *ret = found;
    return r;
}

int case_read(struct db *db, const struct case_id *id, struct case_row *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_(case_row_done) struct case_row c = {0};
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT number, title, procedure, state, opened_usec, ended_usec, filed_usec FROM "
                      "cases WHERE id = $1",
                      "t", id->text);

    if (r != 0)
        return r;
    if (!row)
        return none(id->text, err);
    r = sql_take_text(st, 0, &c.number);
    r = r != 0 ? r : sql_take_text(st, 1, &c.title);
    r = r != 0 ? r : sql_take_text(st, 2, &c.procedure);
    r = r != 0 ? r : sql_take_text(st, 3, &c.state);
    c.opened_usec = db_integer(st, 4);
    c.ended_usec = db_integer(st, 5);
    c.filed_usec = db_integer(st, 6);
    if (r != 0)
        return r;
    *ret = c;
    c = (struct case_row){0};
    return 0;
}

void case_row_done(struct case_row *c)
{
    free(TAKE_PTR(c->number));
    free(TAKE_PTR(c->title));
    free(TAKE_PTR(c->procedure));
    free(TAKE_PTR(c->state));
}

int link_read(struct db *db, const struct recording_id *recording, const struct case_id *case_id,
              struct link_row *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    struct link_row l = {"", NULL};
    bool row;
    int r =
        sql_query(db, &st, &row, err, "SELECT role, step FROM links WHERE recording = $1 AND case_id = $2",
                  "tt", recording->text, case_id->text);

    if (r != 0)
        return r;
    if (row) {
        snprintf(l.role, sizeof l.role, "%s", db_text(st, 0));
        r = sql_take_text(st, 1, &l.step);
    }
    if (r == 0)
        *ret = l;
    return r;
}

void link_row_done(struct link_row *l)
{
    free(TAKE_PTR(l->step));
}

int hold_resolve(struct db *db, const char *text, struct hold_row *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char low[ULID_LENGTH + 1], high[ULID_LENGTH + 1];
    struct hold_row h = {"", "", "", false};
    bool row = false;
    int r = 0;

    if (ulid_range(text, low, high))
        r = sql_query(db, &st, &row, err,
                      "SELECT id, recording, case_id, lifted_usec FROM holds WHERE id >= $1 AND id <= $2 "
                      "ORDER BY id LIMIT 2",
                      "tt", low, high);
    if (r != 0)
        return r;
    if (!row)
        return error_set(err, CASES_E_NONE, text,
                         "no such hold; `liuhen show` of its recording or case lists them");
    snprintf(h.id, sizeof h.id, "%s", db_text(st, 0));
    snprintf(h.recording, sizeof h.recording, "%s", db_is_null(st, 1) ? "" : db_text(st, 1));
    snprintf(h.case_id, sizeof h.case_id, "%s", db_is_null(st, 2) ? "" : db_text(st, 2));
    h.stands = db_is_null(st, 3);
    r = db_step(st, &row, err);
    if (r == 0 && row)
        return error_set(err, CASES_E_AMBIGUOUS, text,
                         "is the beginning of more than one hold's id; give more of it");
    if (r == 0)
        *ret = h;
    return r;
}
