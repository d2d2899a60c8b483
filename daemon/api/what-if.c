/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the policy in force says of a recording today, and what would change it: the engine is asked again with one fact changed at
 * a time, and every answer that differs from the present one is told. Nothing is written.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "cases/decide.h"
#include "catalogue/deciding.h"

struct asking {
    const struct policy *policy;
    const struct deciding *known;
    struct policy_link *links; /* room for one more than the recording has */
    struct decision now;
    json_t *list;
};

static bool is_same(const struct decision *a, const struct decision *b)
{
    return strcmp(a->class_name, b->class_name) == 0 && a->ending == b->ending &&
           a->until_usec == b->until_usec;
}

/* Puts {class, ending, until?} in. */
static int put_outcome(json_t *o, const struct decision *d)
{
    int r = json_set_string(o, "class", d->class_name);

    r = r != 0 ? r : json_set_string(o, "ending", ending_name(d->ending));
    if (r == 0 && d->ending == ENDING_DATE)
        r = json_set_integer(o, "until", d->until_usec);
    return r;
}

/* Decides with the changed facts; an outcome that differs is added under these words. */
static int ask(struct asking *a, const struct policy_facts *facts, const char *format, ...) _printf_(3, 4);

static int ask(struct asking *a, const struct policy_facts *facts, const char *format, ...)
{
    _cleanup_free_ char *words = NULL;
    struct decision d;
    json_t *o;
    va_list ap;
    int n, r;

    policy_decide(a->policy, facts, &d);
    if (is_same(&d, &a->now))
        return 0;
    va_start(ap, format);
    n = vasprintf(&words, format, ap);
    va_end(ap);
    o = json_object();
    if (n < 0 || !o)
        return -ENOMEM;
    r = json_set_string(o, "change", words);
    r = r != 0 ? r : put_outcome(o, &d);
    return json_array_append_new(a->list, o) < 0 ? -ENOMEM : r;
}

/* Facts as they are, to be changed by the caller; they share a->links. */
static struct policy_facts facts_now(struct asking *a)
{
    struct policy_facts f;

    decide_facts(a->known, a->links, &f);
    return f;
}

static int ask_holds(struct asking *a)
{
    struct policy_facts f = facts_now(a);

    if (!f.holds) {
        f.holds = 1u << HOLD_COMPLAINT;
        return ask(a, &f, "a complaint were recorded as a hold");
    }
    f.holds = 0;
    return ask(a, &f, a->known->n_grounds == 1 ? "the hold were lifted" : "all holds were lifted");
}

static int ask_links(struct asking *a)
{
    struct policy_facts f = facts_now(a);
    int64_t now = clock_now_usec();
    size_t n = f.n_links;
    int r = 0;

    for (size_t i = 0; i < n && i < 5 && r == 0; i++) {
        struct policy_link *l = &a->links[i], saved = *l;

        if (l->state != CASE_FILED) {
            l->state = CASE_FILED;
            l->filed_usec = now;
            l->ended_usec = l->ended_usec ? l->ended_usec : now;
            r = ask(a, &f, "case %s were filed today", saved.case_number);
            *l = saved;
        }
        l->role = saved.role == LINK_EVIDENCE ? LINK_CONTEXT : LINK_EVIDENCE;
        if (r == 0)
            r = ask(a, &f, "it were linked to case %s as %s", saved.case_number, link_role_name(l->role));
        *l = saved;
    }
    if (r == 0 && n == 0) {
        a->links[0] = (struct policy_link){LINK_EVIDENCE, PROCEDURE_GENERAL, CASE_OPEN, 0, 0, ""};
        f.n_links = 1;
        r = ask(a, &f, "it were linked as evidence to an open case of general procedure");
    }
    return r;
}

int what_if(struct call *c, const struct recording_id *id, json_t **ret_today, json_t **ret_changes)
{
    _cleanup_json_ json_t *today = json_object();
    _cleanup_(deciding_done) struct deciding known = {0};
    _cleanup_free_ struct policy_link *links = NULL;
    _cleanup_json_ json_t *list = json_array();
    struct asking a;
    struct policy_facts f;
    int r = list && today ? deciding_read(c->db, id, &known, &c->err) : -ENOMEM;

    if (r != 0)
        return r;
    links = calloc(known.n_links + 2, sizeof *links);
    if (!links)
        return -ENOMEM;
    a = (struct asking){
        .policy = policy_keeper_current(c->context->policy), .known = &known, .links = links, .list = list};
    f = facts_now(&a);
    policy_decide(a.policy, &f, &a.now);
    r = put_outcome(today, &a.now);
    r = r != 0 ? r : json_set_string(today, "policy", policy_version(a.policy));
    r = r != 0 ? r : ask_holds(&a);
    r = r != 0 ? r : ask_links(&a);
    if (r != 0)
        return r;
    *ret_today = TAKE_PTR(today);
    *ret_changes = TAKE_PTR(list);
    return 0;
}
