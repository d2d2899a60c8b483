/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Applying the acts of devices (see apply.c), and what arrivals say about the device that delivered.
 */
#include "catalogue/apply-internal.h"

#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "base/ulid.h"

/* As apply_number, but 0 stands for none: quotas and rates are taken away by it. */
static const int64_t *limit_of(const struct applying *c, const char *key, int64_t *storage)
{
    const int64_t *n = apply_number(c->facts, key, storage);

    return n && *n != 0 ? n : NULL;
}

/* As apply_text, but "" stands for none. */
static const char *filled(const struct applying *c, const char *key)
{
    const char *text = apply_text(c, key);

    return text && *text ? text : NULL;
}

static int apply_device_added(const struct applying *c)
{
    int64_t quota, rate;
    int r;

    if (!ulid_is_valid(c->act->subject))
        return apply_refuse(c, "device.added lacks its id");
    r = sql_run(c->db, c->err,
                "INSERT INTO devices (id, leaf, serial, name, kind, unit, zone, quota_bytes, rate_requests, "
                "added_usec, arrivals) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)",
                "titttttooi", c->act->subject, c->leaf, apply_text(c, "serial"), filled(c, "name"),
                apply_text(c, "kind"), filled(c, "unit"), filled(c, "zone"), limit_of(c, "quota", &quota),
                limit_of(c, "rate", &rate), c->act->time_usec);
    return r == DB_E_CONSTRAINT
               ? apply_refuse(c, "a device with this serial exists already, or its kind is not camera, dock, "
                                 "phone, system or other")
               : r;
}

/* Changes one column when the act names it; "" and 0 take the value away. */
static int set_text(const struct applying *c, const char *key, const char *sql)
{
    if (!json_object_get(c->facts, key))
        return 0;
    return sql_run_one(c->db, ACT_E_REFUSED, c->err, sql, "tt", c->act->subject, filled(c, key));
}

static int set_limit(const struct applying *c, const char *key, const char *sql)
{
    int64_t n;

    if (!json_object_get(c->facts, key))
        return 0;
    return sql_run_one(c->db, ACT_E_REFUSED, c->err, sql, "to", c->act->subject, limit_of(c, key, &n));
}

static int apply_device_set(const struct applying *c)
{
    int r = set_text(c, "name", "UPDATE devices SET name = $2 WHERE id = $1");

    r = r != 0 ? r : set_text(c, "kind", "UPDATE devices SET kind = $2 WHERE id = $1");
    r = r != 0 ? r : set_text(c, "unit", "UPDATE devices SET unit = $2 WHERE id = $1");
    r = r != 0 ? r : set_text(c, "zone", "UPDATE devices SET zone = $2 WHERE id = $1");
    r = r != 0 ? r : set_limit(c, "quota", "UPDATE devices SET quota_bytes = $2 WHERE id = $1");
    r = r != 0 ? r : set_limit(c, "rate", "UPDATE devices SET rate_requests = $2 WHERE id = $1");
    if (r == DB_E_CONSTRAINT)
        return apply_refuse(c, "the kind is not camera, dock, phone, system or other, or a limit is below 0");
    return r == ACT_E_REFUSED ? apply_refuse(c, "no such device") : r;
}

/* The assignment that is open at `from` ends there. */
static int end_open_assignment(const struct applying *c, int64_t from)
{
    return sql_run(c->db, c->err,
                   "UPDATE device_assignments SET until_usec = $2 WHERE device = $1 AND until_usec IS NULL "
                   "AND from_usec < $2",
                   "ti", c->act->subject, from);
}

/* Without an officer: nobody carries it from then on. */
static int apply_device_assigned(const struct applying *c)
{
    int64_t from = json_get_integer(c->facts, "from", c->act->time_usec), until, overlaps = 0;
    const int64_t *end = apply_number(c->facts, "until", &until);
    int r = end_open_assignment(c, from);

    if (r != 0 || !filled(c, "officer"))
        return r;
    r = sql_integer(c->db, &overlaps, 0, c->err,
                    "SELECT count(*) FROM device_assignments WHERE device = $1 AND (until_usec IS NULL OR "
                    "until_usec > $2) AND (CAST($3 AS BIGINT) IS NULL OR from_usec < $3)",
                    "tio", c->act->subject, from, end);
    if (r == 0 && overlaps > 0)
        return apply_refuse(c, "it is assigned to somebody in that time already");
    if (r == 0)
        r = sql_run(c->db, c->err,
                    "INSERT INTO device_assignments (leaf, device, officer, from_usec, until_usec) VALUES "
                    "($1, $2, $3, $4, $5)",
                    "ittio", c->leaf, c->act->subject, apply_text(c, "officer"), from, end);
    return r == DB_E_CONSTRAINT ? apply_refuse(c, "no such device, or the assignment ends before it begins")
                                : r;
}

