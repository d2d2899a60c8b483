/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The retention engine: a policy (parsed once, immutable, shareable between threads) and facts in, a decision out. Pure: no
 * I/O, no clock, no allocation per decision. Law: Art. 16–18 of the Measures (see policies/cn-health-enforcement.yaml).
 */
#ifndef LIUHEN_POLICY_POLICY_H
#define LIUHEN_POLICY_POLICY_H

#include <stdbool.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/settings.h"

struct policy;

enum procedure { PROCEDURE_NONE, PROCEDURE_GENERAL, PROCEDURE_SUMMARY }; /* 一般程序, 简易程序 */
enum case_state { CASE_NONE, CASE_OPEN, CASE_ENDED, CASE_FILED };
enum link_role { LINK_NONE, LINK_CONTEXT, LINK_EVIDENCE };

/* Art. 18: (1) objection complaint petition (2) evasion refusal obstruction abuse assault (3) mass-incident emergency
 * (4) other; besides: litigation audit. Names as in policy files. */
enum hold_ground {
    HOLD_OBJECTION,
    HOLD_COMPLAINT,
    HOLD_PETITION,
    HOLD_EVASION,
    HOLD_REFUSAL,
    HOLD_OBSTRUCTION,
    HOLD_ABUSE,
    HOLD_ASSAULT,
    HOLD_MASS_INCIDENT,
    HOLD_EMERGENCY,
    HOLD_OTHER,
    HOLD_LITIGATION,
    HOLD_AUDIT,
    HOLD_GROUND_COUNT
};
const char *hold_ground_name(enum hold_ground g);
int hold_ground_parse(const char *name, enum hold_ground *ret); /* 0 or -EINVAL */
const char *procedure_name(enum procedure p);                   /* "none", "general", "summary" */
int procedure_parse(const char *name, enum procedure *ret);
const char *case_state_name(enum case_state s); /* "open", "ended", "filed" */
int case_state_parse(const char *name, enum case_state *ret);
const char *link_role_name(enum link_role r); /* "evidence", "context" */
int link_role_parse(const char *name, enum link_role *ret);

/* One link of the recording to a case, with the case's own facts. */
struct policy_link {
    enum link_role role;
    enum procedure procedure;
    enum case_state state;
    int64_t ended_usec, filed_usec; /* 0 = not (yet) */
    const char *case_number;        /* borrowed; for the reasons */
};

/* Everything the engine may know about one recording. Strings are borrowed and may be NULL. */
struct policy_facts {
    const char *kind, *device, *officer, *unit, *door;
    int64_t received_usec; /* sealed; always known */
    int64_t ended_usec;    /* recorded end; 0 = unknown */
    bool ended_certain;    /* false: the clock is doubtful, count from receipt */
    const struct policy_link *links;
    size_t n_links;
    uint32_t holds; /* bit set of 1u << enum hold_ground of standing holds */
};

/* Each keeps longer than the one before. */
enum ending {
    ENDING_DATE,
    ENDING_CASE, /* no end for now: follows a case not filed yet, or a hold for litigation or audit stands */
    ENDING_PERMANENT,
};
const char *ending_name(enum ending e); /* "date", "case", "permanent" */

/* Which keeps longer, by the ending, then the date: > 0 the first, 0 neither, < 0 the second. */
int policy_compare_terms(enum ending a, int64_t a_until_usec, enum ending b, int64_t b_until_usec);

#define POLICY_REASONS_MAX 16
#define POLICY_REASON_SIZE 200

struct policy_reason {
    char class_name[48];
    char cite[48];
    char text[POLICY_REASON_SIZE]; /* a sentence a person can read aloud */
    enum ending ending;
    int64_t until_usec; /* INT64_MAX when no end */
};

struct decision {
    char class_name[48]; /* the class that decides (longest) */
    enum ending ending;
    int64_t until_usec; /* first instant at which it may become eligible; INT64_MAX when ending is not DATE */
    bool disc_due;      /* a matching class asks for discs (Art. 18) */
    int64_t disc_within_usec; /* the shortest of their deadlines */
    size_t n_reasons;
    struct policy_reason reasons[POLICY_REASONS_MAX]; /* the deciding one first, then by how long they keep */
};

/* Parses a policy text (at most POLICY_BYTES_MAX). All faults are collected: on_fault is called for each with object
 * "file:line:column". Return: 0, -EINVAL (at least one fault), -ENOMEM. */
int policy_parse(const char *text, size_t size, const char *file,
                 void (*on_fault)(void *userdata, const struct error *fault), void *userdata,
                 struct policy **ret);
struct policy *policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free)

/* Names of classes that the engine itself gives; no policy may use them: a standing hold, and the statutory floor. */
#define POLICY_CLASS_HOLD  "hold"
#define POLICY_CLASS_FLOOR "floor"

const char *policy_name(const struct policy *p);
const char *
policy_version(const struct policy *p); /* "<effective date>-<first 8 hex of the text's SHA-256>" */
const struct zone *policy_zone(const struct policy *p);

const char *policy_class_name(const struct policy *p, size_t i); /* NULL past the end */

const char *policy_note(const struct policy *p); /* "" when none */
int64_t
policy_effective_usec(const struct policy *p); /* midnight of the effective date in the policy's zone */
int policy_floor_months(const struct policy *p);

/* Disposal (used once disposal exists): how long the notice stands, and which roles must approve, one person each. */
int64_t policy_disposal_notice_usec(const struct policy *p);
size_t policy_disposal_approvals(const struct policy *p, enum role ret_roles[ROLE_COUNT]);

/* Completeness rules (Art. 6, 12): a case with this step (and route) needs a linked recording of one of the kinds. */
struct policy_requirement {
    const char *step, *route; /* route "" = any */
    unsigned kinds;           /* bit set over policy_kind_name */
    const char *cite;
};
size_t policy_n_requirements(const struct policy *p);
const struct policy_requirement *policy_requirement(const struct policy *p, size_t i); /* NULL past the end */
const char *policy_kind_name(unsigned i); /* video audio photo document data; NULL past the end */

/* What a class asks for on discs (Art. 18). Return: true when it asks for any. */
bool policy_class_disc(const struct policy *p, const char *class_name, int *ret_copies,
                       int64_t *ret_within_usec, int *ret_redundancy_percent);

/* The fields that `when` knows, one after the other, for manuals; false past the end. */
bool policy_field(size_t i, const char **ret_name, const char **ret_type, const char **ret_help);

/* Decides. All matching classes count, the longest wins, holds override; every matching class is a reason with its citation.
 * Never undercuts the statutory floor (Art. 17(a)). Cannot fail. */
void policy_decide(const struct policy *p, const struct policy_facts *facts, struct decision *ret);

#endif
