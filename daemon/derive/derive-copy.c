/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Copies that leave the house (see derive.h). What was asked for, by whom and why, stands in the job's row; recording.copied is in the
 * ledger, with the copy's own digest, in the transaction by which the copy can be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "derive/derive-run.h"
#include "media/redaction.h"

#define REASON_MAX      500 /* bytes */
#define MARK_LINES_MAX  6
#define MARK_LINE_MAX   200
#define REQUEST_MAX     (900u * 1024) /* bytes; a plan for hours of footage is a tenth of that */
#define MARK_HEIGHT     32            /* pixels of a line */
#define MARK_PIXELS_MAX (INT64_C(16) << 20)
#define MARK_OPACITY    600

static const struct {
    const char *form, *file, *photo; /* photo NULL: none of photos */
} forms[] = {
    {"preserve", "copy.mkv", NULL}, {"release", "copy.mp4", "copy.jpg"}, {"redact", "copy.mp4", "copy.jpg"}};

static bool is_line(const char *text, size_t most)
{
    size_t n = text ? strlen(text) : 0;

    if (n == 0 || n > most || !utf8_is_valid(text, n))
        return false;
    for (size_t i = 0, step; i < n; i += step) {
        step = utf8_sequence_length((const uint8_t *)text + i, n - i);
        if (utf8_is_control((const uint8_t *)text + i, step))
            return false;
    }
    return true;
}

static const char *file_of(const char *form, const char *kind)
{
    for (size_t i = 0; form && i < ARRAY_SIZE(forms); i++)
        if (strcmp(forms[i].form, form) == 0)
            return strcmp(kind, "photo") == 0                                 ? forms[i].photo
                   : strcmp(kind, "video") == 0 || strcmp(kind, "audio") == 0 ? forms[i].file
                                                                              : NULL;
    return NULL;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static int check_words(const struct copy_request *q, struct error *err)
{
    bool known = false;

    for (size_t i = 0; q->form && i < ARRAY_SIZE(forms); i++)
        known |= strcmp(forms[i].form, q->form) == 0;
    if (!known)
        return error_set(err, -EINVAL, "form", "is not preserve, release or redact");
    if (!is_line(q->reason, REASON_MAX))
        return error_set(err, -EINVAL, "reason",
                         "must be a text of one line, 1 to %d bytes: why the copy leaves the house",
                         REASON_MAX);
    if (q->n_mark > MARK_LINES_MAX)
        return error_set(err, -EINVAL, "mark", "has %zu lines; %d are the most", q->n_mark, MARK_LINES_MAX);
    for (size_t i = 0; i < q->n_mark; i++)
        if (!is_line(q->mark[i], MARK_LINE_MAX))
            return error_set(err, -EINVAL, "mark", "has a line that is no text of 1 to %d bytes",
                             MARK_LINE_MAX);
    if (strcmp(q->form, "preserve") == 0 && (q->plan || q->n_mark))
        return error_set(err, -EINVAL, q->form,
                         "is bit by bit as it was shown; it takes no plan and no mark");
    if (strcmp(q->form, "redact") == 0 && !q->plan)
        return error_set(err, -EINVAL, "plan",
                         "is missing; a redaction needs one, use release for a copy as it is");
    return 0;
}

/* What the plan says, as the job keeps it. */
static int add_plan(const struct copy_request *q, json_t *o, struct error *err)
{
    struct redaction redaction = {0};
    bool redact = strcmp(q->form, "redact") == 0;
    int r;

    if (!q->plan)
        return 0;
    r = (redact ? redaction_read : redaction_read_keep)(q->plan, &redaction, err);
    if (r < 0)
        return r;
    if (redact) {
        r = json_set_take(o, "plan", json_incref((json_t *)q->plan));
        r = r < 0 ? r : json_set_string(o, "plan_digest", redaction.digest);
    } else if (json_get_array(q->plan, "keep")) {
        r = json_set_take(o, "keep", json_incref(json_get_array(q->plan, "keep")));
    }
    redaction_done(&redaction);
    return r;
}

static int request_text(const struct copy_request *q, char **ret, struct error *err)
{
    _cleanup_json_ json_t *o = json_object(), *mark = q->n_mark ? json_array() : NULL;
    _cleanup_free_ char *text = NULL;
    int r = o ? add_plan(q, o, err) : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "form", q->form);
    r = r < 0 ? r : json_set_string(o, "actor", q->actor);
    r = r < 0 ? r : json_set_string(o, "reason", q->reason);
    for (size_t i = 0; r == 0 && i < q->n_mark; i++)
        if (json_array_append_new(mark, json_string(q->mark[i])) < 0)
            r = -ENOMEM;
    if (r == 0 && mark)
        r = json_set_take(o, "mark", json_incref(mark));
    r = r < 0 ? r : json_canonical(o, &text);
    if (r < 0)
        return r;
    if (strlen(text) > REQUEST_MAX)
        return error_set(err, -E2BIG, "plan",
                         "is longer than %u bytes; split the work, or use fewer keyframes", REQUEST_MAX);
    *ret = TAKE_PTR(text);
    return 0;
}

