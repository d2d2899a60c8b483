/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The doors' core (see door.h): who knocks, whether they may deliver so much, and what an arrival says of its sender.
 */
#include "doors/door.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "cases/device-watch.h"
#include "catalogue/arrivals.h"
#include "doors/doors-internal.h"
#include "http/headers.h"

#define NAME_MAX_SHOWN 100 /* bytes of a name that somebody unknown gave */

int doors_new(const struct doors_context *context, struct doors **ret, struct error *err)
{
    _cleanup_(doors_freep) struct doors *d = calloc(1, sizeof *d);
    int r;

    if (!d)
        return -ENOMEM;
    d->context = *context;
    r = denials_new(&d->denials);
    r = r != 0 ? r : limits_new(&d->limits);
    r = r != 0 ? r : sessions_new(&d->sessions);
    if (r == 0)
        *ret = TAKE_PTR(d);
    return r;
}

struct doors *doors_free(struct doors *d)
{
    if (!d)
        return NULL;
    denials_free(d->denials);
    limits_free(d->limits);
    sessions_free(d->sessions);
    free(d);
    return NULL;
}

json_t *doors_status(struct doors *d)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    r = r != 0 ? r : json_set_take(o, "alarms", denials_alarms(d->denials, clock_now_usec()));
    r = r != 0 ? r : json_set_integer(o, "denied", atomic_load(&d->denied));
    return r == 0 ? TAKE_PTR(o) : NULL;
}

const struct doors_context *doors_context_of(const struct doors *d)
{
    return &d->context;
}

const struct settings *doors_settings(const struct doors *d)
{
    return d->context.settings(d->context.userdata);
}

/* ---- who knocks --------------------------------------------------------------------------------------------------------- */

/* Counts, and raises an alarm: in the log, in the feed, and from then on in `liuhen status`. */
static void count_denial(struct doors *d, const char *who)
{
    const struct settings *s = doors_settings(d);
    char number[24];
    json_t *line;
    int64_t n;

    if (!denials_count(d->denials, s, who, clock_now_usec(), &n))
        return;
    snprintf(number, sizeof number, "%lld", (long long)n);
    log_event(EVENT_DEVICE_ALARM, "WHO", who, "COUNT", number, NULL);
    line = json_object();
    if (line && json_set_string(line, "event", "alarm") == 0 &&
        json_set_string(line, "kind", "denials") == 0 && json_set_string(line, "who", who) == 0 &&
        json_set_integer(line, "denials", n) == 0)
        feed_add(d->context.feed, line);
    else
        json_decref(line);
}

/* Only denials of a sender count: what fails here (the catalogue) is none. */
static bool is_denial(int code)
{
    return code == DEVICES_E_UNKNOWN || code == DEVICES_E_REVOKED || code == DEVICES_E_RETIRED;
}

/* name: the device that was meant, as the sender says it; "" = not known. */
static bool deny(struct doors *d, const struct http_request *r, int code, const char *name,
                 const struct error *err, struct http_answer *answer)
{
    char buf[DOORS_ADDRESS_SIZE];
    const char *address = *doors_address(r, buf) ? buf : "unix socket";
    _cleanup_free_ char *safe = encode_percent(name, strnlen(name, NAME_MAX_SHOWN));
    char who[sizeof "device " + 3 * NAME_MAX_SHOWN], reason[1100];

    if (!is_denial(code)) { /* what fails here is not the sender's fault: it tries again */
        log_event(EVENT_API_FAILED, "ACT", "identify", "REASON", error_format(err, reason, sizeof reason),
                  NULL);
        doors_fail(answer, -EAGAIN, 400, err);
        return false;
    }
    doors_fail(answer, code, 400, err);
    atomic_fetch_add(&d->denied, 1);
    log_event(EVENT_DEVICE_DENIED, "ADDRESS", address, "DEVICE", safe && *safe ? safe : "-", "REASON",
              error_format(err, reason, sizeof reason), NULL);
    snprintf(who, sizeof who, "address %s", address);
    count_denial(d, who);
    if (safe && *safe) {
        snprintf(who, sizeof who, "device %s", safe);
        count_denial(d, who);
    }
    return false;
}

