/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Salvage: a recorder that lost power leaves an MP4 whose pictures are all there and whose index (moov) was never written. The NAL units
 * are found by themselves: parameter sets first, by their shape (ITU-T H.264 §7.3.1, §7.4.1; H.265 §7.3.1) or in what is left of the index
 * (avcC, hvcC: ISO/IEC 14496-15 §5.3.3.1, §8.3.3.1: an index cut off or with broken tables still has them), then one unit behind the
 * other by its length; where the chain breaks (sound lies between) the next unit is looked for. A unit is believed when it has a header
 * that exists and holds nothing that emulation prevention forbids inside of one (H.264 §7.4.1.1). They are shown as one raw stream through
 * the usual pass, out of pieces of the original, which is only read. Sound and true times are lost with the index.
 *
 * Everything is bounded: pieces in number, looking back and forth by a budget in bytes, time by the input's soft deadline.
 */
#include "media/worker-salvage.h"

#include <errno.h>
#include <string.h>

#include "media/worker-inspect.h"
#include "media/worker-sniff.h"
#include "media/worker-verbs.h"

#define WINDOW          (256u << 10)
#define PIECES_MAX      (UINT64_C(2) << 20)
#define UNIT_BYTES_MAX  (16u << 20)
#define SINGLE_MAX      (1u << 20) /* a unit with none behind it is believed up to this length */
#define SET_BYTES_MAX   512u
#define CHECK_BUDGET(n) (8 * (n) + (64u << 20))

struct scan {
    struct input *in;
    enum salvage_codec codec;
    uint8_t *window;
    uint64_t at; /* of the window */
    size_t have;
    uint64_t budget;
    struct salvage *out;
    size_t room;
};

/* size bytes (at most WINDOW) at a place, or NULL: they are not there. */
static const uint8_t *look(struct scan *s, uint64_t at, size_t size)
{
    if (at > s->in->size || size > s->in->size - at)
        return NULL;
    if (at < s->at || at + size > s->at + s->have) {
        ssize_t n = input_pread(s->in, s->window, WINDOW, at);

        s->at = at;
        s->have = n > 0 ? (size_t)n : 0;
        if (s->have < size)
            return NULL;
    }
    return s->window + (at - s->at);
}

static bool is_h264_set(const uint8_t *p, int type)
{
    static const uint8_t profiles[] = {44, 66, 77, 88, 100, 110, 118, 122, 128, 244};

    if ((p[0] & 0x9F) != type || !(p[0] & 0x60))
        return false;
    return type != 7 || memchr(profiles, p[1], sizeof profiles);
}

static bool is_hevc_set(const uint8_t *p, int type)
{
    return p[0] == type << 1 && p[1] == 1;
}

/* The first set of a stream, for the codec whose it would be. */
static enum salvage_codec set_of(const uint8_t *p)
{
    return is_h264_set(p, 7) ? SALVAGE_H264 : is_hevc_set(p, 32) ? SALVAGE_HEVC : SALVAGE_NONE;
}

static bool is_next_set(enum salvage_codec codec, const uint8_t *p)
{
    return codec == SALVAGE_H264 ? is_h264_set(p, 8) : is_hevc_set(p, 33);
}

/* Whether a set with its length before it stands at a place, and the one that follows it behind. */
static enum salvage_codec lengths_begin(struct scan *s, uint64_t at)
{
    const uint8_t *p = look(s, at, 6);
    enum salvage_codec codec =
        p && be32_at(p) >= 4 && be32_at(p) <= SET_BYTES_MAX ? set_of(p + 4) : SALVAGE_NONE;

    if (codec == SALVAGE_NONE)
        return codec;
    p = look(s, at + 4 + be32_at(p), 6);
    return p && be32_at(p) >= 3 && be32_at(p) <= SET_BYTES_MAX && is_next_set(codec, p + 4) ? codec
                                                                                            : SALVAGE_NONE;
}

