/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading containers and objects of body-worn systems (see bodyworn-rows.h).
 */
#include "catalogue/bodyworn-rows.h"

#include <errno.h>
#include <string.h>

#include "catalogue/row.h"
#include "catalogue/sql.h"

void bodyworn_container_done(struct bodyworn_container *c)
{
    free(c->name);
    json_decref(c->metadata);
    *c = (struct bodyworn_container){0};
}

void bodyworn_object_done(struct bodyworn_object *o)
{
    free(o->name);
    free(o->type);
    free(o->content);
    json_decref(o->metadata);
    json_decref(o->detail);
    *o = (struct bodyworn_object){0};
}

static void copy(struct db_stmt *st, int column, char *out, size_t size)
{
    const char *text = db_text(st, column);

    snprintf(out, size, "%s", text ? text : "");
}

/* A JSON object in a text column; NULL stays NULL. */
static int take_json(struct db_stmt *st, int column, json_t **ret, struct error *err)
{
    const char *text = db_text(st, column);
    int r = text ? json_parse(text, strlen(text), "bodyworn", ret, err) : 0;

    return r < 0 && r != -ENOMEM ? -EPROTO : r;
}

/* The row that st stands on; takes the statement. */
static int read_container(struct db_stmt *started, bool row, struct bodyworn_container *ret,
                          struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    _cleanup_(bodyworn_container_done) struct bodyworn_container c = {0};
    int r;

    if (!row)
        return BODYWORN_E_NONE;
    copy(st, 0, c.id, sizeof c.id);
    copy(st, 1, c.device, sizeof c.device);
    copy(st, 3, c.kind, sizeof c.kind);
    copy(st, 4, c.status, sizeof c.status);
    r = sql_take_text(st, 2, &c.name);
    r = r != 0 ? r : take_json(st, 5, &c.metadata, err);
    if (r == 0) {
        *ret = c;
        c = (struct bodyworn_container){0};
    }
    return r;
}

#define CONTAINER "SELECT id, device_id, name, kind, status, metadata FROM bodyworn_containers "

int bodyworn_container_find(struct db *db, const char *device, const char *name,
                            struct bodyworn_container *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err, CONTAINER "WHERE device_id = $1 AND name = $2", "tt", device, name);

    return r != 0 ? r : read_container(st, row, ret, err);
}

int bodyworn_container_read(struct db *db, const char *id, struct bodyworn_container *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err, CONTAINER "WHERE id = $1", "t", id);

    return r != 0 ? r : read_container(st, row, ret, err);
}

static int read_object(struct db_stmt *started, bool row, struct bodyworn_object *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    _cleanup_(bodyworn_object_done) struct bodyworn_object o = {0};
    int r;

    if (!row)
        return BODYWORN_E_NONE;
    copy(st, 0, o.id, sizeof o.id);
    copy(st, 1, o.container, sizeof o.container);
    copy(st, 3, o.kind, sizeof o.kind);
    copy(st, 4, o.recording, sizeof o.recording);
    o.bytes = db_integer(st, 5);
    copy(st, 6, o.etag, sizeof o.etag);
    o.stored_usec = db_integer(st, 11);
    o.changed_usec = db_integer(st, 12);
    r = sql_take_text(st, 2, &o.name);
    r = r != 0 ? r : sql_take_text(st, 7, &o.type);
    r = r != 0 ? r : take_json(st, 8, &o.metadata, err);
    r = r != 0 ? r : sql_take_text(st, 9, &o.content);
    r = r != 0 ? r : take_json(st, 10, &o.detail, err);
    if (r == 0) {
        *ret = o;
        o = (struct bodyworn_object){0};
    }
    return r;
}

#define OBJECT                                                                                               \
    "SELECT id, container, name, kind, recording, size_bytes, etag, type, metadata, content, detail, "       \
    "stored_usec, changed_usec FROM bodyworn_objects "

