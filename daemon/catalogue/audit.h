/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What fsck and rebuild ask of the catalogue. Every callback may return non-zero to stop, which is then returned; strings it gets are
 * borrowed for the call.
 */
#ifndef LIUHEN_CATALOGUE_AUDIT_H
#define LIUHEN_CATALOGUE_AUDIT_H

#include "base/digest.h"
#include "catalogue/db.h"

struct audit_recording {
    const char *id;
    int64_t leaf;
    bool have_digest;
    struct digest digest;
    int64_t bytes;
    const char *content_name;
    bool disposed, erased; /* erased: its bytes are gone, and an act says so */
    int64_t until_usec;    /* INT64_MAX when there is no end */
};

/* acts: how many; last: the highest index, -1 when there is none; pending: leaves from published on that wait to be published. */
int audit_leaves(struct db *db, uint64_t published, int64_t *ret_acts, int64_t *ret_last,
                 int64_t *ret_pending, struct error *err);

/* Whether the act with this index has this kind and subject. */
int audit_has_act(struct db *db, int64_t index, const char *kind, const char *subject, bool *ret,
                  struct error *err);

/* One recording; *ret_there false when there is no row. The strings of *ret stay valid until *ret_hold is finished. */
int audit_recording(struct db *db, const char *id, struct audit_recording *ret, bool *ret_there,
                    struct db_stmt **ret_hold, struct error *err);
int audit_has_recording(struct db *db, const char *id, bool *ret, struct error *err);
int audit_count_recordings(struct db *db, uint64_t *ret, struct error *err); /* not disposed of */

typedef int (*audit_on_recording)(void *userdata, const struct audit_recording *recording);
int audit_each_recording(struct db *db, audit_on_recording on_recording, void *userdata, struct error *err);
/* Those that policy version decided and that are not disposed of. */
int audit_each_decided(struct db *db, const char *version, audit_on_recording on_recording, void *userdata,
                       struct error *err);

struct audit_tombstone {
    const char *recording, *class_name; /* class NULL: never decided */
    int64_t leaf, until_usec /* INT64_MAX = no end */, disposed_usec;
};
int audit_each_tombstone(struct db *db,
                         int (*on_tombstone)(void *userdata, const struct audit_tombstone *tombstone),
                         void *userdata, struct error *err);
/* Recordings marked as disposed of that have no tombstone. */
int audit_each_untold(struct db *db, int (*on_id)(void *userdata, const char *id), void *userdata,
                      struct error *err);

int audit_each_pending(struct db *db, uint64_t from,
                       int (*on_entry)(void *userdata, uint64_t index, const char *entry, size_t size),
                       void *userdata, struct error *err);

/* Whether the act that the policy version names as its own is one that adopts a policy. */
int audit_policy_was_adopted(struct db *db, const char *version, bool *ret, struct error *err);

/* Makes a temporary catalogue faster by giving up durability. */
int audit_make_throwaway(struct db *db, struct error *err);

#endif
