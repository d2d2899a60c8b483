/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /tus/{id}: going on with an upload (PATCH), asking how it stands (HEAD), its receipt (GET, ours), ending it (DELETE). An upload belongs
 * to who made it; others are denied it (403), which tells them no more than that the id is taken. One request at a time writes to it.
 */
#include <errno.h>
#include <string.h>

#include "doors/tus-headers.h"
#include "doors/tus-internal.h"

#define PATIENCE_USEC (5 * USEC_PER_SEC) /* for a request that was cut to give its upload back */

/* Return: as upload_state. */
static int get_state(const struct knock *k, struct upload_state *ret, struct error *err)
{
    if (!ulid_is_valid(k->args[0]))
        return error_set(err, UPLOAD_E_NONE, k->args[0], "is no upload; give the Location of one");
    return upload_state(k->context->intake, k->args[0], k->owner, ret, err);
}

/* A client whose connection has died without a word comes again, while the server still waits for the rest of its last request. That one
 * is cut then, and what it has brought is kept; one whose bytes are flowing goes on, and the newcomer hears 423. */
static void relieve(const struct knock *k)
{
    upload_relieve(k->context->intake, k->args[0], k->owner, PATIENCE_USEC);
}

static bool cut_silent(void *userdata)
{
    const struct knock *k = userdata;

    return http_cut_silent(k->request, k->settings->uploads.silent_usec);
}

/* Whether all bytes are here, but the seal could not be made yet. Until it is, the upload says that it is busy: a client takes a whole
 * offset for an upload that it need not care for any more. */
static bool waits_for_seal(const struct upload_state *s)
{
    return !s->sealed && !s->partial && s->bytes >= 0 && s->offset == s->bytes;
}

/* ---- PATCH --------------------------------------------------------------------------------------------------------------- */

/* Says where the upload stands beside an error. */
static bool wrong_offset(const struct knock *k, const struct upload_state *state, struct http_answer *answer)
{
    doors_refuse(answer, 409, "Upload-Offset", "is not where the upload stands; go on at %lld",
                 (long long)state->offset);
    (void)tus_say_offset(k, state->offset, answer);
    return false;
}

/* A PATCH of an upload that is sealed: asking again with nothing to add is fine. */
static bool begin_sealed(struct knock *k, const struct upload_state *state, int64_t offset,
                         struct http_answer *answer)
{
    if (offset != state->offset)
        return wrong_offset(k, state, answer);
    if (k->request->body_bytes != 0)
        return doors_refuse(answer, 413, "Upload-Length", "all bytes are here already; send no more");
    return true;
}

/* The length of an upload that was made without one; saying the same again is fine, as a PATCH may have to be sent again. */
static bool set_length(struct knock *k, const struct upload_state *state, int64_t length,
                       struct http_answer *answer)
{
    struct tus *t = k->state;
    struct error err = ERROR_INIT;
    int r;

    t->deferred = length < 0 && state->bytes < 0;
    if (length < 0 || length == state->bytes)
        return true;
    if (state->bytes >= 0)
        return doors_refuse(answer, 400, "Upload-Length", "was announced as %lld; it cannot be changed",
                            (long long)state->bytes);
    if (length < state->offset)
        return doors_refuse(answer, 400, "Upload-Length", "is less than the %lld bytes that are here already",
                            (long long)state->offset);
    if (length == 0)
        return doors_refuse(answer, 400, "Upload-Length",
                            "is 0; an empty file is no recording, send files that have bytes");
    if (!doors_admit(k->doors, k->device, length - state->offset, answer) ||
        !doors_hold(k->doors, k->device, (uint64_t)(length - state->offset), &t->held, answer))
        return false;
    r = upload_set_bytes(t->upload, length, &err);
    doors_release(k->doors, k->device, &t->held);
    return r == 0 || tus_fail(answer, r, &err);
}

