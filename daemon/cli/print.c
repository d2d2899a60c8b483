/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Printing texts (see print.h); tables are in table.c.
 */
#include "cli/print.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/encode.h"
#include "cli/cli.h"

#define LABEL_COLUMNS 14
#define WRAP_COLUMNS  100

static struct {
    bool terminal, colours;
    unsigned columns;
} out;

void print_init(void)
{
    const char *columns = getenv("COLUMNS"), *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize w;

    /* the environment's rules for widths if they are UTF-8, else Unicode's own */
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    out.terminal = isatty(STDOUT_FILENO);
    if (!out.terminal)
        return;
    out.colours = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
    out.columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        out.columns = w.ws_col;
    else if (columns && atoi(columns) > 0)
        out.columns = (unsigned)atoi(columns);
    if (out.columns < 20)
        out.columns = 20;
}

bool print_is_terminal(void)
{
    return out.terminal;
}

unsigned print_columns(void)
{
    return out.columns;
}

const char *colour_on(enum colour c)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[34m"};

    return out.colours ? codes[c] : "";
}

const char *colour_off(void)
{
    return out.colours ? "\033[0m" : "";
}

unsigned print_character_width(const char *text, size_t *ret_bytes)
{
    mbstate_t state = {0};
    wchar_t wide;
    size_t n = mbrtowc(&wide, text, strnlen(text, MB_LEN_MAX), &state);
    int width;

    if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
        *ret_bytes = 1;
        return 1;
    }
    *ret_bytes = n;
    width = wcwidth(wide);
    return width < 0 ? 1 : (unsigned)width;
}

unsigned print_width(const char *text)
{
    unsigned width = 0;
    size_t n;

    for (; *text; text += n)
        width += print_character_width(text, &n);
    return width;
}

/* Control characters (C0, DEL, C1), line and paragraph separators, direction marks and overrides. */
static bool is_unsafe(const uint8_t *s, size_t n)
{
    if (n == 1)
        return s[0] < 0x20 || s[0] == 0x7f;
    if (n == 2)
        return s[0] == 0xc2 && s[1] < 0xa0;
    if (n == 3 && s[0] == 0xe2 && s[1] == 0x80)
        return (s[2] >= 0x8e && s[2] <= 0x8f) || (s[2] >= 0xa8 && s[2] <= 0xae);
    return n == 3 && s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9;
}

void *print_must(void *memory)
{
    if (!memory) {
        fputs("liuhen: out of memory\n", stderr);
        exit(CLI_BUSY);
    }
    return memory;
}

char *print_safe(const char *text)
{
    size_t size = text ? strlen(text) : 0, o = 0;
    char *copy = print_must(malloc(size + 1));

    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_sequence_length((const uint8_t *)text + i, size - i);
        if (n == 0 || is_unsafe((const uint8_t *)text + i, n)) {
            copy[o++] = '?';
            n = n ? n : 1;
        } else {
            memcpy(copy + o, text + i, n);
            o += n;
        }
    }
    copy[o] = '\0';
    return copy;
}

const char *print_text(const json_t *object, const char *key)
{
    const char *text = json_get_string(object, key);

    return text ? text : "-";
}

const char *print_size(int64_t bytes, char text[PRINT_SIZE_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(text, PRINT_SIZE_SIZE, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *print_length(int64_t usec, bool tenths, char text[PRINT_LENGTH_SIZE])
{
    long long seconds = MAX(usec, 0) / USEC_PER_SEC;
    int n;

    if (seconds >= 3600)
        n = snprintf(text, PRINT_LENGTH_SIZE, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60,
                     seconds % 60);
    else
        n = snprintf(text, PRINT_LENGTH_SIZE, "%lld:%02lld", seconds / 60, seconds % 60);
    if (tenths)
        snprintf(text + n, PRINT_LENGTH_SIZE - (size_t)n, ".%d",
                 (int)(MAX(usec, 0) % USEC_PER_SEC / (USEC_PER_SEC / 10)));
    return text;
}

const char *print_time(const struct zone *z, int64_t usec, bool whole, char text[CALENDAR_TEXT_SIZE])
{
    if (usec == 0 || usec == INT64_MAX)
        return strcpy(text, "-");
    calendar_format(z, usec, text);
    if (!whole && strlen(text) > 16)
        text[16] = '\0';
    return text;
}

/* The next piece that may not be parted: a word, or one wide character. */
static size_t next_piece(const char *text, unsigned *ret_width)
{
    size_t bytes = 0, n;

    *ret_width = 0;
    while (text[bytes] && text[bytes] != ' ') {
        unsigned w = print_character_width(text + bytes, &n);

        if (w > 1 && bytes > 0)
            break;
        bytes += n;
        *ret_width += w;
        if (w > 1)
            break;
    }
    return bytes;
}

/* Prints text from column `at` on, lines indented and at most limit wide; what is longer than a line is cut anywhere. */
static void wrap(unsigned at, unsigned indent, unsigned limit, const char *text)
{
    bool empty = true;

    while (*text) {
        unsigned blanks = (unsigned)strspn(text, " "), width;
        size_t bytes = next_piece(text + blanks, &width);

        text += blanks;
        if (!empty && at + blanks + width > limit) {
            printf("\n%*s", (int)indent, "");
            at = indent;
        } else {
            printf("%*s", (int)blanks, "");
            at += blanks;
        }
        for (size_t i = 0, n; i < bytes; i += n) {
            unsigned w = print_character_width(text + i, &n);
            if (at + w > limit) {
                printf("\n%*s", (int)indent, "");
                at = indent;
            }
            printf("%.*s", (int)n, text + i);
            at += w;
        }
        text += bytes;
        empty = false;
    }
    putchar('\n');
}

void print_wrapped(unsigned indent, const char *first, const char *text)
{
    unsigned lead = print_width(first);

    printf("%*s%s", (int)(indent - MIN(indent, lead)), "", first);
    wrap(indent, indent, out.columns && out.columns < WRAP_COLUMNS ? out.columns : WRAP_COLUMNS, text);
}

void print_field(const char *label, const char *format, ...)
{
    _cleanup_free_ char *value = NULL, *safe = NULL;
    unsigned width = print_width(label) + 1;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&value, format, ap) < 0)
        value = NULL;
    va_end(ap);
    safe = print_safe(value);
    printf("%s%s%s%s%*s", colour_on(COLOUR_DIM), label, *label ? ":" : " ", colour_off(),
           (int)(width < LABEL_COLUMNS ? LABEL_COLUMNS - width : 1), "");
    wrap(MAX(width + 1, LABEL_COLUMNS), LABEL_COLUMNS, out.columns ? out.columns : UINT32_MAX, safe);
}
