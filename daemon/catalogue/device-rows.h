/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading devices, their assignments and their keys from the catalogue. Reads only; cases/devices.c changes them. Digests of keys
 * never leave it but to be compared.
 */
#ifndef LIUHEN_CATALOGUE_DEVICE_ROWS_H
#define LIUHEN_CATALOGUE_DEVICE_ROWS_H

#include "base/digest.h"
#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"

enum {
    DEVICE_ROWS_E_NONE = 1351,      /* no such device or key */
    DEVICE_ROWS_E_AMBIGUOUS = 1352, /* the beginning of an id fits more than one */
};

#define DEVICE_TEXT 201 /* room for a text of a device, with the NUL */

struct device_row {
    char id[ULID_LENGTH + 1], serial[DEVICE_TEXT], name[DEVICE_TEXT], kind[32], unit[DEVICE_TEXT], zone[65];
    int64_t quota_bytes, rate_requests;    /* 0 = none */
    int64_t added_usec, retired_usec;      /* 0 = in use */
    int64_t arrivals, last_arrival_usec;   /* 0 = none yet */
    int64_t clock_offset_usec, clock_usec; /* clock_usec 0 = never measured */
};

struct device_key_row {
    char id[ULID_LENGTH + 1], device[ULID_LENGTH + 1], kind[16];
    struct digest digest;
    int64_t expires_usec, revoked_usec; /* 0 = does not, was not */
};

/* All devices by serial: array of {id, serial, name?, kind, unit?, timezone?, quota?, rate?, added, retired?, arrivals, last_arrival?,
 * clock_offset?, clock_measured?, officer?, good_keys}; officer: at now_usec; good_keys: how many are good at now_usec. */
int devices_list(struct db *db, int64_t now_usec, json_t **ret, struct error *err);

/* One as in the list, keys [{id, kind, label?, added, added_by, expires?, revoked?, revoked_by?}] and assignments [{officer, from,
 * until?}], the newest first. */
int device_show(struct db *db, const char *id, int64_t now_usec, json_t **ret, struct error *err);

/* A device by its serial, its id or the beginning of that (at least 4 characters). */
int device_resolve(struct db *db, const char *text, struct device_row *ret, struct error *err);

/* Every device, by serial. on_row: 0, or what is returned; it may not use db. */
int device_rows_each(struct db *db, int (*on_row)(void *userdata, const struct device_row *row),
                     void *userdata, struct error *err);

/* Return: 0, DEVICE_ROWS_E_NONE (err untouched), others. */
int device_row_read(struct db *db, const char *id, struct device_row *ret, struct error *err);
int device_row_by_serial(struct db *db, const char *serial, struct device_row *ret, struct error *err);
int device_key_by_id(struct db *db, const char *id, struct device_key_row *ret, struct error *err);
int device_key_by_digest(struct db *db, const char *kind, const struct digest *digest,
                         struct device_key_row *ret, struct error *err);

/* The key of a device by its id or the beginning of it. Return: 0, DEVICE_ROWS_E_NONE, _AMBIGUOUS (err set). */
int device_key_resolve(struct db *db, const char *device, const char *text, char ret[ULID_LENGTH + 1],
                       struct error *err);

/* The officer of a device at a time; "" = nobody. */
int device_officer_read(struct db *db, const char *device, int64_t usec, char ret[DEVICE_TEXT],
                        struct error *err);

/* The numbers that files of a device carry, as placed: in the order of device and recorded time; "" = none.
 * serial NULL = of all that are registered. Not older than since_usec, and of those the newest limit. on_number: 0, or what is returned. */
struct device_number {
    const char *device, *seq, *channel; /* borrowed */
    int64_t sort_usec;
};
int device_numbers_read(struct db *db, const char *serial, int64_t since_usec, int64_t limit,
                        int (*on_number)(void *userdata, const struct device_number *n), void *userdata,
                        struct error *err);

/* The assignment of a device that takes in some of [from, until) and is not one that is open since before `from` (that one would end
 * there). until INT64_MAX = no end. *ret_officer "" = none. */
int device_overlap_read(struct db *db, const char *device, int64_t from_usec, int64_t until_usec,
                        char ret_officer[DEVICE_TEXT], int64_t *ret_from, struct error *err);

#endif
