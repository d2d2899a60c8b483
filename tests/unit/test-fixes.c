/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The readers of positions and of signatures, over payloads built here byte by byte, and over real ones where the shared samples are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "media/worker-cadence.h"
#include "media/worker-fixes.h"
#include "media/worker-sei.h"

#define FIXES_MAX 64

struct fixes {
    struct gpx_point point[FIXES_MAX];
    int64_t at[FIXES_MAX];
    size_t n;
};

static void take(void *userdata, const struct gpx_point *point, int64_t at_usec)
{
    struct fixes *f = userdata;

    assert_true(f->n < FIXES_MAX);
    f->point[f->n] = *point;
    f->at[f->n++] = at_usec;
}

/* ---- building GPMF ---- */

struct bytes {
    uint8_t data[4096];
    size_t n;
};

static void put_be(struct bytes *b, uint64_t v, size_t bytes)
{
    assert_true(b->n + bytes <= sizeof b->data);
    for (size_t i = 0; i < bytes; i++)
        b->data[b->n++] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static void put_key(struct bytes *b, const char *key, char type, unsigned size, unsigned repeat)
{
    for (int i = 0; i < 4; i++)
        put_be(b, (uint8_t)key[i], 1);
    put_be(b, (uint8_t)type, 1);
    put_be(b, size, 1);
    put_be(b, repeat, 2);
}

static void pad(struct bytes *b)
{
    while (b->n % 4)
        put_be(b, 0, 1);
}

static void put_nested(struct bytes *b, const char *key, const struct bytes *inner)
{
    put_key(b, key, 0, 1, (unsigned)inner->n);
    memcpy(b->data + b->n, inner->data, inner->n);
    b->n += inner->n;
    pad(b);
}

static void put_long(struct bytes *b, const char *key, char type, uint32_t v)
{
    put_key(b, key, type, 4, 1);
    put_be(b, v, 4);
}

/* A payload of one second with two positions; lock: GPSF. */
static struct bytes gps5(unsigned lock, unsigned precision)
{
    static const int32_t scale[] = {10000000, 10000000, 1000, 1000, 100},
                         rows[] = {399042000, 1164074000, 44500, 0, 0, -399042001, -1164074001, -1500, 0, 0};
    struct bytes strm = {.n = 0}, devc = {.n = 0}, all = {.n = 0};

    put_long(&strm, "GPSF", 'L', lock);
    put_key(&strm, "GPSU", 'U', 16, 1);
    memcpy(strm.data + strm.n, "261123010510.250", 16);
    strm.n += 16;
    put_key(&strm, "GPSP", 'S', 2, 1);
    put_be(&strm, precision, 2);
    pad(&strm);
    put_key(&strm, "SCAL", 'l', 4, 5);
    for (int i = 0; i < 5; i++)
        put_be(&strm, (uint32_t)scale[i], 4);
    put_key(&strm, "GPS5", 'l', 20, 2);
    for (int i = 0; i < 10; i++)
        put_be(&strm, (uint32_t)rows[i], 4);
    put_long(&devc, "DVID", 'L', 1);
    put_nested(&devc, "STRM", &strm);
    put_nested(&all, "DEVC", &devc);
    return all;
}

static void test_gps5(void **state)
{
    struct bytes b = gps5(3, 150);
    struct fixes f = {.n = 0};
    int64_t usec = fixes_time(2026, 11, 23, 1, 5, 10, 250000);

    fixes_gpmf(b.data, b.n, 1001000, take, &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.point[0].lat_e7, 399042000);
    assert_int_equal(f.point[0].lon_e7, 1164074000);
    assert_true(f.point[0].has_alt && f.point[0].alt_mm == 44500);
    assert_true(f.point[0].has_time && f.point[0].usec == usec);
    assert_int_equal(f.point[1].lat_e7, -399042001);
    assert_int_equal(f.point[1].lon_e7, -1164074001);
    assert_int_equal(f.point[1].alt_mm, -1500);
    assert_int_equal(f.at[1], 500500);
    assert_true(f.point[1].usec == usec + 500500);
}

/* No fix, or one that says nothing. */
static void test_gps5_without_fix(void **state)
{
    static const unsigned bad[][2] = {{0, 150}, {1, 150}, {3, 9999}};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct bytes b = gps5(bad[i][0], bad[i][1]);
        struct fixes f = {.n = 0};

        fixes_gpmf(b.data, b.n, 1000000, take, &f);
        assert_int_equal(f.n, 0);
    }
}

