/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The target of a request (RFC 9112 §3.2.1, origin form): path segments and query parameters, decoded once and strictly, so that
 * no two readings of one target exist. Pure: no HTTP library, fuzzed by tests/fuzz/fuzz-route.c.
 */
#ifndef LIUHEN_HTTP_TARGET_H
#define LIUHEN_HTTP_TARGET_H

#include "base/error.h"

#define TARGET_BYTES_MAX    8192
#define TARGET_SEGMENTS_MAX 64
#define TARGET_PARAMS_MAX   32

struct target_param {
    const char *name, *value;
};

struct target {
    char *text; /* owns everything below */
    size_t n_segments, n_params;
    const char *segments[TARGET_SEGMENTS_MAX];
    struct target_param params[TARGET_PARAMS_MAX];
};

/* Reads "/a/b%2Fc?x=1&y=". Refused: no leading '/', empty segments, "." and "..", '#', a '%' without two hex digits, what decodes
 * to control characters or invalid UTF-8, a parameter given twice or without a name, too much of anything. '+' is a plus.
 * Return: 0, -EINVAL (err says what would be right), -ENAMETOOLONG, -ENOMEM; *ret untouched on failure. */
int target_parse(const char *raw, struct target *ret, struct error *err);
void target_done(struct target *t);

/* The segments from the first-th on, joined by '/' again (object names of body-worn systems hold them). New string; NULL = no
 * memory. */
char *target_rest(const struct target *t, size_t first);

/* The value of a parameter; NULL when it was not given. */
const char *target_param(const struct target *t, const char *name);

#endif
