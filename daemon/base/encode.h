/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text encodings: hexadecimal, base64 (RFC 4648 §4, padded), percent-encoding of arbitrary bytes (RFC 3986 §2.1), UTF-8
 * validation (RFC 3629), and file names made safe for the disk.
 */
#ifndef LIUHEN_BASE_ENCODE_H
#define LIUHEN_BASE_ENCODE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"

/* Writes 2*size lower-case digits and a NUL to out. */
void encode_hex(const void *data, size_t size, char *out);
/* Exactly 2*size hex digits (either case) and nothing after. Return: 0 or -EINVAL, out untouched. */
int decode_hex(const char *text, void *out, size_t size);

/* New string; NULL only when out of memory. */
char *encode_base64(const void *data, size_t size);
/* Strict: canonical padding, no white space, unused bits zero. Return: 0, -EINVAL, -ENOMEM. length = bytes of text. */
int decode_base64(const char *text, size_t length, uint8_t **ret_data, size_t *ret_size);

/* Percent-encodes every byte of a name that is not printable valid UTF-8: control bytes, DEL, '%' itself, and bytes that are
 * not part of a valid UTF-8 sequence. '/' stays, so paths can be encoded whole. New string, always valid UTF-8; NULL = out of
 * memory. decode_percent gives the very bytes back. */
char *encode_percent(const void *data, size_t size);
/* Return: 0, -EINVAL (a '%' without two hex digits), -ENOMEM. The result is NUL-terminated beyond *ret_size. */
int decode_percent(const char *text, char **ret_data, size_t *ret_size);

bool utf8_is_valid(const char *text, size_t size);

/* Makes what snprintf has written into a buffer of size bytes valid UTF-8, in place: names of files may hold any bytes, and long
 * texts are cut anywhere. A sequence that was cut goes, any other bad byte becomes '?'. */
void utf8_repair(char *text, size_t size);

/* Length in bytes (1-4) of the valid UTF-8 sequence at s, 0 if none. */
size_t utf8_sequence_length(const uint8_t *s, size_t size);

/* Whether the valid sequence of n bytes at s is a control character: C0, DEL, or C1 (U+0080 to U+009F). All act on a terminal. */
bool utf8_is_control(const uint8_t *s, size_t n);

/* A name for a file on disk made from any bytes: percent-encoded, no '/', no control bytes, none of \ : * ? " < > |, not "."
 * or "..", not starting with '.' or '-', at most 200 bytes (cut at a character, the extension kept). Never empty, never
 * "arrival.json". New string; NULL = out of memory. */
char *encode_safe_name(const void *data, size_t size);

#endif
