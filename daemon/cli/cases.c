/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about cases, links and holds.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/print.h"

static void print_case(const struct cli *c, const json_t *s)
{
    static const char *const times[] = {"opened", "ended", "filed"};
    char when[CALENDAR_TEXT_SIZE], size[PRINT_SIZE_SIZE];

    print_field("case", "%s", print_text(s, "number"));
    print_field("id", "%s", print_text(s, "id"));
    if (json_get_string(s, "title"))
        print_field("title", "%s", print_text(s, "title"));
    print_field("procedure", "%s", print_text(s, "procedure"));
    print_field("state", "%s", print_text(s, "state"));
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        if (json_object_get(s, times[i]))
            print_field(times[i], "%s", print_time(c->zone, json_get_integer(s, times[i], 0), true, when));
    print_field(
        "recordings", "%lld, %lld of them evidence, %s", (long long)json_get_integer(s, "recordings", 0),
        (long long)json_get_integer(s, "evidence", 0), print_size(json_get_integer(s, "bytes", 0), size));
}

/* Sends a change to a case, or a new one's number, with the options, and shows the case. Takes target. */
static int change_case(struct cli *c, const char *method, char *target, const char *number)
{
    _cleanup_free_ char *owned = target;
    _cleanup_json_ json_t *s = NULL, *body = NULL;
    int r = cli_body_of_options(c, &body);

    r = r != CLI_OK ? r : cli_put(body, "number", number);
    r = r != CLI_OK ? r : cli_ask(c, method, target, TAKE_PTR(body), &s);
    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(s);
    print_case(c, s);
    return CLI_OK;
}

int cli_case_add(struct cli *c, int argc, char **argv)
{
    return change_case(c, "POST", strdup("/v1/cases"), argv[0]);
}

int cli_case_set(struct cli *c, int argc, char **argv)
{
    return change_case(c, "PATCH", client_target("/v1/cases/", argv[0], NULL), NULL);
}

int cli_case_end(struct cli *c, int argc, char **argv)
{
    return change_case(c, "POST", client_target("/v1/cases/", argv[0], "/end"), NULL);
}

int cli_case_file(struct cli *c, int argc, char **argv)
{
    return change_case(c, "POST", client_target("/v1/cases/", argv[0], "/file"), NULL);
}

int cli_case_reopen(struct cli *c, int argc, char **argv)
{
    return change_case(c, "POST", client_target("/v1/cases/", argv[0], "/reopen"), NULL);
}