static bool open_at(struct knock *k, int64_t offset, int64_t length, struct http_answer *answer)
{
    _cleanup_(upload_state_done) struct upload_state state = {.bytes = -1};
    struct tus *t = k->state;
    int64_t body = k->request->body_bytes;
    struct error err = ERROR_INIT;
    int r;

    relieve(k);
    r = get_state(k, &state, &err);
    if (r != 0 && !(r == UPLOAD_E_BUSY && waits_for_seal(&state)))
        return tus_fail(answer, r, &err);
    if (state.final)
        return doors_refuse(answer, 403, k->args[0],
                            "is a final upload; it is made of its parts and takes no bytes");
    if (state.sealed)
        return begin_sealed(k, &state, offset, answer);
    if (offset != state.offset)
        return wrong_offset(k, &state, answer);
    if (state.bytes >= 0 && body > state.bytes - offset)
        return doors_refuse(answer, 413, "Content-Length",
                            "is more than the %lld bytes that are still to come",
                            (long long)(state.bytes - offset));
    r = upload_resume(k->context->intake, k->args[0], k->owner, offset, &t->upload, &err);
    if (r == UPLOAD_E_SEALED) /* in between */
        return begin_sealed(k, &state, offset, answer);
    if (r != 0)
        return tus_fail(answer, r, &err);
    upload_set_cut(t->upload, cut_silent, k);
    return set_length(k, &state, length, answer) && tus_expect(k, answer);
}

static bool begin_patch(struct knock *k, struct http_answer *answer)
{
    struct tus *t = k->state;
    int64_t offset, length;

    if (!tus_is_bytes(k))
        return doors_refuse(answer, 415, "Content-Type", "must be application/offset+octet-stream");
    if (!tus_number(k, "Upload-Offset", &offset, answer) || !tus_number(k, "Upload-Length", &length, answer))
        return false;
    if (offset < 0)
        return doors_refuse(answer, 400, "Upload-Offset", "is missing; say where the bytes go");
    t->takes = true;
    return open_at(k, offset, length, answer);
}

/* Of an upload that was sealed before. */
static void finish_sealed(struct knock *k, struct http_answer *answer)
{
    _cleanup_(upload_result_done) struct upload_result result = {.bytes = 0};
    struct error err = ERROR_INIT;
    int r = upload_result(k->context->intake, k->args[0], k->owner, &result, &err);

    if (r != 0) {
        tus_fail(answer, r, &err);
        return;
    }
    http_answer_text(answer, 204, NULL, NULL);
    r = tus_say_offset(k, (int64_t)result.bytes, answer);
    r = r < 0 ? r : tus_say_recording(&result, answer);
    if (r < 0)
        tus_fail(answer, r, NULL);
}

static void finish_patch(struct knock *k, struct http_answer *answer)
{
    struct tus *t = k->state;

    if (t->upload)
        tus_conclude(k, 204, answer);
    else
        finish_sealed(k, answer);
}

/* ---- HEAD and GET -------------------------------------------------------------------------------------------------------- */

/* Seals an upload whose last bytes came when it could not be. Return: 0, or as upload_resume and upload_seal. */
static int seal_late(struct knock *k, struct upload_state *state, struct error *err)
{
    _cleanup_(upload_result_done) struct upload_result result = {.bytes = 0};
    struct tus *t = k->state;
    int r = upload_resume(k->context->intake, k->args[0], k->owner, state->offset, &t->upload, err);

    if (r == 0)
        r = tus_seal(k, &result, err);
    t->upload = upload_free(t->upload);
    if (r == UPLOAD_E_SEALED) /* in between */
        r = upload_result(k->context->intake, k->args[0], k->owner, &result, err);
    if (r == 0) {
        state->sealed = true;
        state->recording = result.recording;
    }
    return r;
}

/* How it stands now: what waits for its seal is sealed, where that can be done. Return: as upload_state; *ret is filled with
 * UPLOAD_E_BUSY too. */
static int look(struct knock *k, struct upload_state *ret, struct error *err)
{
    int r = get_state(k, ret, err);

    if (r != UPLOAD_E_BUSY || !waits_for_seal(ret))
        return r;
    return seal_late(k, ret, err);
}

static int say_state(const struct upload_state *s, struct http_answer *answer)
{
    char date[TUS_DATE_SIZE];
    int r = http_answer_header(answer, "Upload-Offset", "%lld", (long long)s->offset);

    if (r == 0 && s->bytes >= 0)
        r = http_answer_header(answer, "Upload-Length", "%lld", (long long)s->bytes);
    else if (r == 0)
        r = http_answer_header(answer, "Upload-Defer-Length", "1");
    if (r == 0 && s->metadata && *s->metadata)
        r = http_answer_header(answer, "Upload-Metadata", "%s", s->metadata);
    if (r == 0 && (s->partial || s->concat))
        r = http_answer_header(answer, "Upload-Concat", "%s", s->partial ? "partial" : s->concat);
    if (r == 0 && s->sealed)
        r = http_answer_header(answer, "Liuhen-Recording", "%s", s->recording.text);
    if (r != 0 || s->sealed || s->expires_usec == 0)
        return r;
    tus_date(s->expires_usec, date);
    return http_answer_header(answer, "Upload-Expires", "%s", date);
}

