/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Devices (cameras, docks, phones, camera systems): who may deliver, how they prove who they are, and what they tell of their files.
 * Everything about them is an act: device.added, device.set, device.assigned, device.unassigned,
 * device.key-added, device.key-revoked, device.retired, device.returned.
 * Secrets are shown once and stored as SHA-256 only (they are random, 256 bits, so that a plain digest is enough).
 */
#ifndef LIUHEN_CASES_DEVICES_H
#define LIUHEN_CASES_DEVICES_H

#include "base/json.h"
#include "base/settings.h"
#include "base/ulid.h"
#include "catalogue/device-rows.h"
#include "catalogue/writer.h"

enum {
    DEVICES_E_NONE = 1301,      /* no such device */
    DEVICES_E_UNKNOWN = 1302,   /* no such token or certificate (401) */
    DEVICES_E_REVOKED = 1303,   /* it was revoked, or has expired (403) */
    DEVICES_E_RETIRED = 1304,   /* the device was taken out of use (403) */
    DEVICES_E_INPUT = 1305,     /* what was given makes no sense; err says what would be right (422) */
    DEVICES_E_AMBIGUOUS = 1306, /* the beginning of an id fits more than one (409) */
};

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
/* By its serial. Return: 0, DEVICES_E_NONE, DEVICES_E_RETIRED (ret filled), others. ret->key is "". */
int device_by_serial(struct db *db, const char *serial, int64_t now_usec, struct device *ret,
                     struct error *err);

/* The officer that the device was assigned to at a time. Return: 0 with "" when nobody, or no such device. */
int device_officer_at(struct db *db, const char *serial, int64_t usec, char ret[DEVICE_TEXT],
                      struct error *err);

/* The part of an arrival that a device stands for: {device, device_id, own? (true: it recorded this itself, and no name of a file says
 * otherwise; docks and systems bring what other cameras recorded), unit?, zone?, clock_offset?}; new object, NULL = out of memory.
 * The officer is not in it: whom the device was assigned to when it recorded is looked up when the recording is placed.
 * clock_offset_usec: INT64_MIN = not measured. */
json_t *device_facts(const struct device *d, int64_t clock_offset_usec);

/* ---- changes: each inside a writer job, one act by the actor ------------------------------------------------------------------
 * Return of all: 0, DEVICES_E_INPUT, DEVICES_E_NONE, DEVICES_E_AMBIGUOUS, ACT_E_REFUSED (it makes no sense as things stand), DB_E_*,
 * negative errno. `text`: the serial, the id or the beginning of that. NULL = not given; dates as in case-acts.h. */

#define DEVICE_SERIAL_MAX 100
#define DEVICE_TOKEN_SIZE (3 + ULID_LENGTH + 1 + 52 + 1)

struct device_context {
    const char *actor;       /* "user:li" */
    const struct zone *zone; /* of dates without an offset: the site's */
};

/* "" takes a value away (device_set). quota: "20 GiB" a day; rate: requests a minute, digits. */
struct device_input {
    const char *serial, *name, *kind, *unit, *zone, *quota, *rate;
};

/* kind: default camera. A serial is at most DEVICE_SERIAL_MAX bytes, can stand in a path, and is never changed. */
int device_add(struct txn *t, const struct device_context *c, const struct device_input *in,
               char ret_id[ULID_LENGTH + 1], struct error *err);
int device_set(struct txn *t, const struct device_context *c, const char *text, const struct device_input *in,
               struct error *err);

/* The officer has it from then on (default: now), until the end of a day or a time, or the next assignment. officer "": nobody. */
int device_assign(struct txn *t, const struct device_context *c, const char *text, const char *officer,
                  const char *from, const char *until, struct error *err);
/* Takes back the assignment that begins at `from`: a mistake. */
int device_unassign(struct txn *t, const struct device_context *c, const char *text, const char *from,
                    struct error *err);

/* A new token; it is nowhere but in ret_token. expires: a date; NULL and "" = never. */
int device_token_add(struct txn *t, const struct device_context *c, const char *text, const char *label,
                     const char *expires, char ret_key[ULID_LENGTH + 1], char ret_token[DEVICE_TOKEN_SIZE],
                     struct error *err);
/* fingerprint: SHA-256 of the DER form, 64 hex digits, colons allowed. expires_usec: INT64_MAX = not known. */
int device_certificate_add(struct txn *t, const struct device_context *c, const char *text,
                           const char *fingerprint, const char *label, int64_t expires_usec,
                           char ret_key[ULID_LENGTH + 1], struct error *err);
/* key: its id or the beginning of it (at least 4 characters); it must be this device's. */
int device_key_revoke(struct txn *t, const struct device_context *c, const char *text, const char *key,
                      const char *reason, struct error *err);

/* Out of use: nothing it sends is taken any more, its keys stay as they are. And back. */
int device_retire(struct txn *t, const struct device_context *c, const char *text, const char *reason,
                  struct error *err);
int device_return(struct txn *t, const struct device_context *c, const char *text, struct error *err);

#endif
