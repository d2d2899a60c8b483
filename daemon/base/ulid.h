/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ULIDs: 26 characters of Crockford base 32, 48 bits of milliseconds and 80 random bits. Ids made by one process grow
 * strictly even within a millisecond or when the clock steps back. Recording ids and case ids are types of their own.
 */
#ifndef LIUHEN_BASE_ULID_H
#define LIUHEN_BASE_ULID_H

#include <stdbool.h>

#include "base/macro.h"

#define ULID_LENGTH 26

struct recording_id {
    char text[ULID_LENGTH + 1];
};
struct case_id {
    char text[ULID_LENGTH + 1];
};

/* Writes a new id made from time_usec (wall clock) to out. Thread-safe. */
void ulid_make(int64_t time_usec, char out[ULID_LENGTH + 1]);

/* Upper-case canonical form only. */
bool ulid_is_valid(const char *text);

/* Copies a valid ULID. Return: 0 or -EINVAL. */
int recording_id_parse(const char *text, struct recording_id *ret);
int case_id_parse(const char *text, struct case_id *ret);

#endif
