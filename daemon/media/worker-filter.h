/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The seccomp part of the lock: which system calls a profile may make, and with what arguments.
 */
#ifndef LIUHEN_MEDIA_WORKER_FILTER_H
#define LIUHEN_MEDIA_WORKER_FILTER_H

#include "media/worker-lock.h"

/* From here on everything not listed kills the process (SIGSYS). landlock: holds already, so the profile for stills may open what it
 * allows. Return: 0 or negative errno. */
int filter_load(const struct lock_limits *limits, bool landlock);

#endif
