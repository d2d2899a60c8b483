/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verb derive: all that is made of a recording, from one decode (PLAN.md).
 */
#include "media/worker-probe.h"
#include "media/worker-sniff.h"
#include "media/worker-verbs.h"

int verb_derive(struct job *job)
{
    job->elsewhere = form_is_elsewhere(sniff(&job->in));
    if (!job->elsewhere)
        worker_probe(&job->in, &job->facts);
    return 0;
}
