/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sealer (steps 3 to 11 of the seal; see ARCHITECTURE.md): one thread that takes whatever is staged, as a batch, through
 * intent, sync, move, store, sync, commit, publish, source and clean-up. Being one thread, it also is where the same bytes arriving
 * twice at once are noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "catalogue/recordings.h"
#include "catalogue/schema.h"
#include "intake/intake-internal.h"

#define INTENT_BYTES_MAX (900u << 10)
#define BATCH_MAX        512
#define TRIES_MAX        3
#define TRY_PAUSE_USEC   100000

struct sealer {
    struct intake *in;
    struct db *db; /* for look-ups by digest; the sealer thread's own */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct item *head, **tail;
    bool stopping;
    bool
        cut_off; /* stopped between store and commit: recovery comes first, nothing may be sealed before it */
};

struct batch {
    struct sealer *s;
    struct intake *in;
    struct item *items[BATCH_MAX];
    size_t n;
    char name[ULID_LENGTH + 1];
};

void sealer_add(struct sealer *s, struct item *item)
{
    pthread_mutex_lock(&s->lock);
    item->next = NULL;
    *s->tail = item;
    s->tail = &item->next;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

const char *actor_of_door(const char *door, char buf[DOOR_ACTOR_SIZE])
{
    snprintf(buf, DOOR_ACTOR_SIZE, "door:%s", strncmp(door, "drop:", 5) == 0 ? door + 5 : door);
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
    char actor[DOOR_ACTOR_SIZE];

    return txn_act(t, "recording.sealed", actor_of_door(door_of(facts), actor), id, received_usec,
                   json_incref(facts), ret_leaf, err);
}

static int record_again(struct txn *t, struct item *item, struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    char actor[DOOR_ACTOR_SIZE];

    if (!facts || json_set_take(facts, "arrival", json_incref(json_get_object(item->facts, "arrival"))) < 0)
        return -ENOMEM;
    return txn_act(t, "recording.arrived-again", actor_of_door(door_of(item->facts), actor), item->known.text,
                   0, TAKE_PTR(facts), &item->leaf, err);
}

/* ---- known bytes -------------------------------------------------------------------------------------------------------- */

static int stop_reading(void *userdata, uint64_t bytes)
{
    const struct intake *in = userdata;

    return atomic_load(&in->stopping) ? -ECANCELED : 0;
}

/* The stored copy is read again before a second source may go: that source could be the last good copy.
 * Return: 0 it is whole, -EUCLEAN it is not, -ECANCELED stopping, a resource that is short. */
static int check_stored_copy(const struct item *item)
{
    struct intake *in = item->in;
    _cleanup_close_ int fd = -1;
    struct digest_pair digests;
    struct error ignored;
    uint64_t bytes;
    int r;

    if (item->folder->after == FOLDER_AFTER_KEEP)
        return 0; /* nothing goes */
    r = store_open_content(in->store, &item->known, NULL, &fd, &ignored);
    r = r != 0 ? r : digest_of_fd(fd, false, stop_reading, in, &digests, &bytes);
    if (r == -ECANCELED || (r < 0 && error_is_resource(r) && r != -EIO))
        return r;
    return r == 0 && digest_equal(&digests.sha256, &item->digests.sha256) ? 0 : -EUCLEAN;
}

static int find_known(struct batch *b, struct item *item)
{
    int r;

    for (size_t i = 0; i < b->n && b->items[i] != item; i++) {
        struct item *other = b->items[i];
        if (other->outcome == OUTCOME_DONE && !other->known.text[0] &&
            digest_equal(&other->digests.sha256, &item->digests.sha256)) {
            item->known = other->id;
            return 0;
        }
    }
    r = recordings_by_digest(b->s->db, &item->digests.sha256, &item->known, &item->err);
    if (r == RECORDINGS_E_NONE) {
        item->known.text[0] = 0;
        return 0;
    }
    if (r != 0)
        return r > 0 ? -EBUSY : r;
    r = check_stored_copy(item);
    if (r == -EUCLEAN)
        error_set(&item->err, r, item_shown(item),
                  "has the same bytes as recording %s, but that one's object is missing or damaged in the "
                  "store; run "
                  "`liuhen fsck --deep`. The source stays where it is",
                  item->known.text);
    return r;
}

/* ---- failures ----------------------------------------------------------------------------------------------------------- */

/* Back with what was staged. What cannot go back now stays for recovery, which needs the intent then. */
static void undo_item(struct item *item)
{
    struct error err = ERROR_INIT;

    if (store_stage_abort(item->staged, item->source_dirfd, item->source_name, &err) != 0)
        item->stuck = true;
    else if (err.text[0])
        log_event(EVENT_FILE_QUARANTINED, "FILE", err.object, "REASON", err.text, NULL);
}

static void fail_item(struct item *item, int r)
{

    item->outcome = r == STORE_E_CHANGED || r == -ECANCELED ? OUTCOME_LATER
                    : r < 0 && error_is_resource(r)         ? OUTCOME_RESOURCE
                                                            : OUTCOME_LEAVE;
    if (!item->err.text[0])
        error_errno(&item->err, r < 0 ? r : -EIO, item_shown(item), "could not be sealed");
    if (item->staged && !item->stored)
        undo_item(item);
    item->staged = store_staged_free(item->staged);
}

static void fail_rest(struct batch *b, int r, const struct error *err)
{
    for (size_t i = 0; i < b->n; i++) {
        struct item *item = b->items[i];
        if (item->outcome != OUTCOME_DONE || item->stored)
            continue;
        item->err = *err;
        fail_item(item, r);
    }
}

/* An item that was to be another arrival of one in this batch, which then could not be stored: its own bytes are all there is. */
static void look_again_at_orphans(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct item *item = b->items[i];
        if (item->outcome != OUTCOME_DONE || !item->known.text[0])
            continue;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(b->items[j]->id.text, item->known.text) && !b->items[j]->stored)
                fail_item(item, -ECANCELED);
    }
}

