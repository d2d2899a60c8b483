/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about devices. Enrolling is in device-enrol.c.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

/* "+12 s", "-3 min": a camera's clock minus ours; "-" when it was never measured. */
static const char *print_offset(const json_t *device, char out[32])
{
    int64_t usec = json_get_integer(device, "clock_offset", 0), size = llabs(usec);
    const char *sign = usec < 0 ? "-" : "+";

    if (!json_object_get(device, "clock_offset"))
        return "-";
    if (size < 2 * USEC_PER_SEC)
        snprintf(out, 32, "%s%.1f s", sign, (double)size / USEC_PER_SEC);
    else if (size < 3 * USEC_PER_MIN)
        snprintf(out, 32, "%s%" PRId64 " s", sign, size / USEC_PER_SEC);
    else if (size < 3 * USEC_PER_HOUR)
        snprintf(out, 32, "%s%" PRId64 " min", sign, size / USEC_PER_MIN);
    else if (size < 3 * USEC_PER_DAY)
        snprintf(out, 32, "%s%" PRId64 " h", sign, size / USEC_PER_HOUR);
    else
        snprintf(out, 32, "%s%" PRId64 " days", sign, size / USEC_PER_DAY);
    return out;
}

/* "silent, clock"; "" for none. Not longer than the names that there are. */
static const char *print_alarms(const json_t *device, char out[64])
{
    const json_t *alarm;
    size_t i;

    *out = 0;
    json_array_foreach (json_get_array(device, "alarms"), i, alarm)
        snprintf(out + strlen(out), 64 - strlen(out), "%s%s", i ? ", " : "", json_string_value(alarm));
    return out;
}

int cli_device_list(struct cli *c, int argc, char **argv)
{
    static const struct table_column columns[] = {
        {"SERIAL", 0, 0},         {"KIND", 0, 5},      {"NAME", TABLE_FLEX, 3}, {"OFFICER", 0, 2},
        {"UNIT", 0, 4},           {"LAST SEEN", 0, 1}, {"CLOCK", 0, 3},         {"FILES", TABLE_RIGHT, 4},
        {"KEYS", TABLE_RIGHT, 6}, {"ALARMS", 0, 0}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    _cleanup_json_ json_t *answer = NULL;
    char text[CALENDAR_TEXT_SIZE], offset[32], alarms[64];
    const json_t *d;
    size_t i;
    int r = cli_ask(c, "GET", "/v1/devices", NULL, &answer);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(answer) : r;
    json_array_foreach (json_get_array(answer, "devices"), i, d) {
        bool retired = json_object_get(d, "retired") != NULL;

        if (retired && !cli_option(c, "all"))
            continue;
        table_cell(t, retired ? COLOUR_DIM : COLOUR_BLUE, print_text(d, "serial"));
        table_cell(t, COLOUR_NONE, print_text(d, "kind"));
        table_cell(t, COLOUR_NONE, json_get_string(d, "name"));
        table_cell(t, COLOUR_NONE, json_get_string(d, "officer"));
        table_cell(t, COLOUR_NONE, json_get_string(d, "unit"));
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(d, "last_seen", 0), false, text));
        table_cell(t, COLOUR_NONE, print_offset(d, offset));
        snprintf(text, sizeof text, "%lld", (long long)json_get_integer(d, "arrivals", 0));
        table_cell(t, COLOUR_NONE, text);
        snprintf(text, sizeof text, "%lld", (long long)json_get_integer(d, "good_keys", 0));
        table_cell(t, COLOUR_NONE, text);
        table_cell(t, COLOUR_RED, retired ? "out of use" : print_alarms(d, alarms));
    }
    if (table_rows(t) == 0)
        fprintf(stderr, "no device is registered; `liuhen device add SERIAL` does it\n");
    else
        table_print(t, true);
    return CLI_OK;
}

static void print_time_field(const struct cli *c, const json_t *d, const char *key, const char *label)
{
    char when[CALENDAR_TEXT_SIZE];

    if (json_object_get(d, key))
        print_field(label, "%s", print_time(c->zone, json_get_integer(d, key, 0), true, when));
}

