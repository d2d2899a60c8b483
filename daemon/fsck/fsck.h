/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * fsck proves the eight invariants of ARCHITECTURE.md on an archive, whether the daemon runs or not; it writes nothing but a
 * temporary catalogue of its own. rebuild makes a catalogue anew from the ledger. Both work on the folder itself, so they need
 * read access to it.
 */
#ifndef LIUHEN_FSCK_FSCK_H
#define LIUHEN_FSCK_FSCK_H

#include <stdbool.h>

#include "base/error.h"

enum { FSCK_INVARIANTS = 8 };

/* What invariant n (1–8) says, for people. */
const char *fsck_invariant_text(int invariant);

struct fsck_options {
    const char *archive;   /* folder */
    const char *dsn;       /* catalogue; NULL = ARCHIVE/catalogue.db */
    bool quick;            /* leave out the replay of the ledger (invariant 6) and the decisions (7) */
    bool deep;             /* read every original again and compare its digest */
    const char *temporary; /* folder for the temporary catalogue; NULL = $TMPDIR or /tmp */
    /* Each fault: the invariant it breaks, what, and why. Never NULL. */
    void (*on_fault)(void *userdata, int invariant, const char *object, const char *text);
    /* Progress, may be NULL: a step's name and how many things it has looked at. */
    void (*on_progress)(void *userdata, const char *step, uint64_t n);
    void *userdata;
};

struct fsck_result {
    uint64_t objects, recordings, acts, faults;
    uint64_t broken[FSCK_INVARIANTS + 1]; /* faults by invariant */
};

/* Return: 0 (faults are in the result), or why it could not be done: -ENOENT, -EACCES, -EPROTO … (err). A catalogue that cannot
 * be opened is such a reason: `liuhen rebuild` makes it anew. */
int fsck_run(const struct fsck_options *options, struct fsck_result *ret, struct error *err);

struct rebuild_options {
    const char *archive; /* folder; the daemon must not be running on it */
    const char *dsn;     /* the catalogue to be made: it must not exist yet, or be empty */
    void (*on_progress)(void *userdata, const char *step, uint64_t n);
    void *userdata;
};

struct rebuild_result {
    uint64_t acts, recordings;
    uint64_t
        without_act; /* objects in the store that no act names: the daemon finishes those with an intent, fsck names the rest */
    uint64_t without_object; /* recordings whose object is not there */
};

/* Return: 0, -EEXIST (the target has a catalogue already), -EBUSY (the archive is in use), errors of ledger and catalogue. */
int rebuild_run(const struct rebuild_options *options, struct rebuild_result *ret, struct error *err);

#endif
