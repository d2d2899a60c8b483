/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handlers of devices: what is known of them, and changes, which go through the writer as those of change.c. A token is in the answer to
 * the request that made it and nowhere else.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "cases/device-gaps.h"
#include "cases/device-watch.h"
#include "cases/devices.h"
#include "catalogue/ids.h"
#include "intake/intake.h"
#include "ledger/authority.h"

#define GAPS_LIMIT        1000000 /* recordings looked at */
#define STATUS_GAPS_LIMIT 2000    /* the same for status, which is asked for often */
#define STATUS_GAPS_USEC  (7 * USEC_PER_DAY)
#define PLACE_AGAIN_BATCH 100
#define STATUS_LIST_MAX   20 /* devices in words; the lists have all */

/* ---- looking ------------------------------------------------------------------------------------------------------------- */

/* The row that an object of devices_list or device_show came from, as far as alarms need it. */
static void row_of(const json_t *o, struct device_row *ret)
{
    *ret = (struct device_row){.retired_usec = json_get_integer(o, "retired", 0),
                               .last_arrival_usec = json_get_integer(o, "last_arrival", 0),
                               .clock_offset_usec = json_get_integer(o, "clock_offset", 0),
                               .clock_usec = json_get_integer(o, "clock_measured", 0)};
    snprintf(ret->id, sizeof ret->id, "%s", json_get_string(o, "id"));
}

static int add_alarm(json_t *list, bool is_so, const char *name)
{
    return is_so && json_array_append_new(list, json_string(name)) < 0 ? -ENOMEM : 0;
}

/* Adds last_seen (arrival or sign-in) and alarms to a device. */
static int add_state(const struct settings *settings, json_t *o)
{
    json_t *alarms = json_array();
    struct device_row row;
    int64_t seen;
    int r;

    row_of(o, &row);
    seen = MAX(devices_last_seen(row.id), row.last_arrival_usec);
    r = alarms ? add_alarm(alarms, device_is_silent(&row, settings, clock_now_usec()), "silent") : -ENOMEM;
    r = r < 0 ? r : add_alarm(alarms, device_clock_is_off(&row, settings), "clock");
    if (r == 0 && seen)
        r = json_set_integer(o, "last_seen", seen);
    if (r < 0) {
        json_decref(alarms);
        return r;
    }
    return json_set_take(o, "alarms", alarms);
}

int handle_devices(struct call *c)
{
    json_t *list = NULL, *o;
    size_t i;
    int r = devices_list(c->db, clock_now_usec(), &list, &c->err);

    if (r != 0)
        return r;
    c->answer = json_object();
    r = json_set_take(c->answer, "devices", list);
    json_array_foreach (list, i, o)
        r = r != 0 ? r : add_state(c->settings, o);
    return r != 0 ? r : answer_zone(c);
}

int handle_device(struct call *c)
{
    struct device_row row;
    int r = device_resolve(c->db, c->args[0], &row, &c->err);

    r = r != 0 ? r : device_show(c->db, row.id, clock_now_usec(), &c->answer, &c->err);
    r = r != 0 ? r : add_state(c->settings, c->answer);
    return r != 0 ? r : answer_zone(c);
}

int handle_device_gaps(struct call *c)
{
    const char *since = target_param(c->target, "since");
    struct device_row row;
    int64_t from = INT64_MIN;
    int r = since ? read_time(c, "since", since, false, &from) : 0;

    r = r != 0 ? r : device_resolve(c->db, c->args[0], &row, &c->err);
    r = r != 0 ? r : device_gaps(c->db, row.serial, from, GAPS_LIMIT, &c->answer, &c->err);
    return r != 0 ? r : answer_zone(c);
}

/* ---- status -------------------------------------------------------------------------------------------------------------- */

struct overview {
    const struct settings *settings;
    int64_t now_usec;
    json_t *silent, *clock;
    bool any;
};

static int on_device(void *userdata, const struct device_row *row)
{
    struct overview *o = userdata;
    int r = 0;

    o->any = true;
    if (device_is_silent(row, o->settings, o->now_usec))
        r = json_array_append_new(o->silent, json_string(row->serial));
    if (r == 0 && device_clock_is_off(row, o->settings))
        r = json_array_append_new(o->clock, json_string(row->serial));
    return r < 0 ? -ENOMEM : 0;
}

