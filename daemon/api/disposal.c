/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handlers of disposal (disposal/disposal.h knows what is allowed).
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "disposal/disposal.h"

#define BATCHES_MAX 1000

int handle_eligible(struct call *c)
{
    const char *before = target_param(c->target, "before");
    struct disposal_filter f = {target_param(c->target, "class"), target_param(c->target, "unit"), 0,
                                clock_now_usec()};
    json_t *list = NULL;
    int limit, r = read_limit(c, DISPOSAL_BATCH_MAX, DISPOSAL_BATCH_MAX, &limit);

    if (r == 0 && before)
        r = read_time(c, "before", before, false, &f.before_usec);
    r = r != 0 ? r : disposal_eligible(c->db, &f, limit, &list, &c->err);
    if (r != 0)
        return r;
    c->answer = json_pack("{s:o}", "recordings", list);
    return answer_zone(c);
}

int handle_disposals(struct call *c)
{
    json_t *list = NULL;
    int r = disposal_batches(c->db, NULL, BATCHES_MAX, &list, &c->err);

    if (r != 0)
        return r;
    c->answer = json_pack("{s:o}", "batches", list);
    return answer_zone(c);
}

static int show(struct db *db, const char *id, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *list = NULL, *items = NULL, *approvals = NULL;
    json_t *batch;
    int r = disposal_batches(db, id, 1, &list, err);

    if (r == 0 && json_array_size(list) == 0)
        return error_set(err, DISPOSAL_E_NONE, id, "is no batch of disposal");
    r = r != 0 ? r : disposal_items(db, id, &items, err);
    r = r != 0 ? r : disposal_approvals(db, id, &approvals, err);
    if (r != 0)
        return r;
    batch = json_incref(json_array_get(list, 0));
    r = json_set_take(batch, "recordings", TAKE_PTR(items));
    r = r != 0 ? r : json_set_take(batch, "approvals", TAKE_PTR(approvals));
    *ret = batch;
    return r;
}

int handle_disposal(struct call *c)
{
    int r = show(c->db, c->args[0], &c->answer, &c->err);

    return r != 0 ? r : answer_zone(c);
}

struct change {
    const struct call *c;
    const struct policy *policy;
    int (*run)(struct change *x, struct txn *t, struct error *err);
    char batch[64];
    const char *reason, *digest;
    json_t *after;
};

static int run_change(struct txn *t, void *userdata, struct error *err)
{
    struct change *x = userdata;
    int r;

    json_decref(TAKE_PTR(x->after)); /* a job may run more than once */
    r = x->run(x, t, err);
    return r != 0 ? r : show(txn_db(t), x->batch, &x->after, err);
}

static int carry_out(struct call *c, struct change *x, unsigned status)
{
    int r;

    x->c = c;
    x->policy = policy_keeper_current(c->context->policy);
    if (c->args[0])
        snprintf(x->batch, sizeof x->batch, "%s", c->args[0]);
    r = read_member(c, "reason", &x->reason);
    r = r != 0 ? r : read_member(c, "digest", &x->digest);
    r = r != 0 ? r : writer_run(c->context->writer, false, run_change, x, &c->err);
    if (r != 0) {
        json_decref(TAKE_PTR(x->after));
        return r;
    }
    c->status = status;
    c->answer = TAKE_PTR(x->after);
    return answer_zone(c);
}

static int run_propose(struct change *x, struct txn *t, struct error *err)
{
    return disposal_propose(t, x->policy, x->c->who->actor, json_get_array(x->c->body, "recordings"),
                            x->reason, x->batch, err);
}

int handle_disposal_propose(struct call *c)
{
    return carry_out(c, &(struct change){.run = run_propose}, 201);
}

static int run_notice(struct change *x, struct txn *t, struct error *err)
{
    return disposal_notice(t, x->policy, x->c->who->actor, x->batch, err);
}

int handle_disposal_notice(struct call *c)
{
    return carry_out(c, &(struct change){.run = run_notice}, 200);
}

static int run_approve(struct change *x, struct txn *t, struct error *err)
{
    return disposal_approve(t, x->policy, x->c->who->actor, x->c->who->roles, x->batch, x->digest, err);
}

int handle_disposal_approve(struct call *c)
{
    return carry_out(c, &(struct change){.run = run_approve}, 200);
}

static int run_withdraw(struct change *x, struct txn *t, struct error *err)
{
    return disposal_withdraw(t, x->c->who->actor, x->batch, x->reason, err);
}

int handle_disposal_withdraw(struct call *c)
{
    return carry_out(c, &(struct change){.run = run_withdraw}, 200);
}

static int run_cancel(struct change *x, struct txn *t, struct error *err)
{
    return disposal_cancel(t, x->c->who->actor, x->batch, x->reason, err);
}

int handle_disposal_cancel(struct call *c)
{
    return carry_out(c, &(struct change){.run = run_cancel}, 200);
}

static int run_execute(struct change *x, struct txn *t, struct error *err)
{
    return disposal_execute(t, x->policy, x->c->who->actor, x->batch, err);
}

int handle_disposal_execute(struct call *c)
{
    int r = carry_out(c, &(struct change){.run = run_execute}, 202);

    if (r == 0)
        disposal_kick(c->context->disposal);
    return r;
}
