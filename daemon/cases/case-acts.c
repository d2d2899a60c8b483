/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts on cases, links and holds (see case-acts.h).
 */
#include "cases/case-acts.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "cases/decide.h"
#include "cases/input.h"
#include "cases/place.h"
#include "catalogue/job-rows.h"
#include "catalogue/recordings.h"

#define NUMBER_MAX 200
#define TITLE_MAX  500
#define TEXT_MAX   2000

static bool is_given(const char *s)
{
    return s && *s;
}

static const char *or_null(const char *s)
{
    return is_given(s) ? s : NULL;
}

static int check_text(const char *what, const char *s, size_t max, bool lines, struct error *err)
{
    return input_check_text(CASES_E_INPUT, what, s, max, lines, err);
}

static int check_number(const char *number, struct error *err)
{
    _cleanup_free_ char *key = NULL;
    int r = check_text("number", number, NUMBER_MAX, false, err);

    if (r != 0)
        return r;
    key = case_number_fold(number);
    if (!key)
        return -ENOMEM;
    if (!*key)
        return error_set(err, CASES_E_INPUT, "number",
                         "is empty; write it as on the case file, like 本溪卫医罚〔2026〕12号");
    return 0;
}

static int check_procedure(const char *procedure, struct error *err)
{
    enum procedure p;

    if (is_given(procedure) && procedure_parse(procedure, &p) < 0)
        return error_set(err, CASES_E_INPUT, procedure,
                         "is not a procedure; right are general (一般程序), summary (简易程序) and none");
    return 0;
}

/* A date that a person gave; now when none was. Not in the future (a day of leeway for a date of today elsewhere). */
static int read_date(const struct case_context *c, const char *what, const char *date, int64_t *ret,
                     struct error *err)
{
    int64_t now = clock_now_usec();

    if (!is_given(date)) {
        *ret = now;
        return 0;
    }
    if (calendar_parse(c->zone, date, ret, NULL) < 0)
        return error_set(err, CASES_E_INPUT, date,
                         "is not a date for %s; write it like 2026-11-23 or 2026-11-23 14:05", what);
    if (*ret > calendar_next_midnight(c->zone, now))
        return error_set(err, CASES_E_INPUT, date, "lies in the future; %s is a day that has come", what);
    return 0;
}

/* Days are compared, so that a date without a time of day is not "before" an hour of the same day. */
static bool is_earlier_day(const struct case_context *c, int64_t a, int64_t b)
{
    char x[CALENDAR_TEXT_SIZE], y[CALENDAR_TEXT_SIZE];

    calendar_format_date(c->zone, a, x);
    calendar_format_date(c->zone, b, y);
    return strcmp(x, y) < 0;
}

static int refuse_earlier(const struct case_context *c, const struct case_row *row, const char *what,
                          int64_t than, struct error *err)
{
    char day[CALENDAR_TEXT_SIZE];

    calendar_format_date(c->zone, than, day);
    return error_set(err, CASES_E_INPUT, row->number, "%s on %s; the date must not be before that", what,
                     day);
}

/* ---- cases ---- */

static int check_case_input(const struct case_input *in, struct error *err)
{
    int r = check_text("title", in->title, TITLE_MAX, false, err);

    return r != 0 ? r : check_procedure(in->procedure, err);
}

/* Another case that has the number already. */
static int refuse_known_number(struct db *db, const char *number, const struct case_id *self,
                               struct error *err)
{
    struct case_id other;
    int r = case_by_number(db, number, &other, err);

    if (r == CASES_E_NONE || (r == 0 && self && strcmp(self->text, other.text) == 0))
        return 0;
    return r != 0 ? r
                  : error_set(err, ACT_E_REFUSED, number, "is the number of another case already (%s)",
                              other.text);
}

int case_add(struct txn *t, const struct case_context *c, const struct case_input *in, struct case_id *ret,
             struct error *err)
{
    struct case_id id;
    int64_t opened;
    int r = check_number(in->number ? in->number : "", err);

