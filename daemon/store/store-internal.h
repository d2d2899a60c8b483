/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of store/ share. A struct store is the node's own part (staging, intents, quarantine: store-stage.c,
 * store-recover.c, store-quarantine.c) and a table of operations on objects in their place, which each kind of store fills in
 * (store-local.c here; another kind embeds struct store and brings its own table).
 */
#ifndef LIUHEN_STORE_STORE_INTERNAL_H
#define LIUHEN_STORE_STORE_INTERNAL_H

#include "store/store-layout.h"
#include "store/store.h"

struct store_inventory;

struct store_ops {
    void (*close)(struct store *s); /* frees the kind's own part; the rest and s itself are freed after it */
    int (*commit)(struct store *s, struct store_staged *t, struct error *err);
    int (*commit_sync)(struct store *s, struct store_staged *const *staged, size_t n, struct error *err);
    int (*commit_again)(struct store *s, const struct recording_id *id, struct error *err);
    int (*erase)(struct store *s, const struct recording_id *id, struct error *err);
    int (*has)(struct store *s, const struct recording_id *id, bool *ret, struct error *err);
    int (*open_content)(struct store *s, const struct recording_id *id, const char *name, int *ret_fd,
                        struct error *err);
    int (*read_arrival)(struct store *s, const struct recording_id *id, char **ret_text, struct error *err);
    int (*describe)(struct store *s, const struct recording_id *id, struct store_object *ret,
                    struct error *err);
    void (*object_path)(const struct store *s, const struct recording_id *id, char out[STORE_PATH_SIZE]);
    int (*each_object)(struct store *s, store_on_object on_object, store_on_foreign on_foreign,
                       void *userdata, struct error *err);
    int (*check_object)(struct store *s, const struct recording_id *id, const struct store_expect *expect,
                        bool deep, store_on_fault on_fault, void *userdata, struct error *err);
};

struct store {
    const struct store_ops *ops;
    char *archive; /* as given; for messages */
    int archive_fd, staging_fd, quarantine_fd, lock_fd;
    uid_t owner; /* of the store; every file of an object must belong to it */
    char *user;  /* JSON text of the version block's user */
};

/* The local kind: an OCFL root in ARCHIVE/objects. */
struct store_local {
    struct store base;
    int objects_fd;
    struct store_layout layout;
    bool immutable;
};
extern const struct store_ops store_local_ops;

/* The files and folders of an object of ours, below its root; the content file beside them has a name of its own. */
#define OBJECT_NAMASTE      "0=ocfl_object_1.1"
#define OBJECT_NAMASTE_TEXT "ocfl_object_1.1\n"
#define OBJECT_SIDECAR      "inventory.json.sha256"
#define OBJECT_ARRIVAL      "v1/content/arrival.json"
#define OBJECT_FIXED_FILES  6
#define OBJECT_FOLDERS      3
#define OBJECT_TEXT_MAX     (1u << 20) /* inventories and arrivals are small */
#define OBJECT_PATH_SIZE    (STORE_PATH_SIZE + 256)
extern const char *const store_object_files[OBJECT_FIXED_FILES];
extern const char *const store_object_folders[OBJECT_FOLDERS]; /* innermost first; the last is "." */

#define INTENT_SUFFIX ".intent" /* of intents in staging */

struct store_staged {
    struct store *store;
    struct recording_id id;
    enum store_how how;
    char dir[ULID_LENGTH + 8]; /* name in staging: "<ULID>" or "<ULID>.move" */
    char *content_name;
    int source_fd; /* borrowed; -1 none */
    bool finished;
    bool ours;      /* content has our owner and mode 0400 */
    bool committed; /* renamed into place */
    bool adopted;   /* by this process; source_stat is what it was */
    struct stat source_stat;
};

/* Writes "<staging dir>/<rest>" to out. */
void store_staged_path(const struct store_staged *t, const char *rest, char out[OBJECT_PATH_SIZE]);

/* Writes "<object>/v1/content/<content_name>" to out. */
void store_content_path(const char *object, const char *content_name, char out[OBJECT_PATH_SIZE]);

/* fsync of all files (content_name NULL: without) and folders of the object at path below dirfd. The write-back of all files is
 * begun before the first is waited for, so that one journal commit serves them. */
int store_sync_object(int dirfd, const char *path, const char *content_name);

/* Makes a moved-in content file the store's own and read-only. path below dirfd. */
int store_own_content(int dirfd, const char *path, uid_t owner, struct error *err);

/* Puts a file at dirfd/path into quarantine under a name made from name. */
int store_quarantine_path(struct store *s, int dirfd, const char *path, const char *name,
                          const char *reason_json, char **ret_name, struct error *err);

/* Whether name can stand below a folder by itself: not empty, no '/', neither "." nor "..". */
bool store_is_plain_name(const char *name);

/* Whether two stats are of one file, and whether a file's content is still what it was: size and mtime. */
bool store_same_file(const struct stat *a, const struct stat *b);
bool store_same_version(const struct stat *a, const struct stat *b);

/* Names in a folder without "." and "..", sorted bytewise. Return: 0 or negative errno. */
struct store_names {
    char **names;
    size_t count;
};
int store_names_read(int dirfd, const char *path, struct store_names *ret);
void store_names_done(struct store_names *n);

/* Checks an object at path below dirfd (store-check.c). */
struct store_check {
    int dirfd;
    const char *path;
    const char *shown; /* put before paths in faults: "objects/" or "staging/" */
    const struct recording_id *id;
    const struct store_expect *expect;
    bool deep;     /* read the content again */
    bool staged;   /* modes are not final yet */
    bool may_lack; /* content may be missing */
    uid_t owner;
    store_on_fault on_fault; /* NULL: the first fault ends the check with STORE_E_DAMAGED */
    void *userdata;
    struct store_inventory *inventory; /* may be NULL; filled in when there is a usable one */
};
int store_check_at(const struct store_check *c, struct error *err);

#endif
