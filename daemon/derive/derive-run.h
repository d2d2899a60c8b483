/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One job while it is worked on: what derive-run.c and derive-copy.c share.
 */
#ifndef LIUHEN_DERIVE_RUN_H
#define LIUHEN_DERIVE_RUN_H

#include "derive/derive-internal.h"

#define DERIVE_LEASE_USEC (60 * USEC_PER_SEC)
#define DERIVE_ROOM_LEAST (UINT64_C(64) << 20) /* nothing is begun with less than this beyond what is kept */

struct making {
    struct slot *slot;
    const struct job *job;
    json_t *media; /* what examining found; NULL = nothing */
    int input;
    struct derive_plan plan;
    char recipe[DERIVE_RECIPE_MAX]; /* by which it is made: the settings may change meanwhile */
    int extra_fd;                   /* given to the program behind the files to be made; -1 = none */
    json_t *asked;                  /* of a copy: what was asked for */
    struct recording_id trail;      /* of the camera's system, that trail.gpx was made from; "" = none */
    int folder_fd;                  /* cache/making/<lease> */
    int files[DERIVE_NAMES_MAX];
    size_t n_files;
    int64_t renewed_usec; /* monotonic */
    int64_t looked_usec;  /* for room; monotonic */
    bool no_room;         /* the program was ended, as the disk is needed for what arrives */
    struct media_result result;
    struct derivative_row rows[DERIVE_NAMES_MAX];
    size_t n_rows, n_early; /* the first ones are those of derive-early.c */
    bool early;             /* what is made now is to be seen before the rest */
};

struct job_mark job_mark_of(const struct job *job);

/* Runs the program on the plan, files made for its names. Return: as media_run. */
int making_run(struct making *m, struct error *err);
/* Syncs, digests and renames what was made into the recording's folder, a row each. Return: 0, a fault of ours, -ECANCELED. */
int making_keep(struct making *m, struct error *err);
void making_drop_kept(struct making *m); /* rows were not written: nothing names their files */
void making_drop(struct making *m);      /* what the last run made, kept or not */

/* derive-early.c: what can be seen before the rest is made. m->plan is empty before and after. Return: 0, also when there is nothing; else as
 * making_run and writer_run. */
int derive_early(struct making *m, struct error *err);
int derive_early_rest(struct making *m); /* takes what is there out of the plan for all: 0 or -ENOMEM */
bool derive_early_was_wrong(const struct making *m);
void derive_early_forget(struct making *m); /* everything is made again */

#define DERIVE_TRAIL_NAME "trail.gpx"
#define DERIVE_TRAIL_HOW  "bodyworn" /* as catalogue rows say it; bodyworn-trail.c reads it */

/* derive-trail.c: trail.gpx out of the trail that a body-worn system sent, where the footage has none. Return: 0 (also when there is none, or it
 * cannot be understood: the answer says so then), else a fault of ours. */
int derive_trail_add(struct making *m, struct error *err);
/* In the transaction of the job's end: wanted again if another trail came meanwhile. */
int derive_trail_check(struct txn *t, struct making *m, struct error *err);

/* derive-copy.c: makes the copy that the job asks for. Return: as making_run. */
int derive_copy_run(struct making *m, struct error *err);
/* Whether what came of it is what was asked for. */
bool derive_copy_is_good(const struct making *m);
/* Its act, in the transaction of its end. */
int derive_copy_record(struct txn *t, struct making *m, struct error *err);

#endif
