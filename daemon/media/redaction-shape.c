/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where a region is, and how loud a sample may be (see redaction.h). Everything is rounded so that rather too much is covered than too
 * little: a picture that is on the screen for a while is covered wherever the region is during that while, a pixel that is touched is
 * covered whole, and so are the pixels that share its sample of colour.
 */
#include "media/redaction.h"

#include <math.h>
#include <string.h>

#define STEPS_MAX                                                                                            \
    64 /* a region that moves farther than so many pixels while one picture is shown is covered by one rectangle */

struct box {
    double x0, y0, x1, y1; /* pixels */
};

bool region_is_there(const struct region *r, int64_t from_usec, int64_t until_usec)
{
    return from_usec < r->until_usec && until_usec >= r->from_usec;
}

bool stretch_is_there(const struct stretch *s, int64_t from_usec, int64_t until_usec)
{
    return from_usec < s->until_usec && until_usec >= s->from_usec;
}

/* Number of keyframes at or before an instant. */
static size_t keyframes_until(const struct region *r, int64_t at_usec)
{
    size_t low = 0, high = r->n_keyframes;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->keyframes[mid].at_usec <= at_usec)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct box box_of(const struct place_in_picture *p, int width, int height)
{
    const double sx = width / 1000.0, sy = height / 1000.0;

    return (struct box){p->x * sx, p->y * sy, (p->x + p->w) * sx, (p->y + p->h) * sy};
}

static double mix(double a, double b, double t)
{
    return a + (b - a) * t;
}

static struct box between(struct box a, struct box b, double t)
{
    return (struct box){mix(a.x0, b.x0, t), mix(a.y0, b.y0, t), mix(a.x1, b.x1, t), mix(a.y1, b.y1, t)};
}

/* Linear between keyframes; before the first and after the last it stays where that is. */
static struct box box_at(const struct region *r, int64_t at_usec, int width, int height)
{
    size_t n = keyframes_until(r, at_usec);
    const struct keyframe *a, *b;

    if (n == 0)
        return box_of(&r->keyframes[0].place, width, height);
    if (n == r->n_keyframes)
        return box_of(&r->keyframes[n - 1].place, width, height);
    a = &r->keyframes[n - 1];
    b = &r->keyframes[n];
    return between(box_of(&a->place, width, height), box_of(&b->place, width, height),
                   (double)(at_usec - a->at_usec) / (double)(b->at_usec - a->at_usec));
}

static void add_row(struct row *row, double x0, double x1, int width)
{
    int left = (int)MAX(0.0, floor(x0)), right = (int)MIN((double)width, ceil(x1));

    if (left >= right)
        return;
    row->x0 = MIN(row->x0, left);
    row->x1 = MAX(row->x1, right);
}

static void add_shape(enum cover_shape shape, struct box b, int width, int height, struct row *rows)
{
    int top = (int)MAX(0.0, floor(b.y0)), bottom = (int)MIN((double)height, ceil(b.y1));
    double cx = (b.x0 + b.x1) / 2, cy = (b.y0 + b.y1) / 2, rx = (b.x1 - b.x0) / 2, ry = (b.y1 - b.y0) / 2;

    for (int y = top; y < bottom; y++) {
        double half = rx;

        if (shape == SHAPE_ELLIPSE) {
            /* how near the row of pixels [y, y + 1] comes to the centre: there it is widest */
            double near = cy < y ? y - cy : cy > y + 1 ? cy - y - 1 : 0;

            half = near < ry ? rx * sqrt(1 - near * near / (ry * ry)) : 0;
        }
        add_row(&rows[y], cx - half, cx + half, width);
    }
}

static struct box around(struct box a, struct box b)
{
    return (struct box){MIN(a.x0, b.x0), MIN(a.y0, b.y0), MAX(a.x1, b.x1), MAX(a.y1, b.y1)};
}

