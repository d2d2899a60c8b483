/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PostgreSQL engine of the adapter, over libpq. Integers go as text, texts and blobs as they are; results come in binary.
 * A SELECT is read row by row, so that memory stays bounded; when another statement needs the connection meanwhile, the rows
 * still to come are gathered in memory first. Statements that write are run to their end at once.
 *
 * A lost connection gives -ENOTCONN; the first call outside a transaction connects again, and every statement is prepared
 * again there (each remembers the connection it was made on by its number). If the answer to COMMIT is lost, the server is asked
 * what became of the transaction; only when it cannot be reached for the busy time-out does the outcome stay unknown, and the
 * message says so.
 */
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inject.h"
#include "catalogue/db-internal.h"

#define OLDEST_SERVER   130000
#define CONNECT_SECONDS "10"

/* Type numbers of PostgreSQL's own catalogue (pg_type.dat); they never change. */
enum {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_NAME = 19,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_UNKNOWN = 705,
    PG_BPCHAR = 1042,
    PG_VARCHAR = 1043
};

struct pg_stmt;

struct pg_db {
    struct db base;
    PGconn *conn; /* NULL or broken: to be connected by the next call outside a transaction */
    char *dsn;
    uint64_t connection; /* number of the connection, from 1; also moved on when the schema changes */
    uint64_t names;      /* prepared statements named so far */
    int busy_in_force;
    struct pg_stmt *streaming; /* its rows are still coming in */
};

struct pg_stmt {
    struct db_stmt base;
    uint64_t connection; /* where it is prepared, 0 = nowhere */
    char name[24];
    bool selects;
    PGresult *result; /* a whole result, or the one row being read */
    int next;         /* row of result */
    PGresult **rest;  /* results gathered because another statement needed the connection */
    size_t rest_count, rest_next;
    bool rest_failed; /* out of memory while gathering */
};

DEFINE_CLEANUP(PGresult *, PQclear)
#define _cleanup_result_ _cleanup_(PQclearp)

/* ---- errors ---- */

