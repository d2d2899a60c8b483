/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What decoding shows of a recording (PLAN.md, decoded): checked before it becomes an act, as the program that found it may have been
 * taken over.
 */
#ifndef LIUHEN_MEDIA_DECODED_FACTS_H
#define LIUHEN_MEDIA_DECODED_FACTS_H

#include "base/error.h"
#include "base/json.h"

#define DECODED_BYTES_MAX 16384 /* canonical */
#define DECODED_LIST_MAX  64
#define DECODED_TEXT_MAX  4296 /* the most that a QR code holds, ISO/IEC 18004 */

/* Return: 0, -EINVAL (err says which member), -ENOMEM. */
int decoded_facts_check(const json_t *decoded, struct error *err);

#endif