/* Cut anywhere, it neither reads on nor makes up positions. */
static void test_gps5_cut(void **state)
{
    struct bytes b = gps5(2, 100);

    for (size_t n = 0; n < b.n; n++) {
        uint8_t *exact = malloc(n + 1);
        struct fixes f = {.n = 0};

        memcpy(exact, b.data, n);
        fixes_gpmf(exact, n, 1000000, take, &f);
        assert_int_equal(f.n, 0);
        free(exact);
    }
}

static void test_gps9(void **state)
{
    static const int32_t scale[] = {10000000, 10000000, 1000, 1000, 100, 1, 1000, 100, 1};
    struct bytes strm = {.n = 0}, all = {.n = 0};
    struct fixes f = {.n = 0};

    put_key(&strm, "SCAL", 'l', 4, 9);
    for (int i = 0; i < 9; i++)
        put_be(&strm, (uint32_t)scale[i], 4);
    put_key(&strm, "GPS9", '?', 32, 2);
    for (int i = 0; i < 2; i++) {
        put_be(&strm, 311234567, 4);
        put_be(&strm, 1214567890, 4);
        put_be(&strm, 8000, 4);
        put_be(&strm, 0, 8);
        put_be(&strm, 9823, 4);    /* days since 2000 */
        put_be(&strm, 3910250, 4); /* 01:05:10.250 */
        put_be(&strm, 120, 2);
        put_be(&strm, i == 0 ? 3 : 0, 2); /* the second has no fix */
    }
    put_nested(&all, "STRM", &strm);
    fixes_gpmf(all.data, all.n, 1000000, take, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.point[0].lat_e7, 311234567);
    assert_true(f.point[0].usec == fixes_time(2026, 11, 23, 1, 5, 10, 250000));
}

/* ---- NMEA ---- */

static void test_nmea(void **state)
{
    static const char text[] =
        "[1120]$GPGGA,010509.00,3954.25200,N,11624.44400,E,1,08,1.0,44.5,M,0.0,M,,*67\r\n"
        "noise $GPRMC,010510.250,A,3954.25200,N,11624.44400,E,0.0,0.0,231126,,,A*63\n"
        "$GNGGA,010511.00,3354.25200,S,07024.44400,W,1,08,1.0,-1.5,M,0.0,M,,\n"
        "$GPRMC,010512,V,3954.25200,N,11624.44400,E,0,0,231126,,,N\n"    /* no fix */
        "$GPRMC,010512,A,3954.25200,N,11624.44400,E,0,0,231126,,,A*00\n" /* damaged */
        "$GPGSV,3,1,11\n$GPRMC,,,,,\n$$$\n$GPRMC";
    struct fixes f = {.n = 0};
    int64_t day = 0, usec = fixes_time(2026, 11, 23, 1, 5, 10, 250000);

    fixes_nmea(text, strlen(text), &day, take, &f);
    if (f.n != 3)
        fail_msg("%zu positions", f.n);
    assert_int_equal(f.point[0].lat_e7, 399042000);
    assert_int_equal(f.point[0].lon_e7, 1164074000);
    assert_true(f.point[0].has_alt && f.point[0].alt_mm == 44500 && !f.point[0].has_time);
    assert_true(f.point[1].has_time && f.point[1].usec == usec);
    assert_int_equal(f.point[2].lat_e7, -339042000);
    assert_int_equal(f.point[2].lon_e7, -704074000);
    assert_int_equal(f.point[2].alt_mm, -1500);
    assert_true(f.point[2].has_time && f.point[2].usec == usec + 750000); /* the day of the RMC before */
}

/* ---- the smaller ones ---- */

static void test_iso6709(void **state)
{
    static const char *const bad[] = {"",
                                      "+",
                                      "+37.7450-122.4301",
                                      "37.7450-122.4301/",
                                      "+3.7-122.4/",
                                      "+37.7450/",
                                      "+37.7450-22.4301/",
                                      "+37.74x0-122.4301/"};
    struct gpx_point p;

    assert_true(fixes_iso6709("+37.7450-122.4301+066.374/", 26, &p));
    assert_int_equal(p.lat_e7, 377450000);
    assert_int_equal(p.lon_e7, -1224301000);
    assert_int_equal(p.alt_mm, 66374);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (fixes_iso6709(bad[i], strlen(bad[i]), &p))
            fail_msg("taken: %s", bad[i]);
}

static void test_mebx(void **state)
{
    static const uint8_t two[] = "\0\0\0\x09\0\0\0\x01x\0\0\0\x1b\0\0\0\x02+37.7450-122.4301/\0";
    struct fixes f = {.n = 0};

    fixes_mebx(two, sizeof two - 1, take, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.point[0].lat_e7, 377450000);
    fixes_mebx((const uint8_t *)"\0\0\0\0\0\0\0\1", 8, take, &f); /* an item of no length */
    fixes_mebx((const uint8_t *)"\xff\xff\xff\xff\0\0\0\1", 8, take, &f);
    assert_int_equal(f.n, 1);
}

