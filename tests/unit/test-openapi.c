/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * openapi.yaml in the tree is what the daemon serves. Whether it is good OpenAPI, and true, is asked by tests/system/test_dispatch.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "api/openapi.h"
#include "base/fd.h"

static void the_file_is_what_is_served(void **state)
{
    _cleanup_free_ char *file = NULL, *text = NULL;
    struct error err = ERROR_INIT;
    size_t size, line = 1;

    if (openapi_text(&text, &err) != 0)
        fail_msg("%s %s", err.object, err.text);
    assert_int_equal(fd_read_file_at(AT_FDCWD, "openapi.yaml", 1 << 20, &file, &size), 0);
    if (strcmp(file, text) == 0)
        return;
    for (size_t i = 0; file[i] == text[i]; i++)
        line += file[i] == '\n';
    fail_msg("openapi.yaml:%zu: is not what the table of routes says; run `make openapi`", line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_file_is_what_is_served)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
