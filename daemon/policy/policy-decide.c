/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deciding (see policy.h): every matching class gives one reason, standing holds and the statutory floor give theirs, and the one
 * that keeps longest decides. Pure: no I/O, no clock, no allocation. Terms run in calendar months from a start that doubtful clocks
 * cannot shorten, and are rounded up to the next midnight of the policy's zone.
 */
#include <stdarg.h>
#include <string.h>

#include "base/encode.h"
#include "policy/policy-internal.h"

#define ART18_CITE  "Art. 18"
#define ART17_CITE  "Art. 17(1)"
#define HOLDS_OTHER (1u << HOLD_LITIGATION | 1u << HOLD_AUDIT)

static const struct policy_link no_link;

/* --- texts --- */

static void _printf_(2, 3) set_text(struct policy_reason *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(r->text, sizeof r->text, format, ap);
    va_end(ap);
    utf8_repair(r->text, sizeof r->text);
}

/* "6 months", "1 year". */
static const char *term_text(int months, char out[32])
{
    bool years = months % 12 == 0;
    int n = years ? months / 12 : months;

    snprintf(out, 32, "%d %s%s", n, years ? "year" : "month", n == 1 ? "" : "s");
    return out;
}

/* "complaint, abuse" for a set of grounds. */
static const char *grounds_text(uint32_t holds, char out[POLICY_REASON_SIZE / 2])
{
    size_t at = 0, size = POLICY_REASON_SIZE / 2;

    out[0] = 0;
    for (int g = 0; g < HOLD_GROUND_COUNT; g++)
        if (holds & 1u << g && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "",
                                   hold_ground_name((enum hold_ground)g));
    return out;
}

static const char *case_text(const struct policy_link *link)
{
    return link->case_number && *link->case_number ? link->case_number : "(no number)";
}

/* --- comparing --- */

int policy_compare_terms(enum ending a, int64_t a_until_usec, enum ending b, int64_t b_until_usec)
{
    if (a != b)
        return a > b ? 1 : -1;
    return (a_until_usec > b_until_usec) - (a_until_usec < b_until_usec);
}

/* Which of two reasons keeps longer; then by name and text, so that the order of rules and links does not matter. */
static int compare_reasons(const struct policy_reason *a, const struct policy_reason *b)
{
    int r = policy_compare_terms(a->ending, a->until_usec, b->ending, b->until_usec);

    r = r ? r : strcmp(b->class_name, a->class_name);
    return r ? r : strcmp(b->text, a->text);
}

/* Puts the reason in its place; the weakest goes when there is no room. */
static void add_reason(struct decision *d, const struct policy_reason *r)
{
    size_t at = 0;

    while (at < d->n_reasons && compare_reasons(&d->reasons[at], r) >= 0)
        at++;
    if (at >= POLICY_REASONS_MAX)
        return;
    if (d->n_reasons < POLICY_REASONS_MAX)
        d->n_reasons++;
    memmove(&d->reasons[at + 1], &d->reasons[at], (d->n_reasons - at - 1) * sizeof *r);
    d->reasons[at] = *r;
}

/* --- terms --- */

/* start + months, rounded up. A term past the calendar's end is permanent. */
static void end_by_months(const struct policy *p, int64_t start, int months, struct policy_reason *r)
{
    int64_t end = calendar_add_months(p->zone, start, months);

    if (end != INT64_MAX)
        end = calendar_next_midnight(p->zone, end);
    r->ending = end == INT64_MAX ? ENDING_PERMANENT : ENDING_DATE;
    r->until_usec = end;
}

/* From when a recording's own term runs: the recorded end where it is certain, later than receipt, and by no more than a day;
 * else receipt. Cameras run ahead; nobody records tomorrow. */
static int64_t term_start(const struct policy_facts *f, enum policy_from from)
{
    bool usable = f->ended_usec != 0 && f->ended_certain && f->ended_usec > f->received_usec &&
                  f->ended_usec - f->received_usec <= USEC_PER_DAY;

    return from == FROM_LATER && usable ? f->ended_usec : f->received_usec;
}

static void reason_months(const struct policy *p, const struct policy_class *c, const struct policy_facts *f,
                          struct policy_reason *r)
{
    int64_t start = term_start(f, c->from);
    char begin[CALENDAR_TEXT_SIZE], until[CALENDAR_TEXT_SIZE], term[32];
    const char *basis = "when it was received";

    if (start != f->received_usec)
        basis = "the end of the recording";
    else if (f->ended_usec != 0 && (!f->ended_certain || f->ended_usec > f->received_usec))
        basis = "when it was received (its own clock is doubtful)";
    end_by_months(p, start, c->keep.months, r);
    calendar_format_date(p->zone, start, begin);
    calendar_format_date(p->zone, r->until_usec, until);
    set_text(r, "class %s keeps %s from %s, %s; kept until %s", c->name, term_text(c->keep.months, term),
             begin, basis, until);
}

/* Art. 17(3): as long as the case file, which has no end before it is filed. */
static void reason_case(const struct policy *p, const struct policy_class *c, const struct policy_link *link,
                        struct policy_reason *r)
{
    const struct policy_case_file *file = &p->files[link->procedure];
    bool from_end = file->from == FROM_ENDED && link->ended_usec != 0;
    int64_t start = from_end ? link->ended_usec : link->filed_usec;
    char begin[CALENDAR_TEXT_SIZE], until[CALENDAR_TEXT_SIZE], term[32];

