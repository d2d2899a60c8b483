/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one pass (see worker-pass.h). Decoders are opened when it is known what the taps ask for. Where key pictures are enough, only their
 * packets are given to the decoder, each drained by itself: no decoder then waits for pictures that never come, and none makes up those
 * between. What a tap does to fail is its own loss; only what would hit all (memory, room) ends the pass.
 */
#include "media/worker-pass.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "media/worker-av.h"
#include "media/worker-hardware.h"
#include "media/worker-pass-clock.h"
#include "media/worker-say.h"

#define PIXELS_MAX      (INT64_C(8192) * 8192)
#define THREADS_MAX     16
#define LENGTH_SLACK    USEC_PER_SEC
#define READ_ERRORS_MAX 64 /* a demuxer that only ever fails is at its end */

/* What one run of the pass has in hand. */
struct run {
    struct pass *p;
    struct tap *taps;
    size_t n;
    enum pictures want;
    int64_t early_usec, spacing_usec;
    int64_t last_key_usec; /* of the last key picture that was decoded alone; -1: none */
    bool alone;            /* key pictures, one by one */
    bool early_over;
    bool rough; /* all that want every picture are content with that */
    bool sound;
    int64_t end_usec; /* of what was read */
    struct pass_clock video_clock, audio_clock;
    AVPacket *packet;
    AVFrame *frame;
};

static void run_done(struct run *run)
{
    av_packet_free(&run->packet);
    av_frame_free(&run->frame);
}

int pass_errno(int averror)
{
    if (averror >= 0)
        return 0;
    return averror > -4096 ? averror : -EBADMSG; /* libav's own codes are four letters, far below any errno */
}

static bool decodable(const AVStream *st)
{
    const AVCodec *codec = avcodec_find_decoder(st->codecpar->codec_id);

    return codec && av_match_list(codec->name, AV_CODECS, ',');
}

static AVStream *choose(AVFormatContext *ctx, enum AVMediaType type, const AVStream *with)
{
    int i = av_find_best_stream(ctx, type, -1, with ? with->index : -1, NULL, 0);
    AVStream *st = i < 0 ? NULL : ctx->streams[i];

    if (!st || (st->disposition & AV_DISPOSITION_ATTACHED_PIC))
        return NULL;
    if (type == AVMEDIA_TYPE_VIDEO && (st->codecpar->width <= 0 || st->codecpar->height <= 0))
        return NULL;
    if (type == AVMEDIA_TYPE_AUDIO &&
        (st->codecpar->sample_rate <= 0 || st->codecpar->sample_rate > AV_SOUND_RATE_MAX ||
         st->codecpar->ch_layout.nb_channels <= 0))
        return NULL;
    return st;
}

static int64_t stream_start(const AVStream *st)
{
    return st && st->start_time != AV_NOPTS_VALUE
               ? av_rescale_q(st->start_time, st->time_base, AV_TIME_BASE_Q)
               : INT64_MAX;
}

int pass_open(struct pass *p, struct input *in, const struct form *form, const json_t *plan,
              struct facts *facts)
{
    int r;

    *p = (struct pass){.in = in, .plan = plan, .facts = facts};
    r = av_open(in, form, facts, false, &p->ctx);
    if (!p->ctx || p->ctx->nb_streams == 0)
        return r < 0 ? pass_errno(r) : -ENODATA;
    p->video = choose(p->ctx, AVMEDIA_TYPE_VIDEO, NULL);
    p->audio = choose(p->ctx, AVMEDIA_TYPE_AUDIO, p->video);
    if (p->video)
        p->rotation = av_rotation(p->video);
    p->start_usec = MIN(stream_start(p->video), stream_start(p->audio));
    if (p->start_usec == INT64_MAX || p->start_usec == INT64_MIN)
        p->start_usec = 0;
    if (p->ctx->duration > 0)
        p->duration_usec = p->ctx->duration;
    return 0;
}

void pass_close_decoders(struct pass *p)
{
    avcodec_free_context(&p->video_decoder);
    avcodec_free_context(&p->audio_decoder);
}

void pass_close(struct pass *p)
{
    pass_close_decoders(p);
    av_close(&p->ctx);
}

