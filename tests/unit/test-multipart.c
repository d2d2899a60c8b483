/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * multipart/form-data: every input is read whole, byte by byte and in all pairs of two pieces, and must read the same each time.
 */
#include "http/multipart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TYPE      "multipart/form-data; boundary=XX"
#define PART      "Content-Disposition: form-data; name=\"a\"\r\n\r\n"
#define FILE_PART "Content-Disposition: form-data; name=\"f\"; filename=\"c.mp4\"\r\n\r\n"

/* What was read, as text: "[name|filename|path|type]data." for each part, "$" for the end. */
struct trace {
    char text[16384];
    size_t size;
    size_t pieces; /* of data */
    int fail_at;   /* this event (counted from 1) fails with -EIO; 0: none */
    int events;
};

static int add(struct trace *t, const void *data, size_t size)
{
    assert_true(t->size + size < sizeof t->text);
    memcpy(t->text + t->size, data, size);
    t->size += size;
    t->text[t->size] = '\0';
    return 0;
}

static int add_text(struct trace *t, const char *text)
{
    return add(t, text, strlen(text));
}

static int event(struct trace *t, struct error *err)
{
    return ++t->events == t->fail_at ? error_set(err, -EIO, "", "injected") : 0;
}

static int on_part_begin(void *userdata, const struct multipart_part *part, struct error *err)
{
    struct trace *t = userdata;

    add_text(t, "[");
    add_text(t, part->name);
    add_text(t, "|");
    add_text(t, part->filename ? part->filename : "-");
    add_text(t, "|");
    add_text(t, part->path ? part->path : "-");
    add_text(t, "|");
    add_text(t, part->type);
    add_text(t, "]");
    return event(t, err);
}

static int on_part_data(void *userdata, const void *data, size_t size, struct error *err)
{
    struct trace *t = userdata;

    assert_true(size > 0);
    t->pieces++;
    add(t, data, size);
    return event(t, err);
}

static int on_part_end(void *userdata, struct error *err)
{
    add_text(userdata, ".");
    return event(userdata, err);
}

static int on_end(void *userdata, struct error *err)
{
    add_text(userdata, "$");
    return event(userdata, err);
}

static int open_form(const char *type, struct trace *t, struct multipart **ret, struct error *err)
{
    struct multipart_events events = {on_part_begin, on_part_data, on_part_end, on_end, t};

    return multipart_new(type, &events, ret, err);
}

/* Feeds in pieces of `piece` bytes, the first of `first`. What feed or finish returned. */
static int read_pieces(const char *body, size_t size, size_t first, size_t piece, struct trace *t,
                       struct error *err)
{
    _cleanup_(multipart_freep) struct multipart *m = NULL;
    int r;

    memset(t, 0, offsetof(struct trace, fail_at));
    t->events = 0;
    assert_int_equal(open_form(TYPE, t, &m, NULL), 0);
    for (size_t at = 0, n = first; at < size; at += n, n = piece) {
        /* in memory of its own, so that a sanitizer sees a byte too many */
        _cleanup_free_ char *copy = malloc(n = MIN(n, size - at));

        memcpy(copy, body + at, n);
        r = multipart_feed(m, copy, n, err);
        if (r != 0) {
            assert_int_equal(multipart_feed(m, "x", 1, NULL), r);
            assert_int_equal(multipart_finish(m, NULL), r);
            return r;
        }
    }
    return multipart_finish(m, err);
}

static void assert_reads_size(const char *body, size_t size, int expected, const char *text)
{
    struct trace t = {0};

    /* split at size: whole; beyond: byte by byte */
    for (size_t split = 1; split <= size + 1; split++) {
        struct error err = ERROR_INIT;
        int r = split <= size ? read_pieces(body, size, split, size, &t, &err)
                              : read_pieces(body, size, 1, 1, &t, &err);

        if (r != expected || (text && strcmp(t.text, text) != 0))
            fail_msg("split at %zu: %d \"%s\" \"%s\" from:\n%s", split, r, err.text, t.text, body);
        if (r < 0)
            assert_true(err.code == r && err.text[0]);
    }
}

