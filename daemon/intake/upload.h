/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Uploads: how every network door hands bytes to the seal. An upload is a drop folder of one file: staging/<ULID>.upload/data is
 * written as the bytes come, digested on the way, and at the end goes through the same sealer as a dropped file (moved in, never
 * copied). Nothing is acknowledged before the receipt can be given.
 *
 * A plain upload lives as long as its request; what is unfinished when it is freed, or found at start-up, is thrown away. A
 * resumable one (tus) also has <ULID>.upload/info.json and survives requests, restarts and power cuts until it is sealed, ended or
 * expired: after a crash of the daemon it goes on at the exact byte, after a power cut at the last byte that was acknowledged.
 *
 * Space: the bytes that unfinished uploads still announce are reserved; drop folders and new uploads see them as used.
 *
 * Every handle must be freed before intake_free; intake_hurry ends waiting.
 * Threads: a struct upload belongs to one thread at a time (upload_resume hands it out once). Everything may block.
 * Return, unless said otherwise: 0, UPLOAD_E_*, or negative errno: -ENOSPC (507), -EAGAIN, -ECANCELED (503: intake is paused, the
 * catalogue is down, the daemon stops), -EFBIG (more than announced or allowed), -ENAMETOOLONG, -E2BIG (names or facts), -EUCLEAN (the
 * stored copy of these bytes is damaged: the sender must keep its own), -ENOMEM. *err then says it for people.
 */
#ifndef LIUHEN_INTAKE_UPLOAD_H
#define LIUHEN_INTAKE_UPLOAD_H

#include "base/digest.h"
#include "base/json.h"
#include "base/ulid.h"
#include "intake/intake.h"

enum {
    UPLOAD_E_NONE = 1401,     /* no such upload (it may have expired or been ended) */
    UPLOAD_E_BUSY = 1402,     /* somebody else is writing to it (423) */
    UPLOAD_E_OFFSET = 1403,   /* not at this offset (409); upload_state says where it is */
    UPLOAD_E_CHECKSUM = 1404, /* the bytes are not what the sender says (460, 400) */
    UPLOAD_E_EMPTY = 1405,    /* no bytes: not a recording */
    UPLOAD_E_SEALED = 1406,   /* whole and sealed already: nothing more can be written */
    UPLOAD_E_DENIED = 1407,   /* another device's */
};

/* Where it comes from; everything is copied. Texts are UTF-8; NULL and "" = not known. */
struct upload_origin {
    const char *door; /* "put", "post", "tus", "bodyworn", "dock" */
    const char *name; /* the original's file name, any text without '/' and NUL; "" becomes "upload" */
    const char
        *path; /* how the door calls it ("DCIM/clip.mp4", "container/object"), for the arrival; NULL = name */
    const char
        *owner; /* ULID of the device it belongs to, or "user:li": others are answered UPLOAD_E_DENIED */
    const char *zone;   /* IANA name of the camera's clock; NULL = the site's */
    int64_t mtime_usec; /* of the file at the sender; 0 = not known */
    int64_t bytes;      /* announced, -1 = not known (yet) */
    /* More for the arrival, as drop folders and sidecars give it: object with any of device, officer, unit (texts), sidecar (object: case,
     * role, step, started, ended, device, officer, unit, channel, seq …), device_id, peer, clock_offset (µs, camera minus us). Borrowed. */
    json_t *facts;
};

/* What became of it. */
struct upload_result {
    struct recording_id recording;
    bool again; /* the bytes were here already: this is the first recording of them, with its receipt */
    struct digest sha256;
    uint64_t bytes;
    uint64_t leaf; /* of the seal (for again: of the first seal) */
    char *receipt; /* the .tlog-proof text of the seal; owned */
};
void upload_result_done(struct upload_result *r);

struct upload;

/* Begins a plain upload: checks room (reserve and announced bytes), pause and writer. */
int upload_new(struct intake *in, const struct upload_origin *origin, struct upload **ret, struct error *err);

/* Whether uploads of so many bytes in all could begin now: room, pause and writer. For forms, whose files are known only as they come. */
int upload_may_begin(struct intake *in, uint64_t bytes, struct error *err);

/* Adds bytes. -EFBIG beyond what was announced or settings.uploads.max_bytes. */
int upload_write(struct upload *u, const void *data, size_t size, struct error *err);

/* Checks more digests on the way: call before the first write (of this request). algorithm: md5, sha1, sha256, sha512, crc32.
 * upload_seal and upload_pause answer UPLOAD_E_CHECKSUM when the bytes differ. Return: also -EOPNOTSUPP. At most 4. */
int upload_expect(struct upload *u, const char *algorithm, const void *digest, size_t size,
                  struct error *err);

/* The MD5 of all bytes in hex is computed as well (Swift's Etag): call before the first write; read after the last. */
int upload_want_md5(struct upload *u);
void upload_md5(struct upload *u, char out[33]);

/* Changes facts of the origin that came after the bytes (form fields behind the file): merged into origin.facts. Before upload_seal. */
int upload_add_facts(struct upload *u, const json_t *facts);

