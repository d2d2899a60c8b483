/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Objects of body-worn systems: /v1/AUTH_<device>/<container>/<object>. Whatever has bytes becomes a recording by intake/upload.h;
 * settings of the camera system itself (System, Users, Devices) are small and stand in the catalogue. Bytes are never handed out here,
 * nothing is overwritten and nothing deleted. The first bytes of bookmarks and GPS trails are read on the way, for what they say.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/inject.h"
#include "base/log.h"
#include "cases/bodyworn.h"
#include "cases/place-bodyworn.h"
#include "doors/swift-internal.h"

#define PREFIX       "X-Object-Meta-"
#define SETTING_MAX  (16u << 10)
#define BOOKMARK_MAX (8u << 10)
#define TRAIL_MAX    (1u << 20) /* as base/json.h reads */
#define TYPE_MAX     256

/* A PUT on its way. */
struct put {
    struct swift_path path;
    enum bodyworn_container_kind container_kind;
    enum bodyworn_object_kind kind;
    struct bodyworn_container container;
    json_t *metadata;
    struct upload *upload; /* NULL: a setting, or nothing has come */
    char *head;            /* the bytes of a setting, or the first of what is read */
    size_t head_size, head_max;
    uint64_t bytes, held; /* held: of the device's quota */
    char etag[33];        /* the client's, "" = none */
};

static void put_free(struct put *p)
{
    bodyworn_container_done(&p->container);
    json_decref(p->metadata);
    upload_free(p->upload);
    free(p->head);
    free(p);
}

/* ---- beginning a PUT ---------------------------------------------------------------------------------------------------- */

static int find_container(struct db *db, void *userdata, struct error *err)
{
    struct put *p = userdata;

    return bodyworn_container_find(db, p->path.device, p->path.container, &p->container, err);
}

/* The container must be there; those of the system's own settings come by themselves. */
static int need_container(const struct knock *k, struct put *p, struct error *err)
{
    struct bodyworn_container_said said = {.name = p->path.container, .create = true};
    struct bodyworn_keep keep = swift_keep(k);
    _cleanup_json_ json_t *nothing = json_object();
    int r = swift_read(k, find_container, p, err);

    if (r != BODYWORN_E_NONE)
        return r;
    if (p->kind != BODYWORN_SETTING)
        return error_set(err, BODYWORN_E_NONE, p->path.container, "is no container here; PUT it first");
    said.metadata = nothing;
    r = nothing ? bodyworn_keep_container(&keep, &said, err) : -ENOMEM;
    return r != 0 ? r : swift_read(k, find_container, p, err);
}

/* The ETag that the client says its bytes have (Swift: 422 when they do not). Return: false with the answer filled. */
static bool read_etag(const struct knock *k, struct put *p, struct http_answer *answer)
{
    const char *said = http_header(k->request, "ETag");
    uint8_t digest[16];
    char hex[33];
    size_t n;

    if (!said || !*said)
        return true;
    said += *said == '"';
    n = strcspn(said, "\"");
    if (n != 32)
        return doors_refuse(answer, 422, "ETag", "is no MD5; send 32 hex digits or none");
    snprintf(hex, sizeof hex, "%.32s", said);
    if (decode_hex(hex, digest, sizeof digest) < 0)
        return doors_refuse(answer, 422, "ETag", "is no MD5; send 32 hex digits or none");
    encode_hex(digest, sizeof digest, p->etag);
    return true;
}

/* What of Swift is not spoken here: objects made of others. */
static bool is_plain(const struct knock *k, struct http_answer *answer)
{
    static const char *const headers[] = {"X-Object-Manifest", "X-Copy-From", "X-Symlink-Target"};

    if (k->target->n_params > 0)
        return doors_refuse(answer, 400, k->target->params[0].name,
                            "is not known here; send whole objects, without segments or manifests");
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        if (http_header(k->request, headers[i]))
            return doors_refuse(answer, 400, headers[i], "is not known here; send the bytes themselves");
    return true;
}

