/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of uploads share (see upload.h): upload.c takes bytes, upload-file.c writes them, upload-seal.c brings them to the
 * sealer and waits, upload-table.c knows all uploads and what they reserve.
 */
#ifndef LIUHEN_INTAKE_UPLOAD_INTERNAL_H
#define LIUHEN_INTAKE_UPLOAD_INTERNAL_H

#include "intake/intake-internal.h"
#include "intake/upload.h"

#define UPLOAD_DATA                                                                                          \
    "data" /* the bytes of a resumable one, in staging/<ULID>.upload/; a plain one is that file itself */
#define UPLOAD_INFO         "info.json"
#define UPLOAD_CHECKS_MAX   4
#define UPLOAD_PATH_SIZE    (ULID_LENGTH + 32)
#define UPLOAD_NAME_MAX     1024
#define UPLOAD_PATH_MAX     4096
#define UPLOAD_FACTS_MAX    (24u << 10) /* as JSON; an act holds 64 KiB in all */
#define UPLOAD_PATIENT_USEC (60 * USEC_PER_SEC)

/* ---- the bytes on disk (upload-file.c) --------------------------------------------------------------------------------- */

struct upload_file {
    int fd;        /* -1: not open */
    int64_t bytes; /* written, in memory or on disk */
    int64_t begun; /* of which the kernel has been told to write them out */
    int64_t taken; /* blocks of the disk have been taken for so many */
};

/* Makes the file path below dirfd. Return: 0 or negative errno. */
int upload_file_create(struct upload_file *f, int dirfd, const char *path);
/* Opens it again to go on at bytes: what is behind them is cut off. Return: also -ENODATA (it has not even so many). */
int upload_file_open(struct upload_file *f, int dirfd, const char *path, int64_t bytes);
/* Takes blocks ahead, where those taken are used up and many more bytes will come; gives back what was not used. */
void upload_file_take(struct upload_file *f, int64_t more);
void upload_file_give_back(struct upload_file *f);
/* All of it, or none: on failure the file is as long as before. */
int upload_file_write(struct upload_file *f, const void *data, size_t size);
int upload_file_cut(struct upload_file *f, int64_t bytes);
int upload_file_sync(struct upload_file *f);
void upload_file_close(struct upload_file *f);

/* ---- one upload -------------------------------------------------------------------------------------------------------- */

/* A digest that a sender has said. */
struct upload_check {
    struct checker *checker; /* NULL: the content's own SHA-256 is compared */
    uint8_t wanted[CHECKER_BYTES_MAX];
    size_t size;
};

/* How a seal ended, told by the sealer. */
struct upload_outcome {
    enum outcome outcome;
    bool committed;
    uint64_t leaf; /* of a first seal */
    struct error err;
};

struct upload {
    struct intake *in;
    char id[ULID_LENGTH + 1];
    unsigned refs; /* of the table, of the handle, of the item in the sealer's hands; under uploads.lock */

    /* where it comes from; owned */
    char *door, *name, *path, *owner, *zone;
    int64_t mtime_usec, announced; /* -1: not known */
    json_t *facts;
    struct settings_folder folder; /* what its item lies in: staging */

    /* the bytes; of whoever holds the handle */
    struct upload_file file;
    struct hasher *hasher;      /* NULL: what is on disk has to be digested first */
    struct digest_pair digests; /* when all are there */
    bool have_digests;
    bool is_known; /* a former process had them all, and this was their digest */
    struct digest known;
    struct upload_check checks[UPLOAD_CHECKS_MAX];
    size_t n_checks;
    struct checker *md5;
    char md5_hex[33];
    uint64_t reserved; /* announced, and neither here nor taken from the disk yet */
    int64_t room_at;   /* not announced: room is looked for again when so many bytes are here */
    bool in_staging;   /* something of it lies there */
    bool ended;        /* no more bytes, or not in this request */

    /* resumable ones: what is said of them in info.json */
    bool resumable, partial, final;
    char *metadata, *concat;
    char (*parts)[ULID_LENGTH + 1]; /* of which a final one was made; they go when it is sealed */
    size_t n_parts;
    bool parts_gone;
    int64_t acknowledged; /* so many bytes have been synced and told */
    bool checked; /* digests were given for pieces: what is not acknowledged was perhaps never compared */
    /* and of whoever holds the handle */
    bool unsynced;                 /* whole, and left to the seal to make durable */
    bool unwritten;                /* info.json does not say all yet */
    int64_t request_from;          /* where this request began */
    struct hasher *request_hasher; /* its state then, where digests are to be compared */

    /* under uploads.lock */
    bool held;                   /* by a handle, or by somebody who takes it away */
    bool leaving;                /* its handle is being freed: it is not held much longer */
    bool (*cut)(void *userdata); /* ends the request of the handle; NULL: cannot be ended */
    void *cut_userdata;
    bool listed;  /* in the table */
    bool sealing; /* in the sealer's hands */
    bool sealed;
    bool again;
    bool doubted; /* a seal failed for want of something, perhaps while it made the bytes durable */
    struct recording_id recording;
    struct upload_outcome outcome;
    int64_t offset;       /* of a resumable one, as others see it */
    int64_t touched_usec; /* wall clock: when its last byte came, or it was sealed */
    int64_t retry_usec;   /* monotonic: when it is to be sealed by itself */
    unsigned tries;
};

/* Below staging: "<ULID>.upload/<file>", and where its bytes are. */
const char *upload_file_path(const struct upload *u, const char *file, char out[UPLOAD_PATH_SIZE]);
const char *upload_data_path(const struct upload *u, char out[UPLOAD_PATH_SIZE]);

