/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A parsed policy as the parser (policy-parse.c, policy-when.c) leaves it and the engine (policy-decide.c) reads it. Immutable after
 * parsing.
 */
#ifndef LIUHEN_POLICY_INTERNAL_H
#define LIUHEN_POLICY_INTERNAL_H

#include "base/yaml.h"
#include "policy/policy.h"

#define POLICY_STATUTORY_MONTHS 6    /* Art. 17(1): 不少于6个月 */
#define POLICY_MONTHS_MAX       2400 /* longer is "permanent" */
#define POLICY_CLASSES_MAX      64
#define POLICY_WHEN_DEPTH_MAX   6
#define POLICY_HOLDS_ART18      ((1u << (HOLD_OTHER + 1)) - 1) /* Art. 18 (1) to (4) */

/* Fields of `when`. The first ones take one of a few names, which stand as bits; the others any text. */
enum policy_field {
    FIELD_LINK_ROLE, /* the first three look at a link; their bit 0 is "none" */
    FIELD_CASE_PROCEDURE,
    FIELD_CASE_STATE,
    FIELD_HOLD_GROUND,
    FIELD_KIND,
    FIELD_DEVICE,
    FIELD_OFFICER,
    FIELD_UNIT,
    FIELD_DOOR,
    FIELD_COUNT
};

enum policy_cond_kind { COND_ALL, COND_ANY, COND_NOT, COND_FIELD };

/* One node of a `when`. COND_ALL without children is true. */
struct policy_cond {
    enum policy_cond_kind kind;
    enum policy_field field;
    unsigned bits; /* accepted names of a field with names */
    size_t n;      /* children, or texts */
    struct policy_cond *children;
    char **texts;
};

enum policy_keep_kind { KEEP_MONTHS, KEEP_CASE, KEEP_PERMANENT };

struct policy_keep {
    enum policy_keep_kind kind;
    int months;
};

enum policy_from { FROM_LATER /* of receipt and recorded end */, FROM_RECEIVED, FROM_FILED, FROM_ENDED };

struct policy_class {
    char *name, *cite, *note;
    struct policy_cond when;
    bool about_holds; /* `when` asks for grounds of holds: its reason names them */
    struct policy_keep keep;
    enum policy_from from;
    int disc_copies; /* 0 = no discs */
    int disc_redundancy;
    int64_t disc_within_usec;
};

struct policy_case_file {
    bool given;
    struct policy_keep keep;
    enum policy_from from;
};

struct policy {
    char *name, *note, *version;
    struct zone *zone;
    int64_t effective_usec;
    int floor_months;
    struct policy_class *classes;
    size_t n_classes;
    struct policy_case_file files[PROCEDURE_SUMMARY + 1]; /* [PROCEDURE_NONE] = the longer of the others */
    struct policy_requirement *requirements;
    size_t n_requirements;
    int64_t notice_usec;
    enum role approvals[ROLE_COUNT];
    size_t n_approvals;
};

/* Names of a field's values by bit, NULL-terminated; NULL for a field of any text. */
const char *const *policy_field_names(enum policy_field f);

/* The index of name among NULL-terminated names, -1 when it is not there. */
int policy_index_of(const char *const *names, const char *name);

/* Reads a `when`. Faults are reported; the result can be freed in any case. */
void policy_when_parse(const struct yaml_node *node, struct policy_cond *ret, struct yaml_faults *faults);
void policy_cond_done(struct policy_cond *c);

/* Whether it can hold only for a recording that is linked to a case (needed for `keep: case`). */
bool policy_cond_needs_link(const struct policy_cond *c);

/* Whether it asks for a field, other than below `not`. */
bool policy_cond_mentions(const struct policy_cond *c, enum policy_field field);

/* Whether it holds for the facts, looking at one link (all NONE where the recording has none). */
bool policy_cond_holds(const struct policy_cond *c, const struct policy_facts *facts,
                       const struct policy_link *link);

/* A required or optional one-line text of 1 to max bytes, new string; NULL when absent or faulty (reported). */
char *policy_take_text(const struct yaml_node *node, const char *what, size_t max,
                       struct yaml_faults *faults);

#endif
