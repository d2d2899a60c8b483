/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading a policy text (see policy.h and policies/README.md). Everything is checked before a policy exists: unknown keys and fields,
 * terms below the statutory floor (Art. 17(1)), classes that follow a case file without a term for it. Faults are collected.
 */
#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "policy/policy-internal.h"

#define NAME_MAX_BYTES 47 /* fits struct policy_reason */

/* --- small readers --- */

/* Reports keys of a table other than the n known ones, and says which was meant. Return: whether node is a table. */
static bool check_keys(const struct yaml_node *node, const char *what, const char *const *known, size_t n,
                       struct yaml_faults *faults)
{
    if (node->kind != YAML_MAPPING) {
        yaml_fault(faults, node, "%s: %s where { key: value } belongs", what,
                   yaml_is_null(node) ? "nothing" : yaml_kind_name(node));
        return false;
    }
    for (size_t i = 0; i < node->n; i++) {
        const char *key = node->keys[i]->text;
        bool found = false;

        for (size_t k = 0; k < n && !found; k++)
            found = strcmp(key, known[k]) == 0;
        if (!found)
            yaml_fault_unknown(faults, node->keys[i], known, n, "known here", "%s: unknown key '%.60s'", what,
                               key);
    }
    return true;
}

char *policy_take_text(const struct yaml_node *node, const char *what, size_t max, struct yaml_faults *faults)
{
    char *copy;

    if (!node)
        return NULL;
    if (node->kind != YAML_SCALAR || yaml_is_null(node) || !*node->text) {
        yaml_fault(faults, node, "%s: %s where a text belongs", what,
                   node->kind == YAML_SCALAR ? "nothing" : yaml_kind_name(node));
        return NULL;
    }
    if (strlen(node->text) > max || strpbrk(node->text, "\n\r\t")) {
        yaml_fault(faults, node, "%s: write one line of at most %zu bytes", what, max);
        return NULL;
    }
    copy = strdup(node->text);
    if (!copy)
        yaml_no_memory(faults);
    return copy;
}

static char *text_or_empty(const struct yaml_node *node, const char *what, size_t max,
                           struct yaml_faults *faults)
{
    char *text = policy_take_text(node, what, max, faults);

    if (!text && !(text = strdup("")))
        yaml_no_memory(faults);
    return text;
}

static const char *scalar(const struct yaml_node *node)
{
    return node && node->kind == YAML_SCALAR ? node->text : "";
}

/* A name of letters, digits and hyphens. */
static char *take_name(const struct yaml_node *node, const char *what, struct yaml_faults *faults)
{
    _cleanup_free_ char *name = policy_take_text(node, what, NAME_MAX_BYTES, faults);

    if (!name)
        return NULL;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) || name[0] == '-') {
        yaml_fault(faults, node, "%s: '%.60s' is not a name; use a to z, 0 to 9 and '-'", what, name);
        return NULL;
    }
    return TAKE_PTR(name);
}

static void take_duration(const struct yaml_node *node, const char *what, int64_t min, int64_t max,
                          int64_t *ret, struct yaml_faults *faults)
{
    int64_t v;

    if (duration_parse(scalar(node), &v) < 0)
        yaml_fault(faults, node,
                   "%s: '%.40s' is not a duration; write a number and h, days or weeks, such as 14 days",
                   what, scalar(node));
    else if (v < min || v > max)
        yaml_fault(faults, node, "%s: %.40s is out of range; write %lld to %lld days", what, scalar(node),
                   (long long)(min / USEC_PER_DAY), (long long)(max / USEC_PER_DAY));
    else
        *ret = v;
}

static void take_number(const struct yaml_node *node, const char *what, const char *suffix, int min, int max,
                        int *ret, struct yaml_faults *faults)
{
    const char *text = scalar(node);
    size_t digits = strspn(text, "0123456789");
    long v = digits > 0 && digits <= 6 ? strtol(text, NULL, 10) : -1;

    if (strcmp(text + digits, suffix) != 0 || v < min || v > max)
        yaml_fault(faults, node, "%s: '%.40s' does not fit; write a whole number from %d%s to %d%s", what,
                   text, min, suffix, max, suffix);
    else
        *ret = (int)v;
}

/* --- terms --- */