/* {device, missing} for each device that has gaps of late. The gaps come in the order of devices. */
static int recent_gaps(struct call *c, int64_t now, json_t *ret_list)
{
    _cleanup_json_ json_t *found = NULL;
    json_t *last = NULL, *gap;
    size_t i;
    int r = device_gaps(c->db, NULL, now - STATUS_GAPS_USEC, STATUS_GAPS_LIMIT, &found, &c->err);

    if (r != 0)
        return r;
    json_array_foreach (json_get_array(found, "gaps"), i, gap) {
        const char *device = json_get_string(gap, "device");

        if (!last || strcmp(json_get_string(last, "device"), device) != 0) {
            last = json_pack("{s:s, s:I}", "device", device, "missing", (json_int_t)0);
            if (json_array_append_new(ret_list, last) < 0)
                return -ENOMEM;
        }
        r = json_set_integer(last, "missing",
                             json_get_integer(last, "missing", 0) + json_get_integer(gap, "missing", 0));
        if (r < 0)
            return r;
    }
    return 0;
}

int add_device_overview(struct call *c)
{
    struct overview o = {c->settings, clock_now_usec(), json_array(), json_array(), false};
    json_t *all = json_object(), *gaps = json_array();
    int r = all && gaps && o.silent && o.clock ? device_rows_each(c->db, on_device, &o, &c->err) : -ENOMEM;

    r = r == 0 && o.any ? recent_gaps(c, o.now_usec, gaps) : r;
    r = json_set_take(all, "silent", o.silent) < 0 ? -ENOMEM : r;
    r = json_set_take(all, "clock", o.clock) < 0 ? -ENOMEM : r;
    r = json_set_take(all, "gaps", gaps) < 0 ? -ENOMEM : r;
    if (r == 0)
        return json_set_take(c->answer, "devices", all);
    json_decref(all);
    return r;
}

int add_device_troubles(const json_t *overview, json_t *troubles)
{
    const json_t *one;
    size_t i;
    int r = 0;

    json_array_foreach (json_get_array(overview, "silent"), i, one)
        if (r == 0 && i < STATUS_LIST_MAX)
            r = json_array_append_new(troubles, json_sprintf("nothing has been heard of device %s for long",
                                                             json_string_value(one)));
    json_array_foreach (json_get_array(overview, "clock"), i, one)
        if (r == 0 && i < STATUS_LIST_MAX)
            r = json_array_append_new(troubles, json_sprintf("the clock of device %s is off; set it right",
                                                             json_string_value(one)));
    json_array_foreach (json_get_array(overview, "gaps"), i, one)
        if (r == 0 && i < STATUS_LIST_MAX)
            r = json_array_append_new(
                troubles,
                json_sprintf("%lld numbers are missing in what device %s delivered in the last days; "
                             "`liuhen device gaps` lists them",
                             (long long)json_get_integer(one, "missing", 0), json_get_string(one, "device")));
    return r < 0 ? -ENOMEM : 0;
}

/* ---- changing ------------------------------------------------------------------------------------------------------------ */

/* One job. text members are borrowed from the call. */
struct device_change {
    const struct call *call;
    struct device_context context;
    int (*run)(struct device_change *x, struct txn *t, struct error *err);
    const char *text[8]; /* what the job needs, in its own order */
    int64_t until_usec;
    char id[ULID_LENGTH + 1], key[ULID_LENGTH + 1], token[DEVICE_TOKEN_SIZE];
    json_t *after; /* the device as it is after the change */
};

static int run_change(struct txn *t, void *userdata, struct error *err)
{
    struct device_change *x = userdata;
    struct device_row row;
    int r;

    json_decref(TAKE_PTR(x->after)); /* a job may run more than once */
    r = x->run(x, t, err);
    if (r == 0 && !*x->id) {
        r = device_resolve(txn_db(t), x->call->args[0], &row, err);
        memcpy(x->id, row.id, sizeof x->id);
    }
    return r != 0 ? r : device_show(txn_db(t), x->id, clock_now_usec(), &x->after, err);
}

/* Hands the job to the writer and answers with the device. */
static int carry_out(struct call *c, struct device_change *x, unsigned status)
{
    int r;

    x->call = c;
    x->context = (struct device_context){c->who->actor, c->settings->site.zone};
    r = writer_run(c->context->writer, false, run_change, x, &c->err);
    if (r != 0) {
        json_decref(TAKE_PTR(x->after));
        if (r == -EAGAIN && !*c->err.text)
            error_set(&c->err, r, "", "the catalogue takes no changes at the moment; try again later");
        return r;
    }
    devices_changed();
    c->status = status;
    c->answer = TAKE_PTR(x->after);
    r = add_state(c->settings, c->answer);
    return r != 0 ? r : answer_zone(c);
}

/* Reads the members, carries the job out. */
static int change(struct call *c, const char *const *names, size_t n, size_t needed, unsigned status,
                  int (*run)(struct device_change *x, struct txn *t, struct error *err))
{
    struct device_change x = {.run = run};
    int r = read_members(c, names, n, needed, x.text);

    return r != 0 ? r : carry_out(c, &x, status);
}

/* The members of a device; input_of takes them in this order. */
static const char *const device_members[] = {"serial", "name", "kind", "unit", "timezone", "quota", "rate"};

