/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Carrying batches out, one recording at a time (ARCHITECTURE.md, Disposal, has the durable steps):
 *   1 every check again, and the tombstone, in one transaction [disposal.tombstone]
 *   2 derivatives and copies, then the object [store.erase …, disposal.bytes]
 *   3 the act that says the bytes are gone [disposal.erased]
 * What a kill cuts off is found by its rows at the next start. What cannot be unlinked keeps nothing else; it is tried again.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/inject.h"
#include "disposal/disposal-internal.h"

#define AGAIN_SEC 60

struct disposal {
    struct disposal_context c;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, kicked;
    char trouble[1300];
};

struct work {
    struct disposal *d;
    char batch[ULID_LENGTH + 1];
    struct recording_id id;
};

static bool is_stopping(struct disposal *d)
{
    bool stop;

    pthread_mutex_lock(&d->lock);
    stop = d->stop;
    pthread_mutex_unlock(&d->lock);
    return stop || writer_is_stopping(d->c.writer);
}

/* Why it stays; "" when it may go. */
static int look_again(struct work *w, struct txn *t, const struct policy *policy, char why[DISPOSAL_WHY_SIZE],
                      struct error *err)
{
    struct disposal_standing s;
    int r = disposal_standing(txn_db(t), w->batch, w->id.text, &s, err);

    if (r != 0)
        return r;
    if (s.disposed || !s.decided || !s.dated)
        snprintf(why, DISPOSAL_WHY_SIZE, "%s",
                 s.disposed ? "is gone already" : "no date of its end is decided");
    else if (s.holds > 0)
        snprintf(why, DISPOSAL_WHY_SIZE, "a hold stands");
    else if (s.until_usec > clock_now_usec())
        snprintf(why, DISPOSAL_WHY_SIZE, "its time is not over");
    return *why ? 0 : disposal_policy_keeps(txn_db(t), policy, &w->id, why, err);
}

static int tombstone(struct txn *t, void *userdata, struct error *err)
{
    struct work *w = userdata;
    const struct policy *policy = policy_keeper_current(w->d->c.policy);
    char why[DISPOSAL_WHY_SIZE] = "";
    struct disposal_batch b;
    bool there;
    int r = disposal_clock_check(err);

    r = r != 0 ? r : disposal_batch_read(txn_db(t), w->batch, &b, &there, err);
    if (r == 0 && (!there || strcmp(b.state, "executing") != 0))
        return error_set(err, ACT_E_REFUSED, w->batch, "is not being carried out");
    r = r != 0 ? r : disposal_check_approvals(txn_db(t), policy, &b, err);
    r = r != 0 ? r : look_again(w, t, policy, why, err);
    if (r == 0 && *why)
        return txn_act(t, "disposal.left-out", "system", w->batch, 0,
                       json_pack("{s:s, s:s}", "recording", w->id.text, "reason", why), NULL, err);
    if (r == 0)
        r = txn_act(t, "recording.disposed", "system", w->id.text, 0,
                    json_pack("{s:s, s:s, s:s}", "batch", w->batch, "policy", policy_version(policy), "list",
                              b.digest),
                    NULL, err);
    return r != 0 ? r : disposal_stop_jobs(txn_db(t), w->id.text, clock_now_usec(), err);
}

static int say_erased(struct txn *t, void *userdata, struct error *err)
{
    struct work *w = userdata;
    int r = disposal_drop_jobs(txn_db(t), w->id.text, err);

    return r != 0 ? r
                  : txn_act(t, "recording.erased", "system", w->id.text, 0,
                            json_pack("{s:s, s:s}", "batch", w->batch, "how", "unlinked"), NULL, err);
}

static int say_ended(struct txn *t, void *userdata, struct error *err)
{
    struct work *w = userdata;

    return txn_act(t, "disposal.ended", "system", w->batch, 0, json_object(), NULL, err);
}

static int erase_bytes(struct work *w, struct db *db, struct error *err)
{
    _cleanup_json_ json_t *copies = NULL;
    const json_t *copy;
    size_t i;
    int r = disposal_copies(db, w->id.text, &copies, err);

    json_array_foreach (copies, i, copy)
        if (r == 0)
            r = derive_forget(w->d->c.derive, &w->id, json_get_string(copy, "id"), err);
    r = r != 0 ? r : derive_forget(w->d->c.derive, &w->id, NULL, err);
    r = r != 0 ? r : store_erase(w->d->c.store, &w->id, err);
    return r != 0 ? r : inject_point("disposal.bytes");
}

