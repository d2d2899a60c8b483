/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The retention engine: scenarios of the law article by article under policies/cn-health-enforcement.yaml, refusal of faulty
 * policies, and what must hold for any policy and any facts (adding a rule never shortens, order does not matter, holds win).
 */
#include "policy/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/fd.h"
#include "faults.h"

#include <fcntl.h>

static struct fault_list list;
static struct policy *law;
static char law_text[64 * 1024];

static struct policy *parsed(const char *text)
{
    struct policy *p = NULL;

    memset(&list, 0, sizeof list);
    if (policy_parse(text, strlen(text), "p.yaml", on_fault, &list, &p) < 0)
        fail_msg("%s\nin:\n%s", list.text, text);
    return p;
}

static int load_law(void **state)
{
    _cleanup_free_ char *text = NULL;

    if (fd_read_file_at(AT_FDCWD, "policies/cn-health-enforcement.yaml", sizeof law_text - 1, &text, NULL) <
        0)
        return -1;
    strcpy(law_text, text);
    law = parsed(law_text);
    return 0;
}

static int free_law(void **state)
{
    law = policy_free(law);
    return 0;
}

static int64_t at(const char *text)
{
    int64_t usec = 0;

    assert_int_equal(calendar_parse(policy_zone(law), text, &usec, NULL), 0);
    return usec;
}

static struct policy_facts facts_received(const char *when)
{
    return (struct policy_facts){.kind = "video", .door = "folder", .received_usec = at(when)};
}

static void assert_decides(const struct policy_facts *f, const char *class_name, enum ending ending,
                           const char *until)
{
    struct decision d;

    policy_decide(law, f, &d);
    assert_string_equal(d.class_name, class_name);
    assert_int_equal(d.ending, ending);
    assert_int_equal(d.until_usec, until ? at(until) : INT64_MAX);
    assert_true(d.n_reasons > 0);
}

static const struct policy_reason *reason_of(const struct decision *d, const char *class_name)
{
    for (size_t i = 0; i < d->n_reasons; i++)
        if (strcmp(d->reasons[i].class_name, class_name) == 0)
            return &d->reasons[i];
    return NULL;
}

/* --- the law --- */

/* Art. 17(1): not less than six months, in calendar months, rounded up to the next midnight in China. */
static void test_17a_routine(void **state)
{
    struct policy_facts f = facts_received("2026-11-23 19:05:07");

    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
    f = facts_received("2026-08-31 10:00");
    assert_decides(&f, "routine", ENDING_DATE, "2027-03-01");
    f = facts_received("2026-11-23 23:59:59.999999");
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
    f = facts_received("2026-11-24 00:00");
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-25");
}

