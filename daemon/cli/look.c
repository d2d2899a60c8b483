/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands for looking at footage: an address for a browser, the jobs that make what is shown there, and what `show` says of both.
 */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/print.h"

#define WAIT_USEC 300000

/* ---- open ---------------------------------------------------------------------------------------------------------------- */

static const json_t *find_named(const json_t *derived, const char *list, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach (json_get_array(derived, list), i, one)
        if (strcmp(print_text(one, "name"), name) == 0)
            return one;
    return NULL;
}

/* What there is now that no more is to come. name: what is wanted of it, NULL = something to look at. */
static int judge_viewable(const json_t *derived, const char *recording, const char *name)
{
    const char *nothing = json_get_string(derived, "nothing");

    if (nothing)
        return cli_fail(CLI_NO, recording,
                        "nothing of it can be shown, because %s; the original is kept untouched: `liuhen get "
                        "%s` fetches it",
                        nothing, recording);
    if (name && !find_named(derived, "files", name)) {
        const char *why = json_get_string(find_named(derived, "missing", name), "message");
        return cli_fail(CLI_NO, recording, "there is no %s of it%s%s; `liuhen show %s` lists what there is",
                        name, why ? ": " : "", why ? why : "", recording);
    }
    return CLI_OK;
}

/* Waits until there is something to look at. Return: an exit code; CLI_NO when there never will be. */
static int wait_viewable(struct cli *c, const char *recording, const char *name)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/recordings/", recording, "/derivatives"));

    if (name && strcmp(name, "original") == 0)
        return CLI_OK;
    for (;;) {
        _cleanup_json_ json_t *derived = NULL;
        const char *state;
        int r = cli_ask(c, "GET", target, NULL, &derived);

        if (r != CLI_OK)
            return r;
        state = print_text(derived, "state");
        if (strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0)
            return judge_viewable(derived, recording, name);
        usleep(WAIT_USEC);
    }
}

int cli_open(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/recordings/", argv[0], "/open"));
    _cleanup_json_ json_t *body = json_object(), *answer = NULL;
    int r = cli_put(body, "name", cli_option(c, "name"));

    r = r != CLI_OK ? r : cli_ask(c, "POST", target, TAKE_PTR(body), &answer);
    if (r == CLI_OK && cli_option(c, "wait"))
        r = wait_viewable(c, print_text(answer, "recording"), cli_option(c, "name"));
    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(answer) : r;
    puts(print_text(answer, "url"));
    return CLI_OK;
}

/* ---- jobs ---------------------------------------------------------------------------------------------------------------- */

static void print_jobs(const struct cli *c, const json_t *page, bool first)
{
    static const struct table_column columns[] = {{"JOB", 0, 0},   {"RECORDING", 0, 1},       {"WORK", 0, 1},
                                                  {"STATE", 0, 0}, {"DONE", TABLE_RIGHT, 2},  {"ASKED", 0, 3},
                                                  {"WHO", 0, 4},   {"MESSAGE", TABLE_FLEX, 2}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    char when[CALENDAR_TEXT_SIZE], done[32];
    const json_t *j;
    size_t i;

    json_array_foreach (page, i, j) {
        const char *state = print_text(j, "state"), *form = json_get_string(j, "form");
        int64_t permille = json_get_integer(j, "progress_permille", -1);

        table_cell(t, COLOUR_BLUE, print_text(j, "id"));
        table_cell(t, COLOUR_NONE, print_text(j, "recording"));
        table_cell(t, COLOUR_NONE, form ? form : print_text(j, "kind"));
        table_cell(t, strcmp(state, "failed") == 0 ? COLOUR_RED : COLOUR_NONE, state);
        snprintf(done, sizeof done, "%lld %%", (long long)(permille / 10));
        table_cell(t, COLOUR_NONE, permille >= 0 && strcmp(state, "running") == 0 ? done : NULL);
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(j, "created", 0), false, when));
        table_cell(t, COLOUR_NONE, json_get_string(j, "actor"));
        table_cell(t, COLOUR_NONE, json_get_string(j, "message"));
    }
    table_print(t, first);
}

int cli_jobs(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = print_must(strdup("/v1/jobs"));
    int64_t limit;
    int r = list_limit_of(c, &limit);

    if (r == CLI_OK && client_add_param(&target, "state", cli_option(c, "state")) < 0)
        r = cli_fail(CLI_BUSY, "", "out of memory");
    return r != CLI_OK ? r : list_pages(c, target, "jobs", limit, print_jobs, "there is no such job");
}

