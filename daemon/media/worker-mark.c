/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The mark (see worker-mark.h). The lettering comes as coverage from liuhen-stills. It is repeated over the picture in rows that are
 * shifted against each other, so that it runs diagonally and each quarter of the picture has it, and the whole moves slowly, so that no
 * crop leaves it out for long and no mask that fits one picture fits the next. Light letters with a dark rim can be read on light and on
 * dark. Only brightness is changed.
 */
#include "media/worker-mark.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libswscale/swscale.h>

#include "media/worker-say.h"

#define SIDE_MAX        4096
#define OPACITY_USUAL   350 /* permille */
#define PIXELS_A_SECOND 12
#define RIM             2 /* pixels */

static int read_lettering(int fd, int width, int height, uint8_t **ret, struct error *err)
{
    size_t size = (size_t)width * (size_t)height, at = 0;
    _cleanup_free_ uint8_t *data = malloc(size);

    if (!data)
        return error_set(err, -ENOMEM, "mark.gray", "out of memory");
    while (at < size) {
        ssize_t n = pread(fd, data + at, size - at, (off_t)at);

        if (n <= 0)
            return error_set(err, -EINVAL, "mark.gray", "has %zu bytes; width × height is %zu", at, size);
        at += (size_t)n;
    }
    *ret = TAKE_PTR(data);
    return 0;
}

/* Scales the lettering to about two fifths of the picture's width and puts it into the middle of a tile. */
static int make_tile(struct mark *m, const uint8_t *gray, int from_width, int from_height, int width,
                     int height)
{
    double scale = MIN(width * 0.42 / from_width, height * 0.25 / from_height);
    int w = MAX((int)(from_width * scale), 8), h = MAX((int)(from_height * scale), 4);
    const uint8_t *src[4] = {gray};
    const int src_stride[4] = {from_width};
    struct SwsContext *sws;
    uint8_t *dst[4] = {0};
    int dst_stride[4] = {0};

    m->width = w + w / 4 + 4 * RIM;
    m->height = h + h + 4 * RIM;
    m->white = calloc((size_t)m->width, (size_t)m->height);
    m->dark = calloc((size_t)m->width, (size_t)m->height);
    sws = sws_getContext(from_width, from_height, AV_PIX_FMT_GRAY8, w, h, AV_PIX_FMT_GRAY8, SWS_AREA, NULL,
                         NULL, NULL);
    dst[0] = malloc((size_t)(w + 64) * (size_t)(h + 1)); /* swscale writes in strides */
    dst_stride[0] = w + 64;
    if (m->white && m->dark && sws && dst[0] &&
        sws_scale(sws, src, src_stride, 0, from_height, dst, dst_stride) == h)
        for (int y = 0; y < h; y++)
            memcpy(m->white + (ptrdiff_t)(y + h / 2) * m->width + w / 8,
                   dst[0] + (ptrdiff_t)y * dst_stride[0], (size_t)w);
    else
        m->width = 0;
    sws_freeContext(sws);
    free(dst[0]);
    return m->width ? 0 : -ENOMEM;
}

/* The rim: wherever a letter is within RIM pixels. */
static void make_rim(struct mark *m)
{
    for (int y = RIM; y < m->height - RIM; y++)
        for (int x = RIM; x < m->width - RIM; x++) {
            uint8_t most = 0;

            for (int j = -RIM; j <= RIM; j++)
                for (int i = -RIM; i <= RIM; i++)
                    most = MAX(most, m->white[(ptrdiff_t)(y + j) * m->width + x + i]);
            m->dark[(ptrdiff_t)y * m->width + x] = most;
        }
}

int mark_init(struct mark *m, const json_t *plan, const struct redaction *spare, int width, int height,
              struct error *err)
{
    const json_t *mark = json_get_object(json_get_object(plan, "copy"), "mark");
    int64_t w = json_get_integer(mark, "width", 0), h = json_get_integer(mark, "height", 0);
    int64_t opacity = json_get_integer(mark, "opacity_permille", OPACITY_USUAL);
    int file = plan_file(plan, "mark.gray"), r;
    _cleanup_free_ uint8_t *gray = NULL;

    *m = (struct mark){.plan = spare, .opacity = (unsigned)(MIN(MAX(opacity, 1), 1000) * 256 / 1000)};
    if (!mark)
        return 0;
    if (file < 0 || w < 1 || w > SIDE_MAX || h < 1 || h > SIDE_MAX)
        return error_set(err, -EINVAL, "copy.mark",
                         "needs the file mark.gray and a width and height of 1 to %d", SIDE_MAX);
    r = read_lettering(plan_fd(file), (int)w, (int)h, &gray, err);
    if (r == 0 && make_tile(m, gray, (int)w, (int)h, width, height) < 0)
        r = error_set(err, -ENOMEM, "mark.gray", "out of memory");
    if (r < 0)
        return r;
    make_rim(m);
    return 0;
}

void mark_done(struct mark *m)
{
    free(m->white);
    free(m->dark);
    *m = (struct mark){0};
}

static bool is_spared(const struct mark *m, const AVFrame *f, int x, int y)
{
    for (size_t i = 0; m->plan && i < m->plan->n_keep; i++) {
        const struct place_in_picture *k = &m->plan->keep[i];
        int64_t px = (int64_t)x * 1000, py = (int64_t)y * 1000;

        if (px >= (int64_t)k->x * f->width - 1000 && px < (int64_t)(k->x + k->w) * f->width &&
            py >= (int64_t)k->y * f->height - 1000 && py < (int64_t)(k->y + k->h) * f->height)
            return true;
    }
    return false;
}

static void mark_row(const struct mark *m, AVFrame *f, int y, int64_t shift_x, int64_t shift_y)
{
    uint8_t *line = f->data[0] + (ptrdiff_t)y * f->linesize[0];
    int64_t v = y + shift_y, row = v / m->height;
    const uint8_t *white = m->white + (v % m->height) * m->width,
                  *dark = m->dark + (v % m->height) * m->width;
    int64_t u =
        (shift_x + row * (m->width / 3)) % m->width; /* each row a third further: it runs diagonally */

    for (int x = 0; x < f->width; x++, u = u + 1 == m->width ? 0 : u + 1) {
        unsigned rim = dark[u] * m->opacity / 255, letter = white[u] * m->opacity / 255;
        unsigned value = line[x];

        if (rim == 0 || is_spared(m, f, x, y))
            continue;
        value = (value * (256 - rim) + 16 * rim) >> 8;
        line[x] = (uint8_t)((value * (256 - letter) + 235 * letter) >> 8);
    }
}

void mark_picture(const struct mark *m, AVFrame *f, int64_t at_usec)
{
    int64_t way = MAX(at_usec, 0) / (USEC_PER_SEC / PIXELS_A_SECOND);

    for (int y = 0; m->width && y < f->height; y++)
        mark_row(m, f, y, way, way / 2);
}