/* The later of receipt and recorded end; a doubtful or impossible clock counts for nothing. */
static void test_17a_recorded_end(void **state)
{
    static const struct {
        const char *ended;
        bool certain;
        const char *until;
    } rows[] = {
        {"2026-11-23 10:00", true, "2027-05-24"},  /* earlier: receipt */
        {"1970-01-02 00:00", true, "2027-05-24"},  /* a dead clock */
        {"2026-11-24 01:00", true, "2027-05-25"},  /* a few hours ahead: the later */
        {"2026-11-24 01:00", false, "2027-05-24"}, /* not certain */
        {"2026-11-24 12:00", true, "2027-05-25"},  /* a day to the second */
        {"2026-11-24 12:01", true, "2027-05-24"},  /* more than a day ahead */
        {"2099-01-01 00:00", true, "2027-05-24"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct policy_facts f = facts_received("2026-11-23 12:00");
        f.ended_usec = at(rows[i].ended);
        f.ended_certain = rows[i].certain;
        assert_decides(&f, "routine", ENDING_DATE, rows[i].until);
    }
}

/* Art. 17(3): evidence in a general case has no end until the case is filed, then the case file's. */
static void test_17c_evidence(void **state)
{
    struct policy_link link = {.role = LINK_EVIDENCE,
                               .procedure = PROCEDURE_GENERAL,
                               .state = CASE_OPEN,
                               .case_number = "本溪卫医罚〔2026〕12号"};
    struct policy_facts f = facts_received("2026-11-23 12:00");
    struct decision d;

    f.links = &link;
    f.n_links = 1;
    assert_decides(&f, "evidence", ENDING_CASE, NULL);
    link.state = CASE_ENDED;
    link.ended_usec = at("2026-12-05");
    assert_decides(&f, "evidence", ENDING_CASE, NULL);
    link.filed_usec =
        at("2026-12-31 16:00"); /* filed once and taken up again: the state decides, not the date */
    assert_decides(&f, "evidence", ENDING_CASE, NULL);
    link.state = CASE_FILED;
    assert_decides(&f, "evidence", ENDING_DATE, "2057-01-01");
    policy_decide(law, &f, &d);
    assert_string_equal(d.reasons[0].cite, "Art. 17(3)");
    assert_string_equal(d.reasons[0].text,
                        "evidence of case 本溪卫医罚〔2026〕12号, filed on 2026-12-31; kept as long as its "
                        "file, 30 years, until 2057-01-01");
    assert_int_equal(d.n_reasons, 2); /* routine speaks too */
    assert_non_null(reason_of(&d, "routine"));
    assert_false(d.disc_due);
}

/* Summary procedure and context are not named by Art. 17(3): routine. A procedure not recorded yet is kept carefully. */
static void test_17c_neighbours(void **state)
{
    struct policy_link link = {.role = LINK_EVIDENCE, .procedure = PROCEDURE_SUMMARY, .state = CASE_OPEN};
    struct policy_facts f = facts_received("2026-11-23 12:00");

    f.links = &link;
    f.n_links = 1;
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
    link.procedure = PROCEDURE_GENERAL;
    link.role = LINK_CONTEXT;
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
    link.role = LINK_EVIDENCE;
    link.procedure = PROCEDURE_NONE;
    assert_decides(&f, "evidence", ENDING_CASE, NULL);
    link.state = CASE_FILED;
    link.filed_usec = at("2026-12-31");
    assert_decides(&f, "evidence", ENDING_DATE, "2057-01-01");
}

/* Several cases: the one that keeps longest; conditions are about one link at a time. */
static void test_17c_several_cases(void **state)
{
    struct policy_link links[] = {
        {.role = LINK_EVIDENCE, .procedure = PROCEDURE_GENERAL, .state = CASE_FILED, .case_number = "1"},
        {.role = LINK_EVIDENCE, .procedure = PROCEDURE_GENERAL, .state = CASE_FILED, .case_number = "2"},
        {.role = LINK_CONTEXT, .procedure = PROCEDURE_GENERAL, .state = CASE_OPEN, .case_number = "3"},
        {.role = LINK_EVIDENCE, .procedure = PROCEDURE_SUMMARY, .state = CASE_OPEN, .case_number = "4"},
    };
    struct policy_facts f = facts_received("2026-11-23 12:00");

    f.links = links;
    f.n_links = 4;
    links[0].filed_usec = at("2026-12-31");
    links[1].filed_usec = at("2027-12-31");
    assert_decides(&f, "evidence", ENDING_DATE, "2058-01-01");
    f.links = &links[2]; /* evidence in one case and a general procedure in another do not add up */
    f.n_links = 2;
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
    links[2].role = LINK_EVIDENCE;
    assert_decides(&f, "evidence", ENDING_CASE, NULL);
}

/* A case file dated nonsense cannot undercut the floor of Art. 17(1). */
static void test_17a_floor_holds(void **state)
{
    struct policy_link link = {.role = LINK_EVIDENCE, .procedure = PROCEDURE_GENERAL, .state = CASE_FILED};
    struct policy_facts f = facts_received("2026-11-23 12:00");

    f.links = &link;
    f.n_links = 1;
    link.filed_usec = at("1971-01-01");
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
    link.filed_usec = 0; /* filed without a date: the file's term cannot be told yet */
    assert_decides(&f, "evidence", ENDING_CASE, NULL);
}

/* Art. 18: each ground alone, without any case, keeps permanently and asks for discs. */
static void test_18_each_ground(void **state)
{
    for (int g = HOLD_OBJECTION; g <= HOLD_OTHER; g++) {
        struct policy_facts f = facts_received("2026-11-23 12:00");
        struct decision d;

        f.holds = 1u << g;
        policy_decide(law, &f, &d);
        assert_string_equal(d.class_name, "disputed");
        assert_int_equal(d.ending, ENDING_PERMANENT);
        assert_int_equal(d.until_usec, INT64_MAX);
        assert_true(d.disc_due);
        assert_int_equal(d.disc_within_usec, 30 * USEC_PER_DAY);
        assert_string_equal(d.reasons[0].cite, "Art. 18");
        assert_non_null(strstr(d.reasons[0].text, hold_ground_name((enum hold_ground)g)));
        assert_null(reason_of(&d, POLICY_CLASS_HOLD)); /* said once */
    }
}

/* One hold lifted does not lift another; with the last one the term is the old one again. */
static void test_18_lifting(void **state)
{
    struct policy_facts f = facts_received("2026-11-23 12:00");

    f.holds = 1u << HOLD_COMPLAINT | 1u << HOLD_ASSAULT;
    assert_decides(&f, "disputed", ENDING_PERMANENT, NULL);
    f.holds &= ~(1u << HOLD_COMPLAINT);
    assert_decides(&f, "disputed", ENDING_PERMANENT, NULL);
    f.holds = 0;
    assert_decides(&f, "routine", ENDING_DATE, "2027-05-24");
}

/* Litigation and audit: no end while they stand, but not permanent and no discs. */
static void test_other_holds(void **state)
{
    for (int g = HOLD_LITIGATION; g <= HOLD_AUDIT; g++) {
        struct policy_facts f = facts_received("2026-11-23 12:00");
        struct decision d;

        f.holds = 1u << g;
        policy_decide(law, &f, &d);
        assert_string_equal(d.class_name, POLICY_CLASS_HOLD);
        assert_int_equal(d.ending, ENDING_CASE);
        assert_int_equal(d.until_usec, INT64_MAX);
        assert_false(d.disc_due);
        f.holds |= 1u << HOLD_ABUSE;
        assert_decides(&f, "disputed", ENDING_PERMANENT, NULL);
    }
}

#define HEAD  "policy: t\neffective: 2026-12-01\ntimezone: Asia/Shanghai\nfloor: 6 months\n"
#define FILES "case_files: { general: { keep: 30 years }, summary: { keep: 10 years } }\n"

/* A policy without a word about Art. 18 cannot let go what the article keeps. */
static void test_18_without_a_class(void **state)
{
    _cleanup_(policy_freep) struct policy *p = parsed(HEAD "classes: { all: { cite: x, keep: 6 months } }\n");
    struct policy_facts f = facts_received("2026-11-23 12:00");
    struct decision d;

    f.holds = 1u << HOLD_PETITION | 1u << HOLD_OTHER;
    policy_decide(p, &f, &d);
    assert_string_equal(d.class_name, POLICY_CLASS_HOLD);
    assert_int_equal(d.ending, ENDING_PERMANENT);
    assert_string_equal(d.reasons[0].cite, "Art. 18");
    assert_string_equal(d.reasons[0].text, "held for petition, other: kept permanently");
}

static void test_law_facts(void **state)
{
    const struct policy_requirement *r = policy_requirement(law, 1);
    enum role roles[ROLE_COUNT];
    int copies, redundancy;
    int64_t within;

    assert_string_equal(policy_name(law), "cn-health-enforcement");
    assert_memory_equal(policy_version(law), "2026-12-01-", 11);
    assert_int_equal(strlen(policy_version(law)), 19);
    assert_int_equal(policy_effective_usec(law), at("2026-12-01"));
    assert_int_equal(policy_floor_months(law), 6);
    assert_int_equal(policy_disposal_notice_usec(law), 14 * USEC_PER_DAY);
    assert_int_equal(policy_disposal_approvals(law, roles), 2);
    assert_int_equal(roles[0], ROLE_RECORDS);
    assert_int_equal(roles[1], ROLE_LEGAL);
    assert_int_equal(policy_n_requirements(law), 2);
    assert_string_equal(r->step, "service-left");
    assert_string_equal(r->route, "recorded");
    assert_string_equal(r->cite, "Art. 12");
    assert_int_equal(r->kinds, 1u << 0 | 1u << 2);
    assert_string_equal(policy_kind_name(2), "photo");
    assert_null(policy_requirement(law, 2));
    assert_true(policy_class_disc(law, "disputed", &copies, &within, &redundancy));
    assert_int_equal(copies, 2);
    assert_int_equal(redundancy, 20);
    assert_false(policy_class_disc(law, "routine", &copies, &within, &redundancy));
}

/* --- the language --- */

static bool matches(const char *when, const struct policy_facts *f)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_(policy_freep) struct policy *p = NULL;
    struct decision d;

    assert_true(
        asprintf(
            &text,
            HEAD
            "classes:\n  all: { cite: x, keep: 6 months }\n  c: { cite: y, keep: permanent, when: %s }\n",
            when) > 0);
    p = parsed(text);
    policy_decide(p, f, &d);
    return reason_of(&d, "c") != NULL;
}