static bool check_put(struct knock *k, struct put *p, struct http_answer *answer)
{
    int64_t bytes = k->request->body_bytes;

    if (swift_is_published(p->path.container, p->path.object))
        return doors_refuse(answer, 403, p->path.object, "is ours to say; read it");
    if (p->kind == BODYWORN_SETTING && bytes > (int64_t)SETTING_MAX)
        return doors_refuse(answer, 400, p->path.object, "is larger than a setting may be (%u bytes)",
                            SETTING_MAX);
    if (bytes == 0 && (p->kind == BODYWORN_CLIP || p->kind == BODYWORN_KEY) &&
        p->container_kind != BODYWORN_REJECTED)
        return doors_refuse(answer, 400, p->path.object, "has no bytes; a clip or key without any is none");
    return is_plain(k, answer) && read_etag(k, p, answer);
}

static bool admit(const struct knock *k, struct put *p, struct http_answer *answer)
{
    int64_t bytes = k->request->body_bytes;

    return swift_admit(k, bytes, answer) && swift_hold(k, bytes > 0 ? (uint64_t)bytes : 0, &p->held, answer);
}

struct sidecar_reading {
    const struct put *put;
    json_t *sidecar;
};

static int read_sidecar(struct db *db, void *userdata, struct error *err)
{
    struct sidecar_reading *s = userdata;
    const struct put *p = s->put;
    struct bodyworn_object o = {.name = (char *)p->path.object, .metadata = p->metadata};

    memcpy(o.container, p->container.id, sizeof o.container);
    snprintf(o.kind, sizeof o.kind, "%s", bodyworn_object_kind_name(p->kind));
    return place_bodyworn_sidecar(db, &p->container, &o, &s->sidecar, err);
}

/* The recording's own time zone, where it is one that we know. */
static const char *zone_of(const struct put *p)
{
    const char *name = bodyworn_value(p->container.metadata, "timezone");
    _cleanup_(zone_freep) struct zone *zone = NULL;

    return name && zone_new(name, &zone) == 0 ? name : NULL;
}

static int open_upload(struct knock *k, struct put *p, struct error *err)
{
    const char *slash = strrchr(p->path.object, '/'), *zone = zone_of(p);
    _cleanup_free_ char *path = NULL;
    struct sidecar_reading s = {p, NULL};
    struct upload_origin origin;
    uint8_t md5[16];
    int r = doors_origin(k, "bodyworn", &origin);

    if (r < 0)
        return r;
    r = swift_read(k, read_sidecar, &s, err);
    r = r != 0 ? r : json_set_take(origin.facts, "sidecar", s.sidecar);
    if (r == 0 && asprintf(&path, "%s/%s", p->path.container, p->path.object) < 0) {
        path = NULL;
        r = -ENOMEM;
    }
    origin.name = slash ? slash + 1 : p->path.object;
    origin.path = path;
    origin.bytes = k->request->body_bytes;
    if (zone)
        origin.zone = zone;
    r = r != 0 ? r : upload_new(k->context->intake, &origin, &p->upload, err);
    json_decref(origin.facts);
    r = r != 0 ? r : upload_want_md5(p->upload);
    if (r == 0 && *p->etag)
        r = decode_hex(p->etag, md5, sizeof md5) < 0 ? -EINVAL
                                                     : upload_expect(p->upload, "md5", md5, sizeof md5, err);
    return r;
}

static bool begin_put(struct knock *k, struct put *p, struct http_answer *answer)
{
    static const size_t heads[] = {[BODYWORN_SETTING] = SETTING_MAX,
                                   [BODYWORN_BOOKMARK] = BOOKMARK_MAX,
                                   [BODYWORN_TRAIL] = TRAIL_MAX,
                                   [BODYWORN_FILE] = 0};
    struct error err = ERROR_INIT;
    int r;

    p->container_kind = bodyworn_container_kind(p->path.container);
    p->kind = bodyworn_object_kind(p->container_kind, p->path.object);
    p->head_max = heads[p->kind];
    if (!check_put(k, p, answer) || !admit(k, p, answer))
        return false;
    r = swift_metadata(k->request, PREFIX, p->path.container, &p->metadata, &err);
    if (r < 0)
        return swift_malformed(answer, r, &err);
    r = need_container(k, p, &err);
    if (r == 0 && k->request->body_bytes != 0 && p->kind != BODYWORN_SETTING)
        r = open_upload(k, p, &err);
    return r == 0 || swift_fail(answer, r, &err);
}

