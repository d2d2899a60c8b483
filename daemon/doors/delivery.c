/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What PUT and POST share (see delivery.h).
 */
#include "doors/delivery.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/calendar.h"
#include "base/encode.h"
#include "doors/doors-internal.h"

#define FIELD_PREFIX   "Liuhen-"
#define FIELD_NAME_MAX 40

/* ---- digests ---- */

static int add_digest(struct digests *all, const struct header_digest *one, struct error *err)
{
    size_t to = all->n;

    for (size_t i = 0; i < all->n; i++) {
        const struct header_digest *known = &all->each[i];

        if (strcmp(known->algorithm, one->algorithm) == 0)
            return known->size == one->size && memcmp(known->bytes, one->bytes, one->size) == 0
                       ? 0
                       : error_set(err, -EINVAL, one->algorithm,
                                   "two digests of the same bytes differ; send one");
        if (all->n == DIGESTS_MAX && strcmp(known->algorithm, "crc32") == 0)
            to = i;
    }
    if (to == DIGESTS_MAX)
        return 0;
    all->each[to] = *one;
    all->n += to == all->n;
    return 0;
}

static int read_md5(const char *value, struct header_digest ret[HEADER_DIGESTS_MAX], size_t *ret_n,
                    struct error *err)
{
    *ret_n = 1;
    return header_content_md5(value, ret, err);
}

int digests_add(struct digests *all, const char *header, const char *value, struct error *err)
{
    static const struct {
        const char *header;
        int (*read)(const char *value, struct header_digest ret[HEADER_DIGESTS_MAX], size_t *ret_n,
                    struct error *err);
    } rows[] = {{"Content-MD5", read_md5},
                {"Digest", header_digest},
                {"Repr-Digest", header_repr_digest},
                {"Content-Digest", header_repr_digest}};
    struct header_digest found[HEADER_DIGESTS_MAX];
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        if (strcasecmp(header, rows[i].header) == 0)
            r = rows[i].read(value, found, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_digest(all, &found[i], err);
    return r;
}

int digests_expect(const struct digests *all, struct upload *u, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < all->n; i++)
        r = upload_expect(u, all->each[i].algorithm, all->each[i].bytes, all->each[i].size, err);
    return r;
}

/* ---- what a request says ---- */

int delivery_set(struct delivery *d, const char *name, const void *value, size_t size, struct error *err)
{
    const struct zone *zone = d->zone ? d->zone : d->k->settings->site.zone;
    int r = fields_set(&d->fields, name, value, size, zone, err);

    return r == 0 ? fields_allow(&d->fields, d->k->device, err) : r;
}

static int set_known(struct delivery *d, const char *name, const char *value, size_t size, struct error *err)
{
    int r = delivery_set(d, name, value, size, err);

    if (r == 1)
        return error_set(
            err, -EINVAL, name,
            "is nothing that can be said of a file; device, officer, unit, case, role, step, started, "
            "ended, recorded, channel, seq, mtime, name and path can");
    return r;
}

/* Liuhen-Clock-Offset → clock_offset. */
static int set_from_header(struct delivery *d, const char *header, const char *value, struct error *err)
{
    _cleanup_free_ char *data = NULL;
    char name[FIELD_NAME_MAX] = "";
    size_t size;
    int r = decode_percent(value, &data, &size);

    if (r == -EINVAL)
        return error_set(err, r, header,
                         "has a '%%' that two hex digits do not follow; write '%%25' for a '%%'");
    if (r < 0)
        return r;
    snprintf(name, sizeof name, "%s", header + strlen(FIELD_PREFIX));
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : (char)tolower((unsigned char)*c);
    return set_known(d, name, data, size, err);
}

/* What would make the body something else than the file. */
static int check_meaning(const char *header, const char *value, struct error *err)
{
    if (strcasecmp(header, "Content-Range") == 0) /* RFC 9110 §14.4: else it would be taken for all of it */
        return error_set(err, -EINVAL, header,
                         "means that this is a part of a file; send all of it, or use tus");
    if (strcasecmp(header, "Content-Encoding") == 0 && strcasecmp(value, "identity") != 0)
        return error_set(err, -EOPNOTSUPP, header, "would change the bytes; send the file as it is");
    return 0;
}

struct reading {
    struct delivery *d;
    struct error *err;
    int result;
};

static void on_header(void *userdata, const char *name, const char *value)
{
    struct reading *r = userdata;

    if (r->result == 0)
        r->result = check_meaning(name, value, r->err);
    if (r->result == 0)
        r->result = digests_add(&r->d->digests, name, value, r->err);
    if (strcasecmp(name, "Last-Modified") == 0) /* one that is not understood says nothing: RFC 9110 §5.6.7 */
        (void)http_date_parse(value, &r->d->mtime_usec);
    if (r->result == 0 && strncasecmp(name, FIELD_PREFIX, strlen(FIELD_PREFIX)) == 0)
        r->result = set_from_header(r->d, name, value, r->err);
}