    if (link->state != CASE_FILED || link->filed_usec == 0) {
        r->ending = ENDING_CASE;
        set_text(r, "%s of case %s, which is not filed yet; kept as long as the case file",
                 link_role_name(link->role), case_text(link));
        return;
    }
    if (file->keep.kind == KEEP_PERMANENT) {
        r->ending = ENDING_PERMANENT;
        set_text(r, "%s of case %s, whose file is kept permanently", link_role_name(link->role),
                 case_text(link));
        return;
    }
    end_by_months(p, start, file->keep.months, r);
    calendar_format_date(p->zone, start, begin);
    calendar_format_date(p->zone, r->until_usec, until);
    set_text(r, "%s of case %s, %s on %s; kept as long as its file, %s, until %s", link_role_name(link->role),
             case_text(link), from_end ? "ended" : "filed", begin, term_text(file->keep.months, term), until);
}

static void reason_permanent(const struct policy_class *c, const struct policy_facts *f,
                             struct policy_reason *r)
{
    char grounds[POLICY_REASON_SIZE / 2];

    r->ending = ENDING_PERMANENT;
    if (f->holds & POLICY_HOLDS_ART18)
        set_text(r, "held for %s: class %s keeps permanently",
                 grounds_text(f->holds & POLICY_HOLDS_ART18, grounds), c->name);
    else
        set_text(r, "class %s keeps permanently", c->name);
}

static struct policy_reason new_reason(const char *class_name, const char *cite)
{
    struct policy_reason r = {.until_usec = INT64_MAX};

    snprintf(r.class_name, sizeof r.class_name, "%s", class_name);
    snprintf(r.cite, sizeof r.cite, "%s", cite);
    return r;
}

static struct policy_reason class_reason(const struct policy *p, const struct policy_class *c,
                                         const struct policy_facts *f, const struct policy_link *link)
{
    struct policy_reason r = new_reason(c->name, c->cite);

    if (c->keep.kind == KEEP_MONTHS)
        reason_months(p, c, f, &r);
    else if (c->keep.kind == KEEP_CASE)
        reason_case(p, c, link, &r);
    else
        reason_permanent(c, f, &r);
    return r;
}

/* --- what speaks for keeping --- */

/* The reason of one class: of all links for which it holds, the one that keeps longest. Return: whether it matches. */
static bool apply_class(const struct policy *p, const struct policy_class *c, const struct policy_facts *f,
                        struct decision *d)
{
    struct policy_reason best, r;
    bool matches = false;

    for (size_t i = 0; i < MAX(f->n_links, (size_t)1); i++) {
        const struct policy_link *link = f->n_links ? &f->links[i] : &no_link;

        if (!policy_cond_holds(&c->when, f, link))
            continue;
        r = class_reason(p, c, f, link);
        if (!matches || compare_reasons(&r, &best) > 0)
            best = r;
        matches = true;
    }
    if (!matches)
        return false;
    add_reason(d, &best);
    if (c->disc_copies > 0) {
        d->disc_within_usec =
            d->disc_due ? MIN(d->disc_within_usec, c->disc_within_usec) : c->disc_within_usec;
        d->disc_due = true;
    }
    return true;
}

/* Art. 18: whatever the classes say, its grounds keep permanently. */
static void apply_art18(const struct policy_facts *f, struct decision *d)
{
    struct policy_reason r = new_reason(POLICY_CLASS_HOLD, ART18_CITE);
    char grounds[POLICY_REASON_SIZE / 2];

    r.ending = ENDING_PERMANENT;
    set_text(&r, "held for %s: kept permanently", grounds_text(f->holds & POLICY_HOLDS_ART18, grounds));
    add_reason(d, &r);
}

/* Holds for litigation and audit: no end as long as they stand. */
static void apply_other_holds(const struct policy_facts *f, struct decision *d)
{
    struct policy_reason r = new_reason(POLICY_CLASS_HOLD, "standing hold");
    char grounds[POLICY_REASON_SIZE / 2];

    r.ending = ENDING_CASE;
    set_text(&r, "held for %s: no end while the hold stands", grounds_text(f->holds & HOLDS_OTHER, grounds));
    add_reason(d, &r);
}

/* Art. 17(1): nothing may be kept shorter than the floor, whatever the classes come to. */
static void apply_floor(const struct policy *p, const struct policy_facts *f, struct decision *d)
{
    struct policy_reason r = new_reason(POLICY_CLASS_FLOOR, ART17_CITE);
    char until[CALENDAR_TEXT_SIZE], term[32];

    end_by_months(p, term_start(f, FROM_LATER), p->floor_months, &r);
    if (d->n_reasons > 0 &&
        policy_compare_terms(d->reasons[0].ending, d->reasons[0].until_usec, r.ending, r.until_usec) >= 0)
        return;
    calendar_format_date(p->zone, r.until_usec, until);
    set_text(&r, "nothing is kept less than %s; kept until %s", term_text(p->floor_months, term), until);
    add_reason(d, &r);
}

void policy_decide(const struct policy *p, const struct policy_facts *facts, struct decision *ret)
{
    bool art18_said = false;

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < p->n_classes; i++) {
        const struct policy_class *c = &p->classes[i];

        if (apply_class(p, c, facts, ret) && c->keep.kind == KEEP_PERMANENT && c->about_holds)
            art18_said = true;
    }
    if (facts->holds & POLICY_HOLDS_ART18 && !art18_said)
        apply_art18(facts, ret);
    if (facts->holds & HOLDS_OTHER)
        apply_other_holds(facts, ret);
    apply_floor(p, facts, ret);
    memcpy(ret->class_name, ret->reasons[0].class_name, sizeof ret->class_name);
    ret->ending = ret->reasons[0].ending;
    ret->until_usec = ret->ending == ENDING_DATE ? ret->reasons[0].until_usec : INT64_MAX;
}
