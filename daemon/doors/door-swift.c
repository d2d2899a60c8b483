/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Body-worn camera systems sign in (Swift's TempAuth v1: GET /auth/v1.0), and what their doors share. The key is the device's token,
 * or the last part of it alone: camera systems take no keys of more than 64 bytes.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "cases/bodyworn.h"
#include "cases/device-token.h"
#include "catalogue/device-rows.h"
#include "doors/doors-internal.h"
#include "doors/swift-internal.h"

/* Of the last part of a token, behind "lh_<ULID>_". */
#define SECRET_LENGTH (DEVICE_TOKEN_SIZE - 1 - 3 - ULID_LENGTH - 1)

#define SESSION_USEC USEC_PER_DAY /* as Swift has it; the system signs in again at 401 */

/* ---- shared ------------------------------------------------------------------------------------------------------------- */

/* What is refused by a limit of the settings may be stored once that is raised; what fails inside (a disk that does not do what we ask,
 * a row that cannot be read) is no fault of the sender. */
static unsigned status_of(int code)
{
    unsigned status = doors_status_of(code, 422);

    if (code == BODYWORN_E_NONE)
        return 404;
    if (code == -EFBIG)
        return 507;
    return code > 0 || status >= 500 ? status : 500;
}

bool swift_fail(struct http_answer *answer, int code, const struct error *err)
{
    doors_fail(answer, code, 422, err);
    answer->status = status_of(code);
    return false;
}

bool swift_malformed(struct http_answer *answer, int code, const struct error *err)
{
    doors_fail(answer, code, 422, err);
    return false;
}

static bool in_swift_words(bool ok, struct http_answer *answer)
{
    if (!ok && answer->status == 413)
        answer->status = 507;
    if (!ok && answer->status == 429)
        answer->status = 503;
    return ok;
}

bool swift_admit(const struct knock *k, int64_t bytes, struct http_answer *answer)
{
    struct device device = *k->device;

    if (bytes == 0)
        device.quota_bytes = 0;
    return in_swift_words(doors_admit(k->doors, &device, bytes, answer), answer);
}

bool swift_hold(const struct knock *k, uint64_t bytes, uint64_t *held, struct http_answer *answer)
{
    return in_swift_words(doors_hold(k->doors, k->device, bytes, held, answer), answer);
}

void swift_decorate(const struct settings *settings, const struct http_request *request,
                    struct http_answer *answer)
{
    char id[ULID_LENGTH + 1];

    ulid_make(clock_now_usec(), id);
    (void)http_answer_header(answer, "X-Trans-Id", "tx%s", id); /* without memory there is none */
    (void)http_answer_header(answer, "X-Openstack-Request-Id", "tx%s", id);
}

bool swift_enter(const struct knock *k, struct swift_path *ret, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int r = swift_path(k->target, ret, &err);

    if (r < 0)
        return swift_malformed(answer, r, &err);
    if (!k->device)
        return doors_refuse(answer, 403, "account", "is a camera system's; `liuhen` is the door of people");
    if (strcmp(ret->device, k->device->id) != 0)
        return doors_refuse(answer, 403, "account",
                            "is not yours; X-Storage-Url names the one you signed in to");
    if (strcmp(k->device->kind, "system") != 0)
        return doors_refuse(answer, 403, k->device->serial,
                            "is registered as %s; this door is for devices of kind system", k->device->kind);
    return true;
}

struct metadata_reading {
    const char *prefix;
    size_t prefix_size;
    bool lenient, remove;
    size_t left_out;
    json_t *o;
    int r;
    struct error *err;
};

static void on_metadata(void *userdata, const char *name, const char *value)
{
    struct metadata_reading *m = userdata;
    size_t n = json_object_size(m->o);

    if (m->r == 0)
        m->r = swift_metadata_add(m->o, name + m->prefix_size, m->remove ? "" : value, m->lenient, m->err);
    m->left_out += json_object_size(m->o) == n;
}

/* Footage, and what the system itself gave up on. */
static bool is_lenient(const char *container)
{
    enum bodyworn_container_kind kind = bodyworn_container_kind(container);

    return kind == BODYWORN_RECORDING || kind == BODYWORN_REJECTED;
}

int swift_metadata(const struct http_request *r, const char *prefix, const char *container, json_t **ret,
                   struct error *err)
{
    _cleanup_json_ json_t *o = json_object();
    char remove[64], number[24];
    struct metadata_reading m = {prefix, strlen(prefix), is_lenient(container), false, 0, o, o ? 0 : -ENOMEM,
                                 err};

    (void)http_headers_each(r, prefix, on_metadata, &m);
    snprintf(remove, sizeof remove, "X-Remove-%s", prefix + strlen("X-"));
    m.prefix_size = strlen(remove);
    m.remove = true;
    (void)http_headers_each(r, remove, on_metadata, &m);
    if (m.r == 0 && m.left_out > 0) {
        snprintf(number, sizeof number, "%zu", m.left_out);
        m.r = json_set_string(o, BODYWORN_LEFT_OUT, number);
    }
    if (m.r == 0)
        *ret = TAKE_PTR(o);
    return m.r;
}

bool swift_said(const struct knock *k, const char *prefix, const char *container, json_t **ret,
                struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int r;

    if (!swift_admit(k, 0, answer))
        return false;
    r = swift_metadata(k->request, prefix, container, ret, &err);
    return r == 0 || swift_malformed(answer, r, &err);
}

int swift_say_metadata(struct http_answer *answer, const char *prefix, const json_t *metadata)
{
    char name[SWIFT_META_NAME_MAX + 1];
    const char *key;
    json_t *value;
    int r = 0;

    json_object_foreach ((json_t *)metadata, key, value) {
        _cleanup_free_ char *header = NULL, *text = swift_metadata_encode(json_string_value(value));

        if (r < 0)
            break;
        swift_metadata_name(key, name);
        if (!text || asprintf(&header, "%s%s", prefix, name) < 0)
            return -ENOMEM;
        r = http_answer_header(answer, header, "%s", text);
    }
    return r;
}

void swift_answer(struct http_answer *answer, unsigned status)
{
    http_answer_text(answer, status, NULL, NULL);
}

int swift_read(const struct knock *k, int (*fn)(struct db *db, void *userdata, struct error *err),
               void *userdata, struct error *err)
{
    struct db *db;
    int r = readers_take(k->context->readers, &db, err);

    if (r != 0)
        return r;
    r = fn(db, userdata, err);
    readers_give(k->context->readers, db, r < 0);
    return r;
}

struct bodyworn_keep swift_keep(const struct knock *k)
{
    return (struct bodyworn_keep){k->context->writer, k->context->intake, k->device->id};
}

int swift_etag(const void *data, size_t size, char out[33])
{
    uint8_t digest[CHECKER_BYTES_MAX];
    struct checker *c;
    int r = checker_new("md5", &c);

    if (r < 0)
        return r;
    checker_update(c, data, size);
    encode_hex(digest, checker_final(c, digest), out);
    checker_free(c);
    return 0;
}

/* ---- signing in --------------------------------------------------------------------------------------------------------- */

struct token_search {
    const char *serial, *secret;
    char token[DEVICE_TOKEN_SIZE]; /* the one whose last part the secret is; "" = none */
};

/* Tries the secret with each key of the device, without telling anybody which fits: doors_sign_in decides and counts. */
static int find_token(struct db *db, void *userdata, struct error *err)
{
    struct token_search *s = userdata;
    _cleanup_json_ json_t *shown = NULL;
    struct device_row row;
    const json_t *keys;
    int r = device_row_by_serial(db, s->serial, &row, err);

    r = r != 0 ? r : device_show(db, row.id, clock_now_usec(), &shown, err);
    if (r != 0)
        return r == DEVICE_ROWS_E_NONE ? 0 : r;
    keys = json_get_array(shown, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *id = json_get_string(json_array_get(keys, i), "id");
        char token[DEVICE_TOKEN_SIZE];
        struct device_key_row key;
        struct digest digest;

        snprintf(token, sizeof token, "lh_%s_%s", id ? id : "", s->secret);
        digest_of(token, strlen(token), &digest);
        if (id && device_key_by_id(db, id, &key, err) == 0 && digest_equal(&digest, &key.digest))
            memcpy(s->token, token, sizeof token);
    }
    return 0;
}

/* The whole token that the key is the last part of; "" where it is none's. Return: 0 or what asking the catalogue gave. */
static int whole_token(const struct knock *k, const char *serial, const char *key,
                       char ret[DEVICE_TOKEN_SIZE], struct error *err)
{
    struct token_search s = {serial, key, ""};
    int r = 0;

    if (strlen(key) == SECRET_LENGTH && utf8_is_valid(serial, strlen(serial)))
        r = swift_read(k, find_token, &s, err);
    memcpy(ret, s.token, sizeof s.token);
    explicit_bzero(s.token, sizeof s.token);
    return r;
}

static void welcome(const struct knock *k, const struct device *device, const char *token, const char *host,
                    struct http_answer *answer)
{
    char session[DOORS_SESSION_SIZE];
    struct error err = ERROR_INIT;
    int r = doors_session_open(k->doors, device, token, SESSION_USEC, session);

    r = r < 0 ? r : http_answer_header(answer, "X-Auth-Token", "%s", session);
    r = r < 0 ? r : http_answer_header(answer, "X-Storage-Token", "%s", session);
    r = r < 0 ? r
              : http_answer_header(answer, "X-Auth-Token-Expires", "%lld",
                                   (long long)(SESSION_USEC / USEC_PER_SEC));
    r = r < 0 ? r
              : http_answer_header(answer, "X-Storage-Url", "%s://%s/v1/" SWIFT_ACCOUNT_PREFIX "%s",
                                   doors_scheme(k->request), host, device->id);
    explicit_bzero(session, sizeof session);
    if (r < 0) {
        error_set(&err, r, device->serial, "cannot be signed in; try again");
        (void)swift_fail(answer, r, &err);
        return;
    }
    swift_answer(answer, 200);
}

static const char *either(const struct http_request *r, const char *a, const char *b)
{
    const char *value = http_header(r, a);

    return value ? value : http_header(r, b);
}

static void sign_in(struct knock *k, struct http_answer *answer)
{
    const char *user = either(k->request, "X-Auth-User", "X-Storage-User"),
               *key = either(k->request, "X-Auth-Key", "X-Storage-Pass"),
               *host = http_header(k->request, "Host");
    char token[DEVICE_TOKEN_SIZE];
    struct error err = ERROR_INIT;
    struct device device;
    int r;

    if (!host || !swift_host_is_valid(host)) {
        (void)doors_refuse(answer, 400, "Host",
                           "is no host that X-Storage-Url could name; send one, and its port");
        return;
    }
    if (!user || !key) {
        error_set(&err, DEVICES_E_UNKNOWN, "", "nothing says who signs in; send X-Auth-User and X-Auth-Key");
        (void)swift_fail(answer, DEVICES_E_UNKNOWN, &err);
        return;
    }
    r = whole_token(k, user, key, token, &err);
    if (r != 0) {
        (void)swift_fail(answer, r, &err);
        return;
    }
    if (!doors_sign_in(k->doors, k->request, user, *token ? token : key, &device, answer)) {
        if (answer->status == 403) /* camera systems know nothing but 401 here */
            answer->status = 401;
    } else if (strcmp(device.kind, "system") != 0) {
        (void)doors_refuse(answer, 401, device.serial,
                           "is registered as %s; this door is for devices of kind system", device.kind);
    } else {
        welcome(k, &device, *token ? token : key, host, answer);
    }
    explicit_bzero(token, sizeof token);
}

const struct door door_sign_in = {.name = "bodyworn", .finish = sign_in, .decorate = swift_decorate};