struct asking {
    const struct copy_request *request;
    const char *id, *text;
};

static int record_asked(struct txn *t, void *userdata, struct error *err)
{
    const struct asking *a = userdata;

    return jobs_want_copy(txn_db(t), a->id, &a->request->recording, a->text, clock_now_usec(), err);
}

/* Whether such a copy can be made of this recording at all. */
static int check_recording(struct derive *d, const struct copy_request *q, struct error *err)
{
    char kind[12] = "";
    bool examined = false;
    struct db *db;
    int r = readers_take(d->readers, &db, err);

    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    r = recordings_kind(db, &q->recording, kind, sizeof kind, &examined, err);
    readers_give(d->readers, db, r != 0 && r != RECORDINGS_E_NONE);
    if (r == RECORDINGS_E_NONE)
        return error_set(err, -ENOENT, q->recording.text, "no such recording; `liuhen ls` lists them");
    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    if (!examined)
        return error_set(err, -EAGAIN, q->recording.text, "is still to be examined; try again soon");
    if (!file_of(q->form, kind))
        return error_set(err, -EINVAL, q->recording.text,
                         "no copy of form %s is made of a recording of kind %s; its original can be had",
                         q->form, kind);
    return 0;
}

int derive_copy(struct derive *d, const struct copy_request *request, char ret_job[ULID_LENGTH + 1],
                struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char id[ULID_LENGTH + 1];
    struct asking a = {.request = request, .id = id};
    int r = check_words(request, err);

    r = r < 0 ? r : request_text(request, &text, err);
    r = r < 0 ? r : check_recording(d, request, err);
    if (r < 0)
        return r;
    ulid_make(clock_now_usec(), id);
    a.text = text;
    r = writer_run(d->writer, false, record_asked, &a, err);
    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    derive_kick(d);
    memcpy(ret_job, id, sizeof id);
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------------------------------------- */

/* A second description of the same memory that cannot be written through. */
static int reopen_read_only(int fd, int *ret)
{
    char path[40];
    int again;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    again = open(path, O_RDONLY | O_CLOEXEC);
    if (again < 0)
        return -errno;
    *ret = again;
    return 0;
}

/* The lettering of the mark, made by the program that has the fonts. Its size goes into the copy's plan. */
static int letter(struct making *m, const json_t *lines, json_t *copy, struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    _cleanup_close_ int fd = memfd_create("mark.gray", MFD_CLOEXEC);
    _cleanup_json_ json_t *plan = json_pack("{s:[s], s:{s:O, s:i}}", "files", "mark.gray", "letter", "lines",
                                            lines, "height", MARK_HEIGHT);
    struct media_result result = {0};
    struct media_request request = {.program = MEDIA_STILLS,
                                    .verb = "letter",
                                    .input = -1,
                                    .plan = plan,
                                    .files = &fd,
                                    .n_files = 1,
                                    .limits = {.file_bytes = (uint64_t)MARK_PIXELS_MAX,
                                               .threads = 8}, /* Pango asks for fonts in some of its own */
                                    .stop_fd = m->slot->stop_fd};
    json_t *made;
    int64_t width, height;
    int r;

    if (fd < 0 || !plan)
        return fd < 0 ? -errno : -ENOMEM;
    r = media_run(s->media.worker, &request, &result, err);
    made = json_array_get(json_get_array(result.answer, "files"), 0);
    width = json_get_integer(made, "width", 0);
    height = json_get_integer(made, "height", 0);
    if (r == 0 && (result.status != MEDIA_OK || width <= 0 || height <= 0 ||
                   width > MARK_PIXELS_MAX / height || result.bytes[0] != (uint64_t)(width * height)))
        r = error_set(err, -EIO, "mark", "its lettering could not be made%s%s", result.message[0] ? ": " : "",
                      result.message);
    media_result_done(&result);
    r = r < 0 ? r : reopen_read_only(fd, &m->extra_fd);
    return r < 0 ? r
                 : json_set_take(copy, "mark",
                                 json_pack("{s:I, s:I, s:i}", "width", (json_int_t)width, "height",
                                           (json_int_t)height, "opacity_permille", MARK_OPACITY));
}

static int plan_copy(struct making *m, struct error *err)
{
    static const char *const handed_on[] = {"form", "plan", "plan_digest", "keep"};
    const struct settings *s = atomic_load(&m->slot->d->settings);
    const char *file = file_of(json_get_string(m->asked, "form"), m->job->kind);
    _cleanup_json_ json_t *copy = json_object(), *files = json_array();
    json_t *mark = json_get_array(m->asked, "mark"), *v;
    int r = copy && files ? 0 : -ENOMEM;

    if (!file)
        return error_set(err, -EINVAL, m->job->id, "no such copy can be made of this recording");
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(handed_on); i++)
        if ((v = json_object_get(m->asked, handed_on[i])))
            r = json_set_take(copy, handed_on[i], json_incref(v));
    if (r == 0 && mark)
        r = letter(m, mark, copy, err);
    if (r == 0 && (json_array_append_new(files, json_string(file)) < 0 ||
                   (mark && json_array_append_new(files, json_string("mark.gray")) < 0)))
        r = -ENOMEM;
    if (r < 0)
        return r;
    m->plan = (struct derive_plan){.program = MEDIA_AV, .verb = "copy", .names = {1, {file}}};
    m->plan.json = json_pack("{s:O, s:O, s:I}", "files", files, "copy", copy, "threads",
                             (json_int_t)s->media.derive.threads);
    return m->plan.json ? 0 : -ENOMEM;
}

