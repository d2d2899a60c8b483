/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names of grounds, procedures, states, roles and endings as they stand in policy files, acts and on the command line, and small
 * accessors of a parsed policy (see policy.h).
 */
#include <errno.h>
#include <string.h>

#include "policy/policy-internal.h"

static const char *const ground_names[] = {
    [HOLD_OBJECTION] = "objection", [HOLD_COMPLAINT] = "complaint", [HOLD_PETITION] = "petition",
    [HOLD_EVASION] = "evasion",     [HOLD_REFUSAL] = "refusal",     [HOLD_OBSTRUCTION] = "obstruction",
    [HOLD_ABUSE] = "abuse",         [HOLD_ASSAULT] = "assault",     [HOLD_MASS_INCIDENT] = "mass-incident",
    [HOLD_EMERGENCY] = "emergency", [HOLD_OTHER] = "other",         [HOLD_LITIGATION] = "litigation",
    [HOLD_AUDIT] = "audit",         [HOLD_GROUND_COUNT] = NULL,
};
static const char *const procedure_names[] = {"none", "general", "summary", NULL};
static const char *const state_names[] = {"none", "open", "ended", "filed", NULL};
static const char *const link_names[] = {"none", "context", "evidence", NULL};
static const char *const kind_names[] = {"video", "audio", "photo", "document", "data", NULL};
static const char *const ending_names[] = {"date", "case", "permanent", NULL};

static const struct {
    const char *name;
    const char *const *names;
    const char *help;
} fields[FIELD_COUNT] = {
    [FIELD_LINK_ROLE] = {"link.role", link_names,
                         "how the recording is linked to the case; none: not linked at all"},
    [FIELD_CASE_PROCEDURE] =
        {"case.procedure", procedure_names,
         "procedure of the case (一般程序 general, 简易程序 summary); none: not recorded yet"},
    [FIELD_CASE_STATE] = {"case.state", state_names, "state of the case; none: not linked to any"},
    [FIELD_HOLD_GROUND] = {"hold.ground", ground_names,
                           "ground of a standing hold, of the recording or of a case of it"},
    [FIELD_KIND] = {"kind", kind_names, "what the recording is"},
    [FIELD_DEVICE] = {"device", NULL, "the device that made it"},
    [FIELD_OFFICER] = {"officer", NULL, "the officer who made it"},
    [FIELD_UNIT] = {"unit", NULL, "the unit it belongs to"},
    [FIELD_DOOR] = {"door", NULL, "the door by which it came"},
};

int policy_index_of(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *hold_ground_name(enum hold_ground g)
{
    return (unsigned)g < HOLD_GROUND_COUNT ? ground_names[g] : NULL;
}

int hold_ground_parse(const char *name, enum hold_ground *ret)
{
    int i = policy_index_of(ground_names, name);

    if (i < 0)
        return -EINVAL;
    *ret = (enum hold_ground)i;
    return 0;
}

const char *procedure_name(enum procedure p)
{
    return (unsigned)p <= PROCEDURE_SUMMARY ? procedure_names[p] : NULL;
}

int procedure_parse(const char *name, enum procedure *ret)
{
    int i = policy_index_of(procedure_names, name);

    if (i < 0)
        return -EINVAL;
    *ret = (enum procedure)i;
    return 0;
}

const char *case_state_name(enum case_state s)
{
    return (unsigned)s <= CASE_FILED ? state_names[s] : NULL;
}

int case_state_parse(const char *name, enum case_state *ret)
{
    int i = policy_index_of(state_names, name);

    if (i < 0)
        return -EINVAL;
    *ret = (enum case_state)i;
    return 0;
}

const char *link_role_name(enum link_role r)
{
    return (unsigned)r <= LINK_EVIDENCE ? link_names[r] : NULL;
}

int link_role_parse(const char *name, enum link_role *ret)
{
    int i = policy_index_of(link_names, name);

    if (i < 0)
        return -EINVAL;
    *ret = (enum link_role)i;
    return 0;
}

const char *ending_name(enum ending e)
{
    return (unsigned)e <= ENDING_PERMANENT ? ending_names[e] : NULL;
}

const char *policy_kind_name(unsigned i)
{
    return i < ARRAY_SIZE(kind_names) ? kind_names[i] : NULL;
}

const char *const *policy_field_names(enum policy_field f)
{
    return fields[f].names;
}

bool policy_field(size_t i, const char **ret_name, const char **ret_type, const char **ret_help)
{
    if (i >= FIELD_COUNT)
        return false;
    *ret_name = fields[i].name;
    *ret_type = fields[i].names ? "name" : "text";
    *ret_help = fields[i].help;
    return true;
}

const char *policy_name(const struct policy *p)
{
    return p->name;
}

const char *policy_version(const struct policy *p)
{
    return p->version;
}

const struct zone *policy_zone(const struct policy *p)
{
    return p->zone;
}

const char *policy_note(const struct policy *p)
{
    return p->note;
}

int64_t policy_effective_usec(const struct policy *p)
{
    return p->effective_usec;
}

int policy_floor_months(const struct policy *p)
{
    return p->floor_months;
}

int64_t policy_disposal_notice_usec(const struct policy *p)
{
    return p->notice_usec;
}

size_t policy_disposal_approvals(const struct policy *p, enum role ret_roles[ROLE_COUNT])
{
    memcpy(ret_roles, p->approvals, p->n_approvals * sizeof *ret_roles);
    return p->n_approvals;
}

const char *policy_class_name(const struct policy *p, size_t i)
{
    return i < p->n_classes ? p->classes[i].name : NULL;
}

size_t policy_n_requirements(const struct policy *p)
{
    return p->n_requirements;
}

const struct policy_requirement *policy_requirement(const struct policy *p, size_t i)
{
    return i < p->n_requirements ? &p->requirements[i] : NULL;
}

bool policy_class_disc(const struct policy *p, const char *class_name, int *ret_copies,
                       int64_t *ret_within_usec, int *ret_redundancy_percent)
{
    for (const struct policy_class *c = p->classes; c < p->classes + p->n_classes; c++) {
        if (strcmp(c->name, class_name) != 0 || c->disc_copies == 0)
            continue;
        *ret_copies = c->disc_copies;
        *ret_within_usec = c->disc_within_usec;
        *ret_redundancy_percent = c->disc_redundancy;
        return true;
    }
    return false;
}
