/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Facts for deciding (see deciding.h).
 */
#include "catalogue/deciding.h"

#include <errno.h>
#include <string.h>

#include "catalogue/recordings.h"
#include "catalogue/sql.h"

void deciding_done(struct deciding *d)
{
    for (size_t i = 0; i < d->n_links; i++) {
        free(d->links[i].role);
        free(d->links[i].procedure);
        free(d->links[i].state);
        free(d->links[i].number);
    }
    for (size_t i = 0; i < d->n_grounds; i++)
        free(d->grounds[i]);
    free(d->links);
    free(d->grounds);
    free(d->kind);
    free(d->device);
    free(d->officer);
    free(d->unit);
    free(d->door);
    free(d->class_name);
    free(d->ending);
    free(d->version);
    free(d->reasons);
    *d = (struct deciding){0};
}

static int read_row(struct db *db, const char *id, struct deciding *d, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char **const texts[] = {&d->kind,       &d->device, &d->officer, &d->unit,   &d->door,
                            &d->class_name, &d->ending, &d->version, &d->reasons};
    const char *certainty;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT r.kind, r.device, r.officer, r.unit, r.door, r.class, r.ending, r.policy, f.reasons, "
        "r.received_usec, r.ended_usec, r.certainty, r.until_usec, r.disc_due_usec, r.disposed_leaf "
        "FROM recordings r JOIN recording_facts f ON f.recording = r.id WHERE r.id = $1",
        "t", id);

    if (r != 0)
        return r;
    if (!row)
        return error_set(err, RECORDINGS_E_NONE, id, "no such recording; `liuhen ls` lists them");
    for (int i = 0; r == 0 && i < (int)ARRAY_SIZE(texts); i++)
        r = sql_take_text(st, i, texts[i]);
    d->received_usec = db_integer(st, 9);
    d->ended_usec = db_integer(st, 10);
    certainty = db_text(st, 11);
    d->ended_certain = certainty && strcmp(certainty, "doubtful") != 0;
    d->until_usec = db_is_null(st, 12) ? INT64_MAX : db_integer(st, 12);
    d->disc_due_usec = db_integer(st, 13);
    d->disposed = !db_is_null(st, 14);
    return r;
}

static int read_links(struct db *db, const char *id, struct deciding *d, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT l.role, c.procedure, c.state, c.number, c.ended_usec, c.filed_usec FROM links l JOIN cases "
        "c ON c.id = l.case_id WHERE l.recording = $1 ORDER BY l.leaf",
        "t", id);

    for (; r == 0 && row; r = db_step(st, &row, err)) {
        struct deciding_link *l, *more = reallocarray(d->links, d->n_links + 1, sizeof *more);

        if (!more)
            return -ENOMEM;
        d->links = more;
        l = &d->links[d->n_links++];
        *l = (struct deciding_link){.ended_usec = db_integer(st, 4), .filed_usec = db_integer(st, 5)};
        r = sql_take_text(st, 0, &l->role);
        r = r != 0 ? r : sql_take_text(st, 1, &l->procedure);
        r = r != 0 ? r : sql_take_text(st, 2, &l->state);
        r = r != 0 ? r : sql_take_text(st, 3, &l->number);
        if (r != 0)
            return r;
    }
    return r;
}

static int read_holds(struct db *db, const char *id, struct deciding *d, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT h.ground, h.placed_usec FROM holds h WHERE h.lifted_usec IS NULL AND h.recording = $1 "
        "UNION ALL SELECT h.ground, h.placed_usec FROM links l JOIN holds h ON h.case_id = l.case_id "
        "WHERE l.recording = $1 AND h.lifted_usec IS NULL",
        "t", id);

    for (; r == 0 && row; r = db_step(st, &row, err)) {
        char **more = reallocarray(d->grounds, d->n_grounds + 1, sizeof *more);
        int64_t placed = db_integer(st, 1);

        if (!more)
            return -ENOMEM;
        d->grounds = more;
        d->grounds[d->n_grounds] = NULL;
        r = sql_take_text(st, 0, &d->grounds[d->n_grounds++]);
        if (r != 0)
            return r;
        if (d->held_since_usec == 0 || placed < d->held_since_usec)
            d->held_since_usec = placed;
    }
    return r;
}

int deciding_read(struct db *db, const struct recording_id *id, struct deciding *ret, struct error *err)
{
    _cleanup_(deciding_done) struct deciding d = {0};
    int r = read_row(db, id->text, &d, err);

    r = r != 0 ? r : read_links(db, id->text, &d, err);
    r = r != 0 ? r : read_holds(db, id->text, &d, err);
    if (r != 0)
        return r;
    *ret = d;
    d = (struct deciding){0};
    return 0;
}

int policy_in_force(struct db *db, char **ret_version, char **ret_text, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_free_ char *version = NULL, *text = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err, "SELECT version, text FROM policies ORDER BY leaf DESC LIMIT 1", "");

    if (r == 0 && row) {
        r = sql_take_text(st, 0, &version);
        r = r != 0 ? r : sql_take_text(st, 1, &text);
    }
    if (r != 0)
        return r;
    *ret_version = TAKE_PTR(version);
    *ret_text = TAKE_PTR(text);
    return 0;
}
