/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handlers that give out bytes as they are: a recording's content, receipts for bytes, openapi.yaml. Whoever sees content is in the
 * ledger before the first byte goes out (Art. 21: looking is recorded).
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/openapi.h"
#include "api/views.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "catalogue/arrivals.h"
#include "catalogue/receipts.h"
#include "catalogue/recordings.h"

const char *original_type(const char *name)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".mp4", "video/mp4"},        {".m4v", "video/mp4"},   {".mov", "video/quicktime"},
        {".mkv", "video/x-matroska"}, {".webm", "video/webm"}, {".avi", "video/x-msvideo"},
        {".ts", "video/mp2t"},        {".mp3", "audio/mpeg"},  {".m4a", "audio/mp4"},
        {".wav", "audio/wav"},        {".flac", "audio/flac"}, {".ogg", "audio/ogg"},
        {".jpg", "image/jpeg"},       {".jpeg", "image/jpeg"}, {".png", "image/png"},
        {".pdf", "application/pdf"},
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
        if (strcasecmp(dot, types[i].suffix) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* Opens the content, which must have the size that was sealed. */
static int open_content(struct call *c, const struct recording_id *id, const json_t *row,
                        struct http_file *ret)
{
    struct stat st;
    int fd = -1, r = store_open_content(c->context->store, id, NULL, &fd, &c->err);

    if (r == STORE_E_UNKNOWN)
        return error_set(&c->err, json_object_get(row, "disposed_leaf") ? ROUTE_E_NOT_HERE : -EBADMSG,
                         id->text, "has no content in the store; `liuhen fsck` says more");
    if (r != 0)
        return r < 0 ? r : -EBADMSG;
    if (fstat(fd, &st) < 0 || st.st_size != json_get_integer(row, "bytes", -1)) {
        close(fd);
        return error_set(&c->err, -EBADMSG, id->text, "has not the size that was sealed; run `liuhen fsck`");
    }
    *ret = (struct http_file){.fd = fd,
                              .bytes = (uint64_t)st.st_size,
                              .type = original_type(json_get_string(row, "name")),
                              .etag = json_get_string(row, "digest"),
                              .changed_usec = json_get_integer(row, "received", 0)};
    return 0;
}

/* A name as RFC 8187 §3.2.1 wants it: all but letters, digits and a few marks as %XX. New string; NULL = no memory. */
static char *encode_extended(const char *name, size_t size)
{
    char *out = malloc(3 * size + 1), *end = out;

    for (size_t i = 0; out && i < size; i++) {
        unsigned char b = (unsigned char)name[i];

        if (isalnum(b) || (b && strchr("!#$&+-.^_`|~", b)))
            *end++ = (char)b;
        else
            end += sprintf(end, "%%%02X", b);
    }
    if (out)
        *end = '\0';
    return out;
}

/* Never shown by a browser as a page of ours (RFC 6266). */
static int add_headers(struct call *c, const json_t *row)
{
    _cleanup_free_ char *plain = NULL, *encoded = NULL;
    size_t size;
    int r = decode_percent(json_get_string(row, "name"), &plain, &size);

    if (r != 0)
        return r;
    encoded = encode_extended(plain, size);
    if (!encoded)
        return -ENOMEM;
    r = http_answer_header(c->whole, "Content-Disposition", "attachment; filename*=UTF-8''%s", encoded);
    if (r == 0)
        r = http_answer_header(c->whole, "X-Content-Type-Options", "nosniff");
    return r == 0 ? http_answer_header(c->whole, "Cache-Control", "private, no-cache") : r;
}

int answer_original(struct call *c, const struct recording_id *id, const json_t *row)
{
    struct http_file file;
    int r = open_content(c, id, row, &file);

    r = r != 0 ? r : http_answer_file(c->whole, c->request, &file);
    r = r != 0 ? r : add_headers(c, row);
    if (r == 0 && strcmp(c->request->method, "GET") == 0 &&
        (c->whole->status == 200 || c->whole->status == 206 ||
         c->whole->status == 304)) /* 304: of what is kept */
        r = views_record(c->context->views, c->context->writer, c->who->actor, id, c->whole->file_from,
                         clock_now_usec(), &c->err);
    c->is_whole = r == 0;
    return r;
}

int handle_content(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    return r != 0 ? r : answer_original(c, &id, row);
}

/* Somebody else's bytes are answered like unknown ones. */
static int may_ask(struct call *c, const struct recording_id *id)
{
    _cleanup_json_ json_t *row = NULL;
    bool mine = false;
    int r;

    if (c->device) {
        r = arrivals_has_device(c->db, id->text, c->device->id, &mine, &c->err);
    } else {
        r = recordings_show(c->db, id, &row, &c->err);
        mine = r == 0 && person_owns(c->who, json_get_string(row, "officer"));
    }
    if (r == 0 && !mine)
        r = RECORDINGS_E_NONE;
    return r;
}

/* Whoever asks may do away with the own copy then: what is missing in the store, or cut off, is not here, whatever the ledger says. */
static int check_kept(struct call *c, const struct recording_id *id, const json_t *row)
{
    struct http_file file = {.fd = -1};
    int r;

    if (json_object_get(row, "disposed_leaf"))
        return 0; /* disposed of by a decision: nobody waits for the bytes */
    r = open_content(c, id, row, &file);
    fd_closep(&file.fd);
    return r == -EBADMSG ? (c->err.code = ACT_E_REFUSED) : r; /* 409: no waiting helps */
}

int handle_receipt_of_bytes(struct call *c)
{
    _cleanup_(upload_result_done) struct upload_result result = {.again = true};
    _cleanup_json_ json_t *row = NULL;
    int r;

    if (digest_from_hex(c->args[0], &result.sha256) < 0)
        return error_set(&c->err, -EINVAL, c->args[0], "is no SHA-256; write it as 64 hex digits");
    r = recordings_by_digest(c->db, &result.sha256, &result.recording, &c->err);
    r = r != 0 ? r : may_ask(c, &result.recording);
    if (r == RECORDINGS_E_NONE)
        return error_set(&c->err, r, c->args[0],
                         "nobody you may ask for has delivered these bytes; send them");
    r = r != 0 ? r : recordings_show(c->db, &result.recording, &row, &c->err);
    r = r != 0 ? r : check_kept(c, &result.recording, row);
    r = r != 0 ? r : receipt_leaf(c->db, &result.recording, &result.leaf, &c->err);
    r = r != 0 ? r
               : receipt_for_leaf(c->context->ledger, result.leaf, result.recording.text, &result.receipt,
                                  &c->err);
    if (r != 0)
        return r;
    result.bytes = (uint64_t)json_get_integer(row, "bytes", 0);
    c->answer = doors_receipt_json(&result);
    return c->answer ? 0 : -ENOMEM;
}

int handle_openapi(struct call *c)
{
    c->type = "application/yaml; charset=utf-8"; /* RFC 9512 */
    return openapi_text(&c->text, &c->err);
}
