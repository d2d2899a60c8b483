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

static void issue(struct tickets *t, uid_t uid, int64_t expires, char text[TICKET_SIZE])
{
    struct ticket one = {.recording = {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, .uid = uid, .expires_usec = expires};
    struct error err = ERROR_INIT;

    assert_int_equal(tickets_issue(t, &one, 1, text, &err), 0);
}

static void only_the_very_text(void **state)
{
    _cleanup_(tickets_freep) struct tickets *t = NULL;
    char first[TICKET_SIZE], second[TICKET_SIZE], zeros[TICKET_SIZE], other[TICKET_SIZE];
    struct ticket found = {0};

    assert_int_equal(tickets_new(&t), 0);
    memset(zeros, '0', sizeof zeros - 1);
    zeros[sizeof zeros - 1] = 0;
    assert_false(tickets_find(t, zeros, 1, &found)); /* places that hold nothing are zeros too */
    issue(t, 7, 100, first);
    issue(t, 8, 200, second);
    assert_true(tickets_find(t, first, 99, &found));
    assert_int_equal(found.uid, 7);
    assert_true(tickets_find(t, second, 99, &found));
    assert_int_equal(found.uid, 8);
    for (size_t i = 0; i < strlen(first); i++) {
        memcpy(other, first, sizeof other);
        other[i] = other[i] == '0' ? '1' : '0';
        assert_false(tickets_find(t, other, 99, &found));
    }
    assert_false(tickets_find(t, "", 99, &found));
    assert_false(tickets_find(t, zeros, 99, &found));
    assert_false(tickets_find(t, first, 100, &found)); /* its end */
    tickets_revoke(t, second);
    assert_false(tickets_find(t, second, 99, &found));
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
    assert_true(tickets_find(t, oldest, 1, &found));
    issue(t, 1, 100, text);
    assert_false(tickets_find(t, oldest, 1, &found));
    for (size_t i = TICKETS_PER_PERSON; i < TICKETS_MAX; i++)
        issue(t, (uid_t)(100 + i), 100, text);
    assert_int_equal(tickets_issue(t, &one, 1, text, &err), -EAGAIN);
    assert_int_equal(tickets_issue(t, &one, 100, text, &err), 0); /* all others have ended by then */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_very_text),
                                       cmocka_unit_test(they_are_bounded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
