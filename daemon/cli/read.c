/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands that look: status, ls, show, history, quarantine ls.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/print.h"

/* ---- status ------------------------------------------------------------------------------------------------------ */

static void print_intake(const json_t *intake)
{
    const char *state = json_get_string(intake, "state"), *reason = json_get_string(intake, "reason");
    const json_t *folder;
    size_t i;

    if (!state)
        return;
    print_field("intake", "%s%s%s · %lld waiting · %lld in hand", state, reason ? ": " : "",
                reason ? reason : "", (long long)json_get_integer(intake, "waiting", 0),
                (long long)json_get_integer(intake, "in_hand", 0));
    json_array_foreach (json_get_array(intake, "folders"), i, folder)
        print_field(i ? "" : "folders", "%s  %s%s", print_text(folder, "name"), print_text(folder, "path"),
                    json_get_bool(folder, "present", true) ? "" : "  NOT THERE");
}

/* What is made of recordings, so that they can be seen. */
static void print_derive(const json_t *derive)
{
    const json_t *jobs = json_get_object(derive, "jobs"), *hardware = json_get_object(derive, "hardware");
    const char *state = json_get_string(derive, "state"), *why = json_get_string(derive, "paused"),
               *kind = json_get_string(hardware, "kind"), *said = json_get_string(hardware, "message");

    if (!state)
        return;
    print_field("derivatives", "%s%s%s · %lld waiting · %lld being made · %lld failed%s · %s", state,
                why ? ": " : "", why ? why : "", (long long)json_get_integer(jobs, "waiting", 0),
                (long long)json_get_integer(jobs, "running", 0),
                (long long)json_get_integer(jobs, "failed", 0),
                json_get_integer(jobs, "failed", 0) ? " (`liuhen jobs` says why)" : "",
                kind && strcmp(kind, "none") != 0 ? said : "in software");
    if (json_get_string(derive, "trouble"))
        print_field("", "the last one was put off: %s", json_get_string(derive, "trouble"));
}

/* The unix socket is no news to whoever asks through it. */
static void print_network(const json_t *listens)
{
    char list[1000] = "";
    const json_t *one;
    size_t i;

    json_array_foreach (listens, i, one)
        if (json_string_length(one) > 0 && *json_string_value(one) != '/')
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? " · " : "",
                     json_string_value(one));
    print_field("network", "%s", *list ? list : "closed (http in retention.yaml opens it)");
}

static void print_counts(const json_t *counts)
{
    char size[PRINT_SIZE_SIZE];

    print_field("recordings", "%lld (%s) · %lld damaged · %lld unlinked · %lld to examine",
                (long long)json_get_integer(counts, "recordings", 0),
                print_size(json_get_integer(counts, "bytes", 0), size),
                (long long)json_get_integer(counts, "damaged", 0),
                (long long)json_get_integer(counts, "unlinked", 0),
                (long long)json_get_integer(counts, "to_examine", 0));
    print_field("cases", "%lld · standing holds: %lld", (long long)json_get_integer(counts, "cases", 0),
                (long long)json_get_integer(counts, "holds", 0));
    if (json_get_integer(counts, "quarantined", 0) > 0)
        print_field("quarantine", "%lld; `liuhen quarantine ls` says why",
                    (long long)json_get_integer(counts, "quarantined", 0));
}

static void print_troubles(const json_t *troubles)
{
    const json_t *one;
    size_t i;

    json_array_foreach (troubles, i, one) {
        _cleanup_free_ char *text = print_safe(json_string_value(one));
        printf("%s", colour_on(COLOUR_RED));
        print_wrapped(2, "! ", text);
        printf("%s", colour_off());
    }
}

static void print_you(const json_t *you)
{
    char roles[100] = "";
    const json_t *role;
    size_t i;

    json_array_foreach (json_get_array(you, "roles"), i, role)
        snprintf(roles + strlen(roles), sizeof roles - strlen(roles), "%s%s", i ? ", " : "",
                 json_string_value(role));
    print_field("you", "%s (%s)", print_text(you, "name"), *roles ? roles : "no role");
}

