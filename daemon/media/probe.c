/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A probe is a run of liuhen-media, or of liuhen-stills where the first says so, and one more where the program failed (see probe.h).
 * Thread-safe: no state is shared between calls.
 */
#include "media/probe.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "media/probe-facts.h"
#include "media/run-start.h"
#include "media/run.h"

#define DEADLINE_DEFAULT (60 * USEC_PER_SEC)
#define ATTEMPTS         2

const char *probe_status_name(enum probe_status s)
{
    static const char *const names[] = {"ok", "damaged", "unknown"};

    return (size_t)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

void probe_result_done(struct probe_result *r)
{
    json_decref(r->media);
    *r = (struct probe_result){0};
}

static int run_either(const struct probe_options *o, struct media_request *q, struct media_result *ret,
                      struct error *err)
{
    int r = media_run(o->worker, q, ret, err);

    if (r < 0 || !ret->elsewhere)
        return r;
    media_result_done(ret);
    q->program = MEDIA_STILLS;
    return media_run(o->worker, q, ret, err);
}

/* One attempt. Return: 0 with *ret filled; 1 with why the worker failed in reason; negative errno. */
static int attempt(int fd, const struct probe_options *o, struct probe_result *ret, char *reason, size_t size,
                   struct error *err)
{
    struct media_request q = {.program = MEDIA_AV,
                              .verb = "probe",
                              .input = fd,
                              .stop_fd = o->stop_fd,
                              .limits = {.deadline_usec = o->deadline_usec,
                                         .silence_usec = o->deadline_usec,
                                         .memory_bytes = o->memory_bytes,
                                         .nice = o->nice}};
    _cleanup_(media_result_done) struct media_result m = {0};
    struct error bad = ERROR_INIT;
    int64_t began = clock_monotonic_usec();
    int r = run_either(o, &q, &m, err);

    if (r < 0)
        return r;
    if (m.status == MEDIA_FAILED) {
        snprintf(reason, size, "%s", m.message);
        return 1;
    }
    r = probe_facts_take(m.answer, ret, &bad);
    if (r == -ENOMEM)
        return error_errno(err, r, o->worker, "cannot take the media worker's answer");
    if (r == 0 && o->nice > 0 && clock_monotonic_usec() - began > RUN_BUDGET(o->deadline_usec)) {
        probe_result_done(ret); /* its own time ran out, perhaps only for want of a processor */
        return 1;
    }
    if (r < 0)
        snprintf(reason, size, "media worker gave no valid answer: %.200s", bad.text);
    return r < 0 ? 1 : 0;
}

int probe_file(int fd, const struct probe_options *options, struct probe_result *ret, struct error *err)
{
    struct probe_options o = *options;
    char reason[sizeof ret->message] = "";
    int r = 1;

    if (o.deadline_usec <= 0)
        o.deadline_usec = DEADLINE_DEFAULT;
    if (fd < 0)
        return error_errno(err, -EBADF, NULL, "cannot look at the file");
    for (int i = 0; r == 1 && i < ATTEMPTS; i++, o.nice = 0)
        r = attempt(fd, &o, ret, reason, sizeof reason, err);
    if (r <= 0)
        return r;
    *ret = (struct probe_result){.status = PROBE_DAMAGED, .kind = "data", .media = json_object()};
    snprintf(ret->message, sizeof ret->message, "%s", reason);
    return ret->media ? 0 : error_errno(err, -ENOMEM, NULL, "cannot note how the media worker died");
}