/* The same with start codes. */
static enum salvage_codec start_codes_begin(struct scan *s, uint64_t at)
{
    const uint8_t *p = look(s, at, 5);
    enum salvage_codec codec = p && memcmp(p, "\0\0\1", 3) == 0 ? set_of(p + 3) : SALVAGE_NONE;
    size_t size = (size_t)MIN((uint64_t)SET_BYTES_MAX, s->in->size - at);

    if (codec == SALVAGE_NONE)
        return codec;
    p = look(s, at, size);
    for (size_t i = 5; p && i + 5 <= size; i++)
        if (memcmp(p + i, "\0\0\1", 3) == 0)
            return is_next_set(codec, p + i + 3) ? codec : SALVAGE_NONE;
    return SALVAGE_NONE;
}

static bool is_header(enum salvage_codec codec, const uint8_t *p)
{
    static const uint16_t without_reference = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
    static const uint16_t with_reference = 1 << 5 | 1 << 7 | 1 << 8;
    int type = codec == SALVAGE_H264 ? p[0] & 31 : p[0] >> 1;

    if (codec == SALVAGE_HEVC)
        return !(p[0] & 0x81) && p[1] >= 1 && p[1] <= 7 &&
               (type <= 9 || (type >= 16 && type <= 21) || (type >= 32 && type <= 40));
    if ((p[0] & 0x80) || type > 12)
        return false;
    return type == 1 || ((p[0] & 0x60 ? with_reference : without_reference) >> type & 1);
}

static bool is_slice(enum salvage_codec codec, const uint8_t *p)
{
    return codec == SALVAGE_H264 ? (p[0] & 31) == 1 || (p[0] & 31) == 5 : p[0] >> 1 <= 21;
}

/* Nothing in it that only stands between units. */
static bool is_clean(struct scan *s, uint64_t from, uint64_t size)
{
    uint32_t last = 0xFFFFFF;

    while (size > 0) {
        size_t n = (size_t)MIN(size, (uint64_t)4096);
        const uint8_t *p = look(s, from, n);

        if (!p || s->budget < n)
            return false;
        s->budget -= n;
        for (size_t i = 0; i < n; i++) {
            last = (last << 8 | p[i]) & 0xFFFFFF;
            if (last < 3)
                return false;
        }
        from += n;
        size -= n;
    }
    return true;
}

/* Length of the unit whose length stands at a place; 0: there is none. */
static uint32_t unit_at(struct scan *s, uint64_t at, bool *ret_first_slice)
{
    const uint8_t *p = look(s, at, 7);
    uint32_t size = p ? be32_at(p) : 0;

    if (size < 3 || size > UNIT_BYTES_MAX || !is_header(s->codec, p + 4))
        return 0;
    *ret_first_slice = is_slice(s->codec, p + 4) && (p[s->codec == SALVAGE_H264 ? 5 : 6] & 0x80);
    return size;
}

/* Whether a unit stands at a place. In a row with others its header is enough; found alone it has to be followed by one, or be the first
 * slice of a picture and not too long. */
static bool believe(struct scan *s, uint64_t at, uint32_t size, bool first_slice, bool in_row)
{
    bool unused;

    if (size > s->in->size - at - 4)
        return false;
    if (!in_row && !unit_at(s, at + 4 + size, &unused) && !(first_slice && size <= SINGLE_MAX))
        return false;
    return is_clean(s, at + 4, size);
}

static int add_piece(struct scan *s, uint64_t from, uint64_t size)
{
    struct salvage *o = s->out;

    if (o->n_pieces == s->room) {
        size_t room = MAX(s->room * 2, (size_t)1024);
        struct input_piece *grown = realloc(o->pieces, room * sizeof *grown);

        if (!grown)
            return -ENOMEM;
        o->pieces = grown;
        s->room = room;
    }
    o->pieces[o->n_pieces++] = (struct input_piece){.at = o->total, .from = from, .size = size};
    o->total += PIECE_START_BYTES + size;
    return 0;
}

