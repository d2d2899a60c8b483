/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP server over real sockets: bodies in every framing, early answers, clients that go, bad framing, files, streams, stopping.
 * TLS is in test-http-tls.c, limits are in test-http-limits.c.
 */
#include "http-fixture.h"

static int setup(void **state)
{
    struct http_options options = fixture_options();

    *state = fixture_new(&options);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* ---- whole requests ------------------------------------------------------------------------------------------------------- */

static void bodies_in_every_framing(void **state)
{
    static const char *const same[] = {
        "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
        "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n "
        "world\r\n0\r\n\r\n",
        "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n006\r\n "
        "world\r\n0\r\nX-Trailer: "
        "1\r\n\r\n",
        "PUT /sink HTTP/1.0\r\nContent-Length: 11\r\n\r\nhello world",
    };
    struct fixture *f = *state;
    char expected[64] = "";

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        struct reply r;

        if (fixture_ask(f, same[i], &r) != 200)
            fail_msg("%d %s", r.status, same[i]);
        if (i == 0)
            snprintf(expected, sizeof expected, "%s", r.body);
        assert_memory_equal(r.body, "11 bytes, sum ", 14);
        assert_string_equal(r.body, expected);
        reply_done(&r);
    }
    fixture_await(f, &f->closed_whole, ARRAY_SIZE(same));
    assert_int_equal(f->finished, ARRAY_SIZE(same));
}

/* Larger than every buffer on the way, from both kinds of socket, and never the whole in memory. */
static void a_large_body(void **state)
{
    static char block[1 << 16];
    struct fixture *f = *state;

    memset(block, 'x', sizeof block);
    for (int kind = HTTP_UNIX; kind <= HTTP_LOOPBACK; kind++) {
        int fd = fixture_dial(f, (enum http_kind)kind);
        struct reply r;

        fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n");
        for (int i = 0; i < 512; i++)
            assert_int_equal(fd_write_full(fd, block, sizeof block), 0);
        fixture_get(fd, false, &r);
        assert_int_equal(r.status, 200);
        assert_memory_equal(r.body, "33554432 bytes", 14);
        reply_done(&r);
        close(fd);
    }
}