/* Looks a device up by token or certificate. serial: the one it must have; NULL = any. */
static int look_up(struct doors *d, const char *token, const char *certificate, const char *serial,
                   struct device *ret, struct error *err)
{
    _cleanup_free_ char *shown = serial ? encode_percent(serial, strlen(serial)) : NULL;
    struct db *db;
    int r = readers_take(d->context.readers, &db, err);

    if (r != 0)
        return r;
    *ret = (struct device){.id = ""};
    r = token ? device_by_token(db, token, clock_now_usec(), ret, err)
              : device_by_certificate(db, certificate, clock_now_usec(), ret, err);
    readers_give(d->context.readers, db, r < 0);
    if (r == 0)
        devices_seen(ret->id, clock_now_usec());
    if (r == 0 && serial && strcmp(serial, ret->serial) != 0) {
        *ret = (struct device){.id = ""};
        return error_set(err, DEVICES_E_UNKNOWN, shown ? shown : "",
                         "and this token do not belong together; use the device's own serial and token");
    }
    return r;
}

bool doors_sign_in(struct doors *d, const struct http_request *r, const char *serial, const char *token,
                   struct device *ret, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int code = look_up(d, token ? token : "", NULL, serial, ret, &err);

    return code == 0 || deny(d, r, code, *ret->serial ? ret->serial : serial ? serial : "", &err, answer);
}

int doors_session_open(struct doors *d, const struct device *device, const char *token, int64_t lifetime_usec,
                       char ret[DOORS_SESSION_SIZE])
{
    return sessions_open(d->sessions, device->serial, token, clock_monotonic_usec(), lifetime_usec, ret);
}

/* A session that is over or was another daemon's is answered 401 so that the device signs in again; it is no attack. */
static bool by_session(struct doors *d, const struct http_request *r, const char *session, struct device *ret,
                       struct http_answer *answer)
{
    _cleanup_free_ char *serial = NULL, *token = NULL;
    struct error err = ERROR_INIT;
    int code = sessions_find(d->sessions, session, clock_monotonic_usec(), &serial, &token);
    bool ok;

    if (code == 0) {
        ok = doors_sign_in(d, r, serial, token, ret, answer);
        explicit_bzero(token, strlen(token));
        return ok;
    }
    error_set(&err, code == -ENOENT ? DEVICES_E_UNKNOWN : code, "X-Auth-Token",
              "is not known or is over; sign in again at /auth/v1.0");
    if (err.code == DEVICES_E_UNKNOWN && !session_is_formed(session))
        return deny(d, r, err.code, "", &err, answer);
    doors_fail(answer, err.code, 400, &err);
    return false;
}

static bool by_authorization(struct doors *d, const struct http_request *r, const char *value,
                             struct device *ret, struct http_answer *answer)
{
    _cleanup_free_ char *user = NULL, *secret = NULL;
    struct error err = ERROR_INIT;
    int code = header_authorization(value, &user, &secret, &err);
    bool ok;

    if (code == -EINVAL) { /* nobody gets in by it, so it is a denial like any other */
        err.code = DEVICES_E_UNKNOWN;
        return deny(d, r, DEVICES_E_UNKNOWN, "", &err, answer);
    }
    if (code != 0) {
        doors_fail(answer, code, 400, &err);
        return false;
    }
    ok = doors_sign_in(d, r, user, secret, ret, answer);
    explicit_bzero(secret, strlen(secret));
    return ok;
}

