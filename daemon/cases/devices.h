/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Devices (cameras, docks, phones, camera systems): who may deliver, how they prove who they are, and what they tell of their files.
 * Everything about them is an act: device.added, device.set, device.assigned, device.key-added, device.key-revoked, device.retired.
 * Secrets are shown once and stored as SHA-256 only (they are random, 256 bits, so that a plain digest is enough).
 */
#ifndef LIUHEN_CASES_DEVICES_H
#define LIUHEN_CASES_DEVICES_H

#include "base/json.h"
#include "base/settings.h"
#include "base/ulid.h"
#include "catalogue/writer.h"

enum {
    DEVICES_E_NONE = 1301,    /* no such device */
    DEVICES_E_UNKNOWN = 1302, /* no such token or certificate (401) */
    DEVICES_E_REVOKED = 1303, /* it was revoked, or has expired (403) */
    DEVICES_E_RETIRED = 1304, /* the device was taken out of use (403) */
    DEVICES_E_INPUT = 1305,   /* what was given makes no sense; err says what would be right (422) */
};

#define DEVICE_TEXT 201

/* A device as the doors need it. */
struct device {
    char id[ULID_LENGTH + 1];
    char serial[DEVICE_TEXT];  /* unique; what `device` of a recording says */
    char name[DEVICE_TEXT];    /* as people call it; may be "" */
    char kind[32];             /* camera, dock, phone, system (a body-worn system), other */
    char unit[DEVICE_TEXT];    /* "" = not known */
    char zone[65];             /* "" = the site's */
    char officer[DEVICE_TEXT]; /* assigned now; "" = nobody */
    uint64_t quota_bytes;      /* a day, 0 = none */
    uint64_t rate_requests;    /* a minute, 0 = none */
    char key[ULID_LENGTH + 1]; /* the key it came in with */
};

/* Tokens are "lh_<key ULID>_<52 characters base32 of 32 random bytes>". Return: 0, DEVICES_E_UNKNOWN, _REVOKED, _RETIRED (ret filled, for
 * the alarm), DB_E_*, negative errno. Compares in constant time. */
int device_by_token(struct db *db, const char *token, int64_t now_usec, struct device *ret,
                    struct error *err);
/* certificate: SHA-256 of its DER form in hex. */
int device_by_certificate(struct db *db, const char *certificate, int64_t now_usec, struct device *ret,
                          struct error *err);
int device_by_serial(struct db *db, const char *serial, int64_t now_usec, struct device *ret,
                     struct error *err);

/* The officer that the device was assigned to at a time. Return: 0 with "" when nobody. */
int device_officer_at(struct db *db, const char *serial, int64_t usec, char ret[DEVICE_TEXT],
                      struct error *err);

/* The part of an arrival that a device stands for: {device, device_id, unit?, officer?, zone?, clock_offset?}; new object.
 * clock_offset_usec: INT64_MIN = not measured. */
json_t *device_facts(const struct device *d, int64_t clock_offset_usec);

#endif
