/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes of devices (see devices.h): each checks what was given and what stands in the catalogue, and records one act.
 */
#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "base/clock.h"
#include "base/config.h"
#include "cases/device-token.h"
#include "cases/devices.h"
#include "cases/input.h"

#define TEXT_MAX   (DEVICE_TEXT - 1)
#define REASON_MAX 2000
#define RATE_MAX   1000000

static bool is_given(const char *s)
{
    return s && *s;
}

static const char *or_null(const char *s)
{
    return is_given(s) ? s : NULL;
}

static int check_text(const char *what, const char *s, size_t max, bool lines, struct error *err)
{
    return input_check_text(DEVICES_E_INPUT, what, s, max, lines, err);
}

/* Serials become file names (certificates, folders of FTP accounts), parts of paths and of headers. */
static int check_serial(const char *serial, struct error *err)
{
    int r = check_text("serial", serial, DEVICE_SERIAL_MAX, false, err);

    if (r != 0)
        return r;
    if (!is_given(serial))
        return error_set(err, DEVICES_E_INPUT, "serial", "is empty; write it as it stands on the device");
    if (strpbrk(serial, "/\\:*?\"<>|") || strchr(".- ", *serial) || serial[strlen(serial) - 1] == ' ')
        return error_set(err, DEVICES_E_INPUT, serial,
                         "cannot be a serial; one has none of / \\ : * ? \" < > |, begins with a letter or a "
                         "digit and ends with no space");
    return 0;
}

static int check_kind(const char *kind, struct error *err)
{
    static const char *const kinds[] = {"camera", "dock", "phone", "system", "other"};

    if (!kind)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return 0;
    return error_set(err, DEVICES_E_INPUT, kind,
                     "is not a kind of device; right are camera, dock, phone, system and other");
}

static int check_zone(const char *name, struct error *err)
{
    _cleanup_(zone_freep) struct zone *zone = NULL;
    int r = is_given(name) ? zone_new(name, &zone) : 0;

    return r == -EINVAL ? error_set(err, DEVICES_E_INPUT, name,
                                    "is not a time zone; write an IANA name such as Asia/Shanghai")
                        : r;
}

/* The code under which what err says travels on from here. */
static int as(int code, struct error *err)
{
    if (err)
        err->code = code;
    return code;
}

/* What a look-up gave, as this module answers. */
static int looked_up(int r, struct error *err)
{
    return r == DEVICE_ROWS_E_NONE        ? as(DEVICES_E_NONE, err)
           : r == DEVICE_ROWS_E_AMBIGUOUS ? as(DEVICES_E_AMBIGUOUS, err)
                                          : r;
}

struct limits {
    uint64_t quota;
    int64_t rate;
};

/* Reads a limit as settings are read; "" = 0 = none. */
static int read_limit(const char *key, const char *text, struct limits *ret, struct error *err)
{
    static const struct config_row rows[] = {
        {.path = "quota",
         .type = CONFIG_SIZE,
         .offset = offsetof(struct limits, quota),
         .max = INT64_C(1) << 60},
        {.path = "rate", .type = CONFIG_INTEGER, .offset = offsetof(struct limits, rate), .max = RATE_MAX}};
    static const struct config_table table = {rows, ARRAY_SIZE(rows)};
    int r = is_given(text) && strcmp(text, "0") != 0 ? config_set(&table, ret, key, text, err) : 0;

    return r == -EINVAL ? as(DEVICES_E_INPUT, err) : r;
}

