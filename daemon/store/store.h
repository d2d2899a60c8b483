/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store: durable objects, one per recording, and the staging, intents and quarantine beside them. This is an interface; the
 * local implementation keeps an OCFL 1.1 storage root (objects/, object id "urn:liuhen:<ULID>", hashed n-tuple layout). Callers
 * know ids and content names, never paths, so that a store elsewhere (S3) needs no change of theirs: staging, intents and
 * quarantine are always the node's own folders.
 *
 * The way of one object (names in brackets are inject points; ARCHITECTURE.md "The seal" has the whole order):
 *
 *   store_stage_new        staging/<ULID> (copy) or staging/<ULID>.move (move) is made                 [store.stage]
 *   store_stage_content    copy: an fd to fill · store_stage_clone: FICLONE · store_stage_source: move, the open source
 *   store_stage_finish     arrival.json, inventories, sidecars, namaste; nothing synced                [store.finish]
 *   store_intent_write     what is to happen, as text                                                  [store.intent]
 *   store_stage_sync       everything so far survives a power cut                                      [store.sync]
 *   store_stage_adopt      move only: the source is renamed in                                         [store.adopt]
 *   store_stage_commit     renamed to its place under objects/, folders 0500                           [store.rename]
 *   store_commit_sync      the renames (and moved-in content) survive a power cut                      [store.commit-sync]
 *   store_intent_remove
 *
 * A struct store may be used by many threads at once; a struct store_staged by one at a time. A staged object keeps no fd open
 * after store_stage_finish (only borrows the source of a move), so that batches can be large.
 * Return, unless said otherwise: 0, one of STORE_E_* where named, or a negative errno; *err then says it for people. Nothing
 * here logs. Only store_erase removes an object that is in place; none rewrites one.
 */
#ifndef LIUHEN_STORE_STORE_H
#define LIUHEN_STORE_STORE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/settings.h"
#include "base/ulid.h"

#define STORE_E_LOCKED  1 /* another process holds the archive */
#define STORE_E_EXISTS  2 /* an object, staged object or intent of that name is there already */
#define STORE_E_UNKNOWN 3 /* no such object, staged object, content or intent */
#define STORE_E_CHANGED 4 /* the source is not (or not only) the file that was digested */
#define STORE_E_DAMAGED 5 /* what is on disk is not what its inventory says */
#define STORE_E_STAYS   6 /* done, but the source could not be removed and is still there as well */

struct store;
struct store_staged;

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

struct store_options {
    bool create; /* make what is missing; otherwise a missing root is an error */
    bool lock;   /* hold ARCHIVE/lock exclusively while open (the daemon) */
    enum store_immutable
        immutable; /* best effort in every case; AUTO: when not root and holding CAP_LINUX_IMMUTABLE */
    const char *user_name; /* who, in each object's version block; NULL = "liuhend" */
};

/* Opens the archive folder (options may be NULL: all zero). objects/, staging/, quarantine/ and cache/ must lie on one mount.
 * A root made elsewhere is taken with its own layout parameters (extension 0004). Return: also STORE_E_LOCKED, -ENOENT (no
 * archive there and not create), -EXDEV (not one file system), -EPROTO (not an OCFL 1.1 root that we can use). */
int store_open_local(const char *archive, const struct store_options *options, struct store **ret,
                     struct error *err);
struct store *store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)

/* Borrowed fds of the archive's own folders, for cache/ and ledger/ users and for tests. */
int store_archive_fd(const struct store *s);
int store_staging_fd(const struct store *s);

/* Bytes and inodes that an unprivileged writer still has. inodes is UINT64_MAX where the file system has no such limit. */
int store_space(struct store *s, uint64_t *ret_bytes_free, uint64_t *ret_inodes_free, struct error *err);

/* ---- staging ---------------------------------------------------------------------------------------------------------- */

enum store_how {
    STORE_COPY, /* content is written (or cloned) into staging; abort throws it away, the source is elsewhere */
    STORE_MOVE, /* content is the source itself, renamed in by store_stage_adopt; abort never removes it */
};

/* Begins the object of a recording. name: the original's name, any bytes but NUL; on disk it becomes encode_safe_name(name).
 * Return: also STORE_E_EXISTS (staged already, or in the store). */
int store_stage_new(struct store *s, const struct recording_id *id, enum store_how how, const void *name,
                    size_t name_size, struct store_staged **ret, struct error *err);

/* Frees the handle; what is on disk stays as it is (recovery finds it). */
struct store_staged *store_staged_free(struct store_staged *t);
DEFINE_CLEANUP(struct store_staged *, store_staged_free)

const char *store_staged_content_name(
    const struct store_staged *t); /* name on disk; NULL if reopened before it was known */
enum store_how store_staged_how(const struct store_staged *t);
bool store_staged_is_finished(
    const struct store_staged *t); /* inventories are there (content of a move perhaps not) */

/* Copy only: makes the content file (O_EXCL, mode 0400). The fd is write-only and the caller's to close. Call once. */
int store_stage_content(struct store_staged *t, int *ret_fd, struct error *err);