static struct device_input input_of(const struct device_change *x)
{
    return (struct device_input){.serial = x->text[0],
                                 .name = x->text[1],
                                 .kind = x->text[2],
                                 .unit = x->text[3],
                                 .zone = x->text[4],
                                 .quota = x->text[5],
                                 .rate = x->text[6]};
}

static int run_add(struct device_change *x, struct txn *t, struct error *err)
{
    struct device_input in = input_of(x);

    return device_add(t, &x->context, &in, x->id, err);
}

int handle_device_add(struct call *c)
{
    return change(c, device_members, ARRAY_SIZE(device_members), 1, 201, run_add);
}

static int run_set(struct device_change *x, struct txn *t, struct error *err)
{
    struct device_input in = input_of(x);

    return device_set(t, &x->context, x->call->args[0], &in, err);
}

int handle_device_set(struct call *c)
{
    return change(c, device_members, ARRAY_SIZE(device_members), 0, 200, run_set);
}

static int run_assign(struct device_change *x, struct txn *t, struct error *err)
{
    if (!x->text[0])
        return error_set(err, DEVICES_E_INPUT, "officer",
                         "is missing; give a name, or \"\" to say that nobody has the device");
    return device_assign(t, &x->context, x->call->args[0], x->text[0], x->text[1], x->text[2], err);
}

/* Placing again what came before the assignment was known: some at a time, so that the writer has room for others. */
struct placing_again {
    const struct call *call;
    char serial[DEVICE_TEXT], after[ULID_LENGTH + 1];
    int64_t from_usec;
    size_t n; /* of this job */
};

static int run_place_again(struct txn *t, void *userdata, struct error *err)
{
    struct placing_again *x = userdata;
    _cleanup_ids_ struct recording_ids ids = RECORDING_IDS_INIT;
    int r = ids_of_device(txn_db(t), x->serial, x->from_usec, x->after, PLACE_AGAIN_BATCH, &ids, err);

    for (size_t i = 0; r == 0 && i < ids.n; i++)
        r = intake_place_again(x->call->context->intake, t, &ids.ids[i], err);
    if (r == 0 && ids.n > 0)
        memcpy(x->after, ids.ids[ids.n - 1].text,
               sizeof x->after); /* the last thing done: a job may run again */
    x->n = ids.n;
    return r;
}

/* Whom a device was assigned to may be said after it has delivered. from: as given, NULL and "" = now. */
static int place_again(struct call *c, const char *from)
{
    struct placing_again x = {.call = c, .from_usec = clock_now_usec()};
    int r = from && *from ? read_time(c, "from", from, false, &x.from_usec) : 0;

    if (!c->context->intake)
        return r;
    snprintf(x.serial, sizeof x.serial, "%s", json_get_string(c->answer, "serial"));
    do
        r = r != 0 ? r : writer_run(c->context->writer, true, run_place_again, &x, &c->err);
    while (r == 0 && x.n == PLACE_AGAIN_BATCH);
    if (r != 0) {
        json_decref(TAKE_PTR(c->answer));
        error_prefix(
            &c->err,
            "the assignment is changed, but not all recordings know it yet; take it back and give it again");
    }
    return r;
}

int handle_device_assign(struct call *c)
{
    static const char *const names[] = {"officer", "from", "until"};
    struct device_change x = {.run = run_assign};
    int r = read_members(c, names, ARRAY_SIZE(names), 0, x.text);

    r = r != 0 ? r : carry_out(c, &x, 200);
    return r != 0 ? r : place_again(c, x.text[1]);
}

static int run_unassign(struct device_change *x, struct txn *t, struct error *err)
{
    return device_unassign(t, &x->context, x->call->args[0], x->text[0], err);
}

int handle_device_unassign(struct call *c)
{
    static const char *const names[] = {"from"};
    struct device_change x = {.run = run_unassign};
    int r = read_members(c, names, ARRAY_SIZE(names), 1, x.text);

    r = r != 0 ? r : carry_out(c, &x, 200);
    return r != 0 ? r : place_again(c, x.text[0]);
}

static int run_revoke(struct device_change *x, struct txn *t, struct error *err)
{
    return device_key_revoke(t, &x->context, x->call->args[0], x->text[0], x->text[1], err);
}

int handle_device_revoke(struct call *c)
{
    static const char *const names[] = {"key", "reason"};

    return change(c, names, ARRAY_SIZE(names), 1, 200, run_revoke);
}

static int run_retire(struct device_change *x, struct txn *t, struct error *err)
{
    return device_retire(t, &x->context, x->call->args[0], x->text[0], err);
}

int handle_device_retire(struct call *c)
{
    static const char *const names[] = {"reason"};

    return change(c, names, ARRAY_SIZE(names), 0, 200, run_retire);
}

