/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Completion words for the shells: `liuhen complete-words WORD…` prints what may stand next, one a line, the last WORD being the one that
 * is begun (perhaps empty). "@file" means a file name. The words come from the table of commands; cases and recordings from the
 * daemon where it answers, silently nothing otherwise.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static void offer(const char *begun, const char *word)
{
    if (strncmp(word, begun, strlen(begun)) == 0)
        puts(word);
}

static void offer_options(const struct option_row *row, const char *begun)
{
    char word[64];

    for (; row->name; row++) {
        snprintf(word, sizeof word, "--%s", row->name);
        offer(begun, word);
    }
}

/* First words of commands, or second ones after `first`. */
static void offer_commands(const char *first, const char *begun)
{
    char word[32], before[32] = "";

    for (size_t i = 0; i < cli_n_commands; i++) {
        const char *name = cli_commands[i].name, *space = strchr(name, ' ');
        if (first) {
            if (space && strlen(first) == (size_t)(space - name) && strncmp(name, first, strlen(first)) == 0)
                offer(begun, space + 1);
            continue;
        }
        snprintf(word, sizeof word, "%.*s", (int)(space ? space - name : (long)strlen(name)), name);
        if (strcmp(before, word) != 0) /* the words of a group stand together */
            offer(begun, word);
        memcpy(before, word, sizeof before);
    }
}

/* Values of member in a list that the daemon gives. */
static void offer_from_daemon(struct cli *c, const char *target, const char *list, const char *member,
                              const char *begun)
{
    _cleanup_json_ json_t *answer = NULL;
    const json_t *row;
    size_t i;

    if (cli_ask(c, "GET", target, NULL, &answer) != CLI_OK)
        return;
    json_array_foreach (json_get_array(answer, list), i, row)
        if (json_get_string(row, member))
            offer(begun, json_get_string(row, member));
}

static void offer_value(struct cli *c, const char *what, const char *begun)
{
    if (strchr(what, '|')) {
        for (const char *p = what; *p; p += strcspn(p, "|"), p += *p == '|') {
            char word[64];
            snprintf(word, sizeof word, "%.*s", (int)strcspn(p, "|"), p);
            offer(begun, word);
        }
    } else if (strcmp(what, "FILE") == 0 || strcmp(what, "PATH") == 0 || strcmp(what, "RECEIPT") == 0 ||
               strcmp(what, "KEY") == 0 || strcmp(what, "DIR") == 0 || strcmp(what, "CARD") == 0) {
        puts("@file");
    } else if (strcmp(what, "REC") == 0) {
        offer_from_daemon(c, "/v1/recordings?limit=100", "recordings", "id", begun);
    } else if (strcmp(what, "CASE") == 0) {
        offer_from_daemon(c, "/v1/cases?limit=100", "cases", "number", begun);
    } else if (strcmp(what, "DEVICE") == 0) {
        offer_from_daemon(c, "/v1/devices", "devices", "serial", begun);
    } else if (strcmp(what, "JOB") == 0) { /* those that somebody may want to see or give up */
        offer_from_daemon(c, "/v1/jobs?state=running&limit=100", "jobs", "id", begun);
        offer_from_daemon(c, "/v1/jobs?state=waiting&limit=100", "jobs", "id", begun);
    } else if (strcmp(what, "HOLD") == 0) {
        offer_from_daemon(c, "/v1/holds?limit=100", "holds", "id", begun);
    }
}

/* What the n-th word of arguments is ("REC... CASE": any but the last may be REC, so both are offered). */
static void offer_argument(struct cli *c, const char *args, int n, const char *begun)
{
    char word[32];
    int at = 0;

    for (const char *p = args; *p; at++) {
        size_t length = strcspn(p, " ");
        bool repeats = length > 3 && strstr(p, "...") && strstr(p, "...") < p + length;
        snprintf(word, sizeof word, "%.*s", (int)strspn(p + (*p == '['), "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                 p + (*p == '['));
        if (at == n || (repeats && at <= n) || (at < n && strstr(args, "...") && !repeats && at > 0))
            offer_value(c, word, begun);
        p += length;
        p += *p == ' ';
    }
}

static const struct option_row *find_option(const struct command *command, const char *word)
{
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    for (const struct option_row *row = command ? command->options : NULL; row && row->name; row++)
        if (strcmp(row->name, word + 2) == 0)
            return row;
    for (const struct option_row *row = cli_global_options; row->name; row++)
        if (strcmp(row->name, word + 2) == 0)
            return row;
    return NULL;
}

/* Whether both words together name a command. */
static bool is_group(const char *first, const char *second)
{
    const struct command *command = cli_find_command(first, second);

    return command && strchr(command->name, ' ');
}

int cli_complete(int argc, char **argv, struct cli *c)
{
    const char *begun = argc > 0 ? argv[argc - 1] : "", *first = NULL, *second = NULL;
    const struct command *command = NULL;
    const struct option_row *waits = NULL;
    int n = 0, nowhere;

    for (int i = 0; i < argc - 1; i++) {
        if (waits) {
            if (strcmp(waits->name, "socket") == 0)
                c->socket = argv[i];
            waits = NULL;
        } else if (argv[i][0] == '-') {
            waits = find_option(command, argv[i]);
            waits = waits && waits->value ? waits : NULL;
        } else if (!first) {
            command = cli_find_command(first = argv[i], NULL);
        } else if (n == 0 && !second && is_group(first, second = argv[i])) {
            command = cli_find_command(first, second);
        } else {
            n++;
        }
    }
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0)
        dup2(nowhere, STDERR_FILENO); /* a shell in the middle of a line wants no messages */
    if (waits)
        offer_value(c, waits->value, begun);
    else if (*begun == '-') {
        if (command)
            offer_options(command->options, begun);
        offer_options(cli_global_options, begun);
    } else if (!first)
        offer_commands(NULL, begun);
    else if (!command)
        offer_commands(first, begun);
    else {
        if (n == 0 && !second) /* "jobs" is a command, and the first word of others */
            offer_commands(first, begun);
        offer_argument(c, command->args, n, begun);
    }
    return CLI_OK;
}
