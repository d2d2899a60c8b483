/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What doors answer: failures with the status that tells a sender whether to try again, and receipts.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/encode.h"
#include "doors/doors-internal.h"

unsigned doors_status_of(int code, unsigned checksum_status)
{
    static const struct {
        int code;
        unsigned status;
    } table[] = {
        {0, 200},
        {UPLOAD_E_NONE, 404},
        {UPLOAD_E_BUSY, 423},
        {UPLOAD_E_OFFSET, 409},
        {UPLOAD_E_EMPTY, 400},
        {UPLOAD_E_SEALED, 403},
        {UPLOAD_E_DENIED, 403},
        {DEVICES_E_NONE, 404},
        {DEVICES_E_UNKNOWN, 401},
        {DEVICES_E_REVOKED, 403},
        {DEVICES_E_RETIRED, 403},
        {DEVICES_E_INPUT, 422},
        {-EINVAL, 400},
        {-EPROTO, 400},
        {-EOPNOTSUPP, 400},
        {-EFBIG, 413},
        {-EMSGSIZE, 413},
        {-E2BIG, 413},
        {-ENAMETOOLONG, 414},
        {-ENOENT, 404},
        {-EPERM, 403},
        {-EACCES, 403},
        {-ENOSPC, 507},
        {-EDQUOT, 507},
        {DB_E_BUSY, 503},
        {-EAGAIN, 503},
        {-EBUSY, 503},
        {-ECANCELED, 503},
        {-ENOTCONN, 503},
    };

    if (code == UPLOAD_E_CHECKSUM)
        return checksum_status;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].code == code)
            return table[i].status;
    return error_is_resource(code) ? 503 : 500;
}

/* Errors are written "what; what would be right". */
json_t *doors_error_json(const struct error *err)
{
    const char *text = *err->text ? err->text : "failed; the daemon's log says more";
    const char *right = strstr(text, "; ");
    _cleanup_free_ char *what = right ? strndup(text, (size_t)(right - text)) : strdup(text);
    _cleanup_free_ char *object =
        encode_percent(err->object, strlen(err->object)); /* it may come from outside */
    _cleanup_json_ json_t *o = json_object();

    if (!what || !object || !o || json_set_string(o, "what", what) < 0 ||
        json_set_string(o, "object", utf8_is_valid(err->object, strlen(err->object)) ? err->object : object) <
            0 ||
        json_set_string(o, "right", right ? right + 2 : "") < 0)
        return NULL;
    return TAKE_PTR(o);
}

void doors_fail(struct http_answer *answer, int code, unsigned checksum_status, const struct error *err)
{
    unsigned status = doors_status_of(code, checksum_status);
    _cleanup_json_ json_t *root = json_object();
    char *text = NULL;

    if (root && json_set_take(root, "error", doors_error_json(err)) == 0)
        (void)json_canonical(root, &text); /* without memory the status alone */
    http_answer_text(answer, status, "application/json; charset=utf-8", text);
    if (status == 401)
        (void)http_answer_header(answer, "WWW-Authenticate",
                                 "Basic realm=\"liuhen\", Bearer realm=\"liuhen\"");
    if (status == 503)
        (void)http_answer_header(answer, "Retry-After", "%d", DOORS_RETRY_SECONDS);
}

bool doors_refuse(struct http_answer *answer, unsigned status, const char *object, const char *format, ...)
{
    struct error err = ERROR_INIT;
    char text[sizeof err.text];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    error_set(&err, -EINVAL, object, "%s", text);
    doors_fail(answer, -EINVAL, status, &err);
    answer->status = status;
    return false;
}

json_t *doors_receipt_json(const struct upload_result *result)
{
    _cleanup_json_ json_t *o = json_object();
    char hex[DIGEST_HEX_SIZE];
    int r = o ? 0 : -ENOMEM;

    digest_to_hex(&result->sha256, hex);
    r = r != 0 ? r : json_set_string(o, "recording", result->recording.text);
    r = r != 0 ? r : json_set_string(o, "sha256", hex);
    r = r != 0 ? r : json_set_integer(o, "bytes", (int64_t)result->bytes);
    r = r != 0 ? r : json_set_bool(o, "again", result->again);
    r = r != 0 ? r : json_set_integer(o, "leaf", (int64_t)result->leaf);
    r = r != 0 ? r : json_set_string(o, "receipt", result->receipt);
    return r == 0 ? TAKE_PTR(o) : NULL;
}

void doors_receipt(struct http_answer *answer, unsigned status, const struct upload_result *result)
{
    _cleanup_json_ json_t *o = doors_receipt_json(result);
    struct error err = ERROR_INIT;
    char *text = NULL;

    if (!o || json_canonical(o, &text) < 0) {
        error_set(&err, -ENOMEM, result->recording.text,
                  "is sealed, but there is no memory for its receipt; send it again or ask for it");
        doors_fail(answer, -ENOMEM, 400, &err);
        return;
    }
    http_answer_text(answer, result->again && status == 201 ? 200 : status, "application/json; charset=utf-8",
                     text);
    (void)http_answer_header(answer, "Location", "/v1/recordings/%s", result->recording.text);
}
