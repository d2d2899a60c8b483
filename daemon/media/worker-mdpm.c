/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AVCHD's "Modified DV Pack Meta": when, and where its receiver knew, a camcorder recorded a group of pictures. Its SEI message has, behind
 * the UUID and "MDPM", a count and packs of five bytes: a number and four bytes of value. The packs are those of DV (IEC 61834-4) and
 * of EXIF; their numbers are as ExifTool's H264 table lists them.
 */
#include <string.h>

#include "media/worker-input.h"
#include "media/worker-sei.h"

#define TIME_RANK   7 /* before what the container says: a copy's container is of the day of the copy */
#define PACK_BYTES  5
#define DEGREES_MAX 180

struct packs {
    const uint8_t *data;
    size_t n;
};

/* The value of a pack, four bytes; NULL: there is none. */
static const uint8_t *pack(const struct packs *p, uint8_t number)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->data[i * PACK_BYTES] == number)
            return p->data + i * PACK_BYTES + 1;
    return NULL;
}

/* Zone (bit 5 minus, 4 – 1 hours, 0 half an hour more), century, year, month · day, hour, minute, second; in BCD. Camcorders that know no
 * zone leave it 0, and whether summer time (bit 6) is part of it is not agreed on: both are wall clocks then. */
static void read_time(const struct packs *p, struct facts *f)
{
    const uint8_t *a = pack(p, 0x18), *b = pack(p, 0x19);
    char text[40], zone[8] = "";

    if (!a || !b)
        return;
    if ((a[0] & 0x3F) != 0 && !(a[0] & 0x40))
        snprintf(zone, sizeof zone, "%c%02d:%s", a[0] & 0x20 ? '-' : '+', a[0] >> 1 & 15,
                 a[0] & 1 ? "30" : "00");
    snprintf(text, sizeof text, "%02x%02x-%02x-%02xT%02x:%02x:%02x%s", a[1], a[2], a[3], b[0], b[1], b[2],
             b[3], zone);
    facts_time_text(f, TIME_RANK, text, NULL, "avchd recording time", CERTAIN);
}

/* A ratio of 16 bits each, times scale. */
static bool read_ratio(const uint8_t *v, int64_t scale, int64_t *ret)
{
    if (!v || be16_at(v + 2) == 0)
        return false;
    *ret = be16_at(v) * scale / be16_at(v + 2);
    return true;
}

/* Degrees, minutes, seconds in three packs from first on; the letter in the one before. */
static bool read_degrees(const struct packs *p, uint8_t first, char plus, char minus, int64_t *ret)
{
    const uint8_t *letter = pack(p, (uint8_t)(first - 1));
    int64_t part[3];

    for (uint8_t i = 0; i < 3; i++)
        if (!read_ratio(pack(p, (uint8_t)(first + i)), 10000000, &part[i]))
            return false;
    if (!letter || (letter[0] != plus && letter[0] != minus) || part[0] > DEGREES_MAX * INT64_C(10000000))
        return false;
    *ret = part[0] + part[1] / 60 + part[2] / 3600;
    if (letter[0] == minus)
        *ret = -*ret;
    return true;
}

static void read_place(const struct packs *p, struct facts *f)
{
    const uint8_t *status = pack(p, 0xBE), *below = pack(p, 0xB9);
    int64_t lat, lon, alt;

    if ((status && status[0] == 'V') || !read_degrees(p, 0xB2, 'N', 'S', &lat) ||
        !read_degrees(p, 0xB6, 'E', 'W', &lon))
        return;
    if (!read_ratio(pack(p, 0xBA), 1000, &alt)) {
        facts_gps(f, lat, lon, NULL);
        return;
    }
    if (below && be32_at(below))
        alt = -alt;
    facts_gps(f, lat, lon, &alt);
}

static void read_device(const struct packs *p, struct facts *f)
{
    static const struct {
        uint16_t number;
        const char *name;
    } makers[] = {{0x0103, "Panasonic"}, {0x0108, "Sony"}, {0x1011, "Canon"}, {0x1104, "JVC"}};
    const uint8_t *maker = pack(p, 0xE0);
    char model[13] = "";

    for (size_t i = 0; maker && i < ARRAY_SIZE(makers); i++)
        if (be16_at(maker) == makers[i].number)
            facts_device(f, "make", makers[i].name, strlen(makers[i].name));
    for (uint8_t i = 0; i < 3 && maker && be16_at(maker) == 0x0108; i++) {
        const uint8_t *v = pack(p, (uint8_t)(0xE4 + i));

        if (!v)
            break;
        memcpy(model + 4 * i, v, 4);
    }
    facts_device(f, "model", model, strlen(model));
}

static bool on_message(void *userdata, const uint8_t *data, size_t size)
{
    static const uint8_t head[SEI_UUID_BYTES + 4] = {0x17, 0xEE, 0x8C, 0x60, 0xF8, 0x4D, 0x11,
                                                     0xD9, 0x8C, 0xD6, 0x08, 0x00, 0x20, 0x0C,
                                                     0x9A, 0x66, 'M',  'D',  'P',  'M'};
    struct facts *f = userdata;
    struct packs p;

    if (size <= sizeof head || memcmp(data, head, sizeof head) != 0)
        return false;
    p.data = data + sizeof head + 1;
    p.n = MIN((size_t)data[sizeof head], (size - sizeof head - 1) / PACK_BYTES);
    read_time(&p, f);
    read_place(&p, f);
    read_device(&p, f);
    return true;
}

bool mdpm_facts(struct facts *f, enum sei_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size)
{
    return codec == SEI_H264 && sei_each(codec, nal_bytes, data, size, on_message, f);
}