static void test_when(void **state)
{
    struct policy_link links[] = {
        {.role = LINK_CONTEXT, .procedure = PROCEDURE_SUMMARY, .state = CASE_ENDED}};
    struct policy_facts f = facts_received("2026-11-23 12:00"), bare = f;

    f.device = "DSJ-1";
    f.unit = "监督一科";
    f.links = links;
    f.n_links = 1;
    assert_true(matches("{ kind: video }", &f));
    assert_true(matches("{ kind: [audio, video] }", &f));
    assert_false(matches("{ kind: [audio, photo] }", &f));
    assert_true(matches("{ not: { kind: audio } }", &f));
    assert_false(matches("{ not: { kind: video } }", &f));
    assert_true(matches("{ device: [x, DSJ-1], unit: 监督一科 }", &f));
    assert_false(matches("{ device: DSJ-1, unit: other }", &f));
    assert_false(matches("{ device: DSJ }", &f)); /* whole texts only */
    assert_false(matches("{ officer: x }", &f));
    assert_true(matches("{ any: [{ kind: audio }, { device: DSJ-1 }] }", &f));
    assert_false(matches("{ any: [{ kind: audio }, { device: x }] }", &f));
    assert_true(matches("{ not: { any: [{ kind: audio }, { not: { kind: video } }] } }", &f));
    assert_true(matches("{ link.role: context, case.procedure: summary, case.state: [ended, filed] }", &f));
    assert_false(matches("{ link.role: evidence }", &f));
    assert_false(matches("{ link.role: none }", &f));
    assert_true(matches("{ link.role: none, case.state: none }", &bare));
    assert_false(matches("{ hold.ground: abuse }", &f));
    f.holds = 1u << HOLD_ABUSE;
    assert_true(matches("{ hold.ground: [abuse, audit] }", &f));
    f.kind = NULL;
    assert_false(matches("{ kind: video }", &f));
}