int bodyworn_object_find(struct db *db, const char *container, const char *name, struct bodyworn_object *ret,
                         struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r =
        sql_query(db, &st, &row, err, OBJECT "WHERE container = $1 AND name = $2 AND replaced_leaf IS NULL",
                  "tt", container, name);

    return r != 0 ? r : read_object(st, row, ret, err);
}

int bodyworn_object_of(struct db *db, const char *recording, const char *device, struct bodyworn_object *ret,
                       struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        OBJECT "WHERE recording = $1 ORDER BY (SELECT CASE WHEN c.device_id = $2 THEN 0 ELSE 1 END FROM "
               "bodyworn_containers c WHERE c.id = container), leaf LIMIT 1",
        "tt", recording, device);

    return r != 0 ? r : read_object(st, row, ret, err);
}

static bool has_prefix(const char *name, const char *prefix)
{
    return !prefix || strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Rows of a listing into an array; names come in order, so that the first without the prefix after one with it is the end. */
static int list_rows(struct db_stmt *started, bool row, const struct row_column *columns,
                     const struct bodyworn_range *range, json_t **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    _cleanup_json_ json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;

    for (; r == 0 && row && json_array_size(list) < (size_t)range->limit; r = db_step(st, &row, err)) {
        json_t *o = NULL;

        if (!has_prefix(db_text(st, 0), range->prefix))
            break;
        r = row_object(st, columns, &o);
        if (r == 0 && json_array_append_new(list, o) < 0)
            r = -ENOMEM;
        if (r != 0)
            break;
    }
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}

/* Names from here on (>=), after this one (>) and before that one (NULL: no end). */
static void bounds(const struct bodyworn_range *range, const char **from, const char **after,
                   const char **before)
{
    *from = range->prefix ? range->prefix : "";
    *after = range->marker ? range->marker : "";
    *before = range->end_marker;
}

/* PostgreSQL would compare by the database's language; Swift lists by bytes, as SQLite does. */
#define BY_BYTES(db) (db_is_postgres(db) ? 1 : 0)

int bodyworn_containers_list(struct db *db, const char *device, const struct bodyworn_range *range,
                             json_t **ret, struct error *err)
{
#define SQL(collate)                                                                                         \
    "SELECT c.name, count(o.id), CAST(COALESCE(sum(o.size_bytes), 0) AS BIGINT) FROM bodyworn_containers c " \
    "LEFT JOIN bodyworn_objects o ON o.container = c.id AND o.replaced_leaf IS NULL WHERE c.device_id = $1 " \
    "AND c.name " collate " >= $2 AND c.name " collate                                                       \
    " > $3 AND (CAST($4 AS TEXT) IS NULL OR c.name " collate                                                 \
    " < $4) GROUP BY c.id, c.name ORDER BY c.name " collate " LIMIT $5"
    static const char *const sql[] = {SQL(""), SQL("COLLATE \"C\"")};
#undef SQL
    static const struct row_column columns[] = {{"name", 't'}, {"count", 'i'}, {"bytes", 'i'}, {NULL, 0}};
    const char *from, *after, *before;
    struct db_stmt *st;
    bool row;
    int r;

    bounds(range, &from, &after, &before);
    r = sql_query(db, &st, &row, err, sql[BY_BYTES(db)], "tttti", device, from, after, before,
                  (int64_t)range->limit);
    return r != 0 ? r : list_rows(st, row, columns, range, ret, err);
}

int bodyworn_objects_list(struct db *db, const char *container, const struct bodyworn_range *range,
                          json_t **ret, struct error *err)
{
#define SQL(collate)                                                                                         \
    "SELECT o.name, o.size_bytes, o.etag, o.type, o.changed_usec FROM bodyworn_objects o WHERE o.container " \
    "= $1 AND o.replaced_leaf IS NULL AND o.name " collate " >= $2 AND o.name " collate " > $3 AND "         \
    "(CAST($4 AS TEXT) IS NULL OR o.name " collate " < $4) ORDER BY o.name " collate " LIMIT $5"
    static const char *const sql[] = {SQL(""), SQL("COLLATE \"C\"")};
#undef SQL
    static const struct row_column columns[] = {{"name", 't'}, {"bytes", 'i'},   {"hash", 't'},
                                                {"type", 't'}, {"changed", 'i'}, {NULL, 0}};
    const char *from, *after, *before;
    struct db_stmt *st;
    bool row;
    int r;

    bounds(range, &from, &after, &before);
    r = sql_query(db, &st, &row, err, sql[BY_BYTES(db)], "tttti", container, from, after, before,
                  (int64_t)range->limit);
    return r != 0 ? r : list_rows(st, row, columns, range, ret, err);
}

int bodyworn_container_sum(struct db *db, const char *container, int64_t *ret_objects, int64_t *ret_bytes,
                           struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err,
                  "SELECT count(*), CAST(COALESCE(sum(size_bytes), 0) AS BIGINT) FROM bodyworn_objects WHERE "
                  "container = $1 AND replaced_leaf IS NULL",
                  "t", container);

    if (r == 0) {
        *ret_objects = db_integer(st, 0);
        *ret_bytes = db_integer(st, 1);
    }
    return r;
}

