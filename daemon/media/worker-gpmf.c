/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GPMF, the telemetry of GoPro cameras (https://github.com/gopro/gpmf-parser, "GPMF-struct"): keys of four letters with a type, a size
 * and a repeat, nested once or twice. A stream (STRM) with positions has GPS5 (latitude, longitude, height, two speeds; GPSF says
 * whether there is a fix, GPSP how good, GPSU when) or GPS9 (the same with day, second, precision and fix for each), and before
 * either SCAL, by which each of its columns is divided. Drones have GLPI instead (their clock, latitude, longitude, height).
 */
#include "media/worker-fixes.h"

#include <string.h>

#include "base/macro.h"
#include "media/worker-input.h"

#define DEPTH_MAX     4
#define KEYS_MAX      65536
#define TEXT_KEYS_MAX 512
#define COLUMNS       9
#define PRECISION_MAX 2000  /* dilution of precision × 100; above it a position says nothing */
#define DAYS_2000     10957 /* 2000-01-01 since 1970 */
#define DAYS_MAX      36525

struct strm {
    int64_t scale[COLUMNS];
    unsigned n_scale;
    bool no_fix;
    int64_t usec; /* GPSU; INT64_MIN: none */
};

struct gpmf {
    int64_t length_usec;
    on_fix on;
    void *userdata;
    unsigned keys;
};

struct klv {
    char key[5];
    char type;
    unsigned size, repeat;
    const uint8_t *data;
    size_t bytes; /* size × repeat */
};

/* Return: whether a whole one stands at *at; *at moved behind it. */
static bool read_klv(const uint8_t *data, size_t size, size_t *at, struct klv *ret)
{
    const uint8_t *p = data + *at;

    if (size - *at < 8)
        return false;
    memcpy(ret->key, p, 4);
    ret->key[4] = 0;
    ret->type = (char)p[4];
    ret->size = p[5];
    ret->repeat = be16_at(p + 6);
    ret->bytes = (size_t)ret->size * ret->repeat;
    ret->data = p + 8;
    if (ret->key[0] == 0 || ret->bytes > size - *at - 8)
        return false;
    *at += 8 + MIN((ret->bytes + 3) & ~(size_t)3, size - *at - 8);
    return true;
}

static int64_t signed_at(const uint8_t *p, unsigned bytes)
{
    return bytes == 4 ? (int32_t)be32_at(p) : bytes == 2 ? (int16_t)be16_at(p) : (int8_t)*p;
}

static void read_scale(struct strm *s, const struct klv *k)
{
    unsigned bytes = k->type == 'l' || k->type == 'L'   ? 4
                     : k->type == 's' || k->type == 'S' ? 2
                     : k->type == 'b' || k->type == 'B' ? 1
                                                        : 0;

    s->n_scale = 0;
    for (size_t i = 0; bytes && i < COLUMNS && (i + 1) * bytes <= k->bytes; i++) {
        s->scale[i] = signed_at(k->data + i * bytes, bytes);
        s->n_scale++;
    }
}

/* A column's divisor; one that stands for all is the last. */
static int64_t scale_of(const struct strm *s, unsigned column)
{
    int64_t v = s->n_scale ? s->scale[MIN(column, s->n_scale - 1)] : 1;

    return v > 0 ? v : 1;
}

/* "170417192647.500" (yymmddhhmmss.sss), UTC. */
static int64_t read_gpsu(const struct klv *k)
{
    int v[6], milli = 0;

    if (k->bytes < 12)
        return INT64_MIN;
    for (int i = 0; i < 12; i++)
        if (k->data[i] < '0' || k->data[i] > '9')
            return INT64_MIN;
    for (int i = 0; i < 6; i++)
        v[i] = (k->data[2 * i] - '0') * 10 + k->data[2 * i + 1] - '0';
    if (k->bytes >= 16 && k->data[12] == '.')
        for (int i = 13; i < 16 && k->data[i] >= '0' && k->data[i] <= '9'; i++)
            milli = milli * 10 + k->data[i] - '0';
    return fixes_time(2000 + v[0], v[1], v[2], v[3], v[4], v[5], milli * 1000);
}

static int64_t scaled(int64_t raw, int64_t unit, int64_t scale)
{
    return raw * unit / scale; /* raw has 32 bits, unit at most 10⁷ */
}

static void read_gps5(struct gpmf *g, const struct strm *s, const struct klv *k)
{
    if (k->type != 'l' || k->size < 12 || s->no_fix)
        return;
    for (unsigned i = 0; i < k->repeat; i++) {
        const uint8_t *p = k->data + (size_t)i * k->size;
        int64_t at = g->length_usec * i / k->repeat;
        struct gpx_point point = {.lat_e7 = scaled(signed_at(p, 4), 10000000, scale_of(s, 0)),
                                  .lon_e7 = scaled(signed_at(p + 4, 4), 10000000, scale_of(s, 1)),
                                  .has_alt = true,
                                  .alt_mm = scaled(signed_at(p + 8, 4), 1000, scale_of(s, 2)),
                                  .has_time = s->usec != INT64_MIN,
                                  .usec = s->usec != INT64_MIN ? s->usec + at : 0};

        g->on(g->userdata, &point, at);
    }
}

/* The clock of a drone since its start, latitude, longitude, height. */
static void read_glpi(struct gpmf *g, const struct strm *s, const struct klv *k)
{
    for (unsigned i = 0; k->size >= 16 && i < k->repeat; i++) {
        const uint8_t *p = k->data + (size_t)i * k->size;
        struct gpx_point point = {.lat_e7 = scaled(signed_at(p + 4, 4), 10000000, scale_of(s, 1)),
                                  .lon_e7 = scaled(signed_at(p + 8, 4), 10000000, scale_of(s, 2)),
                                  .has_alt = true,
                                  .alt_mm = scaled(signed_at(p + 12, 4), 1000, scale_of(s, 3))};

        g->on(g->userdata, &point, g->length_usec * i / k->repeat);
    }
}

static void read_gps9(struct gpmf *g, const struct strm *s, const struct klv *k)
{
    if (k->size != 32)
        return;
    for (unsigned i = 0; i < k->repeat; i++) {
        const uint8_t *p = k->data + (size_t)i * k->size;
        int64_t days = scaled(signed_at(p + 20, 4), 1, scale_of(s, 5)), clock = signed_at(p + 24, 4);
        struct gpx_point point = {.lat_e7 = scaled(signed_at(p, 4), 10000000, scale_of(s, 0)),
                                  .lon_e7 = scaled(signed_at(p + 4, 4), 10000000, scale_of(s, 1)),
                                  .has_alt = true,
                                  .alt_mm = scaled(signed_at(p + 8, 4), 1000, scale_of(s, 2)),
                                  .has_time = days > 0 && days < DAYS_MAX && clock >= 0};

        if (point.has_time)
            point.usec = (DAYS_2000 + days) * USEC_PER_DAY + scaled(clock, 1000, scale_of(s, 6)) * 1000;
        if (be16_at(p + 30) >= 2 && be16_at(p + 28) < PRECISION_MAX)
            g->on(g->userdata, &point, g->length_usec * i / k->repeat);
    }
}

static void read_level(struct gpmf *g, const uint8_t *data, size_t size, int depth)
{
    struct strm s = {.usec = INT64_MIN};
    struct klv k;

    for (size_t at = 0; g->keys < KEYS_MAX && read_klv(data, size, &at, &k); g->keys++) {
        if (k.type == 0 && depth < DEPTH_MAX)
            read_level(g, k.data, k.bytes, depth + 1);
        else if (strcmp(k.key, "SCAL") == 0)
            read_scale(&s, &k);
        else if (strcmp(k.key, "GPSF") == 0 && k.bytes >= 4)
            s.no_fix |= be32_at(k.data) < 2;
        else if (strcmp(k.key, "GPSP") == 0 && k.bytes >= 2)
            s.no_fix |= be16_at(k.data) >= PRECISION_MAX;
        else if (strcmp(k.key, "GPSU") == 0)
            s.usec = read_gpsu(&k);
        else if (strcmp(k.key, "GPS5") == 0)
            read_gps5(g, &s, &k);
        else if (strcmp(k.key, "GLPI") == 0)
            read_glpi(g, &s, &k);
        else if (strcmp(k.key, "GPS9") == 0)
            read_gps9(g, &s, &k);
    }
}

void fixes_gpmf(const uint8_t *data, size_t size, int64_t length_usec, on_fix on, void *userdata)
{
    struct gpmf g = {.length_usec =
                         length_usec > 0 && length_usec < USEC_PER_DAY ? length_usec : USEC_PER_SEC,
                     .on = on,
                     .userdata = userdata};

    read_level(&g, data, size, 0);
}

static bool find_text(const uint8_t *data, size_t size, const char *key, char *out, size_t out_size,
                      int depth)
{
    struct klv k;
    size_t at = 0;

    for (int i = 0; i < TEXT_KEYS_MAX && read_klv(data, size, &at, &k); i++) {
        if (k.type == 0 && depth < DEPTH_MAX && find_text(k.data, k.bytes, key, out, out_size, depth + 1))
            return true;
        if (k.type == 'c' && strcmp(k.key, key) == 0) {
            size_t n = MIN(k.bytes, out_size - 1);

            memcpy(out, k.data, n);
            out[n] = 0;
            return out[0] != 0;
        }
    }
    return false;
}

bool gpmf_text(const uint8_t *data, size_t size, const char *key, char *out, size_t out_size)
{
    return find_text(data, size, key, out, out_size, 0);
}
