/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Footage that a browser plays as it is can be watched long before all of it has been looked at: its proxy is a copy, which costs next to
 * nothing, while the strip, the sound curve and what decoding shows take a while. So a run of its own makes proxy and poster, their rows are
 * written under the job's lease, and the run for the rest follows. Should that one see damage, the copy is replaced by an encoded proxy,
 * as players stop where a decoder of ours goes on.
 *
 * The files kept here have names of their own, and the job's end writes their rows anew with all others; a job that fails or is begun
 * again leaves them to whoever is watching.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/inject.h"
#include "derive/derive-run.h"

/* Whether the job has files from an earlier time: they are served until all is made anew. */
static int has_rows(struct making *m, bool *ret, struct error *err)
{
    struct derivative_row rows[DERIVE_NAMES_MAX];
    size_t n = 0;
    struct db *db;
    int r = readers_take(m->slot->d->readers, &db, err);

    if (r != 0)
        return r;
    r = derivatives_of_job(db, m->job->id, rows, DERIVE_NAMES_MAX, &n, err);
    readers_give(m->slot->d->readers, db, r != 0);
    *ret = n > 0;
    return r;
}

static int record_early(struct txn *t, void *userdata, struct error *err)
{
    struct making *m = userdata;
    int r = jobs_renew(txn_db(t), m->job->id, m->job->lease, clock_now_usec() + DERIVE_LEASE_USEC, 0, err);

    for (size_t i = 0; r == 0 && i < m->n_rows; i++)
        r = derivatives_add(txn_db(t), m->job->id, &m->job->recording, &m->rows[i], err);
    return r;
}

static bool copied_proxy(const struct making *m)
{
    for (size_t i = 0; i < m->plan.names.n; i++)
        if (strcmp(m->plan.names.items[i], "proxy.mp4") == 0)
            return m->result.status == MEDIA_OK && m->result.bytes[i] > 0;
    return false;
}

/* Return: 0, also when none was kept; a fault of ours; -ECANCELED, JOBS_E_LOST. */
static int keep(struct making *m, struct error *err)
{
    int r;

    m->early = true;
    r = making_keep(m, err);
    m->early = false;
    if (r == 0)
        r = writer_run(m->slot->d->writer, true, record_early, m, err);
    if (r != 0 && r != -ECANCELED) /* whether it was committed is not known then: the files stay */
        making_drop_kept(m);
    m->n_early = m->n_rows;
    r = r != 0 ? r : inject_point("derive.early");
    if (r == 0)
        derive_say(m->slot->d, "derived", m->job, "");
    return r;
}

static bool is_kept(const struct making *m, const char *name)
{
    for (size_t i = 0; i < m->n_early; i++)
        if (strcmp(m->rows[i].name, name) == 0)
            return true;
    return false;
}

/* The plan for all, less what is there. */
static int leave_out_kept(struct making *m)
{
    json_t *list = json_array();
    struct derive_names left = {0};

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < m->plan.names.n; i++) {
        if (is_kept(m, m->plan.names.items[i]))
            continue;
        left.items[left.n++] = m->plan.names.items[i];
        if (json_array_append_new(list, json_string(m->plan.names.items[i])) < 0) {
            json_decref(list);
            return -ENOMEM;
        }
    }
    m->plan.names = left;
    return json_set_take(m->plan.json, "files", list);
}

int derive_early(struct making *m, struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    bool again = false;
    int r = strcmp(m->job->kind, "video") == 0 ? has_rows(m, &again, err) : 1;

    if (r != 0 || again)
        return MIN(r, 0);
    r = derive_plan_early(s, &m->plan);
    if (r < 0 || !m->plan.json)
        return r;
    m->early = true;
    r = making_run(m, err);
    m->early = false;
    if (r == 0 && copied_proxy(m))
        r = keep(m, err);
    making_drop(m);
    derive_plan_done(&m->plan);
    return r;
}

int derive_early_rest(struct making *m)
{
    return m->n_early > 0 ? leave_out_kept(m) : 0;
}

/* Damage seen in what was decoded, the key pictures. */
bool derive_early_was_wrong(const struct making *m)
{
    const json_t *decoded = json_get_object(m->result.answer, "decoded");

    return m->n_early > 0 && json_get_integer(decoded, "picture_errors", 0) > 0;
}

void derive_early_forget(struct making *m)
{
    m->n_early = m->n_rows = 0; /* their files go when other rows have been written */
}
