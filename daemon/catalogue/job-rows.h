/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rows of jobs and of derivatives. Neither is a function of the ledger: a job is work to do, a derivative can be made again. They are
 * written in the writer's transactions all the same, as it owns the one connection that writes.
 *
 * A job that runs is leased: whoever has its lease may write its row, nobody else. A lease that is not renewed in time is anybody's, so
 * that the job of a machine that died is taken by another one, or by itself at its next start.
 */
#ifndef LIUHEN_CATALOGUE_JOB_ROWS_H
#define LIUHEN_CATALOGUE_JOB_ROWS_H

#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"
#include "catalogue/recordings.h"

enum {
    JOBS_E_NONE = 1301, /* no such job */
    JOBS_E_LOST = 1302, /* the lease is not ours any more: cancelled, or taken by somebody else */
};

enum job_priority { JOB_WATCHED, JOB_EVIDENCE, JOB_USUAL, JOB_LATER }; /* lower is sooner */

/* A job to make the usual derivatives, unless one is there already; where that waits or runs its priority may rise. JOB_USUAL is
 * JOB_EVIDENCE for what is linked as evidence or held. In the caller's transaction. */
int jobs_want_derivatives(struct db *db, const struct recording_id *id, enum job_priority priority,
                          int64_t now_usec, struct error *err);

/* The same, and where a job is there that has ended (however), it is begun anew as if it had never run. */
int jobs_want_again(struct db *db, const struct recording_id *id, enum job_priority priority,
                    int64_t now_usec, struct error *err);

/* Recordings became evidence: their waiting jobs rise. One recording, or all that are linked to a case (the other NULL). */
int jobs_raise_evidence(struct db *db, const char *recording, const char *case_id, struct error *err);

/* A job for a copy, first in the queue. request: canonical JSON. */
int jobs_want_copy(struct db *db, const char *id, const struct recording_id *recording, const char *request,
                   int64_t now_usec, struct error *err);

/* A job that was taken, with what is known of its recording. */
struct job {
    char id[ULID_LENGTH + 1], lease[ULID_LENGTH + 1];
    struct recording_id recording;
    bool copy;
    enum job_priority priority;
    int64_t starts, tries, troubles;
    char kind[12], status[12]; /* of the recording */
    bool disposed;
    char *request; /* of a copy */
    char *media;   /* what examining found, JSON; NULL = nothing */
};
void job_done(struct job *j);

struct job_taking {
    const char *node, *lease;
    int64_t now_usec, until_usec; /* of the lease */
    enum job_priority least;      /* none later than this */
    bool copies_only;             /* only what somebody asked for by itself */
};

/* Takes the next job. *ret_taken says whether there was one; if not, *ret_due_usec says when there may be (INT64_MAX: nothing is known to
 * become due). Two who ask at once never get the same one. */
int jobs_take(struct db *db, const struct job_taking *taking, struct job *ret, bool *ret_taken,
              int64_t *ret_due_usec, struct error *err);

/* All leases of this node are given back: nothing of it can be running. A node is one process, never known as another one. */
int jobs_release_node(struct db *db, const char *node, int64_t now_usec, struct error *err);

/* Renews a lease and notes how far it is. Return: also JOBS_E_LOST. */
int jobs_renew(struct db *db, const char *id, const char *lease, int64_t until_usec, int permille,
               struct error *err);

/* Gives a job back unfinished, to be taken again from due_usec on. tries and troubles are as they shall be; message may be NULL.
 * Return: also JOBS_E_LOST. */
struct job_later {
    int64_t now_usec, due_usec, tries, troubles;
    bool not_begun; /* this start does not count */
    const char *message;
};
int jobs_put_off(struct db *db, const char *id, const char *lease, const struct job_later *later,
                 struct error *err);

/* Ends a job: done or failed. recipe NULL: as it was. Return: also JOBS_E_LOST. */
struct job_end {
    const char *state;
    const char *recipe, *message, *missing;
    int64_t now_usec;
};
int jobs_end(struct db *db, const char *id, const char *lease, const struct job_end *end, struct error *err);

/* A job that waits or runs is given up; *ret_recording its recording. Return: also JOBS_E_NONE (no such job, or it has ended). */
int jobs_cancel(struct db *db, const char *id, int64_t now_usec, struct error *err);

/* What there is of one job, by its id or, of derivatives, by its recording. */
struct job_state {
    char id[ULID_LENGTH + 1];
    struct recording_id recording;
    char state[12];
    enum job_priority priority;
    int permille; /* -1 = unknown */
    char *recipe, *message, *missing, *request;
};
void job_state_done(struct job_state *s);
int jobs_of_recording(struct db *db, const struct recording_id *id, struct job_state *ret,
                      struct error *err);                                               /* or JOBS_E_NONE */
int jobs_read(struct db *db, const char *id, struct job_state *ret, struct error *err); /* or JOBS_E_NONE */

/* A page of jobs as {id, recording, kind, state, priority, created, changed, due?, node?, progress_permille?, message?, form?, actor?, reason?}, the
 * newest first; state NULL = all; after: the id that the page before ended with; id: only this one. NULL does not narrow. */
int jobs_list(struct db *db, const char *state, const char *after, const char *id, size_t limit, json_t **ret,
              struct error *err);

/* {waiting, running, failed, more: true where there are more than this of one}; new object. */
#define JOBS_COUNTED_MOST 100000
int jobs_counts(struct db *db, json_t **ret, struct error *err);

/* Jobs that have ended well by another recipe than the one for their recording's kind now, after id `after`. kinds and recipes: n of
 * them. */
int jobs_of_other_recipe(struct db *db, const char *kind, const char *recipe, const char *after,
                         struct recording_id *ret, size_t max, size_t *ret_n, struct error *err);
/* Recordings that were examined and have no job, after id `after`. */
int jobs_missing(struct db *db, const char *after, struct recording_id *ret, size_t max, size_t *ret_n,
                 struct error *err);

/* ---- derivatives ------------------------------------------------------------------------------------------------------- */

struct derivative_row {
    char name[24], file[64], how[16];
    int64_t bytes, made_usec;
    char etag[65];
    int64_t width, height; /* 0 = none */
    char message[301];
};

int derivatives_add(struct db *db, const char *job, const struct recording_id *recording,
                    const struct derivative_row *row, struct error *err);
int derivatives_drop(struct db *db, const char *job, struct error *err); /* all of a job */
/* Return: 0 with *ret_n of at most max, in order of names. */
int derivatives_of_job(struct db *db, const char *job, struct derivative_row *ret, size_t max, size_t *ret_n,
                       struct error *err);

/* Jobs that have derivatives, in order of their ids, after id `after`: for the sweep. */
struct job_mark {
    char id[ULID_LENGTH + 1];
    struct recording_id recording;
    bool copy, disposed, ended;
    int64_t changed_usec;
};
int derivatives_jobs(struct db *db, const char *after, struct job_mark *ret, size_t max, size_t *ret_n,
                     struct error *err);
/* The job's row and its derivatives' go (a copy that is kept no longer; a recording that was disposed of). */
int jobs_forget(struct db *db, const char *id, struct error *err);
/* Copies that ended before then, or all of recordings that were disposed of. */
int jobs_old_copies(struct db *db, int64_t before_usec, struct job_mark *ret, size_t max, size_t *ret_n,
                    struct error *err);

#endif
