/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Working out a place (see place-facts.h), and the compiled rules it uses.
 */
#include "cases/place-facts.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/encode.h"
#include "cases/place-rule.h"
#include "cases/place-time.h"
#include "catalogue/device-rows.h"

#define EARLIEST_USEC                                                                                        \
    (INT64_C(946684800) * USEC_PER_SEC) /* 2000-01-01: before it no clock of ours was right */
#define DISAGREE_USEC     (2 * USEC_PER_MIN)
#define DURATION_MAX_USEC (3660 * USEC_PER_DAY)
#define TIMES_MAX         16
#define NOTES_MAX         12
#define SOURCE_SIZE       160
#define NO_TIME           INT64_MIN
#define QR_OURS           "LIUHEN:"

enum sure { SURE_DOUBTFUL, SURE_PROBABLE, SURE_CERTAIN };
static const char *const sure_names[] = {"doubtful", "probable", "certain"};

struct placer {
    const struct settings *settings;
    struct place_rule **rules; /* as settings.place */
};

struct time_fact {
    int64_t usec;
    int64_t raw; /* what the camera said, where that was corrected; else NO_TIME */
    char source[SOURCE_SIZE];
    enum sure sure;
};

struct work {
    const struct placer *placer;
    const json_t *arrival, *media, *decoded;
    const struct place_device *device;
    struct error *err;
    int64_t received_usec;
    struct zone *zone;
    const char *sidecar_source; /* "sidecar", or "bodyworn" where a camera system said it by its own door */
    json_t *place, *notes;
    struct time_fact starts[TIMES_MAX], ends[TIMES_MAX];
    size_t n_starts, n_ends;
    char *path; /* any bytes */
    size_t path_size;
    const char *name;
    size_t name_size;
};

struct placer *placer_free(struct placer *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; p->rules && i < p->settings->n_place; i++)
        place_rule_free(p->rules[i]);
    free(p->rules);
    free(p);
    return NULL;
}

static bool has_constants(const struct settings_place *s)
{
    return *s->device || *s->officer || *s->unit || *s->case_number;
}

/* Compiles one rule. Return: 0, -EINVAL (reported), -ENOMEM. */
static int compile(const struct settings *settings, const struct settings_place *s, config_on_fault on_fault,
                   void *userdata, struct place_rule **ret)
{
    struct error err = ERROR_INIT;
    int r = place_rule_compile(s->match, ret, &err);

    if (r == 0 && !place_rule_has_groups(*ret) && !has_constants(s))
        r = error_set(&err, -EINVAL, "",
                      "the rule finds nothing: name a group in its pattern, like (?<device>[A-Z0-9]+), or "
                      "give it a device, "
                      "officer, unit or case");
    if (r != -EINVAL)
        return r;
    settings_place_where(settings, s, err.object, sizeof err.object);
    error_prefix(&err, "place rule %s", s->name);
    if (on_fault)
        on_fault(userdata, &err);
    return r;
}

int placer_new(const struct settings *settings, config_on_fault on_fault, void *userdata, struct placer **ret)
{
    _cleanup_(placer_freep) struct placer *p = calloc(1, sizeof *p);
    int result = 0;

    if (!p)
        return -ENOMEM;
    p->settings = settings;
    p->rules = calloc(settings->n_place + 1, sizeof *p->rules);
    if (!p->rules)
        return -ENOMEM;
    for (size_t i = 0; i < settings->n_place; i++) {
        int r = compile(settings, &settings->place[i], on_fault, userdata, &p->rules[i]);

        if (r == -ENOMEM)
            return r;
        result = r < 0 ? r : result;
    }
    if (result == 0)
        *ret = TAKE_PTR(p);
    return result;
}

bool place_is_bodyworn(const json_t *arrival)
{
    const char *door = json_get_string(arrival, "door");

    return door && strcmp(door, PLACE_BODYWORN) == 0;
}

