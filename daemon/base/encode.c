/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text encodings (see encode.h), but for base64, which is in encode-base64.c.
 */
#include "base/encode.h"

#include <errno.h>
#include <string.h>

void encode_hex(const void *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * size] = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int decode_hex(const char *text, void *out, size_t size)
{
    uint8_t *p = out;

    if (strlen(text) != 2 * size)
        return -EINVAL;
    for (size_t i = 0; i < 2 * size; i++)
        if (hex_value(text[i]) < 0)
            return -EINVAL;
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    return 0;
}

size_t utf8_sequence_length(const uint8_t *s, size_t size)
{
    size_t n;
    uint32_t c;

    if (size == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    n = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (n > size)
        return 0;
    c = s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10FFFF)) || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    return n;
}

bool utf8_is_control(const uint8_t *s, size_t n)
{
    return s[0] < 0x20 || s[0] == 0x7F || (n == 2 && s[0] == 0xC2 && s[1] < 0xA0);
}

bool utf8_is_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = utf8_sequence_length((const uint8_t *)text + i, size - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* Whether these last bytes begin a sequence that lacks its end. */
static bool is_cut(const char *text, size_t n)
{
    uint8_t first = (uint8_t)text[0];

    for (size_t i = 1; i < n; i++)
        if (((uint8_t)text[i] & 0xC0) != 0x80)
            return false;
    return n < (first >= 0xF0 ? 4u : first >= 0xE0 ? 3u : first >= 0xC2 ? 2u : 0u);
}

void utf8_repair(char *text, size_t size)
{
    size_t length = strlen(text);

    for (size_t i = 0, n; i < length; i += n) {
        n = utf8_sequence_length((const uint8_t *)text + i, length - i);
        if (n > 0)
            continue;
        if (length == size - 1 && length - i < 4 && is_cut(text + i, length - i)) {
            text[i] = 0;
            return;
        }
        text[i] = '?';
        n = 1;
    }
}

/* Percent-encodes; also_bad lists further ASCII bytes to encode. */
static char *percent_encode_also(const uint8_t *s, size_t size, const char *also_bad)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = malloc(3 * size + 1), *p = out;

    if (!out)
        return NULL;
    for (size_t i = 0; i < size;) {
        size_t n = utf8_sequence_length(s + i, size - i);
        bool plain =
            n > 0 && !utf8_is_control(s + i, n) && s[i] != '%' && !(n == 1 && strchr(also_bad, s[i]));
        if (plain) {
            memcpy(p, s + i, n);
            p += n;
            i += n;
            continue;
        }
        *p++ = '%';
        *p++ = digits[s[i] >> 4];
        *p++ = digits[s[i] & 15];
        i++;
    }
    *p = 0;
    return out;
}

char *encode_percent(const void *data, size_t size)
{
    return percent_encode_also(data, size, "");
}

int decode_percent(const char *text, char **ret_data, size_t *ret_size)
{
    size_t length = strlen(text), n = 0;
    _cleanup_free_ char *out = malloc(length + 1);

    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            out[n++] = text[i];
            continue;
        }
        if (length - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
            return -EINVAL;
        out[n++] = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
        i += 2;
    }
    out[n] = 0;
    if (ret_size)
        *ret_size = n;
    *ret_data = TAKE_PTR(out);
    return 0;
}

#define SAFE_NAME_MAX 200

/* Cuts encoded text to at most max bytes without splitting a UTF-8 sequence or a %XX. */
static size_t cut_length(const char *text, size_t length, size_t max)
{
    size_t keep = 0;

    if (length <= max)
        return length;
    for (size_t i = 0; i < length;) {
        size_t n = text[i] == '%' ? 3 : utf8_sequence_length((const uint8_t *)text + i, length - i);
        if (n == 0 || i + n > max)
            break;
        i += n;
        keep = i;
    }
    return keep;
}

char *encode_safe_name(const void *data, size_t size)
{
    _cleanup_free_ char *encoded = percent_encode_also(data, size, "/\\:*?\"<>|");
    size_t length, ext_length = 0, stem;
    const char *dot, *lead = "";
    char *out;

    if (!encoded)
        return NULL;
    length = strlen(encoded);
    dot = strrchr(encoded, '.');
    if (dot && dot != encoded && strlen(dot) <= 16 && !strchr(dot, '%'))
        ext_length = strlen(dot);
    if (encoded[0] == '.' || encoded[0] == '-' || length == 0 || strcmp(encoded, "arrival.json") == 0)
        lead = "_";
    stem = cut_length(encoded, length - ext_length, SAFE_NAME_MAX - ext_length - strlen(lead));
    if (asprintf(&out, "%s%.*s%s", lead, (int)stem, encoded, encoded + length - ext_length) < 0)
        return NULL;
    return out;
}