int cli_status(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *s = NULL;
    char when[CALENDAR_TEXT_SIZE], size[PRINT_SIZE_SIZE];
    const json_t *you, *space;
    int r = cli_ask(c, "GET", "/v1/status", NULL, &s);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(s) : r;
    space = json_get_object(s, "space");
    you = json_get_object(s, "you");
    print_field("site", "%s, %s (%s)", print_text(s, "site"),
                print_time(c->zone, json_get_integer(s, "now", 0), true, when), print_text(s, "zone"));
    print_field("daemon", "liuhend %s since %s", print_text(s, "version"),
                print_time(c->zone, json_get_integer(s, "started", 0), false, when));
    print_field("archive", "%s, %s free; catalogue in %s", print_text(s, "archive"),
                print_size(json_get_integer(space, "bytes_free", 0), size), print_text(s, "catalogue"));
    print_intake(json_get_object(s, "intake"));
    print_derive(json_get_object(s, "derive"));
    print_network(json_get_array(s, "listens"));
    print_counts(json_get_object(s, "counts"));
    print_field("ledger", "%lld acts", (long long)json_get_integer(s, "leaves", 0));
    print_field("policy", "%s, version %s", print_text(s, "policy"), print_text(s, "policy_version"));
    print_you(you);
    print_troubles(json_get_array(s, "troubles"));
    return CLI_OK;
}

/* ---- ls ---------------------------------------------------------------------------------------------------------- */

static const struct table_column ls_columns[] = {
    {"ID", 0, 0},     {"RECORDED", 0, 0}, {"KIND", 0, 2},  {"SIZE", TABLE_RIGHT, 1}, {"FLAGS", 0, 3},
    {"DEVICE", 0, 5}, {"OFFICER", 0, 6},  {"CLASS", 0, 4}, {"KEEP UNTIL", 0, 4},     {"NAME", TABLE_FLEX, 0},
};

static void flags_of(const json_t *r, char out[8])
{
    const char *status = print_text(r, "status");
    size_t n = 0;

    if (strcmp(status, "damaged") == 0)
        out[n++] = 'D';
    if (strcmp(status, "unknown") == 0)
        out[n++] = '?';
    if (strcmp(status, "new") == 0)
        out[n++] = 'N';
    if (json_get_integer(r, "links", 0) > 0)
        out[n++] = 'L';
    if (json_get_integer(r, "held", 0) > 0)
        out[n++] = 'H';
    if (!json_get_string(r, "class"))
        out[n++] = 'U';
    out[n] = '\0';
}

/* "2026-11-23", "permanent", "case"; when the keeping ends. */
static const char *until_of(const struct zone *z, const json_t *r, char out[CALENDAR_TEXT_SIZE])
{
    const char *ending = json_get_string(r, "ending");

    if (!ending)
        return "-";
    if (strcmp(ending, "date") != 0)
        return ending;
    calendar_format_date(z, json_get_integer(r, "until", 0), out);
    return out;
}

static void add_recording(struct table *t, const struct cli *c, const json_t *r)
{
    char when[CALENDAR_TEXT_SIZE], until[CALENDAR_TEXT_SIZE], size[PRINT_SIZE_SIZE], flags[8];

    flags_of(r, flags);
    table_cell(t, COLOUR_BLUE, print_text(r, "id"));
    table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(r, "sort", 0), false, when));
    table_cell(t, COLOUR_NONE, print_text(r, "kind"));
    table_cell(t, COLOUR_NONE, print_size(json_get_integer(r, "bytes", 0), size));
    table_cell(t, strchr(flags, 'D') ? COLOUR_RED : COLOUR_NONE, flags);
    table_cell(t, COLOUR_NONE, json_get_string(r, "device"));
    table_cell(t, COLOUR_NONE, json_get_string(r, "officer"));
    table_cell(t, COLOUR_NONE, json_get_string(r, "class"));
    table_cell(t, COLOUR_NONE, until_of(c->zone, r, until));
    table_cell(t, COLOUR_NONE, print_text(r, "name"));
}

void list_recordings(const struct cli *c, const json_t *page, bool first)
{
    _cleanup_(table_freep) struct table *t = table_new(ls_columns, ARRAY_SIZE(ls_columns));
    const json_t *r;
    size_t i;

    json_array_foreach (page, i, r)
        add_recording(t, c, r);
    table_print(t, first);
}