int64_t placer_takes_gap_usec(const struct placer *p)
{
    return p->settings->intake.takes_gap_usec;
}

/* ---- collecting ---- */

static int note(struct work *w, const char *format, ...) _printf_(2, 3);

static int note(struct work *w, const char *format, ...)
{
    char text[300];
    va_list ap;

    if (json_array_size(w->notes) >= NOTES_MAX)
        return 0;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    utf8_repair(text, sizeof text);
    return json_array_append_new(w->notes, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* "rule:dahua"; a name that is too long is cut. */
static const char *source_text(const char *kind, const char *name, char out[SOURCE_SIZE])
{
    snprintf(out, SOURCE_SIZE, "%s:%.140s", kind, name ? name : "");
    utf8_repair(out, SOURCE_SIZE);
    return out;
}

/* {"value":…,"source":…,"certainty":…}; takes value. */
static int make_fact(json_t *value, const char *source, enum sure sure, json_t **ret)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? json_set_take(o, "value", value) : -ENOMEM;

    if (!o)
        json_decref(value);
    r = r < 0 ? r : json_set_string(o, "source", source);
    r = r < 0 ? r : json_set_string(o, "certainty", sure_names[sure]);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

/* Keeps a text unless a source believed more has given one already. */
static int keep_text(struct work *w, const char *key, const char *value, const char *source, enum sure sure)
{
    json_t *fact;
    int r;

    if (!value || !*value || json_object_get(w->place, key))
        return 0;
    r = make_fact(json_string(value), source, sure, &fact);
    return r < 0 ? r : json_set_take(w->place, key, fact);
}

static void keep_time(struct time_fact *list, size_t *n, int64_t usec, const char *source, enum sure sure)
{
    if (usec == NO_TIME || *n == TIMES_MAX)
        return;
    list[*n] = (struct time_fact){.usec = usec, .raw = NO_TIME, .sure = sure};
    snprintf(list[*n].source, sizeof list[*n].source, "%s", source);
    (*n)++;
}

/* ---- the sources ---- */

/* A sidecar's text or whole number. */
static int sidecar_text(struct work *w, const json_t *sidecar, const char *from, const char *to)
{
    const json_t *v = json_object_get(sidecar, from);
    char number[24];

    if (!v || json_is_null(v))
        return 0;
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        return keep_text(w, to, number, w->sidecar_source, SURE_CERTAIN);
    }
    if (!json_is_string(v) || !place_value_is_clean(json_string_value(v), json_string_length(v)))
        return note(w,
                    "sidecar: %s is not used; it must be a text of 1 to %d bytes without control characters",
                    from, PLACE_VALUE_MAX);
    return keep_text(w, to, json_string_value(v), w->sidecar_source, SURE_CERTAIN);
}

static int sidecar_time(struct work *w, const json_t *sidecar, const char *key, struct time_fact *list,
                        size_t *n)
{
    const json_t *v = json_object_get(sidecar, key);
    int64_t usec;

    if (!v || json_is_null(v))
        return 0;
    if (!json_is_string(v) || calendar_parse(w->zone, json_string_value(v), &usec, NULL) < 0)
        return note(w, "sidecar: %s is not used; it must be a time such as 2026-11-23T09:05:07+08:00", key);
    keep_time(list, n, usec, w->sidecar_source, SURE_CERTAIN);
    return 0;
}

/* role and step belong to the link, so they stand with the case number. */
static int sidecar_link(struct work *w, const json_t *sidecar)
{
    const json_t *role = json_object_get(sidecar, "role"), *step = json_object_get(sidecar, "step");
    json_t *fact = json_get_object(w->place, "case_number");
    const char *text = json_string_value(role);
    enum link_role known = LINK_NONE;
    int r = 0;

    if (role && !json_is_null(role) && (!text || link_role_parse(text, &known) < 0 || known == LINK_NONE))
        r = note(w, "sidecar: role is not used; it must be evidence or context");
    else if (fact && text)
        r = json_set_string(fact, "role", text);
    if (r < 0 || !step || json_is_null(step) || !fact)
        return r;
    if (!json_is_string(step) || !place_value_is_clean(json_string_value(step), json_string_length(step)))
        return note(w, "sidecar: step is not used; it must be a text of 1 to %d bytes", PLACE_VALUE_MAX);
    return json_set_string(fact, "step", json_string_value(step));
}

/* What only our own door writes into a sidecar: sentences, and an officer's choice on the camera. */
static int bodyworn_extras(struct work *w, const json_t *sidecar)
{
    const json_t *notes = json_get_array(sidecar, "notes");
    json_t *proposals = json_get_array(sidecar, "proposals");
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(notes); i++) {
        const char *text = json_string_value(json_array_get(notes, i));

        r = text ? note(w, "%s", text) : 0;
    }
    return r < 0 || !proposals ? r : json_set_take(w->place, "proposals", json_incref(proposals));
}