static void assert_reads(const char *body, const char *text)
{
    assert_reads_size(body, strlen(body), 0, text);
}

static void assert_refused(const char *body)
{
    assert_reads_size(body, strlen(body), -EINVAL, NULL);
}

static void test_framing(void **state)
{
    assert_reads("--XX\r\n" PART "1\r\n--XX--", "[a|-|-|]1.$");
    assert_reads("--XX\r\n" PART "1\r\n--XX--\r\n", "[a|-|-|]1.$");
    assert_reads("--XX\r\n" PART "1\r\n--XX\r\n" FILE_PART "2\r\n--XX--\r\n",
                 "[a|-|-|]1.[f|c.mp4|c.mp4|]2.$");
    assert_reads("\r\n--XX\r\n" PART "1\r\n--XX--", "[a|-|-|]1.$");
    assert_reads("pre\r\namble\r\n--XX\r\n" PART "1\r\n--XX--epi\r\n--XX\r\nlogue", "[a|-|-|]1.$");
    assert_reads("--XX \t\r\n" PART "1\r\n--XX  \r\n" PART "2\r\n--XX--", "[a|-|-|]1.[a|-|-|]2.$");
    assert_reads("--XX--", "$");
}

static void test_almost_boundaries(void **state)
{
    assert_reads("--XX\r\n" PART "\r\n--XX--", "[a|-|-|].$");
    assert_reads("--XX\r\n" PART "--XX--",
                 "[a|-|-|].$"); /* the headers' line end is the delimiter's: no body at all */
    assert_reads("--XX\r\n" PART "\r\n\r\n--XX--", "[a|-|-|]\r\n.$");
    assert_reads("--XX\r\n" PART "--X\r\n--XX--", "[a|-|-|]--X.$");
    assert_reads("--XX\r\n" PART "-\r\n--XX--", "[a|-|-|]-.$");
    assert_reads("--XX\r\n" PART "\r\r\r\n\r\n--X\r\n-\r\n--XX--", "[a|-|-|]\r\r\r\n\r\n--X\r\n-.$");
    assert_reads("--XX\r\n" PART "\r\n--X\r\n--\r\n--XX--", "[a|-|-|]\r\n--X\r\n--.$");
    assert_reads("--XX\r\n" PART "\n--XX--\r\n--XX--", "[a|-|-|]\n--XX--.$");
    assert_reads("--XX\r\n" PART " --XX--\r\n--XX--", "[a|-|-|] --XX--.$");
    assert_reads("-\r\n--X\r\n--XX\r\n" PART "1\r\n--XX--", "[a|-|-|]1.$");
}

static void test_any_bytes(void **state)
{
    char body[1200], expected[600];
    size_t n = (size_t)sprintf(body, "--XX\r\n" PART), m = (size_t)sprintf(expected, "[a|-|-|]");
    struct trace t = {0};

    for (int i = 0; i < 512; i++)
        body[n++] = expected[m++] = (char)(i ^ i >> 8);
    memcpy(body + n, "\r\n--XX--", 8);
    memcpy(expected + m, ".$", 2);
    for (size_t piece = 1; piece <= n + 8; piece++) {
        assert_int_equal(read_pieces(body, n + 8, piece, piece, &t, NULL), 0);
        assert_int_equal(t.size, m + 2);
        assert_memory_equal(t.text, expected, m + 2);
    }
}

