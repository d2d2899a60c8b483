/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Examining: one thread takes recordings that nobody has looked into yet (status "new" in the catalogue, so a restart goes on by
 * itself), has liuhen-media probe each, and records examined, placed and decided in one transaction. It gives way while intake has
 * work in hand.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cases/decide.h"
#include "catalogue/job-rows.h"
#include "catalogue/recordings.h"
#include "catalogue/schema.h"
#include "intake/intake-internal.h"
#include "media/probe.h"

#define AT_ONCE           64
#define FAILURES_IN_A_ROW 3
#define GIVE_WAY_USEC     (2 * USEC_PER_SEC)
#define TROUBLE_USEC      (5 * USEC_PER_SEC)

struct examiner {
    struct intake *in;
    struct db *db;
    int stop_fd; /* readable when stopping: the worker in hand is ended */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool kicked, stopping;
};

void examiner_kick(struct examiner *x)
{
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->kicked = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
}

/* Waits for a kick, or at most timeout_usec when it is not 0. Return: false when stopping. */
static bool wait_for_work(struct examiner *x, int64_t timeout_usec)
{
    struct timespec until;
    bool go_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_usec / USEC_PER_SEC;
    pthread_mutex_lock(&x->lock);
    while (!x->kicked && !x->stopping) {
        if (timeout_usec == 0)
            pthread_cond_wait(&x->wake, &x->lock);
        else if (pthread_cond_timedwait(&x->wake, &x->lock, &until) == ETIMEDOUT)
            break;
    }
    x->kicked = false;
    go_on = !x->stopping;
    pthread_mutex_unlock(&x->lock);
    return go_on;
}

/* While files are being sealed the processors belong to them; but not for ever. */
static void give_way(struct examiner *x)
{
    int64_t until = clock_monotonic_usec() + GIVE_WAY_USEC;

    while (atomic_load(&x->in->in_hand) > 4 && clock_monotonic_usec() < until &&
           !atomic_load(&x->in->stopping))
        usleep(20000);
}

struct finding {
    struct intake *in;
    struct recording_id id;
    struct probe_result probe;
};

static int record_examined(struct txn *t, const struct finding *f, struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    int r = facts ? 0 : -ENOMEM;

    r = r < 0 ? r : json_set_string(facts, "status", probe_status_name(f->probe.status));
    r = r < 0 ? r : json_set_string(facts, "kind", f->probe.kind);
    r = r < 0 ? r : json_set_string(facts, "message", f->probe.message[0] ? f->probe.message : NULL);
    r = r < 0 ? r : json_set_take(facts, "media", json_incref(f->probe.media));
    return r < 0 ? r : txn_act(t, "recording.examined", "system", f->id.text, 0, TAKE_PTR(facts), NULL, err);
}

/* Whether something can be made of it that people can look at. */
static bool is_to_be_shown(const struct finding *f)
{
    return atomic_load(&f->in->settings)->media.derive.enabled && strcmp(f->probe.kind, "data") != 0;
}

static int record_finding(struct txn *t, void *userdata, struct error *err)
{
    struct finding *f = userdata;
    int r = record_examined(t, f, err);

    r = r != 0 ? r : place_recording(t, atomic_load(&f->in->placer), &f->id, err);
    r = r != 0 ? r : decide_recording(t, policy_keeper_current(f->in->policy), &f->id, NULL, err);
    if (r == 0 && is_to_be_shown(f))
        r = jobs_want_derivatives(txn_db(t), &f->id, JOB_USUAL, clock_now_usec(), err);
    return r;
}

int intake_place_again(struct intake *in, struct txn *t, const struct recording_id *id, struct error *err)
{
    bool examined;
    int r = recordings_is_examined(txn_db(t), id, &examined, err);

    if (r != 0 || !examined)
        return r;
    r = place_recording_again(t, atomic_load(&in->placer), id, err);
    return r != 0 ? r : decide_recording(t, policy_keeper_current(in->policy), id, NULL, err);
}

const struct policy *intake_policy(struct intake *in)
{
    return policy_keeper_current(in->policy);
}

static void say(const struct finding *f)
{
    json_t *line = json_object();

    log_event(EVENT_RECORDING_EXAMINED, "RECORDING", f->id.text, "STATUS", probe_status_name(f->probe.status),
              NULL);
    if (f->probe.status == PROBE_DAMAGED)
        log_event(EVENT_RECORDING_DAMAGED, "RECORDING", f->id.text, "REASON", f->probe.message, NULL);
    if (line && json_set_string(line, "event", "examined") == 0 &&
        json_set_string(line, "recording", f->id.text) == 0 &&
        json_set_string(line, "kind", f->probe.kind) == 0 &&
        json_set_string(line, "status", probe_status_name(f->probe.status)) == 0)
        feed_add(f->in->feed, TAKE_PTR(line));
    json_decref(line);
}