int cli_ls(struct cli *c, int argc, char **argv)
{
    static const char *const params[] = {"case", "device", "officer", "unit",     "kind", "class",    "take",
                                         "from", "to",     "damaged", "unlinked", "held", "undecided"};
    _cleanup_free_ char *target = strdup("/v1/recordings");
    int64_t limit;
    int r = list_limit_of(c, &limit);

    for (size_t i = 0; r == CLI_OK && c->command->options[i].name; i++)
        if (c->command->options[i].value && c->values[i] && !*c->values[i])
            r = cli_fail(CLI_USAGE, c->command->options[i].name,
                         "is empty; give --%s a value, or leave it out to get all",
                         c->command->options[i].name);
    for (size_t i = 0; r == CLI_OK && i < ARRAY_SIZE(params); i++) {
        const char *value = cli_option(c, params[i]);
        if (!target || client_add_param(&target, params[i], value && !*value ? "1" : value) < 0)
            return cli_fail(CLI_BUSY, "", "out of memory");
    }
    return r != CLI_OK
               ? r
               : list_pages(c, target, "recordings", limit, list_recordings, "no recording is like that");
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

/* A placed fact: value, and where it comes from. */
static void print_place(const struct cli *c, const json_t *place, const char *key)
{
    const json_t *fact = json_get_object(place, key), *value = json_object_get(fact, "value");
    char when[CALENDAR_TEXT_SIZE];

    if (!value)
        return;
    print_field(key, "%s  (%s, %s)",
                json_is_integer(value) ? print_time(c->zone, json_integer_value(value), true, when)
                                       : json_string_value(value),
                print_text(fact, "source"), print_text(fact, "certainty"));
}

/* "video h264 1280x720 50/1, 779 kbit/s" */
static void print_stream(const json_t *stream)
{
    int64_t width = json_get_integer(stream, "width", 0), rate = json_get_integer(stream, "sample_rate", 0);
    char size[40] = "", sound[40] = "";

    if (width)
        snprintf(size, sizeof size, " %lldx%lld", (long long)width,
                 (long long)json_get_integer(stream, "height", 0));
    if (rate)
        snprintf(sound, sizeof sound, " %lld Hz, %lld channel%s", (long long)rate,
                 (long long)json_get_integer(stream, "channels", 1),
                 json_get_integer(stream, "channels", 1) == 1 ? "" : "s");
    print_field("stream", "%s %s%s%s%s%s", print_text(stream, "type"), print_text(stream, "codec"), size,
                json_get_string(stream, "rate") && width ? " " : "",
                json_get_string(stream, "rate") && width ? json_get_string(stream, "rate") : "", sound);
}

/* What examining found; the well-known members in words, others as they are. */
static void print_media(const json_t *media)
{
    static const char *const elsewhere[] = {"bytes",         "lock",   "streams", "container",
                                            "duration_usec", "damage", "tags"};
    int64_t usec = json_get_integer(media, "duration_usec", 0);
    char length[PRINT_LENGTH_SIZE];
    const json_t *value;
    const char *key;
    size_t i;

    if (json_get_string(media, "container"))
        print_field("container", "%s", print_text(media, "container"));
    if (usec)
        print_field("duration", "%s", print_length(usec, true, length));
    json_array_foreach (json_get_array(media, "streams"), i, value)
        print_stream(value);
    json_array_foreach (json_get_array(media, "damage"), i, value)
        print_field(i ? "" : "damage", "%s", json_string_value(value));
    json_object_foreach ((json_t *)json_object_get(media, "tags"), key, value)
        if (json_is_string(value))
            print_field("tag", "%s: %s", key, json_string_value(value));
    json_object_foreach ((json_t *)media, key, value) {
        _cleanup_free_ char *text = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
        bool known = false;
        for (i = 0; i < ARRAY_SIZE(elsewhere); i++)
            known = known || strcmp(key, elsewhere[i]) == 0;
        if (!known && (text || json_canonical(value, &text) == 0))
            print_field(key, "%s", text);
    }
}

static void print_links(const struct cli *c, const json_t *s)
{
    char when[CALENDAR_TEXT_SIZE];
    const json_t *one;
    size_t i;

    json_array_foreach (json_get_array(s, "cases"), i, one)
        print_field("case", "%s  as %s%s%s (%s, %s)", print_text(one, "number"), print_text(one, "role"),
                    json_get_string(one, "step") ? ", step " : "",
                    json_get_string(one, "step") ? json_get_string(one, "step") : "",
                    print_text(one, "procedure"), print_text(one, "state"));
    json_array_foreach (json_get_array(s, "hold_list"), i, one)
        print_field("hold", "%s  %s since %s by %s%s", print_text(one, "id"), print_text(one, "ground"),
                    print_time(c->zone, json_get_integer(one, "placed", 0), false, when),
                    print_text(one, "placed_by"), json_object_get(one, "lifted") ? " (lifted)" : "");
}

static void print_kept(const struct cli *c, const json_t *s)
{
    const char *ending = json_get_string(s, "ending");
    char day[CALENDAR_TEXT_SIZE];

    if (!ending) {
        print_field("kept", "not decided yet");
        return;
    }
    print_field("kept", "%s%s (class %s); `liuhen explain` says why",
                strcmp(ending, "date") == 0   ? "until "
                : strcmp(ending, "case") == 0 ? "as long as its case file"
                                              : "permanently",
                strcmp(ending, "date") == 0 ? until_of(c->zone, s, day) : "", print_text(s, "class"));
}

int cli_show(struct cli *c, int argc, char **argv)
{
    static const char *const placed[] = {"device", "officer", "unit", "case_number", "started", "ended"};
    _cleanup_free_ char *target = client_target("/v1/recordings/", argv[0], NULL);
    char when[CALENDAR_TEXT_SIZE], size[PRINT_SIZE_SIZE];
    _cleanup_json_ json_t *s = NULL;
    const char *message;
    const json_t *one;
    size_t i;
    int r = cli_ask(c, "GET", target, NULL, &s);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(s) : r;
    message = json_get_string(s, "message");
    if (json_get_array(json_get_object(s, "media"), "damage"))
        message = NULL; /* it is made of those, which stand below */
    print_field("recording", "%s", print_text(s, "id"));
    print_field("name", "%s", print_text(s, "name"));
    print_field("kind", "%s, %s (%lld bytes), %s%s%s", print_text(s, "kind"),
                print_size(json_get_integer(s, "bytes", 0), size), (long long)json_get_integer(s, "bytes", 0),
                print_text(s, "status"), message ? ": " : "", message ? message : "");
    print_field("sha256", "%s", print_text(s, "digest"));
    if (json_get_string(s, "sm3"))
        print_field("sm3", "%s", print_text(s, "sm3"));
    print_field("sealed", "%s, leaf %lld",
                print_time(c->zone, json_get_integer(s, "received", 0), true, when),
                (long long)json_get_integer(s, "leaf", 0));
    json_array_foreach (json_get_array(s, "arrivals"), i, one)
        print_field(i ? "again" : "arrived", "%s  %s  %s",
                    print_time(c->zone, json_get_integer(one, "time", 0), true, when),
                    print_text(one, "door"), print_text(one, "path"));
    for (i = 0; i < ARRAY_SIZE(placed); i++)
        print_place(c, json_get_object(s, "place"), placed[i]);
    if (json_get_string(s, "take"))
        print_field("take", "%s", print_text(s, "take"));
    json_array_foreach (json_get_array(json_get_object(s, "place"), "notes"), i, one)
        print_field("note", "%s", json_string_value(one));
    print_bodyworn(c, s);
    print_links(c, s);
    print_kept(c, s);
    print_media(json_get_object(s, "media"));
    print_derived(c, s);
    return CLI_OK;
}

/* ---- history, quarantine ----------------------------------------------------------------------------------------- */

static void print_history(const struct cli *c, const json_t *page, bool first)
{
    static const struct table_column columns[] = {
        {"LEAF", TABLE_RIGHT, 2}, {"WHEN", 0, 0}, {"WHO", 0, 1}, {"WHAT", TABLE_FLEX, 0}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    char when[CALENDAR_TEXT_SIZE], leaf[24];
    const json_t *act;
    size_t i;

    json_array_foreach (page, i, act) {
        snprintf(leaf, sizeof leaf, "%lld", (long long)json_get_integer(act, "index", 0));
        table_cell(t, COLOUR_NONE, leaf);
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(act, "time", 0), false, when));
        table_cell(t, COLOUR_NONE, print_text(act, "actor"));
        table_cell(t, COLOUR_NONE, print_text(act, "text"));
    }
    table_print(t, first);
}

