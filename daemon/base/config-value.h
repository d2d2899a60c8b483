/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Values of configuration keys: how each type is read, written, compared and freed. Shared by config.c and config-print.c only.
 */
#ifndef LIUHEN_BASE_CONFIG_VALUE_H
#define LIUHEN_BASE_CONFIG_VALUE_H

#include "base/config.h"

#define CONFIG_WHY_SIZE    400
#define CONFIG_PREFIX_SIZE 128

/* The largest value that a scalar slot holds. */
union config_slot {
    char *text;
    bool truth;
    int64_t integer;
    uint64_t bytes;
    unsigned bits;
    int choice;
    struct config_strings strings;
};

struct config_type_ops {
    const char *what; /* for people: "absolute path" */
    bool is_scalar;
    size_t size;
    /* scalar: Return 0, -EINVAL with *why filled ("is not …; write …"), -ENOMEM; slot untouched on failure */
    int (*parse)(const struct config_row *row, const char *text, void *slot, char why[CONFIG_WHY_SIZE]);
    char *(*print)(const struct config_row *row, const void *slot); /* YAML text, new string or NULL */
    bool (*equal)(const void *a, const void *b);
    void (*done)(void *slot); /* may be NULL */
};

const struct config_type_ops *config_type_ops(enum config_type type); /* not for sections and lists */

/* Reads a node into the slot, freeing what was there. Faults are reported. */
void config_value_read(const struct config_row *row, const struct yaml_node *node, void *slot,
                       struct yaml_faults *faults);

/* "1 to 64", "at most 100 entries": what the bounds say, or "". */
const char *config_bounds_text(const struct config_row *row, char *out, size_t size);

/* Calls for the rows directly below prefix ("" or "archive." or "folders[]."): the key's own name, NULL for other rows. */
const char *config_child_name(const struct config_row *row, const char *prefix);

/* The prefix of the rows directly below a section or list. Returns out. */
const char *config_prefix_below(const struct config_row *row, char out[CONFIG_PREFIX_SIZE]);

/* The array and the length of a list; pointers of any type are read as bytes. */
void *config_list_items(const struct config_row *row, const void *base, size_t *ret_n);

#endif
