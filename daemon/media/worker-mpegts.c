/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Transport streams (ISO/IEC 13818-1 §2.4.3): packet size, whether the file starts and ends on a packet, and packets lost (the
 * continuity counter) over the first MiB and the last quarter.
 */
#include "media/worker-inspect.h"

#include <inttypes.h>
#include <string.h>

#define HEAD_BYTES (1u << 20)
#define TAIL_BYTES (1u << 18)
#define PIDS       8192

size_t mpegts_packet_size(const uint8_t *head, size_t size, size_t *ret_start)
{
    static const size_t sizes[] = {188, 192, 204};

    for (size_t start = 0; start < 204; start++)
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            size_t at = start, seen = 0;

            while (at < size && head[at] == 0x47 && seen < 8) {
                at += sizes[i];
                seen++;
            }
            if (seen >= 3 && (at >= size || seen == 8)) {
                *ret_start = start;
                return sizes[i];
            }
        }
    return 0;
}

struct counter {
    uint8_t last[PIDS]; /* 0xFF: none yet */
    uint64_t lost, no_sync;
};

/* One packet's continuity counter against the one before it on the same PID; a packet may be sent twice. */
static void count_packet(struct counter *c, const uint8_t *p)
{
    unsigned pid = (unsigned)(p[1] & 0x1F) << 8 | p[2];
    bool has_payload = p[3] & 0x10, has_adaptation = p[3] & 0x20;
    uint8_t cc = p[3] & 15;

    if (pid == 0x1FFF)
        return;
    if (has_adaptation && p[4] > 0 && (p[5] & 0x80))
        c->last[pid] = 0xFF; /* announced discontinuity */
    if (!has_payload)
        return;
    if (c->last[pid] != 0xFF && cc != c->last[pid] && cc != ((c->last[pid] + 1) & 15))
        c->lost++;
    c->last[pid] = cc;
}

static void count_range(struct input *in, struct counter *c, uint64_t from, uint64_t to, size_t step)
{
    static uint8_t block[65536];

    memset(c->last, 0xFF, sizeof c->last);
    while (from + 188 <= to && !input_expired(in)) {
        ssize_t n = input_pread(in, block, (size_t)MIN(to - from, (uint64_t)sizeof block), from);
        size_t at = 0;

        if (n < 188)
            return;
        for (; at + 188 <= (size_t)n; at += step) {
            if (block[at] == 0x47)
                count_packet(c, block + at);
            else
                c->no_sync++;
        }
        from += at;
    }
}

bool inspect_mpegts(struct input *in, struct facts *f)
{
    static struct counter c;
    static uint8_t head[4096];
    ssize_t n = input_pread(in, head, sizeof head, 0);
    size_t start = 0, step = n > 0 ? mpegts_packet_size(head, (size_t)n, &start) : 0;
    uint64_t packets;

    if (step == 0)
        return true;
    /* in 192-byte packets four bytes of time stand before each sync byte */
    if (start != (step == 192 ? 4u : 0u))
        facts_damage(f, "starts in the middle of a packet (first whole one at byte %zu)", start);
    packets = (in->size - start + (step == 192 ? 4 : 0)) / step;
    if ((in->size - start + (step == 192 ? 4 : 0)) % step != 0)
        facts_damage(f, "ends in the middle of a packet");
    c.lost = c.no_sync = 0;
    count_range(in, &c, start, MIN(in->size, (uint64_t)HEAD_BYTES), step);
    if (in->size > HEAD_BYTES + TAIL_BYTES)
        count_range(in, &c, start + (packets - TAIL_BYTES / step) * step, in->size, step);
    if (c.lost)
        facts_damage(f, "packets are missing: %" PRIu64 " gaps in the parts looked at", c.lost);
    if (c.no_sync)
        facts_damage(f, "%" PRIu64 " packets without sync byte in the parts looked at", c.no_sync);
    return true;
}
