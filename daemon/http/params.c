/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header values with parameters, and file names (see params.h). As with targets the text is copied once and decoded in place.
 */
#include "http/params.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"

/* Bytes of the character at s: 2 for a double-byte character of GBK where the text is not UTF-8, so that its second byte (which may
 * be '\') is passed over; else 1. */
static size_t step(const char *s, bool wide)
{
    unsigned char a = (unsigned char)s[0], b = (unsigned char)s[1];

    return wide && a >= 0x81 && a <= 0xFE && b >= 0x40 && b != 0x7F && b <= 0xFE ? 2 : 1;
}

static bool is_wide(const char *text)
{
    return !utf8_is_valid(text, strlen(text));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return true;
    return false;
}

static char *skip_blanks(char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

/* Ends a text that reaches up to end before the blanks there. *end itself stays: it may still be needed. */
static void cut_blanks(const char *start, char *end)
{
    char *cut = end;

    while (cut > start && is_blank(cut[-1]))
        cut--;
    if (cut < end)
        *cut = '\0';
}

/* at: behind the opening quote. Return: behind the closing one, NULL when there is none; *ret_end is where the value ends. */
static char *read_quoted(char *at, bool wide, char **ret_end)
{
    char *to = at;

    while (*at && *at != '"') {
        size_t n = step(at, wide);

        if (n == 1 && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        memmove(to, at, n);
        to += n;
        at += n;
    }
    *ret_end = to;
    return *at ? at + 1 : NULL;
}

/* Reads the value at **at and leaves *at at the ';' behind it or at the end. */
static int read_value(char **at, bool wide, const char **ret, struct error *err)
{
    char *start = *at, *end;

    if (*start == '"') {
        *at = read_quoted(++start, wide, &end);
        if (!*at)
            return error_set(err, -EINVAL, "", "a quoted value has no end; close it with '\"'");
        *at = skip_blanks(*at);
        if (**at && **at != ';')
            return error_set(err, -EINVAL, "", "text follows a quoted value; separate parameters by ';'");
        *end = '\0'; /* at most the closing quote is overwritten */
    } else {
        for (end = start; *end && *end != ';'; end += step(end, wide))
            if (*end == '"')
                return error_set(err, -EINVAL, "", "a quote stands inside a value; quote all of it");
        *at = end;
        cut_blanks(start, end); /* where there are none the ';' becomes the end */
    }
    *ret = start;
    return 0;
}

/* at: behind a ';'. Return: 0, -EINVAL; *ret_next is the next ';' or the end. */
static int read_param(char *at, bool wide, struct params *p, char **ret_next, struct error *err)
{
    char *name = skip_blanks(at), *equals = name + strcspn(name, "=;\"");
    const char *value = "";
    int r;

    *ret_next = equals;
    if (equals == name && (!*name || *name == ';'))
        return 0; /* "; ;" and a ';' at the end mean nothing */
    if (*equals != '=' || equals == name)
        return error_set(err, -EINVAL, "", "a parameter is not understood; write name=value");
    if (p->n == PARAMS_MAX)
        return error_set(err, -EINVAL, "", "there are more than %d parameters", PARAMS_MAX);
    *ret_next = skip_blanks(equals + 1);
    r = read_value(ret_next, wide, &value, err);
    if (r < 0)
        return r;
    cut_blanks(name, equals);
    *equals = '\0';
    if (params_get(p, name))
        return error_set(err, -EINVAL, name, "is given twice; give it once");
    p->each[p->n].name = name;
    p->each[p->n++].value = value;
    return 0;
}

int params_parse(const char *text, struct params *ret, struct error *err)
{
    _cleanup_(params_done) struct params p = {.text = strdup(text)};
    bool wide = is_wide(text);
    char *at;
    int r = 0;

    if (!p.text)
        return -ENOMEM;
    p.value = skip_blanks(p.text);
    at = p.text + strcspn(p.text, ";");
    cut_blanks(p.value, at);
    while (r == 0 && *at == ';') {
        char *semicolon = at;

        r = read_param(at + 1, wide, &p, &at, err);
        *semicolon = '\0'; /* only now: the value before it, which it ends, is not read again */
    }
    if (r < 0)
        return r;
    *ret = p;
    p.text = NULL;
    return 0;
}

void params_done(struct params *p)
{
    free(TAKE_PTR(p->text));
}

const char *params_get(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcasecmp(p->each[i].name, name) == 0)
            return p->each[i].value;
    return NULL;
}

/* ---- file names ---- */

/* Return: 0, -EINVAL (bad percent-encoding, or NUL or control characters come out), -ENOMEM. */
static int decode_clean(const char *text, char **ret)
{
    _cleanup_free_ char *data = NULL;
    size_t size;
    int r = decode_percent(text, &data, &size);

    if (r == 0 && has_control(data, size))
        r = -EINVAL;
    if (r == 0)
        *ret = TAKE_PTR(data);
    return r;
}

/* NULL: no memory. */
static char *utf8_from_latin1(const char *text)
{
    char *out = malloc(2 * strlen(text) + 1), *to = out;

    for (; out && *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x80)
            *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(c >= 0x80 ? 0x80 | (c & 0x3F) : c);
    }
    if (out)
        *to = '\0';
    return out;
}

