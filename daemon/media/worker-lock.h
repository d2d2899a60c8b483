/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lock around the worker. In order: only the wanted descriptors stay open; rlimits; no_new_privs; Landlock with nothing allowed;
 * seccomp with a short list, everything else kills the process. All before any thread exists and before a byte of the file
 * is read. Without seccomp nothing is read at all; without Landlock (older kernels) seccomp alone holds and that is said.
 */
#ifndef LIUHEN_MEDIA_WORKER_LOCK_H
#define LIUHEN_MEDIA_WORKER_LOCK_H

#include <stdbool.h>

#include "base/macro.h"

struct lock_limits {
    uint64_t memory_bytes; /* RLIMIT_AS; not applied under AddressSanitizer, which maps terabytes */
    uint64_t cpu_seconds;
};

/* Before the lock proper: closes descriptors, sets limits, asks to die with the parent. Return: 0 or negative errno. */
int lock_limits(const struct lock_limits *limits);

/* Locks for good. *ret_landlock = whether Landlock is in force. Return: 0 or negative errno (the caller must exit). */
int lock_in(bool *ret_landlock);

#endif