/* All places on the way from a to b. */
static void add_way(enum cover_shape shape, struct box a, struct box b, int width, int height,
                    struct row *rows)
{
    double far = MAX(MAX(fabs(a.x0 - b.x0), fabs(a.x1 - b.x1)), MAX(fabs(a.y0 - b.y0), fabs(a.y1 - b.y1)));
    int steps = (int)ceil(MIN(far, STEPS_MAX + 1.0));

    if (steps > STEPS_MAX) {
        add_shape(SHAPE_RECTANGLE, around(a, b), width, height, rows);
        return;
    }
    add_shape(shape, a, width, height, rows);
    for (int i = 1; i <= steps; i++)
        add_shape(shape, between(a, b, (double)i / steps), width, height, rows);
}

/* Both rows of a sample of colour alike, both borders even. Return: whether anything is covered. */
static bool round_outwards(int width, int height, struct row *rows)
{
    bool any = false;

    for (int y = 0; y < height; y += 2) {
        struct row both = rows[y];

        if (y + 1 < height)
            both = (struct row){MIN(both.x0, rows[y + 1].x0), MAX(both.x1, rows[y + 1].x1)};
        if (both.x0 < both.x1) {
            both = (struct row){both.x0 & ~1, (both.x1 + 1) & ~1};
            any = true;
        }
        rows[y] = rows[y + 1] = both;
    }
    return any;
}

bool region_rows(const struct region *r, int64_t from_usec, int64_t until_usec, int width, int height,
                 struct row *rows)
{
    size_t first = keyframes_until(r, from_usec), last = keyframes_until(r, until_usec);
    struct box a = box_at(r, from_usec, width, height), b = a;

    for (int y = 0; y < (height + 1) / 2 * 2; y++)
        rows[y] = (struct row){width, 0};
    if (last - first > STEPS_MAX) { /* many keyframes within one picture: one rectangle around all of them */
        for (size_t i = first; i < last; i++)
            b = around(b, box_of(&r->keyframes[i].place, width, height));
        b = around(b, box_at(r, until_usec, width, height));
        add_shape(SHAPE_RECTANGLE, b, width, height, rows);
        return round_outwards(width, height, rows);
    }
    for (size_t i = first; i < last; i++, a = b) {
        b = box_of(&r->keyframes[i].place, width, height);
        add_way(r->shape, a, b, width, height, rows);
    }
    add_way(r->shape, a, box_at(r, until_usec, width, height), width, height, rows);
    return round_outwards(width, height, rows);
}

/* How many samples lie between i and [from, until), in samples; 0: inside. */
static double distance(const struct stretch *s, int64_t i, int rate)
{
    double at = (double)i, per = rate / (double)USEC_PER_SEC;
    double from = floor((double)s->from_usec * per), until = ceil((double)s->until_usec * per);

    return at < from ? from - at : at >= until ? at - until + 1 : 0;
}

float mute_gain(const struct redaction *r, int64_t sample, int rate)
{
    const double fade = MUTE_FADE_USEC * (rate / (double)USEC_PER_SEC);
    int64_t at_usec = (int64_t)((double)sample / rate * USEC_PER_SEC);
    size_t low = 0, high = r->n_mute;
    double least = fade;

    while (low < high) { /* ranges are apart and ascend: only the one before and the one behind can be near */
        size_t mid = low + (high - low) / 2;

        if (r->mute[mid].from_usec <= at_usec)
            low = mid + 1;
        else
            high = mid;
    }
    if (low > 0)
        least = MIN(least, distance(&r->mute[low - 1], sample, rate));
    if (low < r->n_mute)
        least = MIN(least, distance(&r->mute[low], sample, rate));
    return fade > 0 ? (float)(least / fade) : 1;
}

bool mute_is_near(const struct redaction *r, int64_t at_usec, int64_t within_usec)
{
    for (size_t i = 0; i < r->n_mute; i++)
        if (stretch_is_there(&r->mute[i], at_usec - within_usec, at_usec + within_usec))
            return true;
    return false;
}
