/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The program's side of the messages (messages.h), and its plan. One thread (the first) speaks; the others compute.
 */
#ifndef LIUHEN_MEDIA_WORKER_SAY_H
#define LIUHEN_MEDIA_WORKER_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "media/messages.h"

/* Each writes a whole message or ends the process with WORKER_EXIT_OUTPUT: nobody listens any more. */
void say_locked(bool landlock);
/* Cheap; may be called for every packet and picture: sends PROGRESS at most ten times a second, nothing in between. total_usec 0: not known. */
void say_progress(int64_t at_usec, int64_t total_usec);
/* For long work without a measure: BEAT when nothing was said for half a second. */
void say_beat(void);
void say_output(unsigned file, uint64_t bytes);
void say_answer(const char *json, size_t size);
void say_elsewhere(void);

/* The plan from WORKER_FD_PLAN; new object. Return: 0, -EINVAL, -E2BIG, -ENOMEM. Call after the lock. */
int plan_read(json_t **ret);
/* Index of a name in the plan's "files", or -1: that file is not wanted. */
int plan_file(const json_t *plan, const char *name);
/* fd of a file of the plan. */
static inline int plan_fd(int file)
{
    return WORKER_FD_FILES + file;
}

#endif