/* All units from a place on. The last may be cut. */
static int walk(struct scan *s, uint64_t at, bool in_row)
{
    int r = 0;

    while (r == 0 && at + 7 < s->in->size && s->out->n_pieces < PIECES_MAX && s->budget &&
           !input_expired(s->in)) {
        bool first_slice = false;
        uint32_t size = unit_at(s, at, &first_slice);

        if (size && in_row && first_slice && size > s->in->size - at - 4)
            size = (uint32_t)(s->in->size - at -
                              4); /* cut off in the middle of it: what is there can be shown */
        if (!size || !believe(s, at, size, first_slice, in_row)) {
            in_row = false;
            at++;
            continue;
        }
        r = add_piece(s, at + 4, size);
        s->out->pictures += first_slice;
        in_row = true;
        at += 4 + (uint64_t)size;
    }
    return r;
}

/* A set of a decoder configuration record, its length of 16 bits before it, becomes a piece. Return: where it ends; 0: it is none. */
static uint64_t configured_set(struct scan *s, uint64_t at, int type)
{
    const uint8_t *p = look(s, at, 4);
    uint32_t size = p ? be16_at(p) : 0;

    if (size < 3 || size > SET_BYTES_MAX || size > s->in->size - at - 2 ||
        !(s->codec == SALVAGE_H264 ? is_h264_set(p + 2, type) : is_hevc_set(p + 2, type)))
        return 0;
    return add_piece(s, at + 2, size) < 0 ? 0 : at + 2 + size;
}

/* AVCDecoderConfigurationRecord: some SPS, some PPS. The first of each are enough to begin with; lengths of 4 bytes are what all write. */
static bool avc_record(struct scan *s, uint64_t at)
{
    const uint8_t *p = look(s, at, 6);
    uint64_t end;

    if (!p || p[0] != 1 || p[4] != 0xFF || (p[5] & 0xE0) != 0xE0 || (p[5] & 0x1F) == 0)
        return false;
    end = at + 6;
    for (int n = p[5] & 0x1F; n > 0 && end; n--)
        end = configured_set(s, end, 7);
    p = end ? look(s, end, 1) : NULL;
    if (!p || p[0] == 0)
        return false;
    end++;
    for (int n = p[0]; n > 0 && end; n--)
        end = configured_set(s, end, 8);
    return end != 0;
}

/* HEVCDecoderConfigurationRecord: arrays of VPS, SPS and PPS; what else is in it (SEI) is not needed. */
static bool hevc_record(struct scan *s, uint64_t at)
{
    const uint8_t *p = look(s, at, 23);
    int arrays = p && p[0] == 1 && (p[21] & 3) == 3 ? p[22] : 0, seen = 0;

    at += 23;
    for (int i = 0; i < MIN(arrays, 8); i++) {
        int type, n;

        p = look(s, at, 3);
        if (!p)
            break;
        type = p[0] & 0x3F;
        n = be16_at(p + 1);
        at += 3;
        if (type < 32 || type > 34)
            break;
        for (; n > 0 && at; n--)
            at = configured_set(s, at, type);
        if (!at)
            return false;
        seen |= 1 << (type - 32);
    }
    return seen == 7;
}

/* Whether a box stands at a place that says how the pictures were encoded; its sets are the first pieces then. */
static bool configured(struct scan *s, uint64_t at)
{
    const uint8_t *p = look(s, at, 8);
    bool avc = p && memcmp(p + 4, "avcC", 4) == 0;

    if (!p || (!avc && memcmp(p + 4, "hvcC", 4) != 0))
        return false;
    s->codec = avc ? SALVAGE_H264 : SALVAGE_HEVC;
    if (avc ? avc_record(s, at + 8) : hevc_record(s, at + 8))
        return true;
    s->codec = SALVAGE_NONE;
    s->out->n_pieces = 0;
    s->out->total = 0;
    return false;
}

