/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The shape of the sound for a waveform: the least and the greatest sample, over all channels, of stretches of equal length, in 8 bit. The length of
 * a recording is not believed: when there are too many stretches, each two become one. On the way it is seen where it is silent.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "media/worker-jpeg.h"
#include "media/worker-say.h"

#define POINTS_MAX    4096
#define SILENCES_MAX  64
#define SILENCE_LEVEL 0.004F /* −48 dB of full scale */
#define SILENCE_USEC  (2 * USEC_PER_SEC)
#define AHEAD_MAX     (240 * USEC_PER_HOUR)

struct peaks {
    int64_t step_usec; /* of one point */
    struct {
        float least, most;
    } points[POINTS_MAX];
    size_t n;
    int64_t end_usec;
    bool silences;       /* wanted */
    int64_t silent_usec; /* since when; -1: it is not */
};

static float at_u8(const uint8_t *p)
{
    return (float)(*p - 128) / 128;
}

static float at_s16(const uint8_t *p)
{
    int16_t v;

    memcpy(&v, p, sizeof v);
    return (float)v / 32768;
}

static float at_s32(const uint8_t *p)
{
    int32_t v;

    memcpy(&v, p, sizeof v);
    return (float)v / 2147483648.0F;
}

static float at_dbl(const uint8_t *p)
{
    double v;

    memcpy(&v, p, sizeof v);
    return (float)v;
}

/* Least and most of n samples that lie one behind the other. */
static void range_flt(const uint8_t *data, int n, float *least, float *most)
{
    float lo = 0, hi = 0;

    for (int i = 0; i < n; i++) {
        float v;

        memcpy(&v, data + (size_t)i * sizeof v, sizeof v);
        lo = v < lo ? v : lo; /* never true of what is not a number */
        hi = v > hi ? v : hi;
    }
    *least = fminf(*least, lo);
    *most = fmaxf(*most, hi);
}

static void range_any(const uint8_t *data, int n, int bytes, float (*at)(const uint8_t *), float *least,
                      float *most)
{
    for (int i = 0; i < n; i++) {
        float v = at(data + (size_t)i * (size_t)bytes);

        *least = v < *least ? v : *least;
        *most = v > *most ? v : *most;
    }
}

/* Samples [from, from + n) of all channels. */
static void range(const AVFrame *f, int from, int n, float *least, float *most)
{
    enum AVSampleFormat format = av_get_packed_sample_fmt(f->format);
    bool planar = av_sample_fmt_is_planar(f->format) != 0;
    int channels = f->ch_layout.nb_channels, planes = planar ? channels : 1,
        bytes = av_get_bytes_per_sample(format);
    int each = planar ? 1 : channels;

    for (int i = 0; i < planes; i++) {
        const uint8_t *data = f->extended_data[i] + (size_t)from * (size_t)(bytes * each);

        if (format == AV_SAMPLE_FMT_FLT)
            range_flt(data, n * each, least, most);
        else if (format == AV_SAMPLE_FMT_U8)
            range_any(data, n * each, bytes, at_u8, least, most);
        else if (format == AV_SAMPLE_FMT_S16)
            range_any(data, n * each, bytes, at_s16, least, most);
        else if (format == AV_SAMPLE_FMT_S32)
            range_any(data, n * each, bytes, at_s32, least, most);
        else if (format == AV_SAMPLE_FMT_DBL)
            range_any(data, n * each, bytes, at_dbl, least, most);
    }
}

static void join_pairs(struct peaks *t)
{
    for (size_t i = 0; i < POINTS_MAX; i += 2) {
        t->points[i / 2].least = fminf(t->points[i].least, t->points[i + 1].least);
        t->points[i / 2].most = fmaxf(t->points[i].most, t->points[i + 1].most);
    }
    memset(t->points + POINTS_MAX / 2, 0, sizeof t->points / 2);
    t->n = (t->n + 1) / 2;
    t->step_usec *= 2;
}

static void end_silence(struct peaks *t, const struct pass *p, int64_t at)
{
    if (t->silences && t->silent_usec >= 0 && at - t->silent_usec >= SILENCE_USEC)
        facts_decoded_pair(p->facts, "silence", SILENCES_MAX, t->silent_usec, at);
    t->silent_usec = -1;
}

static int on_samples(void *state, const struct pass *p, const AVFrame *f, int64_t at)
{
    struct peaks *t = state;
    float loudest = 0;
    int done = 0;

    if (at > AHEAD_MAX)
        return 0;
    while (done < f->nb_samples) {
        int64_t now = at + av_rescale(done, USEC_PER_SEC, f->sample_rate), left;
        size_t i = (size_t)(now / t->step_usec);
        float least = 0, most = 0;
        int n;

        while (i >= POINTS_MAX) {
            join_pairs(t);
            i = (size_t)(now / t->step_usec);
        }
        left = (int64_t)(i + 1) * t->step_usec - now;
        n = (int)MIN((int64_t)(f->nb_samples - done),
                     av_rescale_rnd(left, f->sample_rate, USEC_PER_SEC, AV_ROUND_UP));
        n = MAX(n, 1);
        range(f, done, n, &least, &most);
        t->points[i].least = fminf(t->points[i].least, least);
        t->points[i].most = fmaxf(t->points[i].most, most);
        t->n = MAX(t->n, i + 1);
        loudest = fmaxf(loudest, fmaxf(-least, most));
        done += n;
    }
    if (loudest >= SILENCE_LEVEL || at > t->end_usec + USEC_PER_SEC)
        end_silence(t, p, MIN(at, t->end_usec));
    if (loudest < SILENCE_LEVEL && t->silent_usec < 0)
        t->silent_usec = at;
    t->end_usec = MAX(t->end_usec, at + av_rescale(f->nb_samples, USEC_PER_SEC, f->sample_rate));
    return 0;
}

static int to_8bit(float v)
{
    return (int)lrintf(fminf(fmaxf(v, -1), 1) * 127);
}

static int write_points(const struct peaks *t, const struct pass *p)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    bool bad;

    if (!out)
        return -ENOMEM;
    fprintf(out,
            "{\"version\":1,\"channels\":1,\"points\":%zu,\"duration_usec\":%" PRId64
            ",\"point_usec\":%" PRId64 ",\"data\":[",
            t->n, t->end_usec, t->step_usec);
    for (size_t i = 0; i < t->n; i++)
        fprintf(out, "%s%d,%d", i ? "," : "", to_8bit(t->points[i].least), to_8bit(t->points[i].most));
    fputs("]}\n", out);
    bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad)
        return -ENOMEM;
    return file_write(p, "peaks.json", text, size);
}

static int on_end(void *state, const struct pass *p)
{
    struct peaks *t = state;

    end_silence(t, p, t->end_usec);
    return t->n ? write_points(t, p) : 0;
}

int tap_peaks(const struct pass *p, struct tap *ret)
{
    bool file = plan_file(p->plan, "peaks.json") >= 0;
    bool silences = json_get_bool(json_get_object(p->plan, "decoded"), "silence", false);
    int64_t points = json_get_integer(json_get_object(p->plan, "peaks"), "points", 2000);
    struct peaks *t;

    if (!p->audio || (!file && !silences))
        return 0;
    t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    points = MIN(MAX(points, 16), POINTS_MAX / 2);
    t->step_usec = MAX(MIN(p->duration_usec, AHEAD_MAX) / points + 1, USEC_PER_MSEC);
    t->silences = silences;
    t->silent_usec = -1;
    *ret = (struct tap){
        .name = "peaks", .state = t, .sound = true, .samples = on_samples, .end = on_end, .done = free};
    return 1;
}
