/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What both doors of tus do (see tus-internal.h). A body ends in tus_conclude: the bytes are made durable, their checksum is compared,
 * and an upload that is whole is sealed before anything is answered. When it cannot be sealed now, it stays whole; asking again seals it.
 */
#include "doors/tus-internal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "doors/tus-headers.h"

#define EXTENSIONS                                                                                           \
    "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration,concatenation"
#define METHODS "POST, GET, HEAD, PATCH, DELETE, OPTIONS"
#define ALLOWED                                                                                              \
    "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Offset, "        \
    "Upload-Metadata, Upload-Concat, Upload-Checksum, X-HTTP-Method-Override, X-Requested-With, "            \
    "X-Request-ID, X-Auth-Token"
#define EXPOSED                                                                                              \
    "Location, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Concat, "          \
    "Upload-Expires, Tus-Version, Tus-Resumable, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, "      \
    "Retry-After, Liuhen-Recording, Liuhen-Sha256"

/* ---- requests in hand ---------------------------------------------------------------------------------------------------- */

bool tus_open(struct knock *k, struct http_answer *answer)
{
    k->state = calloc(1, sizeof(struct tus));
    return k->state ? true : tus_fail(answer, -ENOMEM, NULL);
}

void tus_let_go(struct knock *k, bool failed)
{
    struct tus *t = k->state;
    char id[ULID_LENGTH + 1];
    struct error ignored = ERROR_INIT;

    if (t && t->upload) {
        memcpy(id, upload_id(t->upload), sizeof id);
        t->upload = upload_free(t->upload);
        if (failed && t->created)
            (void)upload_end(k->context->intake, id, k->owner, &ignored); /* what is left expires */
    }
    if (t) /* from here on the table of uploads says what it takes */
        doors_release(k->doors, k->device, &t->held);
}

void tus_close(struct knock *k, bool whole)
{
    tus_let_go(k, !whole);
    free(TAKE_PTR(k->state));
}

/* ---- refusing ------------------------------------------------------------------------------------------------------------ */

bool tus_fail(struct http_answer *answer, int code, const struct error *err)
{
    struct error own = ERROR_INIT;

    if (!err || !err->text[0])
        err = (error_errno(&own, code < 0 ? code : -EIO, "upload", "cannot be served now"), &own);
    doors_fail(answer, code, 460, err);
    return false;
}

bool tus_speaks(const struct knock *k, struct http_answer *answer)
{
    const char *version;

    if (!tus_header(k, "Tus-Resumable", &version, answer))
        return false;
    if (version && strcmp(version, TUS_VERSION) == 0)
        return true;
    doors_refuse(answer, 412, "Tus-Resumable",
                 "must be " TUS_VERSION "; no other version of tus is spoken here");
    (void)http_answer_header(answer, "Tus-Version", TUS_VERSION);
    return false;
}

/* ---- headers ------------------------------------------------------------------------------------------------------------- */

struct counted {
    const char *name;
    size_t n;
};

static void count_header(void *userdata, const char *name, const char *value)
{
    struct counted *c = userdata;

    c->n += strcasecmp(name, c->name) == 0;
}

bool tus_header(const struct knock *k, const char *name, const char **ret, struct http_answer *answer)
{
    struct counted c = {.name = name};

    *ret = http_header(k->request, name);
    if (!*ret)
        return true;
    http_headers_each(k->request, name, count_header, &c);
    return c.n <= 1 || doors_refuse(answer, 400, name, "is given %zu times; give it once", c.n);
}

bool tus_number(const struct knock *k, const char *name, int64_t *ret, struct http_answer *answer)
{
    const char *value;

    *ret = -1;
    if (!tus_header(k, name, &value, answer))
        return false;
    if (!value || header_number(value, ret) == 0)
        return true;
    return doors_refuse(answer, 400, name, "must be a number of bytes, decimal digits only");
}

bool tus_is_bytes(const struct knock *k)
{
    static const char type[] = "application/offset+octet-stream";
    const char *value = http_header(k->request, "Content-Type");
    size_t n = value ? strcspn(value, "; \t") : 0;

    return n == strlen(type) && strncasecmp(value, type, n) == 0;
}

bool tus_expect(struct knock *k, struct http_answer *answer)
{
    struct tus *t = k->state;
    struct error err = ERROR_INIT;
    struct header_digest d;
    const char *value;
    int r;

    if (!tus_header(k, "Upload-Checksum", &value, answer))
        return false;
    if (!value)
        return true;
    r = header_upload_checksum(value, &d, &err);
    r = r < 0 ? r : upload_expect(t->upload, d.algorithm, d.bytes, d.size, &err);
    if (r == 0)
        return true;
    tus_fail(answer, r, &err);
    if (r == -EOPNOTSUPP || r == -EINVAL)
        answer->status = 400; /* tus, Checksum */
    return false;
}

int tus_say_offset(const struct knock *k, int64_t offset, struct http_answer *answer)
{
    const struct tus *t = k->state;
    _cleanup_(upload_state_done) struct upload_state state = {.offset = offset};
    struct error ignored = ERROR_INIT;
    char date[TUS_DATE_SIZE];
    int r = http_answer_header(answer, "Upload-Offset", "%lld", (long long)offset);

    if (r < 0 || !t || !t->upload)
        return r;
    r = upload_state(k->context->intake, upload_id(t->upload), k->owner, &state, &ignored);
    if ((r != 0 && r != UPLOAD_E_BUSY) || state.sealed || state.expires_usec == 0)
        return 0;
    tus_date(state.expires_usec, date);
    return http_answer_header(answer, "Upload-Expires", "%s", date);
}

