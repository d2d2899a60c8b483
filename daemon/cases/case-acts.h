/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What people do to cases, links and holds. Each function runs inside a writer job: it checks its input and what stands in the
 * catalogue, records one act by the actor, and decides every recording anew that this concerns, all in the job's transaction.
 * Reading: catalogue/case-rows.h.
 *
 * Return values of all: 0; CASES_E_INPUT (err: what is wrong with the input and what would be right); CASES_E_NONE,
 * CASES_E_AMBIGUOUS, RECORDINGS_E_NONE, RECORDINGS_E_AMBIGUOUS (no such object); ACT_E_REFUSED (it makes no sense as things
 * stand); DB_E_*; negative errno. Texts are UTF-8; NULL and "" = not given. Dates: "2026-11-23", "2026-11-23 14:05", RFC 3339.
 */
#ifndef LIUHEN_CASES_CASE_ACTS_H
#define LIUHEN_CASES_CASE_ACTS_H

#include "catalogue/case-rows.h"
#include "catalogue/writer.h"
#include "policy/policy.h"

enum {
    CASES_E_INPUT = 1110, /* the input is not acceptable, whatever the catalogue holds */
};

/* For whom and under what an act is done. */
struct case_context {
    const char *actor;           /* "user:li" */
    const struct zone *zone;     /* of dates without an offset: the site's */
    const struct policy *policy; /* in force */
};

struct case_input {
    const char *number, *title, *procedure, *opened;
};

/* A new, open case. Recordings that named its number are linked to it. procedure: default none; opened: default now. */
int case_add(struct txn *t, const struct case_context *c, const struct case_input *in, struct case_id *ret,
             struct error *err);

/* Changes what is given. `text` of this and the others: the case's number or id. */
int case_set(struct txn *t, const struct case_context *c, const char *text, const struct case_input *in,
             struct error *err);

/* The enforcement act has ended (Art. 16); date default now, not before opened, not in the future. */
int case_end(struct txn *t, const struct case_context *c, const char *text, const char *date,
             struct error *err);

/* Filed (立卷); only an ended case; date default now, not before its end. */
int case_file(struct txn *t, const struct case_context *c, const char *text, const char *date,
              struct error *err);

/* An ended case that is not filed is open again. */
int case_reopen(struct txn *t, const struct case_context *c, const char *text, struct error *err);

/* recording: id or its beginning. role: "evidence" (default) or "context". A link that is there with the same role and step is left
 * alone; otherwise role and step are replaced. */
int link_add(struct txn *t, const struct case_context *c, const char *recording, const char *case_text,
             const char *role, const char *step, struct error *err);
int link_remove(struct txn *t, const struct case_context *c, const char *recording, const char *case_text,
                struct error *err);

/* A hold on one recording or on one case (exactly one given); ground as in policy.h; `other` needs a reason. *ret_id: its id. */
struct hold_input {
    const char *recording, *case_text, *ground, *matter, *reason;
};
int hold_add(struct txn *t, const struct case_context *c, const struct hold_input *in,
             char ret_id[ULID_LENGTH + 1], struct error *err);

/* hold: id or its beginning. A reason is needed. */
int hold_lift(struct txn *t, const struct case_context *c, const char *hold, const char *reason,
              struct error *err);

#endif
