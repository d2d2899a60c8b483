/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handlers that look: status, recordings, receipts, cases, holds, quarantine, the ledger's key.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cases/place-bodyworn.h"
#include "catalogue/case-rows.h"
#include "catalogue/device-rows.h"
#include "catalogue/holds.h"
#include "catalogue/receipts.h"
#include "catalogue/recordings.h"

#define LIST_DEFAULT    100
#define HISTORY_DEFAULT 1000
#define QUARANTINE_MAX  1000

int answer_zone(struct call *c)
{
    return c->answer ? json_set_string(c->answer, "zone", zone_name(c->settings->site.zone)) : -ENOMEM;
}

int read_time(struct call *c, const char *name, const char *text, bool is_end, int64_t *ret)
{
    const struct zone *zone = c->settings->site.zone;

    if (calendar_parse(zone, text, ret, NULL) < 0)
        return error_set(&c->err, -EINVAL, name,
                         "%s is not a time; write 2026-11-23, 2026-11-23 14:30 or RFC 3339", text);
    if (is_end && strlen(text) == strlen("2026-11-23"))
        *ret = calendar_next_midnight(zone, *ret);
    return 0;
}

/* ---- parameters ---------------------------------------------------------------------------------------------------------- */

int read_limit(struct call *c, int fallback, int max, int *ret)
{
    const char *text = target_param(c->target, "limit");
    char *end;
    long n;

    *ret = fallback;
    if (!text)
        return 0;
    n = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n < 1 || n > max)
        return error_set(&c->err, -EINVAL, "limit", "is a number from 1 to %d", max);
    *ret = (int)n;
    return 0;
}

static int read_switch(struct call *c, const char *name, bool *ret)
{
    const char *text = target_param(c->target, name);

    if (text && strcmp(text, "1") != 0 && strcmp(text, "0") != 0 && *text)
        return error_set(&c->err, -EINVAL, name, "is 1 or 0");
    *ret = text && *text != '0';
    return 0;
}

static int read_filter(struct call *c, struct recordings_filter *f, struct case_id *case_id)
{
    const char *from = target_param(c->target, "from"), *to = target_param(c->target, "to");
    const char *number = target_param(c->target, "case");
    int r = 0;

    *f = (struct recordings_filter){
        .device = target_param(c->target, "device"),
        .officer = target_param(c->target, "officer"),
        .unit = target_param(c->target, "unit"),
        .kind = target_param(c->target, "kind"),
        .class_name = target_param(c->target, "class"),
        .take = target_param(c->target, "take"),
    };
    if (from)
        r = read_time(c, "from", from, false, &f->from_usec);
    if (r == 0 && to)
        r = read_time(c, "to", to, true, &f->to_usec);
    if (r == 0 && to && f->to_usec == 0) /* 1970 itself is a time, not "no end" */
        f->to_usec = -1;
    r = r != 0 ? r : read_switch(c, "damaged", &f->damaged);
    r = r != 0 ? r : read_switch(c, "unlinked", &f->unlinked);
    r = r != 0 ? r : read_switch(c, "held", &f->held);
    r = r != 0 ? r : read_switch(c, "undecided", &f->undecided);
    if (r == 0 && number) {
        r = case_resolve(c->db, number, case_id, &c->err);
        f->case_id = case_id->text;
    }
    return r;
}

/* {member: rows, "next": mark, "zone": …}; takes rows. */
static int answer_page(struct call *c, const char *member, json_t *rows, const char *next)
{
    int r;

    c->answer = json_object();
    r = json_set_take(c->answer, member, rows);
    r = r != 0 ? r : json_set_string(c->answer, "next", next);
    return r != 0 ? r : answer_zone(c);
}

/* ---- recordings ---------------------------------------------------------------------------------------------------------- */

/* Who may see their own only: the list is narrowed to their name. Recordings may carry their user name instead; those are asked for
 * with officer=. */
static int narrow_to_own(struct call *c, struct recordings_filter *f)
{
    if (!c->who->own_only)
        return 0;
    if (!f->officer)
        f->officer = c->who->name;
    return person_owns(c->who, f->officer) ? 0
                                           : error_set(&c->err, PEOPLE_E_DENIED, f->officer,
                                                       "are another officer's recordings; ask records staff");
}

int handle_recordings(struct call *c)
{
    _cleanup_free_ char *next = NULL;
    struct recordings_filter filter;
    struct case_id case_id;
    json_t *page = NULL;
    int limit, r;

    r = read_limit(c, LIST_DEFAULT, RECORDINGS_PAGE_MAX, &limit);
    r = r != 0 ? r : read_filter(c, &filter, &case_id);
    r = r != 0 ? r : narrow_to_own(c, &filter);
    r = r != 0
            ? r
            : recordings_list(c->db, &filter, target_param(c->target, "after"), limit, &page, &next, &c->err);
    return r != 0 ? r : answer_page(c, "recordings", page, next);
}

