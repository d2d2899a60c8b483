/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen dispose …`: what is eligible, and the way of a batch until it is erased.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

static void print_rows(const struct cli *c, const json_t *rows, const char *id)
{
    char when[CALENDAR_TEXT_SIZE], size[PRINT_SIZE_SIZE];
    const json_t *row;
    size_t i;

    json_array_foreach (rows, i, row) {
        const char *state = json_get_string(row, "state"), *reason = json_get_string(row, "reason");

        printf("%s  %-10s  until %s  %9s  %s", print_text(row, id), print_text(row, "class"),
               print_time(c->zone, json_get_integer(row, "until", 0), false, when),
               print_size(json_get_integer(row, "bytes", 0), size), print_text(row, "name"));
        printf("%s%s%s%s\n", state ? "  " : "", state ? state : "", reason ? ": " : "", reason ? reason : "");
    }
}

static int eligible(struct cli *c, json_t **ret)
{
    _cleanup_free_ char *target = strdup("/v1/disposals/eligible");

    if (!target || client_add_param(&target, "class", cli_option(c, "class")) < 0 ||
        client_add_param(&target, "before", cli_option(c, "before")) < 0 ||
        client_add_param(&target, "unit", cli_option(c, "unit")) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return cli_ask(c, "GET", target, NULL, ret);
}

int cli_dispose_eligible(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = eligible(c, &answer);

    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    print_rows(c, json_get_array(answer, "recordings"), "id");
    if (json_array_size(json_get_array(answer, "recordings")) == 0)
        printf("nothing is eligible\n");
    return CLI_OK;
}

static void print_batch(const struct cli *c, const json_t *b)
{
    static const char *const times[] = {"proposed", "noticed", "notice_ends", "begun", "closed"};
    char when[CALENDAR_TEXT_SIZE];
    const json_t *approval;
    size_t i;

    print_field("batch", "%s", print_text(b, "id"));
    print_field("state", "%s", print_text(b, "state"));
    print_field("reason", "%s", print_text(b, "reason"));
    if (json_get_string(b, "digest"))
        print_field("list", "%s", print_text(b, "digest"));
    for (i = 0; i < ARRAY_SIZE(times); i++)
        if (json_object_get(b, times[i]))
            print_field(i == 2 ? "notice ends" : times[i], "%s",
                        print_time(c->zone, json_get_integer(b, times[i], 0), true, when));
    json_array_foreach (json_get_array(b, "approvals"), i, approval)
        print_field("approved", "%s as %s, %s%s", print_text(approval, "actor"), print_text(approval, "role"),
                    print_time(c->zone, json_get_integer(approval, "time", 0), true, when),
                    json_object_get(approval, "withdrawn") ? ", withdrawn" : "");
    print_rows(c, json_get_array(b, "recordings"), "recording");
}

static int show(struct cli *c, const char *method, const char *target, json_t *body)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = cli_ask(c, method, target, body, &answer);

    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    print_batch(c, answer);
    return CLI_OK;
}

static int no_reason(struct cli *c)
{
    return cli_option(c, "reason") ? CLI_OK : cli_fail(CLI_USAGE, "dispose", "--reason is missing; say why");
}

int cli_dispose_propose(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL, *list = json_array();
    const json_t *row;
    size_t i;
    int r = no_reason(c);

    if (r == CLI_OK && (argc > 0) == !!cli_option(c, "eligible"))
        return cli_fail(CLI_USAGE, "dispose propose", "name the recordings, or give --eligible; one of both");
    for (int k = 0; r == CLI_OK && k < argc; k++)
        json_array_append_new(list, json_string(argv[k]));
    if (r == CLI_OK && argc == 0)
        r = eligible(c, &answer);
    json_array_foreach (json_get_array(answer, "recordings"), i, row)
        json_array_append(list, json_object_get(row, "id"));
    return r != CLI_OK ? r
                       : show(c, "POST", "/v1/disposals",
                              json_pack("{s:O, s:s}", "recordings", list, "reason", cli_option(c, "reason")));
}

int cli_dispose_ls(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    const json_t *b;
    size_t i;
    int r = cli_ask(c, "GET", "/v1/disposals", NULL, &answer);

    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    json_array_foreach (json_get_array(answer, "batches"), i, b)
        printf("%s  %-9s  %lld recordings  %s\n", print_text(b, "id"), print_text(b, "state"),
               (long long)json_get_integer(b, "items", 0), print_text(b, "reason"));
    return CLI_OK;
}

static int change(struct cli *c, const char *id, const char *what, json_t *body)
{
    _cleanup_free_ char *target = client_target("/v1/disposals/", id, what);

    return show(c, "POST", target, body);
}

int cli_dispose_show(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = client_target("/v1/disposals/", argv[0], NULL);

    return show(c, "GET", target, NULL);
}

int cli_dispose_notice(struct cli *c, int argc, char **argv)
{
    return change(c, argv[0], "/notice", json_object());
}

int cli_dispose_approve(struct cli *c, int argc, char **argv)
{
    return change(c, argv[0], "/approve", json_pack("{s:s}", "digest", argv[1]));
}

static int change_why(struct cli *c, const char *id, const char *what)
{
    int r = no_reason(c);

    return r != CLI_OK ? r : change(c, id, what, json_pack("{s:s}", "reason", cli_option(c, "reason")));
}

int cli_dispose_withdraw(struct cli *c, int argc, char **argv)
{
    return change_why(c, argv[0], "/withdraw");
}

int cli_dispose_cancel(struct cli *c, int argc, char **argv)
{
    return change_why(c, argv[0], "/cancel");
}

int cli_dispose_execute(struct cli *c, int argc, char **argv)
{
    return change(c, argv[0], "/execute", json_object());
}