/* Checks what both device_add and device_set take and puts what was given into facts. */
static int common_facts(const struct device_input *in, json_t *facts, struct error *err)
{
    struct limits limits = {0, 0};
    int r = check_text("name", in->name, TEXT_MAX, false, err);

    r = r != 0 ? r : check_text("unit", in->unit, TEXT_MAX, false, err);
    r = r != 0 ? r : check_kind(in->kind, err);
    r = r != 0 ? r : check_zone(in->zone, err);
    r = r != 0 ? r : read_limit("quota", in->quota, &limits, err);
    r = r != 0 ? r : read_limit("rate", in->rate, &limits, err);
    r = r != 0 ? r : json_set_string(facts, "name", in->name);
    r = r != 0 ? r : json_set_string(facts, "kind", in->kind);
    r = r != 0 ? r : json_set_string(facts, "unit", in->unit);
    r = r != 0 ? r : json_set_string(facts, "zone", in->zone);
    if (r == 0 && in->quota)
        r = json_set_integer(facts, "quota", (int64_t)limits.quota);
    if (r == 0 && in->rate)
        r = json_set_integer(facts, "rate", limits.rate);
    return r;
}

int device_add(struct txn *t, const struct device_context *c, const struct device_input *in,
               char ret_id[ULID_LENGTH + 1], struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    struct device_row other;
    char id[ULID_LENGTH + 1];
    int r = facts ? check_serial(in->serial, err) : -ENOMEM;

    r = r != 0 ? r : common_facts(in, facts, err);
    if (r == 0 && !in->kind)
        r = json_set_string(facts, "kind", "camera");
    r = r != 0 ? r : json_set_string(facts, "serial", in->serial);
    r = r != 0 ? r : device_row_by_serial(txn_db(t), in->serial, &other, err);
    if (r == 0)
        return error_set(err, ACT_E_REFUSED, in->serial, "is registered already (%s)%s", other.id,
                         other.retired_usec ? "; it was taken out of use, `liuhen device return` takes it "
                                              "back"
                                            : "; `liuhen device set` changes it");
    if (r != DEVICE_ROWS_E_NONE)
        return r;
    ulid_make(clock_now_usec(), id);
    r = txn_act(t, "device.added", c->actor, id, 0, TAKE_PTR(facts), NULL, err);
    if (r == 0)
        memcpy(ret_id, id, sizeof id);
    return r;
}

static int resolve(struct txn *t, const char *text, struct device_row *ret, struct error *err)
{
    return looked_up(device_resolve(txn_db(t), text, ret, err), err);
}

/* The same, and it must be in use. */
static int resolve_used(struct txn *t, const char *text, struct device_row *ret, struct error *err)
{
    int r = resolve(t, text, ret, err);

    if (r == 0 && ret->retired_usec)
        return error_set(err, ACT_E_REFUSED, ret->serial,
                         "was taken out of use; `liuhen device return` takes it back first");
    return r;
}

int device_set(struct txn *t, const struct device_context *c, const char *text, const struct device_input *in,
               struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    struct device_row row;
    int r = facts ? resolve(t, text, &row, err) : -ENOMEM;

    if (r == 0 && in->serial && strcmp(in->serial, row.serial) != 0)
        return error_set(err, DEVICES_E_INPUT, row.serial,
                         "a serial is never changed, recordings name their device by it; add the right one "
                         "and retire this one");
    r = r != 0 ? r : common_facts(in, facts, err);
    if (r != 0)
        return r;
    if (json_object_size(facts) == 0)
        return error_set(err, DEVICES_E_INPUT, row.serial,
                         "nothing to change; give a name, kind, unit, zone, quota or rate");
    return txn_act(t, "device.set", c->actor, row.id, 0, TAKE_PTR(facts), NULL, err);
}

/* ---- assignments ---- */

/* is_end: a date alone means the end of that day. */
static int read_date(const struct device_context *c, const char *what, const char *text, bool is_end,
                     int64_t *ret, struct error *err)
{
    if (calendar_parse(c->zone, text, ret, NULL) < 0)
        return error_set(err, DEVICES_E_INPUT, text,
                         "is not a date for %s; write it like 2026-11-23 or 2026-11-23 14:05", what);
    if (is_end && strlen(text) == strlen("2026-11-23"))
        *ret = calendar_next_midnight(c->zone, *ret);
    return 0;
}