static void test_from(void **state)
{
    _cleanup_(policy_freep) struct policy *p = parsed(
        HEAD "classes:\n  all: { cite: x, keep: 6 months, from: received }\n"
             "  e: { cite: y, keep: case, when: { link.role: evidence } }\n"
             "case_files: { general: { keep: 10 years, from: ended }, summary: { keep: permanent } }\n");
    struct policy_link link = {.role = LINK_EVIDENCE, .procedure = PROCEDURE_GENERAL, .state = CASE_FILED};
    struct policy_facts f = facts_received("2026-11-23 12:00");
    struct decision d;

    f.links = &link;
    f.n_links = 1;
    link.ended_usec = at("2026-12-01 09:00");
    link.filed_usec = at("2027-02-01 09:00");
    policy_decide(p, &f, &d);
    assert_int_equal(d.until_usec, at("2036-12-02"));
    link.ended_usec = 0; /* not known: from filing */
    policy_decide(p, &f, &d);
    assert_int_equal(d.until_usec, at("2037-02-02"));
    link.procedure = PROCEDURE_SUMMARY;
    policy_decide(p, &f, &d);
    assert_int_equal(d.ending, ENDING_PERMANENT);
    link.procedure = PROCEDURE_NONE; /* the longer of the two */
    policy_decide(p, &f, &d);
    assert_int_equal(d.ending, ENDING_PERMANENT);
    /* from: received would cut the floor short by the recorded end; the floor is raised over it */
    f.n_links = 0;
    f.ended_usec = at("2026-11-24 11:00");
    f.ended_certain = true;
    policy_decide(p, &f, &d);
    assert_string_equal(d.class_name, POLICY_CLASS_FLOOR);
    assert_int_equal(d.until_usec, at("2027-05-25"));
}