static void test_camm(void **state)
{
    double values[] = {39.9042, 116.4074, 44.5};
    uint8_t packet[28] = {0, 0, 5, 0};
    struct fixes f = {.n = 0};

    memcpy(packet + 4, values, sizeof values);
    fixes_camm(packet, sizeof packet, take, &f);
    fixes_camm(packet, 27, take, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.point[0].lat_e7, 399042000);
    assert_int_equal(f.point[0].lon_e7, 1164074000);
    assert_int_equal(f.point[0].alt_mm, 44500);
    values[0] = -1.0 / 0.0;
    memcpy(packet + 4, values, sizeof values);
    fixes_camm(packet, sizeof packet, take, &f);
    assert_int_equal(f.n, 1);
}

static void test_novatek(void **state)
{
    uint32_t clock[] = {1, 5, 10, 26, 11, 23};
    float place[] = {3954.252f, 11624.444f, 0, 0};
    uint8_t block[64] = {0};
    struct fixes f = {.n = 0};

    memcpy(block + 8, clock, sizeof clock);
    memcpy(block + 32, "ASW", 3);
    memcpy(block + 36, place, sizeof place);
    fixes_novatek(block, sizeof block, take, &f);
    assert_int_equal(f.n, 1);
    assert_true(llabs(f.point[0].lat_e7 + 399042000) < 100);
    assert_true(llabs(f.point[0].lon_e7 + 1164074000) < 1000);
    assert_false(f.point[0].has_time);
    block[32] = 'V';
    fixes_novatek(block, sizeof block, take, &f);
    assert_int_equal(f.n, 1);
}

static void test_ligo(void **state)
{
    static const char text[] =
        "LIGOGPSINFO\0\0\0\0\5normal:2026/05/12 15:08:21 N:39.904200 W:116.407400 00.0 km/h x:0";
    struct fixes f = {.n = 0};

    fixes_ligo((const uint8_t *)text, sizeof text - 1, take, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.point[0].lat_e7, 399042000);
    assert_int_equal(f.point[0].lon_e7, -1164074000);
}

static void test_clean(void **state)
{
    struct gpx_point null = {0}, far = {.lat_e7 = 900000001, .lon_e7 = 1},
                     edge = {.lat_e7 = -900000000, .lon_e7 = 1800000000},
                     odd = {.lat_e7 = 1,
                            .lon_e7 = -1,
                            .has_alt = true,
                            .alt_mm = INT64_MIN,
                            .has_time = true,
                            .usec = INT64_MAX};
    char text[GPX_POINT_SIZE];
    size_t n;

    assert_false(gpx_point_clean(&null));
    assert_false(gpx_point_clean(&far));
    assert_true(gpx_point_clean(&edge) && edge.lon_e7 == -1800000000);
    assert_true(gpx_point_clean(&odd) && !odd.has_alt && !odd.has_time);
    odd.has_alt = true;
    odd.alt_mm = -12;
    n = gpx_point_write(&odd, text);
    assert_int_equal(n, strlen(text));
    assert_string_equal(text, "<trkpt lat=\"0.0000001\" lon=\"-0.0000001\"><ele>-0.012</ele></trkpt>\n");
}

static void test_time(void **state)
{
    assert_true(fixes_time(1970, 1, 1, 0, 0, 0, 0) == 0);
    assert_true(fixes_time(2000, 2, 29, 0, 0, 0, 0) == INT64_C(951782400000000));
    assert_true(fixes_time(2100, 3, 1, 0, 0, 0, 0) == INT64_C(4107542400000000));
    assert_true(fixes_time(2026, 13, 1, 0, 0, 0, 0) == INT64_MIN);
    assert_true(fixes_time(1969, 12, 31, 0, 0, 0, 0) == INT64_MIN);
}

/* ---- signatures ---- */

static const uint8_t onvif[] = {0x00, 0x5b, 0xc9, 0x3f, 0x2d, 0x71, 0x5e, 0x95,
                                0xad, 0xa4, 0x79, 0x6f, 0x90, 0x87, 0x7a, 0x6f};

/* An SEI NAL unit: another message first, then user data of this owner; emulation prevention where due. */
static struct bytes sei(const uint8_t *head, size_t head_size, const uint8_t uuid[16])
{
    struct bytes b = {.n = 0};

