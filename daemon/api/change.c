/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handlers that change something: each reads its input strictly, hands one job to the writer, and answers when the act is published,
 * with the thing as it is then. cases/case-acts.c knows what is allowed.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "cases/case-acts.h"
#include "catalogue/recordings.h"

/* One job. text members are borrowed from the call. */
struct change {
    const struct call *call;
    struct case_context context;
    int (*run)(struct change *x, struct txn *t, struct error *err);
    const char *text[6]; /* what the job needs, in its own order */
    struct case_id case_id;
    char id[ULID_LENGTH + 1];
    json_t *after; /* the thing as it is after the change, inside the transaction */
};

int read_member(struct call *c, const char *name, const char **ret)
{
    const json_t *value = json_object_get(c->body, name);

    *ret = NULL;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return error_set(&c->err, -EINVAL, name, "must be a text in quotes");
    *ret = json_string_value(value);
    if (strlen(*ret) != json_string_length(value))
        return error_set(&c->err, -EINVAL, name, "holds a NUL character; leave it out");
    return 0;
}

int read_members(struct call *c, const char *const *names, size_t n, size_t needed, const char **texts)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        r = read_member(c, names[i], &texts[i]);
        if (r == 0 && i < needed && (!texts[i] || !*texts[i]))
            r = error_set(&c->err, -EINVAL, names[i], "is missing; give \"%s\" as a text", names[i]);
    }
    return r;
}

static int run_change(struct txn *t, void *userdata, struct error *err)
{
    struct change *x = userdata;

    json_decref(TAKE_PTR(x->after)); /* a job may run more than once */
    return x->run(x, t, err);
}

/* Hands the job to the writer and answers with x->after. */
static int carry_out(struct call *c, struct change *x, unsigned status)
{
    int r;

    x->call = c;
    x->context = (struct case_context){c->who->actor, c->settings->site.zone,
                                       policy_keeper_current(c->context->policy)};
    r = writer_run(c->context->writer, false, run_change, x, &c->err);
    if (r != 0) {
        json_decref(TAKE_PTR(x->after));
        if (r == -EAGAIN && !*c->err.text)
            error_set(&c->err, r, "", "the catalogue takes no changes at the moment; try again later");
        return r;
    }
    c->status = status;
    c->answer = TAKE_PTR(x->after);
    return answer_zone(c);
}

static int show_case(struct change *x, struct txn *t, struct error *err)
{
    return case_show(txn_db(t), &x->case_id, &x->after, err);
}

/* ---- cases --------------------------------------------------------------------------------------------------------------- */

/* The members of a case; case_input_of takes them in this order. */
static const char *const case_members[] = {"number", "title", "procedure", "opened"};

static struct case_input case_input_of(const struct change *x)
{
    return (struct case_input){
        .number = x->text[0], .title = x->text[1], .procedure = x->text[2], .opened = x->text[3]};
}

static int run_case_add(struct change *x, struct txn *t, struct error *err)
{
    struct case_input in = case_input_of(x);
    int r = case_add(t, &x->context, &in, &x->case_id, err);

    return r != 0 ? r : show_case(x, t, err);
}

int handle_case_add(struct call *c)
{
    struct change x = {.run = run_case_add};
    int r = read_members(c, case_members, ARRAY_SIZE(case_members), 1, x.text);

    return r != 0 ? r : carry_out(c, &x, 201);
}

static int run_case_set(struct change *x, struct txn *t, struct error *err)
{
    struct case_input in = case_input_of(x);
    int r = case_resolve(txn_db(t), x->call->args[0], &x->case_id, err);

    r = r != 0 ? r : case_set(t, &x->context, x->case_id.text, &in, err);
    return r != 0 ? r : show_case(x, t, err);
}

int handle_case_set(struct call *c)
{
    struct change x = {.run = run_case_set};
    int r = read_members(c, case_members, ARRAY_SIZE(case_members), 0, x.text);

    return r != 0 ? r : carry_out(c, &x, 200);
}

static int run_case_end(struct change *x, struct txn *t, struct error *err)
{
    int r = case_resolve(txn_db(t), x->call->args[0], &x->case_id, err);

    r = r != 0 ? r : case_end(t, &x->context, x->case_id.text, x->text[0], err);
    return r != 0 ? r : show_case(x, t, err);
}

static int run_case_file(struct change *x, struct txn *t, struct error *err)
{
    int r = case_resolve(txn_db(t), x->call->args[0], &x->case_id, err);

    r = r != 0 ? r : case_file(t, &x->context, x->case_id.text, x->text[0], err);
    return r != 0 ? r : show_case(x, t, err);
}

static int run_case_reopen(struct change *x, struct txn *t, struct error *err)
{
    int r = case_resolve(txn_db(t), x->call->args[0], &x->case_id, err);

    r = r != 0 ? r : case_reopen(t, &x->context, x->case_id.text, err);
    return r != 0 ? r : show_case(x, t, err);
}