int cli_jobs_show(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/jobs/", argv[0], NULL));
    _cleanup_json_ json_t *job = NULL;
    int r = cli_ask(c, "GET", target, NULL, &job);
    const char *form = json_get_string(job, "form");
    char when[CALENDAR_TEXT_SIZE];

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(job) : r;
    print_field("job", "%s", print_text(job, "id"));
    print_field("recording", "%s", print_text(job, "recording"));
    print_field("work", "%s", form ? form : print_text(job, "kind"));
    print_field("state", "%s", print_text(job, "state"));
    if (json_get_integer(job, "progress_permille", -1) >= 0 &&
        strcmp(print_text(job, "state"), "running") == 0)
        print_field("done", "%lld %%", (long long)(json_get_integer(job, "progress_permille", 0) / 10));
    print_field("asked", "%s", print_time(c->zone, json_get_integer(job, "created", 0), true, when));
    if (json_get_string(job, "actor"))
        print_field("by", "%s", print_text(job, "actor"));
    if (json_get_string(job, "reason"))
        print_field("reason", "%s", print_text(job, "reason"));
    if (json_get_string(job, "message"))
        print_field("message", "%s", print_text(job, "message"));
    return CLI_OK;
}

int cli_jobs_cancel(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/jobs/", argv[0], "/cancel"));
    _cleanup_json_ json_t *job = NULL;
    int r = cli_ask(c, "POST", target, NULL, &job);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(job) : r;
    printf("%s: %s\n", print_text(job, "id"), print_text(job, "state"));
    return CLI_OK;
}

int cli_jobs_again(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/recordings/", argv[0], "/again"));
    _cleanup_json_ json_t *derived = NULL;
    int r = cli_ask(c, "POST", target, NULL, &derived);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(derived) : r;
    printf("%s: %s\n", print_text(derived, "recording"), print_text(derived, "state"));
    return CLI_OK;
}

/* ---- what show says ------------------------------------------------------------------------------------------------------ */

/* "0:05–0:09, 1:00–1:02 and 4 more": spans of microseconds; lengths: the second number is a length. */
static void print_spans(const char *label, const json_t *list, bool lengths)
{
    char text[8 * 2 * (PRINT_LENGTH_SIZE + 4)] = "", first[PRINT_LENGTH_SIZE], last[PRINT_LENGTH_SIZE];
    const json_t *one;
    size_t i, n = json_array_size(list);

    json_array_foreach (list, i, one) {
        int64_t from = json_integer_value(json_array_get(one, 0));
        int64_t to = json_integer_value(json_array_get(one, 1)) + (lengths ? from : 0);

        if (i == 8)
            break;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s–%s", i ? ", " : "",
                 print_length(from, false, first), print_length(to, false, last));
    }
    if (n > 8)
        print_field(label, "%s and %zu more", text, n - 8);
    else if (n > 0)
        print_field(label, "%s", text);
}

static void print_trail(const json_t *trail)
{
    const json_t *first = json_get_object(trail, "first"), *last = json_get_object(trail, "last");

    if (json_get_integer(trail, "points", 0) > 0)
        print_field("trail", "%lld points, %.6f %.6f to %.6f %.6f",
                    (long long)json_get_integer(trail, "points", 0),
                    (double)json_get_integer(first, "lat_e7", 0) / 1e7,
                    (double)json_get_integer(first, "lon_e7", 0) / 1e7,
                    (double)json_get_integer(last, "lat_e7", 0) / 1e7,
                    (double)json_get_integer(last, "lon_e7", 0) / 1e7);
}

/* What decoding showed. */
static void print_decoded(const json_t *d)
{
    const json_t *one;
    size_t i;

    json_array_foreach (json_get_array(d, "qr"), i, one)
        print_field("qr", "%s", json_string_value(one));
    if (json_get_string(d, "signed"))
        print_field("signed", "%s", print_text(d, "signed"));
    if (json_get_string(d, "rate"))
        print_field("frame rate", "%s", print_text(d, "rate"));
    print_spans("gaps", json_get_array(d, "gaps"), true);
    print_spans("black", json_get_array(d, "black"), false);
    print_spans("silence", json_get_array(d, "silence"), false);
    if (json_get_bool(d, "truncated", false))
        print_field("truncated", "yes");
    if (json_get_bool(d, "key_pictures_only", false))
        print_field("looked at", "key pictures only: damage between them would not be seen");
    print_trail(json_get_object(d, "trail"));
}

void print_derived(struct cli *c, const json_t *shown)
{
    _cleanup_free_ char *target =
        print_must(client_target("/v1/recordings/", print_text(shown, "id"), "/derivatives"));
    _cleanup_json_ json_t *derived = NULL;
    const char *nothing, *message;
    char size[PRINT_SIZE_SIZE];
    const json_t *file;
    size_t i;

    print_decoded(json_get_object(shown, "decoded"));
    if (cli_ask(c, "GET", target, NULL, &derived) != CLI_OK)
        return;
    nothing = json_get_string(derived, "nothing");
    message = json_get_string(derived, "message");
    if (nothing)
        print_field("to look at", "nothing, because %s", nothing);
    else
        print_field("to look at", "%s%s%s", print_text(derived, "state"), message ? ": " : "",
                    message ? message : "");
    json_array_foreach (json_get_array(derived, "files"), i, file)
        print_field("", "%s  %s  %s", print_text(file, "name"),
                    print_size(json_get_integer(file, "bytes", 0), size),
                    json_get_string(file, "how") ? json_get_string(file, "how") : "");
}