/* Takes back an assignment that was a mistake. */
static int apply_device_unassigned(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "DELETE FROM device_assignments WHERE device = $1 AND from_usec = $2", "ti",
                        c->act->subject, json_get_integer(c->facts, "from", INT64_MIN));

    return r == ACT_E_REFUSED ? apply_refuse(c, "no assignment begins at that time") : r;
}

static int apply_device_key_added(const struct applying *c)
{
    const char *key = apply_text(c, "key"), *hex = apply_text(c, "digest");
    struct digest digest;
    int64_t expires;
    int r;

    if (!key || !ulid_is_valid(key) || !hex || digest_from_hex(hex, &digest) < 0)
        return apply_refuse(c, "device.key-added lacks its key or digest");
    r = sql_run(c->db, c->err,
                "INSERT INTO device_keys (id, leaf, device, kind, digest, label, added_usec, added_by, "
                "expires_usec) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                "tittbtito", key, c->leaf, c->act->subject, apply_text(c, "kind"), digest.bytes,
                sizeof digest.bytes, filled(c, "label"), c->act->time_usec, c->act->actor,
                apply_number(c->facts, "expires", &expires));
    return r == DB_E_CONSTRAINT
               ? apply_refuse(c, "no such device, or this token or certificate is known already")
               : r;
}

static int apply_device_key_revoked(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE device_keys SET revoked_usec = $3, revoked_by = $4 WHERE id = $2 AND device "
                        "= $1 AND revoked_usec IS NULL",
                        "ttit", c->act->subject, apply_text(c, "key"), c->act->time_usec, c->act->actor);

    return r == ACT_E_REFUSED ? apply_refuse(c, "has no such key, or it was revoked before") : r;
}

static int apply_device_retired(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE devices SET retired_usec = $2 WHERE id = $1 AND retired_usec IS NULL", "ti",
                        c->act->subject, c->act->time_usec);

    return r == ACT_E_REFUSED ? apply_refuse(c, "no such device is in use") : r;
}

static int apply_device_returned(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE devices SET retired_usec = NULL WHERE id = $1 AND retired_usec IS NOT NULL",
                        "t", c->act->subject);

    return r == ACT_E_REFUSED ? apply_refuse(c, "no such device was retired") : r;
}

int apply_device_arrival(const struct applying *c, const json_t *arrival)
{
    const char *id = json_get_string(arrival, "device_id"), *serial = json_get_string(arrival, "device");
    int64_t offset;
    const int64_t *measured = apply_number(arrival, "clock_offset", &offset);
    int r = 0;

    if (!id && !serial)
        return 0;
    r = id ? sql_run(c->db, c->err,
                     "UPDATE devices SET arrivals = arrivals + 1, last_arrival_usec = $2 WHERE id = $1", "ti",
                     id, c->act->time_usec)
           : sql_run(c->db, c->err,
                     "UPDATE devices SET arrivals = arrivals + 1, last_arrival_usec = $2 WHERE serial = $1",
                     "ti", serial, c->act->time_usec);
    if (r != 0 || !id || !measured)
        return r;
    return sql_run(c->db, c->err, "UPDATE devices SET clock_offset_usec = $2, clock_usec = $3 WHERE id = $1",
                   "tii", id, offset, c->act->time_usec);
}

const struct apply_handler apply_device_handlers[] = {
    {"device.added", apply_device_added, NULL},
    {"device.set", apply_device_set, NULL},
    {"device.assigned", apply_device_assigned, NULL},
    {"device.unassigned", apply_device_unassigned, NULL},
    {"device.key-added", apply_device_key_added, "key"},
    {"device.key-revoked", apply_device_key_revoked, "key"},
    {"device.retired", apply_device_retired, NULL},
    {"device.returned", apply_device_returned, NULL},
    {NULL, NULL, NULL},
};
