/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen: the command line. Finds the command in the table, reads its options and runs it. Single-threaded; everything it knows
 * comes from the daemon over its socket, but for verify, which needs nobody.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

#define DEFAULT_SOCKET "/run/liuhen/liuhen.sock"

const char *cli_option(const struct cli *c, const char *name)
{
    for (size_t i = 0; c->command->options[i].name; i++)
        if (strcmp(c->command->options[i].name, name) == 0)
            return c->values[i];
    return NULL;
}

int cli_unreachable(int r, const struct error *err)
{
    if (r == -EACCES)
        return cli_fail(CLI_DENIED, err->object, "%s", err->text);
    if (r == -EAGAIN)
        return cli_fail(CLI_BUSY, err->object, "%s", err->text);
    if (r != -ENOENT && r != -ECONNREFUSED)
        return cli_fail(CLI_UNREACHABLE, err->object, "%s", *err->text ? err->text : strerror(-r));
    cli_fail(CLI_UNREACHABLE, err->object, "%s", err->text);
    fprintf(stderr, "Start it with `systemctl start liuhend` (or `liuhend --config FILE`), or name its "
                    "socket with --socket "
                    "PATH or LIUHEN_SOCKET.\n");
    return CLI_UNREACHABLE;
}

int cli_refused(unsigned status, const char *text)
{
    _cleanup_json_ json_t *answer = NULL;
    const char *what, *object, *right;
    const json_t *error;
    int code = status == 401 || status == 403                    ? CLI_DENIED
               : status == 404                                   ? CLI_MISSING
               : status == 503 || status == 507 || status == 429 ? CLI_BUSY
                                                                 : CLI_REFUSED;

    if (json_parse(text, strlen(text), "answer", &answer, NULL) < 0)
        return cli_fail(code, "", "the daemon answered with status %u", status);
    error = json_get_object(answer, "error");
    what = json_get_string(error, "what");
    object = json_get_string(error, "object");
    right = json_get_string(error, "right");
    return cli_fail(code, object, "%s%s%s", what ? what : "refused", right && *right ? "; " : "",
                    right ? right : "");
}

