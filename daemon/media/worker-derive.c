/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verb derive for video and sound: the taps that the plan and the recording call for, on one pass; then what became of each file. The
 * table here is the registry of taps.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "media/worker-av.h"
#include "media/worker-pass.h"
#include "media/worker-probe.h"
#include "media/worker-say.h"
#include "media/worker-still.h"
#include "media/worker-verbs.h"

/* The first gives the measure: what it makes is what people look at. */
static int (*const makers[])(const struct pass *p, struct tap *ret) = {
    tap_proxy, tap_poster, tap_sprite, tap_peaks, tap_black, tap_qr, tap_cadence, tap_signed, tap_trail,
};

struct taps {
    struct tap list[TAPS_MAX];
    size_t n;
};

static void taps_done(struct taps *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->list[i].done)
            t->list[i].done(t->list[i].state);
    t->n = 0;
}

/* Return: 0, -ENOMEM or -EREMOTEIO; another fault takes only that tap out. */
static int make_taps(const struct pass *p, struct taps *t)
{
    for (size_t i = 0; i < ARRAY_SIZE(makers) && t->n < TAPS_MAX; i++) {
        struct tap *tap = &t->list[t->n];
        int r;

        *tap = (struct tap){0};
        r = makers[i](p, tap);
        if (r == -ENOMEM || r == -EREMOTEIO)
            return r;
        if (r > 0)
            t->n++;
    }
    return 0;
}

static bool was_made(const struct facts *f, const char *name)
{
    json_t *file;
    size_t i;

    json_array_foreach (f->files, i, file)
        if (strcmp(json_get_string(file, "name"), name) == 0)
            return json_get_string(file, "how") != NULL;
    return false;
}

static const char *why_not(const struct pass *p, const char *name, int result)
{
    bool picture = strcmp(name, "poster.jpg") == 0 || strncmp(name, "sprite.", 7) == 0;

    if (result == -ENOSPC || result == -EFBIG)
        return "no room for it";
    if (!p->ctx || (!p->video && !p->audio))
        return "nothing in it can be shown";
    if (picture && !p->video)
        return "there are no pictures";
    if (strcmp(name, "trail.gpx") == 0)
        return "no positions are in it";
    if (strcmp(name, "peaks.json") == 0 && !p->audio)
        return "there is no sound";
    return picture ? "no picture could be decoded" : "nothing of it could be made";
}

/* Every file of the plan is in the answer: made, or why not. */
static void say_what_is_missing(const struct pass *p, struct facts *f, int result)
{
    const json_t *files = json_get_array(p->plan, "files");
    const json_t *name;
    size_t i;

    json_array_foreach (files, i, name) {
        const char *text = json_string_value(name);

        if (text && !was_made(f, text))
            facts_file_message(f, text, "%s", why_not(p, text, result));
    }
}

/* The proxy alone, with nothing copied: what was copied until then turned out not to fit. */
static int encode_proxy(struct input *in, const struct form *form, const json_t *plan, struct facts *f)
{
    _cleanup_(pass_close) struct pass p = {.plan = plan};
    _cleanup_(taps_done) struct taps taps = {0};
    int r = pass_open(&p, in, form, plan, f);

    p.no_copy = true;
    if (r == 0 && ftruncate(plan_fd(plan_file(plan, "proxy.mp4")), 0) < 0)
        r = -errno;
    if (r == 0)
        r = tap_proxy(&p, &taps.list[0]);
    taps.n = r > 0;
    return r > 0 ? pass_run(&p, taps.list, taps.n) : r;
}

/* A proxy that is more than a copy is not for this run, and then nothing is. */
static bool is_left_for_later(const struct pass *p, const struct taps *t)
{
    return json_get_bool(json_get_object(p->plan, "proxy"), "copy_only", false) &&
           (t->n == 0 || strcmp(t->list[0].name, "proxy") != 0);
}

static bool has_to_be_encoded(const struct pass *p, const struct taps *t)
{
    if (json_get_bool(json_get_object(p->plan, "proxy"), "copy_only", false))
        return false;
    for (size_t i = 0; i < t->n; i++)
        if (t->list[i].result == -EXDEV)
            return true;
    return false;
}

static int derive(struct input *in, const json_t *plan, struct facts *f)
{
    _cleanup_(pass_close) struct pass p = {.plan = plan};
    _cleanup_(taps_done) struct taps taps = {0};
    const struct form *form = sniff(in);
    int r = -ENODATA;

    if (!form || !form->demuxer) {
        worker_probe(in, f);
        say_what_is_missing(&p, f, 0);
        return 0;
    }
    f->kind = form->kind;
    facts_text(f, f->media, "container", form->container, strlen(form->container));
    if (form->inspect)
        form->inspect(in, f);
    r = pass_open(&p, in, form, plan, f);
    if (p.ctx)
        av_describe(p.ctx, f, form);
    if (p.ctx && !p.video && !p.audio && !facts_is_damaged(f))
        facts_damage(f, "no pictures and no sound were found in it");
    p.no_copy = facts_is_damaged(f); /* players stop where a decoder of ours goes on */
    if (r == 0)
        r = make_taps(&p, &taps);
    if (r == 0 && !is_left_for_later(&p, &taps))
        r = pass_run(&p, taps.list, taps.n);
    if (r == 0 && has_to_be_encoded(&p, &taps)) {
        taps_done(&taps); /* before the others come: their threads would be more than may be started */
        pass_close_decoders(&p);
        r = encode_proxy(in, form, plan, f);
    }
    if (r == -ENOMEM || r == -EREMOTEIO)
        return r;
    facts_reading(f, in);
    say_what_is_missing(&p, f, r);
    return r == -ENOSPC || r == -EFBIG ? r : 0;
}

/* A decoder and an encoder start so many threads each, the encoder one more to look ahead: as many as leaves them within what may be started. */
static int limit_threads(const struct job *job)
{
    int64_t wanted = json_get_integer(job->plan, "threads", 1);

    return json_set_integer(job->plan, "threads", MIN(wanted, MAX(((int64_t)job->threads - 1) / 2, 1)));
}

int derive_from(struct job *job, struct input *in)
{
    int r = limit_threads(job);

    return r < 0 ? r : derive(in, job->plan, &job->facts);
}

int verb_derive(struct job *job)
{
    const struct form *form = sniff(&job->in);

    job->elsewhere = form_is_elsewhere(form);
    if (job->elsewhere)
        return 0;
    if (form && strcmp(form->kind, "photo") == 0)
        return still_derive(job, form);
    return derive_from(job, &job->in);
}