static int open_decoder(const struct pass *p, const AVStream *st, int threads, AVCodecContext **ret)
{
    const AVCodec *codec = avcodec_find_decoder(st->codecpar->codec_id);
    AVCodecContext *c;
    int r;

    if (!decodable(st))
        return -ENOTSUP;
    c = avcodec_alloc_context3(codec);
    if (!c)
        return -ENOMEM;
    r = avcodec_parameters_to_context(c, st->codecpar);
    if (r >= 0) {
        c->thread_count = threads;
        c->max_pixels = PIXELS_MAX;
        c->pkt_timebase = st->time_base;
        c->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT; /* what can be shown is shown */
        r = hardware_decoder(c);
        r = r < 0 ? r : avcodec_open2(c, codec, NULL);
    }
    if (r < 0)
        avcodec_free_context(&c);
    *ret = c;
    return pass_errno(r);
}

static bool tap_lives(const struct tap *t)
{
    return t->result == 0;
}

/* Takes a tap out unless it went well. Return: 0, or what ends the pass for all. */
static int tap_judge(struct tap *t, int r)
{
    if (r > 0)
        t->pictures = PICTURES_NONE;
    if (r >= 0)
        return 0;
    t->result = r;
    return r == -ENOMEM || r == -ENOSPC || r == -EFBIG || r == -EREMOTEIO ? r : 0;
}

/* What those taps that still live ask for. Return: whether there is any that does. */
static bool gather(struct run *run)
{
    bool any = false;

    run->want = PICTURES_NONE;
    run->sound = false;
    run->early_usec = 0;
    run->spacing_usec = INT64_MAX;
    run->rough = true;
    for (size_t i = 0; i < run->n; i++) {
        const struct tap *t = &run->taps[i];

        if (!tap_lives(t))
            continue;
        any = true;
        run->want = MAX(run->want, t->pictures);
        run->sound |= t->sound;
        if (t->pictures == PICTURES_EARLY)
            run->early_usec = MAX(run->early_usec, t->early_usec);
        run->rough &= t->rough || t->pictures != PICTURES_ALL;
        if (t->pictures != PICTURES_NONE)
            run->spacing_usec = MIN(run->spacing_usec, t->spacing_usec);
    }
    return any;
}

/* A recording whose pictures or sound cannot be decoded is one without for the taps that need them. */
static int open_decoders(struct run *run)
{
    struct pass *p = run->p;
    int threads = (int)json_get_integer(p->plan, "threads", 1), r = 0;

    threads = MIN(MAX(threads, 1), THREADS_MAX);
    if (p->video && run->want != PICTURES_NONE)
        r = open_decoder(p, p->video, run->want == PICTURES_KEY ? 1 : threads, &p->video_decoder);
    if (p->video_decoder && run->rough && run->want == PICTURES_ALL)
        p->video_decoder->skip_loop_filter = AVDISCARD_NONREF;
    if (r < 0 && r != -ENOMEM)
        facts_damage(p->facts, "pictures cannot be decoded: %s",
                     avcodec_get_name(p->video->codecpar->codec_id));
    if (r != -ENOMEM && p->audio && run->sound) {
        r = open_decoder(p, p->audio, 1, &p->audio_decoder);
        if (r < 0 && r != -ENOMEM)
            facts_damage(p->facts, "sound cannot be decoded: %s",
                         avcodec_get_name(p->audio->codecpar->codec_id));
    }
    return r == -ENOMEM ? r : 0;
}

static int give_packet(struct run *run, const AVStream *st)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < run->n; i++) {
        struct tap *t = &run->taps[i];

        if (tap_lives(t) && t->packet)
            r = tap_judge(t, t->packet(t->state, run->p, st, run->packet));
    }
    return r;
}

static int give_picture(struct run *run)
{
    AVFrame *f = run->frame;
    bool key = f->pict_type == AV_PICTURE_TYPE_I || run->alone;
    int64_t at = pass_clock_frame(&run->video_clock, run->p, run->p->video, f);
    int r = 0;

    run->p->pictures++;
    if ((f->flags & AV_FRAME_FLAG_CORRUPT) || f->decode_error_flags)
        run->p->picture_errors++;
    if (f->width <= 0 || f->height <= 0 || f->format < 0)
        return 0;
    for (size_t i = 0; r == 0 && i < run->n; i++) {
        struct tap *t = &run->taps[i];

        if (tap_lives(t) && t->picture && t->pictures != PICTURES_NONE)
            r = tap_judge(t, t->picture(t->state, run->p, f, at, key));
    }
    return r;
}