/* Reads an answer and keeps its zone. */
static int understand(struct cli *c, const char *text, json_t **ret)
{
    json_error_t je;
    const char *zone;

    *ret = json_loads(*text ? text : "{}", JSON_REJECT_DUPLICATES,
                      &je); /* may be larger than json_parse reads */
    if (!*ret)
        return cli_fail(CLI_REFUSED, "", "the daemon's answer is not JSON: %s", je.text);
    zone = json_get_string(*ret, "zone");
    if (zone && (!c->zone || strcmp(zone_name(c->zone), zone) != 0)) {
        c->zone = zone_free(c->zone);
        if (zone_new(zone, &c->zone) < 0)
            c->zone = NULL;
    }
    if (!c->zone && zone_new("UTC", &c->zone) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return CLI_OK;
}

/* Return: CLI_OK and the text of an answer with a good status, else the exit code after saying why. body is borrowed. */
static int ask(struct cli *c, const char *method, const char *target, const json_t *body, char **ret)
{
    _cleanup_free_ char *text = NULL, *sent = NULL;
    struct error err = ERROR_INIT;
    unsigned status;
    int r;

    if (!target || (body && json_canonical(body, &sent) < 0) ||
        (!c->client && client_new(c->socket, &c->client) < 0))
        return cli_fail(CLI_BUSY, "", "out of memory");
    r = client_call(c->client, method, target, sent, &status, &text, &err);
    if (r < 0)
        return cli_unreachable(r, &err);
    if (status < 200 || status > 299)
        return cli_refused(status, text);
    *ret = TAKE_PTR(text);
    return CLI_OK;
}

int cli_ask(struct cli *c, const char *method, const char *target, json_t *body, json_t **ret)
{
    _cleanup_json_ json_t *owned = body;
    _cleanup_free_ char *text = NULL;
    int r = ask(c, method, target, body, &text);

    return r == CLI_OK ? understand(c, text, ret) : r;
}

int cli_ask_text(struct cli *c, const char *target, char **ret)
{
    return ask(c, "GET", target, NULL, ret);
}

const struct command *cli_find_command(const char *first, const char *second)
{
    for (size_t i = 0; first && i < cli_n_commands; i++) {
        const char *name = cli_commands[i].name, *space = strchr(name, ' ');
        size_t n = space ? (size_t)(space - name) : strlen(name);

        if (strlen(first) == n && strncmp(first, name, n) == 0 &&
            (!space || (second && strcmp(second, space + 1) == 0)))
            return &cli_commands[i];
    }
    return NULL;
}

/* Whether value is one of "a|b|c"; anything is for a placeholder in capitals. */
static bool is_allowed(const char *allowed, const char *value)
{
    size_t n = strlen(value);

    if (!strchr(allowed, '|'))
        return true;
    for (const char *p = allowed; *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == n && strncmp(p, value, n) == 0)
            return true;
    return false;
}

static void take_global(struct cli *c, const char *name, const char *value)
{
    if (strcmp(name, "socket") == 0)
        c->socket = value;
    else if (strcmp(name, "json") == 0)
        c->json = true;
    else if (strcmp(name, "version") == 0) {
        puts("liuhen " LIUHEN_VERSION);
        exit(CLI_OK);
    } else if (strcmp(name, "help") == 0) {
        cli_usage(c->command, stdout);
        exit(CLI_OK);
    }
}

static int take_option(struct cli *c, size_t n_own, int which, const char *value)
{
    const struct option_row *row;

    if ((size_t)which >= n_own) {
        take_global(c, cli_global_options[(size_t)which - n_own].name, value);
        return CLI_OK;
    }
    row = &c->command->options[which];
    if (row->value && !is_allowed(row->value, value))
        return cli_fail(CLI_USAGE, value, "is not a --%s; it is one of %s", row->name, row->value);
    c->values[which] = value ? value : "";
    return CLI_OK;
}

/* Reads options anywhere among the arguments of argv (argv[0] is skipped), or only before the first other word when there is no
 * command yet. optind is behind them then. */
static int read_options(struct cli *c, int argc, char **argv)
{
    struct option longs[CLI_OPTIONS_MAX + 8] = {0};
    char shorts[] = "+:ho:";
    size_t n = 0, n_own;
    int o, which = 0, r = CLI_OK;

    for (const struct option_row *row = c->command ? c->command->options : NULL; row && row->name; row++, n++)
        longs[n] =
            (struct option){row->name, row->value ? required_argument : no_argument, NULL, (int)n + 256};
    n_own = n;
    for (const struct option_row *row = cli_global_options; row->name; row++, n++)
        longs[n] =
            (struct option){row->name, row->value ? required_argument : no_argument, NULL, (int)n + 256};
    optind = 0;
    opterr = 0;
    while (r == CLI_OK && (o = getopt_long(argc, argv, shorts + (c->command ? 1 : 0), longs, &which)) != -1) {
        if (o == 'h')
            take_global(c, "help", NULL);
        else if (o == 'o' && c->command &&
                 strcmp(c->command->options[0].name ? c->command->options[0].name : "", "output") == 0)
            c->values[0] = optarg;
        else if (o == ':')
            return cli_fail(CLI_USAGE, argv[optind - 1], "needs a value");
        else if (o < 256)
            return cli_fail(CLI_USAGE, argv[optind - 1],
                            "is not an option here; `liuhen %s%s--help` lists them",
                            c->command ? c->command->name : "", c->command ? " " : "");
        else
            r = take_option(c, n_own, o - 256, optarg);
    }
    return r;
}

static int unknown_command(const char *first)
{
    size_t n = strlen(first);
    bool group = false;

    for (size_t i = 0; i < cli_n_commands; i++)
        if (strncmp(cli_commands[i].name, first, n) == 0 && cli_commands[i].name[n] == ' ') {
            fprintf(stderr, "%s%s", group ? ", " : "liuhen: after ", group ? "" : first);
            fprintf(stderr, "%s%s", group ? "" : " comes one of: ", cli_commands[i].name + n + 1);
            group = true;
        }
    if (group) {
        fputc('\n', stderr);
        return CLI_USAGE;
    }
    return cli_fail(CLI_USAGE, first, "is not a command; `liuhen --help` lists them");
}

/* `liuhen device --help`. Return: whether there are such commands. */
static bool show_group(const char *first)
{
    size_t n = strlen(first);
    bool group = false;

    for (size_t i = 0; i < cli_n_commands; i++)
        if (strncmp(cli_commands[i].name, first, n) == 0 && cli_commands[i].name[n] == ' ') {
            int width = printf("  %s %s", cli_commands[i].name, cli_commands[i].args);
            printf("%*s%s\n", width < 34 ? 34 - width : 1, "", cli_commands[i].help);
            group = true;
        }
    if (group)
        printf("\n`liuhen %s COMMAND --help` says more.\n", first);
    return group;
}

static int run_command(struct cli *c, int argc, char **argv)
{
    int words, r;

    c->command = cli_find_command(argv[0], argv[1]);
    if (!c->command && argc > 1 && strcmp(argv[1], "--help") == 0 && show_group(argv[0]))
        return CLI_OK;
    if (!c->command)
        return unknown_command(argv[0]);
    words = strchr(c->command->name, ' ') ? 2 : 1;
    r = read_options(c, argc - words + 1, argv + words - 1);
    if (r != CLI_OK)
        return r;
    argc -= words - 1 + optind;
    argv += words - 1 + optind;
    if (argc < c->command->min_args || (c->command->max_args >= 0 && argc > c->command->max_args)) {
        cli_fail(CLI_USAGE, "",
                 argc < c->command->min_args ? "something is missing; write" : "too many words; write");
        fprintf(stderr, "  liuhen %s%s%s\n", c->command->name, *c->command->args ? " " : "",
                c->command->args);
        return CLI_USAGE;
    }
    return c->command->run(c, argc, argv);
}

int main(int argc, char **argv)
{
    const char *socket = getenv("LIUHEN_SOCKET");
    struct cli c = {.socket = socket && *socket ? socket : DEFAULT_SOCKET};
    int r;

    print_init();
    r = read_options(&c, argc, argv);
    argc -= optind;
    argv += optind;
    if (r != CLI_OK)
        return r;
    if (argc == 0) {
        cli_usage(NULL, stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[0], "help") == 0)
        cli_usage(cli_find_command(argv[1], argc > 1 ? argv[2] : NULL), stdout);
    else if (strcmp(argv[0], "complete-words") == 0)
        r = cli_complete(argc - 1, argv + 1, &c);
    else if (strcmp(argv[0], "man-page") == 0)
        r = cli_man();
    else
        r = run_command(&c, argc, argv);
    client_free(c.client);
    zone_free(c.zone);
    if (fflush(stdout) != 0 && r == CLI_OK)
        return cli_fail(CLI_REFUSED, "", "cannot write the answer: %s", strerror(errno));
    return r;
}