int derive_copy_run(struct making *m, struct error *err)
{
    int r = json_parse(m->job->request, strlen(m->job->request), m->job->id, &m->asked, err);

    r = r < 0 ? r : plan_copy(m, err);
    r = r < 0 ? r : making_run(m, err);
    if (r == 0 && m->result.elsewhere)
        snprintf(m->result.message, sizeof m->result.message,
                 "no such copy is made of photos of this form; the original can be had");
    return r;
}

bool derive_copy_is_good(const struct making *m)
{
    const char *asked = json_get_string(m->asked, "plan_digest"),
               *did = json_get_string(json_array_get(json_get_array(m->result.answer, "files"), 0),
                                      "plan_digest");

    if ((m->result.status != MEDIA_OK && m->result.status != MEDIA_DAMAGED) || m->result.bytes[0] == 0)
        return false;
    return !asked || (did && strcmp(asked, did) == 0);
}

int derive_copy_record(struct txn *t, struct making *m, struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    const char *actor = json_get_string(m->asked, "actor");
    json_t *mark = json_get_array(m->asked, "mark");
    int r = facts ? json_set_string(facts, "job", m->job->id) : -ENOMEM;

    r = r < 0 ? r : json_set_string(facts, "form", json_get_string(m->asked, "form"));
    r = r < 0 ? r : json_set_string(facts, "plan", json_get_string(m->asked, "plan_digest"));
    r = r < 0 ? r : json_set_string(facts, "digest", m->rows[0].etag);
    r = r < 0 ? r : json_set_integer(facts, "bytes", m->rows[0].bytes);
    r = r < 0 ? r : json_set_string(facts, "reason", json_get_string(m->asked, "reason"));
    if (r == 0 && mark)
        r = json_set_take(facts, "mark", json_incref(mark));
    return r < 0 ? r
                 : txn_act(t, "recording.copied", actor ? actor : "system", m->job->recording.text, 0,
                           TAKE_PTR(facts), NULL, err);
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */

static int read_copy(struct derive *d, const char *job, struct job_state *state, struct derivative_row *row,
                     size_t *ret_n, struct error *err)
{
    struct db *db;
    int r = readers_take(d->readers, &db, err);

    *ret_n = 0;
    if (r != 0)
        return r > 0 ? -EAGAIN : r;
    r = jobs_read(db, job, state, err);
    r = r != 0 ? r : derivatives_of_job(db, job, row, 1, ret_n, err);
    readers_give(d->readers, db, r != 0 && r != JOBS_E_NONE);
    return r > 0 && r != JOBS_E_NONE ? -EAGAIN : r;
}

int derive_copy_open(struct derive *d, const char *job, struct derivative *ret, int *ret_fd,
                     struct error *err)
{
    _cleanup_(job_state_done) struct job_state state = {0};
    struct derivative_row row;
    struct job_mark mark = {.copy = true};
    size_t n;
    int r = read_copy(d, job, &state, &row, &n, err);

    if (r == JOBS_E_NONE || (r == 0 && !state.request))
        return error_set(err, DERIVE_E_NEVER, job,
                         "no such copy; a copy is kept for media.copies_kept, ask for it anew");
    if (r != 0)
        return r;
    if (strcmp(state.state, "waiting") == 0 || strcmp(state.state, "running") == 0)
        return error_set(err, DERIVE_E_NOT_YET, job, "is being made, %d %% are done",
                         MAX(state.permille, 0) / 10);
    if (n == 0)
        return error_set(err, DERIVE_E_NEVER, job, "there is no copy: %s",
                         state.message ? state.message : "it was given up");
    memcpy(mark.id, state.id, sizeof mark.id);
    mark.recording = state.recording;
    r = derive_cache_open(d, &mark, &row, ret_fd);
    if (r == -ENOENT || r == -ESTALE || r == -ELOOP)
        return error_set(err, DERIVE_E_NEVER, job,
                         "the file of this copy is not there any more; ask for it anew");
    if (r < 0)
        return error_errno(err, r, job, "the copy cannot be opened");
    derive_fill(&row, ret);
    return 0;
}
