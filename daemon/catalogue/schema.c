/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Schema and migrations (see schema.h). The SQL files are embedded at build time, so that a binary carries exactly the
 * schema it was tested with.
 */
#include "catalogue/schema.h"

#include <errno.h>
#include <string.h>

#include "catalogue/sql.h"

#define EMBED(symbol, file)                                                                                  \
    __asm__(".section .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" file                           \
            "\"\n.byte 0\n.previous\n");                                                                     \
    extern const char symbol[]

EMBED(catalogue_schema_001, "daemon/catalogue/schema/001.sql");
EMBED(catalogue_schema_002, "daemon/catalogue/schema/002.sql");
EMBED(catalogue_schema_003, "daemon/catalogue/schema/003.sql");
EMBED(catalogue_schema_004, "daemon/catalogue/schema/004.sql");
EMBED(catalogue_schema_005, "daemon/catalogue/schema/005.sql");

static const char *const migrations[SCHEMA_VERSION] = {catalogue_schema_001, catalogue_schema_002,
                                                       catalogue_schema_003, catalogue_schema_004,
                                                       catalogue_schema_005};

int catalogue_meta_get(struct db *db, const char *name, char **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT value FROM meta WHERE name = $1", "t", name);

    if (r != 0)
        return r;
    *ret = NULL;
    return row ? sql_take_text(st, 0, ret) : 0;
}

int catalogue_meta_set(struct db *db, const char *name, const char *value, struct error *err)
{
    return sql_run(db, err,
                   "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = "
                   "excluded.value",
                   "tt", name, value);
}

/* Whether the meta table is there: asked of the engine's own catalogue, so that an error is never taken for "no". */
static int has_meta(struct db *db, bool *ret, struct error *err)
{
    static const char *const sql[] = {
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'",
        "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = 'meta' AND n.nspname = current_schema()"};
    _cleanup_stmt_ struct db_stmt *st = NULL;

    return sql_query(db, &st, ret, err, sql[db_is_postgres(db)], "");
}

static int read_version(struct db *db, int *ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    bool there;
    int r = has_meta(db, &there, err);

    *ret = 0;
    if (r != 0 || !there)
        return r;
    r = catalogue_meta_get(db, "schema", &text, err);
    if (r != 0)
        return r;
    if (!text)
        return error_set(err, -EPROTO, "catalogue",
                         "has a table named meta but no schema version: not a Liuhen catalogue");
    *ret = atoi(text);
    return 0;
}

static int migrate(struct db *db, struct error *err)
{
    char text[16];
    int version, r = db_begin(db, err);

    if (r != 0)
        return r;
    r = read_version(db, &version, err); /* again, now that nobody else can change it */
    for (int v = version; r == 0 && v < SCHEMA_VERSION; v++)
        r = db_script(db, migrations[v], err);
    snprintf(text, sizeof text, "%d", SCHEMA_VERSION);
    if (r == 0 && version < SCHEMA_VERSION)
        r = catalogue_meta_set(db, "schema", text, err);
    if (r == 0)
        r = db_commit(db, err);
    if (r != 0)
        db_rollback(db);
    return r;
}

/* A file that is no database, or a damaged one: says what can be done about it. */
static int say_damaged(int r, struct error *err)
{
    size_t n = err ? strlen(err->text) : 0;

    if (r == -EBADMSG && err)
        snprintf(err->text + n, sizeof err->text - n,
                 "; put a good copy back, or move it aside and run `liuhen rebuild`: nothing is lost, the "
                 "ledger knows all of it");
    return r;
}

int catalogue_open(const char *dsn, enum db_mode mode, struct db **ret, struct error *err)
{
    _cleanup_(db_closep) struct db *db = NULL;
    int version, r;

    r = db_open(dsn, mode, &db, err);
    r = r != 0 ? r : read_version(db, &version, err);
    if (r != 0)
        return say_damaged(r, err);
    if (version > SCHEMA_VERSION || (mode == DB_READ && version != SCHEMA_VERSION))
        return error_set(
            err, -EPROTO, "catalogue",
            "has schema version %d, this program knows %d; use the matching program, or start liuhend "
            "once to migrate an older one",
            version, SCHEMA_VERSION);
    if (version < SCHEMA_VERSION) {
        r = migrate(db, err);
        if (r != 0)
            return r;
    }
    *ret = TAKE_PTR(db);
    return 0;
}
