/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one writer: a thread that owns the catalogue's write connection and the ledger. Jobs queue up; each round takes what is
 * waiting, runs it in one transaction (each job in a savepoint of its own), commits, publishes the new leaves, and only then tells
 * the jobs. So whoever hears "done" may give a receipt. Many jobs share one commit and one set of fsyncs.
 *
 * When the catalogue or the disk does not take writes, patient jobs wait and are tried again with a pause; others fail with
 * -EAGAIN. A job's function may therefore run more than once: it must build its acts anew from what it reads.
 */
#ifndef LIUHEN_CATALOGUE_WRITER_H
#define LIUHEN_CATALOGUE_WRITER_H

#include "base/json.h"
#include "catalogue/act.h"
#include "catalogue/db.h"
#include "ledger/ledger.h"

struct writer;
struct txn; /* one job's view of the running transaction */

/* Runs in the writer's thread. Return: 0 to keep what it did; anything else rolls this job back and is handed to on_done. */
typedef int (*writer_fn)(struct txn *t, void *userdata, struct error *err);
/* Runs in the writer's thread after publishing (result 0), or after the job failed. Must not block for long. */
typedef void (*writer_done_fn)(void *userdata, int result, const struct error *err);

/* Opens and migrates the catalogue, publishes leaves that the ledger's files lack, starts the thread. The ledger is borrowed.
 * Return: 0, -ESTALE (the ledger knows more than the catalogue, or something else: it must be rebuilt, or is another archive's),
 * -EBADMSG (neither has some of the leaves), else as catalogue_open and ledger_publish. */
int writer_new(const char *dsn, struct ledger *ledger, const char *node, struct writer **ret,
               struct error *err);

/* Finishes the round in hand, fails what still waits and all that comes later with -ECANCELED. Does not wait for it. */
void writer_stop(struct writer *w);

/* Stops it, waits for the thread. */
struct writer *writer_free(struct writer *w);
DEFINE_CLEANUP(struct writer *, writer_free)

/* The daemon is stopping: what can be written still is, but nothing waits any more. At the first trouble all jobs, patient ones too,
 * fail with -ECANCELED. To be called before those are waited for who wait for jobs. */
void writer_hurry(struct writer *w);

/* Whether it is in a hurry or stopping: long work that is done in many jobs ends itself then, with -ECANCELED. */
bool writer_is_stopping(struct writer *w);

/* Queues a job. Return: 0 or -ENOMEM, -ECANCELED (stopping); then on_done is not called. */
int writer_submit(struct writer *w, bool patient, writer_fn run, writer_done_fn on_done, void *userdata);

/* Queues a job and waits for it. Not from the writer's own thread. */
int writer_run(struct writer *w, bool patient, writer_fn run, void *userdata, struct error *err);

/* Why nothing is being written at the moment; "" when all is well. Copied to buf. */
void writer_trouble(struct writer *w, char *buf, size_t size);

/* Waits until nothing is queued or running. */
void writer_drain(struct writer *w);

struct db *txn_db(struct txn *t);

/* Records an act: leaf and rows. Takes facts (NULL = out of memory). time_usec 0 = now; actor "system", "user:li", "door:dock".
 * *ret_index may be NULL. Return: 0, ACT_E_REFUSED, DB_E_*, negative errno. */
int txn_act(struct txn *t, const char *kind, const char *actor, const char *subject, int64_t time_usec,
            json_t *facts, uint64_t *ret_index, struct error *err);

#endif
