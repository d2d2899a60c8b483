/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The worker's answer, believed only as far as it keeps to worker-facts.h: known keys, their types, ranges and lengths, valid UTF-8, no
 * floating-point numbers. Anything else means that the worker was taken over or is not ours, and the whole answer is dropped.
 */
#ifndef LIUHEN_MEDIA_PROBE_FACTS_H
#define LIUHEN_MEDIA_PROBE_FACTS_H

#include "media/probe.h"
#include "media/worker-facts.h"

/* Fills status, kind, message and media of *ret from an answer (run.h). Return: 0, -EINVAL (err says what is wrong), -ENOMEM. */
int probe_facts_take(const json_t *answer, struct probe_result *ret, struct error *err);

/* The same from the answer's text. */
int probe_facts_read(const char *text, size_t size, struct probe_result *ret, struct error *err);

#endif
