/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /tus: uploads are made here (tus 1.0.0, Creation, Creation With Upload, Creation Defer Length, Concatenation). Space is reserved before
 * anything is answered: a file that has no room is refused while its sender still has it all.
 */
#include <errno.h>
#include <string.h>

#include "doors/fields.h"
#include "doors/tus-headers.h"
#include "doors/tus-internal.h"

#define WAITING_SECONDS 60 /* until some of a device's unfinished uploads may have ended */

/* What a POST asks for. */
struct wish {
    struct tus_concat concat;
    const char *concat_text, *metadata; /* as sent; NULL: none */
    struct fields fields;
    struct upload_origin origin;
};

static void wish_done(struct wish *w)
{
    tus_concat_done(&w->concat);
    fields_done(&w->fields);
    json_decref(w->origin.facts);
}

static bool read_concat(struct knock *k, struct wish *w, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int r;

    if (!tus_header(k, "Upload-Concat", &w->concat_text, answer))
        return false;
    if (!w->concat_text)
        return true;
    r = tus_concat_parse(w->concat_text, &w->concat, &err);
    return r == 0 || tus_fail(answer, r, &err);
}

/* How long it will be: Upload-Length, or Upload-Defer-Length: 1; a final one is as long as its parts. */
static bool read_length(struct knock *k, struct wish *w, struct http_answer *answer)
{
    const char *defer;

    if (!tus_number(k, "Upload-Length", &w->origin.bytes, answer) ||
        !tus_header(k, "Upload-Defer-Length", &defer, answer))
        return false;
    if (defer && strcmp(defer, "1") != 0)
        return doors_refuse(answer, 400, "Upload-Defer-Length", "must be 1, or left out");
    if (w->concat.kind == TUS_FINAL)
        return (w->origin.bytes < 0 && !defer) ||
               doors_refuse(answer, 400, "Upload-Length",
                            "must not be given for a final upload; it is as long as its parts");
    if (defer && w->origin.bytes >= 0)
        return doors_refuse(answer, 400, "Upload-Defer-Length", "must not stand beside Upload-Length");
    if (!defer && w->origin.bytes < 0)
        return doors_refuse(answer, 400, "Upload-Length", "is missing; give it, or Upload-Defer-Length: 1");
    /* a part may be empty: clients cut a tiny file into some that are */
    if (w->origin.bytes == 0 && w->concat.kind == TUS_WHOLE)
        return doors_refuse(answer, 400, "Upload-Length",
                            "is 0; an empty file is no recording, send files that have bytes");
    return true;
}

static int set_fields(const struct knock *k, struct wish *w, struct error *err)
{
    _cleanup_(tus_metadata_done) struct tus_metadata m = {.n = 0};
    _cleanup_(zone_freep) struct zone *zone = NULL;
    int r = w->metadata ? tus_metadata_parse(w->metadata, &m, err) : 0;

    if (r == 0)
        r = zone_new(w->origin.zone ? w->origin.zone : zone_name(k->settings->site.zone), &zone);
    for (size_t i = 0; r == 0 && i < m.n; i++) {
        r = fields_set(&w->fields, m.pairs[i].key, m.pairs[i].value, m.pairs[i].size, zone, err);
        r = MIN(r, 0); /* what is none of ours is for the client alone, HEAD gives it back */
    }
    return r < 0 ? r : fields_origin(&w->fields, &w->origin);
}

static bool read_metadata(struct knock *k, struct wish *w, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int64_t bytes = w->origin.bytes;
    int r;

    if (!tus_header(k, "Upload-Metadata", &w->metadata, answer))
        return false;
    r = doors_origin(k, "tus", &w->origin);
    w->origin.bytes = bytes;
    r = r < 0 ? r : set_fields(k, w, &err);
    if (r < 0)
        return tus_fail(answer, r, &err);
    r = fields_allow(&w->fields, k->device, &err);
    if (r == 0)
        return true;
    tus_fail(answer, r, &err);
    answer->status = 403;
    return false;
}