/* ---- bodies -------------------------------------------------------------------------------------------------------------- */

bool tus_take(struct knock *k, const void *data, size_t size, struct http_answer *answer)
{
    struct tus *t = k->state;
    struct error err = ERROR_INIT;
    int r;

    if (!t || !t->takes || !t->upload) { /* no state: OPTIONS, which anybody may send a body with */
        tus_let_go(k, true);
        return doors_refuse(answer, 415, "Content-Type",
                            "must be application/offset+octet-stream where bytes are sent");
    }
    t->came += size;
    if (t->deferred && !doors_hold(k->doors, k->device, t->came, &t->held, answer)) {
        tus_let_go(k, true);
        return false;
    }
    r = upload_write(t->upload, data, size, &err);
    if (r == 0)
        return true;
    if (r ==
        -EFBIG) /* or bytes up to the announced length would be sealed, and nobody knows which of them were meant */
        upload_take_back(t->upload);
    tus_let_go(k, true);
    return tus_fail(answer, r, &err);
}

int tus_seal(struct knock *k, struct upload_result *ret, struct error *err)
{
    struct tus *t = k->state;
    int r = upload_seal(t->upload, ret, err);

    if (r == 0)
        doors_account(k->doors, k->device, ret->bytes);
    return r;
}

int tus_say_recording(const struct upload_result *result, struct http_answer *answer)
{
    char hex[DIGEST_HEX_SIZE];
    int r = http_answer_header(answer, "Liuhen-Recording", "%s", result->recording.text);

    digest_to_hex(&result->sha256, hex);
    return r < 0 ? r : http_answer_header(answer, "Liuhen-Sha256", "%s", hex);
}

/* What the client may know of its upload after this request. */
static int say_all(struct knock *k, const struct upload_result *result, struct http_answer *answer)
{
    struct tus *t = k->state;
    int r = tus_say_offset(k, upload_offset(t->upload), answer);

    if (r == 0 && t->created)
        r = http_answer_header(answer, "Location", "/tus/%s", upload_id(t->upload));
    return r == 0 && result->receipt ? tus_say_recording(result, answer) : r;
}

void tus_conclude(struct knock *k, unsigned status, struct http_answer *answer)
{
    struct tus *t = k->state;
    _cleanup_(upload_result_done) struct upload_result result = {.bytes = 0};
    struct error err = ERROR_INIT;
    bool written;
    int r = upload_pause(t->upload, &err);

    written = r == 0;
    if (r == 0 && upload_is_whole(t->upload))
        r = tus_seal(k, &result, &err);
    if (r == 0)
        http_answer_text(answer, status, NULL, NULL);
    else
        tus_fail(answer, r, &err);
    /* What could not be sealed now stays whole: the client learns that all bytes are here, and need not be sent again. What never
     * can be is given up. */
    if (!written || r > 0) {
        tus_let_go(k, true);
        return;
    }
    r = say_all(k, &result, answer);
    tus_let_go(k, false);
    if (r < 0)
        tus_fail(answer, r, NULL);
}

/* ---- every answer -------------------------------------------------------------------------------------------------------- */

/* The origin as Access-Control-Allow-Origin says it (Fetch, CORS protocol); NULL: browsers from there may not. */
static const char *allowed_origin(const struct settings *settings, const char *origin)
{
    for (size_t i = 0; i < settings->http.origins.n; i++) {
        const char *known = settings->http.origins.items[i];

        if (strcmp(known, "*") == 0)
            return "*";
        if (strcasecmp(known, origin) == 0)
            return origin;
    }
    return NULL;
}

static void decorate_cors(const struct settings *settings, const struct http_request *request,
                          struct http_answer *answer)
{
    const char *origin = http_header(request, "Origin");
    const char *allowed = origin ? allowed_origin(settings, origin) : NULL;

    (void)http_answer_header(answer, "Vary", "Origin");
    if (!allowed)
        return;
    (void)http_answer_header(answer, "Access-Control-Allow-Origin", "%s", allowed);
    if (strcmp(request->method, "OPTIONS") != 0) {
        (void)http_answer_header(answer, "Access-Control-Expose-Headers", EXPOSED);
        return;
    }
    (void)http_answer_header(answer, "Access-Control-Allow-Methods", METHODS);
    (void)http_answer_header(answer, "Access-Control-Allow-Headers", ALLOWED);
    (void)http_answer_header(answer, "Access-Control-Max-Age", "86400");
}

void tus_decorate(const struct settings *settings, const struct http_request *request,
                  struct http_answer *answer)
{
    if (strcmp(request->method, "OPTIONS") != 0)
        (void)http_answer_header(answer, "Tus-Resumable", TUS_VERSION);
    decorate_cors(settings, request, answer);
}

void tus_options(const struct knock *k, struct http_answer *answer)
{
    int r;

    http_answer_text(answer, 204, NULL, NULL);
    r = http_answer_header(answer, "Tus-Version", TUS_VERSION);
    r = r < 0 ? r : http_answer_header(answer, "Tus-Extension", EXTENSIONS);
    r = r < 0 ? r
              : http_answer_header(answer, "Tus-Max-Size", "%llu",
                                   (unsigned long long)k->settings->uploads.max_bytes);
    r = r < 0 ? r : http_answer_header(answer, "Tus-Checksum-Algorithm", TUS_CHECKSUMS);
    if (r < 0)
        tus_fail(answer, r, NULL);
}
