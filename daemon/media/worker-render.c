/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Released and redacted copies: decoded pictures are made upright, covered and marked, and encoded anew as H.264 and AAC in MP4. Nothing of
 * the original goes along but pixels and samples: no tags, no places, no other streams, no captions hidden between pictures.
 *
 * A picture is held until the next one comes, because what has to be covered in it depends on how long it stays on the screen. Whatever is
 * not sure is black: a picture without a time or beside a step back in time, one that cannot be converted, and after any damage all
 * pictures until the next whole key picture, while anything is to be covered or was since the last one: decoders fill gaps with older
 * pictures and move their parts anywhere. Damage is told by frames, by packets and by what the decoder complains of (HEVC's marks no
 * frame); as it is noticed in the order of decoding, only a key picture that was read after it ends it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "media/worker-copy.h"
#include "media/worker-cover.h"
#include "media/worker-mark.h"
#include "media/worker-missing.h"
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
    AVFrame *held, *black;
    int64_t held_usec; /* -1: nothing is held */
    bool held_timeless, held_damaged, suspect;
    bool timed;         /* some picture has had a time */
    bool dirty;         /* damage was noticed, and no key picture was read since */
    int64_t clean_usec; /* when the key picture is shown that was read after it */
    int64_t key_usec;   /* of the last key picture that was whole */
    unsigned complaints;
    uint64_t errors; /* that the pass counted */
    unsigned sound_complaints;
    uint64_t sound_errors;
    struct missing missing;
    int64_t last_pts;
    int64_t pictures, covered, blackened;
};

/* Of the decoders of pictures, whichever of their threads, and of sound. */
static atomic_uint complaints, sound_complaints;

/* H.264 pictures that are left out are no error to its decoder: it fills them with the one before. */
static bool is_complaint(int level, const char *format)
{
    return level <= AV_LOG_ERROR || strncmp(format, "Frame num gap", 13) == 0;
}

static void on_log(void *context, int level, const char *format, va_list ap)
{
    const AVClass *class = context ? *(const AVClass **)context : NULL;

    if (!class || !is_complaint(level, format) || strcmp(class->class_name, "AVCodecContext") != 0)
        return;
    if (((const AVCodecContext *)context)->codec_type == AVMEDIA_TYPE_VIDEO)
        atomic_fetch_add(&complaints, 1);
    else
        atomic_fetch_add(&sound_complaints, 1);
}

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
    av_frame_free(&r->black);
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

    want.sar =
        av_guess_sample_aspect_ratio(p->ctx, p->video, NULL); /* as the proxy, over which plans are made */
    scale_display_size(par->width, par->height, want.sar, p->rotation, &w, &h);
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

void copy_comment(const struct redaction *plan, char ret[COPY_COMMENT_MAX])
{
    snprintf(ret, COPY_COMMENT_MAX, "Liuhen redacted copy; plan sha256:%s", plan->digest);
}

static int set_comment(struct render *r)
{
    char text[COPY_COMMENT_MAX];

    if (!r->redact)
        return 0;
    copy_comment(&r->plan, text);
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
    if (r->held_timeless || ((r->held_damaged || r->suspect) && cover_is_due(&r->plan, from, until))) {
        cover_black(frame);
        r->blackened++;
    } else if (cover_picture(&r->cover, frame, from, until))
        r->covered++;
}

/* One that cannot be converted: leaving it out would let the one before stand longer than it was covered for. */
static int black_picture(struct render *r, AVFrame **ret)
{
    AVFrame *f = r->black;

    av_frame_unref(f);
    f->format = r->encoder->pix_fmt;
    f->width = r->encoder->width;
    f->height = r->encoder->height;
    if (av_frame_get_buffer(f, 0) < 0)
        return -ENOMEM;
    cover_black(f);
    r->blackened++;
    *ret = f;
    return 0;
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
    if (r->pictures == 0)
        from = MIN(from, 0); /* it stands from the beginning, where players show anything before it */
    until_usec = MAX(until_usec, MAX(at, shown)) + GRACE_USEC;
    e = scaler_picture(&r->scaler, r->held, &frame);
    av_frame_unref(r->held);
    if (e == -ENOTSUP || e == -EINVAL)
        e = black_picture(r, &frame);
    else if (e == 0)
        cover_held(r, frame, from, until_usec);
    if (e < 0)
        return e;
    mark_picture(&r->mark, frame, shown);
    r->last_pts = frame->pts = pts;
    r->pictures++;
    return copy_file_encode(&r->out, r->encoder, r->stream, frame, r->packet);
}

static void note_damage(struct render *r)
{
    r->suspect = r->dirty = true;
    r->clean_usec = INT64_MAX;
}

static void note_complaints(struct render *r, const struct pass *p)
{
    unsigned now = atomic_load(&complaints);

    if (now != r->complaints || p->picture_errors != r->errors)
        note_damage(r);
    r->complaints = now;
    r->errors = p->picture_errors;
}

