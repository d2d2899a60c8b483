/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Views of recordings: who looks at which content, so that each view is one act however many ranges a player asks for.
 */
#ifndef LIUHEN_API_VIEWS_H
#define LIUHEN_API_VIEWS_H

#include "base/error.h"
#include "base/ulid.h"
#include "catalogue/writer.h"

/* Requests of one person for one recording belong to one view while no more than this lies between them. */
#define VIEWS_GAP_USEC (10 * USEC_PER_MIN)

struct views;

int views_new(struct views **ret); /* 0 or -ENOMEM */
struct views *views_free(struct views *v);
DEFINE_CLEANUP(struct views *, views_free)

/* Records a request for bytes from `from` on: as an act recording.viewed where it begins a view. Return: 0; else nothing was
 * recorded, and nothing may be shown: as writer_run. */
int views_record(struct views *v, struct writer *w, const char *actor, const struct recording_id *id,
                 uint64_t from, int64_t now_usec, struct error *err);

#endif