int bodyworn_account_sum(struct db *db, const char *device, int64_t *ret_containers, int64_t *ret_objects,
                         int64_t *ret_bytes, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_integer(db, ret_containers, 0, err,
                        "SELECT count(*) FROM bodyworn_containers WHERE device_id = $1", "t", device);

    if (r == 0)
        r = sql_query(
            db, &st, &row, err,
            "SELECT count(*), CAST(COALESCE(sum(o.size_bytes), 0) AS BIGINT) FROM bodyworn_objects o "
            "JOIN bodyworn_containers c ON c.id = o.container WHERE c.device_id = $1 AND "
            "o.replaced_leaf IS NULL",
            "t", device);
    if (r == 0) {
        *ret_objects = db_integer(st, 0);
        *ret_bytes = db_integer(st, 1);
    }
    return r;
}

int bodyworn_clips_before(struct db *db, const char *container, const char *name, int64_t *ret,
                          struct error *err)
{
#define SQL(collate)                                                                                         \
    "SELECT count(*) FROM bodyworn_objects WHERE container = $1 AND kind = 'clip' AND replaced_leaf IS "     \
    "NULL AND name " collate " < $2"
    static const char *const sql[] = {SQL(""), SQL("COLLATE \"C\"")};
#undef SQL

    return sql_integer(db, ret, 0, err, sql[BY_BYTES(db)], "tt", container, name);
}

static int object_summary(struct db_stmt *st, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *o = json_object(), *metadata = NULL, *detail = NULL;
    int r = o ? row_set_text(o, "name", st, 0) : -ENOMEM;

    r = r != 0 ? r : row_set_text(o, "recording", st, 1);
    r = r != 0 ? r : take_json(st, 2, &metadata, err);
    r = r != 0 ? r : take_json(st, 3, &detail, err);
    r = r != 0 ? r : json_set_take(o, "metadata", TAKE_PTR(metadata));
    if (r == 0 && detail)
        r = json_set_take(o, "detail", TAKE_PTR(detail));
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

int bodyworn_objects_of_kind(struct db *db, const char *container, const char *kind, json_t **ret,
                             struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *list = json_array();
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT name, recording, metadata, detail FROM bodyworn_objects WHERE container = $1 AND kind "
        "= $2 AND replaced_leaf IS NULL ORDER BY leaf LIMIT 1000",
        "tt", container, kind);

    if (!list)
        return -ENOMEM;
    for (; r == 0 && row; r = db_step(st, &row, err)) {
        json_t *o = NULL;

        r = object_summary(st, &o, err);
        if (r == 0 && json_array_append_new(list, o) < 0)
            r = -ENOMEM;
        if (r != 0)
            return r;
    }
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}
