/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists that come in pages: how much is asked for, and following the page marks.
 */
#ifndef LIUHEN_CLI_LIST_H
#define LIUHEN_CLI_LIST_H

#include "cli/cli.h"

#define LIST_ALL INT64_MAX

/* How many rows at most: from --limit, --all and --json. Return: CLI_OK or CLI_USAGE after saying why. */
int list_limit_of(const struct cli *c, int64_t *ret);

/* Asks for target page after page; member is the array's name in the answers. With --json prints one object {member: [...], "next":
 * mark or null}, without keeping the pages; else hands what was asked for, at most a page at a time, to print, which gives the
 * titles with the first page only. */
int list_pages(struct cli *c, const char *target, const char *member, int64_t limit,
               void (*print)(const struct cli *c, const json_t *page, bool first), const char *none);

/* The table of recordings, or more of it. */
void list_recordings(const struct cli *c, const json_t *page, bool first);

#endif
