/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What others ask of derive (see derive.h): which derivatives there are, one of them opened, jobs. Asking is what makes a missing one
 * first in the queue.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "derive/derive-internal.h"

/* What the catalogue knows of a recording's derivatives. */
struct known {
    bool there, examined; /* the recording */
    bool has_job;
    struct job_state job;
    struct derivative_row rows[DERIVE_NAMES_MAX];
    size_t n_rows;
    char kind[12];
};

static void known_done(struct known *k)
{
    job_state_done(&k->job);
}

static int read_known(struct db *db, const struct recording_id *id, struct known *k, struct error *err)
{
    int r = recordings_kind(db, id, k->kind, sizeof k->kind, &k->examined, err);

    if (r == RECORDINGS_E_NONE)
        return 0;
    if (r != 0)
        return r;
    k->there = true;
    r = jobs_of_recording(db, id, &k->job, err);
    if (r == JOBS_E_NONE)
        return 0;
    k->has_job = r == 0;
    return r != 0 ? r : derivatives_of_job(db, k->job.id, k->rows, DERIVE_NAMES_MAX, &k->n_rows, err);
}

static int look(struct derive *d, const struct recording_id *id, struct known *k, struct error *err)
{
    struct db *db;
    int r;

    *k = (struct known){0};
    r = readers_take(d->readers, &db, err);
    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    r = read_known(db, id, k, err);
    readers_give(d->readers, db, r != 0);
    if (r != 0)
        known_done(k);
    return r > 0 ? -EAGAIN : r;
}

/* ---- wanting --------------------------------------------------------------------------------------------------------------- */

struct wanting {
    const struct recording_id *id;
    bool again;
};

static int want(struct txn *t, void *userdata, struct error *err)
{
    const struct wanting *w = userdata;

    return (w->again ? jobs_want_again : jobs_want_derivatives)(txn_db(t), w->id, JOB_WATCHED,
                                                                clock_now_usec(), err);
}

/* Somebody waits for it. A job that runs here is told, so that it does not pause. */
static int ask_for(struct derive *d, const struct recording_id *id, const struct known *k, bool again,
                   struct error *err)
{
    struct wanting w = {id, again};
    int r = writer_run(d->writer, false, want, &w, err);

    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++)
        if (d->slots[i].busy && strcmp(d->slots[i].job, k->job.id) == 0)
            d->slots[i].watched = true;
    pthread_mutex_unlock(&d->lock);
    derive_kick(d);
    return 0;
}

static bool is_state(const struct known *k, const char *state)
{
    return k->has_job && strcmp(k->job.state, state) == 0;
}

static bool in_hand(const struct known *k)
{
    return is_state(k, "waiting") || is_state(k, "running");
}

/* How far a job is: what its slot says if it runs here, else its row. -1: not known. */
static int progress(struct derive *d, const struct job_state *job)
{
    int permille = job->permille;

    pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++)
        if (d->slots[i].busy && strcmp(d->slots[i].job, job->id) == 0)
            permille = d->slots[i].permille;
    pthread_mutex_unlock(&d->lock);
    return permille;
}

