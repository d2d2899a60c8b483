/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies of requests, made from words of the command line.
 */
#include <errno.h>

#include "cli/cli.h"

int cli_put(json_t *body, const char *key, const char *value)
{
    int r = json_set_string(body, key, value);

    if (r == -ENOMEM)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return r == 0 ? CLI_OK : cli_fail(CLI_USAGE, key, "is not UTF-8; set the terminal to UTF-8");
}

int cli_body_of_options(const struct cli *c, json_t **ret)
{
    _cleanup_json_ json_t *body = json_object();
    int r = body ? CLI_OK : cli_fail(CLI_BUSY, "", "out of memory");

    for (size_t i = 0; r == CLI_OK && c->command->options[i].name; i++)
        r = cli_put(body, c->command->options[i].name, c->values[i]);
    if (r == CLI_OK)
        *ret = TAKE_PTR(body);
    return r;
}