static const struct {
    const char *text, *wanted;
} faulty[] = {
    {"policy: t\neffective: 2026-12-01\ntimezone: UTC\nfloor: 3 months\nclasses: { a: { cite: x, keep: 6 "
     "months } }",
     "p.yaml:4:8: floor: 3 months is below the statute; Art. 17(1) asks for not less than 6 months"},
    {"effective: 2026-12-01\ntimezone: UTC\nfloor: 6 months\nclasses: { a: { cite: x, keep: 6 months } }",
     "p.yaml:1:1: policy is missing; write policy: cn-health-enforcement"},
    {"policy: t\neffective: 2026-02-30\ntimezone: UTC\nfloor: 6 months\nclasses: { a: { cite: x, keep: 6 "
     "months } }",
     "p.yaml:2:12: effective: '2026-02-30' is not a date"},
    {"policy: t\neffective: 2026-12-01\ntimezone: Mars\nfloor: 6 months\nclasses: { a: { cite: x, keep: 6 "
     "months } }",
     "p.yaml:3:11: timezone: 'Mars' is unknown"},
    {HEAD "clases: {}\nclasses: { a: { cite: x, keep: 6 months } }",
     "p.yaml:5:1: policy: unknown key 'clases'; did you mean 'classes'?"},
    {HEAD, "p.yaml:1:1: classes: missing"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months, when: { kind: video } }",
     "one of them must have no `when`"},
    {HEAD "classes:\n  a: { cite: x, keep: 3 months }",
     "p.yaml:6:23: keep: 3 months is shorter than the floor of 6 months (Art. 17(1)); write 6 months or "
     "more"},
    {HEAD "classes:\n  a: { cite: x, keep: 180 days }",
     "keep: '180 days' is not a term; write 6 months, 10 years, case or permanent"},
    {HEAD "classes:\n  a: { cite: x, keep: 300 years }",
     "keep: 300 years is longer than 200 years; write permanent"},
    {HEAD "classes:\n  a: { cite: x }", "p.yaml:6:3: class 'a' has no keep"},
    {HEAD "classes:\n  a: { keep: 6 months }", "p.yaml:6:3: class 'a' has no cite"},
    {HEAD "classes:\n  A_b: { cite: x, keep: 6 months }", "class: 'A_b' is not a name"},
    {HEAD "classes:\n  hold: { cite: x, keep: 6 months }", "class: 'hold' is a name of the engine's own"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  a: { cite: x, keep: 6 months }",
     "p.yaml:7:3: key 'a' is given twice"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months, kep: 1 }", "a: unknown key 'kep'; did you mean 'keep'?"},
    {HEAD FILES "classes:\n  a: { cite: x, keep: case }",
     "keep: case needs a case; let `when` ask for link.role"},
    {HEAD FILES "classes:\n  b: { cite: x, keep: 6 months }\n  a: { cite: x, keep: case, when: { link.role: "
                "[evidence, none] } }",
     "keep: case needs a case"},
    {HEAD FILES "classes:\n  b: { cite: x, keep: 6 months }\n  a: { cite: x, keep: case, when: { not: { "
                "link.role: none } } }",
     "keep: case needs a case"},
    {HEAD "classes:\n  b: { cite: x, keep: 6 months }\n  a: { cite: x, keep: case, when: { link.role: "
          "evidence } }",
     "case_files: a class has keep: case, so both terms are needed"},
    {HEAD "case_files: { general: { keep: 1 month } }\nclasses: { a: { cite: x, keep: 6 months } }",
     "case_files.keep: 1 month is shorter than the floor"},
    {HEAD "case_files: { general: { keep: case } }\nclasses: { a: { cite: x, keep: 6 months } }",
     "case_files.keep: 'case' is not a term; write 6 months, 10 years, or permanent"},
    {HEAD "case_files: { genral: { keep: 9 years } }\nclasses: { a: { cite: x, keep: 6 months } }",
     "case_files: unknown key 'genral'; did you mean 'general'?"},
    {HEAD
     "case_files: { general: { keep: 9 years, from: birth } }\nclasses: { a: { cite: x, keep: 6 months } }",
     "case_files.from: 'birth' is unknown; write filed or ended"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: { link.rol: "
          "evidence } }",
     "p.yaml:7:39: unknown field 'link.rol'; did you mean 'link.role'?"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: { colour: red } }",
     "unknown field 'colour'; known: not, any, link.role"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: { kind: vidio } }",
     "kind: 'vidio' is unknown; did you mean 'video'?"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: { kind: [] } }",
     "kind: 0 values"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: {} }",
     "when: nothing where"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: { any: {} } }",
     "any: a table; write a list"},
    {HEAD "classes:\n  a: { cite: x, keep: 6 months }\n  b: { cite: x, keep: 1 year, when: { device: } }",
     "device: nothing where a value"},
    {HEAD "classes: { a: { cite: x, keep: 6 months, disc: { copies: 0 } } }",
     "disc.copies: '0' does not fit; write a whole number from 1 to 9"},
    {HEAD "classes: { a: { cite: x, keep: 6 months, disc: { redundancy: 20 } } }",
     "disc.redundancy: '20' does not fit"},
    {HEAD "classes: { a: { cite: x, keep: 6 months, disc: { within: soon } } }",
     "disc.within: 'soon' is not a duration"},
    {HEAD "classes: { a: { cite: x, keep: 6 months } }\nrequire: [{ step: s, need: [vdeo], cite: x }]",
     "require: kind 'vdeo' is unknown"},
    {HEAD "classes: { a: { cite: x, keep: 6 months } }\nrequire: [{ need: [video], cite: x }]",
     "require: an entry has no step"},
    {HEAD "classes: { a: { cite: x, keep: 6 months } }\ndisposal: { approvals: [records] }",
     "two different roles must approve"},
    {HEAD "classes: { a: { cite: x, keep: 6 months } }\ndisposal: { notice: 1 h }",
     "disposal.notice: 1 h is out of range"},
    {"- a", "p.yaml:1:1: policy: a list where { key: value } belongs"},
    {"a: *b", "alias '*b'"},
};

