/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Working out a place from what is known of a recording: pure, no catalogue, no clock. Sources in the order in which they are
 * believed: sidecar, rules marked certain, the registered device (its unit; the officer that it was assigned to when it recorded), the
 * folder's constants, QR codes, other rules, the media themselves. A folder's mtime is never taken for the time of recording.
 *
 * A camera's clock that was measured to be off by more than devices.clock (arrival.clock_offset): its times are corrected by that and
 * at most probable, what it said is kept beside as raw, and a note says so. Keeping counts from the receipt, or an end that is even
 * later (policy.h), so no clock shortens it.
 *
 * Sidecar (arrival.sidecar), all members optional: device, officer, unit, case, channel, seq (text or whole number), started, ended
 * (RFC 3339, or without offset in the folder's zone), role ("evidence" or "context": of the link to the case), step.
 *
 * QR codes that decoding found in the first seconds (decoded.qr): "LIUHEN:case=2026-12;officer=li" says what it says (keys case, officer, device,
 * unit; values percent-encoded where they hold ';' or '%'), any other text is for the rules with on: qr. Anybody can hold up a code,
 * so what it says is never more than probable and never stands over what a person, a sidecar or the device's registration says.
 *
 * The place: {device?, officer?, unit?, case_number?, channel?, seq?, started?, ended?: each {value, source, certainty}; case_number
 * may have role and step, started and ended may have conflict {value, source, certainty}; mtime_hint?; notes? [sentences]; proposals?
 * [{value, name?, source, certainty}]: what an officer chose on the camera; a person makes a hold or a class of it, or not}.
 * Times are µs UTC, all other values text. started and ended may have raw. Sources: "sidecar", "bodyworn", "device", "assignment", "rule:NAME", "qr", "qr:NAME" (of the rule), "folder:NAME", "media:WHAT", "started + duration".
 */
#ifndef LIUHEN_CASES_PLACE_FACTS_H
#define LIUHEN_CASES_PLACE_FACTS_H

#include "base/json.h"
#include "cases/place.h"

/* The registered device that recorded, as far as placing asks it. NULL: not registered. */
struct place_device {
    const char *unit, *zone; /* "" = not known: then the arrival's */
    /* Whom it was assigned to at a time: ret has DEVICE_TEXT bytes, "" = nobody. */
    int (*officer_at)(void *userdata, int64_t usec, char *ret, struct error *err);
    void *userdata;
};

/* arrival: object; media and decoded: object or NULL. *ret_place is a new object, *ret_sort the time to sort by. Bad sidecars and names
 * are no errors: they become notes. Return: 0, -EINVAL (arrival lacks its path), -ENOMEM. */
int place_work_out(const struct placer *p, const json_t *arrival, const json_t *media, const json_t *decoded,
                   int64_t received_usec, const struct place_device *device, json_t **ret_place,
                   int64_t *ret_sort, struct error *err);

/* Whether a body-worn system brought it by its own door. Then the sidecar is ours (bodyworn.h) and may hold take (ULID), notes and
 * proposals as well; its source is named "bodyworn". */
#define PLACE_BODYWORN "bodyworn"
bool place_is_bodyworn(const json_t *arrival);

/* How long a gap within a take may be. */
int64_t placer_takes_gap_usec(const struct placer *p);

#endif
