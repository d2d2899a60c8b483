/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The plan of a redaction: what a copy covers and silences, and what it leaves open. Read and checked by the daemon before a job is
 * queued, and once more by the locked program that renders it. A copy covers, it never cuts: plans that would change the time line
 * (cuts, another speed, another order) are refused, since the footage's course is part of what it proves.
 *
 * Pure: no I/O, no clock. The plan's words stand in PLAN.md.
 */
#ifndef LIUHEN_MEDIA_REDACTION_H
#define LIUHEN_MEDIA_REDACTION_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

#define REDACTION_REGIONS_MAX   256
#define REDACTION_KEYFRAMES_MAX 10000 /* of a region */
#define REDACTION_WHOLE_MAX     256
#define REDACTION_MUTE_MAX      10000
#define REDACTION_KEEP_MAX      16
#define REDACTION_LABEL_MAX     160                          /* bytes */
#define REDACTION_MSEC_MAX      (INT64_C(31) * 86400 * 1000) /* no recording is longer than a month */
#define REDACTION_TO_THE_END    INT64_MAX

enum cover_shape { SHAPE_RECTANGLE, SHAPE_ELLIPSE };
enum cover_kind { COVER_BLACK, COVER_BLUR, COVER_PIXELATE };

/* In permille of the upright picture's width and height, from its upper left corner. May reach beyond the picture. */
struct place_in_picture {
    int32_t x, y, w, h;
};

struct keyframe {
    int64_t at_usec;
    struct place_in_picture place;
};

struct stretch {
    int64_t from_usec, until_usec; /* [from, until) */
    enum cover_kind kind;          /* of whole pictures */
};

struct region {
    enum cover_shape shape;
    enum cover_kind kind;
    int64_t from_usec, until_usec;
    struct keyframe *keyframes; /* ascending, at least one */
    size_t n_keyframes;
};

struct redaction {
    struct region *regions;
    size_t n_regions;
    struct stretch *whole; /* whole pictures */
    size_t n_whole;
    struct stretch
        *mute; /* with their margins, ascending, apart from each other: ranges that overlap are one here */
    size_t n_mute;
    struct place_in_picture
        keep[REDACTION_KEEP_MAX]; /* left open by whole pictures of blur and pixelate, and by marks */
    size_t n_keep;
    char digest
        [DIGEST_HEX_SIZE]; /* SHA-256 of the plan's canonical JSON (RFC 8785 for what a plan can hold), lower-case hex */
};

/* Reads and checks a plan; *ret is to be freed with redaction_done. Return: 0, -EINVAL (err: object says where, as "regions[2].kind",
 * text says what and what would be right), -ENOMEM. */
int redaction_read(const json_t *plan, struct redaction *ret, struct error *err);
/* Only what a plain copy may say of its picture: {"keep": […]}. Return: as redaction_read. */
int redaction_read_keep(const json_t *keep, struct redaction *ret, struct error *err);
void redaction_done(struct redaction *r);

/* Whether anything of it happens between two instants, borders included. */
bool region_is_there(const struct region *r, int64_t from_usec, int64_t until_usec);
bool stretch_is_there(const struct stretch *s, int64_t from_usec, int64_t until_usec);

/* One row of a picture: [x0, x1) is covered; x0 >= x1: nothing of it. */
struct row {
    int32_t x0, x1;
};

/* What a region covers of a width × height picture that is on the screen from one instant until another, in rows of pixels: every place
 * where the region is in that time, rounded outwards to whole pixels and to even ones (a sample of colour stands for four pixels). rows:
 * height, made even, of them. Return: whether there is anything. */
bool region_rows(const struct region *r, int64_t from_usec, int64_t until_usec, int width, int height,
                 struct row *rows);

/* How loud sample number i (of rate a second, from the beginning) is to be: 0 inside the ranges and MUTE_MARGIN_USEC around them, to the
 * sample; falling and rising over MUTE_FADE_USEC outside of that; else 1. The margin is there because encoders of sound delay it (AAC by
 * up to 2112 samples) and not every file and player tells of that: what a person heard until one instant may sound until a little later. */
#define MUTE_MARGIN_USEC 50000
#define MUTE_FADE_USEC   10000
float mute_gain(const struct redaction *r, int64_t sample, int rate);
/* Whether a range, or its margin, is within so long of an instant. */
bool mute_is_near(const struct redaction *r, int64_t at_usec, int64_t within_usec);

#endif
