/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The cadence of a recording, from the real timestamps of its packets: whether its pictures come at a constant rate and at which, where
 * stretches are missing (gaps), and where time steps back or leaps (jumps). Containers round times to their ticks, so one tick and
 * two per cent are forgiven. The rate is that of the times at which pictures are shown, two fields being one picture; gaps and jumps are
 * those of decoding times, which come in order. A clock that runs over (33 bits in transport streams) is no jump, and neither is a discontinuity that
 * the stream itself announces (ISO/IEC 13818-1 §2.4.3.5, discontinuity_indicator): that is a restart. Memory is bounded
 * whatever the length: intervals are counted by value, and lists end at 64 entries while their totals go on.
 */
#include "media/worker-pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker-cadence.h"
#include "media/worker-inspect.h"

#define LIST_MAX        64
#define EARLY           16
#define GAP_USEC        USEC_PER_SEC
#define SOUND_GAP_USEC  (250 * USEC_PER_MSEC)
#define LEAP_USEC       (3600 * USEC_PER_SEC) /* no pause within one file is that long */
#define WRAP_LEAST_USEC (60 * USEC_PER_SEC)
#define TIME_LIMIT_USEC (INT64_C(1) << 55)
#define LOOKS_MAX       128 /* places where announcements are looked for */
#define LOOK_BYTES      (188u * 512)
#define NO_TIME         INT64_MIN

struct events {
    const char *list, *total;
    uint64_t n;
};

/* One packet: its time, how far ahead of being shown that is, how long it lasts, when it is shown as taps are told, where it stands in the
 * file. */
struct stamp {
    int64_t usec, ahead_usec, length_usec, shown_usec, pos;
    bool second; /* the second field of a picture */
};

struct line {
    bool is_sound, has_last, warm;
    int64_t tick_usec, wrap_usec; /* wrap 0: the clock does not run over */
    int64_t last_usec, last_length_usec, typical_usec;
    int64_t shown_usec; /* when the last one is shown, as pictures and samples are told (struct pass) */
    bool by_pts;        /* no decoding times: what is shown may come out of order */
    bool by_dts;        /* packets without a time to be shown: only decoding times are a line */
    int64_t along_usec; /* how far it has come since intervals were last broken off */
    struct intervals intervals;
    struct stamp early[EARLY];
    size_t n_early;
    struct events gaps, jumps;
};

struct cadence {
    struct line video, sound;
    struct events restarts;
    struct fields *fields; /* of the pictures, where packets are fields */
    unsigned looks;
    size_t packet_size, packet_start; /* of a transport stream; 0: none */
};

/* ---- events ---- */

static void add_event(struct facts *f, struct events *e, int64_t at_usec, int64_t by_usec)
{
    e->n++;
    if (e->n <= LIST_MAX)
        facts_decoded_pair(f, e->list, LIST_MAX, MAX(at_usec, 0), by_usec);
}

bool cadence_announced(const uint8_t *data, size_t size, size_t step)
{
    for (size_t at = 0; at + 188 <= size; at += step) {
        const uint8_t *p = data + at;

        if (p[0] == 0x47 && (p[3] & 0x20) && p[4] > 0 && (p[5] & 0x80))
            return true;
    }
    return false;
}

/* Whether the transport stream announces a discontinuity in the packets just before or at a byte. */
static bool is_announced(struct cadence *c, const struct pass *p, int64_t pos)
{
    static uint8_t block[LOOK_BYTES + 204];
    uint64_t from;
    ssize_t n;

    if (!c->packet_size || pos < 0 || c->looks >= LOOKS_MAX)
        return false;
    c->looks++;
    from = (uint64_t)pos > LOOK_BYTES ? (uint64_t)pos - LOOK_BYTES : 0;
    from = from > c->packet_start
               ? c->packet_start + (from - c->packet_start) / c->packet_size * c->packet_size
               : c->packet_start;
    n = input_pread(p->in, block, (size_t)((uint64_t)pos + c->packet_size - MIN(from, (uint64_t)pos)), from);
    return n > 0 && cadence_announced(block, (size_t)n, c->packet_size);
}

/* ---- one stream ---- */

static void warm_up(struct line *l)
{
    uint64_t n = l->intervals.steps;

    if (n > 0 && (n < 32 || (n & (n - 1)) == 0 || n % 8192 == 0))
        l->typical_usec = intervals_median(&l->intervals);
}

