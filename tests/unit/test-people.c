/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * People: who a uid is, and the whole table of permissions against what the Measures say about each role.
 */
#include "cases-fixture.h"

#include <pwd.h>

#include "cases/people.h"

static struct settings *people_settings(const char *people)
{
    struct settings *s = NULL;
    char yaml[1000];

    snprintf(yaml, sizeof yaml, "people: [%s]\n", people);
    assert_int_equal(settings_parse(yaml, strlen(yaml), "p.yaml", print_fault, NULL, &s), 0);
    return s;
}

/* A user that is neither root nor us. */
static uid_t somebody(char name[65])
{
    struct passwd *pw = getpwnam("nobody");

    assert_non_null(pw);
    assert_int_not_equal(pw->pw_uid, geteuid());
    snprintf(name, 65, "%s", pw->pw_name);
    return pw->pw_uid;
}

static struct settings *with_role(const char *role, uid_t *ret_uid)
{
    char name[65], people[200];

    *ret_uid = somebody(name);
    snprintf(people, sizeof people, "{ user: %s, name: 李明, roles: [%s] }", name, role);
    return people_settings(people);
}

static void test_nobody_named(void **state)
{
    _cleanup_(settings_freep) struct settings *s = people_settings("");
    struct error err = ERROR_INIT;
    struct person p;
    char name[65];
    uid_t uid = somebody(name);

    assert_int_equal(person_of(s, geteuid(), &p, &err), 0);
    assert_int_equal(p.roles, (1u << ROLE_COUNT) - 1);
    assert_int_equal(person_of(s, 0, &p, &err), 0);
    assert_int_equal(p.roles, (1u << ROLE_COUNT) - 1);
    assert_string_equal(p.actor, "user:root");
    assert_int_equal(person_of(s, uid, &p, &err), 0);
    assert_int_equal(p.roles, 0);
    assert_int_equal(people_may(s, uid, "status", &p, &err), PEOPLE_E_DENIED);
    assert_non_null(strstr(err.text, "retention.yaml"));
    assert_string_equal(p.user, name);
    assert_int_equal(person_of(s, 3999999999u, &p, &err), 0);
    assert_string_equal(p.user, "#3999999999");
    assert_int_equal(people_may(s, 0, "fly", NULL, &err), -ENOENT);
}

static void test_named(void **state)
{
    struct error err = ERROR_INIT;
    struct person p;
    uid_t uid;
    _cleanup_(settings_freep) struct settings *s = with_role("records, legal", &uid);

    assert_int_equal(person_of(s, uid, &p, &err), 0);
    assert_int_equal(p.roles, 1u << ROLE_RECORDS | 1u << ROLE_LEGAL);
    assert_string_equal(p.name, "李明");
    /* once people are named, root is an administrator and no more */
    assert_int_equal(person_of(s, 0, &p, &err), 0);
    assert_int_equal(p.roles, 1u << ROLE_ADMINISTRATOR);
    assert_int_equal(people_may(s, 0, "hold.lift", &p, &err), PEOPLE_E_DENIED);
    assert_non_null(strstr(err.text, "records"));
}

/* y = may, o = only with their own, - = may not; columns officer, records, legal, administrator */
static const struct {
    const char *act, *may;
} wanted[] = {
    {"status", "yyyy"},
    {"ls", "oyyy"},
    {"show", "oyyy"},
    {"explain", "oyyy"},
    {"history", "oyyy"},
    {"receipt", "oyyy"},
    {"watch", "-yyy"},
    {"key", "yyyy"},
    {"case.read", "-yyy"},
    {"case.write", "-y--"},
    {"link.write", "-y--"},
    {"hold.read", "-yyy"},
    {"hold.add", "-y--"},
    {"hold.lift", "-y--"},
    {"policy.read", "-yyy"},
    {"fsck", "-yyy"},
    {"admin", "---y"},
    {"view", "oyyy"},
    {"upload", "yy-y"},
    {"device.read", "-yyy"},
    {"dispose.read", "-yyy"},
    {"dispose.write", "-y--"},
    {"dispose.approve", "-yyy"},
    {"device.write", "---y"},
    {"copy", "-y--"},
    {"job.read", "-yyy"},
    {"job.write", "-y-y"},
};

static void test_table(void **state)
{
    size_t n = 0;

    for (int role = 0; role < ROLE_COUNT; role++) {
        uid_t uid;
        _cleanup_(settings_freep) struct settings *s = with_role(role_name((enum role)role), &uid);

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
            struct error err = ERROR_INIT;
            struct person p;
            int r = people_may(s, uid, wanted[i].act, &p, &err);
            char got = r == PEOPLE_E_DENIED ? '-' : p.own_only ? 'o' : 'y';

            if (got != wanted[i].may[role])
                fail_msg("%s %s: %c", role_name((enum role)role), wanted[i].act, got);
            assert_true(r == 0 || err.text[0]);
        }
    }
    while (people_acts[n].act)
        n++;
    assert_int_equal(n, ARRAY_SIZE(wanted)); /* a new act needs a line here */
}

static void test_own(void **state)
{
    struct error err = ERROR_INIT;
    struct person p;
    uid_t uid;
    _cleanup_(settings_freep) struct settings *s = with_role("officer", &uid);
    _cleanup_(settings_freep) struct settings *both = with_role("officer, legal", &uid);

    assert_int_equal(people_may(s, uid, "show", &p, &err), 0);
    assert_true(p.own_only);
    assert_true(person_owns(&p, "李明"));
    assert_true(person_owns(&p, p.user));
    assert_false(person_owns(&p, "王"));
    assert_false(person_owns(&p, NULL));
    assert_int_equal(people_may(both, uid, "show", &p, &err), 0);
    assert_false(p.own_only);
    assert_true(person_owns(&p, NULL));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_named),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_own),
    };

    return cmocka_run_group_tests_name("people", tests, NULL, NULL);
}