/* "6 months", "10 years", case, permanent. case is allowed where may_follow. */
static void take_keep(const struct policy *p, const struct yaml_node *node, const char *what, bool may_follow,
                      struct policy_keep *ret, struct yaml_faults *faults)
{
    const char *text = scalar(node);
    int months;

    if (strcmp(text, "permanent") == 0) {
        ret->kind = KEEP_PERMANENT;
    } else if (strcmp(text, "case") == 0 && may_follow) {
        ret->kind = KEEP_CASE;
    } else if (months_parse(text, &months) < 0) {
        yaml_fault(faults, node, "%s: '%.40s' is not a term; write 6 months, 10 years, %spermanent", what,
                   text, may_follow ? "case or " : "or ");
    } else if (months < p->floor_months) {
        yaml_fault(faults, node,
                   "%s: %.40s is shorter than the floor of %d months (Art. 17(1)); write %d months or more",
                   what, text, p->floor_months, p->floor_months);
    } else if (months > POLICY_MONTHS_MAX) {
        yaml_fault(faults, node, "%s: %.40s is longer than %d years; write permanent", what, text,
                   POLICY_MONTHS_MAX / 12);
    } else {
        ret->kind = KEEP_MONTHS;
        ret->months = months;
    }
}

static void take_from(const struct yaml_node *node, const char *what, const char *const names[2],
                      const enum policy_from values[2], enum policy_from *ret, struct yaml_faults *faults)
{
    *ret = values[0];
    if (!node || strcmp(scalar(node), names[0]) == 0)
        return;
    if (strcmp(scalar(node), names[1]) == 0)
        *ret = values[1];
    else
        yaml_fault(faults, node, "%s: '%.40s' is unknown; write %s or %s", what, scalar(node), names[0],
                   names[1]);
}

/* --- classes --- */

static void parse_disc(const struct yaml_node *node, struct policy_class *c, struct yaml_faults *faults)
{
    static const char *const keys[] = {"copies", "within", "redundancy"};

    if (!check_keys(node, "disc", keys, ARRAY_SIZE(keys), faults))
        return;
    c->disc_copies = 2;
    c->disc_within_usec = 30 * USEC_PER_DAY;
    if (yaml_get(node, "copies"))
        take_number(yaml_get(node, "copies"), "disc.copies", "", 1, 9, &c->disc_copies, faults);
    if (yaml_get(node, "within"))
        take_duration(yaml_get(node, "within"), "disc.within", USEC_PER_DAY, 3660 * USEC_PER_DAY,
                      &c->disc_within_usec, faults);
    if (yaml_get(node, "redundancy"))
        take_number(yaml_get(node, "redundancy"), "disc.redundancy", "%", 0, 100, &c->disc_redundancy,
                    faults);
}

static void parse_class(const struct policy *p, const struct yaml_node *key, const struct yaml_node *node,
                        struct policy_class *c, struct yaml_faults *faults)
{
    static const char *const keys[] = {"cite", "note", "when", "keep", "from", "disc"};
    static const char *const from_names[] = {"later", "received"};
    static const enum policy_from from_values[] = {FROM_LATER, FROM_RECEIVED};

    c->name = take_name(key, "class", faults);
    if (c->name && (strcmp(c->name, POLICY_CLASS_HOLD) == 0 || strcmp(c->name, POLICY_CLASS_FLOOR) == 0))
        yaml_fault(faults, key, "class: '%s' is a name of the engine's own; choose another", c->name);
    if (!check_keys(node, c->name ? c->name : "class", keys, ARRAY_SIZE(keys), faults))
        return;
    c->cite = policy_take_text(yaml_get(node, "cite"), "cite", NAME_MAX_BYTES, faults);
    if (!yaml_get(node, "cite"))
        yaml_fault(faults, key,
                   "class '%.60s' has no cite; say which rule it follows, such as cite: Art. 17(1)",
                   key->text);
    c->note = text_or_empty(yaml_get(node, "note"), "note", 500, faults);
    if (yaml_get(node, "when"))
        policy_when_parse(yaml_get(node, "when"), &c->when, faults);
    c->about_holds = policy_cond_mentions(&c->when, FIELD_HOLD_GROUND);
    if (yaml_get(node, "keep"))
        take_keep(p, yaml_get(node, "keep"), "keep", true, &c->keep, faults);
    else
        yaml_fault(faults, key, "class '%.60s' has no keep; write keep: 6 months, case or permanent",
                   key->text);
    if (yaml_get(node, "keep") && c->keep.kind == KEEP_CASE && !policy_cond_needs_link(&c->when))
        yaml_fault(faults, yaml_get(node, "keep"),
                   "keep: case needs a case; let `when` ask for link.role, case.procedure or case.state "
                   "(without none)");
    take_from(yaml_get(node, "from"), "from", from_names, from_values, &c->from, faults);
    if (yaml_get(node, "disc"))
        parse_disc(yaml_get(node, "disc"), c, faults);
}

