/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Derivatives: what is made of a recording so that it can be seen (proxy, poster, sprite, peaks, sizes, pages, trail), and the queue of
 * jobs that makes them with the locked media programs. Derivatives are never evidence: they lie in cache/, are no part of the ledger,
 * and are made anew whenever one is missing or the recipe has changed. What decoding shows of the recording itself (QR codes, gaps,
 * black and silent stretches) is an act, recording.decoded, and places the recording again. A copy that leaves the house (released,
 * redacted, for preservation) is asked for by a person with a reason, and recording.copied says so in the ledger before it can be had.
 *
 * Jobs are rows (catalogue/job-rows.h), so that a kill loses none; each is leased, tried twice, and backed off from where the fault is not the
 * recording's. A recording that somebody is watching comes first, evidence next, then the rest, the newest first.
 */
#ifndef LIUHEN_DERIVE_DERIVE_H
#define LIUHEN_DERIVE_DERIVE_H

#include "base/feed.h"
#include "base/settings.h"
#include "cases/place.h"
#include "catalogue/job-rows.h"
#include "catalogue/writer.h"
#include "intake/intake.h"
#include "store/store.h"

struct derive;

struct derive_context {
    struct store *store;
    struct writer *writer;
    struct intake *intake; /* to place again, and to give way to */
    struct feed *feed;
    const char *cache;               /* folder */
    const struct settings *settings; /* in force now; the caller keeps every generation until derive_free */
    const char *node;                /* the machine's name in leases; NULL = its host name */
};

/* Clears what was being made, takes back the leases of the last process here, starts the threads (media.derive.jobs of them). */
int derive_new(const struct derive_context *context, struct derive **ret, struct error *err);
/* The daemon is stopping: what is being made is given up (and begun anew at the next start). Does not wait. */
void derive_hurry(struct derive *d);
struct derive *derive_free(struct derive *d);
DEFINE_CLEANUP(struct derive *, derive_free)
void derive_reload(struct derive *d, const struct settings *settings);

/* A recording was examined (liuhend.c ties this to intake), or something else has to be done. Cheap. */
void derive_kick(struct derive *d);

enum {
    DERIVE_E_NOT_YET =
        30,         /* is being made, or waits; progress in the error's text. Asking raised its priority. */
    DERIVE_E_NEVER, /* there is none of this recording: the text says why (no picture, damaged beyond showing, …) */
};

struct derivative {
    char name[24];    /* "proxy.mp4" */
    const char *type; /* media type */
    uint64_t bytes;
    int64_t made_usec;
    char etag[65]; /* of its bytes */
    char how[16];  /* remux, encoded, salvaged, …; "" */
};

/* Opens a derivative. One that is missing, though it was made, is made again. Return: 0 with *ret_fd, DERIVE_E_*, ROW not found as
 * DERIVE_E_NEVER, negative errno. */
int derive_open(struct derive *d, const struct recording_id *id, const char *name, struct derivative *ret,
                int *ret_fd, struct error *err);

/* {state: ready · waiting · running · failed · off, progress_permille?, more?, message?, nothing?, missing?: [{name, message}], files: [{name,
 * type, bytes, how, width?, height?}]}: what there is of a recording. more: it is ready, and others are still being made. nothing: why it cannot be shown at all, once no more is to come of
 * it. watched: somebody looks at it now, so what is missing is made first. New object. */
int derive_list(struct derive *d, const struct recording_id *id, bool watched, json_t **ret,
                struct error *err);

/* A copy that leaves the house. form: preserve, release, redact; plan: the JSON plan of a redaction (PLAN.md, checked here) or NULL; mark: lines of
 * the watermark or NULL. Gives the job; its file can be had with derive_copy_open when the job is done. Return: 0, -EINVAL, -E2BIG, … */
struct copy_request {
    struct recording_id recording;
    const char *form, *actor, *reason;
    const json_t *plan;
    const char *const *mark;
    size_t n_mark;
};
int derive_copy(struct derive *d, const struct copy_request *request, char ret_job[ULID_LENGTH + 1],
                struct error *err);
int derive_copy_open(struct derive *d, const char *job, struct derivative *ret, int *ret_fd,
                     struct error *err);

/* Jobs as `liuhen jobs` shows them; cancel: a job that waits or runs is given up. */
int derive_jobs(struct derive *d, const char *state, const char *after, size_t limit, json_t **ret,
                struct error *err);
/* One job as derive_jobs lists it: {id, recording, kind: derive · copy, state: waiting · running · done · failed · cancelled, progress_permille?,
 * message?, created, actor?, form?, reason?, file?: {name, type, bytes, sha256}}; file once a copy is done. Return: also -ENOENT. */
int derive_job(struct derive *d, const char *job, json_t **ret, struct error *err);
int derive_cancel(struct derive *d, const char *job, struct error *err);
int derive_again(struct derive *d, const struct recording_id *id,
                 struct error *err); /* makes everything of it anew */

/* The recording has been disposed of: files of its derivatives, or of this copy of it (copy: the job, NULL = not), go at once. Its jobs must
 * have been ended before. */
int derive_forget(struct derive *d, const struct recording_id *id, const char *copy, struct error *err);

/* {state: running · paused · off, paused?: "why", jobs: {waiting, running, failed, more?}, hardware: {kind: none · vaapi · cuda · qsv, decodes,
 * encodes, message}, trouble?: "why the last job was put off"}; new object. */
json_t *derive_status(struct derive *d);

#endif