/* The picture of a packet that is shown. */
static void show(struct line *l, const struct stamp *s)
{
    if (s->second)
        return;
    intervals_take(&l->intervals, l->along_usec + (l->by_dts ? 0 : s->ahead_usec));
    warm_up(l);
}

/* A step that is none of the usual: a restart, a gap or a jump. */
static void unusual(struct cadence *c, const struct pass *p, struct line *l, int64_t step, int64_t usual,
                    int64_t pos)
{
    int64_t at = l->shown_usec + usual, over = step - usual;

    intervals_break(&l->intervals);
    l->along_usec = 0;
    if (is_announced(c, p, pos)) {
        if (!l->is_sound || !p->video)
            add_event(p->facts, &c->restarts, at, over);
    } else if (over > 0 && over < LEAP_USEC)
        add_event(p->facts, &l->gaps, at, over);
    else
        add_event(p->facts, &l->jumps, at, over);
}

/* A step on a clock that runs over: the shorter way round. libav unrolls one such run, and takes a step back to before the beginning for
 * one; this way both are seen as what they are. */
static int64_t step_of(const struct line *l, int64_t usec)
{
    int64_t step = usec - l->last_usec;

    if (l->wrap_usec)
        step %= l->wrap_usec;
    if (l->wrap_usec && step > l->wrap_usec / 2)
        step -= l->wrap_usec;
    else if (l->wrap_usec && step < -l->wrap_usec / 2)
        step += l->wrap_usec;
    return step;
}

static void take_step(struct cadence *c, const struct pass *p, struct line *l, const struct stamp *s)
{
    int64_t usual, step, gap, back;

    if (!l->has_last) {
        l->has_last = true;
        l->last_usec = s->usec;
        l->last_length_usec = s->length_usec;
        l->shown_usec = s->shown_usec;
        show(l, s);
        return;
    }
    step = step_of(l, s->usec);
    usual = l->is_sound && l->last_length_usec > 0 ? l->last_length_usec : l->typical_usec;
    gap = MAX(l->is_sound ? SOUND_GAP_USEC : GAP_USEC, 3 * usual);
    back = l->by_pts ? MAX(USEC_PER_SEC, 16 * usual) : MAX(100 * USEC_PER_MSEC, 2 * usual);
    l->last_length_usec = s->length_usec;
    if (step < -back || step - usual > gap)
        unusual(c, p, l, step, usual, s->pos);
    else if (step > 0)
        l->along_usec += step;
    else { /* twice the same, or a little out of order: what comes next is measured from the later one */
        struct stamp earlier = *s;

        earlier.ahead_usec += step;
        show(l, &earlier);
        return;
    }
    show(l, s);
    l->last_usec = s->usec;
    l->shown_usec = s->shown_usec;
}

/* The first times wait until it is known what is usual. */
static void settle(struct cadence *c, const struct pass *p, struct line *l)
{
    size_t n = l->n_early;

    if (l->warm)
        return;
    l->warm = true;
    for (size_t i = 1; i < n; i++)
        if (l->early[i].usec > l->early[i - 1].usec)
            intervals_count(&l->intervals, l->early[i].usec - l->early[i - 1].usec);
    l->typical_usec = intervals_median(&l->intervals);
    l->intervals = (struct intervals){0};
    for (size_t i = 0; i < n; i++)
        take_step(c, p, l, &l->early[i]);
}

static int64_t usec_of(int64_t ticks, AVRational base)
{
    int64_t usec = ticks == AV_NOPTS_VALUE || base.num <= 0 || base.den <= 0
                       ? NO_TIME
                       : av_rescale_q(ticks, base, AV_TIME_BASE_Q);

    return usec > -TIME_LIMIT_USEC && usec < TIME_LIMIT_USEC ? usec : NO_TIME;
}

static void begin_line(struct line *l, const AVStream *st)
{
    int64_t tick = usec_of(1, st->time_base);

    l->tick_usec = MAX(tick, 1);
    if (st->pts_wrap_bits > 0 && st->pts_wrap_bits < 50) {
        l->wrap_usec = usec_of(INT64_C(1) << st->pts_wrap_bits, st->time_base);
        if (l->wrap_usec < WRAP_LEAST_USEC)
            l->wrap_usec = 0;
    }
}

/* How far ahead of being shown a packet comes: no further than pictures can be out of order. */
static int64_t ahead_of(const AVStream *st, const AVPacket *packet)
{
    int64_t ahead = packet->pts == AV_NOPTS_VALUE || packet->dts == AV_NOPTS_VALUE
                        ? 0
                        : usec_of(av_sat_sub64(packet->pts, packet->dts), st->time_base);

    return ahead > -LEAP_USEC && ahead < LEAP_USEC ? ahead : 0;
}