/* What stands in for a finding when the content cannot even be opened: the store is damaged, which fsck and scrub report. */
static void cannot_open(struct finding *f, const struct error *err)
{
    f->probe.status = PROBE_DAMAGED;
    snprintf(f->probe.kind, sizeof f->probe.kind, "data");
    snprintf(f->probe.message, sizeof f->probe.message, "the stored content could not be opened: %.200s",
             err->text);
    f->probe.media = json_object();
}

static int examine(struct examiner *x, const struct recording_id *id, struct error *err)
{
    const struct settings *s = atomic_load(&x->in->settings);
    struct finding f = {.in = x->in, .id = *id};
    _cleanup_close_ int fd = -1;
    int r;

    r = store_open_content(x->in->store, id, NULL, &fd, err);
    if (r < 0 && error_is_resource(r))
        return r;
    if (r != 0) {
        cannot_open(&f, err);
    } else {
        struct probe_options options = {.worker = s->media.worker,
                                        .deadline_usec = s->media.deadline_usec,
                                        .memory_bytes = s->media.memory_bytes,
                                        .nice = (int)s->media.nice,
                                        .stop_fd = x->stop_fd};
        r = probe_file(fd, &options, &f.probe, err);
        if (r < 0)
            return r;
    }
    r = writer_run(x->in->writer, true, record_finding, &f, err);
    if (r == 0)
        say(&f);
    if (r == 0 && is_to_be_shown(&f))
        intake_call_examined(x->in);
    probe_result_done(&f.probe);
    return r;
}

/* All that is waiting. One recording that cannot be examined does not hold up the others, but several in a row mean that the fault is
 * not theirs (no worker, no memory). Return: whether it should be tried again after a pause. */
static bool examine_all(struct examiner *x)
{
    char after[ULID_LENGTH + 1] = "";
    unsigned in_a_row = 0;
    bool trouble = false;
    size_t n = AT_ONCE;

    while (n == AT_ONCE && in_a_row < FAILURES_IN_A_ROW && !atomic_load(&x->in->stopping)) {
        struct recording_id ids[AT_ONCE];
        struct error err = ERROR_INIT;

        if (recordings_to_examine(x->db, after, ids, AT_ONCE, &n, &err) != 0)
            return true;
        for (size_t i = 0; i < n && in_a_row < FAILURES_IN_A_ROW && !atomic_load(&x->in->stopping); i++) {
            int r;
            give_way(x);
            error_clear(&err);
            r = examine(x, &ids[i], &err);
            memcpy(after, ids[i].text, sizeof after);
            in_a_row = r == 0 || r == -ECANCELED ? 0 : in_a_row + 1;
            if (in_a_row == 0)
                continue;
            trouble = true;
            log_event(EVENT_EXAMINE_FAILED, "RECORDING", ids[i].text, "REASON",
                      err.text[0] ? err.text : strerror(abs(r)), NULL);
        }
    }
    return trouble;
}

static void *examiner_thread(void *userdata)
{
    struct examiner *x = userdata;
    int64_t pause = 0;

    do {
        pause = examine_all(x) ? MIN(pause ? 2 * pause : TROUBLE_USEC, 10 * USEC_PER_MIN) : 0;
    } while (wait_for_work(x, pause));
    return NULL;
}

int examiner_new(struct intake *in, struct examiner **ret, struct error *err)
{
    struct examiner *x = calloc(1, sizeof *x);
    pthread_condattr_t attr;
    int r;

    if (!x)
        return -ENOMEM;
    x->in = in;
    x->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (x->stop_fd < 0) {
        r = -errno;
        free(x);
        return r;
    }
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&x->wake, &attr);
    pthread_condattr_destroy(&attr);
    r = catalogue_open(in->dsn, DB_READ, &x->db, err);
    if (r == 0)
        r = -pthread_create(&x->thread, NULL, examiner_thread, x);
    if (r != 0) {
        examiner_free(x);
        return r > 0 ? -EBUSY : r;
    }
    x->started = true;
    *ret = x;
    return 0;
}

struct examiner *examiner_free(struct examiner *x)
{
    if (!x)
        return NULL;
    pthread_mutex_lock(&x->lock);
    x->stopping = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
    (void)eventfd_write(x->stop_fd, 1);
    if (x->started)
        pthread_join(x->thread, NULL);
    fd_closep(&x->stop_fd);
    db_close(x->db);
    pthread_cond_destroy(&x->wake);
    pthread_mutex_destroy(&x->lock);
    free(x);
    return NULL;
}