static bool may_begin(uint8_t b)
{
    return b == 0x67 || b == 0x47 || b == 0x27 || b == 0x40;
}

static int find(struct scan *s)
{
    for (uint64_t at = 0; at + 12 < s->in->size; at++) {
        const uint8_t *p = look(s, at, 8);

        if (!p || ((at & 0xFFFF) == 0 && input_expired(s->in)))
            return 0;
        if ((p[4] == 'a' || p[4] == 'h') && configured(s, at)) {
            s->out->codec = s->codec;
            return walk(s, 0, false);
        }
        if (may_begin(p[4]) && (s->codec = lengths_begin(s, at)) != SALVAGE_NONE) {
            s->out->codec = s->codec;
            return walk(s, at, true);
        }
        if (may_begin(p[3]) && (s->codec = start_codes_begin(s, at)) != SALVAGE_NONE) {
            s->out->codec = s->codec;
            s->out->pictures = 1;
            return add_piece(s, at + 3, s->in->size - at - 3); /* a raw stream from here on */
        }
    }
    return 0;
}

int salvage_find(struct input *in, struct salvage *ret)
{
    _cleanup_free_ uint8_t *window = malloc(WINDOW);
    struct scan s = {.in = in, .window = window, .budget = CHECK_BUDGET(in->size), .out = ret};
    int r;

    *ret = (struct salvage){0};
    if (!window)
        return -ENOMEM;
    r = find(&s);
    if (r < 0)
        salvage_done(ret);
    return r;
}

void salvage_done(struct salvage *s)
{
    free(s->pieces);
    *s = (struct salvage){0};
}

static void mark_salvaged(struct facts *f)
{
    json_t *file;
    size_t i;

    json_array_foreach (f->files, i, file)
        if (json_get_string(file, "how") && strcmp(json_get_string(file, "name"), "proxy.mp4") == 0 &&
            json_set_string(file, "how", "salvaged") < 0)
            f->failed = true;
}

void salvage_input(const struct salvage *s, struct input *in, struct facts *f, struct input *ret)
{
    *ret = *in;
    ret->source = in;
    ret->pieces = s->pieces;
    ret->n_pieces = s->n_pieces;
    ret->size = s->total;
    facts_damage(
        f, "salvaged without an index: %zu pictures of %s were found; sound and the true times are lost",
        s->pictures, s->codec == SALVAGE_H264 ? "H.264" : "HEVC");
}

static int show(struct job *job, const struct salvage *s, const char *container)
{
    struct input pieces;
    int r;

    salvage_input(s, &job->in, &job->facts, &pieces);
    r = derive_from(job, &pieces);
    if (r == 0)
        facts_text(&job->facts, job->facts.media, "container", container, strlen(container));
    mark_salvaged(&job->facts);
    return r;
}

/* For what nothing could be shown of in the usual way. Files of boxes are looked through, whatever their index is; what libav can open by
 * itself otherwise is derived as it is. */
int verb_salvage(struct job *job)
{
    _cleanup_(salvage_done) struct salvage s = {0};
    const struct form *form = sniff(&job->in);
    bool boxes = form && form->demuxer && strcmp(form->demuxer, "mov") == 0;
    int r;

    if (form && !boxes)
        return verb_derive(job);
    r = salvage_find(&job->in, &s);
    if (r < 0)
        return r;
    if (s.codec != SALVAGE_NONE && s.pictures) {
        if (boxes)
            inspect_boxes(&job->in, &job->facts);
        return show(job, &s, form ? form->container : "data");
    }
    if (boxes) /* the first to be said: what else is wrong with it is said by then */
        facts_damage(
            &job->facts, "%s",
            s.codec != SALVAGE_NONE
                ? "nothing to salvage: how its pictures are encoded is known, but none of them are left"
                : "nothing to salvage: the parameter sets (SPS, PPS) needed to decode a picture were in the "
                  "lost part; "
                  "a whole recording of the same camera and settings has them, for a repair tool");
    return derive_from(job, &job->in);
}
