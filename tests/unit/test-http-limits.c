/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections that are too slow or too many. Nothing here measures a speed: slow clients go on until they are cut, and what must
 * not be cut is waited for.
 */
#include "http-fixture.h"

#define DRIPS_MAX                                                                                            \
    200 /* of DRIP_MSEC: far beyond what is allowed, and each starts the library's own time-out anew */
#define DRIP_MSEC 100

static struct fixture *start_with(unsigned connections, unsigned per_address, int64_t window_usec)
{
    struct http_options options = fixture_options();

    options.connections = connections;
    options.connections_per_address = per_address;
    options.header_usec = USEC_PER_SEC;
    options.rate_bytes = 1000;
    options.window_usec = window_usec;
    return fixture_new(&options);
}

static struct fixture *start(unsigned connections, unsigned per_address)
{
    return start_with(connections, per_address, USEC_PER_SEC);
}

static void nap(int msec)
{
    struct timespec ts = {msec / 1000, msec % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

static bool drip(int fd, const char *text)
{
    for (int i = 0; i < DRIPS_MAX; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};

        if (send(fd, text + i % strlen(text), 1, MSG_NOSIGNAL) < 0 || poll(&p, 1, DRIP_MSEC) > 0)
            return true;
    }
    return false;
}

static void dripping_headers_are_cut(void **state)
{
    struct fixture *f = start(8, 8);
    int fd = fixture_dial(f, HTTP_LOOPBACK), again = fixture_dial(f, HTTP_LOOPBACK);
    struct reply r;

    fixture_put(fd, "GET /sink HTTP/1.1\r\nHost: x\r\nX: ");
    assert_true(drip(fd, "aaaa"));
    close(fd);
    /* the same after a first request; idleness before it is no fault */
    fixture_put(again, "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(again, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    nap(2500);
    fixture_put(again, "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(again, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    fixture_put(again, "GET /sink HTTP/1.1\r\nHost: x\r\nX: ");
    assert_true(drip(again, "aaaa"));
    close(again);
    assert_int_equal(f->begun, 2);
    fixture_free(f);
}

static void dripping_bodies_are_cut(void **state)
{
    struct fixture *f = start(8, 8);
    int fd = fixture_dial(f, HTTP_LOOPBACK);

    fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    assert_true(drip(fd, "aaaa"));
    fixture_await(f, &f->closed_cut, 1);
    close(fd);
    fixture_free(f);
}

static void stalled_bodies_are_cut(void **state)
{
    struct fixture *f = start(8, 8);
    int fd = fixture_dial(f, HTTP_LOOPBACK);

    fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
    assert_true(fixture_ended(fd));
    fixture_await(f, &f->closed_cut, 1);
    close(fd);
    fixture_free(f);
}

/* Our own slowness is not the client's: it took longer than a window, but when the watcher next looks the client has had a
 * fraction of one. */
static void the_service_may_take_its_time(void **state)
{
    struct fixture *f = start_with(8, 8, 4 * USEC_PER_SEC);
    int fd = fixture_dial(f, HTTP_LOOPBACK);
    struct reply r;

    fixture_put(fd, "PUT /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    fixture_await(f, &f->waiting, 1);
    nap(4500);
    fixture_let_go_on(f);
    nap(1500);
    fixture_put(fd, "cd");
    fixture_get(fd, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    close(fd);
    fixture_free(f);
}

/* A local peer may be a proxy that buffers; it is not watched. */
static void the_unix_socket_is_not_watched(void **state)
{
    struct fixture *f = start(8, 8);
    int fd = fixture_dial(f, HTTP_UNIX), tcp = fixture_dial(f, HTTP_LOOPBACK);
    struct reply r;

    fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    nap(3500);
    fixture_put(fd, "b");
    fixture_get(fd, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    close(fd);
    close(tcp);
    fixture_free(f);
}

/* ---- cut by others ---- */

#define PARTLY "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc"

static struct fixture *start_patient(void)
{
    struct http_options options = fixture_options();

    return fixture_new(&options);
}

/* Until its thread waits for the client again: what was taken last is then behind it. */
static void await_cut(struct fixture *f)
{
    bool was_cut = false;

    for (int i = 0; i < 3000 && !was_cut; i++) {
        was_cut = fixture_cut_silent(f, 0);
        nap(was_cut ? 0 : 10);
    }
    assert_true(was_cut);
}

static void silent_ones_are_cut_when_asked(void **state)
{
    static const enum http_kind kinds[] = {HTTP_LOOPBACK, HTTP_UNIX};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct fixture *f = start_patient();
        int fd = fixture_dial(f, kinds[i]);

        fixture_put(fd, PARTLY);
        fixture_await_bytes(f, 3);
        assert_false(fixture_cut_silent(f, USEC_PER_HOUR));
        await_cut(f);
        assert_true(fixture_ended(fd));
        fixture_await(f, &f->closed_cut, 1);
        assert_false(fixture_cut_silent(f, 0)); /* it is no more */
        close(fd);
        fixture_free(f);
    }
}

/* Neither in the service's time nor when all bytes are here. */
static void busy_services_are_not_cut(void **state)
{
    static const char *const paths[] = {"/hold", "/wait"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct fixture *f = start_patient();
        int fd = fixture_dial(f, HTTP_LOOPBACK);
        char text[200];
        struct reply r;

        snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd", paths[i]);
        fixture_put(fd, text);
        fixture_await(f, &f->waiting, 1);
        assert_false(fixture_cut_silent(f, 0));
        fixture_let_go_on(f);
        fixture_get(fd, false, &r);
        assert_int_equal(r.status, 200);
        reply_done(&r);
        close(fd);
        fixture_free(f);
    }
}

/* What is less than a piece for the service has come all the same: here a part of a chunk's head. */
static void bytes_under_way_are_not_silence(void **state)
{
    struct fixture *f = start_patient();
    int fd = fixture_dial(f, HTTP_LOOPBACK);

    fixture_put(fd, "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    fixture_await_bytes(f, 3);
    nap(5000);
    fixture_put(fd, "5");
    nap(300); /* so that it does not wait in the socket any more */
    assert_false(fixture_cut_silent(f, 5 * USEC_PER_SEC));
    await_cut(f);
    fixture_await(f, &f->closed_cut, 1);
    close(fd);
    fixture_free(f);
}

/* The client goes, is cut, or both at once. */
static void cut_while_it_goes(void **state)
{
    struct fixture *f = start_patient();

    for (unsigned i = 0; i < 200; i++) {
        int fd = fixture_dial(f, i % 2 ? HTTP_LOOPBACK : HTTP_UNIX);

        fixture_put(fd, PARTLY);
        if (i % 3)
            fixture_await_bytes(f, 3);
        close(fd);
        (void)fixture_cut_silent(f, 0);
    }
    fixture_free(f);
}

static int ask_from(const struct fixture *f, const char *from)
{
    int fd = fixture_dial_from(f, HTTP_LOOPBACK, from), status;
    struct reply r;

    fixture_put(fd, "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(fd, false, &r);
    status = r.status;
    reply_done(&r);
    close(fd);
    return status;
}

/* Idle connections make room; the longest idle first; one that is busy is never cut. */
static void idle_ones_make_room(void **state)
{
    struct fixture *f = start(4, 100);
    int busy = fixture_dial(f, HTTP_LOOPBACK), idle[3];
    struct reply r;

    fixture_put(busy, "PUT /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    fixture_await(f, &f->waiting, 1);
    for (int i = 0; i < 3; i++)
        idle[i] = fixture_dial(f, HTTP_LOOPBACK);
    for (unsigned i = 1; i <= 3; i++) { /* the first dialled was used last */
        fixture_put(idle[i % 3], "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
        fixture_get(idle[i % 3], false, &r);
        assert_int_equal(r.status, 200);
        reply_done(&r);
        fixture_await(f, &f->closed_whole, i);
    }
    assert_int_equal(ask_from(f, "127.0.0.1"), 200);
    assert_true(fixture_ended(idle[1]));
    fixture_put(idle[0], "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(idle[0], false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    fixture_let_go_on(f);
    fixture_put(busy, "b");
    fixture_get(busy, false, &r);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    close(busy);
    for (int i = 0; i < 3; i++)
        close(idle[i]);
    fixture_free(f);
}

/* Where all are busy, who is one too many is told so. */
static void busy_ones_do_not(void **state)
{
    struct fixture *f =
        start_with(3, 1, 30 * USEC_PER_SEC); /* the limit of an address is for TLS: test-http-tls.c */
    int busy[3];

    for (unsigned i = 0; i < 3; i++) {
        busy[i] = fixture_dial(f, HTTP_LOOPBACK);
        fixture_put(busy[i], "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        fixture_await(f, &f->begun, i + 1);
    }
    assert_int_equal(ask_from(f, "127.0.0.1"), 503);
    close(busy[0]);
    fixture_await(f, &f->closed_cut, 1);
    for (int status = 503, i = 0; status != 200; i++) { /* its place is free when its thread has ended */
        status = ask_from(f, "127.0.0.2");
        assert_true(status == 200 || (status == 503 && i < 1000));
    }
    for (int i = 1; i < 3; i++)
        close(busy[i]);
    fixture_await(f, &f->closed_cut, 3);
    fixture_free(f);
}

/* With many open, an answer ends its connection: a kept one costs the library's whole buffer. */
static void many_connections_are_not_kept(void **state)
{
    struct fixture *f = start(200, 200);
    int fds[100];
    struct reply r;

    for (int i = 0; i < 100; i++)
        fds[i] = fixture_dial(f, HTTP_LOOPBACK);
    fixture_put(fds[99], "GET /sink HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_get(fds[99], false, &r);
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_done(&r);
    for (int i = 0; i < 100; i++)
        close(fds[i]);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dripping_headers_are_cut),
        cmocka_unit_test(dripping_bodies_are_cut),
        cmocka_unit_test(stalled_bodies_are_cut),
        cmocka_unit_test(the_service_may_take_its_time),
        cmocka_unit_test(the_unix_socket_is_not_watched),
        cmocka_unit_test(silent_ones_are_cut_when_asked),
        cmocka_unit_test(busy_services_are_not_cut),
        cmocka_unit_test(bytes_under_way_are_not_silence),
        cmocka_unit_test(cut_while_it_goes),
        cmocka_unit_test(idle_ones_make_room),
        cmocka_unit_test(busy_ones_do_not),
        cmocka_unit_test(many_connections_are_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