static int from_sidecar(struct work *w)
{
    static const char *const keys[][2] = {{"device", "device"},    {"officer", "officer"}, {"unit", "unit"},
                                          {"case", "case_number"}, {"channel", "channel"}, {"seq", "seq"}};
    const json_t *sidecar = json_object_get(w->arrival, "sidecar");
    const char *fault = json_get_string(w->arrival, "sidecar_fault");
    int r = 0;

    if (fault)
        return note(w, "sidecar %.300s", fault);
    if (!sidecar || json_is_null(sidecar))
        return 0;
    if (!json_is_object(sidecar))
        return note(w, "the sidecar is not used; it must be a JSON object");
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++)
        r = sidecar_text(w, sidecar, keys[i][0], keys[i][1]);
    r = r < 0 ? r : sidecar_time(w, sidecar, "started", w->starts, &w->n_starts);
    r = r < 0 ? r : sidecar_time(w, sidecar, "ended", w->ends, &w->n_ends);
    r = r < 0 ? r : sidecar_link(w, sidecar);
    return r < 0 || strcmp(w->sidecar_source, PLACE_BODYWORN) != 0 ? r : bodyworn_extras(w, sidecar);
}

static int keep_match(struct work *w, const struct settings_place *s, const struct place_match *m,
                      const char *source, enum sure sure)
{
    const struct {
        const char *key, *found, *constant;
    } texts[] = {{"device", m->values[PLACE_DEVICE], s->device},
                 {"officer", m->values[PLACE_OFFICER], s->officer},
                 {"unit", m->values[PLACE_UNIT], s->unit},
                 {"case_number", m->values[PLACE_CASE], s->case_number},
                 {"channel", m->values[PLACE_CHANNEL], NULL},
                 {"seq", m->values[PLACE_SEQ], NULL}};
    const char *what;
    int64_t start, end;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
        r = keep_text(w, texts[i].key, texts[i].found ? texts[i].found : texts[i].constant, source, sure);
    if (r == 0 && m->cut)
        r = note(w, "%s: a group is not used; it found more than %d bytes or control characters", source,
                 PLACE_VALUE_MAX);
    if (r == 0 && place_time_read(m, w->zone, &start, &end, &what) < 0)
        r = note(w, "%s: what the group %s found is no time", source, what);
    if (r < 0)
        return r;
    keep_time(w->starts, &w->n_starts, start, source, sure);
    keep_time(w->ends, &w->n_ends, end, source, sure);
    return 0;
}