static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    struct cadence *c = state;
    struct line *l = st == p->video ? &c->video : st == p->audio ? &c->sound : NULL;
    bool by_pts = packet->dts == AV_NOPTS_VALUE;
    struct stamp s = {.pos = packet->pos};

    if (!l)
        return 0;
    s.usec = usec_of(by_pts ? packet->pts : packet->dts, st->time_base);
    l->by_dts |= packet->pts == AV_NOPTS_VALUE;
    s.ahead_usec = ahead_of(st, packet);
    s.second = !l->is_sound && fields_second(c->fields, packet);
    s.length_usec = packet->duration > 0 ? MAX(usec_of(packet->duration, st->time_base), 0) : 0;
    if (!by_pts && l->by_pts && !l->warm) /* decoding times begin only now */
        l->n_early = 0;
    if (s.usec == NO_TIME || (l->n_early > 0 && by_pts != l->by_pts))
        return 0; /* both kinds of times together are no line */
    s.shown_usec = s.usec - p->start_usec + (l->is_sound ? p->audio_shift_usec : p->video_shift_usec);
    if (l->n_early == 0) {
        begin_line(l, st);
        l->by_pts = by_pts;
    }
    if (l->warm) {
        take_step(c, p, l, &s);
        return 0;
    }
    l->early[l->n_early++] = s;
    if (l->n_early == EARLY)
        settle(c, p, l);
    return 0;
}

/* ---- the end ---- */

static int set_total(json_t *decoded, const struct events *e)
{
    return e->n > LIST_MAX ? json_set_integer(decoded, e->total, (int64_t)e->n) : 0;
}

static int on_end(void *state, const struct pass *p)
{
    struct cadence *c = state;
    const struct events *all[] = {&c->video.gaps, &c->video.jumps, &c->sound.gaps, &c->sound.jumps,
                                  &c->restarts};
    json_t *decoded = facts_decoded(p->facts);
    uint64_t steps;
    int64_t usec, num, den;
    const struct intervals *pictures = &c->video.intervals;
    bool constant;
    int r = 0;

    settle(c, p, &c->video);
    settle(c, p, &c->sound);
    for (size_t i = 0; decoded && r == 0 && i < ARRAY_SIZE(all); i++)
        r = set_total(decoded, all[i]);
    if (!decoded || r < 0)
        return -ENOMEM;
    intervals_break(&c->video.intervals);
    if (pictures->steps < 2 || pictures->steps_usec <= 0)
        return 0;
    constant = intervals_constant(pictures, c->video.tick_usec, &steps, &usec);
    if (constant && steps > 0 && usec > 0)
        cadence_rate(steps, usec, c->video.tick_usec, &num, &den);
    else {
        num = (int64_t)((double)pictures->steps * 1e9 / (double)pictures->steps_usec + 0.5);
        den = 1000;
    }
    if (num <= 0 || num > INT32_MAX)
        return 0;
    r = json_set_string(decoded, "rate", constant ? "constant" : "variable");
    r = r < 0 ? r : json_set_integer(decoded, "rate_num", num);
    return r < 0 ? r : json_set_integer(decoded, "rate_den", den);
}

static void cadence_done(void *state)
{
    struct cadence *c = state;

    fields_free(c->fields);
    free(c);
}

int tap_cadence(const struct pass *p, struct tap *ret)
{
    static uint8_t head[4096];
    struct cadence *c;
    ssize_t n;

    if (!p->video && !p->audio)
        return 0;
    c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->video.gaps = (struct events){"gaps", "gaps_total", 0};
    c->video.jumps = (struct events){"jumps", "jumps_total", 0};
    c->sound.gaps = (struct events){"sound_gaps", "sound_gaps_total", 0};
    c->sound.jumps = (struct events){"sound_jumps", "sound_jumps_total", 0};
    c->restarts = (struct events){"restarts", "restarts_total", 0};
    c->sound.is_sound = true;
    c->fields = p->video ? fields_new(p->video) : NULL;
    if (p->ctx && p->ctx->iformat && strcmp(p->ctx->iformat->name, "mpegts") == 0) {
        n = input_pread(p->in, head, sizeof head, 0);
        c->packet_size = n > 0 ? mpegts_packet_size(head, (size_t)n, &c->packet_start) : 0;
    }
    *ret =
        (struct tap){.name = "cadence", .state = c, .packet = on_packet, .end = on_end, .done = cadence_done};
    return 1;
}
