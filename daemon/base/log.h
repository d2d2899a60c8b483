/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logging of events from the one table (event-table.h). Under systemd each event goes to the journal with its fields;
 * otherwise a readable line goes to standard error. An event that repeats more than 20 times a minute is counted and the
 * count is said once. Thread-safe. Only the border of a job logs; functions below return errors.
 */
#ifndef LIUHEN_BASE_LOG_H
#define LIUHEN_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event-table.h"

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

struct event_row {
    const char *id;     /* "RECORDING_SEALED" */
    int level;          /* enum log_level */
    const char *fields; /* mandatory, space-separated */
    const char *text;   /* with {FIELD} */
};

/* The row of an event; NULL past the end. */
const struct event_row *event_row(unsigned event);

/* Logs an event: pairs of field name and value, ended by NULL. A NULL value is written as "-". Fields beyond the
 * mandatory ones travel to the journal only.
 *   log_event(EVENT_RECORDING_SEALED, "RECORDING", id, "FILE", name, "BYTES", text, NULL); */
void log_event(enum event event, ...) __attribute__((sentinel));

/* Whether standard error is the journal (systemd.exec(5), JOURNAL_STREAM): plain lines to it may begin with "<3>" (sd-daemon(3)). */
bool log_is_journal(void);

/* Events above this level are not written (they are still counted). Default LOG_LEVEL_INFO. */
void log_set_level(int level);
int log_level_from_name(const char *name); /* "error" … "debug"; -1 when unknown */

/* How often an event has happened since the start; feeds the metrics. */
uint64_t log_count(enum event event);

#endif
