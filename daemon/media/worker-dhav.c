/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DHAV, the container of Dahua recorders: each frame begins with "DHAV" and carries the recorder's wall clock, which no demuxer hands on.
 */
#include <string.h>

#include "media/worker-inspect.h"

#define HEADER_BYTES  24
#define TRAILER_BYTES 8

/* Six fields packed from the low bits up: second 6, minute 6, hour 5, day 5, month 4, year from 2000 6. */
static void frame_time(struct facts *f, uint32_t date)
{
    char text[32];

    snprintf(text, sizeof text, "%04u-%02u-%02u %02u:%02u:%02u", 2000 + (date >> 26), date >> 22 & 15,
             date >> 17 & 31, date >> 12 & 31, date >> 6 & 63, date & 63);
    facts_time_text(f, 10, text, NULL, "dhav frame time", PROBABLE);
}

bool inspect_dhav(struct input *in, struct facts *f)
{
    uint8_t h[HEADER_BYTES], tail[TRAILER_BYTES];
    uint64_t at = 0;

    if (!input_get(in, h, sizeof h, 0))
        return true;
    if (memcmp(h, "DAHUA", 5) == 0)
        at = 1024; /* a header block of its own stands before the first frame */
    if (!input_get(in, h, sizeof h, at) || memcmp(h, "DHAV", 4) != 0)
        return true;
    frame_time(f, le32_at(h + 16));
    /* every frame ends with "dhav" and its length */
    if (in->size > HEADER_BYTES && input_get(in, tail, sizeof tail, in->size - sizeof tail) &&
        memcmp(tail, "dhav", 4) != 0)
        facts_damage(f, "ends in the middle of a frame");
    return true;
}
