/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Devices: finding them by what they show, and what a device stands for (see devices.h). Changes are in device-acts.c.
 *
 * A key is looked up by the id that stands in the token, and its digest is compared in constant time; a digest of 256 random bits
 * cannot be guessed, and nobody can make one by choice, so it needs neither salt nor stretching.
 */
#include "cases/devices.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "cases/device-token.h"

static void from_row(const struct device_row *row, const char *key, struct device *ret)
{
    struct device d = {.quota_bytes = (uint64_t)row->quota_bytes,
                       .rate_requests = (uint64_t)row->rate_requests};

    memcpy(d.id, row->id, sizeof d.id);
    memcpy(d.serial, row->serial, sizeof d.serial);
    memcpy(d.name, row->name, sizeof d.name);
    memcpy(d.kind, row->kind, sizeof d.kind);
    memcpy(d.unit, row->unit, sizeof d.unit);
    memcpy(d.zone, row->zone, sizeof d.zone);
    snprintf(d.key, sizeof d.key, "%s", key);
    *ret = d;
}

/* Fills what a device is now; says when it is out of use. */
static int fill(struct db *db, const struct device_row *row, const char *key, int64_t now_usec,
                struct device *ret, struct error *err)
{
    struct device d;
    int r;

    from_row(row, key, &d);
    r = device_officer_read(db, row->id, now_usec, d.officer, err);
    if (r != 0)
        return r;
    *ret = d;
    if (row->retired_usec)
        return error_set(err, DEVICES_E_RETIRED, d.serial,
                         "was taken out of use; `liuhen device return` takes it back");
    return 0;
}

/* The device of a key that fits. */
static int device_of_key(struct db *db, const struct device_key_row *key, int64_t now_usec,
                         struct device *ret, struct error *err)
{
    struct device_row row;
    int r = device_row_read(db, key->device, &row, err);

    if (r == DEVICE_ROWS_E_NONE)
        return error_set(err, -EPROTO, key->device, "has a key but is no device; run `liuhen fsck`");
    r = r != 0 ? r : fill(db, &row, key->id, now_usec, ret, err);
    if (r != 0)
        return r;
    if (key->revoked_usec)
        return error_set(err, DEVICES_E_REVOKED, ret->serial,
                         "the %s %s was revoked; make a new one with `liuhen device token` or enrol",
                         key->kind, key->id);
    if (key->expires_usec && now_usec >= key->expires_usec)
        return error_set(err, DEVICES_E_REVOKED, ret->serial,
                         "the %s %s has expired; make a new one with `liuhen device token` or enrol",
                         key->kind, key->id);
    return 0;
}

/* What does not fit is answered alike, whether it is the form, the id or the secret. */
static int unknown(const char *what, struct error *err)
{
    return error_set(err, DEVICES_E_UNKNOWN, "",
                     "the %s is not known here; register the device and its "
                     "key with `liuhen device`",
                     what);
}

/* Takes as long for every digest. */
static bool is_same_digest(const struct digest *a, const struct digest *b)
{
    unsigned char differs = 0;

    for (size_t i = 0; i < sizeof a->bytes; i++)
        differs |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
    return differs == 0;
}

int device_by_token(struct db *db, const char *token, int64_t now_usec, struct device *ret, struct error *err)
{
    char id[ULID_LENGTH + 1];
    struct device_key_row key;
    struct digest digest;
    int r;

    if (!device_token_is_formed(token, id))
        return unknown("token", err);
    digest_of(token, strlen(token), &digest);
    r = device_key_by_id(db, id, &key, err);
    if (r == DEVICE_ROWS_E_NONE ||
        (r == 0 && (strcmp(key.kind, "token") != 0 || !is_same_digest(&key.digest, &digest))))
        return unknown("token", err);
    return r != 0 ? r : device_of_key(db, &key, now_usec, ret, err);
}

int device_by_certificate(struct db *db, const char *certificate, int64_t now_usec, struct device *ret,
                          struct error *err)
{
    struct device_key_row key;
    struct digest digest;
    int r = digest_from_hex(certificate, &digest);

    if (r < 0)
        return unknown("certificate", err);
    r = device_key_by_digest(db, "certificate", &digest, &key, err);
    if (r == DEVICE_ROWS_E_NONE)
        return unknown("certificate", err);
    return r != 0 ? r : device_of_key(db, &key, now_usec, ret, err);
}

int device_by_serial(struct db *db, const char *serial, int64_t now_usec, struct device *ret,
                     struct error *err)
{
    struct device_row row;
    int r = utf8_is_valid(serial, strlen(serial)) ? device_row_by_serial(db, serial, &row, err)
                                                  : DEVICE_ROWS_E_NONE;

    if (r == DEVICE_ROWS_E_NONE)
        return error_set(err, DEVICES_E_NONE, serial, "is no device; `liuhen device add` registers one");
    return r != 0 ? r : fill(db, &row, "", now_usec, ret, err);
}

int device_officer_at(struct db *db, const char *serial, int64_t usec, char ret[DEVICE_TEXT],
                      struct error *err)
{
    struct device_row row;
    int r = device_row_by_serial(db, serial, &row, err);

    if (r == 0)
        return device_officer_read(db, row.id, usec, ret, err);
    if (r == DEVICE_ROWS_E_NONE)
        *ret = 0;
    return r == DEVICE_ROWS_E_NONE ? 0 : r;
}

json_t *device_facts(const struct device *d, int64_t clock_offset_usec)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? json_set_string(o, "device", d->serial) : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "device_id", d->id);
    if (strcmp(d->kind, "dock") != 0 && strcmp(d->kind, "system") != 0)
        r = r < 0 ? r : json_set_bool(o, "own", true);
    r = r < 0 ? r : json_set_string(o, "unit", *d->unit ? d->unit : NULL);
    r = r < 0 ? r : json_set_string(o, "zone", *d->zone ? d->zone : NULL);
    if (r == 0 && clock_offset_usec != INT64_MIN)
        r = json_set_integer(o, "clock_offset", clock_offset_usec);
    return r < 0 ? NULL : TAKE_PTR(o);
}