/* Items that still go on; those to be stored only, or known ones as well. */
static size_t alive(struct batch *b, bool to_store_only)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->items[i]->outcome == OUTCOME_DONE && !(to_store_only && b->items[i]->known.text[0]);
    return n;
}

static size_t staged_list(struct batch *b, struct store_staged *list[BATCH_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        if (b->items[i]->outcome == OUTCOME_DONE && b->items[i]->staged)
            list[n++] = b->items[i]->staged;
    return n;
}

/* ---- steps -------------------------------------------------------------------------------------------------------------- */

static void step_known(struct batch *b)
{
    struct error ignored;

    for (size_t i = 0; i < b->n; i++) {
        struct item *item = b->items[i];
        int r = find_known(b, item);
        if (r < 0) {
            fail_item(item, r);
        } else if (item->known.text[0]) {
            (void)store_stage_abort(item->staged, item->source_dirfd, item->source_name, &ignored);
            item->staged = store_staged_free(item->staged);
        }
    }
}

static int intent_item(const struct item *item, json_t *list)
{
    _cleanup_json_ json_t *o = json_object();
    _cleanup_free_ char *path = encode_percent(item->path, strlen(item->path));
    struct source_stat st;
    int r = o && path ? 0 : -ENOMEM;

    source_stat_of(&item->st, &st);
    r = r < 0 ? r : json_set_string(o, "id", item->id.text);
    r = r < 0 ? r
              : json_set_string(o, "arrival", json_get_string(json_get_object(item->facts, "arrival"), "id"));
    r = r < 0 ? r : json_set_string(o, "known", item->known.text[0] ? item->known.text : NULL);
    r = r < 0 ? r : json_set_bool(o, "move", item->is_move && !item->known.text[0]);
    r = r < 0 ? r : json_set_string(o, "upload", item->upload);
    r = r < 0 ? r : json_set_string(o, "folder", item->folder->path);
    r = r < 0 ? r : json_set_string(o, "after", folder_after_name(item->folder->after));
    r = r < 0 ? r : json_set_string(o, "path", path);
    r = r < 0 ? r : json_set_integer(o, "dev", (int64_t)st.dev);
    r = r < 0 ? r : json_set_integer(o, "ino", (int64_t)st.ino);
    r = r < 0 ? r : json_set_integer(o, "bytes", st.bytes);
    r = r < 0 ? r : json_set_integer(o, "mtime_nsec", st.mtime_nsec);
    if (r < 0)
        return r;
    return json_array_append(list, o) < 0 ? -ENOMEM : 0;
}

static int step_intent(struct batch *b, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    _cleanup_free_ char *text = NULL;
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; i < b->n && r == 0; i++)
        if (b->items[i]->outcome == OUTCOME_DONE)
            r = intent_item(b->items[i], list);
    r = r < 0 ? r : json_canonical(list, &text);
    ulid_make(clock_now_usec(), b->name);
    r = r < 0 ? r : store_intent_write(b->in->store, b->name, text, alive(b, true) == 0, err);
    return r != 0 ? r : inject_point("seal.intent");
}

static int step_sync(struct batch *b, struct error *err)
{
    struct store_staged *list[BATCH_MAX];
    size_t n = staged_list(b, list);
    int r = n ? store_stage_sync(b->in->store, list, n, b->name, err) : 0;

    return r != 0 ? r : inject_point("seal.synced");
}

/* A commit may fail after its rename: from there on it can only be carried on with. */
static bool is_placed(const struct item *item)
{
    struct error ignored;
    bool there = false;

    return store_has(item->in->store, &item->id, &there, &ignored) != 0 || there;
}

