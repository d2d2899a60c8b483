/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading cases, links and holds from the catalogue. Reads only; cases/case-acts.c changes them.
 */
#ifndef LIUHEN_CATALOGUE_CASE_ROWS_H
#define LIUHEN_CATALOGUE_CASE_ROWS_H

#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"

enum {
    CASES_E_NONE = 1101,      /* no such case, link or hold */
    CASES_E_AMBIGUOUS = 1102, /* the beginning of an id fits more than one */
    CASES_E_CURSOR = 1103,    /* the page mark is not one of ours */
};

#define CASES_PAGE_MAX 1000

/* What a list of cases is narrowed to; NULL does not narrow. */
struct cases_filter {
    const char *state, *procedure;
};

/* A page of cases, the latest opened first: array of {id, number, title?, procedure, state, opened, ended?, filed?, recordings,
 * holds}. Cursor and *ret_next as in recordings_list. */
int cases_list(struct db *db, const struct cases_filter *filter, const char *cursor, int limit,
               json_t **ret_page, char **ret_next, struct error *err);

/* One case: as in the list, and evidence (how many of its recordings are), bytes, hold_list [{id, ground, matter?, reason?, placed, placed_by, lifted?, lifted_by?}]. Its recordings:
 * recordings_list with case_id. */
int case_show(struct db *db, const struct case_id *id, json_t **ret, struct error *err);

/* A case by its number as users write it, by its whole id, or by the beginning of that. */
int case_resolve(struct db *db, const char *text, struct case_id *ret, struct error *err);

/* The case of that number. Return: 0, CASES_E_NONE (err untouched), others. */
int case_by_number(struct db *db, const char *number, struct case_id *ret, struct error *err);

struct case_row {
    char *number, *title, *procedure, *state;
    int64_t opened_usec, ended_usec, filed_usec; /* 0 = not (yet) */
};
int case_read(struct db *db, const struct case_id *id, struct case_row *ret, struct error *err);
void case_row_done(struct case_row *c);

/* The role ("" = not linked) and step of a link. */
struct link_row {
    char role[16];
    char *step; /* NULL = none */
};
int link_read(struct db *db, const struct recording_id *recording, const struct case_id *case_id,
              struct link_row *ret, struct error *err);
void link_row_done(struct link_row *l);

/* A hold by its id or the beginning of it. */
struct hold_row {
    char id[ULID_LENGTH + 1], recording[ULID_LENGTH + 1], case_id[ULID_LENGTH + 1]; /* one of the two is "" */
    bool stands;
};
int hold_resolve(struct db *db, const char *text, struct hold_row *ret, struct error *err);

#endif
