/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What people give as text, checked the same way wherever it is given.
 */
#ifndef LIUHEN_CASES_INPUT_H
#define LIUHEN_CASES_INPUT_H

#include <stdbool.h>

#include "base/error.h"

/* UTF-8, at most max bytes, without control characters but the ends of lines where lines are allowed. NULL is right.
 * Return: 0 or code (err set, about `what`). */
int input_check_text(int code, const char *what, const char *text, size_t max, bool lines, struct error *err);

#endif