/* Return: 0 or a negative errno. */
static int apply_rule(struct work *w, size_t i, const char *subject, size_t size)
{
    _cleanup_(place_match_done) struct place_match m = {{NULL}, false};
    const struct settings_place *s = &w->placer->settings->place[i];
    char source[SOURCE_SIZE];
    int r;

    source_text(s->on == PLACE_ON_QR ? "qr" : "rule", s->name, source);
    r = place_rule_match(w->placer->rules[i], subject, size, &m);
    if (r == -ELOOP)
        return note(w, "%s gave up on this %s: its pattern takes too many steps", source,
                    s->on == PLACE_ON_QR ? "code" : "name");
    return r <= 0
               ? r
               : keep_match(w, s, &m, source, s->certainty == PLACE_CERTAIN ? SURE_CERTAIN : SURE_PROBABLE);
}

static int from_rule(struct work *w, size_t i)
{
    const struct settings_place *s = &w->placer->settings->place[i];
    const json_t *codes = json_get_array(w->decoded, "qr"), *code;
    size_t k;
    int r = 0;

    if (s->on == PLACE_ON_PATH)
        return apply_rule(w, i, w->path, w->path_size);
    if (s->on == PLACE_ON_NAME)
        return apply_rule(w, i, w->name, w->name_size);
    json_array_foreach (codes, k, code)
        if (r == 0 && json_is_string(code))
            r = apply_rule(w, i, json_string_value(code), json_string_length(code));
    return r;
}
static int from_rules(struct work *w, int certainty)
{
    const struct settings *settings = w->placer->settings;
    const char *folder = json_get_string(w->arrival, "folder");
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->n_place; i++) {
        const struct settings_place *s = &settings->place[i];

        if (s->certainty == certainty && (!*s->folder || (folder && strcmp(s->folder, folder) == 0)))
            r = from_rule(w, i);
    }
    return r;
}

/* One "key=value" of a code of ours. */
static int qr_pair(struct work *w, const char *pair, size_t size)
{
    static const char *const keys[][2] = {
        {"case", "case_number"}, {"officer", "officer"}, {"device", "device"}, {"unit", "unit"}};
    _cleanup_free_ char *raw = strndup(pair, size), *value = NULL;
    char *equals = raw ? strchr(raw, '=') : NULL;
    const char *known;
    size_t n;

    if (!raw)
        return -ENOMEM;
    if (!equals)
        return 0;
    *equals = 0;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        int r;

        if (strcmp(raw, keys[i][0]) != 0)
            continue;
        r = decode_percent(equals + 1, &value, &n);
        if (r == -ENOMEM)
            return r;
        if (r < 0 || !place_value_is_clean(value, n))
            return note(w, "qr: %s is not used; it must be a text of 1 to %d bytes", keys[i][0],
                        PLACE_VALUE_MAX);
        known = json_get_string(json_get_object(w->place, keys[i][1]), "value");
        return known && strcmp(known, value) != 0
                   ? note(w, "a QR code names another %s: %s", keys[i][0], value)
                   : keep_text(w, keys[i][1], value, "qr", SURE_PROBABLE);
    }
    return 0;
}

/* The codes that are made for us. */
static int from_qr(struct work *w)
{
    const json_t *codes = json_get_array(w->decoded, "qr"), *code;
    size_t i;
    int r = 0;

    json_array_foreach (codes, i, code) {
        const char *p = json_string_value(code);

        if (!p || strncmp(p, QR_OURS, strlen(QR_OURS)) != 0)
            continue;
        for (p += strlen(QR_OURS); r == 0 && *p; p += strspn(p, ";")) {
            size_t n = strcspn(p, ";");

            r = qr_pair(w, p, n);
            p += n;
        }
    }
    return r;
}

static int from_folder(struct work *w)
{
    static const char *const keys[] = {"device", "officer", "unit"};
    const char *folder = json_get_string(w->arrival, "folder");
    char source[SOURCE_SIZE];
    int r = 0;

    if (folder && *folder)
        source_text("folder", folder, source);
    else
        snprintf(source, sizeof source, "device"); /* an upload: the device that signed in */
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++)
        r = keep_text(w, keys[i], json_get_string(w->arrival, keys[i]), source, SURE_CERTAIN);
    return r;
}

