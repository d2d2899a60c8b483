/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Released and redacted copies: decoded pictures are made upright, covered and marked, and encoded anew as H.264 and AAC in MP4. Nothing of
 * the original goes along but pixels and samples: no tags, no places, no other streams, no captions hidden between pictures.
 *
 * A picture is held until the next one comes, because what has to be covered in it depends on how long it stays on the screen. Whatever is
 * not sure is covered: a picture without a time, and one that is damaged while anything is to be covered, are black; after damage, until
 * the next key picture, regions are covered wherever they have been since the last one, as decoders fill gaps with older pictures.
 */
#include <errno.h>
#include <string.h>

#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "media/worker-copy.h"
#include "media/worker-cover.h"
#include "media/worker-mark.h"
#include "media/worker-pass-clock.h"
#include "media/worker-say.h"
#include "media/worker-scale.h"

#define NAME        "copy.mp4"
#define CLOCK       90000
#define LINES_MOST  2160
#define GRACE_USEC  1000 /* times of plans are in milliseconds, those of recordings are not */
#define CRF         "20"
#define KEY_SECONDS 2

struct render {
    struct copy_file out;
    struct redaction plan; /* of a released copy: only what it keeps open */
    bool redact;
    struct scaler scaler;
    struct cover cover;
    struct mark mark;
    AVCodecContext *encoder; /* NULL: no pictures */
    AVStream *stream;
    struct copy_sound sound;
    bool has_sound;
    AVPacket *packet;
    AVFrame *held;
    int64_t held_usec; /* -1: nothing is held */
    bool held_timeless, held_damaged, suspect;
    int64_t key_usec; /* of the last key picture that was whole */
    int64_t last_pts;
    int64_t pictures, covered, blackened, dropped;
};

static void on_done(void *state)
{
    struct render *r = state;

    scaler_done(&r->scaler);
    cover_done(&r->cover);
    mark_done(&r->mark);
    copy_sound_done(&r->sound);
    avcodec_free_context(&r->encoder);
    copy_file_done(&r->out);
    av_packet_free(&r->packet);
    av_frame_free(&r->held);
    redaction_done(&r->plan);
    free(r);
}

static AVRational frame_rate(const struct pass *p)
{
    AVRational rate = av_guess_frame_rate(p->ctx, p->video, NULL);

    if (rate.num <= 0 || rate.den <= 0 || av_q2d(rate) > 240 || av_q2d(rate) < 0.1)
        return (AVRational){25, 1};
    return rate;
}

static int open_encoder(struct render *r, const struct pass *p, int width, int height)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    AVCodecContext *c = r->encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    AVRational rate = frame_rate(p);

    if (!c)
        return codec ? -ENOMEM : -ENOTSUP;
    c->width = width;
    c->height = height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, CLOCK};
    c->framerate = rate;
    c->sample_aspect_ratio = (AVRational){1, 1};
    c->gop_size = MIN(MAX((int)(av_q2d(rate) * KEY_SECONDS), 2), 480);
    c->color_range = AVCOL_RANGE_MPEG;
    c->colorspace = r->scaler.want.matrix;
    c->color_primaries = p->video->codecpar->color_primaries;
    c->color_trc = p->video->codecpar->color_trc;
    c->thread_count = (int)MIN(MAX(json_get_integer(p->plan, "threads", 1), 1), 16);
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (av_opt_set(c->priv_data, "preset", "veryfast", 0) < 0 ||
        av_opt_set(c->priv_data, "x264-params", "lookahead-threads=1", 0) < 0 ||
        av_opt_set(c->priv_data, "crf", CRF, 0) < 0 || av_opt_set_int(c->priv_data, "a53cc", 0, 0) < 0)
        return -ENOTSUP;
    return pass_errno(avcodec_open2(c, codec, NULL));
}

