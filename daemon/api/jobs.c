/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Jobs and copies as people ask for them. A copy leaves the house: who asks says why, the act recording.copied names both before the
 * copy can be had, and whoever fetches it has seen the recording. Looking is not enough to be handed one: the act is `copy`, as for
 * making it.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "api/views.h"
#include "base/clock.h"
#include "base/encode.h"
#include "catalogue/recordings.h"

#define JOBS_DEFAULT  100
#define JOBS_MAX      1000
#define MARK_LINES    8
#define MARK_BYTES    200
#define RETRY_SECONDS 2

/* ---- jobs ---------------------------------------------------------------------------------------------------------------- */

/* {jobs: list, "next": the mark when there may be more}; takes list. */
static int answer_jobs(struct call *c, json_t *list, int limit)
{
    size_t n = json_array_size(list);
    const char *last = n == (size_t)limit ? json_get_string(json_array_get(list, n - 1), "id") : NULL;
    int r;

    c->answer = json_object();
    r = json_set_string(c->answer, "next", last);
    r = json_set_take(c->answer, "jobs", list) < 0 ? -ENOMEM : r;
    return r != 0 ? r : answer_zone(c);
}

int handle_jobs(struct call *c)
{
    static const char *const states[] = {"waiting", "running", "done", "failed", "cancelled"};
    const char *state = target_param(c->target, "state");
    bool known = !state;
    json_t *list = NULL;
    int limit, r = read_limit(c, JOBS_DEFAULT, JOBS_MAX, &limit);

    for (size_t i = 0; state && i < ARRAY_SIZE(states); i++)
        known = known || strcmp(states[i], state) == 0;
    if (r == 0 && !known)
        return error_set(&c->err, -EINVAL, "state", "is one of waiting, running, done, failed, cancelled");
    r = r != 0 ? r
               : derive_jobs(c->context->derive, state, target_param(c->target, "after"), (size_t)limit,
                             &list, &c->err);
    return r != 0 ? r : answer_jobs(c, list, limit);
}

int handle_job(struct call *c)
{
    int r = derive_job(c->context->derive, c->args[0], &c->answer, &c->err);

    return r != 0 ? r : answer_zone(c);
}

int handle_job_cancel(struct call *c)
{
    int r = derive_cancel(c->context->derive, c->args[0], &c->err);

    r = r != 0 ? r : derive_job(c->context->derive, c->args[0], &c->answer, &c->err);
    return r != 0 ? r : answer_zone(c);
}

/* ---- copies -------------------------------------------------------------------------------------------------------------- */

/* The job of a copy whose recording the caller may see. */
static int find_copy(struct call *c, struct recording_id *ret_id, json_t **ret_job)
{
    _cleanup_json_ json_t *job = NULL, *row = NULL;
    const char *given = c->args[0];
    int r = derive_job(c->context->derive, given, &job, &c->err);

    if (r != 0)
        return r;
    if (!json_get_string(job, "form"))
        return error_set(&c->err, ROUTE_E_NOT_HERE, given, "is no copy; `liuhen jobs` lists what it is");
    c->args[0] = json_get_string(job, "recording");
    r = find_recording(c, ret_id, &row);
    c->args[0] = given;
    if (r == 0)
        *ret_job = TAKE_PTR(job);
    return r;
}

int handle_copy_state(struct call *c)
{
    struct recording_id id;
    int r = find_copy(c, &id, &c->answer);

    return r != 0 ? r : answer_zone(c);
}

static int answer_copy(struct call *c, const struct recording_id *id)
{
    struct derivative d = {0};
    int fd = -1, r = derive_copy_open(c->context->derive, c->args[0], &d, &fd, &c->err);
    struct http_file file;

    if (r == DERIVE_E_NEVER)
        return c->err.code = ROUTE_E_NOT_HERE;
    if (r == DERIVE_E_NOT_YET) {
        route_fail(503, &c->err, c->whole);
        c->is_whole = true;
        return http_answer_header(c->whole, "Retry-After", "%d", RETRY_SECONDS);
    }
    if (r != 0)
        return r;
    file = (struct http_file){
        .fd = fd, .bytes = d.bytes, .type = d.type, .etag = d.etag, .changed_usec = d.made_usec};
    r = http_answer_file(c->whole, c->request, &file);
    r = r != 0 ? r
               : http_answer_header(c->whole, "Content-Disposition", "attachment; filename=\"%s-%s\"",
                                    id->text, d.name);
    r = r != 0 ? r : http_answer_header(c->whole, "X-Content-Type-Options", "nosniff");
    r = r != 0 ? r : http_answer_header(c->whole, "Cache-Control", "private, no-cache");
    if (r == 0 && strcmp(c->request->method, "GET") == 0 && c->whole->status < 400)
        r = views_record(c->context->views, c->context->writer, c->who->actor, id, c->whole->file_from,
                         clock_now_usec(), &c->err);
    c->is_whole = r == 0;
    return r;
}

int handle_copy_content(struct call *c)
{
    _cleanup_json_ json_t *job = NULL;
    struct recording_id id;
    int r = find_copy(c, &id, &job);

    return r != 0 ? r : answer_copy(c, &id);
}

/* Lines of a watermark: short texts without control characters. */
static int read_mark(struct call *c, const char *lines[MARK_LINES], size_t *ret_n)
{
    const json_t *mark = json_object_get(c->body, "mark"), *one;
    size_t i;

    *ret_n = 0;
    if (!mark || json_is_null(mark))
        return 0;
    if (!json_is_array(mark) || json_array_size(mark) > MARK_LINES)
        return error_set(&c->err, -EINVAL, "mark", "is a list of at most %d lines", MARK_LINES);
    json_array_foreach (mark, i, one) {
        const char *line = json_string_value(one);
        size_t size = json_string_length(one);

        if (!line || size == 0 || size > MARK_BYTES || strlen(line) != size)
            return error_set(&c->err, -EINVAL, "mark", "has a line that is no text of 1 to %d bytes",
                             MARK_BYTES);
        for (size_t at = 0, n; at < size; at += n) {
            n = utf8_sequence_length((const uint8_t *)line + at, size - at);
            if (n == 0 || utf8_is_control((const uint8_t *)line + at, n))
                return error_set(&c->err, -EINVAL, "mark", "has a control character; leave it out");
        }
        lines[(*ret_n)++] = line;
    }
    return 0;
}

int handle_copy(struct call *c)
{
    static const char *const names[] = {"form", "reason"};
    const json_t *plan = json_object_get(c->body, "plan");
    _cleanup_json_ json_t *row = NULL;
    struct copy_request request = {0};
    const char *mark[MARK_LINES], *text[ARRAY_SIZE(names)];
    char job[ULID_LENGTH + 1];
    int r = read_members(c, names, ARRAY_SIZE(names), ARRAY_SIZE(names), text);

    r = r != 0 ? r : read_mark(c, mark, &request.n_mark);
    if (r == 0 && plan && !json_is_object(plan))
        return error_set(&c->err, -EINVAL, "plan", "is an object; daemon/media/PLAN.md says what is in it");
    r = r != 0 ? r : find_recording(c, &request.recording, &row);
    if (r != 0)
        return r;
    request.form = text[0];
    request.reason = text[1];
    request.actor = c->who->actor;
    request.plan = plan;
    request.mark = request.n_mark ? mark : NULL;
    r = derive_copy(c->context->derive, &request, job, &c->err);
    r = r != 0 ? r : derive_job(c->context->derive, job, &c->answer, &c->err);
    c->status = 202;
    return r != 0 ? r : answer_zone(c);
}
