/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Derivatives as people ask for them. Looking at one is looking at the recording: the act recording.viewed is in the ledger before the
 * first byte goes out, as with the original. Asking again for what a browser has kept (304) is a look too. What lists show so that
 * one recording is told from another (RECOGNISED) is none: one small picture, or the shape of the sound.
 *
 * A derivative that is being made is 503 with Retry-After and how far it is, and asking for it has put it first; one that there will
 * never be is 404 with the reason.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "api/views.h"
#include "base/clock.h"

#define RETRY_SECONDS 2

static bool is_look(const char *name)
{
    static const char *const recognised[] = {"poster.jpg", "photo-small.jpg", "peaks.json", "sprite.vtt"};

    for (size_t i = 0; i < ARRAY_SIZE(recognised); i++)
        if (strcmp(recognised[i], name) == 0)
            return false;
    return true;
}

/* What the media programs may be asked for has plain names (media/PLAN.md): nothing else reaches the file system. */
static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.");

    return n > 0 && n < sizeof((struct derivative *)NULL)->name && !name[n] && *name != '.' &&
           !strstr(name, "..");
}

static int record_look(struct call *c, const struct recording_id *id)
{
    unsigned status = c->whole->status;

    if (strcmp(c->request->method, "GET") != 0 || (status != 200 && status != 206 && status != 304))
        return 0;
    return views_record(c->context->views, c->context->writer, c->who->actor, id, c->whole->file_from,
                        clock_now_usec(), &c->err);
}

/* Takes fd. */
static int answer_file(struct call *c, const struct recording_id *id, const struct derivative *d, int fd,
                       bool look)
{
    struct http_file file = {
        .fd = fd, .bytes = d->bytes, .type = d->type, .etag = d->etag, .changed_usec = d->made_usec};
    int r = http_answer_file(c->whole, c->request, &file);

    r = r != 0 ? r : http_answer_header(c->whole, "X-Content-Type-Options", "nosniff");
    r = r != 0 ? r : http_answer_header(c->whole, "Cache-Control", "private, no-cache");
    r = r != 0 || !look ? r : record_look(c, id);
    c->is_whole = r == 0;
    return r;
}

/* 503: an error as always, and beside it what is known of the work. */
static int answer_not_yet(struct call *c, json_t *state)
{
    _cleanup_json_ json_t *answer = state ? state : json_object();
    char *text = NULL;
    int r = json_set_take(answer, "error", doors_error_json(&c->err));

    (void)json_object_del(answer, "files");
    r = r != 0 ? r : json_canonical(answer, &text);
    if (r != 0)
        return r;
    http_answer_text(c->whole, 503, "application/json; charset=utf-8", text);
    c->is_whole = true;
    return http_answer_header(c->whole, "Retry-After", "%d", RETRY_SECONDS);
}

int answer_derivative(struct call *c, const struct recording_id *id, const char *name)
{
    struct derivative d = {0};
    json_t *state = NULL;
    int fd = -1, r;

    if (!is_name(name))
        return error_set(&c->err, ROUTE_E_NOT_HERE, name,
                         "is no derivative; proxy.mp4 or poster.jpg are names of such");
    r = derive_open(c->context->derive, id, name, &d, &fd, &c->err);
    if (r == DERIVE_E_NEVER)
        return c->err.code = ROUTE_E_NOT_HERE;
    if (r == DERIVE_E_NOT_YET) {
        struct error ignored = ERROR_INIT;
        (void)derive_list(c->context->derive, id, true, &state, &ignored); /* the error says it as well */
        return answer_not_yet(c, state);
    }
    return r != 0 ? r : answer_file(c, id, &d, fd, is_look(name));
}

int handle_derivative(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    return r != 0 ? r : answer_derivative(c, &id, c->args[1]);
}

int handle_derivatives(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    r = r != 0 ? r : derive_list(c->context->derive, &id, false, &c->answer, &c->err);
    r = r != 0 ? r : json_set_string(c->answer, "recording", id.text);
    return r != 0 ? r : answer_zone(c);
}

int handle_make_again(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    r = r != 0 ? r : derive_again(c->context->derive, &id, &c->err);
    r = r != 0 ? r : derive_list(c->context->derive, &id, false, &c->answer, &c->err);
    r = r != 0 ? r : json_set_string(c->answer, "recording", id.text);
    c->status = 202;
    return r != 0 ? r : answer_zone(c);
}
