/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables on a terminal (see print.h). On a pipe every column stands in full; on a terminal the least important columns are left
 * out and the flexible ones shortened until the lines fit.
 */
#include "cli/print.h"

#include <string.h>

#define GAP         2
#define FLEX_MIN    12
#define COLUMNS_MAX 16

struct cell {
    char *text;
    unsigned width;
    enum colour colour;
};

struct table {
    const struct table_column *columns;
    size_t n_columns, n, room;
    struct cell *cells;
};

struct table *table_new(const struct table_column *columns, size_t n)
{
    struct table *t = print_must(calloc(1, sizeof *t));

    t->columns = columns;
    t->n_columns = MIN(n, (size_t)COLUMNS_MAX);
    return t;
}

struct table *table_free(struct table *t)
{
    if (!t)
        return NULL;
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t);
    return NULL;
}

void table_cell(struct table *t, enum colour colour, const char *text)
{
    struct cell cell = {.text = print_safe(text && *text ? text : "-"), .colour = colour};

    cell.width = print_width(cell.text);
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = print_must(reallocarray(t->cells, t->room, sizeof *t->cells));
    }
    t->cells[t->n++] = cell;
}

size_t table_rows(const struct table *t)
{
    return t->n / t->n_columns;
}

static unsigned total(const struct table *t, const unsigned *widths)
{
    unsigned sum = 0;

    for (size_t i = 0; i < t->n_columns; i++)
        sum += widths[i] ? widths[i] + (sum ? GAP : 0) : 0;
    return sum;
}

/* Widths that fit the terminal; 0 = left out. A flexible column counts as at most FLEX_MIN while others could still go. */
static void fit(const struct table *t, unsigned *widths)
{
    unsigned full[COLUMNS_MAX], limit = print_columns();

    for (size_t i = 0; i < t->n_columns; i++) {
        full[i] = print_width(t->columns[i].title);
        for (size_t c = i; c < t->n; c += t->n_columns)
            full[i] = MAX(full[i], t->cells[c].width);
        widths[i] = t->columns[i].flags & TABLE_FLEX && limit ? MIN(full[i], FLEX_MIN) : full[i];
    }
    if (!limit)
        return;
    while (total(t, widths) > limit) {
        size_t worst = 0;
        for (size_t i = 1; i < t->n_columns; i++)
            if (widths[i] && (!widths[worst] || t->columns[i].priority >= t->columns[worst].priority))
                worst = i;
        if (t->columns[worst].priority == 0)
            break;
        widths[worst] = 0;
    }
    /* what is left goes to the flexible columns, the last first */
    for (size_t i = t->n_columns; i-- > 0;) {
        unsigned sum = total(t, widths);
        if (widths[i] && t->columns[i].flags & TABLE_FLEX && sum < limit)
            widths[i] += MIN(full[i] - widths[i], limit - sum);
    }
}

/* Prints text in width columns, shortened with an ellipsis where needed; no blanks behind the last column. */
static void print_cell(const char *text, unsigned text_width, unsigned width, bool right, bool last,
                       enum colour colour)
{
    unsigned shown = 0;
    size_t bytes = 0;

    if (text_width <= width) {
        bytes = strlen(text);
        shown = text_width;
    } else {
        while (shown + 1 < width) {
            size_t n;
            unsigned w = print_character_width(text + bytes, &n);

            if (shown + w + 1 > width)
                break;
            shown += w;
            bytes += n;
        }
    }
    if (right)
        printf("%*s", (int)(width - MIN(width, shown + (text_width > width))), "");
    printf("%s%.*s%s%s", colour_on(colour), (int)bytes, text, text_width > width ? "…" : "",
           colour == COLOUR_NONE ? "" : colour_off());
    shown += text_width > width;
    if (!right && !last)
        printf("%*s", (int)(width - MIN(width, shown)), "");
}

void table_print(const struct table *t, bool titles)
{
    unsigned widths[COLUMNS_MAX] = {0};
    size_t last = 0;

    fit(t, widths);
    for (size_t i = 0; i < t->n_columns; i++)
        last = widths[i] ? i : last;
    for (size_t row = titles ? 0 : 1; row <= table_rows(t); row++) {
        for (size_t i = 0, first = 1; i < t->n_columns; i++) {
            const struct table_column *column = &t->columns[i];
            const struct cell *cell = row ? &t->cells[(row - 1) * t->n_columns + i] : NULL;

            if (!widths[i])
                continue;
            if (!first)
                printf("%*s", GAP, "");
            first = 0;
            print_cell(cell ? cell->text : column->title, cell ? cell->width : print_width(column->title),
                       widths[i], column->flags & TABLE_RIGHT, i == last, cell ? cell->colour : COLOUR_BOLD);
        }
        putchar('\n');
    }
}
