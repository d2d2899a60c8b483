/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Intake: everything between a file in a drop folder and a sealed, examined, placed and decided recording. Owns the watcher
 * thread (drop.c), the hashing pool (pool.c, take.c), the sealer (seal.c) and the examiner (examine.c). Failure tiers: a bad item
 * is quarantined or left with a reason; a short resource pauses intake, says so, and it resumes by itself.
 */
#ifndef LIUHEN_INTAKE_INTAKE_H
#define LIUHEN_INTAKE_INTAKE_H

#include "base/feed.h"
#include "base/settings.h"
#include "cases/place.h"
#include "cases/policy-keeper.h"
#include "catalogue/writer.h"
#include "store/store.h"

struct intake;

struct intake_context {
    struct store *store;
    struct writer *writer;
    struct ledger *ledger; /* for receipts */
    struct policy_keeper *policy;
    struct feed *feed;
    const struct settings *settings; /* in force now; the caller keeps every generation until intake_free */
    const struct placer *placer;     /* likewise */
};

/* Carries what a crash left in staging to its end or back (recover.c), then starts the threads.
 * Return: 0, or a negative errno when recovery cannot be done (then nothing is taken in). */
int intake_new(const struct intake_context *context, struct intake **ret, struct error *err);

/* The daemon is stopping: nothing new is taken, and whoever waits for the seal of an upload hears -ECANCELED. To be called, with
 * writer_hurry, before those are waited for who may wait here (the HTTP server's threads). */
void intake_hurry(struct intake *in);

/* Stops taking; a seal in hand is finished, hashing in hand is rolled back. */
struct intake *intake_free(struct intake *in);
DEFINE_CLEANUP(struct intake *, intake_free)

/* New settings (folders, patterns, limits) and rules take effect. */
void intake_reload(struct intake *in, const struct settings *settings, const struct placer *placer);

/* Places and decides a recording again in the caller's transaction, because something was said of it. One that has not been examined
 * yet is left to the examiner. Return: as place_recording. */
int intake_place_again(struct intake *in, struct txn *t, const struct recording_id *id, struct error *err);

/* Called, in any thread, whenever something was recorded that derivatives may be made of: a recording was examined, the trail of one came.
 * NULL: nobody, and the one before is not being called any more when this returns. */
void intake_on_examined(struct intake *in, void (*on_examined)(void *userdata), void *userdata);
/* Calls it. */
void intake_call_examined(struct intake *in);

/* The policy in force; valid until the daemon ends. */
const struct policy *intake_policy(struct intake *in);

/* {state: running · paused, reason?, waiting, in_hand, to_examine_soon, folders: [{name, path, present, waiting}], uploads: {unfinished,
 * bytes, reserved}}; new object. */
json_t *intake_status(struct intake *in);

#endif