/* The date of an end or a filing. */
static int change_state(struct call *c, int (*run)(struct change *x, struct txn *t, struct error *err))
{
    struct change x = {.run = run};
    int r = read_member(c, "date", &x.text[0]);

    return r != 0 ? r : carry_out(c, &x, 200);
}

int handle_case_end(struct call *c)
{
    return change_state(c, run_case_end);
}

int handle_case_file(struct call *c)
{
    return change_state(c, run_case_file);
}

int handle_case_reopen(struct call *c)
{
    return change_state(c, run_case_reopen);
}

/* ---- links --------------------------------------------------------------------------------------------------------------- */

/* {recording, case, number, role, step}: whole ids whatever was given. */
static int show_link(struct change *x, struct txn *t, struct error *err)
{
    _cleanup_(link_row_done) struct link_row link = {"", NULL};
    _cleanup_(case_row_done) struct case_row row = {0};
    struct recording_id recording;
    int r = recordings_resolve(txn_db(t), x->text[0], &recording, err);

    r = r != 0 ? r : case_resolve(txn_db(t), x->text[1], &x->case_id, err);
    r = r != 0 ? r : case_read(txn_db(t), &x->case_id, &row, err);
    r = r != 0 ? r : link_read(txn_db(t), &recording, &x->case_id, &link, err);
    if (r != 0)
        return r;
    x->after = json_object();
    r = json_set_string(x->after, "recording", recording.text);
    r = r != 0 ? r : json_set_string(x->after, "case", x->case_id.text);
    r = r != 0 ? r : json_set_string(x->after, "number", row.number);
    r = r != 0 ? r : json_set_string(x->after, "role", *link.role ? link.role : NULL);
    return r != 0 ? r : json_set_string(x->after, "step", link.step);
}

static int run_link(struct change *x, struct txn *t, struct error *err)
{
    int r = link_add(t, &x->context, x->text[0], x->text[1], x->text[2], x->text[3], err);

    return r != 0 ? r : show_link(x, t, err);
}

int handle_link(struct call *c)
{
    static const char *const names[] = {"recording", "case", "role", "step"};
    struct change x = {.run = run_link};
    int r = read_members(c, names, ARRAY_SIZE(names), 2, x.text);

    return r != 0 ? r : carry_out(c, &x, 200);
}

static int run_unlink(struct change *x, struct txn *t, struct error *err)
{
    int r = link_remove(t, &x->context, x->text[0], x->text[1], err);

    return r != 0 ? r : show_link(x, t, err);
}

int handle_unlink(struct call *c)
{
    static const char *const names[] = {"recording", "case"};
    struct change x = {.run = run_unlink};
    int r = read_members(c, names, ARRAY_SIZE(names), 2, x.text);

    return r != 0 ? r : carry_out(c, &x, 200);
}

/* ---- holds --------------------------------------------------------------------------------------------------------------- */

static int show_hold(struct change *x, struct txn *t, struct error *err)
{
    struct hold_row row;
    int r = hold_resolve(txn_db(t), x->id, &row, err);

    if (r != 0)
        return r;
    x->after = json_object();
    r = json_set_string(x->after, "id", row.id);
    r = r != 0 ? r : json_set_string(x->after, "recording", *row.recording ? row.recording : NULL);
    r = r != 0 ? r : json_set_string(x->after, "case", *row.case_id ? row.case_id : NULL);
    return r != 0 ? r : json_set_bool(x->after, "stands", row.stands);
}

static int run_hold_add(struct change *x, struct txn *t, struct error *err)
{
    struct hold_input in = {.ground = x->text[0],
                            .recording = x->text[1],
                            .case_text = x->text[2],
                            .matter = x->text[3],
                            .reason = x->text[4]};
    int r = hold_add(t, &x->context, &in, x->id, err);

    return r != 0 ? r : show_hold(x, t, err);
}

int handle_hold_add(struct call *c)
{
    static const char *const names[] = {"ground", "recording", "case", "matter", "reason"};
    struct change x = {.run = run_hold_add};
    int r = read_members(c, names, ARRAY_SIZE(names), 1, x.text);

    return r != 0 ? r : carry_out(c, &x, 201);
}

static int run_hold_lift(struct change *x, struct txn *t, struct error *err)
{
    struct hold_row row;
    int r = hold_resolve(txn_db(t), x->call->args[0], &row, err);

    r = r != 0 ? r : hold_lift(t, &x->context, row.id, x->text[0], err);
    if (r == 0)
        memcpy(x->id, row.id, sizeof x->id);
    return r != 0 ? r : show_hold(x, t, err);
}

int handle_hold_lift(struct call *c)
{
    static const char *const names[] = {"reason"};
    struct change x = {.run = run_hold_lift};
    int r = read_members(c, names, ARRAY_SIZE(names), 0, x.text);

    return r != 0 ? r : carry_out(c, &x, 200);
}
