/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Small helpers around YAML texts (see yaml.h): the nearest known word for "did you mean", the fault that says so, and quoting a
 * string so that it reads back as itself.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/yaml.h"

#define WORD_MAX 64

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours. Words longer than WORD_MAX are far away. */
static size_t word_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t row[3][WORD_MAX + 1];

    if (la > WORD_MAX || lb > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = MIN(prev[j] + 1, now[j - 1] + 1);
            best = MIN(best, prev[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, prev2[j - 2] + 1);
            now[j] = best;
        }
    }
    return row[la % 3][lb];
}

const char *yaml_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t best = (strlen(word) + 1) / 3 + 1; /* strictly fewer slips than this */
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t d = word_distance(word, candidates[i]);
        if (d < best && d < strlen(candidates[i])) {
            best = d;
            found = candidates[i];
        }
    }
    return found;
}

const char *yaml_words(const char *const *words, size_t n, char *out, size_t size)
{
    size_t at = 0;

    out[0] = 0;
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", words[i]);
    return out;
}

int yaml_fault_unknown(struct yaml_faults *f, const struct yaml_node *node, const char *const *known,
                       size_t n, const char *lead, const char *format, ...)
{
    const char *near = yaml_nearest(node->text, known, n);
    char what[300], all[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(what, sizeof what, format, ap);
    va_end(ap);
    if (near)
        return yaml_fault(f, node, "%s; did you mean '%s'?", what, near);
    return yaml_fault(f, node, "%s; %s: %s", what, lead, yaml_words(known, n, all, sizeof all));
}

/* Whether the text may stand without quotes anywhere, also inside [ ], and is not taken for a number, a truth or nothing. */
static bool is_safe_plain(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no",   "on",  "off",
                                        "null", "y",     "n",   ".inf", ".nan"};
    bool letter = false;

    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/';
        bool digit = c >= '0' && c <= '9';

        letter = letter || alpha;
        if (!alpha && !digit && (p == text || !strchr("._-+@%=", c)))
            return false;
    }
    if (!letter || (text[0] >= '0' && text[0] <= '9'))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    return true;
}

/* The code point of a valid sequence. */
static uint32_t code_point(const uint8_t *s, size_t n)
{
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7Fu >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (s[i] & 0x3F);
    return c;
}

/* One character inside double quotes; returns how many bytes were written (at most 6 for n ≤ 3, else n). */
static size_t quote_character(const uint8_t *s, size_t n, char *out)
{
    uint32_t c = code_point(s, n);

    if (c == '"' || c == '\\')
        return (size_t)sprintf(out, "\\%c", (int)c);
    if (c == '\n')
        return (size_t)sprintf(out, "\\n");
    if (c < 0x20 || (c >= 0x7F && c < 0xA0))
        return (size_t)sprintf(out, "\\x%02X", c);
    if (c == 0x2028 || c == 0x2029 || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF)
        return (size_t)sprintf(out, "\\u%04X", c);
    memcpy(out, s, n);
    return n;
}

char *yaml_quote(const char *text)
{
    size_t length = strlen(text);
    char *out, *p;

    if (length > 0 && is_safe_plain(text))
        return strdup(text);
    p = out = malloc(6 * length + 3);
    if (!out)
        return NULL;
    *p++ = '"';
    for (size_t i = 0; i < length;) {
        size_t n = utf8_sequence_length((const uint8_t *)text + i, length - i);
        n = n > 0 ? n : 1; /* callers hand in valid UTF-8; a stray byte is passed on, never read past */
        p += quote_character((const uint8_t *)text + i, n, p);
        i += n;
    }
    *p++ = '"';
    *p = 0;
    return out;
}