static int open_pictures(struct render *r, const struct pass *p, struct error *err)
{
    const AVCodecParameters *par = p->video->codecpar;
    struct scale_want want = {.rotation = p->rotation, .flags = SWS_BICUBIC | SWS_ACCURATE_RND};
    int64_t w, h;
    int e;

    scale_display_size(par->width, par->height, p->video->sample_aspect_ratio, p->rotation, &w, &h);
    scale_fit(w, h, LINES_MOST, &want.width, &want.height);
    want.matrix = scale_matrix(par->color_space, par->height);
    e = scaler_init(&r->scaler, &want);
    if (e == 0)
        e = cover_init(&r->cover, &r->plan, want.width, want.height);
    if (e == 0)
        e = mark_init(&r->mark, p->plan, &r->plan, want.width, want.height, err);
    if (e == 0)
        e = open_encoder(r, p, want.width, want.height);
    if (e == 0)
        e = copy_file_add(&r->out, r->encoder, &r->stream);
    return e;
}

/* What is said of the copy inside the file: the plan's digest, nothing of the original. */
static int set_comment(struct render *r)
{
    char text[128];

    if (!r->redact)
        return 0;
    snprintf(text, sizeof text, "Liuhen redacted copy; plan sha256:%s", r->plan.digest);
    return pass_errno(av_dict_set(&r->out.ctx->metadata, "comment", text, 0));
}

/* The plan of a redaction, checked anew and held against the digest that the daemon knows; of a release only what it spares. */
int copy_read_plan(const json_t *plan, bool redact, struct redaction *ret, struct error *err)
{
    const json_t *copy = json_get_object(plan, "copy");
    const char *digest = json_get_string(copy, "plan_digest");
    int e;

    if (!redact)
        return redaction_read_keep(json_object_get(copy, "keep"), ret, err);
    e = redaction_read(json_object_get(copy, "plan"), ret, err);
    if (e == 0 && digest && strcmp(digest, ret->digest) != 0)
        e = error_set(err, -EINVAL, "copy.plan_digest", "is %.64s, but the plan's is %s", digest,
                      ret->digest);
    return e;
}

/* What covers a frame as it goes out. Return: 0 or negative errno. */
static void cover_held(struct render *r, AVFrame *frame, int64_t from, int64_t until)
{
    bool pictures = r->plan.n_regions + r->plan.n_whole > 0;

    if (!r->redact || !pictures)
        return;
    if (r->held_timeless || (r->held_damaged && cover_is_due(&r->plan, from, until))) {
        cover_black(frame);
        r->blackened++;
    } else if (cover_picture(&r->cover, frame, from, until))
        r->covered++;
}

/* Sends the held picture out, which stays on the screen until an instant. */
static int send_held(struct render *r, int64_t until_usec)
{
    int64_t at = r->held_usec, pts = av_rescale(at, CLOCK, USEC_PER_SEC), shown, from;
    AVFrame *frame;
    int e;

    if (at < 0)
        return 0;
    r->held_usec = -1;
    if (pts <= r->last_pts)
        pts = r->last_pts + 1;
    shown = av_rescale(pts, USEC_PER_SEC, CLOCK);
    from = MIN(at, shown) - GRACE_USEC;
    if (r->suspect)
        from = MIN(from, r->key_usec);
    until_usec = MAX(until_usec, MAX(at, shown)) + GRACE_USEC;
    e = scaler_picture(&r->scaler, r->held, &frame);
    av_frame_unref(r->held);
    if (e == -ENOTSUP || e == -EINVAL)
        return r->dropped++, 0;
    if (e < 0)
        return e;
    cover_held(r, frame, from, until_usec);
    mark_picture(&r->mark, frame, shown);
    r->last_pts = frame->pts = pts;
    r->pictures++;
    return copy_file_encode(&r->out, r->encoder, r->stream, frame, r->packet);
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct render *r = state;
    bool damaged = (frame->flags & AV_FRAME_FLAG_CORRUPT) || frame->decode_error_flags;
    int e = send_held(r, at_usec);

    if (e == 0)
        e = pass_errno(av_frame_ref(r->held, frame));
    if (e < 0)
        return e;
    r->held_usec = at_usec;
    r->held_timeless = frame->best_effort_timestamp == AV_NOPTS_VALUE;
    r->held_damaged = damaged;
    if (damaged)
        r->suspect = true;
    else if (key) {
        r->suspect = false;
        r->key_usec = at_usec;
    }
    return 0;
}