/* The mtime at the sender, where it too came after the bytes. Before upload_seal. */
void upload_set_mtime(struct upload *u, int64_t mtime_usec);

/* Ends the bytes and seals: waits until the seal is published. Announced bytes must be there (else -EPROTO, and nothing is kept of a
 * plain upload; a resumable one stays). A failure after the intent is durable says so by -EAGAIN: it is carried on by itself, and
 * the same bytes sent again will be answered with the receipt. */
int upload_seal(struct upload *u, struct upload_result *ret, struct error *err);

/* Frees the handle. A plain upload that was not sealed is thrown away with its bytes; a resumable one stays. */
struct upload *upload_free(struct upload *u);
DEFINE_CLEANUP(struct upload *, upload_free)

/* ---- resumable uploads ------------------------------------------------------------------------------------------------ */

struct upload_state {
    char id[ULID_LENGTH + 1];
    int64_t offset, bytes; /* bytes -1: deferred, not announced yet */
    int64_t expires_usec;  /* 0: sealed ones stay until they are forgotten */
    bool sealed;
    struct recording_id recording; /* sealed: which */
    bool partial, final;           /* tus concatenation */
    char *metadata;                /* as the client gave it, for HEAD (raw Upload-Metadata); owned */
    char *concat;                  /* raw Upload-Concat; owned; NULL = none */
};
void upload_state_done(struct upload_state *s);

/* Makes a resumable upload, durable when this returns; it is open for writing then, as after upload_resume. Reserves its space.
 * Return: also -EDQUOT (the owner has uploads.waiting unfinished ones already: 429). */
int upload_create(struct intake *in, const struct upload_origin *origin, const char *metadata, bool partial,
                  struct upload **ret, struct error *err);

/* Opens one for writing at offset. Return: also UPLOAD_E_NONE, _BUSY, _OFFSET, _SEALED, _DENIED. One writer at a time. */
int upload_resume(struct intake *in, const char *id, const char *owner, int64_t offset, struct upload **ret,
                  struct error *err);

/* How others may end the request that writes, whose client has perhaps vanished without a word. cut: ends it if it has been silent, so
 * that its own thread calls upload_free soon. Return: whether it ends. Called by other threads, under the lock of all uploads, so it
 * neither blocks nor calls anything of this header; never once upload_free has begun. */
void upload_set_cut(struct upload *u, bool (*cut)(void *userdata), void *userdata);

/* Before upload_resume, upload_state or upload_end, for who may call them: where a silent request holds the upload, ends it and waits until
 * it was given back, with what came kept as by upload_free; at most patience_usec. How it stands then the next call says. */
void upload_relieve(struct intake *in, const char *id, const char *owner, int64_t patience_usec);

const char *upload_id(const struct upload *u);
int64_t upload_offset(const struct upload *u);

/* Announces the length of one that was deferred. Once only (the same again is nothing); -EINVAL otherwise. */
int upload_set_bytes(struct upload *u, int64_t bytes, struct error *err);

/* Ends this request's writing: durable, checksum compared (UPLOAD_E_CHECKSUM: back to where this request began). Then free, or
 * upload_seal when upload_is_whole. Freeing without it (the client went away) keeps what came, unless a checksum was expected. */
int upload_pause(struct upload *u, struct error *err);
/* Takes back what this request has written, instead of upload_pause: its body was not what was announced. */
void upload_take_back(struct upload *u);
bool upload_is_whole(const struct upload *u); /* as many bytes as announced, and no partial one */

/* How it stands, without opening it. Return: also UPLOAD_E_NONE, _DENIED, _BUSY (a writer is at it, or it is whole and not sealed yet:
 * a client that saw its full length would take it for done. The state is still filled). */
int upload_state(struct intake *in, const char *id, const char *owner, struct upload_state *ret,
                 struct error *err);

/* The receipt of a sealed one again. Return: also UPLOAD_E_NONE, _DENIED, -EAGAIN (not sealed yet). */
int upload_result(struct intake *in, const char *id, const char *owner, struct upload_result *ret,
                  struct error *err);

/* Ends one: its bytes go. Return: also UPLOAD_E_NONE, _DENIED, _BUSY. Sealed: the recording stays, only the upload is forgotten. */
int upload_end(struct intake *in, const char *id, const char *owner, struct error *err);

/* tus concatenation: a new upload from whole partial ones, in this order; its metadata and origin are its own. The parts stay until the
 * final one is sealed. Open like upload_create gives it, whole: call upload_seal. The same parts once more give the same upload again,
 * also when it is sealed and they are gone: a client that did not hear of it asks again. Return: also UPLOAD_E_NONE, _DENIED, _BUSY (or named
 * twice), _OFFSET (a part is not whole), -EINVAL (not partial, or none named). */
int upload_concat(struct intake *in, const struct upload_origin *origin, const char *metadata,
                  const char *concat, const char *const *ids, size_t n, struct upload **ret,
                  struct error *err);

/* Bytes and number of unfinished uploads of an owner (quota). */
void upload_unfinished(struct intake *in, const char *owner, uint64_t *ret_bytes, unsigned *ret_n);

#endif
