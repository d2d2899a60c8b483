/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One pattern over a file's name or path, compiled (the only user of PCRE2). Patterns come from the site's own file, names from
 * cameras: neither can make a match run away, because steps, depth and memory are bounded.
 *
 * Named groups and what they mean (any of them may be absent; (?J) lets alternatives use one name twice):
 *
 *   device officer unit case channel seq    texts as they stand
 *   date                                    YYYYMMDD or YYYY-MM-DD
 *   time                                    HHMMSS, HH-MM-SS, HH_MM_SS or HH.MM.SS; seconds may be left out
 *   end_date end_time                       the same for the end; without end_date the day of the start, or the next
 *   datetime start end                      YYYYMMDDHHMMSS, YYYYMMDD[T_-]HHMMSS, YYYY-MM-DD[T _]HH-MM-SS; a Z after it = UTC
 *   year month day hour minute second       parts of the start
 *   epoch                                   seconds, or milliseconds (13 digits), since 1970 UTC
 *
 * Times without a Z are in the zone of the drop folder. Examples, as they stand in retention.yaml:
 *
 *   Hikvision NVR download  ch01_20261123090507.mp4, 192.168.1.64_01_20261123090507123.mp4
 *     match: '^(?:(?<device>[0-9.]+)_)?(?:ch)?(?<channel>[0-9]{1,3})_(?<datetime>20[0-9]{12})[0-9]{0,3}\.'
 *   Hikvision body camera   <device>_<officer>_20261123090507_20261123091007_0001.mp4
 *     match: '^(?<device>[A-Za-z0-9-]+)_(?<officer>[0-9]+)_(?<start>20[0-9]{12})_(?<end>20[0-9]{12})(?:_(?<seq>[0-9]+))?\.'
 *   Dahua                   NVR_ch1_main_20261123090507_20261123091007.dav, 2026-11-23/001/dav/09/09.05.07-09.10.07[M][0@0][0].dav
 *     match: '(?:^|_)ch(?<channel>[0-9]+)_(?:main|sub|extra)_(?<start>20[0-9]{12})_(?<end>20[0-9]{12})'
 *     match: '(?<date>20[0-9]{2}-[0-9]{2}-[0-9]{2})/(?<channel>[0-9]{3})/(?:dav|jpg)/[^/]+/(?<time>[0-9.]{8})-(?<end_time>[0-9.]{8})'   on: path
 *   Docking station         <unit>/<officer>/<device>/20261123/090507.mp4
 *     match: '^(?<unit>[^/]+)/(?<officer>[^/]+)/(?<device>[^/]+)/(?<date>20[0-9]{6})/(?<time>[0-9]{6})'   on: path
 *   Phone                   IMG_20261123_090507.jpg, VID20261123090507.mp4
 *     match: '^(?:IMG|VID|PXL)_?(?<datetime>20[0-9]{6}_?[0-9]{6})'
 */
#ifndef LIUHEN_CASES_PLACE_RULE_H
#define LIUHEN_CASES_PLACE_RULE_H

#include <stdbool.h>

#include "base/error.h"

enum place_group {
    PLACE_DEVICE,
    PLACE_OFFICER,
    PLACE_UNIT,
    PLACE_CASE,
    PLACE_CHANNEL,
    PLACE_SEQ,
    PLACE_DATE,
    PLACE_TIME,
    PLACE_END_DATE,
    PLACE_END_TIME,
    PLACE_DATETIME,
    PLACE_START,
    PLACE_END,
    PLACE_YEAR,
    PLACE_MONTH,
    PLACE_DAY,
    PLACE_HOUR,
    PLACE_MINUTE,
    PLACE_SECOND,
    PLACE_EPOCH,
    PLACE_GROUP_COUNT
};

struct place_rule; /* immutable, shared between threads */

/* Return: 0, -EINVAL (err: what is wrong and where in the pattern, object empty), -ENOMEM. */
int place_rule_compile(const char *pattern, struct place_rule **ret, struct error *err);
struct place_rule *place_rule_free(struct place_rule *r);
DEFINE_CLEANUP(struct place_rule *, place_rule_free)

/* Whether the pattern has any named group. */
bool place_rule_has_groups(const struct place_rule *r);

/* What a match found: NUL-terminated valid UTF-8 without control characters, 1 to PLACE_VALUE_MAX bytes; NULL = not. */
#define PLACE_VALUE_MAX 200
struct place_match {
    char *values[PLACE_GROUP_COUNT];
    bool cut; /* a group had found something that is no such text */
};
void place_match_done(struct place_match *m);

/* Whether a text may stand as a placed value (the same rule for sidecars). */
bool place_value_is_clean(const char *text, size_t size);

/* Matches against any bytes. Return: 1 matched (*ret filled), 0 not, -ELOOP (gave up: the pattern needs too many steps for this
 * name), -ENOMEM. */
int place_rule_match(const struct place_rule *r, const char *subject, size_t size, struct place_match *ret);

#endif
