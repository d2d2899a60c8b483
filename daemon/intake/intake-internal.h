/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of intake share. An item is one file on its way through the seal; it is owned by exactly one stage at a time
 * (watcher → pool → sealer) and goes back to the watcher with its outcome.
 */
#ifndef LIUHEN_INTAKE_INTERNAL_H
#define LIUHEN_INTAKE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "intake/intake.h"
#include "intake/pool.h"

/* Where sources go with after: move, below their drop folder. */
#define DONE_FOLDER "done"

struct drop;
struct sealer;
struct examiner;
struct uploads;

struct intake {
    struct store *store;
    struct writer *writer;
    struct policy_keeper *policy;
    struct ledger *ledger;
    struct feed *feed;
    _Atomic(const struct settings *) settings;
    _Atomic(const struct placer *) placer;
    char *dsn;
    dev_t archive_dev;
    uint64_t archive_mount; /* renames do not cross mounts, also of one file system (fd_mount_id) */
    bool may_chown;         /* CAP_CHOWN and CAP_FOWNER, or root */
    atomic_bool stopping;
    atomic_int in_hand; /* items between the watcher and their outcome */

    pthread_mutex_t lock; /* the pause */
    bool paused;
    char pause_reason[300];

    void (*on_examined)(void *userdata); /* under lock */
    void *examined_userdata;

    pthread_mutex_t db_lock;
    struct db *db; /* read connection shared under db_lock; opened on first use */

    struct pool *pool;
    struct sealer *sealer;
    struct drop *drop;
    struct examiner *examiner;
    struct uploads *uploads;
    char *staging_path;     /* what uploads lie in: their drop folder */
    atomic_ullong reserved; /* bytes that uploads have announced and not brought yet */
};

/* What became of an item. */
enum outcome {
    OUTCOME_DONE,       /* sealed or noted, source dealt with */
    OUTCOME_GONE,       /* the source is not there any more */
    OUTCOME_LATER,      /* not ready (being written, changed under us): look again after the settle time */
    OUTCOME_UNREADABLE, /* where the source lies fails: said once, looked at again ever more slowly */
    OUTCOME_RESOURCE,   /* a resource is short: intake pauses, then again */
    OUTCOME_LEAVE,      /* cannot be taken and stays where it is; look again only when it changes */
};

struct source_stat {
    dev_t dev;
    ino_t ino;
    int64_t bytes;
    int64_t mtime_nsec;
};

struct item {
    struct item *next; /* in the sealer's queue */
    struct intake *in;
    const struct settings_folder *folder;
    char *path;         /* below the folder, raw bytes */
    void *token;        /* the watcher's own, or the upload */
    const char *upload; /* the id of the upload that it is, NULL: it lies in a drop folder */
    const char *shown;  /* what people call it, NULL: path */
    /* Any thread; takes the item with its outcome. */
    void (*on_done)(struct item *item);
    bool is_orphan;          /* a sidecar without clip and sentinel: taken only when its clip was */
    struct source_stat seen; /* how it was when it was tried before */
    int64_t seen_usec;       /* since when it has been so; monotonic, 0: not tried before */

    /* by take.c */
    struct recording_id id;
    bool is_move, leased;
    int source_fd;           /* open on the file, with the lease where there is one */
    int source_dirfd;        /* the folder that holds it */
    const char *source_name; /* last component, inside path */
    struct stat st;
    int read_fault; /* negative errno of reading the source, 0: none */
    struct digest_pair digests;
    int64_t received_usec;
    json_t *facts; /* of recording.sealed */
    struct store_staged *staged;

    /* by the sealer */
    struct recording_id known; /* the recording that has these bytes already, or "" */
    uint64_t leaf;             /* of its act */
    bool stored, committed;
    bool half_stored; /* in its place, but not made read-only yet */
    bool stuck;       /* could not be undone: its intent stays */
    enum outcome outcome;
    struct error err;
};

struct item *item_free(struct item *item);
DEFINE_CLEANUP(struct item *, item_free)

/* What people call the item. */
const char *item_shown(const struct item *item);

void source_stat_of(const struct stat *st, struct source_stat *ret);
bool source_stat_equal(const struct source_stat *a, const struct source_stat *b);
int64_t source_mtime_usec(const struct stat *st);

/* quarantine.c: moves the source into quarantine and records item.quarantined. 0 or negative errno (err set). */
int intake_quarantine_source(struct item *item, const char *reason);

/* Records item.quarantined for something that lies in quarantine already, from its reason (may be NULL). */
int intake_record_quarantined(struct intake *in, const char *id, const char *name, const char *reason_json,
                              struct error *err);