static int on_samples(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec)
{
    struct render *r = state;

    return copy_sound_take(&r->sound, &r->out, r->packet, frame, at_usec);
}

static int say_made(const struct render *r, const struct pass *p)
{
    json_t *file = facts_file(p->facts, NAME);
    int e = file ? json_set_string(file, "how", r->redact ? "redacted" : "released") : -ENOMEM;

    if (e == 0 && r->encoder) {
        e = json_set_integer(file, "width", r->encoder->width);
        if (e == 0)
            e = json_set_integer(file, "height", r->encoder->height);
        if (e == 0)
            e = json_set_integer(file, "pictures", r->pictures);
    }
    if (e == 0 && r->redact)
        e = json_set_string(file, "plan_digest", r->plan.digest);
    if (e == 0 && r->covered)
        e = json_set_integer(file, "covered", r->covered);
    if (e == 0 && r->blackened)
        e = json_set_integer(file, "blackened", r->blackened);
    if (e == 0 && r->sound.muted)
        e = json_set_integer(file, "muted_msec", av_rescale(r->sound.muted, 1000, MAX(r->sound.in_rate, 1)));
    if (r->blackened)
        facts_file_message(
            p->facts, NAME,
            "%lld pictures are black, as they were damaged or had no time while something had to be covered",
            (long long)r->blackened);
    if (r->dropped)
        facts_file_message(p->facts, NAME, "%lld pictures are left out: their form cannot be converted",
                           (long long)r->dropped);
    return e;
}

static int on_end(void *state, const struct pass *p)
{
    struct render *r = state;
    int e = r->encoder ? send_held(r, MAX(p->duration_usec, r->held_usec) + USEC_PER_SEC) : 0;

    if (e == 0 && r->encoder)
        e = copy_file_encode(&r->out, r->encoder, r->stream, NULL, r->packet);
    if (e == 0 && r->has_sound)
        e = copy_sound_end(&r->sound, &r->out, r->packet);
    if (e == 0 && r->pictures == 0 && !(r->has_sound && r->sound.begun)) {
        facts_file_message(p->facts, NAME, "nothing of the recording could be decoded");
        return -ENODATA;
    }
    if (e == 0)
        e = copy_file_end(&r->out);
    return e < 0 ? e : say_made(r, p);
}

static int set_up(struct render *r, const struct pass *p, struct error *err)
{
    int e = copy_read_plan(p->plan, r->redact, &r->plan, err);

    r->packet = av_packet_alloc();
    r->held = av_frame_alloc();
    if (e == 0 && (!r->packet || !r->held))
        e = -ENOMEM;
    if (e == 0)
        e = copy_file_open(&r->out, plan_file(p->plan, NAME), "mp4");
    if (e == 0 && p->video)
        e = open_pictures(r, p, err);
    if (e == 0 && p->audio) {
        e = copy_sound_init(&r->sound, p, &r->plan, &r->out);
        r->has_sound = true;
    }
    if (e == 0)
        e = set_comment(r);
    return e < 0 ? e : copy_file_begin(&r->out, "movflags", "+faststart");
}

int render_make(const struct pass *p, struct tap *ret)
{
    struct render *r = calloc(1, sizeof *r);
    struct error err = ERROR_INIT;
    char why[512];
    int e;

    if (!r)
        return -ENOMEM;
    *r = (struct render){.held_usec = -1, .last_pts = -1};
    r->redact = strcmp(json_get_string(json_get_object(p->plan, "copy"), "form"), "redact") == 0;
    e = set_up(r, p, &err);
    if (e < 0) {
        if (err.code)
            facts_file_message(p->facts, NAME, "%s", error_format(&err, why, sizeof why));
        else
            facts_file_message(p->facts, NAME, "it cannot be encoded: %s", strerror(-e));
        on_done(r);
        return e;
    }
    *ret = (struct tap){.name = "copy",
                        .state = r,
                        .pictures = p->video ? PICTURES_ALL : PICTURES_NONE,
                        .sound = p->audio != NULL,
                        .picture = p->video ? on_picture : NULL,
                        .samples = p->audio ? on_samples : NULL,
                        .end = on_end,
                        .done = on_done};
    return 1;
}
