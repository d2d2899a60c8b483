/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The language of `when`: a table of field: value | [any of]; all lines must hold; `not: {…}` and `any: [{…}, …]` nest. Lines about
 * links and cases are about one and the same link; a class matches when they hold for any one of the recording's links.
 */
#include <errno.h>
#include <string.h>

#include "policy/policy-internal.h"

#define TEXTS_MAX 200

static int find_field(const char *name)
{
    const char *n, *type, *help;

    for (size_t i = 0; policy_field(i, &n, &type, &help); i++)
        if (strcmp(n, name) == 0)
            return (int)i;
    return -1;
}

static void unknown_field(const struct yaml_node *key, struct yaml_faults *faults)
{
    const char *names[FIELD_COUNT + 2] = {"not", "any"}, *type, *help;
    size_t n = 2;

    while (policy_field(n - 2, &names[n], &type, &help))
        n++;
    yaml_fault_unknown(faults, key, names, n, "known", "unknown field '%.60s'", key->text);
}

static void take_name(const char *field, const struct yaml_node *value, struct policy_cond *c,
                      struct yaml_faults *faults)
{
    const char *const *names = policy_field_names(c->field);
    int bit = policy_index_of(names, value->text);
    size_t n = 0;

    if (bit >= 0) {
        c->bits |= 1u << bit;
        return;
    }
    while (names[n])
        n++;
    yaml_fault_unknown(faults, value, names, n, "write one of", "%s: '%.60s' is unknown", field, value->text);
}

static void take_value(const char *field, const struct yaml_node *value, struct policy_cond *c,
                       struct yaml_faults *faults)
{
    if (value->kind != YAML_SCALAR || yaml_is_null(value)) {
        yaml_fault(faults, value, "%s: %s where a value belongs; write a value, or [a, b] for any of them",
                   field, yaml_is_null(value) ? "nothing" : yaml_kind_name(value));
        return;
    }
    if (policy_field_names(c->field)) {
        take_name(field, value, c, faults);
        return;
    }
    c->texts[c->n] = policy_take_text(value, field, 200, faults);
    if (c->texts[c->n])
        c->n++;
}

static void parse_field(const struct yaml_node *key, const struct yaml_node *value, struct policy_cond *c,
                        struct yaml_faults *faults)
{
    size_t n = value->kind == YAML_SEQUENCE ? value->n : 1;
    int field = find_field(key->text);

    if (field < 0) {
        unknown_field(key, faults);
        return;
    }
    c->kind = COND_FIELD;
    c->field = (enum policy_field)field;
    if (n == 0 || n > TEXTS_MAX) {
        yaml_fault(faults, value, "%s: %zu values; write 1 to %d", key->text, n, TEXTS_MAX);
        return;
    }
    c->texts = calloc(n, sizeof *c->texts);
    if (!c->texts) {
        yaml_no_memory(faults);
        return;
    }
    for (size_t i = 0; i < n; i++)
        take_value(key->text, value->kind == YAML_SEQUENCE ? value->items[i] : value, c, faults);
}

static void parse_table(const struct yaml_node *node, struct policy_cond *ret, int depth,
                        struct yaml_faults *faults);

static struct policy_cond *new_children(size_t n, struct yaml_faults *faults)
{
    struct policy_cond *c = calloc(n + 1, sizeof *c);

    if (!c)
        yaml_no_memory(faults);
    return c;
}

static void parse_not(const struct yaml_node *value, struct policy_cond *c, int depth,
                      struct yaml_faults *faults)
{
    c->kind = COND_NOT;
    c->children = new_children(1, faults);
    if (!c->children)
        return;
    c->n = 1;
    parse_table(value, &c->children[0], depth + 1, faults);
}

static void parse_any(const struct yaml_node *value, struct policy_cond *c, int depth,
                      struct yaml_faults *faults)
{
    c->kind = COND_ANY;
    if (value->kind != YAML_SEQUENCE || value->n == 0) {
        yaml_fault(faults, value,
                   "any: %s; write a list of tables, any: [{ field: value }, { field: value }]",
                   value->kind == YAML_SEQUENCE ? "an empty list" : yaml_kind_name(value));
        return;
    }
    c->children = new_children(value->n, faults);
    if (!c->children)
        return;
    c->n = value->n;
    for (size_t i = 0; i < value->n; i++)
        parse_table(value->items[i], &c->children[i], depth + 1, faults);
}

