/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Streams, tags, times, places and devices as libav gives them. Which source of a time weighs how much stands in the ranks here.
 */
#include <string.h>
#include <time.h>

#include <libavcodec/avcodec.h>
#include <libavutil/display.h>

#include "media/worker-av.h"

static const char *tag_of(const AVDictionary *d, const char *key)
{
    const AVDictionaryEntry *e = av_dict_get(d, key, NULL, 0);

    return e ? e->value : NULL;
}

static const char *type_name(const AVStream *st)
{
    if (st->disposition & AV_DISPOSITION_ATTACHED_PIC)
        return "picture";
    switch (st->codecpar->codec_type) {
    case AVMEDIA_TYPE_VIDEO:
        return "video";
    case AVMEDIA_TYPE_AUDIO:
        return "audio";
    case AVMEDIA_TYPE_SUBTITLE:
        return "subtitle";
    default:
        return "data";
    }
}

static const int32_t *display_matrix(const AVStream *st)
{
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData *sd = av_packet_side_data_get(
        st->codecpar->coded_side_data, st->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return sd && sd->size >= 36 ? (const int32_t *)sd->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &size);

    return data && size >= 36 ? (const int32_t *)data : NULL;
#endif
}

/* Clockwise quarter turns for display; libav counts the other way round. */
int av_rotation(const AVStream *st)
{
    const int32_t *matrix = display_matrix(st);
    double angle = matrix ? av_display_rotation_get(matrix) : 0;

    if (!(angle >= -360 && angle <= 360)) /* also not a number */
        return 0;
    return (int)((360 + 45 - angle) / 90) * 90 % 360;
}

static void set_positive(struct facts *f, json_t *o, const char *key, int64_t value)
{
    if (value > 0 && json_set_integer(o, key, value) < 0)
        f->failed = true;
}

/* What the index says without a look at every picture; NULL: nothing. Where pictures come as two fields, the least rate at which all times
 * fall on a picture is twice the average. Where it is half of it, the average is of ticks, not of pictures (H.264 in AVI). */
static const char *rate_hint(AVRational average, AVRational least)
{
    double a = av_q2d(average), l = av_q2d(least), ratio;

    if (!(a > 0) || !(l > 0) || a > 1e6 || l > 1e6)
        return NULL;
    ratio = l / a;
    return (ratio > 0.995 && ratio < 1.005) || (ratio > 1.99 && ratio < 2.01) ? "constant" : "variable";
}

static void describe_video(struct facts *f, json_t *o, const AVStream *st)
{
    AVRational least = st->r_frame_rate, rate = st->avg_frame_rate;
    const char *hint;
    char text[32];

    if (least.num > 0 && av_cmp_q(rate, av_mul_q(least, (AVRational){2, 1})) == 0)
        rate = least;
    hint = rate_hint(rate, least);
    if (rate.num <= 0 || rate.den <= 0)
        rate = least;
    set_positive(f, o, "width", st->codecpar->width);
    set_positive(f, o, "height", st->codecpar->height);
    set_positive(f, o, "rotation", av_rotation(st));
    if (rate.num > 0 && rate.den > 0) {
        snprintf(text, sizeof text, "%d/%d", rate.num, rate.den);
        facts_text(f, o, "rate", text, strlen(text));
    }
    if (hint)
        facts_text(f, o, "rate_hint", hint, strlen(hint));
}

static json_t *describe_stream(struct facts *f, const AVStream *st)
{
    const AVCodecParameters *p = st->codecpar;
    const char *codec = avcodec_get_name(p->codec_id), *language = tag_of(st->metadata, "language");
    json_t *o = json_object();

    if (!o)
        return NULL;
    facts_text(f, o, "type", type_name(st), 16);
    if (p->codec_id != AV_CODEC_ID_NONE)
        facts_text(f, o, "codec", codec, strlen(codec));
    if (p->codec_type == AVMEDIA_TYPE_VIDEO)
        describe_video(f, o, st);
    if (p->codec_type == AVMEDIA_TYPE_AUDIO) {
        set_positive(f, o, "channels", p->ch_layout.nb_channels);
        set_positive(f, o, "sample_rate", p->sample_rate);
        if (p->sample_rate > AV_SOUND_RATE_MAX)
            facts_damage(f, "its sound says that it has %d samples a second, which none has", p->sample_rate);
    }
    set_positive(f, o, "bit_rate", p->bit_rate);
    if (language && strcmp(language, "und") != 0)
        facts_text(f, o, "language", language, strnlen(language, 16));
    return o;
}

