/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Filling answers (see http.h): headers, texts, files. Pure but for the file descriptors that it is given; nothing here knows how an
 * answer is sent.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "http/headers.h"
#include "http/http.h"

void http_answer_done(struct http_answer *a)
{
    for (size_t i = 0; i < a->n_headers; i++) {
        free(a->headers[i].name);
        free(a->headers[i].value);
    }
    free(a->body);
    if (a->file_fd >= 0)
        close(a->file_fd);
    if (a->on_close)
        a->on_close(a->userdata);
    *a = (struct http_answer)HTTP_ANSWER_INIT;
}

/* Visible characters, spaces, tabs, and what is beyond ASCII (RFC 9110 §5.5); not empty for a name. */
static bool is_clean(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

int http_answer_header(struct http_answer *a, const char *name, const char *format, ...)
{
    _cleanup_free_ char *value = NULL;
    char *copy;
    va_list ap;
    size_t i;
    int n;

    va_start(ap, format);
    n = vasprintf(&value, format, ap);
    va_end(ap);
    if (n < 0) {
        value = NULL;
        return -ENOMEM;
    }
    if (!*name || !is_clean(name) || strpbrk(name, " \t:") || !is_clean(value))
        return -EINVAL;
    for (i = 0; i < a->n_headers && strcasecmp(a->headers[i].name, name) != 0; i++)
        ;
    if (i < a->n_headers) {
        free(a->headers[i].value);
        a->headers[i].value = TAKE_PTR(value);
        return 0;
    }
    if (i == HTTP_HEADERS_MAX)
        return -E2BIG;
    copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    a->headers[i].name = copy;
    a->headers[i].value = TAKE_PTR(value);
    a->n_headers++;
    return 0;
}

void http_answer_text(struct http_answer *a, unsigned status, const char *type, char *text)
{
    free(a->body);
    a->status = status;
    a->body = text;
    a->body_size = text ? strlen(text) : 0;
    if (text && type)
        (void)http_answer_header(a, "Content-Type", "%s", type); /* without memory the body says enough */
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

int http_answer_date(struct http_answer *a, const char *name, int64_t usec)
{
    time_t when = (time_t)(usec / USEC_PER_SEC);
    char date[64];
    struct tm tm;

    if (!gmtime_r(&when, &tm))
        return 0;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return http_answer_header(a, name, "%s", date);
}

/* What If-Match and If-None-Match make of it (RFC 9110 §13.2.2). Return: 200, 304 or 412. */
static unsigned check_conditions(const struct http_request *r, const char *etag)
{
    const char *match = http_header(r, "If-Match"), *none = http_header(r, "If-None-Match");

    if (match && !header_has_etag(match, etag, false))
        return 412;
    return none && header_has_etag(none, etag, true) ? 304 : 200;
}

/* Whether the range counts: If-Range must name what is served (§13.1.5: strong comparison). A date never does: what has a digest for
 * its tag is asked for by it. */
static bool range_counts(const struct http_request *r, const char *etag)
{
    const char *condition = http_header(r, "If-Range");

    return !condition || (*condition == '"' && header_has_etag(condition, etag, false));
}

/* Return: 200, 206 or 416, with file_from and file_bytes filled. */
static unsigned choose_part(struct http_answer *a, const struct http_request *r, const struct http_file *file)
{
    const char *range = strcmp(r->method, "GET") == 0 ? http_header(r, "Range") : NULL;

    a->file_from = 0;
    a->file_bytes = file->bytes;
    if (!range || !range_counts(r, file->etag))
        return 200;
    switch (header_range(range, file->bytes, &a->file_from, &a->file_bytes)) {
    case 0:
        return 206;
    case -ERANGE:
        return 416;
    default:
        return 200;
    }
}

int http_answer_file(struct http_answer *a, const struct http_request *r, const struct http_file *file)
{
    unsigned status = check_conditions(r, file->etag);
    int fd = file->fd, e = 0;

    if (status == 200)
        status = choose_part(a, r, file);
    a->status = status;
    if (status == 200 || status == 206)
        a->file_fd = TAKE_FD(fd);
    fd_closep(&fd);
    e = http_answer_header(a, "ETag", "\"%s\"", file->etag);
    if (e == 0)
        e = http_answer_header(a, "Accept-Ranges", "bytes");
    if (e == 0 && file->changed_usec > 0)
        e = http_answer_date(a, "Last-Modified", file->changed_usec);
    if (e == 0 && (status == 200 || status == 206))
        e = http_answer_header(a, "Content-Type", "%s", file->type);
    if (e == 0 && status == 206)
        e = http_answer_header(a, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)a->file_from,
                               (unsigned long long)(a->file_from + a->file_bytes - 1),
                               (unsigned long long)file->bytes);
    if (e == 0 && status == 416)
        e = http_answer_header(a, "Content-Range", "bytes */%llu", (unsigned long long)file->bytes);
    return e;
}
