/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The half of the adapter that both engines share (see db.h). It keeps them alike where they differ by nature:
 *   - after an error inside a transaction PostgreSQL refuses everything until a rollback, SQLite goes on and sometimes rolls
 *     back by itself; here both refuse with -ECANCELED, so that half a transaction is never committed;
 *   - PostgreSQL refuses text that is not UTF-8 and parameters that were not bound, SQLite takes them; here both refuse.
 * Threading: a connection with its statements belongs to one thread at a time; nothing is global.
 */
#include "catalogue/db.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "base/inject.h"
#include "catalogue/db-internal.h"

#define CACHE_MAX 256 /* statements kept prepared; the one longest unused goes first */

static bool dsn_is_postgres(const char *dsn)
{
    static const char *const starts[] = {"postgresql://", "postgres://"};
    static const char *const words[] = {"host=", "hostaddr=", "dbname=", "user=", "port=", "service="};

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
        if (strncmp(dsn, starts[i], strlen(starts[i])) == 0)
            return true;
    if (dsn[0] == '/' || dsn[0] == '.')
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strncmp(dsn, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

int db_open(const char *dsn, enum db_mode mode, struct db **ret, struct error *err)
{
    const struct db_engine *engine = dsn_is_postgres(dsn) ? &db_pg_engine : &db_sqlite_engine;

    return engine->open(dsn, mode, ret, err);
}

bool db_is_postgres(const struct db *db)
{
    return db->engine == &db_pg_engine;
}

void db_set_busy_timeout(struct db *db, int msec)
{
    db->busy_msec = msec > 0 ? msec : 0;
}

int64_t db_changes(const struct db *db)
{
    return db->changes;
}

/* Notes that a transaction cannot be committed any more. Return: r. */
static int note_failure(struct db *db, int r)
{
    if (r != 0 && db->transaction != DB_NO_TRANSACTION)
        db->broken = true;
    return r;
}

/* What stands before every piece of work on the connection. */
static int check_ready(struct db *db, struct error *err)
{
    if (db->broken)
        return error_set(err, -ECANCELED, db->name,
                         "an earlier statement of this transaction failed; it has to be rolled back");
    return db->transaction == DB_NO_TRANSACTION ? db->engine->ready(db, err) : 0;
}

/* ---- statement cache ---- */

static uint64_t hash_text(const char *s) /* FNV-1a */
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return h;
}

static struct db_stmt **bucket_of(struct db *db, uint64_t hash)
{
    return &db->buckets[hash % ARRAY_SIZE(db->buckets)];
}

static void stmt_destroy(struct db_stmt *st)
{
    free(st->sql);
    free(st->row);
    free(st->numbers);
    st->db->engine->stmt_free(st);
}

static void cache_remove(struct db *db, struct db_stmt *st)
{
    struct db_stmt **p = bucket_of(db, st->hash);

    while (*p != st)
        p = &(*p)->next;
    *p = st->next;
    db->cached--;
}

static void cache_shrink(struct db *db)
{
    struct db_stmt *oldest = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(db->buckets); i++)
        for (struct db_stmt *st = db->buckets[i]; st; st = st->next)
            if (!st->in_use && (!oldest || st->used < oldest->used))
                oldest = st;
    if (!oldest)
        return;
    cache_remove(db, oldest);
    stmt_destroy(oldest);
}

/* A statement for the text that nobody uses: the cached one, else a new one put into the cache. NULL = out of memory. */
static struct db_stmt *cache_get(struct db *db, const char *sql)
{
    uint64_t hash = hash_text(sql);
    struct db_stmt *st;

    for (st = *bucket_of(db, hash); st; st = st->next)
        if (!st->in_use && st->hash == hash && strcmp(st->sql, sql) == 0)
            return st;
    if (db->cached >= CACHE_MAX)
        cache_shrink(db);
    st = db->engine->stmt_new(db);
    if (!st)
        return NULL;
    st->db = db;
    st->hash = hash;
    st->sql = strdup(sql);
    if (!st->sql) {
        stmt_destroy(st);
        return NULL;
    }
    st->next = *bucket_of(db, hash);
    *bucket_of(db, hash) = st;
    db->cached++;
    return st;
}

int db_stmt_set_columns(struct db_stmt *st, int n_columns)
{
    struct db_value *row;

    if (n_columns == st->n_columns)
        return 0;
    free(st->numbers);
    st->numbers = NULL;
    row = reallocarray(st->row, (size_t)MAX(n_columns, 1), sizeof *row);
    if (!row)
        return -ENOMEM;
    st->row = row;
    st->n_columns = n_columns;
    return 0;
}

struct db *db_close(struct db *db)
{
    if (!db)
        return NULL;
    db_rollback(db);
    db->closing = true;
    for (size_t i = 0; i < ARRAY_SIZE(db->buckets); i++)
        while (db->buckets[i]) {
            struct db_stmt *st = db->buckets[i];

            assert(!st->in_use);
            cache_remove(db, st);
            stmt_destroy(st);
        }
    db->engine->close(db);
    return NULL;
}