static int run_return(struct device_change *x, struct txn *t, struct error *err)
{
    return device_return(t, &x->context, x->call->args[0], err);
}

int handle_device_return(struct call *c)
{
    return change(c, NULL, 0, 0, 200, run_return);
}

/* ---- keys ---------------------------------------------------------------------------------------------------------------- */

static int run_token(struct device_change *x, struct txn *t, struct error *err)
{
    return device_token_add(t, &x->context, x->call->args[0], x->text[0], x->text[1], x->key, x->token, err);
}

/* {key, token?, certificate?, ca?, expires?, device: {…}} in place of the device. */
static int answer_key(struct call *c, const struct device_change *x, const char *certificate, const char *ca)
{
    json_t *device = TAKE_PTR(c->answer);
    int r;

    c->answer = json_object();
    r = json_set_take(c->answer, "device", device);
    r = r < 0 ? r : json_set_string(c->answer, "key", x->key);
    r = r < 0 ? r : json_set_string(c->answer, "token", *x->token ? x->token : NULL);
    r = r < 0 ? r : json_set_string(c->answer, "certificate", certificate);
    r = r < 0 ? r : json_set_string(c->answer, "ca", ca);
    if (r == 0 && x->until_usec && x->until_usec != INT64_MAX)
        r = json_set_integer(c->answer, "expires", x->until_usec);
    return r < 0 ? r : answer_zone(c);
}

int handle_device_token(struct call *c)
{
    static const char *const names[] = {"label", "expires"};
    struct device_change x = {.run = run_token};
    int r = read_members(c, names, ARRAY_SIZE(names), 0, x.text);

    r = r != 0 ? r : carry_out(c, &x, 201);
    r = r != 0 ? r : answer_key(c, &x, NULL, NULL);
    explicit_bzero(x.token, sizeof x.token);
    return r;
}

static int read_days(struct call *c, const char *text, int *ret)
{
    size_t n = text ? strlen(text) : 0;

    *ret = AUTHORITY_DEVICE_DAYS;
    if (n == 0)
        return 0;
    if (n > 5 || strspn(text, "0123456789") != n)
        return error_set(&c->err, DEVICES_E_INPUT, "days", "is no number of days; right are 1 to %d",
                         AUTHORITY_DEVICE_DAYS_MAX);
    *ret = atoi(text);
    return 0;
}

static int run_certificate(struct device_change *x, struct txn *t, struct error *err)
{
    return device_certificate_add(t, &x->context, x->call->args[0], x->text[2], x->text[4], x->until_usec,
                                  x->key, err);
}

/* Signs the request and notes what comes of it. */
static int sign_request(struct call *c, struct device_change *x)
{
    _cleanup_(authority_freep) struct authority *a = NULL;
    _cleanup_free_ char *pem = NULL;
    char fingerprint[DIGEST_HEX_SIZE];
    struct device_row row;
    int days, r = read_days(c, x->text[1], &days);

    r = r != 0 ? r : device_resolve(c->db, c->args[0], &row, &c->err);
    r = r != 0 ? r : authority_open(c->settings->archive.path, &a, &c->err);
    if (r == 0)
        r = authority_sign_device(a, x->text[0], row.serial, row.id, days, &pem, fingerprint, &x->until_usec,
                                  &c->err);
    if (r == -EINVAL)
        c->err.code = r = DEVICES_E_INPUT;
    if (r != 0)
        return r;
    x->text[2] = fingerprint;
    r = carry_out(c, x, 201);
    return r != 0 ? r : answer_key(c, x, pem, authority_ca_pem(a));
}

/* members: request days fingerprint expires label; request or fingerprint. */
int handle_device_certificate(struct call *c)
{
    static const char *const names[] = {"request", "days", "fingerprint", "expires", "label"};
    struct device_change x = {.run = run_certificate, .until_usec = INT64_MAX};
    int r = read_members(c, names, ARRAY_SIZE(names), 0, x.text);

    if (r != 0)
        return r;
    if (!x.text[0] == !x.text[2])
        return error_set(&c->err, DEVICES_E_INPUT, "request",
                         "or fingerprint is needed; a request is signed here, the fingerprint of another "
                         "authority's certificate is noted");
    if (x.text[0] ? x.text[3] != NULL : x.text[1] != NULL)
        return error_set(&c->err, DEVICES_E_INPUT, x.text[0] ? "expires" : "days",
                         "does not belong here; days go with a request, expires with a fingerprint");
    if (x.text[0])
        return sign_request(c, &x);
    if (x.text[3] && *x.text[3])
        r = read_time(c, "expires", x.text[3], true, &x.until_usec);
    r = r != 0 ? r : carry_out(c, &x, 201);
    return r != 0 ? r : answer_key(c, &x, NULL, NULL);
}