static bool is_off(struct derive *d)
{
    return !atomic_load(&d->settings)->media.derive.enabled;
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */

static const char *missing_text(const struct known *k, const char *name, json_t **ret_list)
{
    struct error ignored;
    json_t *v;
    size_t i;

    *ret_list = NULL;
    if (!k->job.missing || json_parse(k->job.missing, strlen(k->job.missing), NULL, ret_list, &ignored) < 0)
        return NULL;
    json_array_foreach (*ret_list, i, v)
        if (json_get_string(v, "name") && strcmp(json_get_string(v, "name"), name) == 0)
            return json_get_string(v, "message");
    return NULL;
}

static int never(const struct known *k, const char *name, struct error *err)
{
    _cleanup_json_ json_t *list = NULL;
    const char *why = missing_text(k, name, &list);

    if (is_state(k, "cancelled"))
        why = "making it was given up; ask for it anew";
    else if (!why && k->job.message)
        why = k->job.message;
    return error_set(err, DERIVE_E_NEVER, name, "there is none of this recording%s%s", why ? ": " : "",
                     why ? why : "");
}

static int not_yet(struct derive *d, const struct known *k, const char *name, struct error *err)
{
    int permille = k->has_job ? progress(d, &k->job) : -1;

    if (is_state(k, "running") && permille >= 0)
        return error_set(err, DERIVE_E_NOT_YET, name, "is being made, %d %% are done", permille / 10);
    return error_set(err, DERIVE_E_NOT_YET, name, "is made soon; ask again%s%s",
                     k->has_job && k->job.message ? ": " : "",
                     k->has_job && k->job.message ? k->job.message : "");
}

void derive_fill(const struct derivative_row *row, struct derivative *ret)
{
    *ret = (struct derivative){.type = derive_type(row->name, row->width > 0),
                               .bytes = (uint64_t)row->bytes,
                               .made_usec = row->made_usec};
    memcpy(ret->name, row->name, sizeof ret->name);
    memcpy(ret->etag, row->etag, sizeof ret->etag);
    memcpy(ret->how, row->how, sizeof ret->how);
}

static const struct derivative_row *find_row(const struct known *k, const char *name)
{
    for (size_t i = 0; i < k->n_rows; i++)
        if (strcmp(k->rows[i].name, name) == 0)
            return &k->rows[i];
    return NULL;
}

static struct job_mark mark_of(const struct job_state *job, bool copy)
{
    struct job_mark mark = {.recording = job->recording, .copy = copy};

    memcpy(mark.id, job->id, sizeof mark.id);
    return mark;
}

/* What is to be done about one that is not there: it is asked for, or there will be none. */
static int open_missing(struct derive *d, const struct recording_id *id, const struct known *k,
                        const char *name, bool lost, struct error *err)
{
    int r;

    if (!k->examined) {
        r = is_off(d) || k->has_job ? 0 : ask_for(d, id, k, false, err);
        return r != 0 ? r : error_set(err, DERIVE_E_NOT_YET, name, "the recording is still to be examined");
    }
    if (is_off(d))
        return error_set(err, DERIVE_E_NEVER, name, "is not made, as media.derive.enabled is false");
    if (strcmp(k->kind, "data") == 0)
        return error_set(err, DERIVE_E_NEVER, name,
                         "nothing can be shown of this recording: it is no medium that is known");
    if (!lost && k->has_job && !in_hand(k))
        return never(k, name, err);
    r = lost || !k->has_job || k->job.priority != JOB_WATCHED ? ask_for(d, id, k, lost, err) : 0;
    return r != 0 ? r : not_yet(d, k, name, err);
}

/* ret_again, when not NULL: the file is gone; perhaps it was made anew between the look at its row and at it, and another look finds that. */
static int open_once(struct derive *d, const struct recording_id *id, const char *name, bool *ret_again,
                     struct derivative *ret, int *ret_fd, struct error *err)
{
    _cleanup_(known_done) struct known k;
    const struct derivative_row *row;
    struct job_mark mark;
    int r = look(d, id, &k, err);

    if (ret_again)
        *ret_again = false;
    if (r != 0)
        return r;
    if (!k.there)
        return error_set(err, DERIVE_E_NEVER, id->text, "no such recording; `liuhen ls` lists them");
    row = find_row(&k, name);
    if (!row)
        return open_missing(d, id, &k, name, false, err);
    mark = mark_of(&k.job, false);
    r = derive_cache_open(d, &mark, row, ret_fd);
    if (r == -ENOENT && ret_again) {
        *ret_again = true;
        return r;
    }
    if (r == -ENOENT || r == -ESTALE || r == -ELOOP)
        return open_missing(d, id, &k, name, true, err);
    if (r < 0)
        return error_errno(err, r, name, "cannot be opened");
    derive_fill(row, ret);
    return 0;
}

int derive_open(struct derive *d, const struct recording_id *id, const char *name, struct derivative *ret,
                int *ret_fd, struct error *err)
{
    bool again;
    int r = open_once(d, id, name, &again, ret, ret_fd, err);

    return again ? open_once(d, id, name, NULL, ret, ret_fd, err) : r;
}

/* ---- listing --------------------------------------------------------------------------------------------------------------- */

static int add_file(json_t *list, const struct derivative_row *row)
{
    json_t *o = json_object();
    int r = o ? json_set_string(o, "name", row->name) : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "type", derive_type(row->name, row->width > 0));
    r = r < 0 ? r : json_set_integer(o, "bytes", row->bytes);
    r = r < 0 ? r : json_set_string(o, "sha256", row->etag);
    r = r < 0 ? r : json_set_integer(o, "made", row->made_usec);
    r = r < 0 ? r : json_set_string(o, "how", row->how[0] ? row->how : NULL);
    r = r < 0 ? r : json_set_string(o, "message", row->message[0] ? row->message : NULL);
    if (r == 0 && row->width > 0) {
        r = json_set_integer(o, "width", row->width);
        r = r < 0 ? r : json_set_integer(o, "height", row->height);
    }
    if (r == 0)
        return json_array_append_new(list, o) < 0 ? -ENOMEM : 0;
    json_decref(o);
    return r;
}

