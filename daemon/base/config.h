/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration from tables: one row a key, from which come reading, validation, defaults, "did you mean", the dump of values in
 * force, the rows of the manual page, and the comparison at a reload. Knows no particular key; see settings.c for a table.
 */
#ifndef LIUHEN_BASE_CONFIG_H
#define LIUHEN_BASE_CONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "base/yaml.h"

typedef void (*config_on_fault)(void *userdata, const struct error *fault);

struct config_strings {
    size_t n;
    char **items;
};

enum config_type {
    CONFIG_SECTION,  /* a table that only groups keys */
    CONFIG_LIST,     /* a list of tables: pointer at offset, size_t at count_offset, item_size each */
    CONFIG_STRING,   /* char *, min–max bytes, one line */
    CONFIG_PATH,     /* char *, absolute without ".."; "" allowed when min is 0 */
    CONFIG_ZONE,     /* char *, an IANA time zone; "" allowed when min is 0 */
    CONFIG_BOOL,     /* bool: true, false */
    CONFIG_INTEGER,  /* int64_t, min–max */
    CONFIG_MODE,     /* unsigned, octal, a subset of max */
    CONFIG_SIZE,     /* uint64_t bytes: "512 MiB" */
    CONFIG_DURATION, /* int64_t µs: "2 s", "10 min" */
    CONFIG_ENUM,     /* int: base + index into names */
    CONFIG_FLAGS,    /* unsigned bit set: a list of names, at least min */
    CONFIG_STRINGS,  /* struct config_strings: at most max texts of 1–255 bytes */
};

struct config_row {
    const char *path; /* "archive.path", "folders[].path"; sections and lists stand before their keys */
    enum config_type type;
    size_t offset; /* in the root struct; for "x[].y" in the item */
    int64_t min, max;
    const char *fallback;                    /* the default as YAML text; NULL: the key must be given */
    const char *const *names;                /* CONFIG_ENUM, CONFIG_FLAGS: NULL-terminated */
    int base;                                /* CONFIG_ENUM: value of names[0] */
    bool reloadable;                         /* a reload takes it; otherwise only a restart */
    const char *help;                        /* one or more plain sentences, may hold line breaks */
    size_t count_offset, item_size;          /* CONFIG_LIST */
    const char *(*check)(const char *value); /* further rule for texts: NULL, or what would be right */
};

struct config_table {
    const struct config_row *rows;
    size_t n;
};

/* Puts every default into the zeroed struct at target (lists become empty). Return: 0, -ENOMEM, -EINVAL: a fault in the
 * table itself, reported through faults. */
int config_defaults(const struct config_table *t, void *target, struct yaml_faults *faults);

/* Reads a mapping into target, which holds the defaults. Faults are collected; target may be half filled then. */
void config_apply(const struct config_table *t, const struct yaml_node *root, void *target,
                  struct yaml_faults *faults);

/* Frees everything a table's struct owns (not the struct). */
void config_done(const struct config_table *t, void *target);

/* Sets one scalar key outside lists from text, as a file would. Return: 0, -EINVAL (err set, target unchanged), -ENOMEM. */
int config_set(const struct config_table *t, void *target, const char *path, const char *value,
               struct error *err);

/* The value of one scalar key outside lists as config_set takes it; new string, NULL when there is no such key (or memory). */
char *config_get(const struct config_table *t, const void *target, const char *path);

/* Writes YAML with every key, its value and its help as comment. Return: 0 or negative errno of the stream. */
int config_dump(const struct config_table *t, const void *target, FILE *out);

/* Writes one troff paragraph a key. */
int config_man(const struct config_table *t, FILE *out);

/* Calls on_row for each key outside lists whose value differs; a list is one key. */
void config_diff(const struct config_table *t, const void *a, const void *b,
                 void (*on_row)(void *userdata, const struct config_row *row), void *userdata);

/* The value of a key as a YAML flow text ("5 s", "[a, b]"); new string or NULL. */
char *config_value_text(const struct config_row *row, const void *target);

#endif