static bool by_certificate(struct doors *d, const struct http_request *r, struct device *ret,
                           struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int code;

    if (*r->peer.certificate_fault)
        code = error_set(&err, DEVICES_E_REVOKED, "client certificate",
                         "does not count: %s; enrol the device anew", r->peer.certificate_fault);
    else
        code = look_up(d, NULL, r->peer.certificate, NULL, ret, &err);
    return code == 0 || deny(d, r, code, ret->serial, &err, answer);
}

bool doors_has_credentials(const struct http_request *r)
{
    return http_header(r, "Authorization") || http_header(r, "X-Auth-Token") || *r->peer.certificate;
}

bool doors_identify(struct doors *d, const struct http_request *r, struct device *ret,
                    struct http_answer *answer)
{
    const char *authorization = http_header(r, "Authorization"), *session = http_header(r, "X-Auth-Token");
    struct error err = ERROR_INIT;

    *ret = (struct device){.id = ""};
    if (authorization)
        return by_authorization(d, r, authorization, ret, answer);
    if (session)
        return by_session(d, r, session, ret, answer);
    if (*r->peer.certificate)
        return by_certificate(d, r, ret, answer);
    error_set(
        &err, DEVICES_E_UNKNOWN, "",
        "nothing says which device this is; send its token (Authorization: Bearer …) or its certificate");
    doors_fail(answer, DEVICES_E_UNKNOWN, 400,
               &err); /* no denial: many ask first and sign in when they are told how */
    return false;
}

/* ---- how much ----------------------------------------------------------------------------------------------------------- */

static const struct zone *site_zone(const struct doors *d)
{
    return doors_settings(d)->site.zone;
}

/* The last midnight of the site. */
static int64_t midnight_before(const struct zone *zone, int64_t now_usec)
{
    struct civil day;
    int64_t usec;

    civil_from_usec(zone, now_usec, &day);
    day.hour = day.minute = day.second = day.usec = 0;
    return civil_to_usec(zone, &day, &usec) == 0 && usec <= now_usec ? usec : now_usec;
}

/* Return: 0 or what asking the catalogue gave. */
static int used_today(struct doors *d, const struct device *device, int64_t midnight_usec, uint64_t *ret,
                      struct error *err)
{
    uint64_t seen;

    for (int i = 0; i < 3; i++) {
        struct db *db;
        int r;

        if (limits_used(d->limits, device->id, midnight_usec, ret, &seen))
            return 0;
        r = readers_take(d->context.readers, &db, err);
        if (r != 0)
            return r;
        r = arrivals_bytes_since(db, device->id, midnight_usec, ret, err);
        readers_give(d->context.readers, db, r < 0);
        if (r != 0)
            return r;
        if (limits_set_used(d->limits, device->id, midnight_usec, *ret, seen))
            return 0;
    }
    return 0; /* it delivers faster than we count: what was read last is near enough */
}

static bool too_much(struct http_answer *answer, unsigned status, int64_t wait_seconds, struct error *err)
{
    doors_fail(answer, -EFBIG, 400, err);
    answer->status = status;
    if (wait_seconds > 0)
        (void)http_answer_header(answer, "Retry-After", "%lld", (long long)wait_seconds);
    return false;
}

/* held: what the request holds already, to be made bytes; NULL: it is only asked whether there would be room. */
static bool within_quota(struct doors *d, const struct device *device, uint64_t bytes, uint64_t *held,
                         struct http_answer *answer)
{
    int64_t now = clock_now_usec(), midnight = midnight_before(site_zone(d), now);
    struct error err = ERROR_INIT;
    uint64_t used = 0, waiting = 0;
    unsigned n;
    int r;

