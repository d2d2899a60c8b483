/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the two halves of the drop-folder watcher share: drop.c decides when a file is tried, drop-watch.c finds files (inotify and
 * walking). Everything here belongs to the watcher's one thread, but for the list of finished items.
 */
#ifndef LIUHEN_INTAKE_DROP_INTERNAL_H
#define LIUHEN_INTAKE_DROP_INTERNAL_H

#include "intake/intake-internal.h"

#define CANDIDATES_MAX  50000               /* more are found again by walking when these are done */
#define WALK_PAUSE_USEC (30 * USEC_PER_SEC) /* when a walk itself met with trouble */

struct folder {
    const struct settings_folder *settings;
    bool present;
    bool again;         /* walk it once more when there is room */
    int64_t again_usec; /* but not before; monotonic */
    dev_t dev;          /* what is watched as its root */
    ino_t ino;
    size_t waiting;
};

/* A file that may be taken. */
struct candidate {
    struct candidate *next; /* in the ready or delayed list */
    struct folder *folder;
    char *path;
    int64_t due_usec;  /* monotonic; meaningful when delayed */
    unsigned attempts; /* how often it was not ready */
    enum { CANDIDATE_READY, CANDIDATE_DELAYED, CANDIDATE_IN_HAND } state;
    bool changed; /* an event came while it was in hand */
    bool said_unreadable;
    bool is_short;           /* a resource was short when it was tried */
    bool released;           /* a sidecar whose clip is sealed */
    struct source_stat seen; /* as in the item */
    int64_t seen_usec;
};

struct watch {
    struct folder *folder; /* NULL: slot unused */
    char *path;            /* folder below the root, "" = the root */
};

struct drop {
    struct intake *in;
    pthread_t thread;
    bool started;
    int inotify_fd, wake_fd, mounts_fd;
    atomic_bool reload_asked;

    struct folder *folders;
    size_t n_folders;
    struct watch *watches; /* by watch descriptor */
    size_t n_watches;

    void *tree; /* candidates by folder and path (tsearch) */
    size_t n_candidates;
    struct candidate *ready, **ready_end;
    struct candidate *delayed;
    size_t in_hand;
    int64_t next_try_usec; /* while paused */

    pthread_mutex_t lock;
    struct item *finished; /* given back by pool and sealer */
    json_t *status;        /* what `status` shows of the folders; replaced whole */
};

/* drop-watch.c */
void watch_folder(struct drop *d, struct folder *f); /* (again) from its root; sets present */
void watch_refuse(const struct folder *f, const char *path, const char *reason); /* says that it stays */
void watch_later(struct folder *f);                      /* once more, but not at once */
void watch_check_root(struct drop *d, struct folder *f); /* whether the path still leads to what is watched */
void watch_forget_all(struct drop *d);
void watch_read_events(struct drop *d);
bool watch_wants(const struct folder *f, const char *name); /* not ignored by name */

/* drop.c: a file was seen. settled: it was closed or moved in, so it may be tried at once. */
void candidate_seen(struct drop *d, struct folder *f, const char *dir, const char *name, bool settled);

#endif
