/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of derive share. A slot is a thread that works on one job at a time; one slot more than the settings ask for takes
 * nothing but what somebody is waiting for, so that such a job never waits for another one to end.
 *
 *   cache/making/<lease>/<name>                 what is being made; wiped at the start
 *   cache/derivatives/<xx>/<recording>/<file>   what is whole; <xx> are the last two letters of the id, <file> is <stamp>-<name>, so
 *                                               that new ones never touch those that are still served
 *   cache/copies/<job>/<file>                   copies
 *   cache/node                                  what the leases of the process that runs, or ran last, are known by
 */
#ifndef LIUHEN_DERIVE_INTERNAL_H
#define LIUHEN_DERIVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalogue/readers.h"
#include "derive/derive.h"
#include "media/hardware.h"
#include "media/run.h"

#define DERIVE_SLOTS_MAX  16
#define DERIVE_NAMES_MAX  16
#define DERIVE_MAKING     "making"
#define DERIVE_PATH_SIZE  160
#define DERIVE_RECIPE_MAX 100
#define DERIVE_NODE_SIZE  (64 + 1 + ULID_LENGTH + 1)

struct slot {
    struct derive *d;
    unsigned index; /* DERIVE_SLOTS_MAX: for what is watched */
    pthread_t thread;
    bool started;
    uint64_t seen; /* kicks, when it looked last */
    int stop_fd;   /* readable: the program in hand is ended */

    /* under derive.lock */
    bool busy, given_up; /* given_up: cancelled, or the lease was lost */
    char job[ULID_LENGTH + 1], lease[ULID_LENGTH + 1];
    bool watched; /* somebody waits for it */
    int permille;
};

struct derive {
    struct store *store;
    struct writer *writer;
    struct intake *intake;
    struct feed *feed;
    struct readers *readers;
    char node[DERIVE_NODE_SIZE]; /* what the leases of this process are known by */
    int cache_fd;
    _Atomic(const struct settings *) settings;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t kicks;
    bool stopping;
    bool sweep_wanted;
    struct hardware hardware;   /* tried when it started; given up for good when it fails on and on */
    unsigned hardware_failures; /* in a row, of what software then did well */
    char trouble[300];          /* why the last job was put off; "" = none was */
    int64_t
        hold_usec; /* how long after the last fault of ours nothing more is begun; 0 = there was none since a job went well */
    int64_t held_until_usec; /* monotonic */
    struct slot slots[DERIVE_SLOTS_MAX + 1];

    pthread_t keeper;
    bool keeper_started;
};

bool derive_is_stopping(struct derive *d);

/* derive-plan.c: what is to be made. Pure. */

/* Names that a plan asks for, in its order. */
struct derive_names {
    size_t n;
    const char *items[DERIVE_NAMES_MAX];
};

/* What is made of a recording of this kind under these settings: program, verb, plan. *ret_plan is NULL when nothing is.
 * Return: 0 or -ENOMEM. */
struct derive_plan {
    enum media_program program;
    const char *verb;
    json_t *json; /* NULL: nothing is made */
    struct derive_names names;
};
int derive_plan_make(const struct settings *s, const char *kind, bool stills, struct derive_plan *ret);
/* What of a video can be seen before the rest is made: a proxy, if it is no more than a copy, and the poster. ret->json NULL: nothing. */
int derive_plan_early(const struct settings *s, struct derive_plan *ret);
void derive_plan_done(struct derive_plan *p);
/* The recipe by which recordings of this kind are made now: equal texts make equal derivatives. */
void derive_recipe(const struct settings *s, const char *kind, char out[DERIVE_RECIPE_MAX]);
/* Media type of a derivative; "" when there is none of this name. has_picture: of MP4. */
const char *derive_type(const char *name, bool has_picture);
/* How long it may take for footage of so many µs. */
int64_t derive_deadline(const struct settings *s, int64_t duration_usec);

/* derive-when.c: whether it is the time. Pure but for the load. */

/* Whether minute of the day lies in "20:00-06:00"; "" = always. */
bool derive_hour_is_right(const char *hours, int minute);
#define DERIVE_PAUSE_SIZE 120
/* Why nothing but what is watched is to be made now; "" = it is. *ret_usec: when to look again (INT64_MAX: never by itself). */
void derive_pause_reason(const struct settings *s, int64_t now_usec, char *out, size_t size,
                         int64_t *ret_usec);

/* derive-cache.c: files. All return 0 or a negative errno. */
void derive_folder(const struct job_mark *job, char out[DERIVE_PATH_SIZE]);
int derive_cache_begin(struct derive *d, const char *lease, int *ret_fd);
void derive_cache_drop(struct derive *d, const char *lease);
/* Removes what rows do not name from a job's folder. */
int derive_cache_clean(struct derive *d, const struct job_mark *job, const struct derivative_row *rows,
                       size_t n);
int derive_cache_open(struct derive *d, const struct job_mark *job, const struct derivative_row *row,
                      int *ret_fd);
int derive_cache_wipe_making(struct derive *d);

/* derive-node.c: names this process, and gives back what the last one here had in hand. machine NULL: by the machine's own name. */
int derive_node_begin(struct derive *d, const char *machine, struct error *err);

/* derive-run.c: works on one job that was taken; ends it or puts it off. */
void derive_work(struct slot *slot, struct job *job);

/* derive-ask.c: what a row says, for whoever asked. */
void derive_fill(const struct derivative_row *row, struct derivative *ret);

/* derive-sweep.c: the keeper. */
int derive_keeper_start(struct derive *d);
void derive_keeper_stop(struct derive *d);

/* derive.c */
void derive_say(struct derive *d, const char *event, const struct job *job, const char *message);
void derive_set_trouble(struct derive *d, const char *reason);
/* A fault of ours mostly strikes every job: nothing but what is watched is begun for a while, longer each time, until one goes well. Else
 * each of a million jobs would be taken, put off and logged, over and over. */
void derive_hold(struct derive *d);
void derive_go_on(struct derive *d);
bool slot_is_stopped(struct slot *slot); /* its job was given up, or the daemon stops */
bool slot_is_watched(struct slot *slot);
void slot_lost(struct slot *slot, const char *lease); /* this lease is not ours any more */

#endif
