/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The proxy: an MP4 that every browser plays. Each stream that can be played as it is gets copied, the other is encoded; so a camera's H.264 with
 * telephone sound costs no more than its sound. Should copying turn out to be impossible on the way, the tap ends with -EXDEV, and
 * the pass is run again with everything encoded (worker-derive.c).
 */
#include <errno.h>
#include <string.h>

#include "media/worker-proxy.h"
#include "media/worker-say.h"

#define FILE_NAME "proxy.mp4"

struct proxy {
    struct mp4 mp4;
    bool has_video, has_audio, copies_video, copies_audio;
    bool sound_failed;
    struct video_encoder video;
    struct sound_encoder sound;
    int video_stream, audio_stream; /* where copied */
    bool key_seen;
};

static void on_done(void *state)
{
    struct proxy *t = state;

    video_encoder_done(&t->video);
    sound_encoder_done(&t->sound);
    mp4_done(&t->mp4);
    free(t);
}

static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    struct proxy *t = state;

    if (st == p->video && t->copies_video) {
        t->key_seen |= (packet->flags & AV_PKT_FLAG_KEY) != 0;
        return t->key_seen ? copy_packet(&t->mp4, t->video_stream, p, st, packet) : 0;
    }
    if (st == p->audio && t->copies_audio)
        return copy_packet(&t->mp4, t->audio_stream, p, st, packet);
    return 0;
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct proxy *t = state;

    return t->has_video && !t->copies_video ? video_encoder_picture(&t->video, &t->mp4, frame, at_usec) : 0;
}

/* Sound that cannot be converted is no reason to show nothing. */
static int on_samples(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec)
{
    struct proxy *t = state;
    int r = 0;

    if (t->has_audio && !t->copies_audio && !t->sound_failed)
        r = sound_encoder_samples(&t->sound, &t->mp4, frame, at_usec);
    if (r == -ENOTSUP || r == -ERANGE || r == -EBADMSG || r == -EINVAL) {
        t->sound_failed = true;
        facts_file_message(p->facts, FILE_NAME, "the sound could not be converted");
        return t->has_video ? 0 : r;
    }
    return r;
}

static int note_how(const struct proxy *t, const struct pass *p)
{
    json_t *file = facts_file(p->facts, FILE_NAME);
    const AVCodecParameters *c = t->has_video ? p->video->codecpar : NULL;
    bool copied = t->has_video ? t->copies_video : t->copies_audio;
    int r = json_set_string(file, "how", copied ? "remux" : "encoded");

    if (r == 0 && c)
        r = json_set_integer(
            file, "width", copied ? (p->rotation % 180 ? c->height : c->width) : t->video.scaler.want.width);
    if (r == 0 && c)
        r = json_set_integer(file, "height",
                             copied ? (p->rotation % 180 ? c->width : c->height)
                                    : t->video.scaler.want.height);
    return r;
}

static int on_end(void *state, const struct pass *p)
{
    struct proxy *t = state;
    uint64_t bytes;
    int r = 0;

    if (t->copies_video && p->picture_errors)
        return -EXDEV; /* seen in key pictures only: players stop where a decoder of ours goes on, and how much is broken shows when all is decoded */
    if (t->has_video && !t->copies_video)
        r = video_encoder_end(&t->video, &t->mp4);
    if (r == 0 && t->has_audio && !t->copies_audio)
        r = sound_encoder_end(&t->sound, &t->mp4);
    if (r < 0)
        return r;
    if (t->mp4.packets[0] + t->mp4.packets[1] == 0)
        return -ENODATA;
    if (t->has_video && t->mp4.packets[0] == 0)
        facts_file_message(p->facts, FILE_NAME, "no picture could be decoded: there is only its sound");
    r = mp4_end(&t->mp4, &bytes);
    if (r == 0)
        r = note_how(t, p);
    if (r == 0)
        say_output((unsigned)t->mp4.file, bytes);
    return r;
}

/* The first stream is the pictures', where there are any. Return: 0 or negative errno. */
static int add_video(struct proxy *t, const struct pass *p)
{
    t->has_video = p->video != NULL;
    if (!t->has_video)
        return 0;
    if (t->copies_video)
        return copy_stream(&t->mp4, p, p->video, &t->video_stream);
    return video_encoder_init(&t->video, &t->mp4, p);
}

static int add_audio(struct proxy *t, const struct pass *p)
{
    t->has_audio = p->audio != NULL;
    if (!t->has_audio)
        return 0;
    if (t->copies_audio)
        return copy_stream(&t->mp4, p, p->audio, &t->audio_stream);
    return sound_encoder_init(&t->sound, &t->mp4, p);
}

/* Packets that will come, by the recording's own account; it only sets room aside. */
static uint64_t expected(const struct pass *p)
{
    int64_t seconds = p->duration_usec / USEC_PER_SEC + 2, rate = 60;
    AVRational r = p->video ? p->video->avg_frame_rate : (AVRational){0, 1};

    if (p->duration_usec <= 0 || seconds > 24 * 3600)
        return 0;
    if (r.num > 0 && r.den > 0)
        rate = MIN(r.num / r.den + 1, 240);
    return (uint64_t)(seconds * (p->video ? rate : 0) + seconds * (p->audio ? 50 : 0));
}

static bool shrinks(const struct proxy *t, const struct pass *p)
{
    const struct scale_want *want = &t->video.scaler.want;

    return (int64_t)want->width * want->height * 2 <
           (int64_t)p->video->codecpar->width * p->video->codecpar->height;
}

int tap_proxy(const struct pass *p, struct tap *ret)
{
    const json_t *plan = json_get_object(p->plan, "proxy");
    bool may_copy = !p->no_copy && json_get_bool(plan, "remux", true);
    int file = plan_file(p->plan, FILE_NAME), r;
    struct proxy *t;

    if (file < 0 || (!p->video && !p->audio))
        return 0;
    t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->copies_video = may_copy && p->video && copy_video_fits(p);
    t->copies_audio = may_copy && p->audio && copy_audio_fits(p) && (t->copies_video || !p->video);
    if (json_get_bool(plan, "copy_only", false) && !t->copies_video) {
        on_done(t);
        return 0;
    }
    r = mp4_init(&t->mp4, file);
    if (r == 0)
        r = add_video(t, p);
    if (r == 0)
        r = add_audio(t, p);
    if (r == 0)
        r = mp4_begin(&t->mp4, expected(p));
    if (r < 0) {
        on_done(t);
        return r;
    }
    *ret = (struct tap){.name = "proxy",
                        .state = t,
                        .pictures = p->video && !t->copies_video ? PICTURES_ALL : PICTURES_NONE,
                        .rough = p->video && !t->copies_video && shrinks(t, p),
                        .sound = p->audio && !t->copies_audio,
                        .packet = on_packet,
                        .picture = on_picture,
                        .samples = on_samples,
                        .end = on_end,
                        .done = on_done};
    return 1;
}
