/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Printing for people: tables that align wide characters and fit the terminal, sizes, times, labels. Whatever comes from outside
 * goes through print_safe first, so that no name can send control sequences to a terminal or turn a line around.
 */
#ifndef LIUHEN_CLI_PRINT_H
#define LIUHEN_CLI_PRINT_H

#include <stdbool.h>

#include "base/calendar.h"
#include "base/json.h"

/* Sets the locale for widths (UTF-8 whatever the environment says) and looks at standard output. Once, at the start. */
void print_init(void);
bool print_is_terminal(void);
unsigned print_columns(void); /* of the terminal; 0 = no limit */

enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN, COLOUR_BLUE };
const char *colour_on(enum colour c); /* "" unless standard output is a terminal and NO_COLOR is unset */
const char *colour_off(void);

/* Columns that a text takes on a terminal; those of its first character, *ret_bytes its length (at least 1). */
unsigned print_width(const char *text);
unsigned print_character_width(const char *text, size_t *ret_bytes);

/* The memory itself: dies when there is none. */
void *print_must(void *memory);

/* A copy without control characters, line breaks and direction overrides (each becomes '?'); NULL reads as "". Never NULL: dies
 * when out of memory. */
char *print_safe(const char *text);

/* A text member of an object as it is (not made safe); "-" when it has none. */
const char *print_text(const json_t *object, const char *key);

/* "1.2 GiB", "311 KiB", "17 B". */
#define PRINT_SIZE_SIZE 16
const char *print_size(int64_t bytes, char out[PRINT_SIZE_SIZE]);

/* "0:09", "59:59", "10:00:00"; with tenths "0:02.5". */
#define PRINT_LENGTH_SIZE 32
const char *print_length(int64_t usec, bool tenths, char text[PRINT_LENGTH_SIZE]);

/* In the zone: "2026-11-23 19:05"; with seconds and offset when whole. Unknown (0 or INT64_MAX): "-". */
const char *print_time(const struct zone *z, int64_t usec, bool whole, char out[CALENDAR_TEXT_SIZE]);

/* "label:   value" with the labels aligned; continued lines are indented and wrapped to the terminal. */
void print_field(const char *label, const char *format, ...) _printf_(2, 3);

/* A paragraph wrapped to the terminal (at most 100 columns), each line indented; first is put before its first line ("- "). */
void print_wrapped(unsigned indent, const char *first, const char *text);

enum { TABLE_RIGHT = 1, TABLE_FLEX = 2 /* shortened where the terminal is too narrow */ };

struct table;

/* columns: n titles; flags and priority per column. Columns with the highest priority number are left out first when the terminal is
 * narrow; 0 stays always. */
struct table_column {
    const char *title;
    unsigned flags;
    int priority;
};
struct table *table_new(const struct table_column *columns, size_t n);
struct table *table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free)
void table_cell(struct table *t, enum colour colour,
                const char *text);                    /* in order, row after row; NULL = "-" */
void table_print(const struct table *t, bool titles); /* without titles: goes on with a table that has them */
size_t table_rows(const struct table *t);

#endif