static void parse_classes(struct policy *p, const struct yaml_node *root, struct yaml_faults *faults)
{
    const struct yaml_node *node = yaml_get(root, "classes");
    bool has_default = false;

    if (!node || node->kind != YAML_MAPPING) {
        yaml_fault(faults, node ? node : root, "classes: %s; name at least one class, such as routine: { … }",
                   node ? "not a table" : "missing");
        return;
    }
    if (node->n > POLICY_CLASSES_MAX) {
        yaml_fault(faults, node, "classes: %zu of them; at most %d are allowed", node->n, POLICY_CLASSES_MAX);
        return;
    }
    p->classes = calloc(node->n + 1, sizeof *p->classes);
    if (!p->classes) {
        yaml_no_memory(faults);
        return;
    }
    p->n_classes = node->n;
    for (size_t i = 0; i < node->n; i++) {
        parse_class(p, node->keys[i], node->items[i], &p->classes[i], faults);
        has_default =
            has_default || (node->items[i]->kind == YAML_MAPPING && !yaml_get(node->items[i], "when"));
    }
    if (!has_default)
        yaml_fault(faults, node,
                   "classes: one of them must have no `when`, so that every recording has a class; "
                   "add routine: { cite: Art. 17(1), keep: 6 months }");
}

/* --- case files --- */

static void parse_case_file(struct policy *p, const struct yaml_node *key, const struct yaml_node *node,
                            struct yaml_faults *faults)
{
    static const char *const keys[] = {"keep", "from"};
    static const char *const from_names[] = {"filed", "ended"};
    static const enum policy_from from_values[] = {FROM_FILED, FROM_ENDED};
    struct policy_case_file file = {.given = true};
    enum procedure procedure;

    if (procedure_parse(key->text, &procedure) < 0 || procedure == PROCEDURE_NONE)
        return; /* reported by the check of keys */
    if (!check_keys(node, "case_files", keys, ARRAY_SIZE(keys), faults))
        return;
    if (yaml_get(node, "keep"))
        take_keep(p, yaml_get(node, "keep"), "case_files.keep", false, &file.keep, faults);
    else
        yaml_fault(faults, key, "case_files.%s has no keep; write keep: 30 years", key->text);
    take_from(yaml_get(node, "from"), "case_files.from", from_names, from_values, &file.from, faults);
    p->files[procedure] = file;
}

static void parse_case_files(struct policy *p, const struct yaml_node *root, struct yaml_faults *faults)
{
    static const char *const keys[] = {"general", "summary"};
    const struct yaml_node *node = yaml_get(root, "case_files");
    struct policy_case_file *general = &p->files[PROCEDURE_GENERAL], *summary = &p->files[PROCEDURE_SUMMARY];
    bool follows = false;

    if (node && check_keys(node, "case_files", keys, ARRAY_SIZE(keys), faults))
        for (size_t i = 0; i < node->n; i++)
            parse_case_file(p, node->keys[i], node->items[i], faults);
    for (size_t i = 0; i < p->n_classes; i++)
        follows = follows || p->classes[i].keep.kind == KEEP_CASE;
    if (follows && (!general->given || !summary->given))
        yaml_fault(faults, node ? node : root,
                   "case_files: a class has keep: case, so both terms are needed: case_files: { general: { "
                   "keep: 30 years }, "
                   "summary: { keep: 10 years } }");
    /* a case whose procedure is not recorded is kept as the longer of the two */
    p->files[PROCEDURE_NONE] =
        summary->keep.kind == KEEP_PERMANENT ||
                (general->keep.kind != KEEP_PERMANENT && summary->keep.months > general->keep.months)
            ? *summary
            : *general;
    p->files[PROCEDURE_NONE].from = FROM_FILED;
}

/* --- completeness and disposal --- */

