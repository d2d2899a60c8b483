/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Averaging of areas (see worker-shrink.h). A sample of the result covers `width` units across, each sample of the original
 * `into_width` of them: so shares are whole numbers, and a sample on a border gives each side its part.
 */
#include "media/worker-shrink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FINE 256u /* what is kept below one step of a sample between across and down */

int shrink_init(struct shrink *s, uint32_t width, uint32_t height, unsigned channels, unsigned bits,
                uint32_t into_width, uint32_t into_height)
{
    size_t n = (size_t)into_width * channels;

    if (into_width == 0 || into_height == 0 || into_width > width || into_height > height || channels == 0 ||
        channels > 4 || bits < 8 || bits > 16 || width > SHRINK_SIDE_MAX || height > SHRINK_SIDE_MAX ||
        into_width > SHRINK_INTO_MAX || into_height > SHRINK_INTO_MAX)
        return -EINVAL;
    *s = (struct shrink){.width = width,
                         .height = height,
                         .into_width = into_width,
                         .into_height = into_height,
                         .channels = channels,
                         .bits = bits};
    s->narrow = malloc(n * sizeof *s->narrow);
    s->sum = calloc(n, sizeof *s->sum);
    s->result = calloc(n, into_height);
    if (s->narrow && s->sum && s->result)
        return 0;
    shrink_done(s);
    return -ENOMEM;
}

void shrink_done(struct shrink *s)
{
    free(s->narrow);
    free(s->sum);
    free(s->result);
    *s = (struct shrink){0};
}

/* One channel across: every nth sample of the row from `channel` on. */
static void narrow_row(struct shrink *s, const void *row, unsigned channel)
{
    const uint8_t *small = row;
    const uint16_t *wide = row;
    uint64_t share = s->into_width, left = s->width, sum = 0;
    size_t out = channel;

    for (size_t x = 0, at = channel; x < s->width; x++, at += s->channels) {
        uint64_t v = s->bits == 8 ? small[at] : wide[at];

        if (share < left) {
            sum += v * share;
            left -= share;
            continue;
        }
        s->narrow[out] = (uint32_t)((sum + v * left) * FINE / s->width);
        out += s->channels;
        sum = v * (share - left);
        left = s->width - (share - left);
    }
}

/* Writes the row that the sums make, each of them over `weight` units down. */
static void write_row(struct shrink *s, uint64_t weight)
{
    size_t n = (size_t)s->into_width * s->channels;
    uint8_t *out = s->result + n * s->made;
    uint64_t full = (UINT64_C(1) << s->bits) - 1, unit = weight * FINE * full;

    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)MIN((s->sum[i] * 255 + unit / 2) / unit, UINT64_C(255));
    s->made++;
}

void shrink_row(struct shrink *s, const void *row)
{
    size_t n = (size_t)s->into_width * s->channels;
    uint64_t from, to, border;

    if (s->row >= s->height)
        return;
    for (unsigned c = 0; c < s->channels; c++)
        narrow_row(s, row, c);
    from = (uint64_t)s->row * s->into_height;
    to = from + s->into_height;
    border = (uint64_t)(s->made + 1) * s->height;
    s->row++;
    if (to < border) {
        for (size_t i = 0; i < n; i++)
            s->sum[i] += (uint64_t)s->narrow[i] * s->into_height;
        return;
    }
    for (size_t i = 0; i < n; i++)
        s->sum[i] += s->narrow[i] * (border - from);
    write_row(s, s->height);
    for (size_t i = 0; i < n; i++)
        s->sum[i] = s->narrow[i] * (to - border);
}

void shrink_end(struct shrink *s)
{
    uint64_t covered = (uint64_t)s->row * s->into_height - (uint64_t)s->made * s->height;

    if (s->row < s->height && covered > 0)
        write_row(s, covered);
    s->row = s->height;
}

void shrink_fit(uint32_t width, uint32_t height, uint32_t longest, uint32_t *ret_width, uint32_t *ret_height)
{
    uint32_t side = MAX(width, height);

    if (side > longest) {
        width = (uint32_t)(((uint64_t)width * longest + side / 2) / side);
        height = (uint32_t)(((uint64_t)height * longest + side / 2) / side);
    }
    *ret_width = MAX(width, 1u);
    *ret_height = MAX(height, 1u);
}