int find_recording(struct call *c, struct recording_id *ret_id, json_t **ret)
{
    _cleanup_json_ json_t *row = NULL;
    int r = recordings_resolve(c->db, c->args[0], ret_id, &c->err);

    r = r != 0 ? r : recordings_show(c->db, ret_id, &row, &c->err);
    if (r == 0 && !person_owns(c->who, json_get_string(row, "officer")))
        r = error_set(&c->err, PEOPLE_E_DENIED, ret_id->text,
                      "is another officer's recording; ask records staff");
    if (r == 0)
        *ret = TAKE_PTR(row);
    return r;
}

int handle_recording(struct call *c)
{
    struct recording_id id;
    int r = find_recording(c, &id, &c->answer);

    r = r != 0 ? r : bodyworn_show(c->db, id.text, c->answer, &c->err);
    return r != 0 ? r : answer_zone(c);
}

int handle_receipt(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    if (r != 0)
        return r;
    return receipt_for_leaf(c->context->ledger, (uint64_t)json_get_integer(row, "leaf", 0), id.text, &c->text,
                            &c->err);
}

/* ---- history ------------------------------------------------------------------------------------------------------------- */

/* A case's number beside its id, as people know it. */
static int add_number(struct call *c, json_t *facts)
{
    _cleanup_(case_row_done) struct case_row row = {0};
    struct error ignored = ERROR_INIT;
    struct case_id id;
    const char *text = json_get_string(facts, "case");

    if (!text || json_object_get(facts, "number") || case_id_parse(text, &id) < 0 ||
        case_read(c->db, &id, &row, &ignored) != 0)
        return 0; /* the id says it as well */
    return json_set_string(facts, "number", row.number);
}

static int add_entry(struct call *c, json_t *row)
{
    _cleanup_free_ char *entry = NULL, *sentence = NULL;
    _cleanup_json_ json_t *root = NULL;
    struct act act;
    size_t size;
    int r = ledger_read_entry(c->context->ledger, (uint64_t)json_get_integer(row, "index", 0), &entry, &size,
                              &c->err);

    if (r == -ENOENT)
        return 0; /* committed, published in a moment */
    r = r != 0 ? r : act_decode(entry, size, &act, &root, &c->err);
    if (r != 0)
        return r;
    r = add_number(c, act.facts);
    if (r != 0)
        return r;
    sentence = act_sentence(c->settings->site.zone, act.kind, act.facts);
    json_object_del(act.facts, "text"); /* a policy's text is long, and read elsewhere */
    r = json_set_take(row, "facts", json_incref(act.facts));
    return r != 0 ? r : json_set_string(row, "text", sentence ? sentence : act.kind);
}

int history_of(struct call *c, const char *id, int64_t after, int limit, json_t **ret)
{
    _cleanup_json_ json_t *acts = NULL;
    json_t *row;
    size_t i;
    int r = acts_about(c->db, id, after, limit, &acts, &c->err);

    if (r != 0)
        return r;
    json_array_foreach (acts, i, row) {
        r = add_entry(c, row);
        if (r != 0)
            return r;
    }
    *ret = TAKE_PTR(acts);
    return 0;
}

/* The id of a recording, else of a case, a hold, a device; for officers of their own recordings only. */
static int resolve_anything(struct call *c, const char *text, char out[ULID_LENGTH + 1])
{
    struct recording_id recording;
    struct hold_row hold;
    struct device_row device;
    struct case_id case_id;
    struct error ignored = ERROR_INIT;
    _cleanup_json_ json_t *row = NULL;
    int r = find_recording(c, &recording, &row);

    if (r != RECORDINGS_E_NONE || c->who->own_only) {
        if (r == 0)
            memcpy(out, recording.text, sizeof recording.text);
        return r;
    }
    r = case_resolve(c->db, text, &case_id, &ignored);
    if (r == 0) {
        memcpy(out, case_id.text, sizeof case_id.text);
    } else if (r == CASES_E_NONE) {
        r = hold_resolve(c->db, text, &hold, &ignored);
        if (r == 0)
            memcpy(out, hold.id, sizeof hold.id);
    }
    if (r == CASES_E_NONE) {
        r = device_resolve(c->db, text, &device, &ignored);
        if (r == 0)
            memcpy(out, device.id, sizeof device.id);
    }
    return r == CASES_E_NONE || r == DEVICE_ROWS_E_NONE ? RECORDINGS_E_NONE : r;
}

