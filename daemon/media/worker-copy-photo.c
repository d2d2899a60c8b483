/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Released and redacted photos: as a video's pictures, but one, and for all time: whatever a plan covers at any time is covered.
 */
#include <errno.h>
#include <string.h>

#include <libswscale/swscale.h>

#include "media/worker-copy.h"
#include "media/worker-cover.h"
#include "media/worker-mark.h"
#include "media/worker-say.h"
#include "media/worker-still.h"

#define NAME     "copy.jpg"
#define ALL_TIME (REDACTION_MSEC_MAX * USEC_PER_MSEC)

/* RGB → YUV 4:2:0 with even sides, or back. Return: 0 or -ENOMEM. */
static int convert(const struct picture *p, AVFrame *f, bool back)
{
    uint8_t *rgb[4] = {p->rgb}, **planes = f->data;
    int stride[4] = {(int)p->width * 3}, *strides = f->linesize;
    int w = (int)p->width, h = (int)p->height, r;
    struct SwsContext *sws =
        back ? sws_getContext(f->width, f->height, AV_PIX_FMT_YUV420P, w, h, AV_PIX_FMT_RGB24,
                              SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL)
             : sws_getContext(w, h, AV_PIX_FMT_RGB24, f->width, f->height, AV_PIX_FMT_YUV420P,
                              SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);

    if (!sws)
        return -ENOMEM;
    if (back)
        r = sws_scale(sws, (const uint8_t *const *)planes, strides, 0, f->height, rgb, stride);
    else
        r = sws_scale(sws, (const uint8_t *const *)rgb, stride, 0, h, planes, strides);
    sws_freeContext(sws);
    return r > 0 ? 0 : -ENOMEM;
}

/* Covers and marks a picture in place. */
static int render(const struct job *job, const struct redaction *plan, bool redact, struct picture *p,
                  struct error *err)
{
    AVFrame *f = av_frame_alloc();
    struct cover cover = {0};
    struct mark mark = {0};
    int r = f ? 0 : -ENOMEM;

    if (r == 0) {
        f->format = AV_PIX_FMT_YUV420P;
        f->width = ((int)p->width + 1) & ~1;
        f->height = ((int)p->height + 1) & ~1;
        r = av_frame_get_buffer(f, 0) < 0 ? -ENOMEM : convert(p, f, false);
    }
    if (r == 0)
        r = cover_init(&cover, plan, f->width, f->height);
    if (r == 0)
        r = mark_init(&mark, job->plan, plan, f->width, f->height, err);
    if (r == 0 && redact)
        cover_picture(&cover, f, 0, ALL_TIME);
    if (r == 0) {
        mark_picture(&mark, f, 0);
        r = convert(p, f, true);
    }
    cover_done(&cover);
    mark_done(&mark);
    av_frame_free(&f);
    return r;
}

static int say_made(struct job *job, const struct redaction *plan, bool redact, const struct picture *p)
{
    json_t *file = facts_file(&job->facts, NAME);
    int r = file ? json_set_string(file, "how", redact ? "redacted" : "released") : -ENOMEM;

    if (r == 0 && redact)
        r = json_set_string(file, "plan_digest", plan->digest);
    if (r == 0)
        r = json_set_integer(file, "width", p->width);
    return r == 0 ? json_set_integer(file, "height", p->height) : r;
}

static int refuse(struct job *job, const struct error *err, const char *why)
{
    char text[512];

    facts_file_message(&job->facts, NAME, "%s", err->code ? error_format(err, text, sizeof text) : why);
    return 0;
}

int copy_photo(struct job *job, const struct form *form)
{
    const char *asked = json_get_string(json_get_object(job->plan, "copy"), "form");
    bool redact = asked && strcmp(asked, "redact") == 0;
    _cleanup_(redaction_done) struct redaction plan = {0};
    struct picture p = {0};
    char why[STILL_WHY_MAX] = "";
    char comment[COPY_COMMENT_MAX];
    struct error err = ERROR_INIT;
    int r;

    if (plan_file(job->plan, NAME) < 0 || (!redact && (!asked || strcmp(asked, "release") != 0)))
        return -EINVAL;
    r = copy_read_plan(job->plan, redact, &plan, &err);
    if (r == 0)
        r = still_read_upright(job, form, PICTURE_SIDE_MAX, &p, why);
    if (r == 0 && p.width >= 2 && p.height >= 2)
        r = render(job, &plan, redact, &p, &err);
    else if (r == 0)
        r = error_set(&err, -EINVAL, "", "a picture of %u × %u is too small to be covered", p.width,
                      p.height);
    copy_comment(&plan, comment);
    p.comment = redact ? comment : NULL;
    if (r == 0)
        r = picture_write(job, &p, NAME, NULL);
    if (r == 0)
        r = say_made(job, &plan, redact, &p);
    picture_done(&p);
    return r == -EINVAL || r == -EBADMSG ? refuse(job, &err, why) : r;
}