static void take_kinds(const struct yaml_node *node, unsigned *ret, struct yaml_faults *faults)
{
    const char *const *names = policy_field_names(FIELD_KIND);

    if (!node || node->kind != YAML_SEQUENCE || node->n == 0) {
        yaml_fault(faults, node, "require: need is a list of kinds; write need: [video, audio, photo]");
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        int k = policy_index_of(names, scalar(node->items[i]));

        if (k >= 0)
            *ret |= 1u << k;
        else
            yaml_fault(faults, node->items[i],
                       "require: kind '%.40s' is unknown; write video, audio, photo, document or data",
                       scalar(node->items[i]));
    }
}

static void parse_requirement(const struct yaml_node *node, struct policy_requirement *r,
                              struct yaml_faults *faults)
{
    static const char *const keys[] = {"step", "route", "need", "cite"};

    if (!check_keys(node, "require", keys, ARRAY_SIZE(keys), faults))
        return;
    r->step = take_name(yaml_get(node, "step"), "require.step", faults);
    if (!yaml_get(node, "step"))
        yaml_fault(faults, node, "require: an entry has no step; write step: evidence-preservation");
    r->route =
        yaml_get(node, "route") ? take_name(yaml_get(node, "route"), "require.route", faults) : strdup("");
    if (!r->route && !yaml_get(node, "route"))
        yaml_no_memory(faults);
    r->cite = policy_take_text(yaml_get(node, "cite"), "require.cite", NAME_MAX_BYTES, faults);
    if (!yaml_get(node, "cite"))
        yaml_fault(faults, node,
                   "require: an entry has no cite; say which rule it follows, such as cite: Art. 6");
    if (yaml_get(node, "need"))
        take_kinds(yaml_get(node, "need"), &r->kinds, faults);
    else
        yaml_fault(faults, node, "require: an entry has no need; write need: [video, audio, photo]");
}

static void parse_requirements(struct policy *p, const struct yaml_node *node, struct yaml_faults *faults)
{
    if (!node)
        return;
    if (node->kind != YAML_SEQUENCE || node->n > 200) {
        yaml_fault(faults, node,
                   "require: write a list of at most 200 entries, each { step: …, need: […], cite: … }");
        return;
    }
    p->requirements = calloc(node->n + 1, sizeof *p->requirements);
    if (!p->requirements) {
        yaml_no_memory(faults);
        return;
    }
    p->n_requirements = node->n;
    for (size_t i = 0; i < node->n; i++)
        parse_requirement(node->items[i], &p->requirements[i], faults);
}

static void take_approvals(struct policy *p, const struct yaml_node *node, struct yaml_faults *faults)
{
    p->n_approvals = 0;
    for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->n; i++) {
        enum role role;
        bool twice = false;

        if (role_parse(scalar(node->items[i]), &role) < 0) {
            yaml_fault(
                faults, node->items[i],
                "disposal.approvals: '%.40s' is no role; write officer, records, legal or administrator",
                scalar(node->items[i]));
            continue;
        }
        for (size_t k = 0; k < p->n_approvals; k++)
            twice = twice || p->approvals[k] == role;
        if (twice)
            yaml_fault(faults, node->items[i], "disposal.approvals: '%s' stands twice; name different roles",
                       role_name(role));
        else
            p->approvals[p->n_approvals++] = role;
    }
    if (p->n_approvals < 2)
        yaml_fault(faults, node,
                   "disposal.approvals: two different roles must approve; write [records, legal]");
}

static void parse_disposal(struct policy *p, const struct yaml_node *node, struct yaml_faults *faults)
{
    static const char *const keys[] = {"notice", "approvals"};

    p->notice_usec = 14 * USEC_PER_DAY;
    p->approvals[0] = ROLE_RECORDS;
    p->approvals[1] = ROLE_LEGAL;
    p->n_approvals = 2;
    if (!node || !check_keys(node, "disposal", keys, ARRAY_SIZE(keys), faults))
        return;
    if (yaml_get(node, "notice"))
        take_duration(yaml_get(node, "notice"), "disposal.notice", USEC_PER_DAY, 366 * USEC_PER_DAY,
                      &p->notice_usec, faults);
    if (yaml_get(node, "approvals"))
        take_approvals(p, yaml_get(node, "approvals"), faults);
}

/* --- the head --- */

static const struct yaml_node *need(const struct yaml_node *root, const char *key, const char *example,
                                    struct yaml_faults *faults)
{
    const struct yaml_node *node = yaml_get(root, key);

