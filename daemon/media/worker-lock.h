/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lock around the locked programs. In order: only the wanted descriptors stay open; rlimits; no_new_privs; Landlock with nothing allowed
 * (for stills: reading below the folders of fonts); seccomp with a short list, everything else kills the process. All before any thread
 * exists and before a byte of the recording is read. Without seccomp nothing is read at all; without Landlock (older kernels) seccomp alone
 * holds, nothing can be opened, and that is said.
 */
#ifndef LIUHEN_MEDIA_WORKER_LOCK_H
#define LIUHEN_MEDIA_WORKER_LOCK_H

#include <stdbool.h>

#include "base/macro.h"

enum lock_profile {
    LOCK_PROBE,  /* reads the recording, answers; no thread, no file */
    LOCK_ENCODE, /* also starts threads and fills the files given to it */
    LOCK_STILLS, /* as encode, and opens fonts and their tables, read-only; without Landlock it opens nothing */
    LOCK_HARDWARE, /* as encode, and drives the devices that the verb's prepare() has left open above the files */
};

/* Descriptors above the files, of fonts and of devices. */
#define LOCK_FONT_FDS   32
#define LOCK_DEVICE_FDS 64

struct lock_limits {
    enum lock_profile profile;
    uint64_t
        memory_bytes; /* RLIMIT_AS, beside what drivers of hardware have mapped before; not applied under AddressSanitizer, which maps terabytes */
    uint64_t cpu_seconds;
    uint64_t file_bytes; /* no file may be longer */
    unsigned threads;    /* 0: none can be started in any profile; more: the client counts them */
    unsigned n_files;    /* from WORKER_FD_FILES on */
    uint32_t writable;   /* which of them, as bits; the others are read only */
};

/* Before the lock proper: closes descriptors, sets limits, asks to die with the parent. Return: 0 or negative errno. */
int lock_limits(const struct lock_limits *limits);

/* Locks for good. *ret_landlock = whether Landlock is in force. Return: 0 or negative errno (the caller must exit). */
int lock_in(const struct lock_limits *limits, bool *ret_landlock);

#endif
