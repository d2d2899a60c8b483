/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Walking configuration tables (see config.h): defaults, reading a tree, single overrides, comparing, freeing. Tables are flat;
 * the walk finds the rows directly below a prefix such as "archive." or "folders[].".
 */
#include "base/config.h"

#include <errno.h>
#include <string.h>

#include "base/config-value.h"

static void *slot_of(void *base, const struct config_row *row)
{
    return (char *)base + row->offset;
}

static const void *const_slot_of(const void *base, const struct config_row *row)
{
    return (const char *)base + row->offset;
}

static void list_set(void *base, const struct config_row *row, void *items, size_t n)
{
    memcpy(slot_of(base, row), &items, sizeof items);
    memcpy((char *)base + row->count_offset, &n, sizeof n);
}

/* --- freeing --- */

static void done_below(const struct config_table *t, void *base, const char *prefix)
{
    char next[CONFIG_PREFIX_SIZE];

    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        size_t n = 0;
        char *items;

        if (!config_child_name(row, prefix))
            continue;
        if (row->type == CONFIG_SECTION) {
            done_below(t, base, config_prefix_below(row, next));
        } else if (row->type == CONFIG_LIST) {
            items = config_list_items(row, base, &n);
            for (size_t i = 0; i < n; i++)
                done_below(t, items + i * row->item_size, config_prefix_below(row, next));
            free(items);
            list_set(base, row, NULL, 0);
        } else if (config_type_ops(row->type)->done) {
            config_type_ops(row->type)->done(slot_of(base, row));
        }
    }
}

void config_done(const struct config_table *t, void *target)
{
    done_below(t, target, "");
}

/* --- defaults --- */

static void default_value(const struct config_row *row, void *base, struct yaml_faults *faults)
{
    _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;

    if (!row->fallback) {
        /* must be given; until then a text is empty rather than NULL, so that freeing and faults need no special case */
        if (config_type_ops(row->type)->done == config_type_ops(CONFIG_STRING)->done) {
            char *empty = strdup("");
            if (!empty)
                yaml_no_memory(faults);
            memcpy(slot_of(base, row), &empty, sizeof empty);
        }
        return;
    }
    if (yaml_parse(row->fallback, strlen(row->fallback), 4096, faults, &node) == 0)
        config_value_read(row, node, slot_of(base, row), faults);
}

static void defaults_below(const struct config_table *t, void *base, const char *prefix,
                           struct yaml_faults *faults)
{
    char next[CONFIG_PREFIX_SIZE];

    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        if (!config_child_name(row, prefix))
            continue;
        if (row->type == CONFIG_SECTION)
            defaults_below(t, base, config_prefix_below(row, next), faults);
        else if (row->type == CONFIG_LIST)
            list_set(base, row, NULL, 0);
        else
            default_value(row, base, faults);
    }
}

int config_defaults(const struct config_table *t, void *target, struct yaml_faults *faults)
{
    defaults_below(t, target, "", faults);
    return yaml_faults_result(faults);
}

/* --- reading --- */

static const struct config_row *find_child(const struct config_table *t, const char *prefix, const char *key)
{
    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        const char *name = config_child_name(row, prefix);
        if (name && strcmp(name, key) == 0)
            return row;
    }
    return NULL;
}

static void unknown_key(const struct config_table *t, const char *prefix, const struct yaml_node *key,
                        struct yaml_faults *faults)
{
    const char *names[64];
    size_t n = 0;

    for (const struct config_row *row = t->rows; row < t->rows + t->n && n < ARRAY_SIZE(names); row++) {
        const char *name = config_child_name(row, prefix);
        if (name)
            names[n++] = name;
    }
    yaml_fault_unknown(faults, key, names, n, "known here", "unknown key '%s%.60s'", prefix, key->text);
}

static void apply_below(const struct config_table *t, const struct yaml_node *node, void *base,
                        const char *prefix, struct yaml_faults *faults);

static void apply_list(const struct config_table *t, const struct config_row *row,
                       const struct yaml_node *node, void *base, struct yaml_faults *faults)
{
    char next[CONFIG_PREFIX_SIZE];
    char *items;

    if (node->kind != YAML_SEQUENCE) {
        yaml_fault(faults, node,
                   "%s: %s where a list belongs; begin each entry with '- ', or write [] for none", row->path,
                   yaml_is_null(node) ? "nothing" : yaml_kind_name(node));
        return;
    }
    if ((int64_t)node->n > row->max) {
        yaml_fault(faults, node, "%s: %zu entries; at most %lld are allowed", row->path, node->n,
                   (long long)row->max);
        return;
    }
    items = calloc(node->n + 1, row->item_size);
    if (!items) {
        yaml_no_memory(faults);
        return;
    }
    list_set(base, row, items, node->n);
    config_prefix_below(row, next);
    for (size_t i = 0; i < node->n; i++) {
        defaults_below(t, items + i * row->item_size, next, faults);
        apply_below(t, node->items[i], items + i * row->item_size, next, faults);
    }
}

/* Keys without a default must stand in an entry. */
static void check_required(const struct config_table *t, const struct yaml_node *node, const char *prefix,
                           struct yaml_faults *faults)
{
    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        const char *name = config_child_name(row, prefix);

        if (!name || row->type == CONFIG_SECTION || row->type == CONFIG_LIST || row->fallback)
            continue;
        if (!yaml_get(node, name))
            yaml_fault(faults, node, "%s is missing; write '%s: …' (%s)", row->path, name,
                       config_type_ops(row->type)->what);
    }
}