    for (size_t i = 0; i < head_size; i++)
        put_be(&b, head[i], 1);
    put_be(&b, 4, 1); /* user data registered, 258 bytes */
    put_be(&b, 0xFF03, 2);
    for (int i = 0; i < 258; i++)
        put_be(&b, 0x55, 1);
    put_be(&b, 0x0514, 2);
    for (int i = 0; i < 16; i++)
        put_be(&b, uuid[i], 1);
    put_be(&b, 0x00000301, 4); /* 00 00 01, escaped */
    put_be(&b, 0x0780, 2);
    return b;
}

static struct bytes unit_of(const struct bytes *nal, bool start_codes)
{
    struct bytes b = {.n = 0};

    put_be(&b, start_codes ? 1 : 2, 4); /* an access unit delimiter before it */
    put_be(&b, 0x09F0, 2);
    put_be(&b, start_codes ? 1 : nal->n, 4);
    memcpy(b.data + b.n, nal->data, nal->n);
    b.n += nal->n;
    return b;
}

static const char *find(enum sei_codec codec, const struct bytes *nal, bool start_codes)
{
    struct bytes b = unit_of(nal, start_codes);
    uint8_t *exact = malloc(b.n);
    const char *found;

    memcpy(exact, b.data, b.n);
    found = signed_find(codec, start_codes ? 0 : 4, exact, b.n);
    for (size_t n = 0; n < b.n; n++)
        (void)signed_find(codec, start_codes ? 0 : 4, exact, n);
    free(exact);
    return found;
}

static void test_signed(void **state)
{
    static const uint8_t h264[] = {0x06}, prefix[] = {0x4E, 0x01}, suffix[] = {0x50, 0x01}, slice[] = {0x65};
    static const uint8_t other[16] = "Signed Video...1";
    struct bytes a = sei(h264, 1, onvif), b = sei(prefix, 2, (const uint8_t *)"Signed Video...0"),
                 c = sei(suffix, 2, onvif), d = sei(h264, 1, other), e = sei(slice, 1, onvif);

    for (int codes = 0; codes < 2; codes++) {
        assert_string_equal(find(SEI_H264, &a, codes), "onvif");
        assert_string_equal(find(SEI_HEVC, &b, codes), "axis");
        assert_string_equal(find(SEI_HEVC, &c, codes), "onvif");
        assert_null(find(SEI_H264, &d, codes));
        assert_null(find(SEI_H264, &e, codes)); /* in pictures the same bytes mean nothing */
        assert_null(find(SEI_HEVC, &a, codes));
    }
    assert_null(signed_find(SEI_H264, 4, (const uint8_t *)"\xff\xff\xff\xff\x06", 5));
    assert_null(signed_find(SEI_H264, 9, a.data, a.n));
}

/* ---- cadence ---- */

static void test_rates(void **state)
{
    static const struct {
        uint64_t steps;
        int64_t usec, tick, num, den;
    } rows[] = {
        {250, 10000000, 11, 25, 1},       {300, 10010000, 1000, 30000, 1001}, {150, 5005000, 11, 30000, 1001},
        {150, 5000000, 1000, 30, 1},      {125, 10000000, 1000, 25, 2},       {10, 20000000, 1000, 1, 2},
        {172, 10000000, 11, 17200, 1000}, {2, 2000000, 1000, 1, 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t num, den;

        cadence_rate(rows[i].steps, rows[i].usec, rows[i].tick, &num, &den);
        if (num != rows[i].num || den != rows[i].den)
            fail_msg("row %zu: %lld/%lld", i, (long long)num, (long long)den);
    }
}

static void test_announced(void **state)
{
    uint8_t packets[2 * 188] = {0x47, 0x41, 0, 0x30, 7, 0x50, [188] = 0x47, 0x41, 0, 0x30, 7, 0x50};

    assert_false(cadence_announced(packets, sizeof packets, 188));
    packets[188 + 5] = 0xD0;
    assert_true(cadence_announced(packets, sizeof packets, 188));
    assert_false(cadence_announced(packets, sizeof packets - 1, 188));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gps5),      cmocka_unit_test(test_gps5_without_fix),
        cmocka_unit_test(test_gps5_cut),  cmocka_unit_test(test_gps9),
        cmocka_unit_test(test_nmea),      cmocka_unit_test(test_iso6709),
        cmocka_unit_test(test_mebx),      cmocka_unit_test(test_camm),
        cmocka_unit_test(test_novatek),   cmocka_unit_test(test_ligo),
        cmocka_unit_test(test_clean),     cmocka_unit_test(test_time),
        cmocka_unit_test(test_signed),    cmocka_unit_test(test_rates),
        cmocka_unit_test(test_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
