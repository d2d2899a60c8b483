/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Request targets: whatever is taken has clean parts, finds the same route however often it is asked, and reads the same when it
 * is written out again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/route.h"
#include "base/encode.h"

static const char hex[] = "0123456789ABCDEF";

/* Every byte as %XX. */
static void append(char *out, size_t *at, const char *text)
{
    for (; *text; text++) {
        out[(*at)++] = '%';
        out[(*at)++] = hex[(unsigned char)*text >> 4];
        out[(*at)++] = hex[(unsigned char)*text & 15];
    }
}

static void check_text(const char *text)
{
    size_t n = strlen(text);

    if (!utf8_is_valid(text, n))
        abort();
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            abort();
}

static void check_same(const struct target *a, const struct target *b)
{
    if (a->n_segments != b->n_segments || a->n_params != b->n_params)
        abort();
    for (size_t i = 0; i < a->n_segments; i++)
        if (strcmp(a->segments[i], b->segments[i]) != 0)
            abort();
    for (size_t i = 0; i < a->n_params; i++)
        if (strcmp(a->params[i].name, b->params[i].name) != 0 ||
            strcmp(a->params[i].value, b->params[i].value) != 0)
            abort();
}

static void write_again(const struct target *t, char *out)
{
    size_t at = 0;

    if (t->n_segments == 0)
        out[at++] = '/';
    for (size_t i = 0; i < t->n_segments; i++) {
        out[at++] = '/';
        append(out, &at, t->segments[i]);
    }
    for (size_t i = 0; i < t->n_params; i++) {
        out[at++] = i ? '&' : '?';
        append(out, &at, t->params[i].name);
        out[at++] = '=';
        append(out, &at, t->params[i].value);
    }
    out[at] = '\0';
}

/* A route with all its arguments, or the methods of the path, or nothing. */
static void find(const char *method, const struct target *t)
{
    struct route_match m;

    if (route_find(method, NULL, t, &m) != 0)
        return;
    if (m.route && (!m.path || (strchr(m.route->path, '{') && !*m.args[0])))
        abort();
    if (!m.route && (m.path != NULL) != (*m.allow != '\0'))
        abort();
    route_match_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"};
    char raw[TARGET_BYTES_MAX + 2], again[3 * TARGET_BYTES_MAX + 64];
    struct target t, u;

    if (size > TARGET_BYTES_MAX)
        return 0;
    memcpy(raw, data, size);
    raw[size] = '\0';
    if (target_parse(raw, &t, NULL) != 0)
        return 0;
    for (size_t i = 0; i < t.n_segments; i++)
        check_text(t.segments[i]);
    for (size_t i = 0; i < t.n_params; i++)
        check_text(t.params[i].name), check_text(t.params[i].value);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        find(methods[i], &t);
    write_again(&t, again);
    if (strlen(again) <= TARGET_BYTES_MAX) {
        if (target_parse(again, &u, NULL) != 0)
            abort();
        check_same(&t, &u);
        target_done(&u);
    }
    target_done(&t);
    return 0;
}
