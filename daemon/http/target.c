/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading request targets (see target.h). The text is copied once, and what a part decodes to is put in its place: decoding never
 * makes it longer.
 */
#include "http/target.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

/* Decodes in place; what names the part in messages. */
static int decode(char *part, const char *what, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = decode_percent(part, &text, &size);

    if (r == -EINVAL)
        return error_set(
            err, r, "", "the %s has a '%%' that two hex digits do not follow; write '%%25' for a '%%'", what);
    if (r < 0)
        return r;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return error_set(err, -EINVAL, "", "the %s holds a control character; leave it out", what);
    if (!utf8_is_valid(text, size))
        return error_set(err, -EINVAL, "", "the %s is not UTF-8; percent-encode UTF-8 bytes", what);
    memcpy(part, text, size + 1);
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

char *target_rest(const struct target *t, size_t first)
{
    size_t size = 1;
    char *text, *end;

    for (size_t i = first; i < t->n_segments; i++)
        size += strlen(t->segments[i]) + 1;
    text = malloc(size);
    if (!text)
        return NULL;
    end = text;
    *end = '\0';
    for (size_t i = first; i < t->n_segments; i++) {
        if (i > first)
            *end++ = '/';
        end = stpcpy(end, t->segments[i]);
    }
    return text;
}

const char *target_param(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->n_params; i++)
        if (strcmp(t->params[i].name, name) == 0)
            return t->params[i].value;
    return NULL;
}