static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    struct render *r = state;
    int64_t at = pass_packet_usec(p, st, packet);

    if (st == p->audio && (packet->flags & AV_PKT_FLAG_CORRUPT))
        copy_sound_damaged(&r->sound, MAX(at, 0));
    if (st != p->video)
        return 0;
    note_complaints(r, p);
    r->timed |= packet->pts != AV_NOPTS_VALUE || packet->dts != AV_NOPTS_VALUE;
    if (missing_packet(&r->missing, p, packet) || (packet->flags & AV_PKT_FLAG_CORRUPT))
        note_damage(r);
    if (r->dirty && (packet->flags & (AV_PKT_FLAG_KEY | AV_PKT_FLAG_CORRUPT)) == AV_PKT_FLAG_KEY && at >= 0) {
        r->clean_usec = at - GRACE_USEC;
        r->dirty = false;
    }
    return 0;
}

static bool is_key(const AVFrame *f)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 29, 100)
    return (f->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return f->key_frame;
#endif
}

/* A raw stream has no times at all: there, as in the proxy, pictures are counted. */
static bool tells_times(const struct render *r, const struct pass *p)
{
    return r->timed || p->video->start_time != AV_NOPTS_VALUE;
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct render *r = state;
    bool damaged = (frame->flags & AV_FRAME_FLAG_CORRUPT) || frame->decode_error_flags;
    bool back = r->held_usec >= 0 && at_usec < r->held_usec; /* one of both times is not true */
    int e;

    note_complaints(r, p);
    if (missing_picture(&r->missing, p, at_usec))
        note_damage(r);
    r->held_timeless |= back;
    e = send_held(r, at_usec);
    if (e == 0)
        e = pass_errno(av_frame_ref(r->held, frame));
    if (e < 0)
        return e;
    r->held_usec = at_usec;
    r->held_timeless = back || (frame->best_effort_timestamp == AV_NOPTS_VALUE && tells_times(r, p));
    r->held_damaged = damaged;
    if (damaged && !r->suspect)
        note_damage(r);
    else if (!damaged && is_key(frame) && !r->dirty && at_usec >= r->clean_usec) {
        r->suspect = false;
        r->key_usec = at_usec;
    }
    return 0;
}

static int on_samples(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec)
{
    struct render *r = state;
    unsigned now = atomic_load(&sound_complaints);

    if (now != r->sound_complaints || p->sound_errors != r->sound_errors)
        copy_sound_damaged(&r->sound, at_usec);
    r->sound_complaints = now;
    r->sound_errors = p->sound_errors;
    return copy_sound_take(&r->sound, &r->out, r->packet, frame, at_usec);
}

/* Tracks that do not go along: what is in a second one of sound, nobody has silenced. */
static unsigned others(const struct pass *p, enum AVMediaType type, const AVStream *made)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->ctx->nb_streams; i++)
        n += p->ctx->streams[i]->codecpar->codec_type == type && p->ctx->streams[i] != made &&
             !(p->ctx->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC);
    return n;
}

static void say_missing(const struct render *r, const struct pass *p)
{
    unsigned pictures = others(p, AVMEDIA_TYPE_VIDEO, p->video),
             sound = others(p, AVMEDIA_TYPE_AUDIO, p->audio);
    char black[160] = "", left_out[160] = "";

    if (r->blackened)
        snprintf(black, sizeof black,
                 "%lld pictures are black, as they were damaged, came after damage, had no time "
                 "that is sure or could not be converted",
                 (long long)r->blackened);
    if (pictures + sound)
        snprintf(left_out, sizeof left_out,
                 "left out are %u more tracks of pictures and %u of sound: a copy has one of each", pictures,
                 sound);
    if (*black || *left_out)
        facts_file_message(p->facts, NAME, "%s%s%s", black, *black && *left_out ? "; " : "", left_out);
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
    say_missing(r, p);
    return e;
}

static int on_end(void *state, const struct pass *p)
{
    struct render *r = state;
    /* the last picture stands for as long as a player is left open */
    int e = r->encoder ? send_held(r, REDACTION_MSEC_MAX * USEC_PER_MSEC) : 0;

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
    r->black = av_frame_alloc();
    if (e == 0 && (!r->packet || !r->held || !r->black))
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
    missing_init(&r->missing);
    av_log_set_callback(on_log); /* whatever the level: it judges by itself */
    *ret = (struct tap){.name = "copy",
                        .state = r,
                        .pictures = p->video ? PICTURES_ALL : PICTURES_NONE,
                        .sound = p->audio != NULL,
                        .packet = on_packet,
                        .picture = p->video ? on_picture : NULL,
                        .samples = p->audio ? on_samples : NULL,
                        .end = on_end,
                        .done = on_done};
    return 1;
}
