/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading multipart/form-data (RFC 7578, framing of RFC 2046 §5.1) as it comes, in pieces of any size. Pure: no HTTP library, no
 * files. Memory is bounded whatever comes, and what comes in other pieces reads the same (fuzzed by tests/fuzz/fuzz-multipart.c).
 *
 * Strict in framing, so that no two readings of one body exist: lines end with CRLF, a boundary line holds nothing but the boundary,
 * parts within parts and transfer encodings that change bytes are refused, and a body that stops before its last boundary is an
 * error. Lenient in file names (http/params.h).
 */
#ifndef LIUHEN_HTTP_MULTIPART_H
#define LIUHEN_HTTP_MULTIPART_H

#include "base/error.h"

#define MULTIPART_BOUNDARY_MAX     70           /* RFC 2046 §5.1.1 */
#define MULTIPART_HEADERS_MAX      (8u * 1024)  /* bytes of one part's headers */
#define MULTIPART_HEADER_LINES_MAX 32           /* of one part */
#define MULTIPART_PARTS_MAX        100          /* of a body */
#define MULTIPART_FIELDS_MAX       (64u * 1024) /* bytes of all parts that are no files */
#define MULTIPART_AROUND_MAX       (64u * 1024) /* bytes before the first and behind the last boundary */

/* Everything is borrowed and lives until on_part_end has returned. */
struct multipart_part {
    const char *name; /* of the form field; "" where only a file name was given */
    const char *
        filename; /* NULL: a field. Else its last component, without '/'; "" when there is none (a form without a file) */
    const char *
        path; /* all that was sent of it: "DCIM/clip.mp4", never with an empty component, "." or ".."; NULL: a field */
    const char *type; /* Content-Type; "" = not said */
    const void *impl;
};

/* The value of a part's header, names compared without case; NULL: not given. */
const char *multipart_header(const struct multipart_part *part, const char *name);

/* Each returns 0, or what multipart_feed is to return: nothing more is read then. */
struct multipart_events {
    int (*on_part_begin)(void *userdata, const struct multipart_part *part, struct error *err);
    int (*on_part_data)(void *userdata, const void *data, size_t size, struct error *err); /* size > 0 */
    int (*on_part_end)(void *userdata, struct error *err);
    int (*on_end)(void *userdata,
                  struct error *err); /* the last boundary; a little may still follow it, unread */
    void *userdata;
};

struct multipart;

/* content_type: of the request. Return: 0, -EINVAL (not multipart/form-data, no usable boundary), -ENOMEM. */
int multipart_new(const char *content_type, const struct multipart_events *events, struct multipart **ret,
                  struct error *err);
struct multipart *multipart_free(struct multipart *m);
DEFINE_CLEANUP(struct multipart *, multipart_free)

/* Reads a piece. Return: 0, -EINVAL (malformed), -EFBIG (beyond a limit above), -ENOMEM, what an event returned; after a failure
 * always that one. */
int multipart_feed(struct multipart *m, const void *data, size_t size, struct error *err);

/* The body is at its end. Return: 0, -EINVAL when the last boundary has not been seen, or the earlier failure. */
int multipart_finish(struct multipart *m, struct error *err);

#endif
