/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Following pages (see list.h). Programs get all rows unless they ask for fewer; people get a screenful and are told of the rest.
 */
#include "cli/list.h"

#include <errno.h>
#include <string.h>

#define PAGE_ROWS    1000
#define DEFAULT_ROWS 50

int list_limit_of(const struct cli *c, int64_t *ret)
{
    const char *limit = cli_option(c, "limit");
    char *end;

    *ret = c->json || cli_option(c, "all") ? LIST_ALL : DEFAULT_ROWS;
    if (!limit)
        return CLI_OK;
    errno = 0;
    *ret = strtoll(limit, &end, 10);
    if (errno || end == limit || *end || *ret < 1)
        return cli_fail(CLI_USAGE, limit, "is not a --limit; it is a number from 1 on");
    return CLI_OK;
}

static int ask_page(struct cli *c, const char *target, const char *mark, int64_t rows, json_t **ret)
{
    _cleanup_free_ char *whole = strdup(target);
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)MIN(rows, PAGE_ROWS));
    if (!whole || client_add_param(&whole, "limit", text) < 0 || client_add_param(&whole, "after", mark) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return cli_ask(c, "GET", whole, NULL, ret);
}

static void print_rows(const json_t *rows, bool first)
{
    const json_t *row;
    size_t i;

    json_array_foreach (rows, i, row) {
        if (!first || i)
            putchar(',');
        json_dumpf(row, stdout, JSON_SORT_KEYS | JSON_COMPACT);
    }
}

int list_pages(struct cli *c, const char *target, const char *member, int64_t limit,
               void (*print)(const struct cli *c, const json_t *page, bool first), const char *none)
{
    _cleanup_json_ json_t *answer = NULL;
    const char *mark = NULL;
    int64_t left = limit, shown = 0;

    do {
        _cleanup_json_ json_t *before = TAKE_PTR(answer); /* mark is in it */
        const json_t *rows;
        int r = ask_page(c, target, mark, left, &answer);

        if (r != CLI_OK)
            return r;
        rows = json_get_array(answer, member);
        mark = json_get_string(answer, "next");
        if (c->json && shown == 0)
            printf("{\"%s\":[", member);
        if (c->json)
            print_rows(rows, shown == 0);
        else if (json_array_size(rows) > 0)
            print(c, rows, shown == 0);
        shown += (int64_t)json_array_size(rows);
        left -= (int64_t)json_array_size(rows);
    } while (mark && left > 0);
    if (c->json)
        printf("],\"next\":%s%s%s}\n", mark ? "\"" : "", mark ? mark : "null", mark ? "\"" : "");
    else if (shown == 0)
        puts(none);
    else if (mark && fflush(stdout) == 0) /* behind the table also where both go to one file */
        fprintf(stderr, "… and more; --limit N or --all lists them\n");
    return CLI_OK;
}
