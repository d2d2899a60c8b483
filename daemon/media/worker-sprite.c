/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sprite: small pictures at regular times on one sheet, and a WebVTT file that says which is where (media fragments, #xywh), so that a player
 * can show what lies under the pointer. The length of a recording is not believed: when the sheet is full, every other picture goes and
 * the rest lie twice as far apart.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <libswscale/swscale.h>

#include "media/worker-jpeg.h"
#include "media/worker-say.h"
#include "media/worker-scale.h"

#define TILES_MAX 256
#define COLUMNS   10
#define CUE_MAX   96

struct tile {
    AVFrame *picture;
    int64_t at_usec;
};

struct sprite {
    int side;  /* pixels, the longer side of a tile */
    int limit; /* tiles */
    int64_t step_usec, next_usec, last_usec;
    struct scaler scaler;
    bool sized;
    struct tile tiles[TILES_MAX];
    int n;
};

static void on_done(void *state)
{
    struct sprite *t = state;

    scaler_done(&t->scaler);
    for (int i = 0; i < t->n; i++)
        av_frame_free(&t->tiles[i].picture);
    free(t);
}

static int size_it(struct sprite *t, const struct pass *p, const AVFrame *f)
{
    struct scale_want want = {
        .rotation = p->rotation, .full_range = true, .matrix = AVCOL_SPC_SMPTE170M, .flags = SWS_AREA};
    int64_t w, h;

    if (t->sized)
        return 0;
    want.sar = av_guess_sample_aspect_ratio(p->ctx, p->video, NULL);
    scale_display_size(f->width, f->height, want.sar, p->rotation, &w, &h);
    scale_fit_width(w, h, t->side, &want.width, &want.height);
    t->sized = true;
    return scaler_init(&t->scaler, &want);
}

static void thin_out(struct sprite *t)
{
    int kept = 0;

    for (int i = 0; i < t->n; i++)
        if (i % 2 == 0)
            t->tiles[kept++] = t->tiles[i];
        else
            av_frame_free(&t->tiles[i].picture);
    t->n = kept;
    t->step_usec *= 2;
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct sprite *t = state;
    AVFrame *f = NULL;
    int r;

    t->last_usec = MAX(t->last_usec, at_usec);
    if (t->n > 0 && (at_usec < t->next_usec || at_usec <= t->tiles[t->n - 1].at_usec))
        return 0;
    r = size_it(t, p, frame);
    if (r == 0)
        r = scaler_picture(&t->scaler, frame, &f);
    if (r < 0)
        return r == -ENOTSUP && t->n ? 0 : r;
    if (t->n >= t->limit)
        thin_out(t);
    t->tiles[t->n] = (struct tile){av_frame_clone(f), at_usec};
    if (!t->tiles[t->n++].picture)
        return -ENOMEM;
    t->next_usec = av_sat_add64(at_usec / t->step_usec * t->step_usec, t->step_usec);
    return 0;
}

static void paste(AVFrame *sheet, const AVFrame *tile, int x, int y)
{
    for (int i = 0; i < 3; i++) {
        int w = i ? tile->width / 2 : tile->width, h = i ? tile->height / 2 : tile->height;

        for (int row = 0; row < h; row++)
            memcpy(sheet->data[i] + (ptrdiff_t)((i ? y / 2 : y) + row) * sheet->linesize[i] + (i ? x / 2 : x),
                   tile->data[i] + (ptrdiff_t)row * tile->linesize[i], (size_t)w);
    }
}

static void free_frame(AVFrame **f)
{
    av_frame_free(f);
}

static int write_sheet(const struct sprite *t, const struct pass *p)
{
    _cleanup_(free_frame) AVFrame *sheet = av_frame_alloc();
    const struct scale_want *w = &t->scaler.want;
    int rows = (t->n + COLUMNS - 1) / COLUMNS, columns = MIN(t->n, COLUMNS);

    if (!sheet)
        return -ENOMEM;
    sheet->format = AV_PIX_FMT_YUV420P;
    sheet->width = columns * w->width;
    sheet->height = rows * w->height;
    sheet->color_range = AVCOL_RANGE_JPEG;
    if (av_frame_get_buffer(sheet, 0) < 0)
        return -ENOMEM;
    for (int i = 0; i < 3; i++)
        for (int y = 0; y < (i ? sheet->height / 2 : sheet->height); y++)
            memset(sheet->data[i] + (ptrdiff_t)y * sheet->linesize[i], i ? 128 : 0,
                   (size_t)(i ? sheet->width / 2 : sheet->width));
    for (int i = 0; i < t->n; i++)
        paste(sheet, t->tiles[i].picture, i % COLUMNS * w->width, i / COLUMNS * w->height);
    return jpeg_write(p, "sprite.jpg", sheet);
}

static void put_time(FILE *out, int64_t usec)
{
    int64_t ms = usec / USEC_PER_MSEC;

    fprintf(out, "%02" PRId64 ":%02d:%02d.%03d", ms / 3600000, (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
            (int)(ms % 1000));
}

/* WebVTT (W3C), each cue a media fragment of the sheet. The first reaches from the beginning, the last to the end. */
static int write_cues(const struct sprite *t, const struct pass *p)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int64_t end = MAX(p->duration_usec, av_sat_add64(t->last_usec, USEC_PER_SEC));
    bool bad;

    if (!out)
        return -ENOMEM;
    fputs("WEBVTT\n", out);
    for (int i = 0; i < t->n; i++) {
        fputc('\n', out);
        put_time(out, i ? t->tiles[i].at_usec : 0);
        fputs(" --> ", out);
        put_time(out, i + 1 < t->n ? t->tiles[i + 1].at_usec : end);
        fprintf(out, "\nsprite.jpg#xywh=%d,%d,%d,%d\n", i % COLUMNS * t->scaler.want.width,
                i / COLUMNS * t->scaler.want.height, t->scaler.want.width, t->scaler.want.height);
    }
    bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad)
        return -ENOMEM;
    return file_write(p, "sprite.vtt", text, size);
}

static int on_end(void *state, const struct pass *p)
{
    struct sprite *t = state;
    int r = t->n ? write_sheet(t, p) : 0;

    return r == 0 && t->n ? write_cues(t, p) : r;
}

int tap_sprite(const struct pass *p, struct tap *ret)
{
    const json_t *plan = json_get_object(p->plan, "sprite");
    int64_t least = json_get_integer(plan, "least_msec", 2000) * USEC_PER_MSEC;
    struct sprite *t;

    if (!p->video || plan_file(p->plan, "sprite.jpg") < 0)
        return 0;
    t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->side = (int)MIN(MAX(json_get_integer(plan, "width", 160), 16), 320);
    t->limit = (int)MIN(MAX(json_get_integer(plan, "tiles", 100), 2), TILES_MAX);
    t->step_usec = MIN(MAX(least, 100 * USEC_PER_MSEC), USEC_PER_HOUR);
    t->step_usec = MAX(t->step_usec, MIN(p->duration_usec / t->limit + 1, USEC_PER_HOUR));
    *ret = (struct tap){.name = "sprite",
                        .state = t,
                        .pictures = PICTURES_KEY,
                        .spacing_usec = t->step_usec,
                        .picture = on_picture,
                        .end = on_end,
                        .done = on_done};
    return 1;
}