static enum sure sure_parse(const char *name)
{
    return !name || strcmp(name, "doubtful") == 0 ? SURE_DOUBTFUL
           : strcmp(name, "certain") == 0         ? SURE_CERTAIN
                                                  : SURE_PROBABLE;
}

/* Make and model name a kind of camera; only with a serial number do they name one. */
static int media_device(struct work *w)
{
    const json_t *device = json_object_get(w->media, "device");
    const char *make = json_get_string(device, "make"), *model = json_get_string(device, "model"),
               *serial = json_get_string(device, "serial");
    char text[PLACE_VALUE_MAX + 1];
    int n = snprintf(text, sizeof text, "%s%s%s%s%s", make ? make : "", make && model ? " " : "",
                     model ? model : "", serial && (make || model) ? " " : "", serial ? serial : "");

    if (n <= 0 || n >= (int)sizeof text || !place_value_is_clean(text, (size_t)n))
        return 0;
    return keep_text(w, "device", text, "media:device", serial ? SURE_PROBABLE : SURE_DOUBTFUL);
}

static int from_media(struct work *w)
{
    enum sure sure = sure_parse(json_get_string(w->media, "started_certainty"));
    const char *local = json_get_string(w->media, "started_local"),
               *what = json_get_string(w->media, "started_source");
    int64_t usec = json_get_integer(w->media, "started_usec", NO_TIME);
    char source[SOURCE_SIZE];

    source_text("media", what, source);
    if (usec == NO_TIME && local && calendar_parse(w->zone, local, &usec, NULL) == 0)
        sure = MIN(sure, SURE_PROBABLE);
    keep_time(w->starts, &w->n_starts, usec, source, sure);
    return media_device(w);
}

/* ---- the device ---- */

/* Satellites tell the time, not the camera. */
static bool is_of_camera(const struct time_fact *t)
{
    return !strstr(t->source, "GPS");
}

/* Return: whether any time was corrected. */
static bool correct_list(struct time_fact *list, size_t n, int64_t offset)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        int64_t right;

        if (!is_of_camera(&list[i]) || __builtin_sub_overflow(list[i].usec, offset, &right) ||
            right == NO_TIME)
            continue;
        list[i].raw = list[i].usec;
        list[i].usec = right;
        list[i].sure = MIN(list[i].sure, SURE_PROBABLE);
        any = true;
    }
    return any;
}

static int correct_clock(struct work *w)
{
    int64_t limit = w->placer->settings->devices.clock_usec;
    int64_t offset = json_get_integer(w->arrival, "clock_offset", 0);
    bool starts, ends;

    if (offset >= -limit && offset <= limit)
        return 0;
    starts = correct_list(w->starts, w->n_starts, offset);
    ends = correct_list(w->ends, w->n_ends, offset);
    return starts || ends ? note(w,
                                 "the camera's clock was off by %+lld s when it delivered; its times are "
                                 "corrected by that",
                                 (long long)(offset / USEC_PER_SEC))
                          : 0;
}

/* The officer it was assigned to at the start; where that is not known, at the receipt, if nobody else says who. */
static int from_assignment(struct work *w, bool officer_said)
{
    const json_t *started = json_get_object(w->place, "started");
    enum sure sure = sure_parse(json_get_string(started, "certainty"));
    char officer[DEVICE_TEXT] = "";
    int r;

    if (!w->device || officer_said || (sure == SURE_DOUBTFUL && json_object_get(w->place, "officer")))
        return 0;
    r = w->device->officer_at(w->device->userdata,
                              sure > SURE_DOUBTFUL ? json_get_integer(started, "value", 0) : w->received_usec,
                              officer, w->err);
    if (r != 0 || !*officer)
        return r;
    (void)json_object_del(w->place, "officer"); /* what is believed less; it may not be there */
    return keep_text(w, "officer", officer, "assignment", sure);
}

