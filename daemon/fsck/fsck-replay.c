/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Invariant 6: replays the ledger into a temporary catalogue and compares it with the one that stands, row by row.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/inject.h"
#include "catalogue/audit.h"
#include "catalogue/schema.h"
#include "fsck/compare.h"
#include "fsck/fsck-internal.h"
#include "fsck/replay.h"

static void on_difference(void *userdata, const char *table, const char *key, const char *how)
{
    char object[200];

    snprintf(object, sizeof object, "%s %s", table, key);
    fsck_fault(userdata, strcmp(table, "acts") == 0 ? 5 : 6, object, "%s", how);
}

struct pending {
    struct replay *replay;
    struct error *err;
};

/* A leaf that is committed but not in the files yet. */
static int on_pending(void *userdata, uint64_t index, const char *entry, size_t size)
{
    struct pending *p = userdata;

    return index == p->replay->done ? replay_entry(p->replay, entry, size, p->err) : 0;
}

static int replay_all(struct fsck *f, struct db *db, struct error *err)
{
    struct replay replay = {
        .db = db, .on_progress = f->options->on_progress, .userdata = f->options->userdata};
    struct error why = ERROR_INIT;
    struct pending pending = {&replay, &why};
    int r = replay_ledger(&replay, f->ledger, MIN(ledger_size(f->ledger), f->n_acts), &why);

    r = r != 0 ? r : audit_each_pending(f->db, replay.done, on_pending, &pending, &why);
    r = r != 0 ? r : replay_finish(&replay, &why);
    if (r != 0) {
        db_rollback(db);
        fsck_fault(f, 6, "ledger", "cannot be replayed into a catalogue: %s", why.text);
    }
    return 0;
}

static char *temporary_folder(const struct fsck *f)
{
    const char *base = f->options->temporary ? f->options->temporary : getenv("TMPDIR");
    char *path;

    if (asprintf(&path, "%s/liuhen-fsck-XXXXXX", base && *base ? base : "/tmp") < 0)
        return NULL;
    if (!mkdtemp(path)) {
        free(path);
        return NULL;
    }
    return path;
}

/* Once it is open, so that a fsck that is killed leaves nothing behind: SQLite goes on with the files that it has open. */
static void remove_temporary(const char *folder)
{
    static const char *const names[] = {"catalogue.db", "catalogue.db-wal", "catalogue.db-shm"};
    char path[4200];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

int fsck_check_replay(struct fsck *f, struct error *err)
{
    _cleanup_free_ char *folder = temporary_folder(f), *dsn = NULL;
    struct db *db = NULL;
    int r;

    if (!folder)
        return error_errno(err, -errno, "temporary folder", "cannot be made");
    fsck_progress(f, "replaying the ledger", 0);
    if (asprintf(&dsn, "%s/catalogue.db", folder) < 0)
        return -ENOMEM;
    r = catalogue_open(dsn, DB_WRITE, &db, err);
    r = r != 0 ? r : audit_make_throwaway(db, err);
    remove_temporary(folder);
    r = r != 0 ? r : replay_all(f, db, err);
    r = r != 0 ? r : inject_point("fsck.replayed");
    fsck_progress(f, "comparing with the catalogue", 0);
    r = r != 0 ? r : compare_catalogues(f->db, db, on_difference, f, err);
    db_close(db);
    return r;
}
