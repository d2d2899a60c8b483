/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Black stretches: a covered lens, a camera that was put away. A picture is black when 98 % of it is darker than a tenth of white (a
 * burned-in clock stays below the rest), a stretch is one when it lasts a second. Where only key pictures are decoded, a stretch reaches
 * from a black one to the next that is not, and the facts say that it was judged so.
 */
#include "media/worker-pass.h"

#include <errno.h>
#include <stdlib.h>

#include "media/worker-luma.h"

#define BLACK_PERMILLE 980
#define LEAST_USEC     USEC_PER_SEC
#define STRETCHES_MAX  64
#define PASSED_OVER                                                                                          \
    8 /* packets between two pictures: more than a decoder ever holds back once it has begun */

struct black {
    bool is_black;
    int64_t from_usec, last_usec;
    uint64_t stretches;
    uint64_t packets;      /* of the pictures' stream */
    uint64_t packets_then; /* when the last picture was judged */
};

static void close_stretch(struct black *b, const struct pass *p, int64_t to_usec)
{
    if (b->is_black && to_usec - b->from_usec >= LEAST_USEC) {
        b->stretches++;
        facts_decoded_pair(p->facts, "black", STRETCHES_MAX, b->from_usec, to_usec);
    }
    b->is_black = false;
}

/* Where a stretch ends that lasts until here at the most: where pictures between are passed over, nobody has seen whether they are black. */
static int64_t end_of(const struct black *b, int64_t at_usec)
{
    return b->packets - b->packets_then > PASSED_OVER ? b->last_usec : at_usec;
}

static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    struct black *b = state;

    b->packets += st == p->video;
    return 0;
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct black *b = state;
    bool black;

    if (!luma_is_readable(frame))
        return 0;
    black = luma_dark_permille(frame) >= BLACK_PERMILLE;
    if (!black)
        close_stretch(b, p, end_of(b, at_usec));
    else if (!b->is_black) {
        b->is_black = true;
        b->from_usec = at_usec;
    } else if (at_usec < b->from_usec) { /* time stepped back */
        close_stretch(b, p, b->last_usec);
        b->is_black = true;
        b->from_usec = at_usec;
    }
    b->last_usec = at_usec;
    b->packets_then = b->packets;
    return 0;
}

static int on_end(void *state, const struct pass *p)
{
    struct black *b = state;
    json_t *decoded = facts_decoded(p->facts);
    int r = 0;

    if (!decoded)
        return -ENOMEM;
    close_stretch(b, p, p->truncated ? b->last_usec : end_of(b, MAX(b->last_usec, p->duration_usec)));
    if (b->stretches > STRETCHES_MAX)
        r = json_set_integer(decoded, "black_total", (int64_t)b->stretches);
    return r;
}

int tap_black(const struct pass *p, struct tap *ret)
{
    struct black *b;

    if (!p->video || !json_get_bool(json_object_get(p->plan, "decoded"), "black", false))
        return 0;
    b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    *ret = (struct tap){.name = "black",
                        .state = b,
                        .pictures = PICTURES_KEY,
                        .spacing_usec = LEAST_USEC / 2,
                        .packet = on_packet,
                        .picture = on_picture,
                        .end = on_end,
                        .done = free};
    return 1;
}
