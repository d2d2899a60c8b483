/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checking what people give (see input.h).
 */
#include "cases/input.h"

#include <string.h>

#include "base/encode.h"

int input_check_text(int code, const char *what, const char *s, size_t max, bool lines, struct error *err)
{
    size_t n = s ? strlen(s) : 0;

    if (n > max)
        return error_set(err, code, what, "has %zu bytes; at most %zu are right", n, max);
    if (s && !utf8_is_valid(s, n))
        return error_set(err, code, what, "is not valid UTF-8");
    for (size_t i = 0, length; i < n; i += length) {
        const uint8_t *p = (const uint8_t *)s + i;

        length = utf8_sequence_length(p, n - i);
        if (utf8_is_control(p, length) && !(lines && (*p == '\n' || *p == '\t')))
            return error_set(err, code, what, "has a control character at byte %zu; plain text is right",
                             i + 1);
    }
    return 0;
}
