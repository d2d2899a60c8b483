/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of uploads share (see upload.h): upload.c takes bytes, upload-file.c writes them, upload-seal.c brings them to the
 * sealer and waits, upload-table.c knows all uploads and what they reserve.
 */
#ifndef LIUHEN_INTAKE_UPLOAD_INTERNAL_H
#define LIUHEN_INTAKE_UPLOAD_INTERNAL_H

#include "intake/intake-internal.h"
#include "intake/upload.h"

#define UPLOAD_DATA         "data" /* the bytes, in staging/<ULID>.upload */
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
};

/* path: below staging. fresh: it must not be there. Return: 0 or negative errno. */
int upload_file_open(struct upload_file *f, int dirfd, const char *path, bool fresh);
int upload_file_write(struct upload_file *f, const void *data, size_t size);
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
    bool committed, again;
    struct recording_id recording;
    uint64_t leaf; /* of a first seal */
    struct error err;
};

struct upload {
    struct intake *in;
    char id[ULID_LENGTH + 1];
    unsigned refs; /* of the handle, of the item in the sealer's hands; under uploads.lock */

    /* where it comes from; owned */
    char *door, *name, *path, *owner, *zone;
    int64_t mtime_usec, announced; /* -1: not known */
    json_t *facts;
    struct settings_folder folder; /* what its item lies in */

    /* the bytes; of whoever holds the handle */
    struct upload_file file;
    struct hasher *hasher;
    struct digest_pair digests; /* when all are there */
    struct upload_check checks[UPLOAD_CHECKS_MAX];
    size_t n_checks;
    struct checker *md5;
    char md5_hex[33];
    uint64_t reserved; /* announced, and not here yet */
    int64_t room_at;   /* not announced: room is looked for again when so many bytes are here */
    bool has_folder;   /* in staging */
    bool ended;        /* no more bytes */

    /* the seal; under uploads.lock */
    bool sealing, sealed;
    struct upload_outcome outcome;
};

/* "<ULID>.upload/<file>" below staging. */
const char *upload_file_path(const struct upload *u, const char *file, char out[UPLOAD_PATH_SIZE]);

/* ---- all of them (upload-table.c) -------------------------------------------------------------------------------------- */

struct uploads {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* CLOCK_MONOTONIC: a seal has ended, or all is to stop */
};

/* Whether something may begin now: not stopping, not paused, the catalogue takes writes. Return: 0, -ENOSPC, -EAGAIN, -ECANCELED. */
int uploads_may_begin(struct intake *in, struct error *err);
/* Takes room for bytes more, or says that there is none: -ENOSPC. */
int uploads_reserve(struct upload *u, uint64_t bytes, struct error *err);
void uploads_unreserve(struct upload *u, uint64_t bytes);

struct upload *upload_ref(struct upload *u);
struct upload *upload_unref(struct upload *u);
DEFINE_CLEANUP(struct upload *, upload_unref)

#endif