/* ---- statements ---- */

int db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct error *err)
{
    struct db_stmt *st;
    int r = check_ready(db, err);

    if (r != 0)
        return r;
    st = cache_get(db, sql);
    if (!st)
        return note_failure(db, error_set(err, -ENOMEM, db->name, "out of memory for a statement"));
    r = db->engine->stmt_prepare(st, err);
    if (r != 0) {
        cache_remove(db, st);
        stmt_destroy(st);
        return note_failure(db, r);
    }
    st->in_use = true;
    st->used = ++db->tick;
    *ret = st;
    return 0;
}

struct db_stmt *db_finish(struct db_stmt *st)
{
    if (!st)
        return NULL;
    assert(st->in_use);
    if (st->state != DB_STMT_READY || st->status != 0)
        st->db->engine->stmt_reset(st);
    st->in_use = false;
    st->state = DB_STMT_READY;
    st->status = 0;
    st->n_params = 0;
    st->bound = 0;
    return NULL;
}

static void bind(struct db_stmt *st, int n, struct db_value value)
{
    assert(st->state == DB_STMT_READY);
    if (n < 1 || n > DB_MAX_PARAMETERS) {
        st->status = -ERANGE;
        return;
    }
    st->params[n - 1] = value;
    st->bound |= UINT64_C(1) << (n - 1);
    st->n_params = MAX(st->n_params, n);
}

void db_bind_integer(struct db_stmt *st, int n, int64_t value)
{
    bind(st, n, (struct db_value){.type = DB_INTEGER, .integer = value});
}

void db_bind_text(struct db_stmt *st, int n, const char *value)
{
    size_t size = value ? strlen(value) : 0;

    if (value && !utf8_is_valid(value, size) && st->status == 0)
        st->status = -EILSEQ;
    bind(st, n, (struct db_value){.type = value ? DB_TEXT : DB_NULL, .data = value, .size = size});
}

void db_bind_blob(struct db_stmt *st, int n, const void *data, size_t size)
{
    bind(st, n, (struct db_value){.type = data ? DB_BLOB : DB_NULL, .data = data, .size = size});
}

void db_bind_null(struct db_stmt *st, int n)
{
    bind(st, n, (struct db_value){.type = DB_NULL});
}

static int report_status(struct db_stmt *st, struct error *err)
{
    const char *name = st->db->name;

    switch (st->status) {
    case -EILSEQ:
        return error_set(err, -EILSEQ, name,
                         "a text is not valid UTF-8; it has to be percent-encoded (in: %.80s)", st->sql);
    case -ERANGE:
        return error_set(err, -ERANGE, name, "a statement can have parameters $1 to $%d (in: %.80s)",
                         DB_MAX_PARAMETERS, st->sql);
    default:
        return error_set(err, st->status, name, "the statement has failed already (in: %.80s)", st->sql);
    }
}

static int start(struct db_stmt *st, struct error *err)
{
    int r;

    for (int n = 0; n < st->n_params; n++)
        if (!(st->bound >> n & 1))
            return error_set(err, -EINVAL, st->db->name, "parameter $%d was not bound (in: %.80s)", n + 1,
                             st->sql);
    r = st->db->engine->stmt_start(st, err);
    if (r == 0)
        st->state = DB_STMT_RUNNING;
    return r;
}

static int step(struct db_stmt *st, bool *ret_row, struct error *err)
{
    int r = inject_point("db.step");

    if (r < 0)
        return error_errno(err, r, st->db->name, "injected failure of a statement");
    if (st->state == DB_STMT_READY) {
        r = start(st, err);
        if (r != 0)
            return r;
    }
    return st->db->engine->stmt_step(st, ret_row, err);
}

int db_step(struct db_stmt *st, bool *ret_row, struct error *err)
{
    bool row = false;
    int r;

    if (st->state == DB_STMT_DONE) {
        *ret_row = false;
        return 0;
    }
    if (st->status != 0)
        return note_failure(st->db, report_status(st, err));
    if (st->db->broken)
        return check_ready(st->db, err);
    r = step(st, &row, err);
    if (r != 0) {
        st->status = r;
        return note_failure(st->db, r);
    }
    if (!row)
        st->state = DB_STMT_DONE;
    *ret_row = row;
    return 0;
}

/* ---- values of the current row ---- */

static const struct db_value *value_at(const struct db_stmt *st, int column)
{
    assert(st->state == DB_STMT_RUNNING && column >= 0 && column < st->n_columns);
    return &st->row[column];
}

int64_t db_integer(struct db_stmt *st, int column)
{
    const struct db_value *v = value_at(st, column);

    if (v->type == DB_TEXT)
        return strtoll(v->data, NULL, 10);
    return v->type == DB_INTEGER ? v->integer : 0;
}