static void test_faults(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(faulty); i++) {
        struct policy *p = NULL;

        memset(&list, 0, sizeof list);
        assert_int_equal(policy_parse(faulty[i].text, strlen(faulty[i].text), "p.yaml", on_fault, &list, &p),
                         -EINVAL);
        assert_null(p);
        assert_true(has_fault(&list, faulty[i].wanted));
        if (list.n != 1)
            fail_msg("one fault wanted:\n%s", list.text);
    }
}

static void test_all_faults_at_once(void **state)
{
    static const char text[] =
        "policy: T\nfloor: 2 months\ntimezone: X\neffective: soon\nclasses: { a: { cite: '', kep: 1 } }\n";
    struct policy *p = NULL;

    memset(&list, 0, sizeof list);
    assert_int_equal(policy_parse(text, strlen(text), "p.yaml", on_fault, &list, &p), -EINVAL);
    assert_int_equal(list.n, 7);
}

/* --- what must hold for any policy and any facts --- */

static uint64_t seed = 20261201;

static unsigned roll(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % n;
}

static void random_when(char *out, size_t size, int depth)
{
    static const char *const lines[] = {
        "kind: video",
        "kind: [audio, photo]",
        "device: d1",
        "unit: [u1, u2]",
        "link.role: evidence",
        "link.role: [context, none]",
        "case.procedure: general",
        "case.state: [open, filed]",
        "hold.ground: [abuse, audit]",
        "hold.ground: complaint",
        "door: http",
    };
    char inner[400];
    unsigned r = roll(depth > 2 ? ARRAY_SIZE(lines) : ARRAY_SIZE(lines) + 6);

    if (r < ARRAY_SIZE(lines)) {
        snprintf(out, size, "{ %s }", lines[r]);
        return;
    }
    random_when(inner, sizeof inner, depth + 1);
    if (r % 3 == 0)
        snprintf(out, size, "{ not: %.150s }", inner);
    else if (r % 3 == 1)
        snprintf(out, size, "{ any: [%.150s, { kind: data }] }", inner);
    else
        snprintf(out, size, "{ officer: o1, any: [%.150s] }", inner);
}