static void test_bad_framing(void **state)
{
    static const char *const bad[] = {
        "",
        "no boundary at all",
        "--X",
        "--XX",
        "--XX-",
        "--XX\r",
        "--XX\r\n",
        "--XX\r\n" PART,
        "--XX\r\n" PART "1",
        "--XX\r\n" PART "1\r\n--XX",
        "--XX\r\n" PART "1\r\n--XX-",
        "--XX\r\n" PART "1\r\n--XX\r\n",
        "--XX\n" PART "1\r\n--XX--",
        "--XX\r\r\n" PART "1\r\n--XX--",
        "--XXX\r\n" PART "1\r\n--XXX--",
        "--XX\r\n" PART "1\r\n--XX-x",
        "--XX\r\n" PART "1\r\n--XX --",
        "--XX\r\n" PART "1\r\n--XXand more\r\n--XX--",
        "--XX\r\n" PART "1\n--XX--\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_refused(bad[i]);
}

static void test_headers(void **state)
{
    assert_reads(
        "--XX\r\ncontent-type:  video/mp4 \r\nCONTENT-DISPOSITION:form-data;name=f;filename=c.mp4\r\n"
        "Content-Length: 1\r\nContent-Transfer-Encoding: BINARY\r\nX-Other:\r\n\r\n1\r\n--XX--",
        "[f|c.mp4|c.mp4|video/mp4]1.$");
    assert_reads(
        "--XX\r\nContent-Disposition: form-data;\r\n name=\"a\";\r\n\tfilename=\"b.mp4\"\r\n\r\n1\r\n--XX--",
        "[a|b.mp4|b.mp4|]1.$");
    assert_reads("--XX\r\nContent-Disposition: form-data; filename=\"C:\\x\\clip.mp4\"\r\n\r\n1\r\n--XX--",
                 "[|clip.mp4|x/clip.mp4|]1.$");
    assert_reads("--XX\r\nContent-Disposition: form-data; name=f; "
                 "filename=\"../../etc/\xE6\x9C\xAC\"\r\n\r\n1\r\n--XX--",
                 "[f|\xE6\x9C\xAC|etc/\xE6\x9C\xAC|]1.$");
    assert_reads(
        "--XX\r\nContent-Disposition: form-data; name=f; filename=\"\xB1\xBE.mp4\"\r\n\r\n1\r\n--XX--",
        "[f|\xB1\xBE.mp4|\xB1\xBE.mp4|]1.$");
    assert_reads("--XX\r\nContent-Disposition: form-data; name=f; filename=\"\"\r\n\r\n\r\n--XX--",
                 "[f|||].$");
    assert_reads(
        "--XX\r\nContent-Disposition: form-data; name=f; filename*=UTF-8''%2e%2e%2F%2e%2e\r\n\r\n1\r\n--XX--",
        "[f|||]1.$");
}

static void test_bad_headers(void **state)
{
    static const char *const bad[] = {
        "\r\n",
        "Content-Type: video/mp4\r\n\r\n",
        "Content-Disposition: attachment; filename=x\r\n\r\n",
        "Content-Disposition: form-data\r\n\r\n",
        "Content-Disposition: form-data; name=a; name=b\r\n\r\n",
        "Content-Disposition: form-data; name=\"a\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n",
        "Content-Disposition: form-data; name=a; filename*=UTF-8''%zz\r\n\r\n",
        "Content-Disposition: form-data; name=a; filename=\"a\x01z\"\r\n\r\n",
        "Content-Disposition: form-data; name=a\n\n",
        "Content-Disposition: form-data; name=a\r\n\n",
        "Content-Disposition: form-data; name=a\rX: y\r\n\r\n",
        "no colon\r\n\r\n",
        ": x\r\n\r\n",
        "Content Type: x\r\n\r\n",
        " Content-Disposition: form-data; name=a\r\n\r\n",
        "Content-Disposition : form-data; name=a\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=YY\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Type: MultiPart/mixed\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        "--XX--",
    };
    static const char nul[] = "--XX\r\nX: a\0b\r\n" PART "\r\n--XX--";
    char body[400];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(body, sizeof body, "--XX\r\n%s1\r\n--XX--", bad[i]);
        assert_refused(body);
    }
    memcpy(body, nul, sizeof nul);
    assert_reads_size(body, sizeof nul - 1, -EINVAL, "");
}

