/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Covering (see worker-cover.h). Why it cannot be undone:
 *
 * Black is one constant; nothing of the picture is in it.
 *
 * Blur and pixelate first reduce the region to a grid of cells, at most CELLS_MOST across its longer side and none smaller than a part of
 * the picture in which neither a face nor a plate can be told; the pixels are then forgotten and drawn anew from the cells alone, so that
 * sharpening finds nothing sharper than them. That alone is not enough for a video: over many pictures the grid moves against what it
 * covers, each picture is another sample, and from enough of them a face or a number can be worked out (super-resolution), or found by
 * trying all numbers and comparing their mosaics. Therefore cells are made anew only twice a second and shown until then; their
 * colours are rounded to steps of 16 and shaken by random numbers before, which are nowhere kept. What goes out is at most 144 colours
 * of about four bits twice a second, none of which is exact.
 *
 * Order: whole pictures and regions of blur and pixelate, then all that is black, so that black stays black where they meet.
 */
#include "media/worker-cover.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define CELLS_HOLD_USEC (USEC_PER_SEC / 2)
#define CELL_LEAST      16 /* pixels */
#define CELL_PART       40 /* and no less than this part of the picture's shorter side */
#define STEP            16

int cover_init(struct cover *c, const struct redaction *plan, int width, int height)
{
    *c = (struct cover){.plan = plan, .width = width, .height = height};
    c->rows = calloc((size_t)height + 1, sizeof *c->rows);
    c->cells = calloc(plan->n_regions + plan->n_whole + 1, sizeof *c->cells);
    c->open = av_frame_alloc();
    if (!c->rows || !c->cells || !c->open)
        return -ENOMEM;
    if (getrandom(&c->random, sizeof c->random, 0) != (ssize_t)sizeof c->random || c->random == 0)
        c->random = (uintptr_t)c * UINT64_C(0x9E3779B97F4A7C15) | 1;
    return 0;
}

void cover_done(struct cover *c)
{
    free(c->rows);
    free(c->cells);
    av_frame_free(&c->open);
    *c = (struct cover){0};
}

bool cover_is_due(const struct redaction *plan, int64_t from_usec, int64_t until_usec)
{
    for (size_t i = 0; i < plan->n_whole; i++)
        if (stretch_is_there(&plan->whole[i], from_usec, until_usec))
            return true;
    for (size_t i = 0; i < plan->n_regions; i++)
        if (region_is_there(&plan->regions[i], from_usec, until_usec))
            return true;
    return false;
}

/* xorshift64* (Vigna, 2016): noise, no secret. */
static unsigned noise(struct cover *c)
{
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return (unsigned)(c->random * UINT64_C(2685821657736338717) >> 33);
}

static uint8_t blunt(struct cover *c, uint64_t sum, uint64_t n)
{
    int v = (int)(sum / n) + (int)(noise(c) % (2 * STEP)) - STEP;

    v = v / STEP * STEP + STEP / 2;
    return (uint8_t)MIN(MAX(v, 16), 240);
}

struct area {
    int x0, y0, x1, y1;
};

/* The smallest rectangle around all rows. */
static struct area area_of(const struct cover *c)
{
    struct area a = {c->width, c->height, 0, 0};

    for (int y = 0; y < c->height; y++) {
        if (c->rows[y].x0 >= c->rows[y].x1)
            continue;
        a = (struct area){MIN(a.x0, c->rows[y].x0), MIN(a.y0, y), MAX(a.x1, c->rows[y].x1), y + 1};
    }
    return a;
}

static uint8_t cell_colour(struct cover *c, const AVFrame *f, int plane, struct area a)
{
    int shift = plane ? 1 : 0;
    struct area s = {a.x0 >> shift, a.y0 >> shift, a.x1 >> shift, a.y1 >> shift};
    uint64_t sum = 0, n = 0;

    s.x1 = MAX(s.x1, s.x0 + 1);
    s.y1 = MAX(s.y1, s.y0 + 1);
    for (int y = s.y0; y < s.y1; y++)
        for (int x = s.x0; x < s.x1; x++, n++)
            sum += f->data[plane][(ptrdiff_t)y * f->linesize[plane] + x];
    return blunt(c, sum, n);
}