static void apply_below(const struct config_table *t, const struct yaml_node *node, void *base,
                        const char *prefix, struct yaml_faults *faults)
{
    char next[CONFIG_PREFIX_SIZE];

    if (node->kind != YAML_MAPPING) {
        yaml_fault(faults, node, "%.*s%s%s where 'key: value' lines belong",
                   (int)(*prefix ? strlen(prefix) - 1 : 0), prefix, *prefix ? ": " : "",
                   yaml_is_null(node) ? "nothing" : yaml_kind_name(node));
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct config_row *row = find_child(t, prefix, node->keys[i]->text);

        if (!row)
            unknown_key(t, prefix, node->keys[i], faults);
        else if (row->type == CONFIG_SECTION && node->items[i]->kind != YAML_MAPPING)
            yaml_fault(faults, node->items[i],
                       "%s: %s where 'key: value' lines belong; indent its keys below it", row->path,
                       yaml_is_null(node->items[i]) ? "nothing" : yaml_kind_name(node->items[i]));
        else if (row->type == CONFIG_SECTION)
            apply_below(t, node->items[i], base, config_prefix_below(row, next), faults);
        else if (row->type == CONFIG_LIST)
            apply_list(t, row, node->items[i], base, faults);
        else
            config_value_read(row, node->items[i], slot_of(base, row), faults);
    }
    check_required(t, node, prefix, faults);
}

void config_apply(const struct config_table *t, const struct yaml_node *root, void *target,
                  struct yaml_faults *faults)
{
    apply_below(t, root, target, "", faults);
}

/* --- one key --- */

static const char *nearest_scalar(const struct config_table *t, const char *path)
{
    const char *names[128];
    size_t n = 0;

    for (const struct config_row *row = t->rows; row < t->rows + t->n && n < ARRAY_SIZE(names); row++)
        if (row->type != CONFIG_SECTION && row->type != CONFIG_LIST && !strstr(row->path, "[]"))
            names[n++] = row->path;
    return yaml_nearest(path, names, n);
}

int config_set(const struct config_table *t, void *target, const char *path, const char *value,
               struct error *err)
{
    const struct config_row *row = t->rows, *end = t->rows + t->n;
    const struct config_type_ops *o;
    union config_slot fresh = {0};
    char why[CONFIG_WHY_SIZE];
    const char *near;
    int r;

    while (row < end && strcmp(row->path, path) != 0)
        row++;
    if (row == end) {
        near = nearest_scalar(t, path);
        return error_set(err, -EINVAL, path, "unknown key%s%s%s", near ? "; did you mean '" : "",
                         near ? near : "", near ? "'?" : "; --dump-config lists them all");
    }
    o = row->type == CONFIG_SECTION || row->type == CONFIG_LIST ? NULL : config_type_ops(row->type);
    if (!o || !o->is_scalar || strstr(path, "[]"))
        return error_set(err, -EINVAL, path, "is not a single value; set it in the configuration file");
    r = o->parse(row, value, &fresh, why);
    if (r == -ENOMEM)
        return error_errno(err, r, path, "cannot set it");
    if (r < 0)
        return error_set(err, r, path, "%s", why);
    if (o->done)
        o->done(slot_of(target, row));
    memcpy(slot_of(target, row), &fresh, o->size);
    return 0;
}

/* --- comparing --- */

static bool equal_below(const struct config_table *t, const void *a, const void *b, const char *prefix);

static bool equal_row(const struct config_table *t, const struct config_row *row, const void *a,
                      const void *b)
{
    char next[CONFIG_PREFIX_SIZE];
    size_t na, nb;
    const char *xs, *ys;

    if (row->type == CONFIG_SECTION)
        return equal_below(t, a, b, config_prefix_below(row, next));
    if (row->type != CONFIG_LIST)
        return config_type_ops(row->type)->equal(const_slot_of(a, row), const_slot_of(b, row));
    xs = config_list_items(row, a, &na);
    ys = config_list_items(row, b, &nb);
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (!equal_below(t, xs + i * row->item_size, ys + i * row->item_size, config_prefix_below(row, next)))
            return false;
    return true;
}

static bool equal_below(const struct config_table *t, const void *a, const void *b, const char *prefix)
{
    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++)
        if (config_child_name(row, prefix) && !equal_row(t, row, a, b))
            return false;
    return true;
}

void config_diff(const struct config_table *t, const void *a, const void *b,
                 void (*on_row)(void *userdata, const struct config_row *row), void *userdata)
{
    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++)
        if (row->type != CONFIG_SECTION && !strstr(row->path, "[]") && !equal_row(t, row, a, b))
            on_row(userdata, row);
}

char *config_value_text(const struct config_row *row, const void *target)
{
    return config_type_ops(row->type)->print(row, const_slot_of(target, row));
}

char *config_get(const struct config_table *t, const void *target, const char *path)
{
    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        const struct config_type_ops *o;

        if (strcmp(row->path, path) != 0 || row->type == CONFIG_SECTION || row->type == CONFIG_LIST ||
            strstr(path, "[]"))
            continue;
        o = config_type_ops(row->type);
        if (!o->is_scalar)
            return NULL;
        if (o->done) /* texts stand as they are, not as YAML */
            return strdup(*(char *const *)const_slot_of(target, row));
        return o->print(row, const_slot_of(target, row));
    }
    return NULL;
}