static void test_content_type(void **state)
{
    static const char *const bad[] = {
        "multipart/mixed; boundary=XX",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"XX \"",
        "multipart/form-data; boundary=a\"b",
        "multipart/form-data; boundary=\"a\\\"b\"",
        "multipart/form-data; boundary=a;boundary=b",
        "multipart/form-data; boundary=\xE6\x9C\xAC",
        "multipart/form-data; boundary=a\tb",
        "text/plain; boundary=XX",
        "",
    };
    char text[200];
    struct trace t = {0};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct multipart *m = NULL;
        struct error err = ERROR_INIT;

        if (open_form(bad[i], &t, &m, &err) != -EINVAL || !err.text[0] || m)
            fail_msg("'%s' was taken", bad[i]);
    }
    for (int n = 69; n <= 71; n++) {
        _cleanup_(multipart_freep) struct multipart *m = NULL;

        snprintf(text, sizeof text, "Multipart/Form-Data; charset=x; boundary=\"%0*d\"", n, 0);
        assert_int_equal(open_form(text, &t, &m, NULL), n <= MULTIPART_BOUNDARY_MAX ? 0 : -EINVAL);
    }
}

/* ---- limits: just within is read, one more is refused ---- */

/* "--XX\r\n" and so on from a growing buffer. */
struct body {
    char *text;
    size_t size;
    FILE *file;
};

static int read_body(struct body *b, struct trace *t)
{
    struct error err = ERROR_INIT;
    int whole, pieces;

    fclose(b->file);
    whole = read_pieces(b->text, b->size, b->size, b->size, t, &err);
    pieces = read_pieces(b->text, b->size, 1, 1, t, &err);
    free(b->text);
    assert_int_equal(whole, pieces);
    return whole;
}

static void fill(FILE *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        putc('x', f);
}

static int read_parts(int n)
{
    struct body b;
    struct trace t = {0};

    b.file = open_memstream(&b.text, &b.size);
    for (int i = 0; i < n; i++)
        fputs("--XX\r\n" PART "1\r\n", b.file);
    fputs("--XX--", b.file);
    return read_body(&b, &t);
}

static int read_header_bytes(size_t n)
{
    static const char start[] = "Content-Disposition: form-data; name=a\r\nX: ", end[] = "\r\n\r\n";
    struct body b;
    struct trace t = {0};

    b.file = open_memstream(&b.text, &b.size);
    fprintf(b.file, "--XX\r\n%s", start);
    fill(b.file, n - strlen(start) - strlen(end));
    fprintf(b.file, "%s1\r\n--XX--", end);
    return read_body(&b, &t);
}

static int read_header_lines(int n)
{
    struct body b;
    struct trace t = {0};

    b.file = open_memstream(&b.text, &b.size);
    fputs("--XX\r\n", b.file);
    for (int i = 1; i < n; i++)
        fprintf(b.file, "X%d: y\r\n", i);
    fputs(PART "1\r\n--XX--", b.file);
    return read_body(&b, &t);
}

static int read_around(size_t before, size_t after)
{
    struct body b;
    struct trace t = {0};

    b.file = open_memstream(&b.text, &b.size);
    fill(b.file, before);
    fputs("\r\n--XX\r\n" PART "1\r\n--XX--", b.file);
    fill(b.file, after);
    return read_body(&b, &t);
}

static int on_much_data(void *userdata, const void *data, size_t size, struct error *err)
{
    *(size_t *)userdata += size;
    return 0;
}

static int on_nothing(void *userdata, struct error *err)
{
    return 0;
}

static int on_any_part(void *userdata, const struct multipart_part *part, struct error *err)
{
    return 0;
}

/* Two parts of n bytes in all. */
static int read_much(const char *part, size_t n, size_t *ret_bytes)
{
    struct multipart_events events = {on_any_part, on_much_data, on_nothing, on_nothing, ret_bytes};
    _cleanup_(multipart_freep) struct multipart *m = NULL;
    struct body b;
    int r;

    *ret_bytes = 0;
    b.file = open_memstream(&b.text, &b.size);
    fprintf(b.file, "--XX\r\n%sx\r\n--XX\r\n%s", part, part);
    fill(b.file, n - 1);
    fputs("\r\n--XX--", b.file);
    fclose(b.file);
    assert_int_equal(multipart_new(TYPE, &events, &m, NULL), 0);
    r = multipart_feed(m, b.text, b.size, NULL);
    free(b.text);
    return r;
}

