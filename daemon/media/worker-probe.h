/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looks at one file and fills the facts. Runs inside the lock, or in a fuzzer over memory; opens nothing.
 */
#ifndef LIUHEN_MEDIA_WORKER_PROBE_H
#define LIUHEN_MEDIA_WORKER_PROBE_H

#include "media/worker-facts.h"
#include "media/worker-input.h"

void worker_probe(struct input *in, struct facts *f);

#endif
