/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One file from its first bytes to its facts: sniff, look at the structure, ask libav where it has a say (see worker-probe.h).
 */
#include "media/worker-probe.h"

#include <string.h>

#include "media/worker-av.h"
#include "media/worker-inspect.h"
#include "media/worker-sniff.h"
#include "media/worker-verbs.h"

/* No form we know: empty, never written, or data of some other kind. */
static void data_facts(struct input *in, struct facts *f)
{
    if (in->size == 0)
        facts_damage(f, "empty file");
    else if (input_is_zero(in, 0, in->size))
        facts_damage(f, "nothing but zeros: the space was set aside and never written");
    else {
        f->unknown = true;
        snprintf(f->message, sizeof f->message,
                 "not a form of video, sound, picture or document that is known");
    }
}

void worker_probe(struct input *in, struct facts *f)
{
    const struct form *form = sniff(in);

    facts_integer(f, "bytes", (int64_t)in->size);
    if (!form)
        data_facts(in, f);
    else {
        f->kind = form->kind;
        facts_text(f, f->media, "container", form->container, strlen(form->container));
        if ((!form->inspect || form->inspect(in, f)) && form->demuxer)
            av_facts(in, f, form);
        if (form->inspect == inspect_mp4 && !input_expired(in))
            udta_facts(in, f);
    }
    facts_reading(f, in);
}

int verb_probe(struct job *job)
{
    job->elsewhere = form_is_elsewhere(sniff(&job->in));
    if (!job->elsewhere)
        worker_probe(&job->in, &job->facts);
    return 0;
}