static void make_cells(struct cover *c, struct cells *g, const AVFrame *f, struct area a, int64_t at_usec)
{
    int w = a.x1 - a.x0, h = a.y1 - a.y0, least = MAX(CELL_LEAST, MIN(c->width, c->height) / CELL_PART);
    int side = MAX(least, (MAX(w, h) + CELLS_MOST - 1) / CELLS_MOST);

    if (g->across && at_usec >= g->made_usec && at_usec - g->made_usec < CELLS_HOLD_USEC)
        return;
    g->across = MIN(MAX(w / side, 1), CELLS_MOST);
    g->down = MIN(MAX(h / side, 1), CELLS_MOST);
    g->made_usec = at_usec;
    for (int plane = 0; plane < 3; plane++)
        for (int j = 0; j < g->down; j++)
            for (int i = 0; i < g->across; i++) {
                struct area cell = {a.x0 + w * i / g->across, a.y0 + h * j / g->down,
                                    a.x0 + w * (i + 1) / g->across, a.y0 + h * (j + 1) / g->down};

                g->colours[plane][j * CELLS_MOST + i] = cell_colour(c, f, plane, cell);
            }
}

/* Where a pixel lies among n cells over size pixels: the cell, and the way to the next in 256ths from centre to centre. */
static int cell_at(int at, int size, int n, bool smooth, int *ret_next, int *ret_part)
{
    int64_t p = ((int64_t)(2 * at + 1) * n * 256) / (2 * (int64_t)size);
    int cell;

    if (!smooth) {
        cell = MIN((int)(p >> 8), n - 1);
        *ret_next = cell;
        *ret_part = 0;
        return cell;
    }
    p = MAX(p - 128, 0);
    cell = MIN((int)(p >> 8), n - 1);
    *ret_next = MIN(cell + 1, n - 1);
    *ret_part = (int)(p & 255);
    return cell;
}

static void draw_row(const struct cells *g, uint8_t *line, int plane, int y, int x0, int x1, struct area s,
                     bool smooth)
{
    int j2, fy, j = cell_at(y - s.y0, s.y1 - s.y0, g->down, smooth, &j2, &fy);
    const uint8_t *a = &g->colours[plane][j * CELLS_MOST], *b = &g->colours[plane][j2 * CELLS_MOST];

    for (int x = x0; x < x1; x++) {
        int i2, fx, i = cell_at(x - s.x0, s.x1 - s.x0, g->across, smooth, &i2, &fx);
        int top = a[i] * (256 - fx) + a[i2] * fx, bottom = b[i] * (256 - fx) + b[i2] * fx;

        line[x] = (uint8_t)((top * (256 - fy) + bottom * fy) >> 16);
    }
}

static void draw_cells(const struct cover *c, const struct cells *g, AVFrame *f, struct area a, bool smooth)
{
    for (int plane = 0; plane < 3; plane++) {
        int shift = plane ? 1 : 0;
        struct area s = {a.x0 >> shift, a.y0 >> shift, a.x1 >> shift, a.y1 >> shift};

        for (int y = s.y0; y < s.y1; y++) {
            struct row r = c->rows[y << shift];

            if (r.x0 < r.x1)
                draw_row(g, f->data[plane] + (ptrdiff_t)y * f->linesize[plane], plane, y, r.x0 >> shift,
                         r.x1 >> shift, s, smooth);
        }
    }
}