static void parse_table(const struct yaml_node *node, struct policy_cond *ret, int depth,
                        struct yaml_faults *faults)
{
    ret->kind = COND_ALL;
    if (depth > POLICY_WHEN_DEPTH_MAX) {
        yaml_fault(faults, node, "when: nested deeper than %d levels; split it into several classes",
                   POLICY_WHEN_DEPTH_MAX);
        return;
    }
    if (node->kind != YAML_MAPPING || node->n == 0) {
        yaml_fault(faults, node,
                   "when: %s where { field: value } belongs; leave `when` out for a class of everything",
                   node->kind == YAML_MAPPING ? "nothing" : yaml_kind_name(node));
        return;
    }
    ret->children = new_children(node->n, faults);
    if (!ret->children)
        return;
    ret->n = node->n;
    for (size_t i = 0; i < node->n; i++) {
        const char *key = node->keys[i]->text;

        if (strcmp(key, "not") == 0)
            parse_not(node->items[i], &ret->children[i], depth, faults);
        else if (strcmp(key, "any") == 0)
            parse_any(node->items[i], &ret->children[i], depth, faults);
        else
            parse_field(node->keys[i], node->items[i], &ret->children[i], faults);
    }
}

void policy_when_parse(const struct yaml_node *node, struct policy_cond *ret, struct yaml_faults *faults)
{
    parse_table(node, ret, 1, faults);
}

void policy_cond_done(struct policy_cond *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->children)
            policy_cond_done(&c->children[i]);
        if (c->texts)
            free(c->texts[i]);
    }
    free(c->children);
    free(c->texts);
    *c = (struct policy_cond){0};
}

bool policy_cond_needs_link(const struct policy_cond *c)
{
    bool all = c->n > 0, any = false;

    if (c->kind == COND_FIELD)
        return c->field <= FIELD_CASE_STATE && !(c->bits & 1);
    if (c->kind == COND_NOT)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        bool needs = policy_cond_needs_link(&c->children[i]);
        all = all && needs;
        any = any || needs;
    }
    return c->kind == COND_ANY ? all : any;
}

bool policy_cond_mentions(const struct policy_cond *c, enum policy_field field)
{
    if (c->kind == COND_FIELD)
        return c->field == field;
    for (size_t i = 0; c->kind != COND_NOT && i < c->n; i++)
        if (policy_cond_mentions(&c->children[i], field))
            return true;
    return false;
}

static bool has_text(const struct policy_cond *c, const char *text)
{
    for (size_t i = 0; text && i < c->n; i++)
        if (strcmp(c->texts[i], text) == 0)
            return true;
    return false;
}

static bool has_kind(const struct policy_cond *c, const char *kind)
{
    int bit = kind ? policy_index_of(policy_field_names(FIELD_KIND), kind) : -1;

    return bit >= 0 && c->bits & 1u << bit;
}

static bool field_holds(const struct policy_cond *c, const struct policy_facts *facts,
                        const struct policy_link *link)
{
    const char *const texts[FIELD_COUNT] = {
        [FIELD_DEVICE] = facts->device,
        [FIELD_OFFICER] = facts->officer,
        [FIELD_UNIT] = facts->unit,
        [FIELD_DOOR] = facts->door,
    };

    if (c->field == FIELD_LINK_ROLE)
        return c->bits & 1u << link->role;
    if (c->field == FIELD_CASE_PROCEDURE)
        return c->bits & 1u << link->procedure;
    if (c->field == FIELD_CASE_STATE)
        return c->bits & 1u << link->state;
    if (c->field == FIELD_HOLD_GROUND)
        return c->bits & facts->holds;
    if (c->field == FIELD_KIND)
        return has_kind(c, facts->kind);
    return has_text(c, texts[c->field]);
}

bool policy_cond_holds(const struct policy_cond *c, const struct policy_facts *facts,
                       const struct policy_link *link)
{
    if (c->kind == COND_FIELD)
        return field_holds(c, facts, link);
    if (c->kind == COND_NOT)
        return !policy_cond_holds(&c->children[0], facts, link);
    for (size_t i = 0; i < c->n; i++)
        if (policy_cond_holds(&c->children[i], facts, link) == (c->kind == COND_ANY))
            return c->kind == COND_ANY;
    return c->kind == COND_ALL;
}
