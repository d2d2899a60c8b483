/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What liuhen-media says about a file, and the builder it says it with. The same keys stand, checked again by the client
 * (probe-facts.c), in struct probe_result.media and in the act recording.examined. Integers only; texts are valid UTF-8
 * without control characters, at most 160 bytes (damage: 200). A key that is not known is absent, never null or empty.
 *
 *   lock            "full" | "no-landlock" (the kernel has no Landlock; seccomp alone held the worker)
 *   container       short name: "mp4", "avi", "wav", "matroska", "mpegts", "mpegps", "jpeg", "heif", "png", "pdf", …
 *   bytes           size of the file as the worker saw it
 *   duration_usec   as the container says or libav works it out; not checked by decoding
 *   playable_usec   only when media data is missing: how far the footage that is there reaches
 *   streams         at most 32 of { type: video | audio | subtitle | data | picture (a cover), codec,
 *                     width, height, rate ("30000/1001"), rate_hint (constant · variable, as the index says), rotation (90, 180, 270; clockwise), channels, sample_rate,
 *                     bit_rate, language }
 *   streams_total   only when there are more than 32
 *   width, height   of a photo as stored (rotation: from its orientation tag)
 *   rotation        of a photo, as above
 *   version         of a PDF, "1.7"
 *   started_usec    best known instant of the beginning (µs UTC), or
 *   started_local   "YYYY-MM-DDTHH:MM:SS" when the file gives a wall-clock time without a zone
 *   started_source  e.g. "container creation_time", "quicktime creationdate", "exif DateTimeOriginal", "bext"
 *   started_certainty  "certain" (the file gives time and zone) | "probable" | "doubtful" (before 2000-01-02, or in the
 *                   future, or only the time of a later edit)
 *   times           every time the file gives, when more than one: at most 8 of { usec | local, source, certainty }
 *   gps             { lat_e7, lon_e7, alt_mm? }: degrees × 10⁷ (south and west negative), millimetres
 *   device          { make?, model?, serial? }
 *   tags            selected texts by name (title, comment, location, encoder, firmware, timecode, …)
 *   appended_bytes  a photo followed by something else (motion photos)
 *   damage          at most 16 reasons, plain sentences without a full stop; present = the file is damaged
 *
 * The worker's whole answer is {"kind":…,"media":{…},"message":…,"status":"ok"|"damaged"|"unknown"}, and
 * "decoded":{…} and "files":[…] where there are any (PLAN.md).
 */
#ifndef LIUHEN_MEDIA_WORKER_FACTS_H
#define LIUHEN_MEDIA_WORKER_FACTS_H

#include <stdbool.h>

#include "base/json.h"
#include "base/macro.h"
#include "media/messages.h"
#include "media/worker-input.h"

#define FACTS_TEXT_MAX    160
#define FACTS_REASON_MAX  200
#define FACTS_STREAMS_MAX 32
#define FACTS_TIMES_MAX   8
#define FACTS_DAMAGE_MAX  16
#define FACTS_TAGS_MAX    24
#define FACTS_MEDIA_MAX   16384 /* bytes of canonical JSON */
#define FACTS_DECODED_MAX 16384

#define FACTS_USEC_LEAST (INT64_C(-62135596800) * USEC_PER_SEC) /* the year 1 */
#define FACTS_USEC_LIMIT (INT64_C(253402300800) * USEC_PER_SEC) /* the year 10000 */

enum certainty { CERTAIN, PROBABLE, DOUBTFUL };

/* A time a file gives. rank orders sources: the lowest that is not doubtful becomes started_*. */
struct fact_time {
    int rank;
    bool is_local;
    int64_t usec; /* UTC, or the wall clock read as if it were UTC when is_local */
    const char *source;
    enum certainty certainty;
};

struct facts {
    json_t *media;
    const char *kind; /* video, audio, photo, document, data */
    bool unknown;     /* no medium we know */
    char message[300];
    struct fact_time times[FACTS_TIMES_MAX];
    size_t n_times;
    int64_t now_usec; /* wall clock, to tell times in the future; 0 = not known */
    json_t *
        decoded; /* what decoding showed (PLAN.md), filled by taps; NULL until facts_decoded is first called */
    json_t *files;   /* what was made, and what could not be; likewise, by facts_file */
    int orientation; /* of a photo by its EXIF, 1 – 8; 0: it does not say */
    bool failed;     /* out of memory on the way: the facts are not whole */
};

/* Return: 0 or -ENOMEM. */
int facts_init(struct facts *f, int64_t now_usec);
void facts_done(struct facts *f);

/* Adders. They cut, clean and bound what they are given; a failure is kept in f->failed. */
void facts_integer(struct facts *f, const char *key, int64_t value);
void facts_text(struct facts *f, json_t *object, const char *key, const char *text, size_t size);
void facts_tag(struct facts *f, const char *key, const char *text, size_t size);
void facts_device(struct facts *f, const char *key, const char *text, size_t size);
void facts_gps(struct facts *f, int64_t lat_e7, int64_t lon_e7,
               const int64_t *alt_mm); /* alt_mm may be NULL */
void facts_damage(struct facts *f, const char *format, ...) _printf_(2, 3);
/* Damage for what went wrong with reading: a bad sector, the soft deadline. */
void facts_reading(struct facts *f, const struct input *in);
bool facts_is_damaged(const struct facts *f);

/* "decoded" of the answer, borrowed; made when it is first asked for. NULL: out of memory (noted). */
json_t *facts_decoded(struct facts *f);
/* Marks decoded.list (an array of pairs of integers, at most max long) with one more pair; beyond max nothing is added. */
void facts_decoded_pair(struct facts *f, const char *list, size_t max, int64_t a, int64_t b);
/* The entry of a file of the plan in "files" of the answer, borrowed; made when it is first asked for. NULL: out of memory (noted). */
json_t *facts_file(struct facts *f, const char *name);
/* Says why a file is not there, or what is not as it should be about it; the first message stays. */
void facts_file_message(struct facts *f, const char *name, const char *format, ...) _printf_(3, 4);

/* Adds a stream object (taken); beyond 32 they are only counted. */
void facts_stream(struct facts *f, json_t *stream);

/* Reads a time as files write it ("2016:07:07 21:42:20", "2019-02-12T15:27:12+08:00", …; zone may be NULL or "+08:00" as EXIF
 * keeps it apart) and notes it: local when there is no zone, then at best PROBABLE. Text that is no time, or none of the years 1 to
 * 9999, is passed over. source must be a constant. */
void facts_time_text(struct facts *f, int rank, const char *text, const char *zone, const char *source,
                     enum certainty certainty);

/* Reads ISO 6709 ("+27.1281+100.2508+000.000/") and notes it as gps; the null island is no fix. */
void facts_gps_iso6709(struct facts *f, const char *text);

/* Writes started_* and times from what was noted; facts_answer calls it. */
void facts_write_times(struct facts *f);

/* The whole answer as canonical JSON, new string. Return: 0 or -ENOMEM. */
int facts_answer(struct facts *f, char **ret);

#endif