/* upload.c: an upload in memory, with one reference; id NULL = a new one. */
int upload_make(struct intake *in, const struct upload_origin *origin, const char *id, struct upload **ret,
                struct error *err);
int upload_check_size(const struct upload *u, int64_t bytes, struct error *err);
int upload_make_file(struct upload *u, struct error *err);
void upload_forget_checks(struct upload *u);

/* upload-seal.c. The digests that were given, against what came. */
int upload_compare(struct upload *u, const struct digest_pair *content, struct error *err);
/* Stages it and gives it to the sealer; whole, its digests known. The outcome comes to upload_sealed. */
int upload_hand_over(struct upload *u, struct error *err);
/* What the sender hears of a failure: a short resource, come back later, or the fault itself. */
int upload_code(int r);

/* upload-resume.c. A resumable one in the table, held, with its room and its file; not durable yet: a crash takes it away. */
int upload_begin(struct intake *in, const struct upload_origin *origin, const char *metadata, bool partial,
                 struct upload **ret, struct error *err);
int upload_register(struct upload *u, struct error *err); /* durable from here on */
void upload_give_up(struct upload *u);                    /* the other way */
/* The handle goes; what came is kept. */
void upload_let_go(struct upload *u);
/* The state to go back to when the digest of this request's bytes is wrong. */
int upload_mark_request(struct upload *u);
/* Digests what is there, for one whose state was lost. */
int upload_digest_again(struct upload *u, struct error *err);
/* Ends the digests of a whole one and writes them down. */
int upload_end_digests(struct upload *u);
bool upload_all_there(const struct upload *u); /* as many bytes as announced, and no partial one */
/* Makes what came durable and says so in info.json. On failure it is back at what was acknowledged before. */
int upload_acknowledge(struct upload *u, struct error *err);
void upload_show_offset(struct upload *u); /* others may see how far it is */
/* Opens the bytes to go on at the offset. */
int upload_open_again(struct upload *u, struct error *err);

/* ---- what is written of resumable ones (upload-info.c) ------------------------------------------------------------------ */

/* info.json: everything but what follows; durable. */
int upload_info_write(struct upload *u);
/* Small files beside it that may be lost in a power cut: which start of the machine this is,
 * that pieces are checked, the digest of the whole, what it was sealed as. */
int upload_info_checked(struct upload *u); /* 0 or negative errno */
void upload_info_boot(const struct upload *u);
void upload_info_digest(const struct upload *u);
void upload_info_sealed(const struct upload *u);

/* What a former process wrote. */
struct upload_info {
    struct upload *upload; /* with info.json's facts; owned */
    bool same_boot;        /* no power cut since */
    bool checked;
    bool have_digest, sealed;
    struct digest digest;
    struct recording_id recording;
    bool again;
};
/* Return: 0, -ENOENT (a plain one), -EINVAL (cannot be understood), other negative errno. */
int upload_info_read(struct intake *in, const char *id, struct upload_info *ret);

/* ---- all of them (upload-table.c) -------------------------------------------------------------------------------------- */

struct uploads {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* CLOCK_MONOTONIC: a seal has ended, one is held no more, or all is to stop */
    void *tree;             /* of resumable ones by id */
    /* the keeper (upload-keeper.c) */
    pthread_t thread;
    bool started, kicked;
    pthread_cond_t work;
};

/* Whether something may begin now: not stopping, not paused, the catalogue takes writes. Return: 0, -ENOSPC, -EAGAIN, -ECANCELED. */
int uploads_may_begin(struct intake *in, struct error *err);
/* Takes room for bytes more, or says that there is none: -ENOSPC. */
int uploads_reserve(struct upload *u, uint64_t bytes, struct error *err);
/* Brings what is reserved in line with what has come (or gone back) since, without looking for room. */
void uploads_adjust(struct upload *u);
void uploads_unreserve(struct upload *u); /* all of it */

/* The table; all with the lock held. */
struct upload *uploads_find(struct uploads *all, const char *id);
/* One of an owner's, that has not expired. Return: 0, UPLOAD_E_NONE, UPLOAD_E_DENIED. */
int uploads_look_up(struct uploads *all, const char *id, const char *owner, struct upload **ret,
                    struct error *err);
bool upload_is_left_whole(const struct upload *u);
bool upload_has_expired(const struct upload *u, int64_t now_usec);
void uploads_wait(struct uploads *all, int64_t until_usec); /* for a change; also returns without */
/* Holds it, with a reference for whoever does. Return: 0, UPLOAD_E_BUSY. */
int upload_hold(struct upload *u, struct error *err);
/* Whoever holds one whose seal failed must read its bytes from the disk before it is sealed again. With the lock held. */
void upload_heed_doubt(struct upload *u);
/* After a seal that came to nothing: when it is tried again by itself, ever more slowly. */
void upload_try_later(struct upload *u);
int uploads_list(struct uploads *all, struct upload *u); /* takes a reference; 0 or -ENOMEM */
void uploads_unlist(struct uploads *all, struct upload *u);
void uploads_each(struct uploads *all, void (*on_upload)(struct upload *u, void *userdata), void *userdata);

/* Takes one away that the caller holds: its folder, and itself out of the table. */
int uploads_remove(struct upload *u, struct error *err);

/* The bytes of a plain one go, unless the sealer has them. */
void upload_throw_away(struct upload *u);
struct upload *upload_unref(struct upload *u);
void upload_unhold(struct upload *u); /* takes the lock; the caller's reference goes too */
DEFINE_CLEANUP(struct upload *, upload_unref)

#endif
