/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * YAML as a tree of nodes that know their line and column. The only user of libyaml. A deliberately small YAML: one document
 * of mappings, sequences and scalars; anchors, aliases, tags, duplicate keys and keys that are not scalars are refused, and so
 * are NUL, invalid UTF-8, more than 16 levels and more than 20,000 nodes. Every fault is reported, as far as the text can be
 * followed, with object "file:line:column" and a sentence that says what would be right.
 */
#ifndef LIUHEN_BASE_YAML_H
#define LIUHEN_BASE_YAML_H

#include <stdbool.h>

#include "base/error.h"

#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 20000

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    int line, column;         /* from 1; column in characters */
    char *text;               /* scalar: NUL-terminated, valid UTF-8 without NUL; else NULL */
    bool plain;               /* scalar without quotes */
    size_t n;                 /* entries of a sequence or mapping */
    struct yaml_node **keys;  /* mapping: n scalars; sequence: NULL */
    struct yaml_node **items; /* sequence: n nodes; mapping: the n values */
};

/* Where faults go; one for a whole job, so that `count` says whether anything was wrong. */
struct yaml_faults {
    const char *file;
    void (*on_fault)(void *userdata, const struct error *fault); /* may be NULL */
    void *userdata;
    unsigned count;
    bool no_memory;
};

/* Reports a fault at a node (NULL: the file as a whole). Always returns -EINVAL. */
int yaml_fault(struct yaml_faults *f, const struct yaml_node *at, const char *format, ...) _printf_(3, 4);

/* Notes that memory ran out; returns -ENOMEM. */
int yaml_no_memory(struct yaml_faults *f);

/* What a job with these faults should return: 0, -EINVAL or -ENOMEM. */
int yaml_faults_result(const struct yaml_faults *f);

/* Parses a text of at most max bytes. An empty document gives an empty mapping.
 * Return: 0, -EINVAL (faults reported), -EFBIG (reported), -ENOMEM. */
int yaml_parse(const char *text, size_t size, size_t max, struct yaml_faults *faults, struct yaml_node **ret);
struct yaml_node *yaml_node_free(struct yaml_node *n);
DEFINE_CLEANUP(struct yaml_node *, yaml_node_free)

/* The value of a key; NULL when there is none or node is not a mapping. */
const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);

/* Whether it is a plain scalar that YAML calls null: nothing, ~, null. */
bool yaml_is_null(const struct yaml_node *node);

/* "a text", "a list", "a table": for faults. */
const char *yaml_kind_name(const struct yaml_node *node);

/* The candidate nearest to word, if near enough to be a slip of the pen; else NULL. candidates: n strings. */
const char *yaml_nearest(const char *word, const char *const *candidates, size_t n);

/* "a, b, c": n words one after the other; what has no room is cut. Returns out. */
const char *yaml_words(const char *const *words, size_t n, char *out, size_t size);

/* Reports that the text of node is none of the n known words: "<format>; did you mean 'b'?" where one is near, else
 * "<format>; <lead>: a, b, c". Always returns -EINVAL. */
int yaml_fault_unknown(struct yaml_faults *f, const struct yaml_node *node, const char *const *known,
                       size_t n, const char *lead, const char *format, ...) _printf_(6, 7);

/* A scalar as YAML text that reads back as the same string: plain where that is safe, else double-quoted. New string or NULL. */
char *yaml_quote(const char *text);

#endif
