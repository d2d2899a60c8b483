/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Copies that leave the house (PLAN.md, "Copies"): which maker a plan asks for.
 */
#include "media/worker-copy.h"

#include <errno.h>
#include <string.h>

#include "media/worker-probe.h"
#include "media/worker-salvage.h"
#include "media/worker-say.h"
#include "media/worker-verbs.h"

int tap_copy(const struct pass *p, struct tap *ret)
{
    const char *form = json_get_string(json_get_object(p->plan, "copy"), "form");

    if (!form)
        return 0;
    if (strcmp(form, "preserve") == 0 && plan_file(p->plan, "copy.mkv") >= 0)
        return preserve_make(p, ret);
    if ((strcmp(form, "release") == 0 || strcmp(form, "redact") == 0) && plan_file(p->plan, "copy.mp4") >= 0)
        return render_make(p, ret);
    return -EINVAL;
}

/* What kept the copy from being made, unless its maker has said so already. */
static void say_failed(struct facts *f, const json_t *plan, int code)
{
    const char *name = json_string_value(json_array_get(json_get_array(plan, "files"), 0));
    const json_t *file = name ? facts_file(f, name) : NULL;

    if (file && !json_get_string(file, "message"))
        facts_file_message(f, name, "the copy could not be made: %s", strerror(-code));
}

/* Whether a failure is not the recording's or the plan's. */
static bool ends_all(int code)
{
    return code == -ENOMEM || code == -ENOSPC || code == -EDQUOT || code == -EFBIG || code == -EIO;
}

static int copy_pass(struct job *job, struct input *in, const struct form *form)
{
    _cleanup_(pass_close) struct pass p;
    struct tap tap = {0};
    int r = pass_open(&p, in, form, job->plan, &job->facts);

    if (r == 0)
        r = tap_copy(&p, &tap);
    if (r == 1) {
        r = pass_run(&p, &tap, 1);
        if (r == 0)
            r = tap.result;
        if (tap.done)
            tap.done(tap.state);
    }
    return r;
}

/* An MP4 without its index: what can be dug out of it, as in the proxy that people saw. */
static int copy_salvaged(struct job *job, const struct form *form, int code)
{
    _cleanup_(salvage_done) struct salvage s = {0};
    struct input pieces;
    int r = strcmp(form->demuxer, "mov") == 0 ? salvage_find(&job->in, &s) : 0;

    if (r < 0 || s.codec == SALVAGE_NONE || s.n_pieces == 0)
        return r < 0 ? r : code;
    salvage_input(&s, &job->in, &job->facts, &pieces);
    form = sniff(&pieces);
    return form && form->demuxer ? copy_pass(job, &pieces, form) : code;
}

/* A decoder and an encoder start so many threads each, the encoder one more to look ahead. */
static int limit_threads(const struct job *job)
{
    int64_t wanted = json_get_integer(job->plan, "threads", 1);

    return json_set_integer(job->plan, "threads", MIN(wanted, MAX(((int64_t)job->threads - 1) / 2, 1)));
}

int verb_copy(struct job *job)
{
    const struct form *form = sniff(&job->in);
    int r;

    job->elsewhere = form_is_elsewhere(form);
    if (job->elsewhere)
        return 0;
    worker_probe(&job->in, &job->facts);
    if (form && strcmp(form->kind, "photo") == 0)
        return copy_photo(job, form);
    if (job->facts.unknown || !form || !form->demuxer)
        return 0;
    r = limit_threads(job);
    r = r < 0 ? r : copy_pass(job, &job->in, form);
    if (r == -EBADMSG)
        r = copy_salvaged(job, form, r);
    if (r < 0 && !ends_all(r))
        say_failed(&job->facts, job->plan, r);
    return ends_all(r) ? r : 0;
}
