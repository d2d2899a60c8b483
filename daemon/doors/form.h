/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A delivery as multipart/form-data, as IP cameras and browsers make it: several files, each a recording of its own, with fields before
 * or behind them that count for all of them. Nothing is sealed before the whole form is there, so that no field comes too late.
 *
 * A file that cannot be taken (no bytes, another digest) does not keep the others out; the answer says of each what became of it. Its
 * status is the worst of them, never 2xx when one is missing: many senders look at nothing else and delete their file. Sending all of
 * it again does no harm: what is here already is answered with its first receipt. What is no single file's fault (malformed, no room,
 * another device named) ends the whole form.
 */
#ifndef LIUHEN_DOORS_FORM_H
#define LIUHEN_DOORS_FORM_H

#include "doors/door.h"

struct form;

/* As the functions of a door; *ret is to be given to form_free, also when this returns false. */
bool form_begin(struct knock *k, const char *content_type, struct http_answer *answer, struct form **ret);
bool form_take(struct form *f, const void *data, size_t size, struct http_answer *answer);
/* {"files":[{"name","status", the receipt's members or "error"}]}, in the order in which they came. */
void form_finish(struct form *f, struct http_answer *answer);
struct form *form_free(struct form *f);

#endif