static void print_assignments(const struct cli *c, const json_t *list)
{
    static const struct table_column columns[] = {{"OFFICER", 0, 0}, {"FROM", 0, 0}, {"UNTIL", 0, 0}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    char text[CALENDAR_TEXT_SIZE];
    const json_t *a;
    size_t i;

    json_array_foreach (list, i, a) {
        table_cell(t, COLOUR_NONE, print_text(a, "officer"));
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(a, "from", 0), false, text));
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(a, "until", 0), false, text));
    }
    if (i > 0) {
        putchar('\n');
        table_print(t, true);
    }
}

static void print_keys(const struct cli *c, const json_t *list)
{
    static const struct table_column columns[] = {
        {"KEY", 0, 0},   {"KIND", 0, 0},    {"LABEL", TABLE_FLEX, 2},
        {"ADDED", 0, 3}, {"EXPIRES", 0, 1}, {"REVOKED", 0, 0}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    static const char *const times[] = {"added", "expires", "revoked"};
    char text[CALENDAR_TEXT_SIZE];
    const json_t *k;
    size_t i;

    json_array_foreach (list, i, k) {
        table_cell(t, COLOUR_BLUE, print_text(k, "id"));
        table_cell(t, COLOUR_NONE, print_text(k, "kind"));
        table_cell(t, COLOUR_NONE, json_get_string(k, "label"));
        for (size_t n = 0; n < ARRAY_SIZE(times); n++)
            table_cell(t, n == 2 ? COLOUR_RED : COLOUR_NONE,
                       print_time(c->zone, json_get_integer(k, times[n], 0), false, text));
    }
    if (i > 0) {
        putchar('\n');
        table_print(t, true);
    }
}

static void print_device(const struct cli *c, const json_t *d)
{
    static const char *const texts[] = {"name", "kind", "unit", "officer", "timezone"};
    char offset[32], alarms[64], size[PRINT_SIZE_SIZE], when[CALENDAR_TEXT_SIZE];

    print_field("device", "%s", print_text(d, "serial"));
    print_field("id", "%s", print_text(d, "id"));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (json_get_string(d, texts[i]))
            print_field(texts[i], "%s", print_text(d, texts[i]));
    if (json_object_get(d, "quota"))
        print_field("quota", "%s a day", print_size(json_get_integer(d, "quota", 0), size));
    if (json_object_get(d, "rate"))
        print_field("rate", "%lld requests a minute", (long long)json_get_integer(d, "rate", 0));
    print_time_field(c, d, "added", "added");
    print_time_field(c, d, "retired", "out of use");
    print_time_field(c, d, "last_seen", "last seen");
    print_field("files", "%lld", (long long)json_get_integer(d, "arrivals", 0));
    if (json_object_get(d, "clock_offset"))
        print_field("clock", "%s, measured %s", print_offset(d, offset),
                    print_time(c->zone, json_get_integer(d, "clock_measured", 0), false, when));
    if (*print_alarms(d, alarms))
        print_field("alarms", "%s%s%s", colour_on(COLOUR_RED), alarms, colour_off());
    print_assignments(c, json_get_array(d, "assignments"));
    print_keys(c, json_get_array(d, "keys"));
}

/* Sends a request about a device and shows it as it is then. Takes target and body. */
static int ask_and_show(struct cli *c, const char *method, char *target, json_t *body)
{
    _cleanup_free_ char *owned = target;
    _cleanup_json_ json_t *d = NULL;
    int r = cli_ask(c, method, target, body, &d);

    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(d);
    print_device(c, d);
    return CLI_OK;
}

static char *target_of(const char *device, const char *suffix)
{
    return print_must(client_target("/v1/devices/", device, suffix));
}

int cli_device_show(struct cli *c, int argc, char **argv)
{
    return ask_and_show(c, "GET", target_of(argv[0], NULL), NULL);
}

int cli_device_add(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *body = NULL;
    int r = cli_body_of_options(c, &body);

    r = r != CLI_OK ? r : cli_put(body, "serial", argv[0]);
    return r != CLI_OK ? r : ask_and_show(c, "POST", print_must(strdup("/v1/devices")), TAKE_PTR(body));
}

int cli_device_set(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *body = NULL;
    int r = cli_body_of_options(c, &body);

    return r != CLI_OK ? r : ask_and_show(c, "PATCH", target_of(argv[0], NULL), TAKE_PTR(body));
}

int cli_device_assign(struct cli *c, int argc, char **argv)
{
    bool nobody = cli_option(c, "nobody") != NULL, remove = cli_option(c, "remove") != NULL;
    _cleanup_json_ json_t *body = json_object();
    int r;

    if ((argc == 2) + nobody + remove != 1)
        return cli_fail(CLI_USAGE, "device assign", "give either an officer, --nobody or --remove");
    if (remove && (!cli_option(c, "from") || cli_option(c, "until")))
        return cli_fail(
            CLI_USAGE, "device assign",
            "--remove needs --from alone: when the assignment begins; `liuhen device show` lists them");
    r = cli_put(body, "from", cli_option(c, "from"));
    r = r != CLI_OK || remove ? r : cli_put(body, "until", cli_option(c, "until"));
    r = r != CLI_OK || remove ? r : cli_put(body, "officer", nobody ? "" : argv[1]);
    return r != CLI_OK ? r
                       : ask_and_show(c, "POST", target_of(argv[0], remove ? "/unassign" : "/assign"),
                                      TAKE_PTR(body));
}

int cli_device_token(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = target_of(argv[0], "/token");
    _cleanup_json_ json_t *body = NULL, *answer = NULL;
    int r = cli_body_of_options(c, &body);

    r = r != CLI_OK ? r : cli_ask(c, "POST", target, TAKE_PTR(body), &answer);
    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    puts(print_text(answer, "token"));
    if (fflush(stdout) == 0)
        fprintf(stderr, "This is the token of %s, key %s. It is shown this once and kept nowhere.\n",
                print_text(json_get_object(answer, "device"), "serial"), print_text(answer, "key"));
    return CLI_OK;
}

int cli_device_revoke(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *body = NULL;
    int r = cli_body_of_options(c, &body);

    r = r != CLI_OK ? r : cli_put(body, "key", argv[1]);
    return r != CLI_OK ? r : ask_and_show(c, "POST", target_of(argv[0], "/revoke"), TAKE_PTR(body));
}

int cli_device_retire(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *body = NULL;
    int r = cli_body_of_options(c, &body);

    return r != CLI_OK ? r : ask_and_show(c, "POST", target_of(argv[0], "/retire"), TAKE_PTR(body));
}

int cli_device_return(struct cli *c, int argc, char **argv)
{
    return ask_and_show(c, "POST", target_of(argv[0], "/return"), json_object());
}

int cli_device_gaps(struct cli *c, int argc, char **argv)
{
    static const struct table_column columns[] = {
        {"FROM", TABLE_RIGHT, 0}, {"TO", TABLE_RIGHT, 0}, {"MISSING", TABLE_RIGHT, 0},
        {"AFTER", 0, 1},          {"BEFORE", 0, 1},       {"CHANNEL", 0, 2}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    static const char *const numbers[] = {"from", "to", "missing"}, *const times[] = {"after", "before"};
    _cleanup_free_ char *target = target_of(argv[0], "/gaps");
    _cleanup_json_ json_t *answer = NULL;
    char text[CALENDAR_TEXT_SIZE];
    const json_t *g;
    size_t i;
    int r = client_add_param(&target, "since", cli_option(c, "since")) < 0
                ? cli_fail(CLI_BUSY, "", "out of memory")
                : cli_ask(c, "GET", target, NULL, &answer);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(answer) : r;
    json_array_foreach (json_get_array(answer, "gaps"), i, g) {
        for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
            snprintf(text, sizeof text, "%lld", (long long)json_get_integer(g, numbers[n], 0));
            table_cell(t, COLOUR_NONE, text);
        }
        for (size_t n = 0; n < ARRAY_SIZE(times); n++)
            table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(g, times[n], 0), false, text));
        table_cell(t, COLOUR_NONE, json_get_string(g, "channel"));
    }
    if (i > 0)
        table_print(t, true);
    if (fflush(stdout) == 0)
        fprintf(stderr, "%lld numbers are missing in %lld numbered recordings%s\n",
                (long long)json_get_integer(answer, "missing", 0),
                (long long)json_get_integer(answer, "recordings", 0),
                json_get_bool(answer, "more", false) ? "; not all are listed" : "");
    return CLI_OK;
}
