/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Comparing two catalogues (see compare.h): every table in key order from both sides, merged like two sorted lists. The key is
 * the first column of each query.
 */
#include "fsck/compare.h"

#include <string.h>

#include "catalogue/sql.h"
#include "catalogue/tables.h"

#define DIFFERENCES_MAX 1000

struct side {
    struct db_stmt *st;
    bool row;
};

static void side_done(struct side *s)
{
    db_finish(s->st);
}

/* Keys are text or integers. */
static int compare_keys(const struct table_columns *t, const struct side *a, const struct side *b)
{
    if (t->types[0] == 'i') {
        int64_t x = db_integer(a->st, 0), y = db_integer(b->st, 0);
        return x < y ? -1 : x > y;
    }
    return strcmp(db_text(a->st, 0), db_text(b->st, 0));
}

static bool same_value(char type, struct side *a, struct side *b, int column)
{
    size_t n, m;
    const void *x, *y;

    if (db_is_null(a->st, column) || db_is_null(b->st, column))
        return db_is_null(a->st, column) && db_is_null(b->st, column);
    if (type == 'i')
        return db_integer(a->st, column) == db_integer(b->st, column);
    if (type == 't')
        return strcmp(db_text(a->st, column), db_text(b->st, column)) == 0;
    x = db_blob(a->st, column, &n);
    y = db_blob(b->st, column, &m);
    return n == m && memcmp(x, y, n) == 0;
}

static void key_text(const struct table_columns *t, struct side *s, char *out, size_t size)
{
    if (t->types[0] == 'i')
        snprintf(out, size, "%lld", (long long)db_integer(s->st, 0));
    else
        snprintf(out, size, "%s", db_text(s->st, 0));
}

static void compare_row(const struct table_columns *t, struct side *have, struct side *want,
                        void (*on_difference)(void *, const char *, const char *, const char *),
                        void *userdata, unsigned *n)
{
    char key[128], how[96];

    for (int i = 0; t->types[i]; i++) {
        if (same_value(t->types[i], have, want, i))
            continue;
        key_text(t, want, key, sizeof key);
        snprintf(how, sizeof how, "column %d of the row is not what the ledger says", i + 1);
        on_difference(userdata, t->name, key, how);
        (*n)++;
        return;
    }
}

static int compare_table(const struct table_columns *t, struct db *have_db, struct db *want_db,
                         void (*on_difference)(void *, const char *, const char *, const char *),
                         void *userdata, struct error *err)
{
    _cleanup_(side_done) struct side have = {0}, want = {0};
    char key[128];
    unsigned n = 0;
    int r = sql_query(have_db, &have.st, &have.row, err, t->select, "");

    r = r != 0 ? r : sql_query(want_db, &want.st, &want.row, err, t->select, "");
    while (r == 0 && (have.row || want.row) && n < DIFFERENCES_MAX) {
        int order = !have.row ? 1 : !want.row ? -1 : compare_keys(t, &have, &want);
        if (order == 0)
            compare_row(t, &have, &want, on_difference, userdata, &n);
        else {
            key_text(t, order < 0 ? &have : &want, key, sizeof key);
            on_difference(userdata, t->name, key,
                          order < 0 ? "the catalogue has a row that no act in the ledger made"
                                    : "the catalogue lacks a row that the ledger says was made");
            n++;
        }
        if (order <= 0)
            r = db_step(have.st, &have.row, err);
        if (r == 0 && order >= 0)
            r = db_step(want.st, &want.row, err);
    }
    return r;
}

int compare_catalogues(struct db *have, struct db *want,
                       void (*on_difference)(void *userdata, const char *table, const char *key,
                                             const char *how),
                       void *userdata, struct error *err)
{
    int r = 0;

    for (const struct table_columns *t = catalogue_tables(); t->name && r == 0; t++)
        r = compare_table(t, have, want, on_difference, userdata, err);
    return r;
}
