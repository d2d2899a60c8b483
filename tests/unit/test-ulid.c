/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ULIDs: form, order within a millisecond, when the clock steps back, and between threads.
 */
#include "base/ulid.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1795424707000000) /* 2026-11-23 */

static void test_form(void **state)
{
    char a[ULID_LENGTH + 1], b[ULID_LENGTH + 1];

    ulid_make(NOW, a);
    ulid_make(NOW, b);
    assert_int_equal(strlen(a), ULID_LENGTH);
    assert_true(ulid_is_valid(a));
    assert_memory_equal(a, b, 10); /* the same millisecond */
    assert_string_not_equal(a, b);
}

/* 48 bits of milliseconds, five bits a character, most significant first. */
static void test_time_part(void **state)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    char id[ULID_LENGTH + 1];
    int64_t ms = 0, later = NOW + 86400 * USEC_PER_SEC;

    ulid_make(later, id);
    for (int i = 0; i < 10; i++)
        ms = ms * 32 + (strchr(alphabet, id[i]) - alphabet);
    assert_int_equal(ms, later / 1000);
}

static void test_grows_strictly(void **state)
{
    char last[ULID_LENGTH + 1], id[ULID_LENGTH + 1];
    int64_t start = NOW + 2 * 86400 * USEC_PER_SEC;

    ulid_make(start, last);
    for (int i = 0; i < 20000; i++) {
        /* forward, standing still, and a year back */
        int64_t t = i % 3 == 0 ? start + i : i % 3 == 1 ? start : start - 365 * 86400 * USEC_PER_SEC;
        ulid_make(t, id);
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof last);
    }
    ulid_make(-1, id);
    assert_true(ulid_is_valid(id));
    assert_true(strcmp(last, id) < 0);
}

static void test_validity(void **state)
{
    struct recording_id r = {"unchanged"};
    struct case_id c;

    assert_true(ulid_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_false(ulid_is_valid(NULL));
    assert_false(ulid_is_valid(""));
    assert_false(ulid_is_valid("01arz3ndektsv4rrffq69g5fav"));  /* lower case */
    assert_false(ulid_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FA"));   /* short */
    assert_false(ulid_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAVX")); /* long */
    assert_false(ulid_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAU"));  /* U is not in the alphabet */
    assert_false(ulid_is_valid("81ARZ3NDEKTSV4RRFFQ69G5FAV"));  /* beyond 48 bits of time */
    assert_false(ulid_is_valid("01ARZ3NDEKTSV4RRFFQ69G5F/V"));
    assert_int_equal(recording_id_parse("x", &r), -EINVAL);
    assert_string_equal(r.text, "unchanged");
    assert_int_equal(recording_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FAV", &r), 0);
    assert_string_equal(r.text, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_int_equal(case_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FAV", &c), 0);
    assert_int_equal(case_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FA ", &c), -EINVAL);
}

#define THREADS    4
#define PER_THREAD 2000

static void *make_many(void *p)
{
    char(*ids)[ULID_LENGTH + 1] = p;

    for (int i = 0; i < PER_THREAD; i++)
        ulid_make(NOW, ids[i]);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_threads_never_share_one(void **state)
{
    static char ids[THREADS * PER_THREAD][ULID_LENGTH + 1];
    pthread_t t[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, make_many, ids + (ptrdiff_t)i * PER_THREAD), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    qsort(ids, ARRAY_SIZE(ids), sizeof ids[0], compare);
    for (size_t i = 1; i < ARRAY_SIZE(ids); i++)
        assert_true(strcmp(ids[i - 1], ids[i]) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_time_part),
        cmocka_unit_test(test_grows_strictly),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_threads_never_share_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
