/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verbs of the locked programs, and the frame that runs one (worker-frame.c): it reads the arguments, locks in, reads the plan, calls the
 * verb and writes the answer. A verb is called inside the lock of its profile; it works on the input and the plan, fills the facts (facts.media,
 * facts_decoded(), facts_file()) and its files, and says of each file that it is whole (say_output).
 */
#ifndef LIUHEN_MEDIA_WORKER_VERBS_H
#define LIUHEN_MEDIA_WORKER_VERBS_H

#include <stdbool.h>

#include "base/json.h"
#include "media/worker-facts.h"
#include "media/worker-input.h"
#include "media/worker-lock.h"

struct job {
    struct input in; /* not there (size 0) for a verb without input */
    json_t *plan;    /* an object */
    struct facts facts;
    unsigned threads; /* that may be started beside this one; 0: none, and trying kills */
    unsigned n_files;
    uint64_t file_bytes; /* no file may be longer: EFBIG */
    uint64_t memory_bytes;
    bool elsewhere; /* set by the verb: the file is for liuhen-stills; nothing else is said */
};

/* Return of each: 0 (the answer is written from the facts, damage and all), or a negative errno that ends the process without one: -ENOMEM,
 * -ENOSPC, -EFBIG and -EIO (a file could not be written), -EREMOTEIO (the device of worker-hardware.h failed), -EINVAL (the plan is not as it must be), others: an inner fault. */
int verb_probe(struct job *job);   /* worker-probe.c */
int verb_derive(struct job *job);  /* worker-derive.c */
int verb_salvage(struct job *job); /* worker-salvage.c */
/* What derive makes, from in in place of the job's input. */
int derive_from(struct job *job, struct input *in);
int verb_copy(struct job *job);    /* worker-copy.c */
int stills_probe(struct job *job); /* stills-heif.c */

struct verb {
    const char *name;
    int (*run)(struct job *job);
    enum lock_profile profile;
    bool no_input;
    /* Before the lock, with all rights: fonts, plugins, devices. Not a byte of the recording may be read. May be NULL. Return: 0 or
     * negative errno (the process ends as when it cannot lock itself in). */
    int (*prepare)(struct job *job);
};

/* The whole program. Return: never (the process ends without exit handlers). */
_noreturn_ void worker_frame(const char *name, const struct verb *verbs, size_t n, int argc, char **argv);

#endif
