/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of a program's messages, byte by byte and all at once: what it takes, and the first thing it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "media/run-messages.h"

/* Literals of whole messages; lengths are those of the payloads. */
#define LOCKED    "\1\0\0\0\4\0\0\0full"
#define BARE      "\1\0\0\0\x0b\0\0\0no-landlock"
#define BEAT      "\2\0\0\0\0\0\0\0"
#define HALF      "\3\0\0\0\x0c\0\0\0\xf4\1\0\0\x40\x42\x0f\0\0\0\0\0"
#define WHOLE_0   "\4\0\0\0\x0c\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0"
#define WHOLE_1   "\4\0\0\0\x0c\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0"
#define ANSWER    "\5\0\0\0\2\0\0\0{}"
#define ELSEWHERE "\6\0\0\0\6\0\0\0stills"

#define ROW(text, fault)                                                                                     \
    {                                                                                                        \
        text, sizeof(text) - 1, fault                                                                        \
    }

static const struct {
    const char *data;
    size_t size;
    const char *fault; /* a part of it; NULL: none */
} rows[] = {
    ROW(LOCKED ANSWER, NULL),
    ROW(BARE BEAT HALF WHOLE_0 BEAT ANSWER, NULL),
    ROW(LOCKED ELSEWHERE, NULL),
    ROW("", "ended without an answer"),
    ROW(LOCKED, "ended without an answer"),
    ROW(LOCKED HALF WHOLE_0, "ended without an answer"),
    ROW(LOCKED "\5\0\0", "ended in the middle of a message"),
    ROW(LOCKED "\5\0\0\0\3\0\0\0{}", "ended in the middle of a message"),
    ROW(ANSWER, "spoke before it was locked in"),
    ROW(BEAT LOCKED ANSWER, "spoke before it was locked in"),
    ROW(LOCKED LOCKED ANSWER, "said twice that it is locked in"),
    ROW("\1\0\0\0\3\0\0\0ful", "locked in a way that is not known"),
    ROW("\1\0\0\0\5\0\0\0full\0", "locked in a way that is not known"),
    ROW("\0\0\0\0\0\0\0\0", "of type 0"),
    ROW("\7\0\0\0\0\0\0\0", "of type 7"),
    ROW("\xff\0\0\0\0\0\0\0", "of type 255"),
    ROW("\1\1\0\0\4\0\0\0full", "of type 257"),
    ROW("\1\0\0\0\0\0\0\0", "of type 1 with 0 bytes"),
    ROW("\1\0\0\0\x41\0\0\0", "of type 1 with 65 bytes"),
    ROW(LOCKED "\2\0\0\0\1\0\0\0x", "of type 2 with 1 bytes"),
    ROW(LOCKED "\3\0\0\0\x0b\0\0\0", "of type 3 with 11 bytes"),
    ROW(LOCKED "\4\0\0\0\x0d\0\0\0", "of type 4 with 13 bytes"),
    ROW(LOCKED "\5\0\0\0\0\0\0\0", "of type 5 with 0 bytes"),
    ROW(LOCKED "\5\0\0\0\1\0\1\0", "of type 5 with 65537 bytes"),
    ROW(LOCKED "\5\0\0\0\xff\xff\xff\xff", "of type 5 with 4294967295 bytes"),
    ROW(LOCKED "\3\0\0\0\x0c\0\0\0\xe9\3\0\0\0\0\0\0\0\0\0\0", "impossible progress"),
    ROW(LOCKED "\3\0\0\0\x0c\0\0\0\1\0\0\0\0\0\0\0\0\0\0\x80", "impossible progress"),
    ROW(LOCKED WHOLE_1 ANSWER, "file 1, which it was not given"),
    ROW(LOCKED "\4\0\0\0\x0c\0\0\0\x20\0\0\0\5\0\0\0\0\0\0\0", "file 32, which it was not given"),
    ROW(LOCKED "\4\0\0\0\x0c\0\0\0\xff\xff\xff\xff\5\0\0\0\0\0\0\0", "file 4294967295, which"),
    ROW(LOCKED WHOLE_0 WHOLE_0, "told twice that file 0 is whole"),
    ROW(LOCKED "\4\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "impossible length of file 0"),
    ROW(LOCKED "\4\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", "impossible length of file 0"),
    ROW(LOCKED "\6\0\0\0\5\0\0\0media", "a program that it cannot name"),
    ROW(LOCKED ANSWER BEAT, "went on speaking after its answer"),
    ROW(LOCKED ANSWER ANSWER, "went on speaking after its answer"),
    ROW(LOCKED ELSEWHERE ANSWER, "went on speaking after its answer"),
    ROW(LOCKED ANSWER "x", "went on speaking after its answer"),
};

/* Gives a row in pieces of so many bytes. */
static bool take(struct messages *m, const char *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece)
        if (!messages_take(m, data + at, MIN(piece, size - at), 0))
            return false;
    return messages_end(m);
}

static void test_rows(void **state)
{
    static const size_t pieces[] = {1, 3, 8, 100000};
    struct messages *m = malloc(sizeof *m);

    assert_non_null(m);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
            bool good;

            *m = (struct messages){.may_elsewhere = true, .writable = 1};
            good = take(m, rows[i].data, rows[i].size, pieces[p]);
            if (good != !rows[i].fault || (rows[i].fault && !strstr(m->fault, rows[i].fault)))
                fail_msg("row %zu in pieces of %zu: \"%s\", not \"%s\"", i, pieces[p], m->fault,
                         rows[i].fault ? rows[i].fault : "");
        }
    free(m);
}

static void test_what_was_said(void **state)
{
    static const char text[] = BARE HALF WHOLE_0 ANSWER;
    struct messages *m = calloc(1, sizeof *m);
    size_t size;

    assert_non_null(m);
    m->writable = 1;
    assert_true(take(m, text, sizeof text - 1, 5));
    assert_true(m->locked && m->answered && m->progressed && !m->landlock && !m->elsewhere);
    assert_int_equal(m->permille, 500);
    assert_int_equal(m->at_usec, 1000000);
    assert_int_equal(m->bytes[0], 5);
    assert_memory_equal(messages_answer(m, &size), "{}", 2);
    assert_int_equal(size, 2);
    /* nothing is taken after a fault */
    assert_false(messages_take(m, "x", 1, 0));
    assert_false(messages_take(m, BEAT, 8, 0));
    assert_false(messages_end(m));
    free(m);
}

/* Only liuhen-media may name the other program. */
static void test_who_may_name_another(void **state)
{
    static const char text[] = LOCKED ELSEWHERE;
    struct messages *m = calloc(1, sizeof *m);

    assert_non_null(m);
    assert_false(take(m, text, sizeof text - 1, 100));
    assert_non_null(strstr(m->fault, "cannot name"));
    free(m);
}

/* The bound grows with the time. */
static void test_flood(void **state)
{
    struct messages *m = calloc(1, sizeof *m);

    assert_non_null(m);
    assert_true(messages_take(m, LOCKED, 12, 0));
    for (int i = 1; i < MESSAGES_AT_ONCE; i++)
        assert_true(messages_take(m, BEAT, 8, 0));
    for (int i = 0; i < MESSAGES_A_SECOND; i++)
        assert_true(messages_take(m, BEAT, 8, USEC_PER_SEC));
    assert_false(messages_take(m, BEAT, 8, USEC_PER_SEC));
    assert_non_null(strstr(m->fault, "flood of messages"));
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_was_said),
        cmocka_unit_test(test_who_may_name_another),
        cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