int delivery_read(struct delivery *d, const struct knock *k, const char *name, struct error *err)
{
    struct reading reading = {d, err, 0};
    int r = 0;

    *d = (struct delivery){.fields = FIELDS_INIT, .k = k};
    if (k->device && *k->device->zone)
        r = zone_new(k->device->zone, &d->zone);
    if (r == -ENOMEM)
        return r;
    r = name ? delivery_set(d, "name", name, strlen(name), err) : 0;
    for (size_t i = 0; r == 0 && i < k->target->n_params; i++)
        r = set_known(d, k->target->params[i].name, k->target->params[i].value,
                      strlen(k->target->params[i].value), err);
    if (r != 0)
        return r;
    http_headers_each(k->request, "", on_header, &reading);
    return reading.result;
}

void delivery_done(struct delivery *d)
{
    fields_done(&d->fields);
    zone_free(TAKE_PTR(d->zone));
}

int delivery_upload(const struct delivery *d, const char *door, const char *name, const char *path,
                    int64_t mtime_usec, int64_t bytes, struct upload **ret, struct error *err)
{
    struct upload_origin origin;
    int r = doors_origin(d->k, door, &origin);

    if (r < 0)
        return r;
    origin.mtime_usec = d->mtime_usec;
    r = fields_origin(&d->fields, &origin);
    origin.bytes = bytes;
    if (name)
        origin.name = name;
    if (path)
        origin.path = path;
    if (mtime_usec)
        origin.mtime_usec = mtime_usec;
    r = r < 0 ? r : upload_new(d->k->context->intake, &origin, ret, err);
    json_decref(origin.facts);
    return r;
}

bool delivery_admit(const struct knock *k, uint64_t *held, struct http_answer *answer)
{
    int64_t bytes = k->request->body_bytes;

    return doors_admit(k->doors, k->device, bytes, answer) &&
           doors_hold(k->doors, k->device, bytes > 0 ? (uint64_t)bytes : 0, held, answer);
}

bool delivery_refuse(struct http_answer *answer, int code, const struct error *err)
{
    doors_fail(answer, code, 400, err);
    if (code == -EOPNOTSUPP)
        answer->status = 415;
    return false;
}

/* ---- a request whose body is one file ---- */

struct single {
    struct knock *k;
    struct delivery said;
    struct upload *upload;
    uint64_t bytes, held; /* held: of the device's quota */
};

static int read_single(struct single *s, const char *name, struct error *err)
{
    int r = delivery_read(&s->said, s->k, name, err);

    if (r == 0 && s->k->request->body_bytes == 0)
        r = error_set(err, UPLOAD_E_EMPTY, s->said.fields.name,
                      "has no bytes; send those of a file, with Content-Length or chunked");
    return r;
}

static int open_single(struct single *s, const char *door, struct error *err)
{
    int r = delivery_upload(&s->said, door, NULL, NULL, 0, s->k->request->body_bytes, &s->upload, err);

    return r == 0 ? digests_expect(&s->said.digests, s->upload, err) : r;
}

bool single_begin(struct knock *k, const char *door, const char *name, struct http_answer *answer,
                  struct single **ret)
{
    struct single *s = calloc(1, sizeof *s);
    struct error err = ERROR_INIT;
    int r;

    if (!s)
        return delivery_refuse(answer, -ENOMEM, &err);
    *ret = s;
    s->k = k;
    r = read_single(s, name, &err);
    if (r != 0)
        return delivery_refuse(answer, r, &err);
    if (!delivery_admit(k, &s->held, answer))
        return false;
    r = open_single(s, door, &err);
    return r == 0 || delivery_refuse(answer, r, &err);
}

bool single_take(struct single *s, const void *data, size_t size, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int r;

    s->bytes += size;
    if (!doors_hold(s->k->doors, s->k->device, s->bytes, &s->held, answer))
        return false;
    r = upload_write(s->upload, data, size, &err);
    return r == 0 || delivery_refuse(answer, r, &err);
}

void single_finish(struct single *s, struct http_answer *answer)
{
    struct upload_result result = {0};
    struct error err = ERROR_INIT;
    int r = upload_seal(s->upload, &result, &err);

    if (r == 0) {
        doors_account(s->k->doors, s->k->device, s->bytes);
        doors_receipt(answer, 201, &result);
    } else {
        (void)delivery_refuse(answer, r, &err);
    }
    upload_result_done(&result);
}

struct single *single_free(struct single *s)
{
    if (!s)
        return NULL;
    doors_release(s->k->doors, s->k->device, &s->held);
    upload_free(s->upload);
    delivery_done(&s->said);
    free(s);
    return NULL;
}