static const char *state_of(struct derive *d, const struct known *k)
{
    if (k->n_rows > 0 || is_state(k, "done"))
        return "ready";
    if (is_off(d))
        return "off";
    if (is_state(k, "failed") || is_state(k, "cancelled"))
        return "failed";
    if (k->examined && strcmp(k->kind, "data") == 0)
        return "ready"; /* and empty */
    return is_state(k, "running") ? "running" : "waiting";
}

/* What a person looks at, when there is one of them. */
static bool is_shown(const char *name)
{
    static const char *const shown[] = {"proxy.mp4", "photo-large.jpg", "poster.jpg", "page-"};

    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        if (strncmp(name, shown[i], strlen(shown[i])) == 0)
            return true;
    return false;
}

/* Why nothing can be shown, now that all is done that will be; NULL: something can, or may yet. */
static const char *why_nothing(struct derive *d, const struct known *k, const json_t *missing)
{
    const json_t *v;
    size_t i;

    for (i = 0; i < k->n_rows; i++)
        if (is_shown(k->rows[i].name))
            return NULL;
    if (k->examined && strcmp(k->kind, "data") == 0)
        return "it is no medium that is known";
    if (in_hand(k) || (!k->has_job && !is_off(d)))
        return NULL;
    if (is_state(k, "cancelled"))
        return "making it was given up";
    if (k->has_job && k->job.message)
        return k->job.message;
    json_array_foreach (missing, i, v)
        if (is_shown(json_get_string(v, "name")) && json_get_string(v, "message"))
            return json_get_string(v, "message");
    return is_off(d) ? "media.derive.enabled is false" : "media.derive.make names nothing of it";
}

static int describe(struct derive *d, const struct known *k, json_t *o)
{
    _cleanup_json_ json_t *list = json_array(), *missing = NULL;
    int r = list ? json_set_string(o, "state", state_of(d, k)) : -ENOMEM, permille;

    for (size_t i = 0; r == 0 && i < k->n_rows; i++)
        r = add_file(list, &k->rows[i]);
    r = r < 0 ? r : json_set_take(o, "files", TAKE_PTR(list));
    (void)missing_text(k, "", &missing);
    r = r < 0 ? r : json_set_string(o, "nothing", why_nothing(d, k, missing));
    if (r < 0 || !k->has_job)
        return r;
    permille = progress(d, &k->job);
    if (is_state(k, "running") && permille >= 0)
        r = json_set_integer(o, "progress_permille", permille);
    if (r == 0 && in_hand(k) && k->n_rows > 0)
        r = json_set_take(o, "more", json_true());
    if (r == 0 && is_state(k, "cancelled"))
        r = json_set_string(o, "message", "making them was given up");
    else if (r == 0)
        r = json_set_string(o, "message", k->job.message);
    return r != 0 || !missing ? r : json_set_take(o, "missing", TAKE_PTR(missing));
}

