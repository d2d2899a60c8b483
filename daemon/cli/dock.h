/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen dock`: one run of a docking station over its cards.
 *
 *   site   ask the server what is allowed and whose receipts count (dock-site.c)
 *   cards  open or mount, look through (dock-card.c, dock-file.c)
 *   send   a queue of files and some threads, each carrying one file at a time to its receipt (dock-work.c, dock-send.c)
 *   wipe   only afterwards, only what a verified receipt stands for (dock-wipe.c)
 *
 * What is shared between threads: the queue and each job's slot under `lock`, `stop` and `giving_up` as atomics; all else is set before
 * the threads start and only read by them. A file belongs to one job at a time.
 */
#ifndef LIUHEN_CLI_DOCK_H
#define LIUHEN_CLI_DOCK_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/digest.h"
#include "base/ulid.h"
#include "cli/dock-card.h"
#include "cli/dock-config.h"
#include "cli/dock-state.h"
#include "cli/transfer.h"
#include "ledger/key.h"

enum dock_outcome {
    DOCK_WAITING, /* not done: it goes on at the next run */
    DOCK_SEALED,  /* sent now, and its receipt verified */
    DOCK_KNOWN,   /* the site had these bytes; its receipt verified */
    DOCK_LEFT,    /* no bytes: nothing that could be sealed */
    DOCK_FAILED,  /* see why */
};

struct dock_file {
    struct dock_card *card;
    char *path; /* below the card, bytes as they are */
    uint64_t bytes;
    int64_t mtime_nsec;
    enum dock_outcome outcome;
    struct digest sha256; /* DOCK_SEALED, DOCK_KNOWN */
    char recording[ULID_LENGTH + 1];
    bool wiped;
    char *why; /* DOCK_FAILED, DOCK_WAITING; or why it was not wiped */
};

enum dock_phase { PHASE_IDLE, PHASE_READING, PHASE_ASKING, PHASE_SENDING, PHASE_SEALING, PHASE_PAUSING };

/* What a job is at, for the display. Under dock.lock. */
struct dock_slot {
    enum dock_phase phase;
    const struct dock_file *file;
    uint64_t done; /* of file->bytes in this phase */
    char why[200]; /* PHASE_PAUSING */
};
#define DOCK_JOBS_MAX 32

struct dock {
    struct dock_config *config;
    struct transfer_site site;
    struct dock_state state;
    struct verifier_key *key;
    char *zone;         /* the site's; NULL = not told */
    int64_t ahead_usec; /* the site's clock minus this machine's */
    int64_t plug_usec;  /* when this run began, by the site's clock */
    bool once, json;

    struct dock_card *cards;
    struct dock_clock *clocks; /* of each card */
    int *locks;
    size_t n_cards;

    atomic_bool stop; /* a signal, or giving_up */
    atomic_bool signalled;
    atomic_int giving_up; /* enum exit_code: nothing more can be sent */
    pthread_mutex_t lock;
    struct dock_file *files;
    size_t n_files, room, next;
    uint64_t total_bytes, sent_bytes, done_bytes; /* of files; over the network; of files that are through */
    size_t n_through, n_wanted;
    struct dock_slot slots[DOCK_JOBS_MAX];
    struct error giving_up_why;
};

/* ---- dock-site.c --------------------------------------------------------------------------------------------------------- */

/* Asks the site for its key, zone and clock, and pins the key. Waits for a server that is away, unless d->once. Return: enum exit_code,
 * after saying why. */
int dock_site_open(struct dock *d);

/* Whether the site lets cards be wiped, asked anew. Return: 1, 0, or a TRANSFER_E_*, negative errno (err set). */
int dock_site_may_wipe(struct dock *d, struct error *err);

/* Whether the site has these bytes now: it answers with a receipt of them that verifies. Return: 0, -ENOENT and others (err says what
 * it answered instead), TRANSFER_E_*. */
int dock_site_has(struct dock *d, struct transfer *t, const struct digest *sha256, uint64_t bytes,
                  struct error *err);

/* ---- dock-send.c --------------------------------------------------------------------------------------------------------- */

struct dock_job {
    struct dock *dock;
    struct dock_slot *slot;
    struct transfer *transfer;
    uint8_t *chunk;
    pthread_t thread;
};

/* Carries one file to its receipt; outcome, why, sha256 and recording are set. */
void dock_send(struct dock_job *job, struct dock_file *f);

/* Nothing more can be sent by anybody: remembers the first reason, stops the others. */
void dock_give_up(struct dock *d, int exit_code, const struct error *err);

/* Sleeps for so many seconds, or until stopped. Return: false when stopped. */
bool dock_sleep(struct dock *d, int64_t seconds);

/* What the answer to a request means. */
enum dock_request { DOCK_CREATE, DOCK_HEAD, DOCK_PATCH, DOCK_FETCH, DOCK_RECEIPT };
enum dock_next {
    NEXT_OK,
    NEXT_NONE,  /* DOCK_RECEIPT: the site has no such bytes */
    NEXT_ANEW,  /* the upload is gone: begin another */
    NEXT_HEAD,  /* ask where it is */
    NEXT_AGAIN, /* the bytes were damaged on the way: the same once more */
    NEXT_WAIT,  /* later */
    NEXT_FAIL,  /* this file never */
    NEXT_STOP,  /* no file */
};
enum dock_next dock_judge(enum dock_request request, unsigned status);

/* Seconds to wait at the n-th time (from 0), given what the server asked for (-1: nothing). */
int64_t dock_wait_seconds(unsigned n, int64_t asked);

/* Upload-Metadata of a file (tus 1.0.0, "Upload-Metadata": key, space, base64; commas between). New string; NULL = no memory. */
char *dock_metadata(const struct dock_file *f, const struct dock_clock *clock);

/* ---- dock-work.c --------------------------------------------------------------------------------------------------------- */

/* Adds a file to the queue. Return: 0 or -ENOMEM. */
int dock_add_file(struct dock *d, struct dock_card *card, const char *path, uint64_t bytes,
                  int64_t mtime_nsec, enum dock_outcome outcome, const char *why);

/* Sends all that wait, config->jobs at a time; shows progress. Return: 0, -ENOMEM, -EAGAIN. */
int dock_work(struct dock *d);

/* ---- dock-wipe.c --------------------------------------------------------------------------------------------------------- */

/* Removes from their cards the files whose receipts verify against what is on the card now. Says what it did. Return: enum exit_code. */
int dock_wipe(struct dock *d);

/* Whether this file may be removed: its receipt, as it lies in the state folder, proves the bytes that are on the card now. *ret: the
 * file as it was read. Return: 0, -EBADMSG, -ESTALE, -ENOENT … (err says why it stays). */
struct stat;
int dock_wipe_check(const struct dock_state *state, const struct verifier_key *key, const struct dock_file *f,
                    struct stat *ret, struct error *err);

/* Removes it if it is still the one that was checked, after a line in wiped.log. Return: 0, -ESTALE, negative errno. */
int dock_wipe_file(const struct dock_state *state, const struct dock_file *f, const struct stat *checked,
                   struct error *err);

/* ---- dock-show.c --------------------------------------------------------------------------------------------------------- */

/* The progress: bars on a terminal, now and then a JSON line elsewhere. With dock.lock held. */
void dock_show_progress(struct dock *d);
void dock_show_clear(struct dock *d);

/* A line about a file or a card: an event in JSON, or words for people where there is something to say. May be called by any thread
 * that does not hold dock.lock; _locked by those that do. */
void dock_show_file(struct dock *d, const struct dock_file *f);
void dock_show_note(struct dock *d, const char *event, const char *object, const char *format, ...)
    _printf_(4, 5);
void dock_show_summary(struct dock *d);

/* One line of the display: "name  [####......]  40 %  rest", at most columns wide. New string. */
char *dock_bar_line(const char *name, uint64_t done, uint64_t total, const char *rest, unsigned columns);

#endif