static int refuse_overlap(const struct device_context *c, struct txn *t, const struct device_row *row,
                          int64_t from, int64_t until, struct error *err)
{
    char officer[DEVICE_TEXT], date[CALENDAR_TEXT_SIZE];
    int64_t since;
    int r = device_overlap_read(txn_db(t), row->id, from, until, officer, &since, err);

    if (r != 0 || !*officer)
        return r;
    calendar_format(c->zone, since, date);
    return error_set(err, ACT_E_REFUSED, row->serial,
                     "is %.100s's from %s; take that back with `liuhen device assign --remove`, or give "
                     "other times",
                     officer, date);
}

int device_assign(struct txn *t, const struct device_context *c, const char *text, const char *officer,
                  const char *from, const char *until, struct error *err)
{
    int64_t start = clock_now_usec(), end = INT64_MAX;
    json_t *facts;
    struct device_row row;
    int r = check_text("officer", officer, TEXT_MAX, false, err);

    r = r != 0 ? r : resolve_used(t, text, &row, err);
    if (r == 0 && is_given(from))
        r = read_date(c, "the beginning of an assignment", from, false, &start, err);
    if (r == 0 && is_given(until))
        r = read_date(c, "the end of an assignment", until, true, &end, err);
    if (r == 0 && end <= start)
        return error_set(err, DEVICES_E_INPUT, until, "is not after the beginning; an assignment lasts");
    if (r == 0 && !is_given(officer) && is_given(until))
        return error_set(err, DEVICES_E_INPUT, "officer",
                         "is missing; give one, or leave out the end to say that nobody has the device");
    r = r != 0 ? r : refuse_overlap(c, t, &row, start, end, err);
    if (r != 0)
        return r;
    facts = json_pack("{s:s, s:I, s:o*}", is_given(officer) ? "officer" : "to",
                      is_given(officer) ? officer : "nobody", "from", (json_int_t)start, "until",
                      end != INT64_MAX ? json_integer(end) : NULL);
    return txn_act(t, "device.assigned", c->actor, row.id, 0, facts, NULL, err);
}

int device_unassign(struct txn *t, const struct device_context *c, const char *text, const char *from,
                    struct error *err)
{
    struct device_row row;
    int64_t start = 0;
    int r = resolve(t, text, &row, err);

    if (r == 0 && !is_given(from))
        return error_set(err, DEVICES_E_INPUT, "from",
                         "is missing; give the time at which the assignment begins, as `show` has it");
    r = r != 0 ? r : read_date(c, "the beginning of an assignment", from, false, &start, err);
    return r != 0 ? r
                  : txn_act(t, "device.unassigned", c->actor, row.id, 0,
                            json_pack("{s:I}", "from", (json_int_t)start), NULL, err);
}

/* ---- keys ---- */

/* expires INT64_MAX = never. */
static int add_key(struct txn *t, const struct device_context *c, const struct device_row *row,
                   const char *key, const char *kind, const struct digest *digest, const char *label,
                   int64_t expires, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    json_t *facts;

    digest_to_hex(digest, hex);
    facts = json_pack("{s:s, s:s, s:s, s:s*, s:o*}", "key", key, "kind", kind, "digest", hex, "label",
                      or_null(label), "expires", expires != INT64_MAX ? json_integer(expires) : NULL);
    return txn_act(t, "device.key-added", c->actor, row->id, 0, facts, NULL, err);
}

int device_token_add(struct txn *t, const struct device_context *c, const char *text, const char *label,
                     const char *expires, char ret_key[ULID_LENGTH + 1], char ret_token[DEVICE_TOKEN_SIZE],
                     struct error *err)
{
    char key[ULID_LENGTH + 1], token[DEVICE_TOKEN_SIZE];
    int64_t end = INT64_MAX;
    struct device_row row;
    struct digest digest;
    int r = check_text("label", label, TEXT_MAX, false, err);