/* Whether what is there was made by another recipe than today's. */
static bool is_old(struct derive *d, const struct known *k)
{
    char recipe[DERIVE_RECIPE_MAX];

    derive_recipe(atomic_load(&d->settings), k->kind, recipe);
    return is_state(k, "done") && k->job.recipe && strcmp(k->job.recipe, recipe) != 0;
}

/* Somebody looks at it now: what is missing is made first. */
static int watch(struct derive *d, const struct recording_id *id, const struct known *k, struct error *err)
{
    if (is_off(d) || (k->examined && strcmp(k->kind, "data") == 0))
        return 0;
    if (!k->has_job || (in_hand(k) && k->job.priority != JOB_WATCHED))
        return ask_for(d, id, k, false, err);
    for (size_t i = 0; !in_hand(k) && i < k->n_rows; i++) {
        struct job_mark mark = mark_of(&k->job, false);
        int fd, r = derive_cache_open(d, &mark, &k->rows[i], &fd);

        if (r < 0)
            return ask_for(d, id, k, true, err);
        close(fd);
    }
    return is_old(d, k) ? ask_for(d, id, k, true, err) : 0;
}

int derive_list(struct derive *d, const struct recording_id *id, bool watched, json_t **ret,
                struct error *err)
{
    _cleanup_(known_done) struct known k;
    _cleanup_json_ json_t *o = json_object();
    int r = o ? look(d, id, &k, err) : -ENOMEM;

    if (!o)
        k = (struct known){0};
    if (r == 0 && !k.there)
        return error_set(err, DERIVE_E_NEVER, id->text, "no such recording; `liuhen ls` lists them");
    r = r < 0 ? r : describe(d, &k, o);
    if (r == 0 && watched)
        r = watch(d, id, &k, err);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

/* ---- jobs ------------------------------------------------------------------------------------------------------------------ */

int derive_jobs(struct derive *d, const char *state, const char *after, size_t limit, json_t **ret,
                struct error *err)
{
    struct db *db;
    int r = readers_take(d->readers, &db, err);

    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    r = jobs_list(db, state, after, NULL, limit, ret, err);
    readers_give(d->readers, db, r != 0);
    return r > 0 ? -EAGAIN : r;
}

static int add_copy_file(struct db *db, const char *job, json_t *o, struct error *err)
{
    struct derivative_row row;
    _cleanup_json_ json_t *list = json_array();
    size_t n;
    int r = list ? derivatives_of_job(db, job, &row, 1, &n, err) : -ENOMEM;

    if (r == 0 && n == 1)
        r = add_file(list, &row);
    return r != 0 || n == 0 ? r : json_set_take(o, "file", json_incref(json_array_get(list, 0)));
}

int derive_job(struct derive *d, const char *job, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *list = NULL;
    struct db *db;
    int r = readers_take(d->readers, &db, err);

    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    r = jobs_list(db, NULL, NULL, job, 1, &list, err);
    if (r == 0 && json_array_size(list) == 0)
        r = error_set(err, -ENOENT, job, "no such job; `liuhen jobs` lists them");
    if (r == 0 && strcmp(json_get_string(json_array_get(list, 0), "kind"), "copy") == 0)
        r = add_copy_file(db, job, json_array_get(list, 0), err);
    readers_give(d->readers, db, r != 0 && r != -ENOENT);
    if (r == 0)
        *ret = json_incref(json_array_get(list, 0));
    return r > 0 ? -EAGAIN : r;
}

static int cancel(struct txn *t, void *userdata, struct error *err)
{
    return jobs_cancel(txn_db(t), userdata, clock_now_usec(), err);
}

int derive_cancel(struct derive *d, const char *job, struct error *err)
{
    char id[ULID_LENGTH + 1], lease[ULID_LENGTH + 1] = "";
    int r;

    if (!ulid_is_valid(job))
        return error_set(err, -ENOENT, job, "is no job's id; `liuhen jobs` lists them");
    snprintf(id, sizeof id, "%s", job);
    r = writer_run(d->writer, false, cancel, id, err);
    if (r == JOBS_E_NONE)
        return error_set(err, -ENOENT, job, "no such job waits or runs; `liuhen jobs` lists them");
    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++) {
        pthread_mutex_lock(&d->lock);
        lease[0] = 0;
        if (d->slots[i].busy && strcmp(d->slots[i].job, id) == 0)
            memcpy(lease, d->slots[i].lease, sizeof lease);
        pthread_mutex_unlock(&d->lock);
        if (lease[0])
            slot_lost(&d->slots[i], lease);
    }
    return 0;
}