static bool begin(struct knock *k, struct http_answer *answer)
{
    struct put *p;
    struct error err = ERROR_INIT;

    if (strcmp(k->method, "PUT") != 0)
        return true;
    p = k->state = calloc(1, sizeof *p);
    if (!p)
        return swift_fail(answer, error_set(&err, -ENOMEM, "", "no memory; try again"), &err);
    return swift_enter(k, &p->path, answer) && begin_put(k, p, answer);
}

/* ---- its bytes ---------------------------------------------------------------------------------------------------------- */

static bool keep_head(struct put *p, const void *data, size_t size)
{
    size_t n = MIN(size, p->head_max - p->head_size);
    char *more;

    if (n == 0)
        return true;
    more = realloc(p->head, p->head_size + n);
    if (!more)
        return false;
    p->head = more;
    memcpy(p->head + p->head_size, data, n);
    p->head_size += n;
    return true;
}

static bool take(struct knock *k, const void *data, size_t size, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    struct put *p = k->state;
    int r;

    if (!p)
        return true; /* a body of what takes none is passed over */
    p->bytes += size;
    if (p->kind == BODYWORN_SETTING && p->bytes > SETTING_MAX)
        return doors_refuse(answer, 400, p->path.object, "is larger than a setting may be (%u bytes)",
                            SETTING_MAX);
    if (!swift_hold(k, p->bytes, &p->held, answer))
        return false;
    if (!keep_head(p, data, size))
        return swift_fail(answer, error_set(&err, -ENOMEM, p->path.object, "no memory; try again"), &err);
    r = p->upload ? upload_write(p->upload, data, size, &err) : 0;
    return r == 0 || swift_fail(answer, r, &err);
}

/* ---- ending a PUT ------------------------------------------------------------------------------------------------------- */

/* A NUL would end a text; each other control character would take six bytes in the act, which has an end. */
static bool is_text(char c)
{
    return (unsigned char)c >= ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What the bytes say: a bookmark's text, a trail's ends. *ret may stay NULL. */
static int read_detail(const struct put *p, json_t **ret)
{
    _cleanup_free_ char *text = NULL;

    if (p->kind == BODYWORN_TRAIL && p->bytes > 0) {
        *ret = p->bytes > TRAIL_MAX ? json_pack("{s:s}", "fault", "is not read: larger than 1 MiB")
                                    : bodyworn_trail(p->head, p->head_size);
        return *ret ? 0 : -ENOMEM;
    }
    if (p->kind != BODYWORN_BOOKMARK || p->head_size == 0)
        return 0;
    text = malloc(p->head_size + 1);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < p->head_size; i++)
        text[i] = is_text(p->head[i]) ? p->head[i] : '?';
    text[p->head_size] = 0;
    utf8_repair(text, p->head_size + 1);
    *ret = p->bytes > p->head_size ? json_pack("{s:s, s:b}", "text", text, "cut", 1)
                                   : json_pack("{s:s}", "text", text);
    return *ret ? 0 : -ENOMEM;
}

/* The Content-Type, where it can be kept as it stands. */
static const char *type_of(const struct http_request *r)
{
    const char *type = http_header(r, "Content-Type");

    return type && strlen(type) <= TYPE_MAX && utf8_is_valid(type, strlen(type)) ? type : NULL;
}

/* The bytes are here: rows. */
static int keep_object(const struct knock *k, const struct put *p, const char *recording, const char *etag,
                       struct error *err)
{
    struct bodyworn_keep keep = swift_keep(k);
    _cleanup_free_ char *content = NULL;
    _cleanup_json_ json_t *detail = NULL;
    struct bodyworn_object_said said;
    int r = read_detail(p, &detail);

    if (r == 0 && p->kind == BODYWORN_SETTING && p->head_size > 0 &&
        !(content = encode_base64(p->head, p->head_size)))
        r = -ENOMEM;
    said = (struct bodyworn_object_said){.container = p->container.id,
                                         .name = p->path.object,
                                         .kind = bodyworn_object_kind_name(p->kind),
                                         .recording = recording,
                                         .etag = etag,
                                         .type = type_of(k->request),
                                         .content = content,
                                         .bytes = (int64_t)p->bytes,
                                         .metadata = p->metadata,
                                         .detail = detail};
    return r != 0 ? r : bodyworn_keep_object(&keep, &said, err);
}