static void step_move_and_store(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct item *item = b->items[i];
        int r = 0;

        if (item->outcome != OUTCOME_DONE || !item->staged)
            continue;
        if (item->is_move) {
            r = take_lease_holds(item) ? store_stage_adopt(item->staged, item->source_dirfd,
                                                           item->source_name, &item->st, &item->err)
                                       : -ECANCELED;
            /* whoever found the file under its old name waits for the lease: then it goes back to them */
            if (r == 0 && !take_lease_holds(item))
                r = -ECANCELED;
            r = r != 0 ? r : inject_point("seal.moved");
        }
        r = r != 0 ? r : store_stage_commit(item->staged, &item->err);
        if (r != 0 && !is_placed(item)) {
            fail_item(item, r);
            continue;
        }
        item->half_stored = r != 0;
        item->stored = true;
        (void)inject_point("seal.stored");
    }
    look_again_at_orphans(b);
}

static int step_stored_sync(struct batch *b, struct error *err)
{
    struct store_staged *list[BATCH_MAX];
    size_t n = staged_list(b, list);
    int r = 0;

    for (size_t i = 0; i < b->n && r == 0; i++) {
        if (!b->items[i]->half_stored)
            continue;
        r = store_stage_commit(b->items[i]->staged, err);
        b->items[i]->half_stored = r != 0;
    }
    if (r == 0 && n)
        r = store_commit_sync(b->in->store, list, n, err);

    return r != 0 ? r : inject_point("seal.stored-synced");
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
    _cleanup_free_ char *path = encode_percent(item_shown(item), strlen(item_shown(item)));
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

/* A pause never goes without its reason. */
static void say_why(int r, struct error *err)
{
    if (!err->text[0])
        error_errno(err, r < 0 ? r : -EIO, "archive", "cannot seal at the moment");
}

static void seal_batch(struct batch *b)
{
    struct error err = ERROR_INIT;
    int r;

    if (b->s->cut_off) {
        fail_rest(b, -ECANCELED, &err);
        return;
    }
    step_known(b);
    if (alive(b, false) == 0)
        return;
    r = step_intent(b, &err);
    r = r != 0 ? r : step_sync(b, &err);
    if (r != 0) {
        say_why(r, &err);
        fail_rest(b, r, &err);
        (void)store_intent_remove(b->in->store, b->name, &err);
        return;
    }
    step_move_and_store(b);
    while ((r = step_stored_sync(b, &err)) !=
           0) { /* the renames are done: they can only be carried on with */
        say_why(r, &err);
        intake_pause(b->in, &err);
        if (atomic_load(&b->in->stopping)) {
            b->s->cut_off = true;
            return;
        }
        error_clear(&err);
        usleep(500000);
    }
    step_commit(b);
    step_source(b);
    step_done(b);
}

/* ---- the thread --------------------------------------------------------------------------------------------------------- */

/* About how much the item takes in the intent, which must stay far below what recovery reads (JSON of 1 MiB). */
static size_t intent_bytes(const struct item *item)
{
    return 400 + 3 * strlen(item->path) + strlen(item->folder->path);
}

static bool next_batch(struct sealer *s, struct batch *b)
{
    size_t max = (size_t)MIN(atomic_load(&s->in->settings)->intake.batch, BATCH_MAX), bytes = 0;

    *b = (struct batch){.s = s, .in = s->in};
    pthread_mutex_lock(&s->lock);
    while (!s->head && !s->stopping)
        pthread_cond_wait(&s->more, &s->lock);
    while (s->head && b->n < max && (b->n == 0 || bytes + intent_bytes(s->head) < INTENT_BYTES_MAX)) {
        bytes += intent_bytes(s->head);
        b->items[b->n++] = s->head;
        s->head = s->head->next;
    }
    if (!s->head)
        s->tail = &s->head;
    pthread_mutex_unlock(&s->lock);
    return b->n > 0;
}

static void *sealer_thread(void *userdata)
{
    struct sealer *s = userdata;
    struct batch b;

    while (next_batch(s, &b)) {
        seal_batch(&b);
        examiner_kick(s->in->examiner);
        for (size_t i = 0; i < b.n; i++)
            b.items[i]->on_done(b.items[i]);
    }
    return NULL;
}

int sealer_new(struct intake *in, struct sealer **ret, struct error *err)
{
    struct sealer *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return -ENOMEM;
    s->in = in;
    s->tail = &s->head;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    r = catalogue_open(in->dsn, DB_READ, &s->db, err);
    if (r == 0)
        r = -pthread_create(&s->thread, NULL, sealer_thread, s);
    if (r != 0) {
        sealer_free(s);
        return r > 0 ? -EBUSY : r;
    }
    s->started = true;
    *ret = s;
    return 0;
}

struct sealer *sealer_free(struct sealer *s)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    db_close(s->db);
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return NULL;
}
