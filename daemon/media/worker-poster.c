/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The poster: one picture that says what the recording shows. The first is often black (a lens cap, a camera that wakes up), so that the best
 * of the first seconds is taken; the first that is good enough ends the search. Key pictures are enough.
 */
#include <errno.h>

#include <libswscale/swscale.h>

#include "media/worker-jpeg.h"
#include "media/worker-say.h"
#include "media/worker-scale.h"

#define LOOK_USEC    (30 * USEC_PER_SEC)
#define SPACING_USEC USEC_PER_SEC
#define LOOKS_MAX    60
#define LUMA_GOOD    40 /* mean */
#define SPREAD_GOOD  14 /* mean distance from the mean */

struct poster {
    int limit; /* pixels, the longer side */
    struct scaler scaler;
    bool sized;
    AVFrame *best;
    int best_score;
    int looks;
    int64_t next_usec;
};

static void on_done(void *state)
{
    struct poster *t = state;

    scaler_done(&t->scaler);
    av_frame_free(&t->best);
    free(t);
}

/* How much there is to see: light and differences, each up to what is good. */
static int score(const AVFrame *f)
{
    int64_t sum = 0, spread = 0, n = 0;
    int mean;

    for (int y = 0; y < f->height; y += 4)
        for (int x = 0; x < f->width; x += 4, n++)
            sum += f->data[0][(ptrdiff_t)y * f->linesize[0] + x];
    mean = (int)(sum / MAX(n, 1));
    for (int y = 0; y < f->height; y += 4)
        for (int x = 0; x < f->width; x += 4)
            spread += abs(f->data[0][(ptrdiff_t)y * f->linesize[0] + x] - mean);
    return MIN(mean, LUMA_GOOD) + 4 * MIN((int)(spread / MAX(n, 1)), SPREAD_GOOD);
}

static int size_it(struct poster *t, const struct pass *p, const AVFrame *f)
{
    struct scale_want want = {
        .rotation = p->rotation, .full_range = true, .matrix = AVCOL_SPC_SMPTE170M, .flags = SWS_AREA};
    int64_t w, h;

    if (t->sized)
        return 0;
    want.sar = av_guess_sample_aspect_ratio(p->ctx, p->video, NULL);
    scale_display_size(f->width, f->height, want.sar, p->rotation, &w, &h);
    scale_fit_width(w, h, t->limit, &want.width, &want.height);
    t->sized = true;
    return scaler_init(&t->scaler, &want);
}

static int write_best(struct poster *t, const struct pass *p)
{
    int r = jpeg_write(p, "poster.jpg", t->best);

    return r < 0 ? r : 1;
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct poster *t = state;
    AVFrame *f = NULL;
    int s, r;

    if (t->best && at_usec < t->next_usec)
        return 0;
    if (t->best && (at_usec > LOOK_USEC || t->looks >= LOOKS_MAX))
        return write_best(t, p);
    t->next_usec = av_sat_add64(at_usec, SPACING_USEC);
    t->looks++;
    r = size_it(t, p, frame);
    if (r == 0)
        r = scaler_picture(&t->scaler, frame, &f);
    if (r < 0)
        return r;
    s = score(f);
    if ((frame->flags & AV_FRAME_FLAG_CORRUPT) || frame->decode_error_flags)
        s /= 4;
    if (t->best && s <= t->best_score)
        return 0;
    t->best_score = s;
    av_frame_free(&t->best);
    t->best = av_frame_clone(f);
    if (!t->best)
        return -ENOMEM;
    return s >= LUMA_GOOD + 4 * SPREAD_GOOD ? write_best(t, p) : 0;
}

static int on_end(void *state, const struct pass *p)
{
    struct poster *t = state;
    const json_t *file = t->best ? facts_file(p->facts, "poster.jpg") : NULL;

    return t->best && !json_get_string(file, "how") ? jpeg_write(p, "poster.jpg", t->best) : 0;
}

int tap_poster(const struct pass *p, struct tap *ret)
{
    struct poster *t;
    int64_t width = json_get_integer(json_get_object(p->plan, "poster"), "width", 1280);

    if (!p->video || plan_file(p->plan, "poster.jpg") < 0)
        return 0;
    t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->limit = (int)MIN(MAX(width, 16), 4096);
    *ret = (struct tap){.name = "poster",
                        .state = t,
                        .pictures = PICTURES_KEY,
                        .spacing_usec = SPACING_USEC,
                        .picture = on_picture,
                        .end = on_end,
                        .done = on_done};
    return 1;
}
