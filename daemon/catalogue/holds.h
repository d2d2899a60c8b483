/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of holds. Reads only.
 */
#ifndef LIUHEN_CATALOGUE_HOLDS_H
#define LIUHEN_CATALOGUE_HOLDS_H

#include "base/json.h"
#include "catalogue/db.h"

#define HOLDS_PAGE_MAX 1000

/* NULL does not narrow. recording: also the holds of its cases. lifted: those too, otherwise what stands. */
struct holds_filter {
    const char *recording, *case_id;
    bool lifted;
};

/* A page of holds, the newest first: array of {id, recording?, case?, number? (the case's), ground, matter?, reason?, placed,
 * placed_by, lifted?, lifted_by?}. *ret_next is the mark of the next page (an id), NULL when there is none. Return: 0,
 * CASES_E_CURSOR, DB_E_*, negative errno. */
int holds_list(struct db *db, const struct holds_filter *filter, const char *cursor, int limit,
               json_t **ret_page, char **ret_next, struct error *err);

#endif
