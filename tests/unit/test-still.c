/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of photos that stand alone: averaging of areas, the eight orientations, ink, profiles, orientation of TIFF, frames of WebP.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <lcms2.h>

#include "media/worker-still.h"

static void shrink_all(struct shrink *s, const uint8_t *data, size_t stride)
{
    for (uint32_t y = 0; y < s->height; y++)
        shrink_row(s, data + y * stride);
}

static void test_averages(void **state)
{
    static const uint8_t four[] = {0, 100, 200, 100, 10, 110, 210, 110};
    static const uint8_t three[] = {0, 90, 255};
    static const uint16_t deep[] = {0, 1023, 1023, 0};
    struct shrink s;

    assert_int_equal(shrink_init(&s, 4, 2, 1, 8, 2, 1), 0);
    shrink_all(&s, four, 4);
    assert_int_equal(s.result[0], 55);
    assert_int_equal(s.result[1], 155);
    assert_int_equal(s.made, 1);
    shrink_done(&s);
    assert_int_equal(shrink_init(&s, 3, 1, 1, 8, 2, 1), 0); /* the middle one is shared */
    shrink_all(&s, three, 3);
    assert_int_equal(s.result[0], 30);
    assert_int_equal(s.result[1], 200);
    shrink_done(&s);
    assert_int_equal(shrink_init(&s, 2, 2, 1, 10, 1, 2), 0);
    shrink_all(&s, (const uint8_t *)deep, 4);
    assert_int_equal(s.result[0], 128);
    assert_int_equal(s.result[1], 128);
    shrink_done(&s);
}

/* White stays white and channels apart, whatever the sizes. */
static void test_flat_stays_flat(void **state)
{
    for (uint32_t w = 1; w < 40; w += 3)
        for (uint32_t to = 1; to <= w; to++) {
            uint8_t row[40 * 3];
            struct shrink s;

            for (uint32_t i = 0; i < w; i++)
                memcpy(row + (size_t)i * 3, "\xff\x01\x80", 3);
            assert_int_equal(shrink_init(&s, w, w, 3, 8, to, to), 0);
            shrink_all(&s, row, 0);
            assert_int_equal(s.made, to);
            for (uint32_t i = 0; i < to * to; i++)
                assert_memory_equal(s.result + (size_t)i * 3, "\xff\x01\x80", 3);
            shrink_row(&s, row); /* more than there are */
            assert_int_equal(s.made, to);
            shrink_done(&s);
        }
}

static void test_cut_short(void **state)
{
    uint8_t row[4] = {80, 80, 80, 80};
    struct shrink s;

    assert_int_equal(shrink_init(&s, 4, 4, 1, 8, 2, 2), 0);
    shrink_row(&s, row);
    still_fill_rest(&s);
    assert_memory_equal(s.result, "\x50\x50\x80\x80", 4); /* of the one row there is; then gray */
    shrink_done(&s);
    assert_int_equal(shrink_init(&s, 4, 4, 1, 8, 5, 2), -EINVAL);
    assert_int_equal(shrink_init(&s, 0, 4, 1, 8, 0, 2), -EINVAL);
    assert_int_equal(shrink_init(&s, 70000, 4, 1, 8, 5, 2), -EINVAL);
}

static void test_fit(void **state)
{
    static const uint32_t rows[][5] = {{100, 50, 200, 100, 50},
                                       {100, 50, 50, 50, 25},
                                       {50, 100, 50, 25, 50},
                                       {65535, 1, 100, 100, 1},
                                       {3, 3, 1, 1, 1}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t w, h;

        shrink_fit(rows[i][0], rows[i][1], rows[i][2], &w, &h);
        assert_int_equal(w, rows[i][3]);
        assert_int_equal(h, rows[i][4]);
    }
}

/* CIPA DC-008 §4.6.4: where the pixels 0 1 2 / 3 4 5 are seen. */
static void test_orientations(void **state)
{
    static const char *const seen[] = {"012345", "012345", "210543", "543210", "345012",
                                       "031425", "304152", "524130", "251403", "012345"};

    for (int o = 0; o < (int)ARRAY_SIZE(seen); o++) {
        struct picture p = {.width = 3, .height = 2, .rgb = malloc(18)};

        for (int i = 0; i < 6; i++)
            memset(p.rgb + (ptrdiff_t)3 * i, '0' + i, 3);
        assert_int_equal(picture_orient(&p, o), 0);
        assert_int_equal(p.width, o >= 5 && o <= 8 ? 2 : 3);
        for (int i = 0; i < 6; i++)
            assert_int_equal(p.rgb[3 * i], seen[o][i]);
        picture_done(&p);
    }
}

/* A JPEG of one colour in ink, as libjpeg writes it; Adobe's are the other way round. */
static unsigned char *ink_jpeg(bool adobe, J_COLOR_SPACE stored, const uint8_t ink[4],
                               unsigned long *ret_size)
{
    struct jpeg_compress_struct c = {0};
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    uint8_t row[16 * 4];

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &data, ret_size);
    c.image_width = c.image_height = 16;
    c.input_components = 4;
    c.in_color_space = JCS_CMYK;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, stored);
    c.write_Adobe_marker = adobe;
    jpeg_start_compress(&c, TRUE);
    for (int i = 0; i < 64; i++)
        row[i] = adobe ? (uint8_t)(255 - ink[i % 4]) : ink[i % 4];
    for (int y = 0; y < 16; y++)
        jpeg_write_scanlines(&c, &(JSAMPROW){row}, 1);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return data;
}

