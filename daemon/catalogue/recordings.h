/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading recordings from the catalogue: look-ups, pages of a list, one recording whole, its history. Reads only; the rows
 * are written by apply.c. Lists page by key (sort time, id), newest first, so that a page costs the same however deep.
 */
#ifndef LIUHEN_CATALOGUE_RECORDINGS_H
#define LIUHEN_CATALOGUE_RECORDINGS_H

#include "base/digest.h"
#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"

enum {
    RECORDINGS_E_NONE = 1001,      /* no such recording */
    RECORDINGS_E_AMBIGUOUS = 1002, /* the beginning of an id fits more than one */
    RECORDINGS_E_CURSOR = 1003,    /* the page mark is not one of ours */
};

#define RECORDINGS_PAGE_MAX 1000

/* What a list is narrowed to; NULL, empty and zero members do not narrow. */
struct recordings_filter {
    const char *case_id, *device, *officer, *unit, *kind, *class_name, *take;
    int64_t from_usec, to_usec; /* sort time in [from, to) */
    bool damaged, unlinked, undecided;
    bool held; /* a hold of its own or of a case it is linked to stands */
};

/* A page of at most limit recordings as an array of objects (the columns of table recordings; digest in hex). *ret_next is a
 * mark for the next page, NULL when there is none; cursor NULL = the newest. */
int recordings_list(struct db *db, const struct recordings_filter *filter, const char *cursor, int limit,
                    json_t **ret_page, char **ret_next, struct error *err);

/* Everything about one recording: row, arrival, media, place, reasons, arrivals, links (with case numbers), holds. */
int recordings_show(struct db *db, const struct recording_id *id, json_t **ret, struct error *err);

/* Whole id, or its beginning (at least 4 characters), where it fits only one. */
int recordings_resolve(struct db *db, const char *text, struct recording_id *ret, struct error *err);

/* The smallest and the largest ULID that begin with text (at least 4 characters, either case). Return: false when no ULID does. */
bool ulid_range(const char *text, char ret_low[ULID_LENGTH + 1], char ret_high[ULID_LENGTH + 1]);

/* The recording here (not disposed of) that has these bytes. Return: 0 or RECORDINGS_E_NONE. */
int recordings_by_digest(struct db *db, const struct digest *digest, struct recording_id *ret,
                         struct error *err);

/* What decoding showed, canonical JSON, new string; NULL when nothing. Return: 0, DB_E_*, negative errno. */
int recordings_decoded(struct db *db, const struct recording_id *id, char **ret, struct error *err);

/* Its kind and whether it has been looked into. Return: 0, RECORDINGS_E_NONE (also when it was disposed of), DB_E_*, negative errno. */
int recordings_kind(struct db *db, const struct recording_id *id, char *ret_kind, size_t size,
                    bool *ret_examined, struct error *err);

/* Whether it has been looked into. Return: 0 (no such recording: false), DB_E_*, negative errno. */
int recordings_is_examined(struct db *db, const struct recording_id *id, bool *ret, struct error *err);

/* Whether an arrival with this arrival id of the recording is recorded (recovery asks before it does anything twice). */
int recordings_has_arrival(struct db *db, const char *recording, const char *arrival_id, bool *ret,
                           struct error *err);

/* Whether the last arrival from this source path had this size and mtime: a kept source that was taken before. */
int recordings_source_is_known(struct db *db, const char *door, const char *path, int64_t bytes,
                               int64_t mtime_usec, bool *ret, struct error *err);

/* Whether a clip of this path without its suffix (or of just this path) arrived since then and took a sidecar along that says the
 * same (NULL: one that could not be read). */
int recordings_sidecar_is_used(struct db *db, const char *door, const char *stem, const json_t *sidecar,
                               int64_t since_usec, bool *ret, struct error *err);

/* Whether item.quarantined was recorded for this id. */
int recordings_quarantine_is_known(struct db *db, const char *id, bool *ret, struct error *err);

/* Acts about an id (as subject or object), oldest first, after index `after` (-1 = all): array of {index, time, kind, actor,
 * subject, object}. */
int acts_about(struct db *db, const char *id, int64_t after, int limit, json_t **ret, struct error *err);

/* The next recordings that are still to be examined, in the order they came, after id `after` ("" = from the start).
 * Return: 0 and *ret_n of at most max. */
int recordings_to_examine(struct db *db, const char *after, struct recording_id *ret, size_t max,
                          size_t *ret_n, struct error *err);

/* Counts for status: recordings, bytes, new, damaged, unlinked, held, quarantined, cases. */
int catalogue_counts(struct db *db, json_t **ret, struct error *err);

#endif
