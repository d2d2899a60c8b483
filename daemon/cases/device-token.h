/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The form of tokens: "lh_<ULID of the key>_<32 random bytes in base 32>". The prefix lets scanners for leaked secrets find them.
 */
#ifndef LIUHEN_CASES_DEVICE_TOKEN_H
#define LIUHEN_CASES_DEVICE_TOKEN_H

#include <stdbool.h>

#include "cases/devices.h"

/* Whether it has the form of a token; copies the key's id. Any bytes may be given. */
bool device_token_is_formed(const char *token, char ret_key[ULID_LENGTH + 1]);

/* A new secret for the key. Return: 0 or negative errno of getrandom(2). */
int device_token_make(const char *key, char ret_token[DEVICE_TOKEN_SIZE]);

#endif