static void describe_tags(struct facts *f, const AVDictionary *d)
{
    static const char *const keys[] = {
        "title",
        "comment",
        "description",
        "artist",
        "copyright",
        "encoder",
        "major_brand",
        "firmware",
        "timecode",
        "com.android.version",
        "com.apple.quicktime.software",
        "originator",
        "originator_reference",
        "time_reference",
        "date",
        "location",
        "com.apple.quicktime.location.ISO6709",
        "com.apple.quicktime.location.accuracy.horizontal",
        "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP",
        "AWS_KINESISVIDEO_SERVER_TIMESTAMP",
    };
    static const struct {
        const char *tag, *key;
    } device[] = {
        {"com.apple.quicktime.make", "make"},
        {"com.apple.quicktime.model", "model"},
        {"com.android.manufacturer", "make"},
        {"com.android.model", "model"},
        {"make", "make"},
        {"maker", "make"}, /* AVI of Nikon */
        {"model", "model"},
        {"serial_number", "serial"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *v = tag_of(d, keys[i]);

        if (v)
            facts_tag(f, keys[i], v, strlen(v));
    }
    for (size_t i = 0; i < ARRAY_SIZE(device); i++) {
        const char *v = tag_of(d, device[i].tag);

        if (v)
            facts_device(f, device[i].key, v, strlen(v));
    }
}

static void describe_place(struct facts *f, const AVDictionary *d)
{
    static const char *const keys[] = {"com.apple.quicktime.location.ISO6709", "location", "location-eng"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (tag_of(d, keys[i]))
            facts_gps_iso6709(f, tag_of(d, keys[i]));
}

/* A broadcast WAV (EBU Tech 3285) has the date and the time of day apart. */
static void describe_bext(struct facts *f, const AVDictionary *d)
{
    const char *date = tag_of(d, "date"), *clock = tag_of(d, "creation_time");
    char text[64];

    if (!date || !clock || strlen(clock) > 12)
        return;
    snprintf(text, sizeof text, "%.10s %.12s", date, clock);
    facts_time_text(f, 10, text, NULL, "bext", PROBABLE);
}

/* Seconds since 1970, with decimals, as Kinesis Video writes them when a camera hands it a fragment. */
static void describe_epoch(struct facts *f, const AVDictionary *d)
{
    const char *text = tag_of(d, "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP");
    long long sec, milli = 0;
    char iso[48];
    time_t t;
    struct tm tm;

    if (!text || strlen(text) > 20 || sscanf(text, "%11lld.%3lld", &sec, &milli) < 1 || sec <= 0 || milli < 0)
        return;
    t = (time_t)sec;
    if (!gmtime_r(&t, &tm) || strftime(iso, sizeof iso - 8, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return;
    snprintf(iso + strlen(iso), 8, ".%03dZ", (int)(milli % 1000));
    facts_time_text(f, 9, iso, NULL, "kinesis producer timestamp", PROBABLE);
}

static void describe_times(struct facts *f, const AVFormatContext *ctx)
{
    facts_time_text(f, 5, tag_of(ctx->metadata, "com.apple.quicktime.creationdate"), NULL,
                    "quicktime creationdate", CERTAIN);
    /* many cameras write their wall clock where the standard wants UTC */
    facts_time_text(f, 10, tag_of(ctx->metadata, "creation_time"), NULL, "container creation_time", PROBABLE);
    facts_time_text(f, 8, tag_of(ctx->metadata, "date"), NULL, "container date", PROBABLE);
    describe_bext(f, ctx->metadata);
    describe_epoch(f, ctx->metadata);
    for (unsigned i = 0; i < ctx->nb_streams && f->n_times == 0; i++)
        facts_time_text(f, 15, tag_of(ctx->streams[i]->metadata, "creation_time"), NULL,
                        "stream creation_time", PROBABLE);
}

/* Photos have their dimensions at the top; everything else is what its streams are. */
static void describe_kind(struct facts *f, const AVFormatContext *ctx, const struct form *form)
{
    bool video = false, audio = false;

    for (unsigned i = 0; i < ctx->nb_streams; i++) {
        const AVStream *st = ctx->streams[i];
        const AVCodecParameters *p = st->codecpar;

        video |= p->codec_type == AVMEDIA_TYPE_VIDEO && !(st->disposition & AV_DISPOSITION_ATTACHED_PIC);
        audio |= p->codec_type == AVMEDIA_TYPE_AUDIO;
        if (strcmp(form->kind, "photo") == 0 && p->codec_type == AVMEDIA_TYPE_VIDEO && p->width > 0) {
            facts_integer(f, "width", p->width);
            facts_integer(f, "height", p->height);
        }
    }
    if (strcmp(form->kind, "photo") != 0 && (video || audio))
        f->kind = video ? "video" : "audio";
}

void av_describe(AVFormatContext *ctx, struct facts *f, const struct form *form)
{
    if (strcmp(form->kind, "photo") != 0) {
        for (unsigned i = 0; i < ctx->nb_streams; i++)
            facts_stream(f, describe_stream(f, ctx->streams[i]));
        if (ctx->duration > 0)
            facts_integer(f, "duration_usec", ctx->duration);
    }
    describe_kind(f, ctx, form);
    describe_times(f, ctx);
    describe_place(f, ctx->metadata);
    describe_tags(f, ctx->metadata);
    for (unsigned i = 0; i < ctx->nb_streams; i++) {
        describe_place(f, ctx->streams[i]->metadata);
        describe_tags(f, ctx->streams[i]->metadata);
    }
}
