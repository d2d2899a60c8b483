/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tickets: only the very text finds one, until it ends, is revoked, or its person asks for too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "api/tickets.h"

#define AT(usec) ((struct ticket_time){usec, usec})

static void issue(struct tickets *t, uid_t uid, int64_t expires, char text[TICKET_SIZE])
{
    struct ticket one = {.recording = {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, .uid = uid, .expires_usec = expires};
    struct error err = ERROR_INIT;

    assert_int_equal(tickets_issue(t, &one, AT(1), text, &err), 0);
}

static void only_the_very_text(void **state)
{
    _cleanup_(tickets_freep) struct tickets *t = NULL;
    char first[TICKET_SIZE], second[TICKET_SIZE], zeros[TICKET_SIZE], other[TICKET_SIZE];
    struct ticket found = {0};

    assert_int_equal(tickets_new(&t), 0);
    memset(zeros, '0', sizeof zeros - 1);
    zeros[sizeof zeros - 1] = 0;
    assert_int_equal(tickets_find(t, zeros, AT(1), &found),
                     TICKET_UNKNOWN); /* places that hold nothing are zeros too */
    issue(t, 7, 100, first);
    issue(t, 8, 200, second);
    assert_int_equal(tickets_find(t, first, AT(99), &found), TICKET_GOOD);
    assert_int_equal(found.uid, 7);
    assert_int_equal(tickets_find(t, second, AT(99), &found), TICKET_GOOD);
    assert_int_equal(found.uid, 8);
    for (size_t i = 0; i < strlen(first); i++) {
        memcpy(other, first, sizeof other);
        other[i] = other[i] == '0' ? '1' : '0';
        assert_int_equal(tickets_find(t, other, AT(99), &found), TICKET_UNKNOWN);
    }
    assert_int_equal(tickets_find(t, "", AT(99), &found), TICKET_UNKNOWN);
    assert_int_equal(tickets_find(t, zeros, AT(99), &found), TICKET_UNKNOWN);
    assert_int_equal(tickets_find(t, first, AT(100), &found), TICKET_ENDED); /* its end */
    tickets_revoke(t, second);
    assert_int_equal(tickets_find(t, second, AT(99), &found), TICKET_ENDED);
}

static void they_are_bounded(void **state)
{
    _cleanup_(tickets_freep) struct tickets *t = NULL;
    char oldest[TICKET_SIZE], text[TICKET_SIZE];
    struct ticket found,
        one = {.recording = {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, .uid = 5000, .expires_usec = 100};
    struct error err = ERROR_INIT;

    assert_int_equal(tickets_new(&t), 0);
    issue(t, 1, 100, oldest);
    for (size_t i = 1; i < TICKETS_PER_PERSON; i++)
        issue(t, 1, 100, text);
    assert_int_equal(tickets_find(t, oldest, AT(1), &found), TICKET_GOOD);
    issue(t, 1, 100, text);
    assert_int_equal(tickets_find(t, oldest, AT(1), &found), TICKET_UNKNOWN);
    for (size_t i = TICKETS_PER_PERSON; i < TICKETS_MAX; i++)
        issue(t, (uid_t)(100 + i), 100, text);
    assert_int_equal(tickets_issue(t, &one, AT(1), text, &err), -EAGAIN);
    assert_int_equal(tickets_issue(t, &one, AT(100), text, &err), 0); /* all others have ended by then */
}

/* Whichever clock is ahead ends it. */
static void a_clock_set_back_lengthens_nothing(void **state)
{
    _cleanup_(tickets_freep) struct tickets *t = NULL;
    struct ticket found, one = {.recording = {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, .uid = 7, .expires_usec = 5100};
    struct error err = ERROR_INIT;
    char text[TICKET_SIZE];

    assert_int_equal(tickets_new(&t), 0);
    assert_int_equal(tickets_issue(t, &one, (struct ticket_time){5000, 10}, text, &err), 0);
    assert_int_equal(tickets_find(t, text, (struct ticket_time){5099, 109}, &found), TICKET_GOOD);
    assert_int_equal(tickets_find(t, text, (struct ticket_time){4000, 109}, &found), TICKET_GOOD);
    assert_int_equal(tickets_find(t, text, (struct ticket_time){4000, 110}, &found), TICKET_ENDED);
    assert_int_equal(tickets_find(t, text, (struct ticket_time){5100, 20}, &found), TICKET_ENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_very_text),
                                       cmocka_unit_test(they_are_bounded),
                                       cmocka_unit_test(a_clock_set_back_lengthens_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
