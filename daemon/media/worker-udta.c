/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * User data of ISO files (ISO/IEC 14496-12 §8.10.1) that libav passes over: the date that Android phones write with their zone, and which
 * camera of GoPro it was, from its settings (GPMF) or else from the number of its firmware.
 */
#include "media/worker-inspect.h"

#include <string.h>

#include "media/worker-fixes.h"

#define UDTA_BOXES_MAX 64
#define GPMF_BYTES     65536
#define DATE_MAX       40

static void read_date(struct input *in, struct facts *f, struct box_range box)
{
    char text[DATE_MAX + 1] = "";

    if (box.size > DATE_MAX || !input_get(in, text, (size_t)box.size, box.at))
        return;
    facts_time_text(f, 6, text, NULL, "udta date", CERTAIN);
}

static void read_settings(struct input *in, struct facts *f, struct box_range box)
{
    static const char *const keys[][2] = {{"MINF", "model"}, {"CASN", "serial"}};
    static uint8_t data[GPMF_BYTES];
    size_t size = (size_t)MIN(box.size, (uint64_t)sizeof data);
    char text[FACTS_TEXT_MAX + 1];

    if (!input_get(in, data, size, box.at))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (gpmf_text(data, size, keys[i][0], text, sizeof text)) {
            facts_device(f, "make", "GoPro", 5);
            facts_device(f, keys[i][1], text, strlen(text));
        }
}

/* "HD5.02.02.00.00": the fifth; from the tenth on "H21.01.01.10.00". */
static void read_firmware(struct input *in, struct facts *f, struct box_range box)
{
    char text[16] = "", model[16];
    unsigned n = 0;

    if (box.size < 7 || !input_get(in, text, (size_t)MIN(box.size, (uint64_t)sizeof text - 1), box.at) ||
        text[0] != 'H' || text[3] != '.')
        return;
    if (text[1] == 'D' && text[2] >= '3' && text[2] <= '9')
        n = (unsigned)(text[2] - '0');
    else if (text[1] == '2' && text[2] >= '1' && text[2] <= '9')
        n = 9 + (unsigned)(text[2] - '0');
    if (n == 0)
        return;
    snprintf(model, sizeof model, "HERO%u", n);
    facts_device(f, "make", "GoPro", 5);
    facts_device(f, "model", model, strlen(model));
}

void udta_facts(struct input *in, struct facts *f)
{
    struct box_range moov, rest, box, firmware = {0, 0};
    char type[4];

    if (!box_find(in, (struct box_range){0, in->size}, "moov", &moov) || !box_find(in, moov, "udta", &rest))
        return;
    for (int i = 0; i < UDTA_BOXES_MAX && box_next(in, &rest, type, &box); i++) {
        if (memcmp(type, "date", 4) == 0)
            read_date(in, f, box);
        else if (memcmp(type, "GPMF", 4) == 0)
            read_settings(in, f, box);
        else if (memcmp(type, "FIRM", 4) == 0)
            firmware = box;
    }
    read_firmware(in, f, firmware); /* what is known less well comes last: the first value stays */
}