int handle_history(struct call *c)
{
    const char *after = target_param(c->target, "after");
    json_t *acts = NULL;
    char id[ULID_LENGTH + 1], next[24] = "";
    int64_t from = -1;
    char *end;
    int limit, r = read_limit(c, HISTORY_DEFAULT, HISTORY_DEFAULT, &limit);

    if (after && r == 0) {
        errno = 0;
        from = strtoll(after, &end, 10);
        if (errno || end == after || *end || from < 0)
            r = error_set(&c->err, -EINVAL, "after", "is the leaf number that the last page ended with");
    }
    r = r != 0 ? r : resolve_anything(c, c->args[0], id);
    r = r != 0 ? r : history_of(c, id, from, limit, &acts);
    if (r != 0)
        return r;
    if (json_array_size(acts) == (size_t)limit)
        snprintf(next, sizeof next, "%lld",
                 (long long)json_get_integer(json_array_get(acts, (size_t)limit - 1), "index", 0));
    return answer_page(c, "acts", acts, *next ? next : NULL);
}

/* ---- cases and holds ----------------------------------------------------------------------------------------------------- */

static int check_state(struct call *c, const struct cases_filter *f)
{
    enum case_state state;
    enum procedure procedure;

    if (f->state && case_state_parse(f->state, &state) < 0)
        return error_set(&c->err, -EINVAL, "state", "is open, ended or filed");
    if (f->procedure && procedure_parse(f->procedure, &procedure) < 0)
        return error_set(&c->err, -EINVAL, "procedure", "is general, summary or none");
    return 0;
}

int handle_cases(struct call *c)
{
    struct cases_filter filter = {target_param(c->target, "state"), target_param(c->target, "procedure")};
    _cleanup_free_ char *next = NULL;
    json_t *page = NULL;
    int limit, r = read_limit(c, LIST_DEFAULT, CASES_PAGE_MAX, &limit);

    r = r != 0 ? r : check_state(c, &filter);
    r = r != 0 ? r
               : cases_list(c->db, &filter, target_param(c->target, "after"), limit, &page, &next, &c->err);
    return r != 0 ? r : answer_page(c, "cases", page, next);
}

int handle_case(struct call *c)
{
    struct case_id id;
    int r = case_resolve(c->db, c->args[0], &id, &c->err);

    r = r != 0 ? r : case_show(c->db, &id, &c->answer, &c->err);
    return r != 0 ? r : answer_zone(c);
}

int handle_holds(struct call *c)
{
    const char *recording = target_param(c->target, "recording"), *number = target_param(c->target, "case");
    _cleanup_free_ char *next = NULL;
    struct holds_filter filter = {0};
    struct recording_id id;
    struct case_id case_id;
    json_t *page = NULL;
    int limit, r = read_limit(c, LIST_DEFAULT, HOLDS_PAGE_MAX, &limit);

    r = r != 0 ? r : read_switch(c, "lifted", &filter.lifted);
    if (r == 0 && recording) {
        r = recordings_resolve(c->db, recording, &id, &c->err);
        filter.recording = id.text;
    }
    if (r == 0 && number) {
        r = case_resolve(c->db, number, &case_id, &c->err);
        filter.case_id = case_id.text;
    }
    r = r != 0 ? r
               : holds_list(c->db, &filter, target_param(c->target, "after"), limit, &page, &next, &c->err);
    return r != 0 ? r : answer_page(c, "holds", page, next);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------------ */

static int on_quarantined(void *userdata, const char *name, uint64_t bytes, const char *reason_json)
{
    _cleanup_json_ json_t *reason = NULL;
    json_t *list = userdata, *item = json_object();
    int r = json_set_string(item, "name", name);

    r = r != 0 ? r : json_set_integer(item, "bytes", (int64_t)bytes);
    if (r == 0 && reason_json && json_parse(reason_json, strlen(reason_json), name, &reason, NULL) == 0)
        r = json_set_take(item, "reason", TAKE_PTR(reason));
    if (r != 0 || json_array_append_new(list, item) < 0)
        return -ENOMEM;
    return json_array_size(list) <= QUARANTINE_MAX ? 0 : 1;
}

int handle_quarantine(struct call *c)
{
    json_t *list = json_array();
    bool more;
    int r = list ? store_quarantine_list(c->context->store, on_quarantined, list, &c->err) : -ENOMEM;

    if (r < 0) {
        json_decref(list);
        return r;
    }
    more = json_array_size(list) > QUARANTINE_MAX;
    if (more)
        json_array_remove(list, QUARANTINE_MAX);
    r = answer_page(c, "quarantine", list, NULL);
    return r != 0 ? r : json_set_bool(c->answer, "more", more);
}

int handle_key(struct call *c)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int fd = store_archive_fd(c->context->store);
    int r = fd_read_file_at(fd, "ledger/ledger.pub", 4096, &text, &size);

    if (r < 0)
        return error_errno(&c->err, r, "ledger/ledger.pub", "cannot be read");
    text[strcspn(text, "\n")] = '\0';
    c->answer = json_object();
    return json_set_string(c->answer, "key", text);
}