static int code_from_sqlstate(const char *state)
{
    static const struct {
        const char *prefix; /* the first that fits */
        int code;
    } table[] = {
        {"23", DB_E_CONSTRAINT}, {"40001", DB_E_BUSY}, {"40P01", DB_E_BUSY}, {"55P03", DB_E_BUSY},
        {"53100", -ENOSPC},      {"53200", -ENOMEM},   {"53300", -EMFILE},   {"25006", -EROFS},
        {"25P02", -ECANCELED},   {"57P0", -ENOTCONN},  {"08P01", -EINVAL},   {"08", -ENOTCONN},
        {"57014", -EINTR},       {"22021", -EILSEQ},   {"42501", -EACCES},   {"58030", -EIO},
        {"XX001", -EBADMSG},     {"XX002", -EBADMSG},  {"XX", -EIO},         {"54", -E2BIG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].code;
    return -EINVAL;
}

/* libpq's messages end with a newline, sometimes several lines. */
static void first_line(const char *from, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

/* result NULL: libpq could not even ask. sql may be NULL; it is named where the statement itself is what is wrong. */
static int fail(struct pg_db *db, const PGresult *result, const char *sql, struct error *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    int code = state ? code_from_sqlstate(state) : -EIO;
    char words[512];

    first_line(primary ? primary : PQerrorMessage(db->conn), words, sizeof words);
    if (PQstatus(db->conn) == CONNECTION_BAD)
        code = -ENOTCONN;
    if (code == -ENOTCONN)
        return error_set(err, code, db->base.name, "the connection to the server was lost: %s", words);
    if (code == -EINVAL && sql)
        return error_set(err, code, db->base.name, "%s (in: %.80s)", words, sql);
    return error_set(err, code, db->base.name, "%s", words);
}

static int out_of_memory(struct pg_db *db, struct error *err)
{
    return error_set(err, -ENOMEM, db->base.name, "out of memory");
}

/* ---- the connection is shared by all statements ---- */

static bool result_ok(const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
        return true;
    default:
        return false;
    }
}

static void drop_rest(struct pg_stmt *st)
{
    while (st->rest_next < st->rest_count)
        PQclear(st->rest[st->rest_next++]);
    free(st->rest);
    st->rest = NULL;
    st->rest_count = st->rest_next = 0;
    st->rest_failed = false;
}

static int gather(struct pg_stmt *st, PGresult *result)
{
    if ((st->rest_count & (st->rest_count - 1)) == 0) { /* full at every power of two */
        size_t room = st->rest_count ? st->rest_count * 2 : 1;
        PGresult **rest = reallocarray(st->rest, room, sizeof(PGresult *));

        if (!rest)
            return -ENOMEM;
        st->rest = rest;
    }
    st->rest[st->rest_count++] = result;
    return 0;
}

/* Frees the connection for another statement: what is still coming for the streaming one is kept for it. */
static void settle_stream(struct pg_db *db)
{
    struct pg_stmt *st = TAKE_PTR(db->streaming);
    PGresult *result;

    if (!st)
        return;
    while ((result = PQgetResult(db->conn)))
        if (st->rest_failed || gather(st, result) < 0) {
            PQclear(result);
            st->rest_failed = true;
        }
}

static PGresult *ask(struct pg_db *db, const char *sql)
{
    settle_stream(db);
    return PQexec(db->conn, sql);
}

static int pg_exec(struct db *base, const char *sql, struct error *err)
{
    struct pg_db *db = (struct pg_db *)base;
    _cleanup_result_ PGresult *result = NULL;

    if (!db->conn)
        return error_set(err, -ENOTCONN, base->name, "not connected");
    result = ask(db, sql);
    return result_ok(result) ? 0 : fail(db, result, sql, err);
}

/* The one value of a query, copied to out. */
static int ask_text(struct pg_db *db, const char *sql, char *out, size_t size, struct error *err)
{
    _cleanup_result_ PGresult *result = ask(db, sql);

    if (!result_ok(result))
        return fail(db, result, sql, err);
    snprintf(out, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    return 0;
}

/* ---- connecting ---- */

static void ignore_notice(void *userdata, const PGresult *result)
{
}

/* Ordering and case must be those of SQLite, or pages and comparisons would differ. */
static int check_server(struct pg_db *db, struct error *err)
{
    const char *encoding = PQparameterStatus(db->conn, "server_encoding");
    char collation[64];
    int r;

    if (PQserverVersion(db->conn) < OLDEST_SERVER)
        return error_set(err, -EPROTO, db->base.name, "PostgreSQL %d is too old; 13 or newer is needed",
                         PQserverVersion(db->conn) / 10000);
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return error_set(
            err, -EPROTO, db->base.name,
            "the database's encoding is %s; make it with ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
            encoding ? encoding : "unknown");
    r = ask_text(
        db, "SELECT datcollate FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
        collation, sizeof collation, err);
    if (r != 0)
        return r;
    if (strcmp(collation, "C") != 0 && strcmp(collation, "POSIX") != 0 && strncmp(collation, "C.", 2) != 0)
        return error_set(
            err, -EPROTO, db->base.name,
            "the database's collation is %s; make it with ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
            collation);
    return 0;
}

static int set_up(struct pg_db *db, struct error *err)
{
    int r = pg_exec(
        &db->base,
        "SET standard_conforming_strings = on; SET synchronous_commit = on; SET statement_timeout = 0;"
        "SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning; SET timezone = "
        "'UTC'",
        err);

    if (r == 0 && db->base.mode == DB_READ)
        r = pg_exec(&db->base, "SET default_transaction_read_only = on", err);
    return r == 0 ? check_server(db, err) : r;
}

static void disconnect(struct pg_db *db)
{
    settle_stream(db);
    PQfinish(db->conn);
    db->conn = NULL;
    db->busy_in_force = -1;
}

/* Words before dbname can be overruled by the DSN, those after it cannot. */
static int connect_server(struct pg_db *db, struct error *err)
{
    const char *const words[] = {"connect_timeout",
                                 "keepalives_idle",
                                 "tcp_user_timeout",
                                 "dbname",
                                 "client_encoding",
                                 "application_name",
                                 NULL};
    const char *const values[] = {CONNECT_SECONDS, "60", "60000", db->dsn, "UTF8", "liuhend", NULL};
    char line[512];
    int r;

    disconnect(db);
    db->conn = PQconnectdbParams(words, values, 1);
    if (!db->conn)
        return out_of_memory(db, err);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        first_line(PQerrorMessage(db->conn), line, sizeof line);
        r = error_set(err, -ENOTCONN, db->base.name, "cannot connect: %s", line);
        disconnect(db);
        return r;
    }
    db->connection++;
    PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
    snprintf(db->base.name, sizeof db->base.name, "postgresql %s/%s", PQhost(db->conn), PQdb(db->conn));
    r = set_up(db, err);
    if (r != 0)
        disconnect(db);
    return r;
}

static int pg_ready(struct db *base, struct error *err)
{
    struct pg_db *db = (struct pg_db *)base;
    char set[64];
    int r = 0;

    if (!db->conn || PQstatus(db->conn) == CONNECTION_BAD)
        r = connect_server(db, err);
    if (r != 0 || db->busy_in_force == base->busy_msec)
        return r;
    snprintf(set, sizeof set, "SET lock_timeout = %d",
             MAX(base->busy_msec, 1)); /* 0 would mean: wait for ever */
    r = pg_exec(base, set, err);
    if (r == 0)
        db->busy_in_force = base->busy_msec;
    return r;
}

static void pg_close(struct db *base)
{
    struct pg_db *db = (struct pg_db *)base;

    disconnect(db);
    free(db->dsn);
    free(db);
}

static int pg_open(const char *dsn, enum db_mode mode, struct db **ret, struct error *err)
{
    struct pg_db *db = calloc(1, sizeof *db);
    int r;

    if (!db)
        return -ENOMEM;
    db->base.engine = &db_pg_engine;
    db->base.mode = mode;
    db->base.busy_msec = 5000;
    snprintf(db->base.name, sizeof db->base.name, "postgresql");
    db->dsn = strdup(dsn);
    r = db->dsn ? pg_ready(&db->base, err) : -ENOMEM;
    if (r != 0) {
        pg_close(&db->base);
        return r;
    }
    *ret = &db->base;
    return 0;
}

static void pg_schema_changed(struct db *base)
{
    struct pg_db *db = (struct pg_db *)base;

    /* A plan whose columns have changed would be refused. What cannot be dropped now is dropped with the connection. */
    (void)pg_exec(base, "DEALLOCATE ALL", NULL);
    db->connection++;
}

/* ---- commit ---- */

/* After the answer to COMMIT was lost: what became of transaction xid? */
static int commit_outcome(struct pg_db *db, const char *xid, struct error *err)
{
    int64_t until = clock_monotonic_usec() + db->base.busy_msec * USEC_PER_MSEC;
    char sql[96], status[32];

    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_xact_status('%s'::xid8)", xid);
    do {
        status[0] = 0;
        if (connect_server(db, NULL) == 0 && ask_text(db, sql, status, sizeof status, NULL) == 0) {
            if (strcmp(status, "committed") == 0)
                return 0;
            if (strcmp(status, "aborted") == 0)
                return error_set(err, -ENOTCONN, db->base.name,
                                 "the connection was lost at COMMIT; nothing of the transaction was kept");
        }
        usleep(50 * 1000);
    } while (clock_monotonic_usec() < until);
    return error_set(err, -ENOTCONN, db->base.name,
                     "the connection was lost at COMMIT and the server cannot be asked; whether the "
                     "transaction was kept is "
                     "not known");
}

static int pg_commit(struct db *base, struct error *err)
{
    struct pg_db *db = (struct pg_db *)base;
    _cleanup_result_ PGresult *result = NULL;
    char xid[32] = "";
    int r;

    if (!db->conn)
        return error_set(err, -ENOTCONN, base->name, "not connected");
    if (base->transaction == DB_WRITING) {
        r = ask_text(db, "SELECT pg_catalog.pg_current_xact_id_if_assigned()", xid, sizeof xid, err);
        if (r != 0)
            return r;
    }
    result = ask(db, "COMMIT");
    if (inject_point("db.commit-lost") < 0) { /* committed, but we never hear of it */
        shutdown(PQsocket(db->conn), SHUT_RDWR);
        PQclear(result);
        result = ask(db, "SELECT 1");
    }
    if (result_ok(result))
        return strcmp(PQcmdStatus(result), "COMMIT") == 0
                   ? 0
                   : error_set(err, -ECANCELED, base->name, "the server rolled the transaction back");
    r = fail(db, result, NULL, err);
    return r == -ENOTCONN && xid[0] ? commit_outcome(db, xid, err) : r;
}

/* ---- statements ---- */

static struct db_stmt *pg_stmt_new(struct db *base)
{
    struct pg_stmt *st = calloc(1, sizeof *st);

    if (st)
        st->base.db = base;
    return st ? &st->base : NULL;
}

/* A statement that only reads can be streamed: no error after a row can undo what the row said was done. */
static bool is_select(const char *sql)
{
    sql += strspn(sql, " \t\r\n(");
    return strncasecmp(sql, "SELECT", 6) == 0;
}

static int pg_stmt_prepare(struct db_stmt *base, struct error *err)
{
    struct pg_stmt *st = (struct pg_stmt *)base;
    struct pg_db *db = (struct pg_db *)base->db;
    _cleanup_result_ PGresult *result = NULL;

    if (!db->conn)
        return error_set(err, -ENOTCONN, db->base.name, "not connected");
    if (st->connection == db->connection)
        return 0;
    st->connection = 0;
    st->selects = is_select(base->sql);
    snprintf(st->name, sizeof st->name, "s%llu", (unsigned long long)++db->names);
    settle_stream(db);
    result = PQprepare(db->conn, st->name, base->sql, 0, NULL);
    if (!result_ok(result))
        return fail(db, result, base->sql, err);
    st->connection = db->connection;
    return 0;
}

struct wire {
    const char *values[DB_MAX_PARAMETERS];
    int lengths[DB_MAX_PARAMETERS];
    int formats[DB_MAX_PARAMETERS];
    char numbers[DB_MAX_PARAMETERS][24];
};

static int to_wire(const struct db_stmt *st, struct wire *w, struct error *err)
{
    for (int n = 0; n < st->n_params; n++) {
        const struct db_value *v = &st->params[n];

        if (v->size > INT32_MAX)
            return error_set(err, -E2BIG, st->db->name, "parameter $%d is larger than 2 GiB (in: %.80s)",
                             n + 1, st->sql);
        w->lengths[n] = (int)v->size;
        w->formats[n] = v->type == DB_BLOB;
        w->values[n] = v->data;
        if (v->type == DB_NULL)
            w->values[n] = NULL;
        if (v->type != DB_INTEGER)
            continue;
        snprintf(w->numbers[n], sizeof w->numbers[n], "%lld", (long long)v->integer);
        w->values[n] = w->numbers[n];
    }
    return 0;
}

static int pg_stmt_start(struct db_stmt *base, struct error *err)
{
    struct pg_stmt *st = (struct pg_stmt *)base;
    struct pg_db *db = (struct pg_db *)base->db;
    struct wire w;
    int r = to_wire(base, &w, err);

    if (r != 0)
        return r;
    if (!db->conn || st->connection != db->connection) /* lost between db_prepare and here */
        return error_set(err, -ENOTCONN, db->base.name, "the connection to the server was lost");
    settle_stream(db);
    st->next = 0;
    if (!st->selects) {
        st->result = PQexecPrepared(db->conn, st->name, base->n_params, w.values, w.lengths, w.formats, 1);
        return result_ok(st->result) ? 0 : fail(db, st->result, base->sql, err);
    }
    if (!PQsendQueryPrepared(db->conn, st->name, base->n_params, w.values, w.lengths, w.formats, 1))
        return fail(db, NULL, base->sql, err);
    PQsetSingleRowMode(db->conn);
    db->streaming = st;
    return 0;
}

static int64_t read_integer(const char *bytes, int length)
{
    uint64_t big;
    uint32_t medium;
    uint16_t small;

    switch (length) {
    case 8:
        memcpy(&big, bytes, 8);
        return (int64_t)be64toh(big);
    case 4:
        memcpy(&medium, bytes, 4);
        return (int32_t)be32toh(medium);
    case 2:
        memcpy(&small, bytes, 2);
        return (int16_t)be16toh(small);
    default:
        return bytes[0] != 0; /* boolean */
    }
}

static int read_value(struct pg_stmt *st, int row, int column, struct db_value *ret, struct error *err)
{
    const PGresult *result = st->result;

    *ret = (struct db_value){0};
    if (PQgetisnull(result, row, column))
        return 0;
    ret->data = PQgetvalue(result, row, column);
    ret->size = (size_t)PQgetlength(result, row, column);
    switch (PQftype(result, column)) {
    case PG_BOOL:
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
        ret->type = DB_INTEGER;
        ret->integer = read_integer(ret->data, (int)ret->size);
        return 0;
    case PG_BYTEA:
        ret->type = DB_BLOB;
        return 0;
    case PG_TEXT:
    case PG_VARCHAR:
    case PG_BPCHAR:
    case PG_NAME:
    case PG_UNKNOWN:
        ret->type = DB_TEXT;
        return 0;
    default:
        return error_set(err, -EINVAL, st->base.db->name,
                         "column %d is neither integer, text nor blob; write CAST(… AS BIGINT) (in: %.80s)",
                         column, st->base.sql);
    }
}

static int read_row(struct pg_stmt *st, int row, struct error *err)
{
    int columns = PQnfields(st->result);

    if (db_stmt_set_columns(&st->base, columns) < 0)
        return out_of_memory((struct pg_db *)st->base.db, err);
    for (int i = 0; i < columns; i++) {
        int r = read_value(st, row, i, &st->base.row[i], err);

        if (r != 0)
            return r;
    }
    return 0;
}

/* The next result of a streamed SELECT: from memory, or from the connection. NULL = no more. */
static PGresult *next_result(struct pg_stmt *st)
{
    struct pg_db *db = (struct pg_db *)st->base.db;

    if (db->streaming == st)
        return PQgetResult(db->conn);
    return st->rest_next < st->rest_count ? st->rest[st->rest_next++] : NULL;
}

static int step_select(struct pg_stmt *st, bool *ret_row, struct error *err)
{
    struct pg_db *db = (struct pg_db *)st->base.db;

    PQclear(st->result);
    st->result = next_result(st);
    if (PQresultStatus(st->result) == PGRES_SINGLE_TUPLE) {
        *ret_row = true;
        return read_row(st, 0, err);
    }
    if (!st->result && st->rest_failed)
        return out_of_memory(db, err);
    if (!result_ok(st->result))
        return fail(db, st->result, st->base.sql, err);
    if (db->streaming == st)
        settle_stream(db); /* the end of the answer */
    *ret_row = false;
    return 0;
}

static int pg_stmt_step(struct db_stmt *base, bool *ret_row, struct error *err)
{
    struct pg_stmt *st = (struct pg_stmt *)base;
    const char *tag;

    if (st->selects)
        return step_select(st, ret_row, err);
    tag = st->next == 0 ? PQcmdStatus(st->result) : "";
    if (strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 || strncmp(tag, "DELETE", 6) == 0)
        base->db->changes = strtoll(PQcmdTuples(st->result), NULL, 10);
    *ret_row = st->next < PQntuples(st->result);
    return *ret_row ? read_row(st, st->next++, err) : 0;
}

static void pg_stmt_reset(struct db_stmt *base)
{
    struct pg_stmt *st = (struct pg_stmt *)base;
    struct pg_db *db = (struct pg_db *)base->db;
    PGresult *result;

    if (db->streaming == st) {
        db->streaming = NULL;
        while ((result = PQgetResult(db->conn)))
            PQclear(result);
    }
    drop_rest(st);
    PQclear(TAKE_PTR(st->result));
}

static void pg_stmt_free(struct db_stmt *base)
{
    struct pg_stmt *st = (struct pg_stmt *)base;
    struct pg_db *db = (struct pg_db *)base->db;
    char sql[48];

    pg_stmt_reset(base);
    if (!db->base.closing && st->connection && st->connection == db->connection && db->conn &&
        PQstatus(db->conn) == CONNECTION_OK && PQtransactionStatus(db->conn) != PQTRANS_INERROR) {
        snprintf(sql, sizeof sql, "DEALLOCATE %s", st->name);
        (void)pg_exec(base->db, sql, NULL);
    }
    free(st);
}

const struct db_engine db_pg_engine = {
    .script_mark = "--postgres ",
    .begin_write = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    .begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    .open = pg_open,
    .close = pg_close,
    .ready = pg_ready,
    .exec = pg_exec,
    .commit = pg_commit,
    .schema_changed = pg_schema_changed,
    .stmt_new = pg_stmt_new,
    .stmt_prepare = pg_stmt_prepare,
    .stmt_start = pg_stmt_start,
    .stmt_step = pg_stmt_step,
    .stmt_reset = pg_stmt_reset,
    .stmt_free = pg_stmt_free,
};