const char *db_text(struct db_stmt *st, int column)
{
    const struct db_value *v = value_at(st, column);

    if (v->type != DB_INTEGER)
        return v->type == DB_NULL ? NULL : v->data;
    if (!st->numbers)
        st->numbers = calloc((size_t)st->n_columns, sizeof *st->numbers);
    if (!st->numbers) {
        st->status = -ENOMEM;
        return NULL;
    }
    snprintf(st->numbers[column], sizeof st->numbers[column], "%" PRId64, v->integer);
    return st->numbers[column];
}

const void *db_blob(struct db_stmt *st, int column, size_t *ret_size)
{
    const struct db_value *v = value_at(st, column);
    bool bytes = v->type == DB_BLOB || v->type == DB_TEXT;

    *ret_size = bytes ? v->size : 0;
    return bytes ? v->data : NULL;
}

bool db_is_null(struct db_stmt *st, int column)
{
    return value_at(st, column)->type == DB_NULL;
}

/* ---- statements without rows, transactions ---- */

int db_exec(struct db *db, const char *sql, struct error *err)
{
    int r = check_ready(db, err);

    if (r != 0)
        return r;
    r = inject_point("db.step");
    if (r < 0)
        return note_failure(db, error_errno(err, r, db->name, "injected failure of a statement"));
    return note_failure(db, db->engine->exec(db, sql, err));
}

static int begin(struct db *db, enum db_transaction kind, struct error *err)
{
    int r;

    if (db->transaction != DB_NO_TRANSACTION)
        return error_set(err, -EINVAL, db->name, "a transaction is open already");
    if (kind == DB_WRITING && db->mode == DB_READ)
        return error_set(err, -EROFS, db->name, "opened for reading only");
    r = inject_point("db.begin");
    if (r < 0)
        return error_errno(err, r, db->name, "injected failure of BEGIN");
    r = db->engine->ready(db, err);
    if (r == 0)
        r = db->engine->exec(db, kind == DB_WRITING ? db->engine->begin_write : db->engine->begin_read, err);
    if (r != 0)
        return r;
    db->transaction = kind;
    db->savepoints = 0;
    db->broken = false;
    return 0;
}

int db_begin(struct db *db, struct error *err)
{
    return begin(db, DB_WRITING, err);
}

int db_begin_read(struct db *db, struct error *err)
{
    return begin(db, DB_READING, err);
}

void db_rollback(struct db *db)
{
    if (db->transaction == DB_NO_TRANSACTION)
        return;
    /* Fails only where the transaction is gone already: rolled back by SQLite itself, or with a lost connection. */
    (void)db->engine->exec(db, "ROLLBACK", NULL);
    db->transaction = DB_NO_TRANSACTION;
    db->savepoints = 0;
    db->broken = false;
}

static int commit(struct db *db, struct error *err)
{
    int r = check_ready(db, err);

    if (r != 0)
        return r;
    r = inject_point("db.commit");
    if (r < 0)
        return error_errno(err, r, db->name, "injected failure of COMMIT");
    return db->engine->commit(db, err);
}

int db_commit(struct db *db, struct error *err)
{
    int r;

    if (db->transaction == DB_NO_TRANSACTION)
        return error_set(err, -EINVAL, db->name, "no transaction is open");
    r = commit(db, err);
    if (r != 0) {
        db_rollback(db);
        return r;
    }
    db->transaction = DB_NO_TRANSACTION;
    db->savepoints = 0;
    return 0;
}

/* Both engines let the same name nest: RELEASE and ROLLBACK TO mean the newest. */
int db_savepoint(struct db *db, struct error *err)
{
    int r;

    if (db->transaction == DB_NO_TRANSACTION)
        return error_set(err, -EINVAL, db->name, "a savepoint needs an open transaction");
    r = check_ready(db, err);
    if (r == 0)
        r = note_failure(db, db->engine->exec(db, "SAVEPOINT liuhen", err));
    if (r == 0)
        db->savepoints++;
    return r;
}

int db_savepoint_release(struct db *db, struct error *err)
{
    int r;

    if (db->savepoints == 0)
        return error_set(err, -EINVAL, db->name, "no savepoint is open");
    r = check_ready(db, err);
    if (r == 0)
        r = note_failure(db, db->engine->exec(db, "RELEASE SAVEPOINT liuhen", err));
    if (r == 0)
        db->savepoints--;
    return r;
}

void db_savepoint_rollback(struct db *db)
{
    int r;

    if (db->savepoints == 0)
        return;
    db->savepoints--;
    r = db->engine->exec(db, "ROLLBACK TO SAVEPOINT liuhen", NULL);
    if (r == 0)
        r = db->engine->exec(db, "RELEASE SAVEPOINT liuhen", NULL);
    db->broken = r != 0; /* the whole transaction is gone: every further call says so */
}