/* Copy only: makes the content file as a reflink of source_fd. Return: also -EOPNOTSUPP or -EXDEV (nothing made, err
 * untouched): use store_stage_content. */
int store_stage_clone(struct store_staged *t, int source_fd, struct error *err);

/* Move only: the open source (readable). Borrowed until adopt or free. store_stage_sync makes its data durable. */
void store_stage_source(struct store_staged *t, int source_fd);

/* Writes arrival.json, inventories, sidecars and namaste. bytes: size of the content, checked against the file of a copy.
 * arrival_json: text as it shall be on disk. created_usec: the version's time. Return: also STORE_E_CHANGED (the copied file does
 * not have that size). On failure the object is unfinished: abort it. */
int store_stage_finish(struct store_staged *t, const struct digest_pair *digests, uint64_t bytes,
                       const char *arrival_json, int64_t created_usec, struct error *err);

/* Makes n finished objects durable in staging, sources of moves and the intent (may be NULL) with them: fsync of each for few,
 * one syncfs for STORE_GROUP or more. */
#define STORE_GROUP 4
int store_stage_sync(struct store *s, struct store_staged *const *staged, size_t n, const char *intent,
                     struct error *err);

/* Move only: renames name below dirfd (a plain name, no '/') into the object without replacing, and makes it ours and 0400.
 * The source fd must be that very file, with one link, and have the size and mtime of *expected. Otherwise STORE_E_CHANGED and
 * the file is back under its name, or, if somebody made a new file there meanwhile, in quarantine (err says which). -EXDEV, -EPERM,
 * -EACCES: it stays where it was; copy instead. Content that is there already (recovery): 0. */
int store_stage_adopt(struct store_staged *t, int dirfd, const char *name, const struct stat *expected,
                      struct error *err);

/* Whether the content file is there. */
int store_staged_has_content(struct store_staged *t, bool *ret, struct error *err);

/* Reads the whole staged object again (recovery after a power cut): namaste, sidecars, both inventories, digests of arrival.json
 * and of the content where it is there. Return: also STORE_E_DAMAGED. */
int store_staged_verify(struct store_staged *t, struct error *err);

/* Puts the finished object with its content into its place, never over another. Return: also STORE_E_EXISTS, STORE_E_UNKNOWN
 * (content missing). */
int store_stage_commit(struct store_staged *t, struct error *err);

/* Makes n commits durable, content of moves included. Must follow store_stage_commit; handles may be freed after it. */
int store_commit_sync(struct store *s, struct store_staged *const *staged, size_t n, struct error *err);

/* Undoes a staged object. The content of a move that is in already goes back under name below dirfd when dirfd ≥ 0 and nothing
 * is there, else into quarantine with a reason (0 all the same; err then says under which name). After a commit: -EINVAL. */
int store_stage_abort(struct store_staged *t, int dirfd, const char *name, struct error *err);

/* ---- recovery --------------------------------------------------------------------------------------------------------- */

enum store_staging_kind {
    STORE_STAGING_OBJECT, /* name = ULID: a staged object */
    STORE_STAGING_INTENT, /* name = the intent's name (without ".intent") */
    STORE_STAGING_UPLOAD, /* name = ULID: an upload */
    STORE_STAGING_TEMP,   /* name = file: what a killed durable write left; store_staging_remove_temp */
    STORE_STAGING_FOREIGN, /* name = entry: not ours; quarantine it with store_quarantine(store_staging_fd …) */
};

/* Calls on_entry for every entry of staging, in order of names, on a list taken before the first call (entries may be
 * removed). A non-zero return of on_entry stops and is returned. */
typedef int (*store_on_staging)(void *userdata, enum store_staging_kind kind, const char *name);
int store_each_staging(struct store *s, store_on_staging on_entry, void *userdata, struct error *err);
int store_staging_remove_temp(struct store *s, const char *name, struct error *err);

/* A handle on a staged object that a former process left. Return: also STORE_E_UNKNOWN. An object whose inventories are missing or
 * torn opens as not finished: it can only be aborted. */
int store_stage_reopen(struct store *s, const struct recording_id *id, struct store_staged **ret,
                       struct error *err);

/* Whether an object is in its place. */
int store_has(struct store *s, const struct recording_id *id, bool *ret, struct error *err);

/* Carries a commit that was cut off to its end: modes, owner, flags, and syncs the object and its folders. Idempotent.
 * Return: also STORE_E_UNKNOWN. */
int store_commit_again(struct store *s, const struct recording_id *id, struct error *err);

/* ---- erasing ---------------------------------------------------------------------------------------------------------- */

/* Removes an object and makes that durable: it is renamed out of objects/ whole, so that a kill leaves no half of it there, and then
 * unlinked. Idempotent: 0 also when it was gone. For daemon/disposal/ alone, which has written the tombstone before. Nothing is
 * overwritten: on SSD and copy-on-write file systems that would prove nothing. [store.erase, store.erase-moved, store.erase-unlink] */
int store_erase(struct store *s, const struct recording_id *id, struct error *err);

/* ---- intents ---------------------------------------------------------------------------------------------------------- */