/* charset'language'percent-encoded (RFC 8187 §3.2). Charsets that we do not know: the bytes as they are. */
static int read_extended(const char *value, char **ret)
{
    const char *first = strchr(value, '\''), *second = first ? strchr(first + 1, '\'') : NULL;
    _cleanup_free_ char *text = NULL;
    size_t n = first ? (size_t)(first - value) : 0;
    int r;

    if (!second || n == 0)
        return -EINVAL;
    r = decode_clean(second + 1, &text);
    if (r < 0)
        return r;
    if (n == 5 && strncasecmp(value, "UTF-8", n) == 0 && is_wide(text))
        return -EINVAL;
    if (n == 10 && strncasecmp(value, "ISO-8859-1", n) == 0) {
        *ret = utf8_from_latin1(text);
        return *ret ? 0 : -ENOMEM;
    }
    *ret = TAKE_PTR(text);
    return 0;
}

int params_filename(const struct params *p, char **ret, struct error *err)
{
    const char *extended = params_get(p, "filename*"), *plain = params_get(p, "filename");
    int r = extended ? read_extended(extended, ret) : -EINVAL;

    if (r != -EINVAL)
        return r;
    if (extended && !plain)
        return error_set(err, r, "filename*", "is not understood; write UTF-8''name, percent-encoded");
    if (!plain) {
        *ret = NULL;
        return 0;
    }
    r = decode_clean(plain, ret);
    if (r != -EINVAL)
        return r;
    if (has_control(plain, strlen(plain)))
        return error_set(err, r, "filename", "holds a control character; leave it out");
    *ret = strdup(plain);
    return *ret ? 0 : -ENOMEM;
}

static bool is_nothing(const char *component, size_t n)
{
    return n == 0 || (n <= 2 && strncmp(component, "..", n) == 0);
}

static bool is_drive(const char *component, size_t n)
{
    return n == 2 && component[1] == ':' && ((component[0] | 0x20) >= 'a' && (component[0] | 0x20) <= 'z');
}

static size_t component_length(const char *at, bool wide)
{
    const char *end = at;

    for (size_t n; *end && *end != '/'; end += n) {
        n = step(end, wide);
        if (n == 1 && *end == '\\')
            break;
    }
    return (size_t)(end - at);
}

int filename_split(const char *sent, char **ret_name, char **ret_path)
{
    _cleanup_free_ char *path = malloc(strlen(sent) + 1), *name = NULL;
    const char *at = sent;
    char *to = path;
    bool wide = is_wide(sent);
    size_t n = 0;

    if (!path)
        return -ENOMEM;
    for (;;) {
        n = component_length(at, wide);
        if (!is_nothing(at, n) && !(at == sent && at[n] && is_drive(at, n))) {
            to = to == path ? to : stpcpy(to, "/");
            to = mempcpy(to, at, n);
        }
        if (!at[n])
            break;
        at += n + 1;
    }
    *to = '\0';
    name = is_nothing(at, n) ? strdup("") : strdup(at);
    if (!name)
        return -ENOMEM;
    *ret_name = TAKE_PTR(name);
    *ret_path = TAKE_PTR(path);
    return 0;
}
