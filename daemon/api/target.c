/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading request targets (see target.h). The text is copied once and decoded in place: decoding never makes it longer.
 */
#include "api/target.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place; what names the part in messages. */
static int decode(char *part, const char *what, struct error *err)
{
    char *out = part;

    for (const char *in = part; *in; out++) {
        if (*in != '%') {
            *out = *in++;
        } else {
            int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);

            if (low < 0)
                return error_set(
                    err, -EINVAL, "",
                    "the %s has a '%%' that two hex digits do not follow; write '%%25' for a '%%'", what);
            *out = (char)(high * 16 + low);
            in += 3;
        }
        if ((unsigned char)*out < 0x20 || *out == 0x7f)
            return error_set(err, -EINVAL, "", "the %s holds a control character; leave it out", what);
    }
    *out = '\0';
    if (!utf8_is_valid(part, (size_t)(out - part)))
        return error_set(err, -EINVAL, "", "the %s is not UTF-8; percent-encode UTF-8 bytes", what);
    return 0;
}

/* path: the text behind the first '/'. */
static int split_path(char *path, struct target *t, struct error *err)
{
    char *rest = path;
    int r = 0;

    if (!*path)
        return 0;
    while (rest && r == 0) {
        char *segment = strsep(&rest, "/");

        if (t->n_segments == TARGET_SEGMENTS_MAX)
            return error_set(err, -EINVAL, "", "the path has more than %d parts", TARGET_SEGMENTS_MAX);
        r = decode(segment, "path", err);
        if (r == 0 && (!*segment || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0))
            r = error_set(err, -EINVAL, "",
                          "an id or number is empty, '.' or '..'; write the one that is meant");
        t->segments[t->n_segments++] = segment;
    }
    return r;
}

static int split_query(char *query, struct target *t, struct error *err)
{
    int r = 0;

    while (query && r == 0) {
        char *value = strsep(&query, "&");
        char *name = strsep(&value, "=");

        if (t->n_params == TARGET_PARAMS_MAX)
            return error_set(err, -EINVAL, "", "more than %d parameters", TARGET_PARAMS_MAX);
        if (!value)
            value = name + strlen(name); /* "?damaged" is "?damaged=" */
        r = decode(name, "query", err);
        r = r != 0 ? r : decode(value, "query", err);
        if (r == 0 && !*name)
            r = error_set(err, -EINVAL, "", "a parameter has no name; write name=value");
        if (r == 0 && target_param(t, name))
            r = error_set(err, -EINVAL, name, "is given twice; give it once");
        t->params[t->n_params++] = (struct target_param){name, value};
    }
    return r;
}

int target_parse(const char *raw, struct target *ret, struct error *err)
{
    _cleanup_(target_done) struct target t = {0};
    char *query;
    int r;

    if (*raw != '/')
        return error_set(err, -EINVAL, "", "the target must be a path that begins with '/'");
    if (strlen(raw) > TARGET_BYTES_MAX)
        return error_set(err, -ENAMETOOLONG, "", "the target is longer than %d bytes", TARGET_BYTES_MAX);
    if (strchr(raw, '#'))
        return error_set(err, -EINVAL, "", "the target holds a '#'; write '%%23'");
    t.text = strdup(raw + 1);
    if (!t.text)
        return -ENOMEM;
    query = strchr(t.text, '?');
    if (query)
        *query++ = '\0';
    r = split_path(t.text, &t, err);
    if (r == 0 && query && *query)
        r = split_query(query, &t, err);
    if (r != 0)
        return r;
    *ret = t;
    t.text = NULL;
    return 0;
}

void target_done(struct target *t)
{
    free(TAKE_PTR(t->text));
}

const char *target_param(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->n_params; i++)
        if (strcmp(t->params[i].name, name) == 0)
            return t->params[i].value;
    return NULL;
}