/* Something comes although the system has said that nothing more would. */
static void say_late(const struct knock *k, const struct put *p)
{
    if (strcmp(p->container.status, "complete") == 0)
        log_event(EVENT_BODYWORN_LATE, "DEVICE", k->device->serial, "CONTAINER", p->container.name, "OBJECT",
                  p->path.object, NULL);
}

static void answer_put(const struct knock *k, const char *etag, const struct upload_result *result,
                       struct http_answer *answer)
{
    const char *accept = http_header(k->request, "Accept");

    swift_answer(answer, 201);
    if (result && accept && strstr(accept, "application/json"))
        doors_receipt(answer, 201, result);
    answer->status = 201; /* Swift knows no other word for what was here already */
    (void)http_answer_header(answer, "Etag", "%s", etag);
    (void)http_answer_date(answer, "Last-Modified", clock_now_usec());
    if (!result)
        return;
    (void)http_answer_header(answer, "X-Liuhen-Recording", "%s", result->recording.text);
    (void)http_answer_header(answer, "X-Liuhen-Leaf", "%llu", (unsigned long long)result->leaf);
}

/* Bytes of a setting, or none at all. */
static void finish_small(struct knock *k, struct put *p, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    char etag[33];
    int r = swift_etag(p->head, p->head_size, etag);

    if (r == 0 && *p->etag && strcmp(p->etag, etag) != 0)
        r = error_set(&err, UPLOAD_E_CHECKSUM, p->path.object,
                      "the bytes are not those of the ETag; send them again");
    r = r != 0 ? r : keep_object(k, p, NULL, etag, &err);
    if (r != 0)
        (void)swift_fail(answer, r, &err);
    else
        answer_put(k, etag, NULL, answer);
}

static void finish_upload(struct knock *k, struct put *p, struct http_answer *answer)
{
    _cleanup_(upload_result_done) struct upload_result result = {.receipt = NULL};
    struct error err = ERROR_INIT;
    char etag[33];
    int r = upload_seal(p->upload, &result, &err);

    if (r == 0) {
        doors_account(k->doors, k->device, result.bytes);
        upload_md5(p->upload, etag);
        say_late(k, p);
        r = inject_point("bodyworn.sealed");
        r = r != 0 ? r : keep_object(k, p, result.recording.text, etag, &err);
    }
    if (r != 0)
        (void)swift_fail(answer, r, &err);
    else
        answer_put(k, etag, &result, answer);
}

static void finish_put(struct knock *k, struct put *p, struct http_answer *answer)
{
    bool is_footage =
        (p->kind == BODYWORN_CLIP || p->kind == BODYWORN_KEY) && p->container_kind != BODYWORN_REJECTED;

    if (p->upload && p->bytes > 0)
        finish_upload(k, p, answer);
    else if (p->upload && is_footage) /* chunked, and nothing came */
        (void)doors_refuse(answer, 400, p->path.object, "has no bytes; a clip or key without any is none");
    else
        finish_small(k, p, answer);
}

/* ---- looking and saying more -------------------------------------------------------------------------------------------- */

struct look {
    const struct swift_path *path;
    struct bodyworn_container container;
    struct bodyworn_object object;
};

static void look_done(struct look *l)
{
    bodyworn_container_done(&l->container);
    bodyworn_object_done(&l->object);
}

static int find_object(struct db *db, void *userdata, struct error *err)
{
    struct look *l = userdata;
    int r = bodyworn_container_find(db, l->path->device, l->path->container, &l->container, err);

    r = r != 0 ? r : bodyworn_object_find(db, l->container.id, l->path->object, &l->object, err);
    return r == BODYWORN_E_NONE ? error_set(err, r, l->path->object, "is no object here; PUT it first") : r;
}

