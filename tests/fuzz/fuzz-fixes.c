/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The readers of positions, of signatures, of AVCHD's times, XMP and IPTC over any bytes; the first byte says which. What they give must be such that GPX can say it
 * once it is clean.
 */
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "media/worker-fixes.h"
#include "media/worker-inspect.h"
#include "media/worker-sei.h"

static void take(void *userdata, const struct gpx_point *point, int64_t at_usec)
{
    struct gpx_point p = *point;
    char text[GPX_POINT_SIZE];

    if (at_usec < 0)
        abort();
    if (gpx_point_clean(&p) && gpx_point_write(&p, text) != strlen(text))
        abort();
}

/* What is said must be an answer. */
static void say(char what, const uint8_t *data, size_t size)
{
    _cleanup_free_ char *answer = NULL;
    struct facts f;

    if (facts_init(&f, 0) < 0)
        abort();
    if (what == 'd')
        (void)mdpm_facts(&f, SEI_H264, 0, data, size);
    else if (what == 'x')
        xmp_facts(&f, (const char *)data, size);
    else
        iptc_facts(&f, data, size);
    if (facts_answer(&f, &answer) < 0)
        abort();
    facts_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gpx_point p;
    char text[64];
    int64_t day = 0;

    if (size == 0)
        return 0;
    switch (*data++) {
    case 'g':
        fixes_gpmf(data, size - 1, 1001000, take, NULL);
        (void)gpmf_text(data, size - 1, "MINF", text, sizeof text);
        break;
    case 'n':
        fixes_nmea((const char *)data, size - 1, &day, take, NULL);
        break;
    case 'c':
        fixes_camm(data, size - 1, take, NULL);
        break;
    case 'm':
        fixes_mebx(data, size - 1, take, NULL);
        break;
    case 'v':
        fixes_novatek(data, size - 1, take, NULL);
        break;
    case 'l':
        fixes_ligo(data, size - 1, take, NULL);
        break;
    case '7':
        fixes_70mai(data, size - 1, take, NULL);
        break;
    case 'd':
    case 'x':
    case 'p':
        say((char)data[-1], data, size - 1);
        break;
    case 'i':
        (void)fixes_iso6709((const char *)data, size - 1, &p);
        break;
    default:
        (void)signed_find(data[-1] & 1 ? SEI_HEVC : SEI_H264, data[-1] >> 1 & 7, data, size - 1);
    }
    return 0;
}