    r = r != 0 ? r : check_case_input(in, err);
    r = r != 0 ? r : read_date(c, "the opening of a case", in->opened, &opened, err);
    r = r != 0 ? r : refuse_known_number(txn_db(t), in->number, NULL, err);
    if (r != 0)
        return r;
    ulid_make(clock_now_usec(), id.text);
    r = txn_act(t, "case.added", c->actor, id.text, 0,
                json_pack("{s:s, s:s*, s:s, s:I}", "number", in->number, "title", or_null(in->title),
                          "procedure", is_given(in->procedure) ? in->procedure : "none", "opened",
                          (json_int_t)opened),
                NULL, err);
    r = r != 0 ? r : place_link_waiting(t, c->policy, &id, in->number, err);
    if (r == 0)
        *ret = id;
    return r;
}

/* Checks and collects what case_set was given. */
static int set_facts(struct txn *t, const struct case_context *c, const struct case_id *id,
                     const struct case_row *row, const struct case_input *in, json_t *facts,
                     struct error *err)
{
    int64_t opened;
    int r = is_given(in->number) ? check_number(in->number, err) : 0;

    r = r != 0 ? r : check_case_input(in, err);
    if (r == 0 && is_given(in->number))
        r = refuse_known_number(txn_db(t), in->number, id, err);
    r = r != 0 ? r : json_set_string(facts, "number", or_null(in->number));
    r = r != 0 ? r : json_set_string(facts, "title", or_null(in->title));
    r = r != 0 ? r : json_set_string(facts, "procedure", or_null(in->procedure));
    if (r != 0 || !is_given(in->opened))
        return r;
    r = read_date(c, "the opening of a case", in->opened, &opened, err);
    if (r == 0 && row->ended_usec && is_earlier_day(c, row->ended_usec, opened))
        return error_set(err, CASES_E_INPUT, row->number,
                         "has ended before %s; it cannot have been opened later", in->opened);
    return r != 0 ? r : json_set_integer(facts, "opened", opened);
}

int case_set(struct txn *t, const struct case_context *c, const char *text, const struct case_input *in,
             struct error *err)
{
    _cleanup_(case_row_done) struct case_row row = {0};
    _cleanup_json_ json_t *facts = json_object();
    struct case_id id;
    int r = facts ? case_resolve(txn_db(t), text, &id, err) : -ENOMEM;

    r = r != 0 ? r : case_read(txn_db(t), &id, &row, err);
    r = r != 0 ? r : set_facts(t, c, &id, &row, in, facts, err);
    if (r != 0)
        return r;
    if (json_object_size(facts) == 0)
        return error_set(err, CASES_E_INPUT, row.number,
                         "nothing to change; give a number, title, procedure or opened");
    r = txn_act(t, "case.set", c->actor, id.text, 0, TAKE_PTR(facts), NULL, err);
    if (r == 0 && is_given(in->number))
        r = place_link_waiting(t, c->policy, &id, in->number, err);
    return r != 0 ? r : decide_case(t, c->policy, &id, err);
}

/* Looks a case up that must be in a state. */
static int case_in_state(struct txn *t, const char *text, enum case_state wanted, const char *why,
                         struct case_id *ret_id, struct case_row *ret_row, struct error *err)
{
    int r = case_resolve(txn_db(t), text, ret_id, err);

    r = r != 0 ? r : case_read(txn_db(t), ret_id, ret_row, err);
    if (r == 0 && strcmp(ret_row->state, case_state_name(wanted)) != 0)
        return error_set(err, ACT_E_REFUSED, ret_row->number, "is %s; %s", ret_row->state, why);
    return r;
}

int case_end(struct txn *t, const struct case_context *c, const char *text, const char *date,
             struct error *err)
{
    _cleanup_(case_row_done) struct case_row row = {0};
    struct case_id id;
    int64_t ended;
    int r = case_in_state(t, text, CASE_OPEN, "only an open case can be ended", &id, &row, err);