static void test_limits(void **state)
{
    size_t bytes;

    assert_int_equal(read_parts(MULTIPART_PARTS_MAX), 0);
    assert_int_equal(read_parts(MULTIPART_PARTS_MAX + 1), -EFBIG);
    assert_int_equal(read_header_bytes(MULTIPART_HEADERS_MAX), 0);
    assert_int_equal(read_header_bytes(MULTIPART_HEADERS_MAX + 1), -EFBIG);
    assert_int_equal(read_header_bytes(10 * MULTIPART_HEADERS_MAX), -EFBIG);
    assert_int_equal(read_header_lines(MULTIPART_HEADER_LINES_MAX), 0);
    assert_int_equal(read_header_lines(MULTIPART_HEADER_LINES_MAX + 1), -EFBIG);
    assert_int_equal(read_around(MULTIPART_AROUND_MAX, MULTIPART_AROUND_MAX), 0);
    assert_int_equal(read_around(MULTIPART_AROUND_MAX + 1, 0), -EFBIG);
    assert_int_equal(read_around(0, MULTIPART_AROUND_MAX + 1), -EFBIG);
    assert_int_equal(read_much(PART, MULTIPART_FIELDS_MAX, &bytes), 0);
    assert_int_equal(bytes, MULTIPART_FIELDS_MAX);
    assert_int_equal(read_much(PART, MULTIPART_FIELDS_MAX + 1, &bytes), -EFBIG);
    assert_int_equal(read_much(FILE_PART, 3 * MULTIPART_FIELDS_MAX, &bytes),
                     0); /* files have no limit here */
    assert_int_equal(bytes, 3 * MULTIPART_FIELDS_MAX);
}

/* Lines that end with LF alone are said to be that, not too many bytes of headers. */
static void test_lf_alone(void **state)
{
    struct body b;
    struct trace t = {0};

    b.file = open_memstream(&b.text, &b.size);
    fputs("--XX\r\nContent-Disposition: form-data; name=a\n\n", b.file);
    fill(b.file, 2 * MULTIPART_HEADERS_MAX);
    assert_int_equal(read_body(&b, &t), -EINVAL);
}

/* What an event returns ends the reading, whichever it is. */
static void test_events_fail(void **state)
{
    static const char body[] = "--XX\r\n" FILE_PART "1\r\n--XX\r\n" PART "2\r\n--XX--";
    struct error err = ERROR_INIT;
    struct trace t = {0};

    for (t.fail_at = 1; t.fail_at <= 7; t.fail_at++) {
        assert_int_equal(read_pieces(body, strlen(body), strlen(body), 1, &t, &err), -EIO);
        assert_string_equal(err.text, "injected");
        assert_int_equal(t.events, t.fail_at);
    }
    assert_int_equal(read_pieces(body, strlen(body), strlen(body), 1, &t, &err), 0);
}

static int on_checked_part(void *userdata, const struct multipart_part *part, struct error *err)
{
    assert_string_equal(multipart_header(part, "content-md5"), "1B2M2Y8AsgTpgAmY7PhCfg==");
    assert_string_equal(multipart_header(part, "X-Empty"), "");
    assert_null(multipart_header(part, "X-Other"));
    (*(int *)userdata)++;
    return 0;
}

static void test_header_of_part(void **state)
{
    static const char body[] =
        "--XX\r\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nX-Empty:\r\n" PART "\r\n--XX--";
    int seen = 0;
    struct multipart_events events = {on_checked_part, on_much_data, on_nothing, on_nothing, &seen};
    _cleanup_(multipart_freep) struct multipart *m = NULL;

    assert_int_equal(multipart_new(TYPE, &events, &m, NULL), 0);
    assert_int_equal(multipart_feed(m, body, strlen(body), NULL), 0);
    assert_int_equal(seen, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),        cmocka_unit_test(test_almost_boundaries),
        cmocka_unit_test(test_any_bytes),      cmocka_unit_test(test_bad_framing),
        cmocka_unit_test(test_headers),        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_content_type),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_lf_alone),       cmocka_unit_test(test_events_fail),
        cmocka_unit_test(test_header_of_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