/* ---- choosing times ---- */

static bool is_plausible(const struct work *w, int64_t usec)
{
    return usec >= EARLIEST_USEC && usec <= w->received_usec + USEC_PER_DAY;
}

static const struct time_fact *best_of(const struct time_fact *list, size_t n)
{
    const struct time_fact *best = n ? list : NULL;

    for (size_t i = 1; i < n; i++)
        if (list[i].sure > best->sure)
            best = &list[i];
    return best;
}

/* The first time that is not doubtful and yet says something else. */
static const struct time_fact *conflict_of(const struct time_fact *list, size_t n,
                                           const struct time_fact *best)
{
    for (size_t i = 0; i < n; i++)
        if (&list[i] != best && list[i].sure > SURE_DOUBTFUL && best->sure > SURE_DOUBTFUL &&
            llabs(list[i].usec - best->usec) > DISAGREE_USEC)
            return &list[i];
    return NULL;
}

/* Chooses among the times of one kind; writes it under key. *ret_usec = NO_TIME when there is none. */
static int choose(struct work *w, const char *key, struct time_fact *list, size_t n, int64_t *ret_usec,
                  enum sure *ret_sure)
{
    const struct time_fact *best, *other;
    json_t *fact, *conflict;
    enum sure sure;
    int r;

    for (size_t i = 0; i < n; i++)
        if (!is_plausible(w, list[i].usec))
            list[i].sure = SURE_DOUBTFUL;
    best = best_of(list, n);
    *ret_usec = best ? best->usec : NO_TIME;
    *ret_sure = SURE_DOUBTFUL;
    if (!best)
        return 0;
    other = conflict_of(list, n, best);
    *ret_sure = sure = other ? MIN(best->sure, SURE_PROBABLE) : best->sure;
    r = make_fact(json_integer(best->usec), best->source, sure, &fact);
    r = r < 0 ? r : json_set_take(w->place, key, fact);
    if (r == 0 && best->raw != NO_TIME)
        r = json_set_integer(fact, "raw", best->raw);
    if (r < 0 || !other)
        return r;
    r = make_fact(json_integer(other->usec), other->source, other->sure, &conflict);
    return r < 0 ? r : json_set_take(fact, "conflict", conflict);
}

/* Drops the ends that cannot be: before the start, or doubtful beside a start that is not. */
static int sift_ends(struct work *w, int64_t start, enum sure start_sure)
{
    size_t kept = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < w->n_ends; i++) {
        bool before = start != NO_TIME && w->ends[i].usec < start;
        bool doubtful = (start == NO_TIME || start_sure > SURE_DOUBTFUL) && !is_plausible(w, w->ends[i].usec);

        if (before || doubtful)
            r = note(w, "%s: the end is not used; it lies %s", w->ends[i].source,
                     before ? "before the start" : "before 2000 or in the future");
        else
            w->ends[kept++] = w->ends[i];
    }
    w->n_ends = kept;
    return r;
}

/* A start that was corrected gives an end that was. */
static void end_by_duration(struct work *w, int64_t start, enum sure sure, int64_t duration)
{
    const struct time_fact *best = best_of(w->starts, w->n_starts);
    size_t n = w->n_ends;

    if (start == NO_TIME || duration <= 0 || duration >= DURATION_MAX_USEC || start >= INT64_MAX - duration)
        return;
    keep_time(w->ends, &w->n_ends, start + duration, "started + duration", sure);
    if (w->n_ends > n && best->raw != NO_TIME && best->raw < INT64_MAX - duration)
        w->ends[n].raw = best->raw + duration;
}

