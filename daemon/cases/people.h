/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * People: who a caller of the socket is, and the one table of what each role may do. Art. 20: the legal office reads everything and
 * changes nothing. Officers read what is theirs; administrators keep the system and decide about no evidence.
 */
#ifndef LIUHEN_CASES_PEOPLE_H
#define LIUHEN_CASES_PEOPLE_H

#include <sys/types.h>

#include "base/error.h"
#include "base/settings.h"

enum {
    PEOPLE_E_DENIED = 1201, /* nobody we know, or without the role; err says which would be needed */
};

struct person {
    uid_t uid;
    char user[65];  /* OS user name; "#1234" where the system has none */
    char name[201]; /* as people write it */
    char actor[72]; /* for acts: "user:li" */
    unsigned roles; /* bit set of 1u << enum role */
    bool own_only;  /* may do this act only with recordings whose officer is this person: see person_owns */
};

/* Who the uid is. Where nobody is named in the settings, the daemon's own user and root have every role; root is always an
 * administrator. Return: 0 (roles may be 0), negative errno of the user database. */
int person_of(const struct settings *settings, uid_t uid, struct person *ret, struct error *err);

/* Whether the uid may do the act: one of people_acts. *ret (may be NULL) is filled in any case but an errno.
 * Return: 0, PEOPLE_E_DENIED, -ENOENT (no such act: our own mistake), negative errno. */
int people_may(const struct settings *settings, uid_t uid, const char *act, struct person *ret,
               struct error *err);

/* Whether a recording of this officer (NULL = not known) may be read by a person with own_only: the officer is the person's user or
 * display name. Always true without own_only. */
bool person_owns(const struct person *p, const char *officer);

/* The table: act, the roles that may do it to all recordings, and those that may do it to their own only. Ends with act NULL. */
struct people_act {
    const char *act;
    unsigned all, own;
};
extern const struct people_act people_acts[];

#endif