/* Plain texts staging/<name>.intent; name: 1-64 of A-Z a-z 0-9 '-' '_'. sync false: only when store_stage_sync follows with this
 * name. Replaces an older text whole. */
int store_intent_write(struct store *s, const char *name, const char *text, bool sync, struct error *err);
int store_intent_read(struct store *s, const char *name, char **ret_text,
                      struct error *err); /* or STORE_E_UNKNOWN */
/* Removal is durable with the next sync of staging. Return: 0 also when it was gone. */
int store_intent_remove(struct store *s, const char *name, struct error *err);
/* Listing: store_each_staging gives STORE_STAGING_INTENT. */

/* ---- uploads ---------------------------------------------------------------------------------------------------------- */

/* staging/<ULID>.upload holds the bytes of an upload while they come: a file, or a folder when it is to outlive its request
 * (intake/upload.h says what is in it). */
#define STORE_UPLOAD_SUFFIX ".upload"

/* Makes the folder; not durable before staging is synced. Return: also STORE_E_EXISTS. */
int store_upload_new(struct store *s, const char *id, struct error *err);
/* Removes the file, or the folder with all that is in it. Return: 0 also when it was gone. */
int store_upload_remove(struct store *s, const char *id, struct error *err);
/* The path of staging, archive folder included; new string, NULL = out of memory. */
char *store_staging_path(const struct store *s);

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

/* Opens the content for reading (seekable). content_name NULL: as the inventory says. Return: also STORE_E_UNKNOWN,
 * STORE_E_DAMAGED. */
int store_open_content(struct store *s, const struct recording_id *id, const char *content_name, int *ret_fd,
                       struct error *err);

/* The text of arrival.json; caller frees. Return: also STORE_E_UNKNOWN. */
int store_read_arrival(struct store *s, const struct recording_id *id, char **ret_text, struct error *err);

/* What an object says of itself. */
struct store_object {
    struct recording_id id;
    char content_name[256];
    struct digest sha256; /* as the inventory says; not read again */
    bool have_sm3;
    uint8_t sm3[DIGEST_BYTES];
    uint64_t bytes; /* size of the content file */
};
int store_describe_object(struct store *s, const struct recording_id *id, struct store_object *ret,
                          struct error *err);

/* Where the object lies, for messages ("objects/3f2/a01/3f2a01…"). */
#define STORE_PATH_SIZE 512
void store_object_path(const struct store *s, const struct recording_id *id, char out[STORE_PATH_SIZE]);

/* Walks all objects in the order of their places. on_foreign (may be NULL) gets whatever is no object of ours, with its path
 * below the archive and why. A non-zero return of a callback stops and is returned. */
typedef int (*store_on_object)(void *userdata, const struct recording_id *id);
typedef int (*store_on_foreign)(void *userdata, const char *path, const char *why);
int store_each_object(struct store *s, store_on_object on_object, store_on_foreign on_foreign, void *userdata,
                      struct error *err);

enum store_fault_kind {
    STORE_FAULT_MISSING,  /* no object, or a file of it is not there */
    STORE_FAULT_EXTRA,    /* something that the inventory does not name */
    STORE_FAULT_WRITABLE, /* mode not 0400/0500, not our owner, or a second hard link: somebody could write */
    STORE_FAULT_INVENTORY, /* inventory, sidecar or namaste wrong */
    STORE_FAULT_SIZE,      /* content has not the expected size */
    STORE_FAULT_DIGEST, /* content or arrival.json is not what the inventory says, or the inventory not what is expected */
};

/* What the catalogue knows; members that are NULL / negative are not compared. */
struct store_expect {
    const struct digest *sha256;
    int64_t bytes;
    const char *content_name;
};
#define STORE_EXPECT_NONE                                                                                    \
    {                                                                                                        \
        NULL, -1, NULL                                                                                       \
    }

typedef int (*store_on_fault)(void *userdata, enum store_fault_kind kind, const char *path, const char *text);

/* Checks one object; deep reads the content again. Faults go to on_fault and are no failure: 0. A non-zero return of on_fault
 * stops and is returned. */
int store_check_object(struct store *s, const struct recording_id *id, const struct store_expect *expect,
                       bool deep, store_on_fault on_fault, void *userdata, struct error *err);

/* ---- quarantine ------------------------------------------------------------------------------------------------------- */

/* Moves name (a plain name below dirfd: a file, or on the archive's own file system also a tree) to
 * quarantine/<ULID>-<safe name>, with <same>.reason.json holding reason_json. Never follows a link. A file elsewhere is copied,
 * synced and then removed. Durable on return. *ret_name (may be NULL): the new name, caller frees. Return: also STORE_E_STAYS,
 * STORE_E_UNKNOWN (no such entry), -EXDEV (a tree on another file system). */
int store_quarantine(struct store *s, int dirfd, const char *name, const char *reason_json, char **ret_name,
                     struct error *err);

/* reason_json is NULL when it is missing; in order of names, so of time. A non-zero return stops and is returned. */
typedef int (*store_on_quarantine)(void *userdata, const char *name, uint64_t bytes, const char *reason_json);
int store_quarantine_list(struct store *s, store_on_quarantine on_entry, void *userdata, struct error *err);

#endif