    r = r != 0 ? r : read_date(c, "the end of a case", date, &ended, err);
    if (r == 0 && is_earlier_day(c, ended, row.opened_usec))
        r = refuse_earlier(c, &row, "was opened", row.opened_usec, err);
    if (r == 0)
        r = txn_act(t, "case.ended", c->actor, id.text, 0, json_pack("{s:I}", "ended", (json_int_t)ended),
                    NULL, err);
    return r != 0 ? r : decide_case(t, c->policy, &id, err);
}

int case_file(struct txn *t, const struct case_context *c, const char *text, const char *date,
              struct error *err)
{
    _cleanup_(case_row_done) struct case_row row = {0};
    struct case_id id;
    int64_t filed;
    int r =
        case_in_state(t, text, CASE_ENDED, "only an ended case can be filed; end it first", &id, &row, err);

    r = r != 0 ? r : read_date(c, "the filing of a case", date, &filed, err);
    if (r == 0 && is_earlier_day(c, filed, row.ended_usec))
        r = refuse_earlier(c, &row, "ended", row.ended_usec, err);
    if (r == 0)
        r = txn_act(t, "case.filed", c->actor, id.text, 0, json_pack("{s:I}", "filed", (json_int_t)filed),
                    NULL, err);
    return r != 0 ? r : decide_case(t, c->policy, &id, err);
}

int case_reopen(struct txn *t, const struct case_context *c, const char *text, struct error *err)
{
    _cleanup_(case_row_done) struct case_row row = {0};
    struct case_id id;
    int r = case_in_state(t, text, CASE_ENDED, "only an ended case that is not filed yet can be reopened",
                          &id, &row, err);

    r = r != 0 ? r : txn_act(t, "case.reopened", c->actor, id.text, 0, json_object(), NULL, err);
    return r != 0 ? r : decide_case(t, c->policy, &id, err);
}

/* ---- links ---- */

static int resolve_both(struct txn *t, const char *recording, const char *case_text,
                        struct recording_id *ret_recording, struct case_id *ret_case,
                        struct link_row *ret_link, struct error *err)
{
    int r = recordings_resolve(txn_db(t), recording, ret_recording, err);

    r = r != 0 ? r : case_resolve(txn_db(t), case_text, ret_case, err);
    return r != 0 ? r : link_read(txn_db(t), ret_recording, ret_case, ret_link, err);
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

int link_add(struct txn *t, const struct case_context *c, const char *recording, const char *case_text,
             const char *role, const char *step, struct error *err)
{
    _cleanup_(link_row_done) struct link_row link = {"", NULL};
    struct recording_id id;
    struct case_id case_id;
    enum link_role wanted = LINK_EVIDENCE;
    int r = check_text("step", step, NUMBER_MAX, false, err);

    if (r == 0 && is_given(role) && (link_role_parse(role, &wanted) < 0 || wanted == LINK_NONE))
        r = error_set(err, CASES_E_INPUT, role, "is not a role; right are evidence and context");
    r = r != 0 ? r : resolve_both(t, recording, case_text, &id, &case_id, &link, err);
    if (r != 0)
        return r;
    if (strcmp(link.role, link_role_name(wanted)) == 0 && is_same_text(link.step, step))
        return 0; /* it is so already: no act */
    r = txn_act(t, "link.added", c->actor, id.text, 0,
                json_pack("{s:s, s:s, s:s*}", "case", case_id.text, "role", link_role_name(wanted), "step",
                          or_null(step)),
                NULL, err);
    r = r != 0 ? r : decide_recording(t, c->policy, &id, NULL, err);
    return r != 0 || wanted != LINK_EVIDENCE ? r : jobs_raise_evidence(txn_db(t), id.text, NULL, err);
}

int link_remove(struct txn *t, const struct case_context *c, const char *recording, const char *case_text,
                struct error *err)
{
    _cleanup_(link_row_done) struct link_row link = {"", NULL};
    struct recording_id id;
    struct case_id case_id;
    int r = resolve_both(t, recording, case_text, &id, &case_id, &link, err);