int handle_watch(struct call *c)
{
    c->stream = true;
    return 0;
}

/* ---- status -------------------------------------------------------------------------------------------------------------- */

/* What a person should look at, in words. */
static int add_troubles(json_t *answer)
{
    static const char *const keys[] = {"policy_trouble", "catalogue_trouble", "clock_trouble"};
    json_t *list = json_array(), *intake = json_get_object(answer, "intake");
    const char *reason = json_get_string(intake, "reason");
    const json_t *hardware = json_get_object(json_get_object(answer, "derive"), "hardware");
    const json_t *folder, *alarm;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(keys); i++)
        if (json_get_string(answer, keys[i]))
            json_array_append_new(list, json_string(json_get_string(answer, keys[i])));
    if (reason)
        json_array_append_new(list, json_sprintf("intake is paused: %s", reason));
    json_array_foreach (json_get_array(intake, "folders"), i, folder) {
        const char *path = json_get_string(folder, "path");
        if (json_get_bool(folder, "present", true) || !path)
            continue;
        json_array_append_new(list, json_sprintf("drop folder %s is not there", path));
    }
    json_array_foreach (json_get_array(json_get_object(answer, "doors"), "alarms"), i, alarm)
        json_array_append_new(list, json_sprintf("%lld sign-ins of %s were refused",
                                                 (long long)json_get_integer(alarm, "denials", 0),
                                                 json_get_string(alarm, "who")));
    if (strcmp(json_get_string(hardware, "kind") ? json_get_string(hardware, "kind") : "", "none") == 0 &&
        strcmp(json_get_string(hardware, "message") ? json_get_string(hardware, "message") : "none",
               "none") != 0)
        json_array_append_new(list, json_string(json_get_string(hardware, "message")));
    if (add_device_troubles(json_get_object(answer, "devices"), list) < 0) {
        json_decref(list);
        return -ENOMEM;
    }
    return json_set_take(answer, "troubles", list);
}

static int add_you(struct call *c, json_t *answer)
{
    json_t *you = json_object(), *roles = json_array();
    int r = json_set_string(you, "user", c->who->user);

    r = r != 0 ? r : json_set_string(you, "name", c->who->name);
    for (int i = 0; i < ROLE_COUNT && roles; i++)
        if (c->who->roles & 1u << i)
            json_array_append_new(roles, json_string(role_name((enum role)i)));
    r = json_set_take(you, "roles", roles) != 0 ? -ENOMEM : r;
    return json_set_take(answer, "you", you) != 0 ? -ENOMEM : r;
}

static int add_space(struct call *c, json_t *answer)
{
    uint64_t bytes, inodes;
    json_t *space;
    int r = store_space(c->context->store, &bytes, &inodes, &c->err);

    if (r != 0)
        return r;
    space = json_object();
    r = json_set_integer(space, "bytes_free", (int64_t)MIN(bytes, (uint64_t)INT64_MAX));
    if (r == 0 && inodes != UINT64_MAX)
        r = json_set_integer(space, "inodes_free", (int64_t)MIN(inodes, (uint64_t)INT64_MAX));
    return json_set_take(answer, "space", space) != 0 ? -ENOMEM : r;
}

/* Nothing waits, is in hand or is still to be examined. */
static bool is_idle(const json_t *answer)
{
    const json_t *intake = json_get_object(answer, "intake"), *counts = json_get_object(answer, "counts");

    return json_get_integer(intake, "waiting", 0) == 0 && json_get_integer(intake, "in_hand", 0) == 0 &&
           json_get_integer(intake, "to_examine_soon", 0) == 0 &&
           json_get_integer(counts, "to_examine", 0) == 0;
}

int handle_status(struct call *c)
{
    json_t *counts = NULL;
    int r = catalogue_counts(c->db, &counts, &c->err);

    if (r != 0)
        return r;
    c->answer = c->context->status(c->context->userdata);
    r = json_set_take(c->answer, "counts", counts);
    r = r != 0 ? r : json_set_take(c->answer, "listens", json_deep_copy(c->context->listens));
    r = r != 0 ? r : add_space(c, c->answer);
    r = r != 0 ? r : add_you(c, c->answer);
    r = r != 0 ? r : add_device_overview(c);
    r = r != 0 ? r : add_troubles(c->answer);
    r = r != 0 ? r : json_set_bool(c->answer, "idle", is_idle(c->answer));
    r = r != 0 ? r : json_set_integer(c->answer, "now", clock_now_usec());
    return r != 0 ? r : answer_zone(c);
}
