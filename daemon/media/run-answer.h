/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The form of a program's answer, whatever the verb: its members, their types, their sizes. What they say is for the caller to check
 * (probe-facts.h).
 */
#ifndef LIUHEN_MEDIA_RUN_ANSWER_H
#define LIUHEN_MEDIA_RUN_ANSWER_H

#include "media/run.h"

/* New object in *ret_answer, its status and message in *ret_status and message. Return: 0, -EINVAL (err says what is wrong), -ENOMEM. */
int run_answer_read(const char *text, size_t size, struct media_result *ret, struct error *err);

#endif