static void finish_head(struct knock *k, struct http_answer *answer)
{
    _cleanup_(upload_state_done) struct upload_state state = {.bytes = -1};
    struct error err = ERROR_INIT;
    int r;

    relieve(k);
    r = look(k, &state, &err);
    if (r == 0)
        http_answer_text(answer, 200, NULL, NULL);
    else
        tus_fail(answer, r, &err);
    if (r != 0 && waits_for_seal(&state))
        answer->status = 423; /* clients ask again then; other errors make them begin anew */
    if (*state.id && say_state(&state, answer) < 0)
        tus_fail(answer, -ENOMEM, NULL);
    (void)http_answer_header(answer, "Cache-Control", "no-store");
}

/* {"state": {"id", "offset", "bytes", "sealed"}} beside the error. */
static void say_unfinished(const struct upload_state *s, const struct error *err, struct http_answer *answer)
{
    _cleanup_json_ json_t *o =
        json_pack("{s:o,s:{s:s,s:I,s:I,s:b}}", "error", doors_error_json(err), "state", "id", s->id, "offset",
                  (json_int_t)s->offset, "bytes", (json_int_t)s->bytes, "sealed", s->sealed);
    char *text = NULL;

    if (o && json_canonical(o, &text) == 0)
        http_answer_text(answer, 409, "application/json; charset=utf-8", text);
    else
        tus_fail(answer, -ENOMEM, NULL);
}

static void finish_get(struct knock *k, struct http_answer *answer)
{
    _cleanup_(upload_result_done) struct upload_result result = {.bytes = 0};
    _cleanup_(upload_state_done) struct upload_state state = {.bytes = -1};
    struct error err = ERROR_INIT;
    int r = look(k, &state, &err);

    if (r == UPLOAD_E_BUSY || (r == 0 && !state.sealed)) {
        error_set(&err, -EBUSY, state.id, "is not whole yet; its receipt can be had when all bytes are here");
        say_unfinished(&state, &err, answer);
        return;
    }
    if (r == 0)
        r = upload_result(k->context->intake, k->args[0], k->owner, &result, &err);
    if (r == 0)
        doors_receipt(answer, 200, &result);
    else
        tus_fail(answer, r, &err);
    (void)http_answer_header(answer, "Cache-Control", "no-store");
}

/* ---- DELETE -------------------------------------------------------------------------------------------------------------- */

static void finish_delete(struct knock *k, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int r = UPLOAD_E_NONE;

    relieve(k);
    if (ulid_is_valid(k->args[0]))
        r = upload_end(k->context->intake, k->args[0], k->owner, &err);
    else
        error_set(&err, r, k->args[0], "is no upload; give the Location of one");
    if (r == 0)
        http_answer_text(answer, 204, NULL, NULL);
    else
        tus_fail(answer, r, &err);
}

/* ---- the door ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *method;
    bool tus; /* of the protocol, so that the version is asked for */
    bool (*begin)(struct knock *k, struct http_answer *answer);
    void (*finish)(struct knock *k, struct http_answer *answer);
} methods[] = {
    {"PATCH", true, begin_patch, finish_patch},
    {"HEAD", true, NULL, finish_head},
    {"GET", false, NULL, finish_get},
    {"DELETE", true, NULL, finish_delete},
    {"OPTIONS", false, NULL, NULL},
};

static size_t find_method(const struct knock *k)
{
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(methods) && strcmp(methods[i].method, k->method) != 0)
        i++;
    return i;
}

static bool begin(struct knock *k, struct http_answer *answer)
{
    size_t i = find_method(k);

    if (!methods[i].finish)
        return true;
    if (!tus_open(k, answer))
        return false;
    if ((!methods[i].tus || tus_speaks(k, answer)) && (!methods[i].begin || methods[i].begin(k, answer)))
        return true;
    tus_let_go(k, true);
    return false;
}

static void finish(struct knock *k, struct http_answer *answer)
{
    size_t i = find_method(k);

    if (methods[i].finish)
        methods[i].finish(k, answer);
    else
        tus_options(k, answer);
}

const struct door door_tus = {
    .name = "tus",
    .begin = begin,
    .take = tus_take,
    .finish = finish,
    .close = tus_close,
    .decorate = tus_decorate,
};