static void cover_rows(struct cover *c, struct cells *g, enum cover_kind kind, AVFrame *f, int64_t at_usec)
{
    static const uint8_t black[3] = {16, 128, 128};
    struct area a = area_of(c);

    if (a.x0 >= a.x1 || a.y0 >= a.y1)
        return;
    if (kind != COVER_BLACK) {
        make_cells(c, g, f, a, at_usec);
        draw_cells(c, g, f, a, kind == COVER_BLUR);
        return;
    }
    for (int plane = 0; plane < 3; plane++)
        for (int y = a.y0 >> !!plane; y < a.y1 >> !!plane; y++) {
            struct row r = c->rows[y << !!plane];

            if (r.x0 < r.x1)
                memset(f->data[plane] + (ptrdiff_t)y * f->linesize[plane] + (r.x0 >> !!plane), black[plane],
                       (size_t)((r.x1 - r.x0) >> !!plane));
        }
}

void cover_black(AVFrame *f)
{
    for (int plane = 0; plane < 3; plane++)
        for (int y = 0; y < f->height >> !!plane; y++)
            memset(f->data[plane] + (ptrdiff_t)y * f->linesize[plane], plane ? 128 : 16,
                   (size_t)(f->width >> !!plane));
}

/* Puts back, of what was kept, the rectangles that stay open: rounded inwards, so that nothing around them shows. */
static void put_back(const struct cover *c, AVFrame *f)
{
    for (size_t i = 0; i < c->plan->n_keep; i++) {
        const struct place_in_picture *k = &c->plan->keep[i];
        int x0 = (MAX(k->x, 0) * c->width + 999) / 1000, x1 = MIN(k->x + k->w, 1000) * c->width / 1000;
        int y0 = (MAX(k->y, 0) * c->height + 999) / 1000, y1 = MIN(k->y + k->h, 1000) * c->height / 1000;

        for (int plane = 0; plane < 3; plane++) {
            int shift = !!plane, left = (x0 + 1) >> 1 << !shift, right = x1 >> 1 << !shift;
            int top = (y0 + 1) >> 1 << !shift, bottom = y1 >> 1 << !shift;

            for (int y = top; left < right && y < bottom; y++)
                memcpy(f->data[plane] + (ptrdiff_t)y * f->linesize[plane] + left,
                       c->open->data[plane] + (ptrdiff_t)y * c->open->linesize[plane] + left,
                       (size_t)(right - left));
        }
    }
}

static bool cover_whole(struct cover *c, size_t i, AVFrame *f, int64_t from_usec)
{
    bool spare = c->plan->whole[i].kind != COVER_BLACK && c->plan->n_keep > 0;

    av_frame_unref(c->open);
    if (spare) {
        c->open->format = f->format;
        c->open->width = f->width;
        c->open->height = f->height;
        /* without memory nothing is kept open: too much is covered rather than too little */
        spare = av_frame_get_buffer(c->open, 0) == 0 && av_frame_copy(c->open, f) >= 0;
    }
    for (int y = 0; y < c->height; y++)
        c->rows[y] = (struct row){0, c->width};
    cover_rows(c, &c->cells[c->plan->n_regions + i], c->plan->whole[i].kind, f, from_usec);
    if (spare)
        put_back(c, f);
    return true;
}

static bool cover_kind(struct cover *c, bool black, AVFrame *f, int64_t from_usec, int64_t until_usec)
{
    bool any = false;

    for (size_t i = 0; i < c->plan->n_whole; i++)
        if ((c->plan->whole[i].kind == COVER_BLACK) == black &&
            stretch_is_there(&c->plan->whole[i], from_usec, until_usec))
            any |= cover_whole(c, i, f, from_usec);
    for (size_t i = 0; i < c->plan->n_regions; i++) {
        const struct region *r = &c->plan->regions[i];

        if ((r->kind == COVER_BLACK) != black || !region_is_there(r, from_usec, until_usec))
            continue;
        if (!region_rows(r, from_usec, until_usec, c->width, c->height, c->rows))
            continue;
        cover_rows(c, &c->cells[i], r->kind, f, from_usec);
        any = true;
    }
    return any;
}

bool cover_picture(struct cover *c, AVFrame *frame, int64_t from_usec, int64_t until_usec)
{
    bool soft = cover_kind(c, false, frame, from_usec, until_usec);

    return cover_kind(c, true, frame, from_usec, until_usec) || soft;
}
