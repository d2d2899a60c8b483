/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Short forms over db.h (see sql.h).
 */
#include "catalogue/sql.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static void bind_all(struct db_stmt *st, const char *types, va_list ap)
{
    for (int n = 1; *types; types++, n++) {
        const int64_t *number;
        const void *data;

        switch (*types) {
        case 'i':
            db_bind_integer(st, n, va_arg(ap, int64_t));
            break;
        case 'o':
            number = va_arg(ap, const int64_t *);
            if (number)
                db_bind_integer(st, n, *number);
            else
                db_bind_null(st, n);
            break;
        case 't':
            db_bind_text(st, n, va_arg(ap, const char *));
            break;
        case 'b':
            data = va_arg(ap, const void *);
            db_bind_blob(st, n, data, va_arg(ap, size_t));
            break;
        default:
            assert(!"sql types letter");
        }
    }
}

static int start(struct db *db, struct db_stmt **ret_st, bool *ret_row, struct error *err, const char *sql,
                 const char *types, va_list ap)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    int r = db_prepare(db, sql, &st, err);

    if (r != 0)
        return r;
    bind_all(st, types, ap);
    r = db_step(st, ret_row, err);
    if (r != 0)
        return r;
    *ret_st = TAKE_PTR(st);
    return 0;
}

int sql_query(struct db *db, struct db_stmt **ret_st, bool *ret_row, struct error *err, const char *sql,
              const char *types, ...)
{
    va_list ap;
    int r;

    va_start(ap, types);
    r = start(db, ret_st, ret_row, err, sql, types, ap);
    va_end(ap);
    return r;
}

int sql_run(struct db *db, struct error *err, const char *sql, const char *types, ...)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    va_list ap;
    int r;

    va_start(ap, types);
    r = start(db, &st, &row, err, sql, types, ap);
    va_end(ap);
    return r;
}

int sql_run_one(struct db *db, int missing, struct error *err, const char *sql, const char *types, ...)
{
    struct db_stmt *st = NULL;
    bool row;
    va_list ap;
    int r;

    va_start(ap, types);
    r = start(db, &st, &row, err, sql, types, ap);
    va_end(ap);
    db_finish(st);
    if (r != 0)
        return r;
    return db_changes(db) == 1 ? 0 : missing;
}

int sql_integer(struct db *db, int64_t *ret, int64_t fallback, struct error *err, const char *sql,
                const char *types, ...)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    va_list ap;
    int r;

    va_start(ap, types);
    r = start(db, &st, &row, err, sql, types, ap);
    va_end(ap);
    if (r != 0)
        return r;
    *ret = row && !db_is_null(st, 0) ? db_integer(st, 0) : fallback;
    return 0;
}

int sql_take_text(struct db_stmt *st, int column, char **ret)
{
    const char *s = db_text(st, column);

    if (s && !(*ret = strdup(s)))
        return -ENOMEM;
    return 0;
}