static int place_times(struct work *w, int64_t *ret_sort)
{
    int64_t duration = json_get_integer(w->media, "duration_usec", 0), start, end;
    int64_t mtime = json_get_integer(w->arrival, "mtime", NO_TIME);
    enum sure sure, end_sure;
    int r = correct_clock(w);

    r = r < 0 ? r : choose(w, "started", w->starts, w->n_starts, &start, &sure);
    if (r == 0)
        end_by_duration(w, start, sure, duration);
    r = r < 0 ? r : sift_ends(w, start, sure);
    r = r < 0 ? r : choose(w, "ended", w->ends, w->n_ends, &end, &end_sure);
    if (r < 0)
        return r;
    *ret_sort = start != NO_TIME && sure > SURE_DOUBTFUL ? start : w->received_usec;
    if (sure == SURE_DOUBTFUL && mtime != NO_TIME)
        return json_set_integer(w->place, "mtime_hint", mtime);
    return 0;
}

/* ---- all together ---- */

static int set_zone(struct work *w)
{
    const char *name = w->device && *w->device->zone ? w->device->zone : json_get_string(w->arrival, "zone");
    int r = name ? zone_new(name, &w->zone) : -EINVAL;

    if (r != -EINVAL)
        return r;
    r = name ? note(w, "the folder's time zone is not known here; the site's is used") : 0;
    return r < 0 ? r : zone_new(zone_name(w->placer->settings->site.zone), &w->zone);
}

static int set_path(struct work *w, struct error *err)
{
    const char *path = json_get_string(w->arrival, "path"), *slash;
    int r = path ? decode_percent(path, &w->path, &w->path_size) : -EINVAL;

    if (r < 0)
        return error_set(err, r, path ? path : "arrival", "is not the percent-encoded path of a source");
    slash = memrchr(w->path, '/', w->path_size);
    w->name = slash ? slash + 1 : w->path;
    w->name_size = w->path_size - (size_t)(w->name - w->path);
    return 0;
}

static void work_done(struct work *w)
{
    json_decrefp(&w->place);
    json_decrefp(&w->notes);
    zone_free(w->zone);
    free(w->path);
}

int place_work_out(const struct placer *p, const json_t *arrival, const json_t *media, const json_t *decoded,
                   int64_t received_usec, const struct place_device *device, json_t **ret_place,
                   int64_t *ret_sort, struct error *err)
{
    _cleanup_(work_done) struct work w = {.placer = p,
                                          .arrival = arrival,
                                          .media = media,
                                          .decoded = decoded,
                                          .device = device,
                                          .err = err,
                                          .received_usec = received_usec,
                                          .sidecar_source =
                                              place_is_bodyworn(arrival) ? PLACE_BODYWORN : "sidecar",
                                          .place = json_object(),
                                          .notes = json_array()};
    int64_t sort = received_usec;
    bool officer_said;
    int r = w.place && w.notes ? set_path(&w, err) : -ENOMEM;

    r = r < 0 ? r : set_zone(&w);
    r = r < 0 ? r : from_sidecar(&w);
    if (r == 0 && json_get_bool(arrival, "own", false)) /* a rule on names must not make it another's */
        r = keep_text(&w, "device", json_get_string(arrival, "device"), "device", SURE_CERTAIN);
    r = r < 0 ? r : from_rules(&w, PLACE_CERTAIN);
    officer_said = json_object_get(w.place, "officer") != NULL;
    if (r == 0 && device)
        r = keep_text(&w, "unit", device->unit, "device", SURE_CERTAIN);
    r = r < 0 ? r : from_folder(&w);
    r = r < 0 ? r : from_qr(&w);
    r = r < 0 ? r : from_rules(&w, PLACE_PROBABLE);
    r = r < 0 ? r : from_media(&w);
    r = r < 0 ? r : place_times(&w, &sort);
    r = r < 0 ? r : from_assignment(&w, officer_said);
    if (r == 0 && json_array_size(w.notes) > 0)
        r = json_set_take(w.place, "notes", TAKE_PTR(w.notes));
    if (r < 0)
        return r;
    *ret_place = TAKE_PTR(w.place);
    *ret_sort = sort;
    return 0;
}