/* Everything that a POST says but its body. */
static bool read_wish(struct knock *k, struct wish *w, struct http_answer *answer)
{
    return tus_speaks(k, answer) && read_concat(k, w, answer) && read_length(k, w, answer) &&
           read_metadata(k, w, answer);
}

/* A new upload could not be made. Return: false. */
static bool refuse_new(const struct knock *k, int code, const struct error *err, struct http_answer *answer)
{
    tus_fail(answer, code, err);
    if (code == -ENAMETOOLONG || code == -E2BIG) { /* in Upload-Metadata, not in the target */
        answer->status = 400;
    } else if (code == -EDQUOT && strcmp(err->object, k->owner) == 0) { /* uploads.waiting */
        answer->status = 429;
        (void)http_answer_header(answer, "Retry-After", "%d", WAITING_SECONDS);
    }
    return false;
}

/* Makes the upload that the body of this request goes into. */
static bool create(struct knock *k, const struct wish *w, struct http_answer *answer)
{
    struct tus *t = k->state;
    struct error err = ERROR_INIT;
    int r;

    /* held until the upload is in the table: several at once do not slip past the quota together */
    if (!doors_admit(k->doors, k->device, w->origin.bytes, answer) ||
        !doors_hold(k->doors, k->device, (uint64_t)MAX(w->origin.bytes, 0), &t->held, answer))
        return false;
    r = upload_create(k->context->intake, &w->origin, w->metadata, w->concat.kind == TUS_PARTIAL, &t->upload,
                      &err);
    doors_release(k->doors, k->device, &t->held);
    t->deferred = w->origin.bytes < 0;
    if (r != 0)
        return refuse_new(k, r, &err, answer);
    t->created = true;
    return tus_expect(k, answer);
}

static bool begin_post(struct knock *k, struct http_answer *answer)
{
    _cleanup_(wish_done) struct wish w = {.fields = FIELDS_INIT, .origin = {.bytes = -1}};
    struct tus *t = k->state;
    int64_t body = k->request->body_bytes;

    if (!read_wish(k, &w, answer))
        return false;
    if (w.concat.kind == TUS_FINAL) /* made when it is certain that no body comes */
        return body <= 0 || doors_refuse(answer, 400, "Upload-Concat",
                                         "a final upload is made of its parts; send no body");
    t->takes = tus_is_bytes(k);
    if (body > 0 && !t->takes)
        return doors_refuse(answer, 415, "Content-Type",
                            "must be application/offset+octet-stream where bytes are sent");
    if (w.origin.bytes >= 0 && body > w.origin.bytes)
        return doors_refuse(answer, 413, "Content-Length", "is more than Upload-Length announces");
    return create(k, &w, answer);
}

static bool begin(struct knock *k, struct http_answer *answer)
{
    if (strcmp(k->method, "OPTIONS") == 0)
        return true;
    if (!tus_open(k, answer))
        return false;
    if (begin_post(k, answer))
        return true;
    tus_let_go(k, true);
    return false;
}

static void finish_final(struct knock *k, struct http_answer *answer)
{
    _cleanup_(wish_done) struct wish w = {.fields = FIELDS_INIT, .origin = {.bytes = -1}};
    struct tus *t = k->state;
    struct error err = ERROR_INIT;
    int r;

    if (!read_wish(k, &w, answer) || !doors_admit(k->doors, k->device, -1, answer))
        return;
    r = upload_concat(k->context->intake, &w.origin, w.metadata, w.concat_text, w.concat.ids, w.concat.n,
                      &t->upload, &err);
    if (r != 0) {
        refuse_new(k, r, &err, answer);
        return;
    }
    t->created = true;
    tus_conclude(k, 201, answer);
}

static void finish(struct knock *k, struct http_answer *answer)
{
    struct tus *t = k->state;

    if (strcmp(k->method, "OPTIONS") == 0)
        tus_options(k, answer);
    else if (t->upload)
        tus_conclude(k, 201, answer);
    else
        finish_final(k, answer);
}

const struct door door_tus_new = {
    .name = "tus",
    .begin = begin,
    .take = tus_take,
    .finish = finish,
    .close = tus_close,
    .decorate = tus_decorate,
};
