/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors. Functions return int: 0, a positive documented MODULE_E_* that the direct caller must handle, or a negative
 * errno that travels on unchanged. What a person should read goes into a caller-owned struct error. A function either
 * reports into *err or logs, never both. There is no thread-local last error.
 */
#ifndef LIUHEN_BASE_ERROR_H
#define LIUHEN_BASE_ERROR_H

#include <stdbool.h>

#include "base/macro.h"

struct error {
    int code;         /* what the function returned */
    char object[256]; /* the thing it is about: a path, an id, "file:line:column"; may be empty */
    char text[768];   /* one plain sentence without the object: what, and what would be right */
};

#define ERROR_INIT                                                                                           \
    {                                                                                                        \
        0, "", ""                                                                                            \
    }

/* Fills *err (NULL is allowed: nothing is kept) and returns code. Over-long texts are cut. */
int error_set(struct error *err, int code, const char *object, const char *format, ...) _printf_(4, 5);

/* Like error_set for a failed system call: text becomes "<what>: <strerror(-code)>". Returns code (negative errno). */
int error_errno(struct error *err, int code, const char *object, const char *format, ...) _printf_(4, 5);

/* Puts "<words>: " before the text already in *err; returns err->code. */
int error_prefix(struct error *err, const char *format, ...) _printf_(2, 3);

void error_clear(struct error *err);

/* Writes "object: text" (or just the text) into buf; returns buf. */
const char *error_format(const struct error *err, char *buf, size_t size);

/* Whether a negative errno means that a resource is short (disk, inodes, memory, fds, quota, I/O, read-only) and the
 * work should pause and be tried again, rather than that this one item is bad. */
bool error_is_resource(int code);

#endif