/* One class as a line of flow YAML. */
static void random_class(int i, char out[600])
{
    static const char *const keeps[] = {"6 months",  "7 months", "1 year",
                                        "18 months", "30 years", "permanent"};
    char when[300];

    if (roll(4) == 0) {
        snprintf(out, 600, "  c%d: { cite: c, keep: case, when: { link.role: evidence } }\n", i);
        return;
    }
    do {
        random_when(when, sizeof when, 0);
    } while (strlen(when) > 140);
    snprintf(out, 600, "  c%d: { cite: c, keep: %s, when: %s, from: %s }\n", i,
             keeps[roll(ARRAY_SIZE(keeps))], when, roll(2) ? "later" : "received");
}

static struct policy *policy_of(char lines[][600], const int *order, int n)
{
    char text[20000] = HEAD FILES "classes:\n";

    for (int i = 0; i < n; i++)
        strcat(text, lines[order[i]]);
    return parsed(text);
}

static void random_facts(struct policy_facts *f, struct policy_link links[3])
{
    static const char *const kinds[] = {"video", "audio", "photo", "document", "data", NULL};
    static const char *const words[] = {NULL, "d1", "u1", "u2", "o1", "http"};
    int64_t base = at("2024-02-29 13:00") + (int64_t)roll(2000000) * 60 * USEC_PER_SEC;

    *f = (struct policy_facts){.kind = kinds[roll(6)],
                               .device = words[roll(6)],
                               .officer = words[roll(6)],
                               .unit = words[roll(6)],
                               .door = words[roll(6)],
                               .received_usec = base};
    f->ended_usec = roll(3) ? base + ((int64_t)roll(200) - 100) * USEC_PER_HOUR : 0;
    f->ended_certain = roll(2);
    f->holds = roll(2) ? 0
                       : roll(1u << HOLD_GROUND_COUNT) & roll(1u << HOLD_GROUND_COUNT) &
                             roll(1u << HOLD_GROUND_COUNT);
    f->n_links = roll(4);
    f->links = links;
    for (size_t i = 0; i < f->n_links; i++) {
        links[i] = (struct policy_link){.role = (enum link_role)(1 + roll(2)),
                                        .procedure = (enum procedure)roll(3),
                                        .state = (enum case_state)(1 + roll(3)),
                                        .case_number = i ? "n" : NULL};
        if (links[i].state != CASE_OPEN)
            links[i].ended_usec = base + (int64_t)roll(400) * USEC_PER_DAY;
        if (links[i].state == CASE_FILED)
            links[i].filed_usec = base + (int64_t)roll(800) * USEC_PER_DAY;
    }
}

static bool at_least(const struct decision *a, const struct decision *b)
{
    return a->ending != b->ending ? a->ending > b->ending : a->until_usec >= b->until_usec;
}

/* True of every decision by itself. */
static void assert_sound(const struct policy *p, const struct policy_facts *f, const struct decision *d)
{
    int64_t floor =
        calendar_next_midnight(policy_zone(p), calendar_add_months(policy_zone(p), f->received_usec, 6));

    assert_in_range(d->n_reasons, 1, POLICY_REASONS_MAX);
    assert_string_equal(d->class_name, d->reasons[0].class_name);
    assert_int_equal(d->ending, d->reasons[0].ending);
    assert_true(d->until_usec >= floor);
    assert_true(d->ending == ENDING_DATE || d->until_usec == INT64_MAX);
    if (f->holds)
        assert_true(d->ending != ENDING_DATE);
    if (f->holds & ((1u << HOLD_LITIGATION) - 1))
        assert_int_equal(d->ending, ENDING_PERMANENT);
    for (size_t i = 0; i < d->n_reasons; i++) {
        assert_true(d->reasons[i].text[0] && d->reasons[i].cite[0]);
        assert_true(utf8_is_valid(d->reasons[i].text, strlen(d->reasons[i].text)));
        assert_true(d->reasons[i].ending < d->ending || d->reasons[i].until_usec <= d->until_usec);
    }
}

