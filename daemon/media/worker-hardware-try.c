/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trying the device, in the lock that jobs have: a few moving pictures are encoded by it and decoded in software, then encoded in software and
 * decoded by it; each picture that comes out has to be there and to look like the one that went in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/opt.h>

#include "media/worker-hardware.h"
#include "media/worker-say.h"

#define WIDTH        640
#define HEIGHT       480
#define PICTURES     12
#define GOP          6
#define QUALITY      23
#define DIFFERS_MOST 8 /* on average, of 255 */

struct trial {
    AVCodecContext *encoder, *decoder;
    bool encodes; /* the device does; else it decodes */
    AVFrame *picture, *seen;
    AVPacket *packet;
    unsigned n_seen, n_device;
    const char *fault; /* what is wrong with what came out */
};

static void trial_done(struct trial *t)
{
    avcodec_free_context(&t->encoder);
    avcodec_free_context(&t->decoder);
    av_frame_free(&t->picture);
    av_frame_free(&t->seen);
    av_packet_free(&t->packet);
}

/* Smooth, and different in each picture. */
static int brightness(int x, int y, int64_t n)
{
    return 48 + abs((int)((x + y + 9 * n) % 256) - 128);
}

static void paint(AVFrame *f, int64_t n)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            f->data[0][y * f->linesize[0] + x] = (uint8_t)brightness(x, y, n);
    for (int plane = 1; plane < 3; plane++)
        for (int y = 0; y < HEIGHT / 2; y++)
            memset(f->data[plane] + y * (ptrdiff_t)f->linesize[plane], 100 + 20 * plane, WIDTH / 2);
    f->pts = n;
}

static bool looks_right(const AVFrame *f)
{
    uint64_t off = 0;

    if (f->width != WIDTH || f->height != HEIGHT || f->pts < 0 || f->pts >= PICTURES ||
        (f->format != AV_PIX_FMT_NV12 && f->format != AV_PIX_FMT_YUV420P))
        return false;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            off += (uint64_t)abs(f->data[0][y * f->linesize[0] + x] - brightness(x, y, f->pts));
    return off <= (uint64_t)DIFFERS_MOST * WIDTH * HEIGHT;
}

static int open_encoder(struct trial *t)
{
    const AVCodec *codec = t->encodes ? hardware_encoder() : avcodec_find_encoder_by_name("libx264");
    AVCodecContext *c = t->encoder = codec ? avcodec_alloc_context3(codec) : NULL;

    if (!c)
        return codec ? AVERROR(ENOMEM) : AVERROR_ENCODER_NOT_FOUND;
    c->width = WIDTH;
    c->height = HEIGHT;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, 25};
    c->framerate = (AVRational){25, 1};
    c->gop_size = GOP;
    c->max_b_frames = 0;
    c->thread_count = 1;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (t->encodes)
        return hardware_encoder_open(c, QUALITY);
    av_opt_set(c->priv_data, "preset", "ultrafast", 0);
    av_opt_set_int(c->priv_data, "crf", QUALITY, 0);
    return avcodec_open2(c, codec, NULL);
}

static int open_decoder(struct trial *t)
{
    const AVCodec *codec = avcodec_find_decoder_by_name("h264");
    AVCodecContext *c = t->decoder = codec ? avcodec_alloc_context3(codec) : NULL;

    if (!c)
        return codec ? AVERROR(ENOMEM) : AVERROR_DECODER_NOT_FOUND;
    c->thread_count = 1;
    c->extradata = av_mallocz((size_t)t->encoder->extradata_size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!c->extradata)
        return AVERROR(ENOMEM);
    memcpy(c->extradata, t->encoder->extradata, (size_t)t->encoder->extradata_size);
    c->extradata_size = t->encoder->extradata_size;
    if (!t->encodes && hardware_decoder(c) < 0)
        return AVERROR(ENOMEM);
    return avcodec_open2(c, codec, NULL);
}

static int see(struct trial *t)
{
    int r;

    while ((r = avcodec_receive_frame(t->decoder, t->seen)) >= 0) {
        t->n_device += t->seen->hw_frames_ctx != NULL;
        r = hardware_fetch(t->seen);
        if (r < 0)
            return r;
        if (!looks_right(t->seen))
            t->fault = "its pictures are not those that it was given";
        t->n_seen++;
        av_frame_unref(t->seen);
    }
    return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : r;
}

/* What the encoder has ready goes to the decoder. */
static int pass_on(struct trial *t)
{
    int r, e = 0;

    while (e >= 0 && (r = avcodec_receive_packet(t->encoder, t->packet)) >= 0) {
        e = avcodec_send_packet(t->decoder, t->packet);
        av_packet_unref(t->packet);
        e = e < 0 ? e : see(t);
    }
    return e < 0 ? e : r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : r;
}

static int send(struct trial *t, const AVFrame *picture)
{
    int r = t->encodes ? hardware_encode(t->encoder, picture) : avcodec_send_frame(t->encoder, picture);

    return r < 0 ? r : pass_on(t);
}

/* Return: 0 or libav's error; -EREMOTEIO of what has none. */
static int run(struct trial *t)
{
    int r = open_encoder(t);

    r = r < 0 ? r : open_decoder(t);
    t->packet = av_packet_alloc();
    t->seen = av_frame_alloc();
    for (int n = 0; r >= 0 && n < PICTURES; n++) {
        t->picture = av_frame_alloc();
        if (!t->picture || !t->packet || !t->seen)
            return AVERROR(ENOMEM);
        t->picture->format = AV_PIX_FMT_YUV420P;
        t->picture->width = WIDTH;
        t->picture->height = HEIGHT;
        r = av_frame_get_buffer(t->picture, 0);
        if (r >= 0) {
            paint(t->picture, n);
            r = send(t, t->picture);
        }
        av_frame_free(&t->picture);
        say_beat();
    }
    r = r < 0 ? r : send(t, NULL);
    r = r < 0 ? r : avcodec_send_packet(t->decoder, NULL);
    return r < 0 ? r : see(t);
}

/* Return: whether the device can be used for it; else text says why not. */
static bool works(bool encodes, char *text, size_t size)
{
    _cleanup_(trial_done) struct trial t = {.encodes = encodes};
    char said[AV_ERROR_MAX_STRING_SIZE];
    int r = run(&t);

    if (r >= 0 && !t.fault && !encodes && t.n_device == 0)
        t.fault = "it has no use for H.264";
    if (r >= 0 && !t.fault && t.n_seen != PICTURES)
        t.fault = "pictures are missing";
    if (r >= 0 && !t.fault)
        return true;
    if (r < 0)
        av_strerror(r, said, sizeof said);
    snprintf(text, size, "%s does not work: %s", encodes ? "encoding" : "decoding", r < 0 ? said : t.fault);
    return false;
}

int verb_hardware(struct job *job)
{
    const char *kind = hardware_kind();
    char decode[100] = "", encode[100] = "";
    bool decodes, encodes;

    if (!kind) {
        snprintf(job->facts.message, sizeof job->facts.message, "%s", hardware_why_not());
        return 0;
    }
    encodes = works(true, encode, sizeof encode);
    decodes = works(false, decode, sizeof decode);
    facts_text(&job->facts, job->facts.media, "hardware", kind, strlen(kind));
    if (json_set_bool(job->facts.media, "hardware_decodes", decodes) < 0 ||
        json_set_bool(job->facts.media, "hardware_encodes", encodes) < 0)
        return -ENOMEM;
    snprintf(job->facts.message, sizeof job->facts.message, "%s%s%s", decode, *decode && *encode ? "; " : "",
             encode);
    return 0;
}
