/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SQLite engine of the adapter: WAL, so that readers never wait for the writer; synchronous=FULL, so that a commit is on
 * the disk; a cache of 8 MiB (2 MiB for a reader) and no memory map, so that a damaged disk is an error and not a signal. The
 * file is marked as ours (application_id) and a database of another program is refused. Symbolic links are not followed for the
 * file itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "catalogue/db-internal.h"

#define APPLICATION_ID 0x4c495548 /* "LIUH" */
#define CACHE_KIB      8192
#define READ_CACHE_KIB 2048 /* there are several readers, and the kernel caches the file for all of them */
#define FILE_MODE      0640 /* names of people are inside: not for everybody's eyes */

struct sqlite_db {
    struct db base;
    sqlite3 *handle;
    int busy_in_force;
};

/* Rows of RETURNING, kept while the statement runs to its end. */
struct kept_rows {
    sqlite3_value **values;
    size_t count, room; /* of values: rows × columns */
    size_t next;
    bool on;
};

struct sqlite_stmt {
    struct db_stmt base;
    sqlite3_stmt *handle;
    int index[DB_MAX_PARAMETERS]; /* SQLite's index of "$n", 0 = the text has no such parameter */
    int n_parameters;
    bool writes;
    struct kept_rows kept;
};

/* ---- errors ---- */

static int code_from_errno(int system_errno, int fallback)
{
    if (system_errno == EDQUOT)
        return -ENOSPC;
    return system_errno > 0 ? -system_errno : fallback;
}

static int code_from_sqlite(sqlite3 *handle, int rc)
{
    switch (rc) {
    case SQLITE_IOERR_NOMEM:
        return -ENOMEM;
    case SQLITE_CORRUPT_INDEX:
        return -EBADMSG;
    case SQLITE_CANTOPEN_SYMLINK:
        return -ELOOP;
    }
    static const int table[][2] = {
        {SQLITE_BUSY, DB_E_BUSY},     {SQLITE_LOCKED, DB_E_BUSY},
        {SQLITE_PROTOCOL, DB_E_BUSY}, {SQLITE_CONSTRAINT, DB_E_CONSTRAINT},
        {SQLITE_CORRUPT, -EBADMSG},   {SQLITE_NOTADB, -EBADMSG},
        {SQLITE_FULL, -ENOSPC},       {SQLITE_READONLY, -EROFS},
        {SQLITE_NOMEM, -ENOMEM},      {SQLITE_PERM, -EACCES},
        {SQLITE_AUTH, -EACCES},       {SQLITE_TOOBIG, -E2BIG},
        {SQLITE_INTERRUPT, -EINTR},   {SQLITE_ABORT, -ECANCELED},
    };

    rc &= 0xff;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (rc == table[i][0])
            return table[i][1];
    if (rc == SQLITE_IOERR)
        return sqlite3_system_errno(handle) == ENOSPC || sqlite3_system_errno(handle) == EDQUOT ? -ENOSPC
                                                                                                : -EIO;
    if (rc == SQLITE_CANTOPEN)
        return code_from_errno(sqlite3_system_errno(handle), -ENOENT);
    return -EINVAL;
}

/* sql may be NULL; it is named where the statement itself is what is wrong. */
static int fail(struct sqlite_db *db, const char *sql, struct error *err)
{
    int rc = sqlite3_extended_errcode(db->handle), code = code_from_sqlite(db->handle, rc);
    const char *words = sqlite3_errmsg(db->handle);

    if (code == -EINVAL && sql)
        return error_set(err, code, db->base.name, "%s (in: %.80s)", words, sql);
    if (rc == SQLITE_READONLY_DBMOVED)
        return error_set(err, code, db->base.name, "the file was moved or deleted while it was open");
    if (code == -EROFS)
        return error_set(err, code, db->base.name, "%s: the file and its folder must be writable for liuhend",
                         words);
    return error_set(err, code, db->base.name, "%s", words);
}

/* ---- connection ---- */

static int sqlite_exec(struct db *base, const char *sql, struct error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)base;

    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(db, sql, err);
}

static int sqlite_commit(struct db *base, struct error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)base;

    if (sqlite3_get_autocommit(db->handle))
        return error_set(err, -ECANCELED, base->name, "SQLite had rolled the transaction back by itself");
    return sqlite_exec(base, "COMMIT", err);
}

static int sqlite_ready(struct db *base, struct error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)base;

    if (db->busy_in_force != base->busy_msec)
        sqlite3_busy_timeout(db->handle, base->busy_msec);
    db->busy_in_force = base->busy_msec;
    return 0;
}

