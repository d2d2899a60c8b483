/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs one of the locked media programs on one recording: starts a fresh process, hands it the recording, a plan and files to fill,
 * follows its messages, and turns crashes, loops, silence and kills into a result. Blocking; call from a worker thread. The daemon's
 * own state is never at risk from the recording. Thread-safe: no state is shared between calls.
 */
#ifndef LIUHEN_MEDIA_RUN_H
#define LIUHEN_MEDIA_RUN_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "media/messages.h"

enum media_program { MEDIA_AV, MEDIA_STILLS }; /* liuhen-media; liuhen-stills (HEIC, documents, lettering) */

/* Limits and manners of a run; 0 = the default in brackets. */
struct media_limits {
    int64_t deadline_usec; /* wall clock for all of it, without the time it was paused for [60 s] */
    int64_t silence_usec;  /* killed when no message has come for so long [30 s] */
    uint64_t memory_bytes; /* RLIMIT_AS [1.5 GiB] */
    uint64_t file_bytes;   /* RLIMIT_FSIZE: no file that it makes may be longer [none may be made] */
    unsigned threads;      /* that it may start beside its first [0] */
    unsigned
        share_permille; /* of one processor, over a second or so; kept by stopping and continuing it [1000 × processors] */
    int nice; /* 0 – 19; 19 also asks for SCHED_IDLE */
};

struct media_request {
    enum media_program program;
    const char *verb;   /* probe, derive, salvage, copy; stills: probe, photo, pages, letter */
    int input;          /* regular file; read with pread, its offset is not touched. -1: none (letter) */
    const json_t *plan; /* object, or NULL for {}; its "files" must have n_files entries */
    const int *files;   /* to be filled, O_RDWR, empty regular files or memfds */
    size_t n_files;
    struct media_limits limits;
    int stop_fd; /* when > 0: as soon as it is readable (an eventfd) the process is killed, -ECANCELED */
    void (*on_progress)(void *userdata, unsigned permille,
                        int64_t at_usec); /* may be NULL; in the calling thread */
    /* Asked about four times a second; false: the process is stopped (SIGSTOP) until it says true. NULL: never. */
    bool (*may_run)(void *userdata);
    void *userdata;
};

enum media_status {
    MEDIA_OK,      /* done whole */
    MEDIA_DAMAGED, /* done as far as the recording allows; message says why */
    MEDIA_UNKNOWN, /* no medium that we know */
    MEDIA_FAILED,  /* nothing usable came of it: died, hung, lied, or ran into a limit; message says why */
};
const char *media_status_name(enum media_status s);

struct media_result {
    enum media_status status;
    bool elsewhere;    /* the program named the other one; nothing else is filled */
    char message[300]; /* "" when all is well */
    json_t *
        answer; /* the whole answer, checked for form only: {kind, media {…}, message, status, decoded {…}?, files [{…}]?} */
    uint64_t bytes[WORKER_FILES_MAX]; /* length of each file that is whole; 0: not made */
    size_t
        reached; /* of a run that failed: the file behind the last that it said was whole; how far it came, nothing else */
    int64_t cpu_usec; /* used by the process */
    uint64_t memory_peak_bytes;
};
void media_result_done(struct media_result *r);

/* Whether both programs are where they should be. Return: 0, -ENOENT, -EACCES (err names the one). */
int media_check(const char *path, struct error *err);

/* What liuhen-media says of itself: its version, the FFmpeg in it and how it was linked, one line. Return: 0, -ENOEXEC (it does not say),
 * other negative errno. */
int media_version(const char *path, char *ret, size_t size);

/* One attempt, no retry. Programs are found beside each other: path is that of liuhen-media, liuhen-stills lies in the same folder.
 * Return: 0 (also for damaged, unknown and failed), or a negative errno that says nothing about the recording: the program could not
 * be started (a resource fault: try again later; -ENOSYS: it cannot lock itself in here; -ENOEXEC: it is none of ours), -EINVAL (the
 * input is not a regular file), -ENOSPC (no room for the files), -ECANCELED (stop_fd). */
int media_run(const char *path, const struct media_request *request, struct media_result *ret,
              struct error *err);

#endif
