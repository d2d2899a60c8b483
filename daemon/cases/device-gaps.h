/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Numbers that are missing in what a device delivered. Cameras count their files; a number that never came is a file that was deleted on
 * the way or still lies on a card. Worked out when asked, from the numbers that placing found (place.seq).
 *
 * Numbers are read in the order of recorded times, a channel at a time. Where the number falls the camera began to count anew (it was
 * reset, or its counter is full): nothing is missing there. The same number again is another part of the same file.
 */
#ifndef LIUHEN_CASES_DEVICE_GAPS_H
#define LIUHEN_CASES_DEVICE_GAPS_H

#include "base/json.h"
#include "catalogue/db.h"

#define DEVICE_GAPS_MAX 1000 /* listed at most; all are counted */

/* {gaps: [{device, channel?, from, to, missing, after, before}], missing, recordings, more?}: numbers from to, and when the recordings
 * beside them began. serial NULL = all devices; of recordings not older than since_usec, the newest limit of them. */
int device_gaps(struct db *db, const char *serial, int64_t since_usec, int64_t limit, json_t **ret,
                struct error *err);

#endif