    if (!node)
        yaml_fault(faults, root, "%s is missing; write %s: %s", key, key, example);
    return node;
}

static void parse_floor(struct policy *p, const struct yaml_node *root, struct yaml_faults *faults)
{
    const struct yaml_node *node = need(root, "floor", "6 months", faults);
    int months;

    p->floor_months = POLICY_STATUTORY_MONTHS;
    if (!node)
        return;
    if (months_parse(scalar(node), &months) < 0 || months > POLICY_MONTHS_MAX)
        yaml_fault(faults, node, "floor: '%.40s' is not a term; write 6 months or more", scalar(node));
    else if (months < POLICY_STATUTORY_MONTHS)
        yaml_fault(faults, node,
                   "floor: %.40s is below the statute; Art. 17(1) asks for not less than %d months",
                   scalar(node), POLICY_STATUTORY_MONTHS);
    else
        p->floor_months = months;
}

static void parse_effective(struct policy *p, const struct yaml_node *root, const char *text, size_t size,
                            struct yaml_faults *faults)
{
    const struct yaml_node *node = need(root, "effective", "2026-12-01", faults);
    char hex[DIGEST_HEX_SIZE];
    struct digest d;

    if (!node)
        return;
    if (strlen(scalar(node)) != 10 || calendar_parse(p->zone, scalar(node), &p->effective_usec, NULL) < 0) {
        yaml_fault(faults, node, "effective: '%.40s' is not a date; write year-month-day, such as 2026-12-01",
                   scalar(node));
        return;
    }
    digest_of(text, size, &d);
    digest_to_hex(&d, hex);
    if (asprintf(&p->version, "%s-%.8s", scalar(node), hex) < 0) {
        p->version = NULL;
        yaml_no_memory(faults);
    }
}

static void parse_head(struct policy *p, const struct yaml_node *root, const char *text, size_t size,
                       struct yaml_faults *faults)
{
    const struct yaml_node *zone = need(root, "timezone", "Asia/Shanghai", faults);
    int r;

    p->name = take_name(need(root, "policy", "cn-health-enforcement", faults), "policy", faults);
    p->note = text_or_empty(yaml_get(root, "note"), "note", 1000, faults);
    r = zone ? zone_new(scalar(zone), &p->zone) : 0;
    if (r == -ENOMEM)
        yaml_no_memory(faults);
    else if (r < 0)
        yaml_fault(faults, zone, "timezone: '%.40s' is unknown; write an IANA name such as Asia/Shanghai",
                   scalar(zone));
    parse_effective(p, root, text, size, faults);
    parse_floor(p, root, faults);
}

struct policy *policy_free(struct policy *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->n_classes; i++) {
        free(p->classes[i].name);
        free(p->classes[i].cite);
        free(p->classes[i].note);
        policy_cond_done(&p->classes[i].when);
    }
    for (size_t i = 0; i < p->n_requirements; i++) {
        free((char *)p->requirements[i].step);
        free((char *)p->requirements[i].route);
        free((char *)p->requirements[i].cite);
    }
    free(p->classes);
    free(p->requirements);
    zone_free(p->zone);
    free(p->name);
    free(p->note);
    free(p->version);
    free(p);
    return NULL;
}

int policy_parse(const char *text, size_t size, const char *file,
                 void (*on_fault)(void *userdata, const struct error *fault), void *userdata,
                 struct policy **ret)
{
    static const char *const keys[] = {"policy",  "effective",  "timezone", "note",    "floor",
                                       "classes", "case_files", "require",  "disposal"};
    struct yaml_faults faults = {.file = file, .on_fault = on_fault, .userdata = userdata};
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    _cleanup_(policy_freep) struct policy *p = NULL;
    int r;

    r = yaml_parse(text, size, POLICY_BYTES_MAX, &faults, &root);
    if (r < 0)
        return r == -EFBIG ? -EINVAL : r;
    if (!check_keys(root, "policy", keys, ARRAY_SIZE(keys), &faults))
        return -EINVAL;
    p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    parse_head(p, root, text, size, &faults);
    parse_classes(p, root, &faults);
    parse_case_files(p, root, &faults);
    parse_requirements(p, yaml_get(root, "require"), &faults);
    parse_disposal(p, yaml_get(root, "disposal"), &faults);
    r = yaml_faults_result(&faults);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(p);
    return 0;
}