static void two_requests_on_a_connection(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    struct reply a, b, c;

    /* both at once, then one more after the answers */
    fixture_put(
        fd,
        "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(fd, false, &a);
    fixture_get(fd, false, &b);
    fixture_put(fd,
                "POST /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    fixture_get(fd, false, &c);
    assert_memory_equal(a.body, "3 bytes", 7);
    assert_memory_equal(b.body, "0 bytes", 7);
    assert_memory_equal(c.body, "2 bytes", 7);
    reply_done(&a);
    reply_done(&b);
    reply_done(&c);
    close(fd);
}

static void the_target_is_raw(void **state)
{
    struct fixture *f = *state;
    struct reply r;

    assert_int_equal(fixture_ask(f, "GET /refuse%2Fa/../b?x=%41 HTTP/1.1\r\nHost: x\r\n\r\n", &r), 403);
    reply_done(&r);
    assert_int_equal(
        fixture_ask(f, "GET /headers/x- HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-two:  2 \r\nY: 3\r\n\r\n", &r),
        200);
    assert_string_equal(r.body, "2 X-One=1");
    reply_done(&r);
}

static void peers_are_known(void **state)
{
    struct fixture *f = *state;
    char expected[64];
    struct reply r;
    int fd;

    assert_int_equal(fixture_ask(f, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n", &r), 200);
    assert_string_equal(r.body, "1|127.0.0.1|-1||");
    reply_done(&r);
    fd = fixture_dial(f, HTTP_UNIX);
    fixture_put(fd, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(fd, false, &r);
    snprintf(expected, sizeof expected, "0||%d||", (int)getuid());
    assert_string_equal(r.body, expected);
    reply_done(&r);
    close(fd);
}

/* ---- early answers ----------------------------------------------------------------------------------------------------------- */

static void expect_accepted(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    struct reply r;

    fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    fixture_get(fd, false, &r);
    assert_int_equal(r.status, 100);
    reply_done(&r);
    fixture_put(fd, "abcd");
    fixture_get(fd, false, &r);
    assert_int_equal(r.status, 200);
    assert_memory_equal(r.body, "4 bytes", 7);
    reply_done(&r);
    close(fd);
}

static void expect_refused(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    struct reply r;

    fixture_put(
        fd, "PUT /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n");
    fixture_get(fd, false, &r);
    assert_int_equal(r.status, 403);
    assert_string_equal(r.body, "{\"no\":1}");
    assert_string_equal(reply_header(&r, "X-Why"), "because");
    assert_string_equal(reply_header(&r, "Content-Type"), "text/plain");
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_done(&r);
    assert_true(fixture_ended(fd));
    close(fd);
    fixture_await(f, &f->closed_cut, 1);
    assert_int_equal(f->taken, 0);
}

/* Who does not wait sends on for a while and still reads the answer. */
static void refused_while_sending(void **state)
{
    static char block[1 << 16];
    static const char *const heads[] = {
        "PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n",
        "PUT /until/100000 HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n",
        "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\nContent-Length: 8388608\r\n\r\n",
    };
    static const int statuses[] = {403, 413, 400};
    struct fixture *f = *state;

    for (int kind = HTTP_UNIX; kind <= HTTP_LOOPBACK; kind++)
        for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
            int fd = fixture_dial(f, (enum http_kind)kind);
            struct reply r;

            fixture_put(fd, heads[i]);
            for (int k = 0; k < 128; k++)
                assert_int_equal(fd_write_full(fd, block, sizeof block), 0);
            fixture_get(fd, false, &r);
            if (r.status != statuses[i])
                fail_msg("%d for %s", r.status, heads[i]);
            assert_true(r.body_size > 0);
            reply_done(&r);
            assert_true(fixture_ended(fd));
            close(fd);
        }
    fixture_await(f, &f->closed_cut, 4);
    assert_int_equal(f->finished, 0);
}

/* A sender that never ends is cut. */
static void refused_without_end(void **state)
{
    static char block[1 << 16];
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    size_t sent = 0;

    fixture_put(fd, "PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    for (ssize_t n = 0; n >= 0 && sent<(1u << 30); sent += n> 0 ? (size_t)n : 0)
        n = send(fd, block, sizeof block, MSG_NOSIGNAL);
    assert_true(sent < (1u << 30));
    close(fd);
}

static void refused_without_body_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    struct reply r;

    for (int i = 0; i < 3; i++) {
        fixture_put(fd, i == 2 ? "HEAD /refuse HTTP/1.1\r\nHost: x\r\n\r\n"
                               : "GET /refuse HTTP/1.1\r\nHost: x\r\n\r\n");
        fixture_get(fd, i == 2, &r);
        assert_int_equal(r.status, 403);
        assert_string_equal(reply_header(&r, "Content-Length"), "8");
        reply_done(&r);
    }
    close(fd);
}

/* ---- clients that go ---------------------------------------------------------------------------------------------------------- */

static void gone_at_every_byte(void **state)
{
    static const char text[] =
        "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n "
        "world\r\n0\r\n\r\n";
    static const char counted[] = "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world";
    struct fixture *f = *state;
    unsigned cut = 0;

    for (int which = 0; which < 2; which++) {
        const char *all = which ? counted : text;
        size_t head = (size_t)(strstr(all, "\r\n\r\n") - all) + 4;

        for (size_t n = 1; n < strlen(all); n += n < head ? 7 : 1) {
            int fd = fixture_dial(f, n % 2 ? HTTP_UNIX : HTTP_LOOPBACK);

            assert_int_equal(fd_write_full(fd, all, n), 0);
            cut += n >= head;
            fixture_await(f, &f->begun, cut); /* else it may go before it was heard */
            close(fd);
        }
    }
    fixture_await(f, &f->closed_cut, cut);
    assert_int_equal(f->finished, 0);
    assert_int_equal(f->closed_cut, cut);
}

/* The answer cannot be sent, but the request was whole. */
static void gone_before_the_answer(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_UNIX);

    fixture_put(fd, "PUT /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na");
    fixture_await(f, &f->waiting, 1);
    close(fd);
    fixture_let_go_on(f);
    fixture_await(f, &f->closed_whole, 1);
    assert_int_equal(f->closed_cut, 0);
}

/* ---- what the library would let pass ------------------------------------------------------------------------------------------- */

static void bad_framing(void **state)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\n{}"},
        {400,
         "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {400,
         "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
              "chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 2 2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"}, /* no Host */
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length\t: 2\r\n\r\n{}"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nX: a\x01\r\n\r\n"},
        {400, "PUT /sink HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"},
        {505, "PUT /sink HTTP/2.0\r\nHost: x\r\n\r\n"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = fixture_dial(f, HTTP_LOOPBACK);
        struct reply r;

        fixture_put(fd, cases[i].text);
        shutdown(fd, SHUT_WR);
        fixture_get(fd, false, &r);
        if (r.status != cases[i].status)
            fail_msg("%d, not %d: %s", r.status, cases[i].status, cases[i].text);
        reply_done(&r);
        if (!fixture_ended(fd))
            fail_msg("goes on after %s", cases[i].text);
        close(fd);
    }
    /* numbers that no 64 bits hold are the library's to refuse: whatever it says, nothing is begun */
    for (int i = 0; i < 2; i++) {
        int fd = fixture_dial(f, HTTP_LOOPBACK);
        struct reply r;

        fixture_put(fd,
                    i ? "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775808\r\n\r\n{}"
                      : "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551618\r\n\r\n{}");
        fixture_get(fd, false, &r);
        assert_true(r.status == 0 || r.status == 400 || r.status == 413);
        reply_done(&r);
        close(fd);
    }
    assert_int_equal(f->begun, 0);
}

/* Chunks that are none end the connection in the middle of the body. */
static void bad_chunks(void **state)
{
    static const char *const bodies[] = {"x\r\nhello\r\n", "-5\r\nhello\r\n", "5\r\nhello6\r\n world",
                                         "ffffffffffffffff1\r\nhello", "\r\n\r\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        int fd = fixture_dial(f, HTTP_LOOPBACK);
        struct reply r;

        fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        fixture_put(fd, bodies[i]);
        fixture_get(fd, false, &r);
        if (r.status != 0 && r.status != 400 && r.status != 413)
            fail_msg("%d for %s", r.status, bodies[i]);
        reply_done(&r);
        close(fd);
    }
    fixture_await(f, &f->closed_cut, ARRAY_SIZE(bodies));
    assert_int_equal(f->finished, 0);
}

static void large_headers(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {64 << 10, 200 << 10, 2 << 20};
    _cleanup_free_ char *text = malloc((2 << 20) + 100), *many = calloc(1, 1 << 16);
    struct reply r;
    int fd;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t n = (size_t)sprintf(text, "GET /sink HTTP/1.1\r\nHost: x\r\nX: ");

        memset(text + n, 'a', sizes[i]);
        strcpy(text + n + sizes[i], "\r\n\r\n");
        fd = fixture_dial(f, HTTP_LOOPBACK);
        (void)fd_write_full(fd, text, strlen(text)); /* may be cut while it writes */
        fixture_get(fd, false, &r);
        if (r.status != 431 && r.status != 400 && !(r.status == 0 && sizes[i] > 1 << 20))
            fail_msg("%d for %zu bytes", r.status, sizes[i]);
        if (i == 0) {
            assert_int_equal(r.status, 431);
            assert_non_null(strstr(r.body, "\"error\""));
        }
        reply_done(&r);
        assert_true(fixture_ended(fd));
        close(fd);
    }
    strcpy(many, "GET /sink HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 500; i++)
        sprintf(many + strlen(many), "X%d: 1\r\n", i);
    strcat(many, "\r\n");
    assert_int_equal(fixture_ask(f, many, &r), 431);
    reply_done(&r);
    assert_int_equal(f->begun, 0);
    assert_int_equal(fixture_ask(f, "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n", &r), 200);
    reply_done(&r);
}

/* ---- files -------------------------------------------------------------------------------------------------------------------- */

struct asked {
    const char *headers;
    int status;
    const char *range; /* Content-Range; "" = none */
    size_t from, bytes;
};

static void check_file(struct fixture *f, const struct asked *a, const char *method)
{
    bool head = strcmp(method, "HEAD") == 0;
    char text[512], length[32];
    struct reply r;

    snprintf(text, sizeof text, "%s /file HTTP/1.1\r\nHost: x\r\n%s\r\n", method, a->headers);
    if (fixture_ask(f, text, &r) != a->status)
        fail_msg("%d, not %d: %s", r.status, a->status, text);
    assert_string_equal(reply_header(&r, "Content-Range"), a->range);
    assert_string_equal(reply_header(&r, "ETag"), "\"" FIXTURE_ETAG "\"");
    if (a->status / 100 == 2) {
        snprintf(length, sizeof length, "%zu", a->bytes);
        assert_string_equal(reply_header(&r, "Content-Length"), length);
        assert_string_equal(reply_header(&r, "Accept-Ranges"), "bytes");
        assert_string_equal(reply_header(&r, "Content-Type"), "video/mp4");
        assert_string_equal(reply_header(&r, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
    assert_int_equal(r.body_size, head || a->status / 100 != 2 ? 0 : a->bytes);
    assert_memory_equal(r.body, f->file + a->from, r.body_size);
    reply_done(&r);
}

static void files(void **state)
{
    static const struct asked cases[] = {
        {"", 200, "", 0, 300000},
        {"Range: bytes=0-0\r\n", 206, "bytes 0-0/300000", 0, 1},
        {"Range: bytes=1000-1999\r\n", 206, "bytes 1000-1999/300000", 1000, 1000},
        {"Range: bytes=100000-\r\n", 206, "bytes 100000-299999/300000", 100000, 200000},
        {"Range: bytes=-5\r\n", 206, "bytes 299995-299999/300000", 299995, 5},
        {"Range: bytes=-999999\r\n", 206, "bytes 0-299999/300000", 0, 300000},
        {"Range: bytes=299999-99999999999999999999\r\n", 206, "bytes 299999-299999/300000", 299999, 1},
        {"Range: bytes=300000-\r\n", 416, "bytes */300000", 0, 0},
        {"Range: bytes=-0\r\n", 416, "bytes */300000", 0, 0},
        {"Range: bytes=0-1,5-6\r\n", 200, "", 0, 300000},
        {"Range: lines=1-2\r\n", 200, "", 0, 300000},
        {"Range: bytes=9-1\r\n", 200, "", 0, 300000},
        {"Range: bytes=0-0\r\nIf-Range: \"" FIXTURE_ETAG "\"\r\n", 206, "bytes 0-0/300000", 0, 1},
        {"Range: bytes=0-0\r\nIf-Range: W/\"" FIXTURE_ETAG "\"\r\n", 200, "", 0, 300000},
        {"Range: bytes=0-0\r\nIf-Range: \"old\"\r\n", 200, "", 0, 300000},
        {"Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200, "", 0, 300000},
        {"If-None-Match: \"" FIXTURE_ETAG "\"\r\n", 304, "", 0, 0},
        {"If-None-Match: \"a\", W/\"" FIXTURE_ETAG "\"\r\n", 304, "", 0, 0},
        {"If-None-Match: *\r\n", 304, "", 0, 0},
        {"If-None-Match: \"a\"\r\n", 200, "", 0, 300000},
        {"If-Match: \"a\"\r\n", 412, "", 0, 0},
        {"If-Match: W/\"" FIXTURE_ETAG "\"\r\n", 412, "", 0, 0},
        {"If-Match: \"a\",\"" FIXTURE_ETAG "\"\r\n", 200, "", 0, 300000},
        {"If-Match: \"a\"\r\nIf-None-Match: *\r\n", 412, "", 0, 0},
    };
    struct fixture *f = *state;

    f->file_bytes = 300000;
    f->file = malloc(f->file_bytes);
    for (size_t i = 0; i < f->file_bytes; i++)
        f->file[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct asked whole = cases[i];

        check_file(f, &cases[i], "GET");
        if (strncmp(whole.headers, "Range", 5) == 0) /* a range is for GET only (RFC 9110 §14.2) */
            whole = (struct asked){whole.headers, 200, "", 0, 300000};
        check_file(f, &whole, "HEAD");
    }
}

static void an_empty_file(void **state)
{
    static const struct asked whole = {"", 200, "", 0, 0},
                              part = {"Range: bytes=0-\r\n", 416, "bytes */0", 0, 0};
    struct fixture *f = *state;

    f->file = calloc(1, 1);
    check_file(f, &whole, "GET");
    check_file(f, &whole, "HEAD");
    check_file(f, &part, "GET");
}

static void head_may_say_its_length(void **state)
{
    struct fixture *f = *state;
    struct reply r;

    assert_int_equal(fixture_ask(f, "HEAD /head/123456789012 HTTP/1.1\r\nHost: x\r\n\r\n", &r), 200);
    assert_string_equal(reply_header(&r, "Content-Length"), "123456789012");
    reply_done(&r);
    /* but no GET lies about it */
    assert_int_equal(fixture_ask(f, "GET /head/5 HTTP/1.1\r\nHost: x\r\n\r\n", &r), 200);
    assert_string_equal(reply_header(&r, "Content-Length"), "0");
    reply_done(&r);
}

/* ---- answers without a server --------------------------------------------------------------------------------------------------- */

static void headers_of_answers(void **state)
{
    struct http_answer a = HTTP_ANSWER_INIT;
    char name[16];

    assert_int_equal(http_answer_header(&a, "X-A", "%d", 1), 0);
    assert_int_equal(http_answer_header(&a, "x-a", "%d", 2), 0);
    assert_int_equal(a.n_headers, 1);
    assert_string_equal(a.headers[0].value, "2");
    assert_int_equal(http_answer_header(&a, "X-B", "a\r\nSet-Cookie: b"), -EINVAL);
    assert_int_equal(http_answer_header(&a, "X-B", "a\tb"), 0);
    assert_int_equal(http_answer_header(&a, "X B", "a"), -EINVAL);
    assert_int_equal(http_answer_header(&a, "X:B", "a"), -EINVAL);
    assert_int_equal(http_answer_header(&a, "", "a"), -EINVAL);
    for (int i = 2; i < HTTP_HEADERS_MAX; i++) {
        snprintf(name, sizeof name, "X-%d", i);
        assert_int_equal(http_answer_header(&a, name, "v"), 0);
    }
    assert_int_equal(http_answer_header(&a, "X-Z", "v"), -E2BIG);
    http_answer_text(&a, 200, "text/plain", strdup("one"));
    http_answer_text(&a, 201, "text/plain", NULL);
    assert_int_equal(a.body_size, 0);
    http_answer_done(&a);
    assert_int_equal(a.status, 500);
    assert_int_equal(a.file_fd, -1);
}

/* ---- streams and stopping ------------------------------------------------------------------------------------------------------- */

static void streams_end_with_the_client(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    char buf[4096] = "";
    size_t n = 0;

    fixture_put(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!strstr(buf, "line\n") && n + 1 < sizeof buf) {
        ssize_t got = recv(fd, buf + n, sizeof buf - 1 - n, 0);

        assert_true(got > 0);
        n += (size_t)got;
    }
    close(fd);
    fixture_await(f, &f->streams_closed, 1);
}

/* What is in hand is finished, what is half there is cut, and all of it is closed. */
static void stopping(void **state)
{
    struct fixture *f = *state;
    int whole = fixture_dial(f, HTTP_LOOPBACK), half = fixture_dial(f, HTTP_LOOPBACK),
        idle = fixture_dial(f, HTTP_UNIX), stream = fixture_dial(f, HTTP_UNIX);
    struct reply r;

    fixture_put(stream, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_put(half, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    fixture_put(whole, "PUT /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na");
    fixture_await(f, &f->waiting, 1);
    fixture_await(f, &f->begun, 3);
    fixture_let_go_on(f);
    fixture_stop(f);
    fixture_get(whole, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    assert_int_equal(f->closed_whole, 2);
    assert_int_equal(f->closed_cut, 1);
    assert_int_equal(f->streams_closed, 1);
    assert_true(fixture_ended(half));
    assert_true(fixture_ended(idle));
    close(whole);
    close(half);
    close(idle);
    close(stream);
}

/* ---- listening ------------------------------------------------------------------------------------------------------------------- */

static void addresses(void **state)
{
    static const char *const bad[] = {
        "",      "127.0.0.1", ":80",         "127.0.0.1:",   "127.0.0.1:x", "127.0.0.1:65536",
        "::1:8", "[::1]",     "localhost:0", "127.0.0.1:-1", "[]:1",        "127.0.0.1:000001",
        "a b:1"};
    static const char *const good[] = {"127.0.0.1:0", "[::1]:0", "127.8.9.10:0"};
    struct error err = ERROR_INIT;
    int fd;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (http_listen_tcp(bad[i], true, &err) != -EINVAL)
            fail_msg("%s was not refused", bad[i]);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        fd = http_listen_tcp(good[i], true, &err);
        if (fd < 0 && fd != -EADDRNOTAVAIL && fd != -EAFNOSUPPORT) /* machines without IPv6 */
            fail_msg("%s: %s", good[i], err.text);
        if (fd >= 0)
            close(fd);
    }
    assert_int_equal(http_listen_tcp("0.0.0.0:0", true, &err), -EPERM);
    assert_int_equal(http_listen_tcp("[::]:0", true, &err), -EPERM);
    assert_int_equal(http_listen_tcp("192.0.2.1:0", true, &err), -EPERM);
    assert_int_equal(http_listen_tcp("192.0.2.1:0", false, &err), -EADDRNOTAVAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_in_every_framing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_body, setup, teardown),
        cmocka_unit_test_setup_teardown(two_requests_on_a_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(the_target_is_raw, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_are_known, setup, teardown),
        cmocka_unit_test_setup_teardown(expect_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(expect_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_while_sending, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_without_body_keeps_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(gone_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(gone_before_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_framing, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(large_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_file, setup, teardown),
        cmocka_unit_test_setup_teardown(head_may_say_its_length, setup, teardown),
        cmocka_unit_test(headers_of_answers),
        cmocka_unit_test_setup_teardown(streams_end_with_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(stopping, setup, teardown),
        cmocka_unit_test(addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