/* The bytes of a setting, whole. */
static int answer_bytes(const struct bodyworn_object *o, struct http_answer *answer)
{
    uint8_t *data = NULL;
    size_t size = 0;
    int r = o->content ? decode_base64(o->content, strlen(o->content), &data, &size) : 0;

    if (r < 0)
        return r;
    swift_answer(answer, 200);
    answer->body = (char *)data;
    answer->body_size = size;
    return 0;
}

static int say_object(const struct knock *k, const struct bodyworn_object *o, struct http_answer *answer)
{
    int r;

    if (strcmp(k->method, "HEAD") == 0) {
        swift_answer(answer, 200);
        r = http_answer_header(answer, "Content-Length", "%lld", (long long)o->bytes);
    } else {
        r = answer_bytes(o, answer);
    }
    r = r < 0 ? r : http_answer_header(answer, "Etag", "%s", o->etag);
    r = r < 0 ? r
              : http_answer_header(answer, "Content-Type", "%s",
                                   o->type ? o->type : "application/octet-stream");
    r = r < 0 ? r : http_answer_header(answer, "Accept-Ranges", "bytes");
    r = r < 0 ? r : http_answer_date(answer, "Last-Modified", o->changed_usec);
    return r < 0 ? r : swift_say_metadata(answer, PREFIX, o->metadata);
}

static int say_published(const struct knock *k, const struct swift_path *path, struct http_answer *answer)
{
    char *text = NULL, etag[33];
    int r = swift_published(intake_policy(k->context->intake), path->object, &text);

    r = r < 0 ? r : swift_etag(text, strlen(text), etag);
    if (r < 0) {
        free(text);
        return r;
    }
    http_answer_text(answer, 200, "application/json", text);
    return http_answer_header(answer, "Etag", "%s", etag);
}

static void look(const struct knock *k, const struct swift_path *path, struct http_answer *answer)
{
    _cleanup_(look_done) struct look l = {.path = path};
    struct error err = ERROR_INIT;
    int r;

    if (swift_is_published(path->container, path->object)) {
        r = say_published(k, path, answer);
        if (r < 0)
            (void)swift_fail(answer, r, &err);
        return;
    }
    r = swift_read(k, find_object, &l, &err);
    if (r == 0 && *l.object.recording && strcmp(k->method, "HEAD") != 0) {
        (void)doors_refuse(answer, 403, path->object,
                           "is evidence and is not handed out by this door; ask records staff");
        return;
    }
    r = r != 0 ? r : say_object(k, &l.object, answer);
    if (r != 0)
        (void)swift_fail(answer, r, &err);
}

static void say_more(const struct knock *k, const struct swift_path *path, struct http_answer *answer)
{
    struct bodyworn_keep keep = swift_keep(k);
    _cleanup_(look_done) struct look l = {.path = path};
    _cleanup_json_ json_t *metadata = NULL;
    struct error err = ERROR_INIT;
    int r;

    if (!swift_said(k, PREFIX, path->container, &metadata, answer))
        return;
    r = swift_read(k, find_object, &l, &err);
    r = r != 0 ? r : bodyworn_keep_metadata(&keep, l.container.id, path->object, metadata, &err);
    if (r != 0)
        (void)swift_fail(answer, r, &err);
    else
        swift_answer(answer, 202);
}

/* ---- the door ----------------------------------------------------------------------------------------------------------- */

static void finish(struct knock *k, struct http_answer *answer)
{
    struct swift_path path;

    if (k->state) {
        finish_put(k, k->state, answer);
        return;
    }
    if (!swift_enter(k, &path, answer))
        return;
    if (strcmp(k->method, "POST") == 0)
        say_more(k, &path, answer);
    else if (strcmp(k->method, "DELETE") == 0)
        (void)doors_refuse(answer, 403, path.object, "is kept; nothing is deleted by this door");
    else
        look(k, &path, answer);
}

static void close_door(struct knock *k, bool whole)
{
    struct put *p = k->state;

    if (!p)
        return;
    if (k->device)
        doors_release(k->doors, k->device, &p->held);
    put_free(p);
}

const struct door door_object = {.name = "bodyworn",
                                 .begin = begin,
                                 .take = take,
                                 .finish = finish,
                                 .close = close_door,
                                 .decorate = swift_decorate};