static int again(struct txn *t, void *userdata, struct error *err)
{
    return jobs_want_again(txn_db(t), userdata, JOB_WATCHED, clock_now_usec(), err);
}

int derive_again(struct derive *d, const struct recording_id *id, struct error *err)
{
    _cleanup_(known_done) struct known k;
    struct recording_id copy = *id;
    int r = look(d, id, &k, err);

    if (r != 0)
        return r;
    if (!k.there)
        return error_set(err, -ENOENT, id->text, "no such recording; `liuhen ls` lists them");
    if (!k.examined)
        return error_set(err, -EAGAIN, id->text,
                         "is still to be examined; what can be seen of it is made then");
    if (is_off(d))
        return error_set(err, -EINVAL, id->text, "nothing is made, as media.derive.enabled is false");
    r = writer_run(d->writer, false, again, &copy, err);
    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    derive_kick(d);
    return 0;
}

/* Why what nobody waits for is not made now, asked anew: while all threads sleep nobody else looks. */
static int add_state(struct derive *d, json_t *o)
{
    const struct settings *s = atomic_load(&d->settings);
    char why[DERIVE_PAUSE_SIZE] = "media.derive.enabled is false";
    int64_t ignored;
    int r;

    if (s->media.derive.enabled)
        derive_pause_reason(s, clock_now_usec(), why, sizeof why, &ignored);
    r = json_set_string(o, "state", !s->media.derive.enabled ? "off" : why[0] ? "paused" : "running");
    return r != 0 ? r : json_set_string(o, "paused", why[0] ? why : NULL);
}

static int add_hardware(const struct hardware *h, json_t *o)
{
    json_t *made = json_object();
    int r = json_set_string(made, "kind", h->name ? h->name : "none");

    r = r != 0 ? r : json_set_bool(made, "decodes", h->decodes);
    r = r != 0 ? r : json_set_bool(made, "encodes", h->encodes);
    r = r != 0 ? r : json_set_string(made, "message", h->message);
    return json_set_take(o, "hardware", made) != 0 ? -ENOMEM : r;
}

json_t *derive_status(struct derive *d)
{
    json_t *o = json_object(), *counts = NULL;
    struct error err = ERROR_INIT;
    char trouble[sizeof d->trouble];
    struct hardware hardware;
    struct db *db;
    int r = o ? readers_take(d->readers, &db, &err) : -ENOMEM;

    if (r == 0) {
        r = jobs_counts(db, &counts, &err);
        readers_give(d->readers, db, r != 0);
    }
    if (r == 0)
        r = json_set_take(o, "jobs", counts);
    pthread_mutex_lock(&d->lock);
    memcpy(trouble, d->trouble, sizeof trouble);
    hardware = d->hardware;
    pthread_mutex_unlock(&d->lock);
    r = r != 0 ? r : add_state(d, o);
    r = r != 0 ? r : add_hardware(&hardware, o);
    r = r != 0 ? r : json_set_string(o, "trouble", trouble[0] ? trouble : NULL);
    if (r != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}
