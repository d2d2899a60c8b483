/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client of liuhen-media: starts a fresh locked process for one file, hands it the file's descriptor, reads its facts over a
 * pipe, enforces the deadline, and turns crashes, loops and kills into a result. Blocking; call from a worker thread. The
 * daemon's own state is never at risk from the file.
 */
#ifndef LIUHEN_MEDIA_PROBE_H
#define LIUHEN_MEDIA_PROBE_H

#include "base/error.h"
#include "base/json.h"

enum probe_status {
    PROBE_OK,      /* parsed whole */
    PROBE_DAMAGED, /* media, but broken or truncated, or the worker died on it */
    PROBE_UNKNOWN, /* not a medium we know: kept as data */
};
const char *probe_status_name(enum probe_status s);

struct probe_options {
    const char *worker;    /* path of liuhen-media */
    int64_t deadline_usec; /* wall clock for one file; 0 = 60 s */
    uint64_t memory_bytes; /* RLIMIT_AS; 0 = 1.5 GiB */
    int stop_fd; /* when > 0: as soon as it is readable (an eventfd) the worker is killed and -ECANCELED returned */
    int nice; /* 0 – 19; 19 also asks for SCHED_IDLE */
};

struct probe_result {
    enum probe_status status;
    char kind[12];     /* video, audio, photo, document, data */
    char message[300]; /* why damaged or unknown; "" when ok */
    json_t *
        media; /* facts (see worker-facts.h for the keys); an object, maybe empty; no floats, at most 16 KiB canonical */
};

void probe_result_done(struct probe_result *r);

/* A worker that dies, hangs or gives no valid answer is tried once more, then at normal priority (an idle one may only have
 * starved). Probes the regular file behind fd (read with pread; the offset is not touched). Return: 0 (also for damaged and unknown),
 * or a negative errno: the worker could not be started at all (a resource fault: try again later; -ENOSYS: it cannot lock itself
 * in here, -ENOEXEC: it is not a liuhen-media), -EINVAL (not a regular file), -ECANCELED (stop_fd). */
int probe_file(int fd, const struct probe_options *options, struct probe_result *ret, struct error *err);

#endif
