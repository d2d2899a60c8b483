/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors: formatting, and the one place that says which errno is a short resource (see error.h).
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/encode.h"

static void set_object(struct error *err, int code, const char *object)
{
    err->code = code;
    snprintf(err->object, sizeof err->object, "%s", object ? object : "");
    utf8_repair(err->object, sizeof err->object);
}

int error_set(struct error *err, int code, const char *object, const char *format, ...)
{
    va_list ap;

    if (!err)
        return code;
    set_object(err, code, object);
    va_start(ap, format);
    vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    utf8_repair(err->text, sizeof err->text);
    return code;
}

int error_errno(struct error *err, int code, const char *object, const char *format, ...)
{
    char reason[128];
    va_list ap;
    int n;

    if (!err)
        return code;
    set_object(err, code, object);
    va_start(ap, format);
    n = vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    utf8_repair(err->text, sizeof err->text);
    if (n < 0 || (size_t)n >= sizeof err->text)
        return code;
    n = (int)strlen(err->text);
    snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror_r(-code, reason, sizeof reason));
    return code;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char old[sizeof err->text];
    va_list ap;
    int n;

    if (!err)
        return 0;
    memcpy(old, err->text, sizeof old);
    va_start(ap, format);
    n = vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %.*s",
                 (int)(sizeof err->text - (size_t)n - 3), old);
    utf8_repair(err->text, sizeof err->text);
    return err->code;
}

void error_clear(struct error *err)
{
    if (err)
        *err = (struct error)ERROR_INIT;
}

const char *error_format(const struct error *err, char *buf, size_t size)
{
    if (err->object[0])
        snprintf(buf, size, "%s: %s", err->object, err->text);
    else
        snprintf(buf, size, "%s", err->text);
    utf8_repair(buf, size);
    return buf;
}

bool error_is_resource(int code)
{
    switch (-code) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EROFS:
    case EIO:
    case EAGAIN:
    case EBUSY:
    case ENOTCONN:
        return true;
    default:
        return false;
    }
}
