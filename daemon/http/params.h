/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header values with parameters: "form-data; name="video"; filename="clip.mp4"", "multipart/form-data; boundary=x" (RFC 2045 §5.1,
 * RFC 6266, RFC 7578 §4.2), and the file names in them. Pure. Senders are cameras and browsers of twenty years, so the bytes of a
 * name are taken in whatever encoding they come, but what is ambiguous (a parameter given twice, a quote that never ends) is refused.
 */
#ifndef LIUHEN_HTTP_PARAMS_H
#define LIUHEN_HTTP_PARAMS_H

#include "base/error.h"

#define PARAMS_MAX 16

struct params {
    char *text;        /* owns everything below */
    const char *value; /* in front of the first ';', without blanks; may be "" */
    size_t n;
    struct {
        const char *name, *value; /* the name as it was sent */
    } each[PARAMS_MAX];
};

/* A value is a token (anything up to ';') or a quoted string. Behind a backslash only '"' and '\' are meant by themselves: elsewhere
 * it is one, as browsers send "C:\x\clip.mp4" (WHATWG, form-data). In text that is not UTF-8 the second byte of a double-byte
 * character (GBK) is neither backslash nor quote.
 * Return: 0, -EINVAL (err says what would be right), -ENOMEM; *ret untouched on failure. */
int params_parse(const char *text, struct params *ret, struct error *err);
void params_done(struct params *p);

/* The value of a parameter, names compared without case; NULL: not given. */
const char *params_get(const struct params *p, const char *name);

/* The file name of a Content-Disposition: filename* (RFC 8187) before filename; percent-encoded ones are decoded where that gives clean
 * text. Any bytes but NUL and control characters; *ret is a new string, NULL: there is none.
 * Return: 0, -EINVAL (a filename* that cannot be read), -ENOMEM. */
int params_filename(const struct params *p, char **ret, struct error *err);

/* What may be kept of a sender's file name. *ret_name: its last component, behind the last '/' or '\', "" where that is nothing, "." or
 * ".."; *ret_path: all components that are something, joined by '/', without a drive. New strings. Return: 0 or -ENOMEM. */
int filename_split(const char *sent, char **ret_name, char **ret_path);

#endif
