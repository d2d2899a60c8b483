/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the checker of redaction plans. What is accepted keeps its bounds, covers within the picture only and covers, while a picture is
 * shown, at least what it covers at the beginning of that time; what is refused says where and why.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "media/redaction.h"

#define WIDTH  66
#define HEIGHT 49

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_region(const struct region *r)
{
    struct row still[HEIGHT + 1], moving[HEIGHT + 1];
    int64_t at = r->keyframes[0].at_usec;

    if (r->n_keyframes == 0 || r->n_keyframes > REDACTION_KEYFRAMES_MAX || r->until_usec <= r->from_usec)
        abort();
    region_rows(r, at, at, WIDTH, HEIGHT, still);
    region_rows(r, at, at + 40000, WIDTH, HEIGHT, moving);
    for (int y = 0; y <= HEIGHT; y++) {
        if (still[y].x0 >= still[y].x1)
            continue;
        if (still[y].x0 < 0 || still[y].x1 > WIDTH || moving[y].x0 > still[y].x0 ||
            moving[y].x1 < still[y].x1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *plan = NULL;
    struct redaction p = {0};
    struct error err = ERROR_INIT;
    int r;

    if (json_parse((const char *)data, size, "plan", &plan, &err) < 0)
        return 0;
    error_clear(&err);
    r = redaction_read(plan, &p, &err);
    if (r < 0) {
        if (err.code != r || !err.text[0] || p.regions || p.mute || p.whole)
            abort();
        return 0;
    }
    if (p.n_regions + p.n_whole + p.n_mute == 0 || strlen(p.digest) != 64)
        abort();
    for (size_t i = 0; i < p.n_regions; i++)
        check_region(&p.regions[i]);
    for (size_t i = 1; i < p.n_mute; i++)
        if (p.mute[i].from_usec <= p.mute[i - 1].until_usec)
            abort();
    for (int64_t i = 0; p.n_mute > 0 && i < 100; i++) {
        float gain = mute_gain(&p, p.mute[0].from_usec / 1000 * 8 + i, 8000);

        if (gain < 0 || gain > 1)
            abort();
    }
    redaction_done(&p);
    return 0;
}
