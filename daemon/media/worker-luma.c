/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Brightness out of libavutil's description of pixel formats (see worker-luma.h). Rows may stand upside down (a negative
 * linesize); samples of more than 8 bits are cut to 8.
 */
#include "media/worker-luma.h"

#include <string.h>

#include <libavutil/pixdesc.h>

#include "base/macro.h"

#define GRID       64
#define DARK_LEVEL 26 /* of 255 */

bool luma_is_readable(const AVFrame *frame)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
    uint64_t not = AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM |
                   AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;

    if (!d || (d->flags & not ) || d->nb_components < 1 || frame->width < 1 || frame->height < 1)
        return false;
    for (int i = 0; i < ((d->flags & AV_PIX_FMT_FLAG_RGB) && d->nb_components >= 3 ? 3 : 1); i++)
        if (d->comp[i].depth < 8 || d->comp[i].depth > 16 || !frame->data[d->comp[i].plane])
            return false;
    return true;
}

static unsigned sample(const AVFrame *frame, const AVPixFmtDescriptor *d, int component, int x, int y)
{
    const AVComponentDescriptor *c = &d->comp[component];
    const uint8_t *p =
        frame->data[c->plane] + (ptrdiff_t)frame->linesize[c->plane] * y + (ptrdiff_t)x * c->step + c->offset;
    unsigned v;

    if (c->depth + c->shift <= 8)
        return (unsigned)*p >> c->shift & 0xFF;
    v = d->flags & AV_PIX_FMT_FLAG_BE ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
    return v >> c->shift >> (c->depth - 8) & 0xFF;
}

static bool is_full_range(const AVFrame *frame, const AVPixFmtDescriptor *d)
{
    return frame->color_range == AVCOL_RANGE_JPEG || (d->flags & AV_PIX_FMT_FLAG_RGB) ||
           strncmp(d->name, "yuvj", 4) == 0 || d->nb_components < 3;
}

static unsigned luma_at(const AVFrame *frame, const AVPixFmtDescriptor *d, int x, int y)
{
    if ((d->flags & AV_PIX_FMT_FLAG_RGB) && d->nb_components >= 3)
        return (sample(frame, d, 0, x, y) + 2 * sample(frame, d, 1, x, y) + sample(frame, d, 2, x, y)) / 4;
    return sample(frame, d, 0, x, y);
}

void luma_copy(const AVFrame *frame, int step, uint8_t *out)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
    int w = luma_width(frame, step), h = luma_height(frame, step);
    bool plain = !(d->flags & AV_PIX_FMT_FLAG_RGB) && d->comp[0].step == 1 && d->comp[0].offset == 0 &&
                 d->comp[0].depth == 8;

    for (int y = 0; y < h; y++) {
        const uint8_t *row =
            frame->data[d->comp[0].plane] + (ptrdiff_t)frame->linesize[d->comp[0].plane] * (y * step);

        if (plain && step == 1) {
            memcpy(out, row, (size_t)w);
            out += w;
        } else if (plain)
            for (int x = 0; x < w; x++)
                *out++ = row[x * step];
        else
            for (int x = 0; x < w; x++)
                *out++ = (uint8_t)luma_at(frame, d, x * step, y * step);
    }
}

unsigned luma_dark_permille(const AVFrame *frame)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
    unsigned limit = is_full_range(frame, d) ? DARK_LEVEL : 16 + DARK_LEVEL * 219 / 255, dark = 0, n = 0;
    int columns = MIN(frame->width, GRID), rows = MIN(frame->height, GRID);

    for (int j = 0; j < rows; j++)
        for (int i = 0; i < columns; i++, n++)
            dark += luma_at(frame, d, (int)((int64_t)frame->width * i / columns),
                            (int)((int64_t)frame->height * j / rows)) <= limit;
    return dark * 1000 / n;
}