    if (device->quota_bytes == 0)
        return true;
    if (bytes > device->quota_bytes) {
        error_set(&err, -EFBIG, device->serial,
                  "may deliver %llu bytes a day, fewer than this one upload; raise its quota",
                  (unsigned long long)device->quota_bytes);
        return too_much(answer, 413, 0, &err);
    }
    r = used_today(d, device, midnight, &used, &err);
    if (r != 0) {
        doors_fail(answer, r, 400, &err);
        return false;
    }
    upload_unfinished(d->context.intake, device->id, &waiting, &n); /* the resumable ones */
    if (used + waiting < device->quota_bytes &&
        limits_hold(d->limits, device->id, device->quota_bytes - used - waiting, bytes, held))
        return true;
    error_set(&err, -EDQUOT, device->serial,
              "has delivered its %llu bytes of today; try again after midnight or raise its quota",
              (unsigned long long)device->quota_bytes);
    return too_much(answer, 429, (calendar_next_midnight(site_zone(d), now) - now) / USEC_PER_SEC + 1, &err);
}

bool doors_admit(struct doors *d, const struct device *device, int64_t bytes, struct http_answer *answer)
{
    const struct settings *s = doors_settings(d);
    struct error err = ERROR_INIT;
    int64_t wait;

    if (bytes > 0 && (uint64_t)bytes > s->uploads.max_bytes) {
        error_set(&err, -EFBIG, "",
                  "%lld bytes are more than the %llu that one upload may have; see uploads.max",
                  (long long)bytes, (unsigned long long)s->uploads.max_bytes);
        return too_much(answer, 413, 0, &err);
    }
    if (!device)
        return true;
    wait = limits_request(d->limits, device->id, device->rate_requests, clock_monotonic_usec());
    if (wait > 0) {
        error_set(&err, -EAGAIN, device->serial,
                  "makes more than its %llu requests a minute; send fewer or raise its rate",
                  (unsigned long long)device->rate_requests);
        return too_much(answer, 429, wait, &err);
    }
    return within_quota(d, device, bytes > 0 ? (uint64_t)bytes : 0, NULL, answer);
}

bool doors_hold(struct doors *d, const struct device *device, uint64_t bytes, uint64_t *held,
                struct http_answer *answer)
{
    return !device || bytes <= *held || within_quota(d, device, bytes, held, answer);
}

void doors_release(struct doors *d, const struct device *device, uint64_t *held)
{
    if (device && *held)
        limits_release(d->limits, device->id, *held);
    *held = 0;
}

void doors_account(struct doors *d, const struct device *device, uint64_t bytes)
{
    if (device && device->quota_bytes)
        limits_count(d->limits, device->id, midnight_before(site_zone(d), clock_now_usec()), bytes);
}

/* ---- where it comes from ------------------------------------------------------------------------------------------------ */

/* An officer who delivers by hand delivers what is theirs; whoever has other roles too delivers for others. */
static int add_officer(const struct knock *k, json_t *facts)
{
    const struct settings *s = k->settings;
    const char *user = strncmp(k->owner, "user:", 5) == 0 ? k->owner + 5 : "";

    for (size_t i = 0; i < s->n_people; i++)
        if (strcmp(s->people[i].user, user) == 0 && s->people[i].roles == 1u << ROLE_OFFICER)
            return json_set_string(facts, "officer", s->people[i].name);
    return 0;
}

int doors_origin(const struct knock *k, const char *door, struct upload_origin *ret)
{
    _cleanup_json_ json_t *facts = NULL;
    char address[DOORS_ADDRESS_SIZE];
    int r;

    if (k->device)
        facts = device_facts(k->device, clock_offset_of(k->request, clock_now_usec()));
    else
        facts = json_object();
    if (!facts)
        return -ENOMEM;
    if (k->device) {
        r = json_set_string(facts, "peer", *doors_address(k->request, address) ? address : "unix socket");
    } else { /* the system knows who it is; nothing they say puts another in their place */
        r = json_set_string(facts, "peer", k->owner);
        r = r == 0 ? add_officer(k, facts) : r;
    }
    if (r < 0)
        return r;
    *ret = (struct upload_origin){.door = door,
                                  .owner = k->owner,
                                  .zone = k->device && *k->device->zone ? k->device->zone : NULL,
                                  .bytes = -1,
                                  .facts = TAKE_PTR(facts)};
    return 0;
}