int cli_history(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = client_target("/v1/recordings/", argv[0], "/history");

    return target ? list_pages(c, target, "acts", LIST_ALL, print_history, "no act is published yet")
                  : cli_fail(CLI_BUSY, "", "out of memory");
}

int cli_quarantine_ls(struct cli *c, int argc, char **argv)
{
    static const struct table_column columns[] = {
        {"NAME IN quarantine/", TABLE_FLEX, 0}, {"SIZE", TABLE_RIGHT, 1}, {"WHY", TABLE_FLEX, 0}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    _cleanup_json_ json_t *s = NULL;
    char size[PRINT_SIZE_SIZE];
    const json_t *item;
    size_t i;
    int r = cli_ask(c, "GET", "/v1/quarantine", NULL, &s);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(s) : r;
    json_array_foreach (json_get_array(s, "quarantine"), i, item) {
        const char *reason = json_get_string(json_get_object(item, "reason"), "reason");
        table_cell(t, COLOUR_NONE, print_text(item, "name"));
        table_cell(t, COLOUR_NONE, print_size(json_get_integer(item, "bytes", 0), size));
        table_cell(t, COLOUR_NONE, reason ? reason : "no reason file beside it");
    }
    if (table_rows(t) == 0)
        puts("nothing is in quarantine");
    else
        table_print(t, true);
    if (json_get_bool(s, "more", false) && fflush(stdout) == 0)
        fprintf(stderr, "… and more; the archive's folder quarantine/ has them all\n");
    return CLI_OK;
}
