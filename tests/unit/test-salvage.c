/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding NAL units without an index: in a row, with sound between, cut, behind start codes; and not finding any where there are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "media/worker-salvage.h"

struct data {
    uint8_t bytes[65536];
    size_t size;
};

static void put(struct data *d, const void *p, size_t n)
{
    memcpy(d->bytes + d->size, p, n);
    d->size += n;
}

/* A unit with its length: a header and a filling that needs no emulation prevention. */
static void unit(struct data *d, uint8_t header, uint8_t second, uint8_t fill, uint32_t size)
{
    const uint8_t head[6] = {
        (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, header, second};

    put(d, head, sizeof head);
    memset(d->bytes + d->size, fill, size - 2);
    d->size += size - 2;
}

static void parameter_sets(struct data *d)
{
    unit(d, 0x67, 66, 0x55, 20);
    unit(d, 0x68, 0xCE, 0x55, 8);
}

static struct salvage find(struct data *d)
{
    struct salvage s;
    struct input in;

    input_init_memory(&in, d->bytes, d->size, 0);
    assert_int_equal(salvage_find(&in, &s), 0);
    return s;
}

static void test_in_a_row_and_apart(void **state)
{
    struct data d = {0};
    struct salvage s;
    struct input in, pieces;
    uint8_t start[6];

    put(&d, "junk in front of it", 19);
    parameter_sets(&d);
    unit(&d, 0x65, 0x88, 0x99, 3000);
    for (int i = 0; i < 5; i++) {
        memset(d.bytes + d.size, 0x21 + i, 700); /* sound */
        d.size += 700;
        unit(&d, 0x41, 0x9A, 0x77, 1000);
    }
    s = find(&d);
    assert_int_equal(s.codec, SALVAGE_H264);
    assert_int_equal(s.n_pieces, 8);
    assert_int_equal(s.pictures, 6);
    assert_int_equal(s.total, 8 * PIECE_START_BYTES + 20 + 8 + 3000 + 5 * 1000);
    input_init_memory(&in, d.bytes, d.size, 0);
    pieces = in;
    pieces.source = &in;
    pieces.pieces = s.pieces;
    pieces.n_pieces = s.n_pieces;
    pieces.size = s.total;
    assert_true(input_get(&pieces, start, 6, s.pieces[2].at)); /* the third, and over the border to it */
    assert_memory_equal(start, "\0\0\0\1\x65\x88", 6);
    assert_true(input_get(&pieces, start, 6, s.pieces[2].at - 1));
    assert_memory_equal(start, "\x55\0\0\0\1\x65", 6);
    assert_false(input_get(&pieces, start, 6, s.total - 5));
    salvage_done(&s);
}

static void test_the_last_is_cut(void **state)
{
    struct data d = {0};
    struct salvage s;

    parameter_sets(&d);
    unit(&d, 0x65, 0x88, 0x99, 3000);
    d.size -= 1000;
    s = find(&d);
    assert_int_equal(s.n_pieces, 3);
    assert_int_equal(s.pieces[2].size, 2000);
    salvage_done(&s);
}

static void test_what_no_unit_holds(void **state)
{
    struct data d = {0};
    struct salvage s;

    parameter_sets(&d);
    unit(&d, 0x65, 0x88, 0, 3000); /* zeros cannot stand in a unit */
    s = find(&d);
    assert_int_equal(s.n_pieces, 2);
    assert_int_equal(s.pictures, 0);
    salvage_done(&s);
    d.size = 0;
    unit(&d, 0x65, 0x88, 0x99, 3000); /* a picture without parameter sets */
    s = find(&d);
    assert_int_equal(s.codec, SALVAGE_NONE);
    assert_int_equal(s.n_pieces, 0);
    salvage_done(&s);
}

static void test_start_codes(void **state)
{
    static const uint8_t stream[] =
        "some header\0\0\0\1\x40\1\x0C\1\0\0\0\1\x42\1\1\1\0\0\0\1\x44\1\xC1\0\0\1\x26\1\xAF";
    struct data d = {0};
    struct salvage s;

    put(&d, stream, sizeof stream - 1);
    s = find(&d);
    assert_int_equal(s.codec, SALVAGE_HEVC);
    assert_int_equal(s.n_pieces, 1);
    assert_int_equal(s.pieces[0].from, 15);
    assert_int_equal(s.pieces[0].size, d.size - 15);
    salvage_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_row_and_apart),
        cmocka_unit_test(test_the_last_is_cut),
        cmocka_unit_test(test_what_no_unit_holds),
        cmocka_unit_test(test_start_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
