/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Starting a locked program: its descriptors, arguments and signals, and the plan as a sealed memfd.
 */
#ifndef LIUHEN_MEDIA_RUN_START_H
#define LIUHEN_MEDIA_RUN_START_H

#include <sys/types.h>

#include "media/run.h"

/* The program's own end of work, which leaves it time to say what it knows before it is killed. */
#define RUN_BUDGET(usec) ((usec) / 10 * 8)

/* limits are filled in. pipe: our end of the messages, non-blocking. Return: 0, negative errno. */
int run_start(const char *program, const struct media_request *request, pid_t *ret_pid, int *ret_pipe);

#endif
