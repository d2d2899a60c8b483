/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen rebuild: a new catalogue from the ledger, then a look whether store and catalogue name the same recordings. Leaves that
 * were committed but not yet published when the old catalogue was lost come back at the next start of the daemon: their intents
 * are still in staging, because an intent goes only after publishing.
 */
#include "fsck/fsck.h"

#include <errno.h>

#include "catalogue/audit.h"
#include "catalogue/schema.h"
#include "fsck/replay.h"
#include "store/store.h"

struct rebuild {
    struct db *db;
    struct rebuild_result *result;
    struct error *err;
    uint64_t found;
};

static int on_object(void *userdata, const struct recording_id *id)
{
    struct rebuild *b = userdata;
    bool known;
    int r = audit_has_recording(b->db, id->text, &known, b->err);

    if (r == 0 && known)
        b->found++;
    else if (r == 0)
        b->result->without_act++;
    return r;
}

static int make_empty(const char *dsn, struct db **ret, struct error *err)
{
    _cleanup_(db_closep) struct db *db = NULL;
    int64_t acts = 0, last, pending;
    int r = catalogue_open(dsn, DB_WRITE, &db, err);

    r = r != 0 ? r : audit_leaves(db, 0, &acts, &last, &pending, err);
    if (r == 0 && acts > 0)
        return error_set(err, -EEXIST, dsn, "holds a catalogue with %lld acts already; move it aside first",
                         (long long)acts);
    if (r == 0)
        *ret = TAKE_PTR(db);
    return r;
}

int rebuild_run(const struct rebuild_options *options, struct rebuild_result *ret, struct error *err)
{
    struct store_options lock = {.lock = true, .immutable = STORE_IMMUTABLE_NO};
    _cleanup_(store_closep) struct store *store = NULL;
    _cleanup_(verifier_key_freep) struct verifier_key *key = NULL;
    _cleanup_(ledger_closep) struct ledger *ledger = NULL;
    _cleanup_(db_closep) struct db *db = NULL;
    struct replay replay = {.on_progress = options->on_progress, .userdata = options->userdata};
    struct rebuild b = {.result = ret, .err = err};
    int r = store_open_local(options->archive, &lock, &store, err);

    *ret = (struct rebuild_result){0};
    if (r == STORE_E_LOCKED)
        return error_set(err, -EBUSY, options->archive, "is in use by a running liuhend; stop it first");
    r = r != 0 ? r : replay_open_ledger(options->archive, &key, &ledger, err);
    r = r != 0 ? r : make_empty(options->dsn, &db, err);
    if (r != 0)
        return r;
    replay.db = b.db = db;
    r = replay_ledger(&replay, ledger, ledger_size(ledger), err);
    r = r != 0 ? r : replay_finish(&replay, err);
    ret->acts = replay.done;
    r = r != 0 ? r : audit_count_recordings(db, &ret->recordings, err);
    r = r != 0 ? r : store_each_object(store, on_object, NULL, &b, err);
    ret->without_object = ret->recordings - MIN(b.found, ret->recordings);
    return r;
}