static void sqlite_schema_changed(struct db *base)
{
    /* sqlite3_prepare_v3 statements notice by themselves. */
}

static void sqlite_close(struct db *base)
{
    struct sqlite_db *db = (struct sqlite_db *)base;

    sqlite3_close(db->handle);
    free(db);
}

/* The folder may lie behind links, the file must not be one: SQLITE_OPEN_NOFOLLOW looks at the whole path. */
static int real_path(const char *path, char **ret, struct error *err)
{
    _cleanup_free_ char *for_folder = strdup(path), *for_file = strdup(path), *folder = NULL;
    char *whole;

    if (!for_folder || !for_file)
        return -ENOMEM;
    folder = realpath(dirname(for_folder), NULL);
    if (!folder)
        return error_errno(err, -errno, path, "cannot reach the catalogue's folder");
    if (asprintf(&whole, "%s/%s", folder, basename(for_file)) < 0)
        return -ENOMEM;
    *ret = whole;
    return 0;
}

/* Makes the file with a mode of our own; SQLite gives its side files the same. */
static int make_file(const char *path, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

    if (fd < 0 && errno != EEXIST)
        return error_errno(err, -errno, path, "cannot make the catalogue");
    return 0;
}

static int copy_first(void *userdata, int columns, char **values, char **names)
{
    snprintf(userdata, 32, "%s", values[0] ? values[0] : "");
    return 0;
}

/* The one value of a pragma or query, as text. */
static int ask_text(struct sqlite_db *db, const char *sql, char out[32], struct error *err)
{
    out[0] = 0;
    return sqlite3_exec(db->handle, sql, copy_first, out, NULL) == SQLITE_OK ? 0 : fail(db, sql, err);
}

/* Is it ours? An empty database is marked as ours when opened for writing. */
static int check_owner(struct sqlite_db *db, struct error *err)
{
    char id[32], things[32], mark[64];
    int r = ask_text(db, "PRAGMA application_id", id, err);

    if (r != 0 || atol(id) == APPLICATION_ID)
        return r;
    r = ask_text(db, "SELECT count(*) FROM sqlite_schema", things, err);
    if (r != 0)
        return r;
    if (atol(id) != 0 || atol(things) != 0)
        return error_set(err, -EBADMSG, db->base.name,
                         "is an SQLite database of another program; name a new file, or move this one away");
    if (db->base.mode == DB_READ)
        return 0;
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d", APPLICATION_ID);
    return sqlite_exec(&db->base, mark, err);
}