/* The next item in a state, after the one that w is at. */
static int next(struct work *w, const char *state, bool *ret_more, struct error *err)
{
    struct db *db;
    char after[ULID_LENGTH + 1];
    int r = readers_take(w->d->c.readers, &db, err);

    if (r != 0)
        return r;
    memcpy(after, w->id.text, sizeof after);
    r = state ? disposal_next(db, state, after, w->batch, &w->id, err)
              : disposal_next_done(db, w->batch, err);
    *ret_more = *w->batch != 0;
    readers_give(w->d->c.readers, db, r != 0);
    return r;
}

static int erase_one(struct work *w, struct error *err)
{
    struct db *db;
    int r = readers_take(w->d->c.readers, &db, err);

    if (r != 0)
        return r;
    r = erase_bytes(w, db, err);
    readers_give(w->d->c.readers, db, false);
    r = r != 0 ? r : writer_run(w->d->c.writer, false, say_erased, w, err);
    return r != 0 ? r : inject_point("disposal.erased");
}

static int dispose_one(struct work *w, struct error *err)
{
    int r = writer_run(w->d->c.writer, false, tombstone, w, err);

    return r != 0 ? r : inject_point("disposal.tombstone");
}

static int end_one(struct work *w, struct error *err)
{
    return writer_run(w->d->c.writer, false, say_ended, w, err);
}

/* Does all that stands in a state; the first failure is kept, the others go on. */
static int pass(struct disposal *d, const char *state, int (*do_one)(struct work *w, struct error *err),
                struct error *err)
{
    struct work w = {.d = d};
    struct error other = ERROR_INIT;
    bool more = true;
    int first = 0;

    while (more && !is_stopping(d)) {
        int r = next(&w, state, &more, &other);

        if (r != 0)
            more = false;
        else if (more)
            r = do_one(&w, &other);
        if (r != 0 && first == 0) {
            first = r;
            *err = other;
        }
        if (r != 0 && !state)
            more = false;
    }
    return first;
}

static bool carry_on(struct disposal *d)
{
    struct error err = ERROR_INIT;
    int r = pass(d, "disposed", erase_one, &err);
    int s = pass(d, "listed", dispose_one, r == 0 ? &err : &(struct error){0});

    r = r != 0 ? r : s;
    s = pass(d, "disposed", erase_one, r == 0 ? &err : &(struct error){0});
    r = r != 0 ? r : s;
    s = pass(d, NULL, end_one, r == 0 ? &err : &(struct error){0});
    r = r != 0 ? r : s;
    pthread_mutex_lock(&d->lock);
    snprintf(d->trouble, sizeof d->trouble, "%s%s%s", r ? err.object : "", r && *err.object ? ": " : "",
             r ? err.text : "");
    pthread_mutex_unlock(&d->lock);
    return r == 0;
}

static void *run(void *userdata)
{
    struct disposal *d = userdata;

    while (!is_stopping(d)) {
        bool done = carry_on(d);
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += AGAIN_SEC;
        pthread_mutex_lock(&d->lock);
        while (!d->stop && !d->kicked)
            if (done)
                pthread_cond_wait(&d->wake, &d->lock);
            else if (pthread_cond_timedwait(&d->wake, &d->lock, &until) == ETIMEDOUT)
                break;
        d->kicked = false;
        pthread_mutex_unlock(&d->lock);
    }
    return NULL;
}

int disposal_new(const struct disposal_context *context, struct disposal **ret)
{
    struct disposal *d = calloc(1, sizeof *d);

    if (!d)
        return -ENOMEM;
    d->c = *context;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->wake, NULL);
    if (pthread_create(&d->thread, NULL, run, d) != 0) {
        free(d);
        return -EAGAIN;
    }
    *ret = d;
    return 0;
}

struct disposal *disposal_free(struct disposal *d)
{
    if (!d)
        return NULL;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return NULL;
}

void disposal_kick(struct disposal *d)
{
    pthread_mutex_lock(&d->lock);
    d->kicked = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

void disposal_trouble(struct disposal *d, char *buf, size_t size)
{
    pthread_mutex_lock(&d->lock);
    snprintf(buf, size, "%s", d->trouble);
    pthread_mutex_unlock(&d->lock);
}