    if (r == 0 && !*link.role)
        return error_set(err, ACT_E_REFUSED, id.text, "is not linked to %s", case_text);
    if (r == 0)
        r = txn_act(t, "link.removed", c->actor, id.text, 0, json_pack("{s:s}", "case", case_id.text), NULL,
                    err);
    return r != 0 ? r : decide_recording(t, c->policy, &id, NULL, err);
}

/* ---- holds ---- */

/* Decides what a hold is about: "" = not. */
static int decide_held(struct txn *t, const struct case_context *c, const char *recording,
                       const char *case_id, struct error *err)
{
    struct recording_id r_id;
    struct case_id c_id;

    if (*recording)
        return recording_id_parse(recording, &r_id) < 0 ? -EPROTO
                                                        : decide_recording(t, c->policy, &r_id, NULL, err);
    return case_id_parse(case_id, &c_id) < 0 ? -EPROTO : decide_case(t, c->policy, &c_id, err);
}

static int check_hold(const struct hold_input *in, struct error *err)
{
    enum hold_ground ground;
    int r;

    if (is_given(in->recording) == is_given(in->case_text))
        return error_set(err, CASES_E_INPUT, "hold",
                         "holds one recording or one case; give exactly one of them");
    if (!is_given(in->ground) || hold_ground_parse(in->ground, &ground) < 0) {
        char known[300];
        size_t n = 0;

        for (int g = 0; g < HOLD_GROUND_COUNT && n < sizeof known; g++)
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", g ? ", " : "",
                                  hold_ground_name((enum hold_ground)g));
        return error_set(err, CASES_E_INPUT, is_given(in->ground) ? in->ground : "ground",
                         "is not a ground; right are %s", known);
    }
    if (ground == HOLD_OTHER && !is_given(in->reason))
        return error_set(err, CASES_E_INPUT, "reason",
                         "is missing; the ground other needs one in words (Art. 18 (4))");
    r = check_text("matter", in->matter, NUMBER_MAX, false, err);
    return r != 0 ? r : check_text("reason", in->reason, TEXT_MAX, true, err);
}

int hold_add(struct txn *t, const struct case_context *c, const struct hold_input *in,
             char ret_id[ULID_LENGTH + 1], struct error *err)
{
    struct recording_id recording = {""};
    struct case_id case_id = {""};
    char id[ULID_LENGTH + 1];
    int r = check_hold(in, err);

    if (r == 0)
        r = is_given(in->recording) ? recordings_resolve(txn_db(t), in->recording, &recording, err)
                                    : case_resolve(txn_db(t), in->case_text, &case_id, err);
    if (r != 0)
        return r;
    ulid_make(clock_now_usec(), id);
    r = txn_act(t, "hold.added", c->actor, id, 0,
                json_pack("{s:s*, s:s*, s:s, s:s, s:s*, s:s*}", "recording", or_null(recording.text), "case",
                          or_null(case_id.text), "about", *recording.text ? recording.text : case_id.text,
                          "ground", in->ground, "matter", or_null(in->matter), "reason", or_null(in->reason)),
                NULL, err);
    r = r != 0 ? r : decide_held(t, c, recording.text, case_id.text, err);
    r = r != 0 ? r : jobs_raise_evidence(txn_db(t), or_null(recording.text), or_null(case_id.text), err);
    if (r == 0)
        memcpy(ret_id, id, sizeof id);
    return r;
}

int hold_lift(struct txn *t, const struct case_context *c, const char *hold, const char *reason,
              struct error *err)
{
    struct hold_row h;
    int r;

    if (!is_given(reason))
        return error_set(err, CASES_E_INPUT, "reason", "is missing; say why the hold is no longer needed");
    r = check_text("reason", reason, TEXT_MAX, true, err);
    r = r != 0 ? r : hold_resolve(txn_db(t), hold, &h, err);
    if (r == 0 && !h.stands)
        return error_set(err, ACT_E_REFUSED, h.id, "has been lifted already");
    if (r == 0)
        r = txn_act(
            t, "hold.lifted", c->actor, h.id, 0,
            json_pack("{s:s, s:s}", "about", *h.recording ? h.recording : h.case_id, "reason", reason), NULL,
            err);
    return r != 0 ? r : decide_held(t, c, h.recording, h.case_id, err);
}