static void test_properties(void **state)
{
    static char lines[12][600];
    struct policy_link links[3];
    int longer = 0;

    for (int round = 0; round < 300; round++) {
        int n = 2 + (int)roll(10), order[12], shuffled[12];
        struct policy *less, *more, *other;

        snprintf(lines[0], sizeof lines[0], "  all: { cite: a, keep: 6 months }\n");
        for (int i = 1; i < n; i++)
            random_class(i, lines[i]);
        for (int i = 0; i < n; i++)
            order[i] = shuffled[i] = i;
        for (int i = n - 1; i > 0; i--) {
            int k = (int)roll((unsigned)i + 1), t = shuffled[i];
            shuffled[i] = shuffled[k];
            shuffled[k] = t;
        }
        more = policy_of(lines, order, n);
        less = policy_of(lines, order, n - 1);
        other = policy_of(lines, shuffled, n);
        for (int k = 0; k < 40; k++) {
            struct policy_facts f;
            struct decision a, b, c;

            random_facts(&f, links);
            policy_decide(more, &f, &a);
            policy_decide(less, &f, &b);
            policy_decide(other, &f, &c);
            assert_sound(more, &f, &a);
            assert_true(at_least(&a, &b)); /* adding a rule never shortens */
            longer += !at_least(&b, &a);
            assert_int_equal(a.n_reasons, c.n_reasons); /* order does not matter */
            assert_memory_equal(a.reasons, c.reasons, a.n_reasons * sizeof a.reasons[0]);
            assert_int_equal(a.disc_due, c.disc_due);
        }
        policy_free(more);
        policy_free(less);
        policy_free(other);
    }
    assert_true(longer > 500); /* the generator does make rules that matter */
}

/* Long texts from outside are cut at a character. */
static void test_long_case_number(void **state)
{
    char number[500] = "";
    struct policy_link link = {
        .role = LINK_EVIDENCE, .procedure = PROCEDURE_GENERAL, .state = CASE_OPEN, .case_number = number};
    struct policy_facts f = facts_received("2026-11-23 12:00");
    struct decision d;

    f.links = &link;
    f.n_links = 1;
    for (int pad = 0; pad < 4; pad++) {
        memset(number, 'x', (size_t)pad);
        number[pad] = 0;
        while (strlen(number) < 450)
            strcat(number, "号");
        policy_decide(law, &f, &d);
        assert_true(strlen(d.reasons[0].text) > 190);
        assert_true(utf8_is_valid(d.reasons[0].text, strlen(d.reasons[0].text)));
    }
}

static void test_names(void **state)
{
    enum hold_ground g;
    enum procedure p;
    enum case_state s;
    enum link_role r;

    for (int i = 0; i < HOLD_GROUND_COUNT; i++) {
        assert_int_equal(hold_ground_parse(hold_ground_name((enum hold_ground)i), &g), 0);
        assert_int_equal(g, i);
    }
    assert_int_equal(hold_ground_parse("spite", &g), -EINVAL);
    assert_null(hold_ground_name(HOLD_GROUND_COUNT));
    assert_int_equal(procedure_parse("summary", &p), 0);
    assert_int_equal(p, PROCEDURE_SUMMARY);
    assert_int_equal(case_state_parse("filed", &s), 0);
    assert_int_equal(s, CASE_FILED);
    assert_int_equal(link_role_parse("context", &r), 0);
    assert_int_equal(r, LINK_CONTEXT);
    assert_int_equal(link_role_parse("Evidence", &r), -EINVAL);
    assert_string_equal(ending_name(ENDING_CASE), "case");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_17a_routine),
        cmocka_unit_test(test_17a_recorded_end),
        cmocka_unit_test(test_17c_evidence),
        cmocka_unit_test(test_17c_neighbours),
        cmocka_unit_test(test_17c_several_cases),
        cmocka_unit_test(test_17a_floor_holds),
        cmocka_unit_test(test_18_each_ground),
        cmocka_unit_test(test_18_lifting),
        cmocka_unit_test(test_other_holds),
        cmocka_unit_test(test_18_without_a_class),
        cmocka_unit_test(test_law_facts),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_from),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_all_faults_at_once),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_long_case_number),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, load_law, free_law);
}