/* Whether a kept source (after: keep) was taken before and has not changed since, by the catalogue. */
bool intake_source_is_known(struct item *item);

/* The same question for a sidecar: whether its clip (stem: path without the suffix) took it along. NULL: it cannot be read. */
bool intake_sidecar_is_used(const struct item *item, const char *stem, size_t n, const json_t *sidecar);

/* take.c: opens, leases, digests, stages. Runs in the pool. */
void take_item(struct item *item);
/* Whether nobody else can be writing to it: the lease is still ours, or it is an upload, which only we write to. */
bool take_lease_holds(const struct item *item);
/* Completes what is staged: the facts of the act from the original's name and its arrival (taken), arrival.json, inventories. */
int take_finish_staged(struct item *item, const char *name, json_t *arrival);

/* sidecar.c: adds "sidecar" (or "sidecar_fault", why one is not used) to the arrival. 0 or negative errno. */
int sidecar_add(const struct item *item, json_t *arrival);

/* Whether a clip has been sealed with what this item, a sidecar, says. Then it waits for no sentinel. */
bool sidecar_was_used(const struct item *item);

/* seal.c */
int sealer_new(struct intake *in, struct sealer **ret, struct error *err);
struct sealer *sealer_free(struct sealer *s);
void sealer_add(struct sealer *s, struct item *item);
/* The act of a sealed recording; facts are borrowed. */
int seal_record(struct txn *t, const char *id, json_t *facts, int64_t received_usec, uint64_t *ret_leaf,
                struct error *err);

/* source.c: what happens to the source after the seal. Opens the folder itself, so that recovery can use it.
 * leased_fd: the open source where a lease is held, else -1; a source that somebody wants to write to stays under its name.
 * Return: 0 (also when it is gone already), negative errno; *err says why it stays. */
int source_finish(const struct settings_folder *folder, const char *path, const struct source_stat *was,
                  const char *tag, int leased_fd, struct error *err);

/* Opens the folder that holds path, without following links; path lies below rootfd, or below a drop folder. *ret_name is its last
 * component, inside path, also on failure. Return: fd or negative errno. */
int source_open_parent(int rootfd, const char *path, const char **ret_name);
int source_open_folder(const char *folder, const char *path, const char **ret_name);

/* Writes <name>.tlog-proof beside the source (in done/ for after: move); a failure is only logged: a receipt can be had any
 * time. */
void source_write_receipt(struct item *item);

/* recover.c */
int recover_staging(struct intake *in, struct error *err);

/* upload-table.c, upload-keeper.c, upload-recover.c: all uploads. */
int uploads_new(struct intake *in, struct error *err);
void uploads_stop(struct intake *in); /* whoever waits for a seal hears -ECANCELED */
void uploads_free(struct intake *in);
int uploads_keeper_start(struct intake *in);
void uploads_keeper_stop(struct intake *in);
void uploads_kick(struct uploads *all); /* settings have changed */
/* What a former process left: thrown away, or gone on with. After all intents have been carried out. Return: 0, negative errno,
 * positive: it cannot be understood. */
int uploads_recover(struct intake *in, struct db *db, const char *id, struct error *err);
void uploads_status(struct intake *in, json_t *status);

/* drop.c: the watcher. */
int drop_new(struct intake *in, struct drop **ret, struct error *err);
void drop_stop(struct drop *d); /* joins the thread */
struct drop *drop_free(struct drop *d);
void drop_reload(struct drop *d);
void drop_status(struct drop *d, json_t *status);
void drop_kick(struct drop *d);

/* examine.c */
int examiner_new(struct intake *in, struct examiner **ret, struct error *err);
struct examiner *examiner_free(struct examiner *x);
void examiner_kick(struct examiner *x); /* something new to examine */

/* intake.c: the pause. */
void intake_pause(struct intake *in, const struct error *err);
void intake_resume(struct intake *in);
bool intake_is_paused(struct intake *in);
/* Whether there is room above the reserve, what uploads have announced, and 64 inodes, for bytes more; otherwise err says what is
 * short. */
bool intake_has_room(struct intake *in, uint64_t bytes, struct error *err);
/* The read connection that all share, locked; NULL when it cannot be had. intake_unlock_db in any case. */
struct db *intake_lock_db(struct intake *in, struct error *err);
void intake_unlock_db(struct intake *in);
/* "drop:<name>", how arrivals and quarantine name a drop folder; new string, NULL = out of memory. */
char *door_of_folder(const struct settings_folder *folder);
/* The actor of acts that a door brings about. */
#define DOOR_ACTOR_SIZE 300
const char *actor_of_door(const char *door, char buf[DOOR_ACTOR_SIZE]);

#endif
