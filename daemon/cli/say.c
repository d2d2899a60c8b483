/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What every part of the command line says in the same way: a fault on standard error, an answer as JSON.
 */
#include <stdarg.h>

#include "cli/cli.h"
#include "cli/print.h"

int cli_fail(int code, const char *object, const char *format, ...)
{
    _cleanup_free_ char *text = NULL, *safe_object = print_safe(object), *safe_text = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    safe_text = print_safe(text);
    fflush(stdout);
    fprintf(stderr, "liuhen: %s%s%s\n", safe_object, *safe_object ? ": " : "", safe_text);
    return code;
}

int cli_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
    return CLI_OK;
}
