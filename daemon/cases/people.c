/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * People and what they may do (see people.h).
 */
#include "cases/people.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define OFFICER (1u << ROLE_OFFICER)
#define RECORDS (1u << ROLE_RECORDS)
#define LEGAL   (1u << ROLE_LEGAL)
#define ADMIN   (1u << ROLE_ADMINISTRATOR)
#define EVERY   (OFFICER | RECORDS | LEGAL | ADMIN)
#define READERS (RECORDS | LEGAL | ADMIN)

/* clang-format off */
const struct people_act people_acts[] = {
    /* act          all      own */
    {"status",      EVERY,   0},
    {"ls",          READERS, OFFICER},
    {"show",        READERS, OFFICER},
    {"explain",     READERS, OFFICER},
    {"history",     READERS, OFFICER},
    {"receipt",     READERS, OFFICER},
    {"view",        READERS, OFFICER}, /* the content itself; each view is an act (Art. 21) */
    {"copy",        RECORDS, 0},       /* makes and hands out a copy that leaves the house; each is an act */
    {"job.read",    READERS, 0},
    {"job.write",   RECORDS | ADMIN, 0},
    {"upload",      OFFICER | RECORDS | ADMIN, 0},
    {"watch",       READERS, 0},
    {"key",         EVERY,   0},
    {"case.read",   READERS, 0},
    {"case.write",  RECORDS, 0},
    {"link.write",  RECORDS, 0},
    {"hold.read",   READERS, 0},
    {"hold.add",    RECORDS, 0},
    {"hold.lift",   RECORDS, 0},
    {"dispose.read", READERS, 0},
    {"dispose.write", RECORDS, 0},
    {"dispose.approve", RECORDS | LEGAL | ADMIN, 0}, /* the policy names the roles */
    {"device.read", READERS, 0},
    {"device.write", ADMIN,  0},
    {"policy.read", READERS, 0},
    {"fsck",        RECORDS | LEGAL | ADMIN, 0},
    {"admin",       ADMIN,   0},
    {NULL,          0,       0},
};
/* clang-format on */

/* Copies the user name of uid. Return: 0 or negative errno. */
static int user_name(uid_t uid, char *out, size_t size, struct error *err)
{
    _cleanup_free_ char *buf = NULL;
    struct passwd pw, *found = NULL;
    size_t room = 1024;
    int r;

    do {
        char *more = realloc(buf, room *= 2);

        if (!more)
            return -ENOMEM;
        buf = more;
        r = getpwuid_r(uid, &pw, buf, room, &found);
    } while (r == ERANGE && room < (1u << 20));
    if (r != 0 && r != ENOENT && r != ESRCH)
        return error_errno(err, -r, "", "cannot ask the system who user %u is", (unsigned)uid);
    if (found && strlen(found->pw_name) < size)
        snprintf(out, size, "%s", found->pw_name);
    else
        snprintf(out, size, "#%u", (unsigned)uid);
    return 0;
}

int person_of(const struct settings *settings, uid_t uid, struct person *ret, struct error *err)
{
    struct person p = {.uid = uid};
    int r = user_name(uid, p.user, sizeof p.user, err);

    if (r < 0)
        return r;
    snprintf(p.name, sizeof p.name, "%s", p.user);
    snprintf(p.actor, sizeof p.actor, "user:%s", p.user);
    for (size_t i = 0; i < settings->n_people; i++)
        if (strcmp(settings->people[i].user, p.user) == 0) {
            snprintf(p.name, sizeof p.name, "%s", settings->people[i].name);
            p.roles = settings->people[i].roles;
        }
    if (settings->n_people == 0 && (uid == geteuid() || uid == 0))
        p.roles = EVERY;
    if (uid == 0)
        p.roles |= ADMIN;
    *ret = p;
    return 0;
}

/* "records or legal". */
static void name_roles(unsigned roles, char *out, size_t size)
{
    size_t n = 0;

    *out = 0;
    for (int i = 0; i < ROLE_COUNT; i++)
        if (roles & 1u << i && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " or " : "", role_name((enum role)i));
}

static int deny(const struct person *p, const struct people_act *a, struct error *err)
{
    char needed[100], has[100];

    name_roles(a->all | a->own, needed, sizeof needed);
    name_roles(p->roles, has, sizeof has);
    if (!p->roles)
        return error_set(err, PEOPLE_E_DENIED, p->user,
                         "is not named under people in retention.yaml; %s needs the role %s", a->act, needed);
    return error_set(err, PEOPLE_E_DENIED, p->user, "may not do this: %s needs the role %s, %s has %s",
                     a->act, needed, p->user, has);
}

int people_may(const struct settings *settings, uid_t uid, const char *act, struct person *ret,
               struct error *err)
{
    const struct people_act *a = people_acts;
    struct person p;
    int r;

    while (a->act && strcmp(a->act, act) != 0)
        a++;
    if (!a->act)
        return error_set(err, -ENOENT, act, "is no act that the table of permissions knows");
    r = person_of(settings, uid, &p, err);
    if (r < 0)
        return r;
    p.own_only = !(p.roles & a->all) && (p.roles & a->own);
    if (ret)
        *ret = p;
    return p.roles & (a->all | a->own) ? 0 : deny(&p, a, err);
}

bool person_owns(const struct person *p, const char *officer)
{
    return !p->own_only || (officer && (strcmp(officer, p->user) == 0 || strcmp(officer, p->name) == 0));
}
