/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts: everything that changes (see daemon/ARCHITECTURE.md, Acts). An act is encoded as canonical JSON, which becomes the
 * ledger's leaf, and applied to the catalogue. The daemon and `liuhen rebuild` use the same act_apply, so rows are a function of
 * the ledger.
 */
#ifndef LIUHEN_CATALOGUE_ACT_H
#define LIUHEN_CATALOGUE_ACT_H

#include "base/json.h"
#include "catalogue/db.h"

enum {
    ACT_E_REFUSED =
        10, /* the act makes no sense here (unknown recording, case already filed …); err says what would be right */
};

struct act {
    const char *kind;
    int64_t time_usec;
    const char *actor, *node, *subject;
    json_t *facts; /* object */
};

/* Canonical JSON of an act; new string. Return: 0, -EMSGSIZE (over 65,535 bytes), -EINVAL, -ENOMEM. */
int act_encode(const struct act *act, char **ret, size_t *ret_size, struct error *err);

/* Decodes an entry. *ret_root owns everything that *ret borrows: decref it when done. Return: 0, -EINVAL, -ENOMEM. */
int act_decode(const char *entry, size_t size, struct act *ret, json_t **ret_root, struct error *err);

/* Applies the act with leaf index to the tables, inside the caller's transaction. Return: 0, ACT_E_REFUSED, DB_E_*, negative
 * errno; on failure the caller rolls back. */
int act_apply(struct db *db, uint64_t index, const struct act *act, struct error *err);

/* Folds a case number for look-up: full-width forms to ASCII, all bracket kinds to "()", spaces dropped, Latin letters lower.
 * "本溪卫医罚〔2026〕12号" and "本溪卫医罚[2026] 12号" fold alike. New string; NULL = out of memory or invalid UTF-8. */
char *case_number_fold(const char *number);

#endif