/* What only a writer sets: the journal is a property of the file. */
static int set_up_journal(struct sqlite_db *db, struct error *err)
{
    char mode[32];
    int r;

    if (sqlite3_db_readonly(db->handle, "main") == 1)
        return error_set(err, -EROFS, db->base.name,
                         "cannot be written; the file and its folder must be writable for liuhend");
    r = ask_text(db, "PRAGMA journal_mode = WAL", mode, err);
    if (r == 0 && strcmp(mode, "wal") != 0)
        r = error_set(
            err, -EOPNOTSUPP, db->base.name,
            "its file system cannot hold a write-ahead log (journal stays '%s'); put it on a local disk",
            mode);
    if (r == 0)
        r = sqlite_exec(&db->base, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864", err);
    return r;
}

static int set_up(struct sqlite_db *db, struct error *err)
{
    char cache[96];
    int r;

    sqlite3_extended_result_codes(db->handle, 1);
    sqlite_ready(&db->base, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    snprintf(cache, sizeof cache, "PRAGMA cache_size = -%d; PRAGMA mmap_size = 0",
             db->base.mode == DB_READ ? READ_CACHE_KIB : CACHE_KIB);
    r = sqlite_exec(&db->base, cache, err);
    if (r == 0)
        r = check_owner(db, err);
    if (r == 0 && db->base.mode == DB_WRITE)
        r = set_up_journal(db, err);
    if (r == 0)
        r = sqlite_exec(&db->base, "PRAGMA foreign_keys = ON", err);
    return r;
}

static int sqlite_open(const char *dsn, enum db_mode mode, struct db **ret, struct error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    _cleanup_free_ char *path = NULL;
    struct sqlite_db *db;
    int r = real_path(dsn, &path, err);

    if (r == 0 && mode == DB_WRITE)
        r = make_file(path, err);
    if (r != 0)
        return r;
    db = calloc(1, sizeof *db);
    if (!db)
        return -ENOMEM;
    db->base.engine = &db_sqlite_engine;
    db->base.mode = mode;
    db->base.busy_msec = 5000;
    snprintf(db->base.name, sizeof db->base.name, "%s", dsn);
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK)
        r = db->handle ? fail(db, NULL, err) : error_set(err, -ENOMEM, dsn, "out of memory for a connection");
    if (r == 0)
        r = set_up(db, err);
    if (r != 0) {
        sqlite_close(&db->base);
        return r;
    }
    *ret = &db->base;
    return 0;
}

/* ---- statements ---- */

static struct db_stmt *sqlite_stmt_new(struct db *base)
{
    struct sqlite_stmt *st = calloc(1, sizeof *st);

    if (st)
        st->base.db = base;
    return st ? &st->base : NULL;
}

/* Parameters are bound by name: "$2" may come before "$1" in the text, or twice. */
static int map_parameters(struct sqlite_stmt *st, struct error *err)
{
    int count = sqlite3_bind_parameter_count(st->handle);

    for (int i = 1; i <= count; i++) {
        const char *name = sqlite3_bind_parameter_name(st->handle, i);
        char *end = NULL;
        long n = name && name[0] == '$' ? strtol(name + 1, &end, 10) : 0;

        if (n < 1 || n > DB_MAX_PARAMETERS || *end)
            return error_set(err, -EINVAL, st->base.db->name,
                             "parameters are called $1 to $%d, not '%s' (in: %.80s)", DB_MAX_PARAMETERS,
                             name ? name : "?", st->base.sql);
        st->index[n - 1] = i;
        st->n_parameters = MAX(st->n_parameters, (int)n);
    }
    return 0;
}

static int sqlite_stmt_prepare(struct db_stmt *base, struct error *err)
{
    struct sqlite_stmt *st = (struct sqlite_stmt *)base;
    struct sqlite_db *db = (struct sqlite_db *)base->db;
    const char *tail;

    if (st->handle)
        return 0;
    if (sqlite3_prepare_v3(db->handle, base->sql, -1, SQLITE_PREPARE_PERSISTENT, &st->handle, &tail) !=
        SQLITE_OK)
        return fail(db, base->sql, err);
    if (!st->handle || tail[strspn(tail, " \t\r\n;")])
        return error_set(err, -EINVAL, db->base.name, "not exactly one statement (in: %.80s)", base->sql);
    st->writes = !sqlite3_stmt_readonly(st->handle);
    return map_parameters(st, err);
}

static int bind_one(sqlite3_stmt *handle, int index, const struct db_value *v)
{
    switch (v->type) {
    case DB_INTEGER:
        return sqlite3_bind_int64(handle, index, v->integer);
    case DB_TEXT:
        return sqlite3_bind_text64(handle, index, v->data, v->size, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(handle, index, v->size ? v->data : "", v->size, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(handle, index);
    }
}

static int sqlite_stmt_start(struct db_stmt *base, struct error *err)
{
    struct sqlite_stmt *st = (struct sqlite_stmt *)base;
    struct sqlite_db *db = (struct sqlite_db *)base->db;

    if (st->writes && base->db->transaction == DB_READING)
        return error_set(err, -EROFS, base->db->name, "the transaction is for reading only (in: %.80s)",
                         base->sql);
    if (base->n_params != st->n_parameters)
        return error_set(err, -EINVAL, base->db->name,
                         "%d parameters bound, the statement has %d (in: %.80s)", base->n_params,
                         st->n_parameters, base->sql);
    for (int n = 0; n < base->n_params; n++)
        if (st->index[n] && bind_one(st->handle, st->index[n], &base->params[n]) != SQLITE_OK)
            return fail(db, base->sql, err);
    return 0;
}

static int read_value(struct sqlite_stmt *st, int column, struct db_value *ret, struct error *err)
{
    sqlite3_stmt *h = st->handle;
    sqlite3_value *kept = st->kept.on ? st->kept.values[st->kept.next + (size_t)column] : NULL;
    int type = kept ? sqlite3_value_type(kept) : sqlite3_column_type(h, column);

    *ret = (struct db_value){0};
    switch (type) {
    case SQLITE_NULL:
        return 0;
    case SQLITE_INTEGER:
        ret->type = DB_INTEGER;
        ret->integer = kept ? sqlite3_value_int64(kept) : sqlite3_column_int64(h, column);
        return 0;
    case SQLITE_FLOAT:
        return error_set(err, -EINVAL, st->base.db->name,
                         "column %d is a floating-point number; write CAST(… AS BIGINT) (in: %.80s)", column,
                         st->base.sql);
    case SQLITE_TEXT:
        ret->type = DB_TEXT;
        ret->data = kept ? sqlite3_value_text(kept) : sqlite3_column_text(h, column);
        break;
    default:
        ret->type = DB_BLOB;
        ret->data = kept ? sqlite3_value_blob(kept) : sqlite3_column_blob(h, column);
    }
    ret->size = (size_t)(kept ? sqlite3_value_bytes(kept) : sqlite3_column_bytes(h, column));
    if (!ret->data && (ret->type == DB_TEXT || ret->size > 0))
        return error_set(err, -ENOMEM, st->base.db->name, "out of memory for a value");
    if (!ret->data)
        ret->data = "";
    return 0;
}

static int read_row(struct sqlite_stmt *st, int columns, struct error *err)
{
    if (db_stmt_set_columns(&st->base, columns) < 0)
        return error_set(err, -ENOMEM, st->base.db->name, "out of memory for a row");
    for (int i = 0; i < columns; i++) {
        int r = read_value(st, i, &st->base.row[i], err);

        if (r != 0)
            return r;
    }
    return 0;
}

static int keep_row(struct kept_rows *k, sqlite3_stmt *handle, int columns)
{
    if (k->count + (size_t)columns > k->room) {
        size_t room = (k->count + (size_t)columns) * 2;
        sqlite3_value **values = reallocarray(k->values, room, sizeof(sqlite3_value *));

        if (!values)
            return -ENOMEM;
        k->values = values;
        k->room = room;
    }
    for (int i = 0; i < columns; i++) {
        sqlite3_value *v = sqlite3_value_dup(sqlite3_column_value(handle, i));

        if (!v)
            return -ENOMEM;
        k->values[k->count++] = v;
    }
    return 0;
}

static void drop_rows(struct kept_rows *k)
{
    for (size_t i = 0; i < k->count; i++)
        sqlite3_value_free(k->values[i]);
    free(k->values);
    *k = (struct kept_rows){0};
}

/* Runs a statement that writes to its end. */
static int run_write(struct sqlite_stmt *st, int columns, struct error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)st->base.db;
    int rc;

    while ((rc = sqlite3_step(st->handle)) == SQLITE_ROW)
        if (columns > 0 && keep_row(&st->kept, st->handle, columns) < 0)
            return error_set(err, -ENOMEM, db->base.name, "out of memory for rows");
    if (rc != SQLITE_DONE)
        return fail(db, st->base.sql, err);
    db->base.changes = sqlite3_changes64(db->handle);
    st->kept.on = true;
    return 0;
}

static int step_write(struct sqlite_stmt *st, int columns, bool *ret_row, struct error *err)
{
    int r = 0;

    if (st->kept.on)
        st->kept.next += (size_t)columns;
    else
        r = run_write(st, columns, err);
    if (r != 0 || st->kept.next >= st->kept.count) {
        *ret_row = false;
        return r;
    }
    *ret_row = true;
    return read_row(st, columns, err);
}

static int sqlite_stmt_step(struct db_stmt *base, bool *ret_row, struct error *err)
{
    struct sqlite_stmt *st = (struct sqlite_stmt *)base;
    int columns = sqlite3_column_count(st->handle), rc;

    if (st->writes)
        return step_write(st, columns, ret_row, err);
    rc = sqlite3_step(st->handle);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail((struct sqlite_db *)base->db, base->sql, err);
    *ret_row = rc == SQLITE_ROW;
    return *ret_row ? read_row(st, sqlite3_column_count(st->handle), err) : 0;
}

static void sqlite_stmt_reset(struct db_stmt *base)
{
    struct sqlite_stmt *st = (struct sqlite_stmt *)base;

    sqlite3_reset(st->handle);
    sqlite3_clear_bindings(st->handle);
    drop_rows(&st->kept);
}

static void sqlite_stmt_free(struct db_stmt *base)
{
    struct sqlite_stmt *st = (struct sqlite_stmt *)base;

    sqlite3_finalize(st->handle);
    drop_rows(&st->kept);
    free(st);
}

const struct db_engine db_sqlite_engine = {
    .script_mark = "--sqlite ",
    .begin_write = "BEGIN IMMEDIATE",
    .begin_read = "BEGIN",
    .open = sqlite_open,
    .close = sqlite_close,
    .ready = sqlite_ready,
    .exec = sqlite_exec,
    .commit = sqlite_commit,
    .schema_changed = sqlite_schema_changed,
    .stmt_new = sqlite_stmt_new,
    .stmt_prepare = sqlite_stmt_prepare,
    .stmt_start = sqlite_stmt_start,
    .stmt_step = sqlite_stmt_step,
    .stmt_reset = sqlite_stmt_reset,
    .stmt_free = sqlite_stmt_free,
};