    r = r != 0 ? r : resolve_used(t, text, &row, err);
    if (r == 0 && is_given(expires))
        r = read_date(c, "the end of a token", expires, true, &end, err);
    if (r == 0 && end <= clock_now_usec())
        return error_set(err, DEVICES_E_INPUT, expires, "has passed; a token ends in the future");
    if (r != 0)
        return r;
    ulid_make(clock_now_usec(), key);
    r = device_token_make(key, token);
    if (r < 0)
        return error_errno(err, r, "", "cannot get random bytes");
    digest_of(token, strlen(token), &digest);
    r = add_key(t, c, &row, key, "token", &digest, label, end, err);
    if (r == 0) {
        memcpy(ret_key, key, sizeof key);
        memcpy(ret_token, token, sizeof token);
    }
    explicit_bzero(token, sizeof token);
    return r;
}

/* 64 hex digits, perhaps with colons between the bytes. */
static int read_fingerprint(const char *text, struct digest *ret, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    size_t n = 0;

    for (const char *p = text ? text : ""; *p && n < sizeof hex; p++)
        if (*p != ':')
            hex[n++] = *p;
    hex[MIN(n, sizeof hex - 1)] = 0;
    if (n != sizeof hex - 1 || digest_from_hex(hex, ret) < 0)
        return error_set(err, DEVICES_E_INPUT, "fingerprint",
                         "is no SHA-256 fingerprint; give 64 hex digits, as `openssl x509 -noout "
                         "-fingerprint -sha256` writes them");
    return 0;
}

int device_certificate_add(struct txn *t, const struct device_context *c, const char *text,
                           const char *fingerprint, const char *label, int64_t expires_usec,
                           char ret_key[ULID_LENGTH + 1], struct error *err)
{
    char key[ULID_LENGTH + 1];
    struct device_key_row other;
    struct device_row row;
    struct digest digest;
    int r = check_text("label", label, TEXT_MAX, false, err);

    r = r != 0 ? r : read_fingerprint(fingerprint, &digest, err);
    r = r != 0 ? r : resolve_used(t, text, &row, err);
    r = r != 0 ? r : device_key_by_digest(txn_db(t), "certificate", &digest, &other, err);
    if (r == 0)
        return error_set(err, ACT_E_REFUSED, other.id,
                         "is this certificate's key already%s; each certificate belongs to one device, once",
                         other.revoked_usec ? " and was revoked" : "");
    if (r != DEVICE_ROWS_E_NONE)
        return r;
    ulid_make(clock_now_usec(), key);
    r = add_key(t, c, &row, key, "certificate", &digest, label, expires_usec, err);
    if (r == 0)
        memcpy(ret_key, key, sizeof key);
    return r;
}

int device_key_revoke(struct txn *t, const struct device_context *c, const char *text, const char *key,
                      const char *reason, struct error *err)
{
    char id[ULID_LENGTH + 1];
    struct device_row row;
    int r = check_text("reason", reason, REASON_MAX, true, err);

    r = r != 0 ? r : resolve(t, text, &row, err);
    r = r != 0 ? r : looked_up(device_key_resolve(txn_db(t), row.id, is_given(key) ? key : "", id, err), err);
    return r != 0 ? r
                  : txn_act(t, "device.key-revoked", c->actor, row.id, 0,
                            json_pack("{s:s, s:s*}", "key", id, "reason", or_null(reason)), NULL, err);
}

/* ---- in and out of use ---- */

int device_retire(struct txn *t, const struct device_context *c, const char *text, const char *reason,
                  struct error *err)
{
    struct device_row row;
    int r = check_text("reason", reason, REASON_MAX, true, err);

    r = r != 0 ? r : resolve(t, text, &row, err);
    if (r == 0 && row.retired_usec)
        return error_set(err, ACT_E_REFUSED, row.serial, "was taken out of use before");
    return r != 0 ? r
                  : txn_act(t, "device.retired", c->actor, row.id, 0,
                            json_pack("{s:s*}", "reason", or_null(reason)), NULL, err);
}

int device_return(struct txn *t, const struct device_context *c, const char *text, struct error *err)
{
    struct device_row row;
    int r = resolve(t, text, &row, err);

    if (r == 0 && !row.retired_usec)
        return error_set(err, ACT_E_REFUSED, row.serial, "is in use; nothing to do");
    return r != 0 ? r : txn_act(t, "device.returned", c->actor, row.id, 0, json_object(), NULL, err);
}
