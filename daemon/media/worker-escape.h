/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests only (INJECT builds): what a taken-over program would try (worker-escape.c), how it could die, and how it could lie
 * (worker-deaths.c). Runs inside the lock, by any verb on a recording that begins with "LIUHEN-TEST-ESCAPE WHAT\n".
 */
#ifndef LIUHEN_MEDIA_WORKER_ESCAPE_H
#define LIUHEN_MEDIA_WORKER_ESCAPE_H

#include "media/worker-input.h"

#define ESCAPE_NAME_MAX 48

/* One attempt. Return: < 0: refused with an error; else it was possible. Mostly does not return. */
struct escape {
    const char *name;
    long (*attempt)(void);
};
extern const struct escape escape_deaths[]; /* the last has no name */

/* Tries it. Return: an exit status: 0 = it was possible, 1 = refused with an error, 2 = no such attempt. */
int escape_attempt(const char *what);

/* Copies WHAT when the file asks for an attempt. */
bool escape_wanted(struct input *in, char what[ESCAPE_NAME_MAX]);

#endif