static void list_cases(const struct cli *c, const json_t *page, bool first)
{
    static const struct table_column columns[] = {{"NUMBER", 0, 0},
                                                  {"STATE", 0, 0},
                                                  {"PROCEDURE", 0, 2},
                                                  {"OPENED", 0, 1},
                                                  {"ENDED", 0, 4},
                                                  {"FILED", 0, 4},
                                                  {"RECORDINGS", TABLE_RIGHT, 1},
                                                  {"HOLDS", TABLE_RIGHT, 3},
                                                  {"TITLE", TABLE_FLEX, 2}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    static const char *const times[] = {"opened", "ended", "filed"};
    char text[CALENDAR_TEXT_SIZE];
    const json_t *row;
    size_t i;

    json_array_foreach (page, i, row) {
        table_cell(t, COLOUR_BLUE, print_text(row, "number"));
        table_cell(t, COLOUR_NONE, print_text(row, "state"));
        table_cell(t, COLOUR_NONE, print_text(row, "procedure"));
        for (size_t k = 0; k < ARRAY_SIZE(times); k++) {
            print_time(c->zone, json_get_integer(row, times[k], 0), false, text);
            text[10] = strlen(text) > 10 ? '\0' : text[10]; /* the day is enough */
            table_cell(t, COLOUR_NONE, text);
        }
        snprintf(text, sizeof text, "%lld", (long long)json_get_integer(row, "recordings", 0));
        table_cell(t, COLOUR_NONE, text);
        snprintf(text, sizeof text, "%lld", (long long)json_get_integer(row, "holds", 0));
        table_cell(t, COLOUR_NONE, text);
        table_cell(t, COLOUR_NONE, json_get_string(row, "title"));
    }
    table_print(t, first);
}

int cli_case_ls(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = strdup("/v1/cases");
    int64_t limit;
    int r = list_limit_of(c, &limit);

    if (r != CLI_OK)
        return r;
    if (!target || client_add_param(&target, "state", cli_option(c, "state")) < 0 ||
        client_add_param(&target, "procedure", cli_option(c, "procedure")) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return list_pages(c, target, "cases", limit, list_cases, "no case is like that");
}

static void print_hold_rows(const struct cli *c, const json_t *list, bool first)
{
    static const struct table_column columns[] = {
        {"ID", 0, 0}, {"GROUND", 0, 0}, {"HOLDS", TABLE_FLEX, 0}, {"SINCE", 0, 1},
        {"BY", 0, 3}, {"LIFTED", 0, 5}, {"MATTER", 0, 4},         {"REASON", TABLE_FLEX, 2}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
    char when[CALENDAR_TEXT_SIZE];
    const json_t *row;
    size_t i;

    json_array_foreach (list, i, row) {
        const char *number = json_get_string(row, "number"), *recording = json_get_string(row, "recording");
        table_cell(t, COLOUR_BLUE, print_text(row, "id"));
        table_cell(t, COLOUR_NONE, print_text(row, "ground"));
        table_cell(t, COLOUR_NONE, recording ? recording : number ? number : "this case");
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(row, "placed", 0), false, when));
        table_cell(t, COLOUR_NONE, print_text(row, "placed_by"));
        table_cell(t, COLOUR_NONE, print_time(c->zone, json_get_integer(row, "lifted", 0), false, when));
        table_cell(t, COLOUR_NONE, json_get_string(row, "matter"));
        table_cell(t, COLOUR_NONE, json_get_string(row, "reason"));
    }
    table_print(t, first);
}

int cli_case_show(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = client_target("/v1/cases/", argv[0], NULL),
                        *list = strdup("/v1/recordings?limit=1000");
    _cleanup_json_ json_t *s = NULL, *recordings = NULL;
    int r = cli_ask(c, "GET", target, NULL, &s);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(s) : r;
    print_case(c, s);
    if (json_array_size(json_get_array(s, "hold_list")) > 0) {
        putchar('\n');
        print_hold_rows(c, json_get_array(s, "hold_list"), true);
    }
    if (!list || client_add_param(&list, "case", json_get_string(s, "id")) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    r = cli_ask(c, "GET", list, NULL, &recordings);
    if (r == CLI_OK && json_array_size(json_get_array(recordings, "recordings")) > 0) {
        putchar('\n');
        list_recordings(c, json_get_array(recordings, "recordings"), true);
    }
    if (r == CLI_OK && json_get_string(recordings, "next") && fflush(stdout) == 0)
        fprintf(stderr, "… and more; `liuhen ls --case %s --all` lists them\n", print_text(s, "id"));
    return r;
}

/* ---- links --------------------------------------------------------------------------------------------------------------- */

/* One recording after the other; the first that fails ends it, what was done before stays and is shown. */
static int change_links(struct cli *c, const char *method, int argc, char **argv, const char *done)
{
    _cleanup_json_ json_t *answers = json_array();
    int r = CLI_OK;

    for (int i = 0; i < argc - 1 && r == CLI_OK; i++) {
        _cleanup_json_ json_t *body = NULL;
        json_t *answer = NULL;

        r = cli_body_of_options(c, &body);
        r = r != CLI_OK ? r : cli_put(body, "recording", argv[i]);
        r = r != CLI_OK ? r : cli_put(body, "case", argv[argc - 1]);
        r = r != CLI_OK ? r : cli_ask(c, method, "/v1/links", TAKE_PTR(body), &answer);
        if (r != CLI_OK)
            break;
        if (!c->json) {
            _cleanup_free_ char *number = print_safe(json_get_string(answer, "number"));
            printf("%s %s %s%s%s\n", print_text(answer, "recording"), done, number,
                   json_get_string(answer, "role") ? " as " : "",
                   json_get_string(answer, "role") ? json_get_string(answer, "role") : "");
        }
        json_array_append_new(answers, answer);
    }
    if (c->json && json_array_size(answers) > 0)
        cli_print_json(argc == 2 ? json_array_get(answers, 0) : answers);
    return r;
}

int cli_link(struct cli *c, int argc, char **argv)
{
    return change_links(c, "POST", argc, argv, "linked to");
}

int cli_unlink(struct cli *c, int argc, char **argv)
{
    return change_links(c, "DELETE", argc, argv, "taken from");
}

/* ---- holds --------------------------------------------------------------------------------------------------------------- */

int cli_hold_add(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL, *body = NULL;
    int r;

    if ((argc == 1) == (cli_option(c, "case") != NULL))
        return cli_fail(CLI_USAGE, "hold add", "give either a recording or --case CASE");
    if (!cli_option(c, "ground"))
        return cli_fail(CLI_USAGE, "hold add",
                        "--ground is missing; `liuhen hold add --help` lists the grounds");
    r = cli_body_of_options(c, &body);
    r = r != CLI_OK ? r : cli_put(body, "recording", argc == 1 ? argv[0] : NULL);
    r = r != CLI_OK ? r : cli_ask(c, "POST", "/v1/holds", TAKE_PTR(body), &answer);
    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    printf("hold %s placed on %s\n", print_text(answer, "id"),
           json_get_string(answer, "recording") ? print_text(answer, "recording") : cli_option(c, "case"));
    return CLI_OK;
}

int cli_hold_lift(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = client_target("/v1/holds/", argv[0], "/lift");
    _cleanup_json_ json_t *answer = NULL, *body = NULL;
    int r;

    if (!cli_option(c, "reason"))
        return cli_fail(CLI_USAGE, "hold lift", "--reason is missing; say why the hold is no longer needed");
    r = cli_body_of_options(c, &body);
    r = r != CLI_OK ? r : cli_ask(c, "POST", target, TAKE_PTR(body), &answer);
    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    printf("hold %s lifted\n", print_text(answer, "id"));
    return CLI_OK;
}

int cli_hold_ls(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = strdup("/v1/holds");

    if (!target || client_add_param(&target, "case", cli_option(c, "case")) < 0 ||
        client_add_param(&target, "recording", cli_option(c, "recording")) < 0 ||
        client_add_param(&target, "lifted", cli_option(c, "all") ? "1" : NULL) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return list_pages(c, target, "holds", LIST_ALL, print_hold_rows, "no hold stands");
}