static void test_ink(void **state)
{
    static const struct {
        bool adobe;
        J_COLOR_SPACE stored;
    } rows[] = {{true, JCS_CMYK}, {true, JCS_YCCK}, {false, JCS_CMYK}};
    static const uint8_t magenta[4] = {0, 255, 0, 51};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned long size = 0;
        _cleanup_free_ unsigned char *data = ink_jpeg(rows[i].adobe, rows[i].stored, magenta, &size);
        _cleanup_(picture_done) struct picture p = {0};
        char why[STILL_WHY_MAX] = "";
        struct facts f;
        struct input in;

        assert_int_equal(facts_init(&f, 0), 0);
        input_init_memory(&in, data, size, 0);
        assert_int_equal(jpeg_read_picture(&in, &f, 8, &p, why), 0);
        assert_int_equal(p.width, 8);
        assert_in_range(p.rgb[0], 198, 210);
        assert_in_range(p.rgb[1], 0, 6);
        assert_in_range(p.rgb[2], 198, 210);
        assert_false(facts_is_damaged(&f));
        facts_done(&f);
    }
}

static void test_profiles(void **state)
{
    const cmsCIExyY white = {0.3127, 0.3290, 1};
    const cmsCIExyYTRIPLE swapped = {
        {0.15, 0.06, 1}, {0.30, 0.60, 1}, {0.64, 0.33, 1}}; /* sRGB with red and blue exchanged */
    cmsToneCurve *curve = cmsBuildGamma(NULL, 2.2);
    cmsHPROFILE profile = cmsCreateRGBProfile(&white, &swapped, (cmsToneCurve *[]){curve, curve, curve});
    cmsUInt32Number size = 0;
    _cleanup_free_ uint8_t *data = NULL;
    uint8_t pixel[3] = {255, 0, 0}, gray[1] = {9};

    cmsSaveProfileToMem(profile, NULL, &size);
    data = malloc(size);
    cmsSaveProfileToMem(profile, data, &size);
    cmsCloseProfile(profile);
    cmsFreeToneCurve(curve);
    assert_true(picture_to_srgb(data, size, pixel, 3, pixel, 1));
    assert_true(pixel[0] < 10 && pixel[1] < 10 && pixel[2] > 245);
    assert_false(picture_to_srgb(data, size, gray, 1, pixel, 1)); /* for other pixels */
    assert_false(picture_to_srgb(data, size / 4, pixel, 3, pixel, 1));
    memset(data + 100, 0xFF, 200);
    picture_to_srgb(data, size, pixel, 3, pixel, 1);
    assert_false(picture_to_srgb(data, 20, pixel, 3, pixel, 1));
}

static void test_primaries(void **state)
{
    const double p3[8] = {0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290}, none[8] = {0};
    struct picture p = {.width = 1, .height = 1, .rgb = (uint8_t[]){128, 64, 64}};

    picture_from_primaries(&p, p3);
    assert_true(p.rgb[0] > 132 && p.rgb[1] < 64); /* the same colour takes more red in a smaller space */
    picture_from_primaries(&p, none);
}

static int tiff_of(const void *data, size_t size)
{
    struct input in;

    input_init_memory(&in, data, size, 0);
    return tiff_orientation(&in);
}

static void test_tiff_orientation(void **state)
{
    static const char little[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
    static const char big[] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0";
    static const char far[] = "II*\0\xff\xff\xff\xff\x01\0";

    assert_int_equal(tiff_of(little, sizeof little - 1), 6);
    assert_int_equal(tiff_of(big, sizeof big - 1), 3);
    assert_int_equal(tiff_of(far, sizeof far - 1), 0);
    for (size_t n = 0; n < sizeof little - 1; n++)
        assert_int_equal(tiff_of(little, n), 0);
}

static void test_webp_first_picture(void **state)
{
    static const char file[] = "RIFF\x2e\0\0\0WEBP"
                               "ANMF\x1a\0\0\0"
                               "\0\0\0\0\0\0\x3f\0\0\x1f\0\0\0\0\0\0"
                               "ALPH\x02\0\0\0ab";
    struct input in;
    uint8_t *out = NULL;
    size_t size;

    input_init_memory(&in, file, sizeof file - 1, 0);
    assert_int_equal(webp_first_picture(&in, &out, &size), 1);
    assert_int_equal(size, 40);
    assert_memory_equal(out, "RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\x3f\0\0\x1f\0\0ALPH\x02\0\0\0ab",
                        40);
    free(out);
    for (size_t n = 0; n < sizeof file - 1; n++) {
        input_init_memory(&in, file, n, 0);
        assert_int_equal(webp_first_picture(&in, &out, &size), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_averages),         cmocka_unit_test(test_flat_stays_flat),
        cmocka_unit_test(test_cut_short),        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_orientations),     cmocka_unit_test(test_ink),
        cmocka_unit_test(test_profiles),         cmocka_unit_test(test_primaries),
        cmocka_unit_test(test_tiff_orientation), cmocka_unit_test(test_webp_first_picture),
    };
    int nowhere = open("/dev/null", O_WRONLY);

    dup2(nowhere, WORKER_FD_OUTPUT); /* where decoders say that they go on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