static int give_samples(struct run *run)
{
    AVFrame *f = run->frame;
    int64_t at = pass_clock_frame(&run->audio_clock, run->p, run->p->audio, f);
    int r = 0;

    if (f->nb_samples <= 0 || f->sample_rate <= 0 || f->ch_layout.nb_channels <= 0)
        return 0;
    for (size_t i = 0; r == 0 && i < run->n; i++) {
        struct tap *t = &run->taps[i];

        if (tap_lives(t) && t->samples)
            r = tap_judge(t, t->samples(t->state, run->p, f, at));
    }
    return r;
}

/* What cannot be decoded is damage, unless a device decodes: then software has to say so. Return: 0 or -EREMOTEIO. */
static int count_error(struct pass *p, const AVCodecContext *c)
{
    if (c != p->video_decoder) {
        p->sound_errors++;
        return 0;
    }
    p->pictures_lost++;
    p->picture_errors++;
    return hardware_decodes(c) ? -EREMOTEIO : 0;
}

/* Takes all that a decoder has ready. Return: 0 or what ends the pass. */
static int take_frames(struct run *run, AVCodecContext *c)
{
    bool video = c == run->p->video_decoder;

    for (;;) {
        int r = avcodec_receive_frame(c, run->frame);

        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
            return 0;
        if (r == AVERROR(ENOMEM))
            return -ENOMEM;
        if (r < 0)
            return count_error(run->p, c);
        run->p->by_device |= run->frame->hw_frames_ctx != NULL;
        r = hardware_fetch(run->frame);
        if (r == 0)
            r = video ? give_picture(run) : give_samples(run);
        if (r == 0 && run->p->picture_errors && video && hardware_decodes(c))
            r = -EREMOTEIO;
        av_frame_unref(run->frame);
        if (r < 0)
            return r;
    }
}

static int decode(struct run *run, AVCodecContext *c, const AVPacket *packet)
{
    int r = avcodec_send_packet(c, packet);

    if (r == AVERROR(EAGAIN)) { /* full: cannot be after take_frames, but costs nothing to allow for */
        r = take_frames(run, c);
        if (r < 0)
            return r;
        r = avcodec_send_packet(c, packet);
    }
    if (r == AVERROR(ENOMEM))
        return -ENOMEM;
    r = r < 0 && r != AVERROR_EOF ? count_error(run->p, c) : 0;
    return r < 0 ? r : take_frames(run, c);
}

/* One key picture by itself. */
static int decode_alone(struct run *run, int64_t at)
{
    AVCodecContext *c = run->p->video_decoder;
    int r;

    if (run->last_key_usec >= 0 && at >= run->last_key_usec && at - run->last_key_usec < run->spacing_usec) {
        run->p->passed_over++;
        return 0;
    }
    run->last_key_usec = at;
    run->alone = true;
    r = decode(run, c, run->packet);
    if (r == 0)
        r = decode(run, c, NULL);
    avcodec_flush_buffers(c);
    run->alone = false;
    return r;
}

static int decode_video(struct run *run, int64_t at)
{
    struct pass *p = run->p;
    bool every = run->want == PICTURES_ALL ||
                 (run->want == PICTURES_EARLY && !run->early_over && at <= run->early_usec);
    int r = 0;

    if (every)
        return decode(run, p->video_decoder, run->packet);
    if (run->want ==
        PICTURES_EARLY) { /* what is still in the decoder comes out, then only key pictures go in */
        run->early_over = true;
        r = decode(run, p->video_decoder, NULL);
        avcodec_flush_buffers(p->video_decoder);
    }
    if (r < 0)
        return r;
    if (!(run->packet->flags & AV_PKT_FLAG_KEY)) {
        p->passed_over++;
        return 0;
    }
    return decode_alone(run, MAX(at, 0));
}

static int take_packet(struct run *run)
{
    struct pass *p = run->p;
    AVPacket *packet = run->packet;
    AVStream *st =
        (unsigned)packet->stream_index < p->ctx->nb_streams ? p->ctx->streams[packet->stream_index] : NULL;
    int64_t at;
    int r;

    if (!st)
        return 0;
    if (st == p->video)
        pass_clock_packet(&run->video_clock, &run->audio_clock, p, st, packet, &p->video_shift_usec);
    else if (st == p->audio)
        pass_clock_packet(&run->audio_clock, &run->video_clock, p, st, packet, &p->audio_shift_usec);
    if (st == p->video || (st == p->audio && !p->video))
        say_progress(MAX(pass_packet_usec(p, st, packet), 0), p->duration_usec);
    else
        say_beat();
    r = give_packet(run, st);
    at = pass_packet_usec(p, st, packet);
    if (at >= 0)
        run->end_usec =
            MAX(run->end_usec, at + av_rescale_q(MAX(packet->duration, 0), st->time_base, AV_TIME_BASE_Q));
    pass_clock_shift(p, st, packet);
    if (r == 0 && st == p->video) {
        if (p->video_decoder && run->want != PICTURES_NONE)
            r = decode_video(run, at);
        else
            p->passed_over++;
    }
    if (r == 0 && st == p->audio && p->audio_decoder && run->sound)
        r = decode(run, p->audio_decoder, packet);
    return r;
}

