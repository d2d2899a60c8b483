/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the sender's clock says (see doors-internal.h). Nothing is refused for it: a clock that cannot be read is not measured.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/calendar.h"
#include "doors/doors-internal.h"

int http_date_parse(const char *text, int64_t *ret_usec)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT", /* IMF-fixdate */
        "%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
        "%a %b %e %H:%M:%S %Y",      /* asctime */
    };

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        time_t t;

        if (!end || *end)
            continue;
        t = timegm(&tm);
        if (t < 0 || t > INT64_C(253402300799)) /* the end of the year 9999 */
            return -EINVAL;
        *ret_usec = (int64_t)t * USEC_PER_SEC;
        return 0;
    }
    return -EINVAL;
}

int64_t clock_offset_of(const struct http_request *r, int64_t now_usec)
{
    const char *exact = http_header(r, "X-Device-Time"), *date = http_header(r, "Date");
    bool has_offset = false;
    int64_t theirs;

    if (exact && calendar_parse(NULL, exact, &theirs, &has_offset) == 0 && has_offset)
        return theirs - now_usec;
    /* whole seconds, cut off: on average half a second has passed since */
    if (date && http_date_parse(date, &theirs) == 0)
        return theirs + USEC_PER_SEC / 2 - now_usec;
    return INT64_MIN;
}
