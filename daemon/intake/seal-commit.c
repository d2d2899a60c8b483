/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The committer (steps 8 to 11 of the seal; see ARCHITECTURE.md): one thread that takes a stored batch through commit, publish, source
 * and clean-up, while the sealer makes the next one durable. It holds one batch at a time, so acts keep the order of the batches.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/inject.h"
#include "base/log.h"
#include "intake/seal-internal.h"

#define TRIES_MAX      3
#define TRY_PAUSE_USEC 100000

struct committer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* given, ended or stopping */
    struct batch *batch;    /* in hand, or NULL */
    bool stopping;
};

const char *actor_of_door(const char *door, char *buf, size_t size)
{
    snprintf(buf, size, "door:%s", strncmp(door, "drop:", 5) == 0 ? door + 5 : door);
    return buf;
}

static const char *door_of(const json_t *facts)
{
    const char *door = json_get_string(json_get_object(facts, "arrival"), "door");

    return door ? door : "unknown";
}

int seal_record(struct txn *t, const char *id, json_t *facts, int64_t received_usec, uint64_t *ret_leaf,
                struct error *err)
{
    char actor[300];

    return txn_act(t, "recording.sealed", actor_of_door(door_of(facts), actor, sizeof actor), id,
                   received_usec, json_incref(facts), ret_leaf, err);
}

static int record_again(struct txn *t, struct item *item, struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    char actor[300];

    if (!facts || json_set_take(facts, "arrival", json_incref(json_get_object(item->facts, "arrival"))) < 0)
        return -ENOMEM;
    return txn_act(t, "recording.arrived-again", actor_of_door(door_of(item->facts), actor, sizeof actor),
                   item->known.text, 0, TAKE_PTR(facts), &item->leaf, err);
}

static int commit_item(struct txn *t, void *userdata, struct error *err)
{
    struct item *item = userdata;

    return item->known.text[0]
               ? record_again(t, item, err)
               : seal_record(t, item->id.text, item->facts, item->received_usec, &item->leaf, err);
}

static int commit_batch(struct txn *t, void *userdata, struct error *err)
{
    struct batch *b = userdata;
    int r = 0;

    for (size_t i = 0; i < b->n && r == 0; i++)
        if (b->items[i]->outcome == OUTCOME_DONE)
            r = commit_item(t, b->items[i], err);
    return r;
}

/* All in one job; if one of them is refused, each by itself, so that one bad item does not hold up the others. */
static void step_commit(struct batch *b)
{
    struct error err = ERROR_INIT;
    int r = writer_run(b->in->writer, true, commit_batch, b, &err);

    for (size_t i = 0; i < b->n; i++) {
        struct item *item = b->items[i];
        if (item->outcome != OUTCOME_DONE)
            continue;
        if (r == 0) {
            item->committed = true;
        } else if (r == -ECANCELED) {
            item->outcome = OUTCOME_LATER; /* stopping: recovery finds the intent */
        } else {
            error_clear(&item->err);
            item->committed = writer_run(b->in->writer, true, commit_item, item, &item->err) == 0;
            if (!item->committed)
                item->outcome = OUTCOME_LEAVE;
        }
    }
}

static void say_sealed(struct item *item)
{
    _cleanup_free_ char *path = encode_percent(item->path, strlen(item->path));
    json_t *line = json_object();
    char bytes[24];

    snprintf(bytes, sizeof bytes, "%lld", (long long)item->st.st_size);
    if (item->known.text[0])
        log_event(EVENT_RECORDING_AGAIN, "RECORDING", item->known.text, "FILE", path, NULL);
    else
        log_event(EVENT_RECORDING_SEALED, "RECORDING", item->id.text, "FILE", path, "BYTES", bytes, NULL);
    if (line && json_set_string(line, "event", item->known.text[0] ? "again" : "sealed") == 0 &&
        json_set_string(line, "recording", item->known.text[0] ? item->known.text : item->id.text) == 0 &&
        json_set_string(line, "file", path) == 0 &&
        json_set_string(line, "folder", item->folder->name) == 0 &&
        json_set_integer(line, "bytes", item->st.st_size) == 0)
        feed_add(item->in->feed, TAKE_PTR(line));
    json_decref(line);
}

/* What comes after the commit is tried a few times, but never holds up the seals of others. */
static bool try_once_more(struct batch *b, int r, unsigned *tries)
{
    if (r >= 0 || !error_is_resource(r) || ++*tries >= TRIES_MAX || atomic_load(&b->in->stopping))
        return false;
    usleep(TRY_PAUSE_USEC);
    return true;
}

static void finish_source(struct batch *b, struct item *item)
{
    struct error err = ERROR_INIT;
    struct source_stat st;
    unsigned tries = 0;
    int r;

    source_stat_of(&item->st, &st);
    do
        r = source_finish(item->folder, item->path, &st, item->id.text, item->leased ? item->source_fd : -1,
                          &err);
    while (try_once_more(b, r, &tries));
    if (r < 0)
        log_event(EVENT_SOURCE_LEFT, "FILE", err.object, "REASON", err.text, NULL);
}

static void step_source(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct item *item = b->items[i];

        if (!item->committed)
            continue;
        if (item->folder->receipts)
            source_write_receipt(item);
        if (!item->is_move || item->known.text[0])
            finish_source(b, item);
        say_sealed(item);
        (void)inject_point("seal.source");
    }
}

/* The intent goes only when nothing of the batch is still open for recovery. */
static void step_done(struct batch *b)
{
    struct error err = ERROR_INIT;
    unsigned tries = 0;
    int r;

    for (size_t i = 0; i < b->n; i++)
        if (b->items[i]->stuck || (b->items[i]->stored && !b->items[i]->committed))
            return;
    do
        r = store_intent_remove(b->in->store, b->name, &err);
    while (try_once_more(b, r, &tries));
    if (r != 0)
        log_event(EVENT_SOURCE_LEFT, "FILE", b->name, "REASON", err.text, NULL);
    (void)inject_point("seal.done");
}

/* ---- the thread --------------------------------------------------------------------------------------------------------- */

void batch_end(struct batch *b)
{
    examiner_kick(b->in->examiner);
    for (size_t i = 0; i < b->n; i++)
        drop_done(b->in->drop, b->items[i]);
}

static struct batch *wait_for_batch(struct committer *c)
{
    struct batch *b;

    pthread_mutex_lock(&c->lock);
    while (!c->batch && !c->stopping)
        pthread_cond_wait(&c->changed, &c->lock);
    b = c->batch;
    pthread_mutex_unlock(&c->lock);
    return b;
}

static void *committer_thread(void *userdata)
{
    struct committer *c = userdata;
    struct batch *b;

    while ((b = wait_for_batch(c))) {
        step_commit(b);
        step_source(b);
        step_done(b);
        batch_end(b);
        pthread_mutex_lock(&c->lock);
        c->batch = NULL;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

void committer_give(struct committer *c, struct batch *b)
{
    committer_wait(c);
    pthread_mutex_lock(&c->lock);
    c->batch = b;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void committer_wait(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->batch)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

int committer_new(struct committer **ret)
{
    _cleanup_(committer_freep) struct committer *c = calloc(1, sizeof *c);
    int r;

    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    r = -pthread_create(&c->thread, NULL, committer_thread, c);
    if (r != 0)
        return r;
    c->started = true;
    *ret = TAKE_PTR(c);
    return 0;
}

struct committer *committer_free(struct committer *c)
{
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (c->started)
        pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}