/* Forms whose header says how long they are, and in which nothing else shows that the end is missing. */
static void check_length(const struct run *run)
{
    struct pass *p = run->p;
    const char *name = p->ctx->iformat->name;

    if (p->ctx->duration_estimation_method != AVFMT_DURATION_FROM_STREAM ||
        (strcmp(name, "flac") != 0 && strcmp(name, "mxf") != 0) ||
        run->end_usec + p->duration_usec / 10 + LENGTH_SLACK >= p->duration_usec)
        return;
    p->truncated = true;
    facts_damage(p->facts, "it ends after %lld of the %lld s that its header tells",
                 (long long)(run->end_usec / USEC_PER_SEC), (long long)(p->duration_usec / USEC_PER_SEC));
}

/* Return: 0 at the end of the recording, or what ends the pass. */
static int read_all(struct run *run)
{
    struct pass *p = run->p;
    int errors = 0, r = 0;

    while (r == 0 && errors < READ_ERRORS_MAX) {
        if (input_expired(p->in)) {
            p->truncated = true;
            facts_damage(p->facts, "it took too long and was not finished");
            return 0;
        }
        r = av_read_frame(p->ctx, run->packet);
        if (r == AVERROR_EOF || r == AVERROR(ENOMEM))
            break;
        if (r < 0) {
            errors++;
            p->truncated = true;
            r = 0;
            continue;
        }
        errors = 0;
        r = take_packet(run);
        av_packet_unref(run->packet);
        if (r == 0 && !gather(run))
            return 0;
    }
    if (r == AVERROR_EOF)
        check_length(run);
    return r == AVERROR_EOF ? 0 : pass_errno(r);
}

static int drain(struct run *run)
{
    struct pass *p = run->p;
    int r = 0;

    if (p->video_decoder)
        r = decode(run, p->video_decoder, NULL);
    if (r == 0 && p->audio_decoder)
        r = decode(run, p->audio_decoder, NULL);
    return r;
}

static void set_count(struct pass *p, const char *key, uint64_t value)
{
    json_t *decoded = facts_decoded(p->facts);

    if (value && decoded && json_set_integer(decoded, key, (int64_t)MIN(value, (uint64_t)INT64_MAX)) < 0)
        p->facts->failed = true;
}

static void write_counts(struct pass *p)
{
    set_count(p, "pictures", p->pictures);
    set_count(p, "picture_errors", p->picture_errors);
    set_count(p, "sound_errors", p->sound_errors);
    if (p->picture_errors)
        facts_damage(p->facts, "%llu of %llu decoded pictures are broken",
                     (unsigned long long)p->picture_errors,
                     (unsigned long long)(p->pictures + p->pictures_lost));
    if (p->by_device && json_set_string(facts_decoded(p->facts), "hardware", hardware_kind()) < 0)
        p->facts->failed = true;
    if (p->passed_over && json_set_bool(facts_decoded(p->facts), "key_pictures_only", true) < 0)
        p->facts->failed = true;
    if (p->truncated && json_set_bool(facts_decoded(p->facts), "truncated", true) < 0)
        p->facts->failed = true;
}

int pass_run(struct pass *p, struct tap *taps, size_t n)
{
    _cleanup_(run_done) struct run run = {.p = p, .taps = taps, .n = n, .last_key_usec = -1};
    bool again = false; /* another pass sees more of it, and says so */
    int r;

    run.packet = av_packet_alloc();
    run.frame = av_frame_alloc();
    if (!run.packet || !run.frame)
        return -ENOMEM;
    if (!gather(&run))
        return 0;
    r = open_decoders(&run);
    if (r == 0)
        r = read_all(&run);
    if (r == 0)
        r = drain(&run);
    if (r < 0)
        return r;
    p->truncated |= p->in->read_errno != 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (tap_lives(&taps[i]) && taps[i].end)
            r = tap_judge(&taps[i], taps[i].end(taps[i].state, p));
        again |= taps[i].result == -EXDEV;
    }
    if (!again)
        write_counts(p);
    return r;
}
