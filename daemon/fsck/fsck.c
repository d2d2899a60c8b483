/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen fsck: proves the invariants (see fsck.h). It looks at one snapshot of the catalogue, at the ledger's files, and at every
 * object in the store; what a running daemon seals meanwhile is looked up again before anything is said about it.
 */
#include "fsck/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "catalogue/act.h"
#include "catalogue/audit.h"
#include "catalogue/ids.h"
#include "catalogue/schema.h"
#include "fsck/fsck-internal.h"
#include "fsck/replay.h"

#define FILLED_TRIES      20
#define FILLED_PAUSE_USEC 10000

static const char *const invariants[FSCK_INVARIANTS + 1] = {
    "",
    "A byte we acknowledged is durable in the store and named in the ledger.",
    "Every object has a row, every row an object with that digest, or a tombstone that says why not.",
    "No original can be written after its seal.",
    "Erasure has one door: a tombstone with its act, its notice and two approvers.",
    "Every act is one ledger leaf, and the ledger is whole.",
    "The catalogue is what the ledger makes it.",
    "Nobody's keep-until was shortened by a policy edit.",
    "Nothing unclassified or unlinked was erased by default.",
};

const char *fsck_invariant_text(int invariant)
{
    return invariant >= 1 && invariant <= FSCK_INVARIANTS ? invariants[invariant] : "";
}

void fsck_fault(struct fsck *f, int invariant, const char *object, const char *format, ...)
{
    char text[900];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    f->result->faults++;
    f->result->broken[invariant]++;
    f->options->on_fault(f->options->userdata, invariant, object, text);
}

void fsck_progress(struct fsck *f, const char *step, uint64_t n)
{
    if (f->options->on_progress)
        f->options->on_progress(f->options->userdata, step, n);
}

/* ---- the ledger --------------------------------------------------------------------------------------------------------- */

static void on_ledger_fault(void *userdata, const struct error *fault)
{
    fsck_fault(userdata, 5, fault->object, "%s", fault->text);
}

/* Acts must be numbered without a gap, the files not ahead of the rows, and what the files lack must wait to be published. */
static int check_leaves(struct fsck *f, struct error *err)
{
    uint64_t size = ledger_size(f->ledger);
    int64_t count, last, pending;
    int r = audit_leaves(f->db, size, &count, &last, &pending, err);

    if (r != 0)
        return r;
    f->result->acts = f->n_acts = (uint64_t)count;
    if (count != last + 1)
        fsck_fault(f, 5, "acts", "%lld acts are recorded but the last has number %lld", (long long)count,
                   (long long)last);
    if (last + 1 > (int64_t)size && pending < last + 1 - (int64_t)size)
        fsck_fault(f, 5, "acts", "%lld leaves are neither in the ledger's files nor waiting to go there",
                   (long long)(last + 1 - (int64_t)size - pending));
    if (last + 1 < (int64_t)f->size_at_start)
        fsck_fault(f, 5, "acts", "the ledger has %llu leaves, the catalogue knows only %lld",
                   (unsigned long long)f->size_at_start, (long long)(last + 1));
    return 0;
}

static int check_ledger(struct fsck *f, struct error *err)
{
    struct error ignored;
    int r;

    fsck_progress(f, "verifying the ledger", 0);
    r = ledger_verify(f->ledger, on_ledger_fault, f, &ignored);
    if (r < 0 && r != -EBADMSG)
        fsck_fault(f, 5, "ledger", "cannot be verified: %s", ignored.text);
    return check_leaves(f, err);
}

/* ---- store against catalogue -------------------------------------------------------------------------------------------- */

static int on_object_fault(void *userdata, enum store_fault_kind kind, const char *path, const char *text)
{
    struct fsck *f = userdata;

    switch (kind) {
    case STORE_FAULT_WRITABLE:
        fsck_fault(f, 3, path, "%s", text);
        break;
    case STORE_FAULT_MISSING:
        fsck_fault(f, 1, path, "%s", text);
        break;
    case STORE_FAULT_SIZE:
    case STORE_FAULT_DIGEST:
        fsck_fault(f, 3, path, "%s", text);
        fsck_fault(f, 2, path, "%s", text);
        break;
    default:
        fsck_fault(f, 2, path, "%s", text);
    }
    return 0;
}

static bool is_empty_folder(int dirfd, const char *path)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int n = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (readdir(dir))
        n++;
    return n <= 2; /* itself and its parent */
}

struct wanted {
    struct fsck *f;
    const char *path;
};

static int intent_fills(void *userdata, enum store_staging_kind kind, const char *name)
{
    struct wanted *w = userdata;
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *list = NULL;
    char place[STORE_PATH_SIZE];
    struct recording_id id;
    struct error ignored;
    size_t n = strlen(w->path), i;
    json_t *o;

    if (kind != STORE_STAGING_INTENT || store_intent_read(w->f->store, name, &text, &ignored) != 0 ||
        json_parse(text, strlen(text), name, &list, &ignored) < 0)
        return 0;
    json_array_foreach (list, i, o) {
        if (!json_get_string(o, "id") || recording_id_parse(json_get_string(o, "id"), &id) < 0)
            continue;
        store_object_path(w->f->store, &id, place);
        if (strncmp(place, w->path, n) == 0 && place[n] == '/')
            return 1;
    }
    return 0;
}

/* The folders above an object are made an instant before it is renamed in; after a kill in between recovery fills them. */
static bool about_to_be_filled(struct fsck *f, const char *path)
{
    int dirfd = store_archive_fd(f->store);
    struct error ignored;

    if (!is_empty_folder(dirfd, path))
        return false;
    for (int tries = 0; tries < FILLED_TRIES; tries++) {
        usleep(FILLED_PAUSE_USEC);
        if (!is_empty_folder(dirfd, path))
            return true;
    }
    return store_each_staging(f->store, intent_fills, &(struct wanted){f, path}, &ignored) == 1;
}

static int on_foreign(void *userdata, const char *path, const char *why)
{
    if (!about_to_be_filled(userdata, path))
        fsck_fault(userdata, 2, path, "%s", why);
    return 0;
}

struct search {
    struct fsck *f;
    const struct recording_id *id;
};

/* Whether an intent in staging speaks of the object: then a seal is in hand, or recovery will finish it. */
static int intent_names(void *userdata, enum store_staging_kind kind, const char *name)
{
    struct search *s = userdata;
    _cleanup_free_ char *text = NULL;
    struct error ignored;

    if (kind != STORE_STAGING_INTENT || store_intent_read(s->f->store, name, &text, &ignored) != 0)
        return 0;
    return strstr(text, s->id->text) ? 1 : 0;
}

static int no_row(struct fsck *f, const struct recording_id *id, struct error *err)
{
    struct search search = {f, id};
    _cleanup_(db_closep) struct db *fresh = NULL;
    char path[STORE_PATH_SIZE];
    bool now = false;
    int r = store_each_staging(f->store, intent_names, &search, err);

    if (r == 1)
        return 0;
    r = r < 0 ? r : catalogue_open(f->dsn, DB_READ, &fresh, err); /* sealed since the snapshot was taken? */
    r = r != 0 ? r : audit_has_recording(fresh, id->text, &now, err);
    if (r != 0 || now)
        return r;
    store_object_path(f->store, id, path);
    fsck_fault(f, 2, path, "the catalogue knows no recording %s", id->text);
    return 0;
}

static int on_object(void *userdata, const struct recording_id *id)
{
    struct fsck *f = userdata;
    _cleanup_stmt_ struct db_stmt *hold = NULL;
    struct store_expect expect = STORE_EXPECT_NONE;
    struct audit_recording row;
    bool there;
    int r = audit_recording(f->db, id->text, &row, &there, &hold, f->err);

    if (r != 0)
        return r;
    if (++f->result->objects % 1000 == 0)
        fsck_progress(f, "looking at objects", f->result->objects);
    if (!there)
        return no_row(f, id, f->err);
    if (row.disposed && !row.erased)
        return 0; /* the daemon is about to erase it, or carries that on at its next start */
    if (row.disposed)
        fsck_fault(f, 2, id->text, "is recorded as erased, but its object is still there");
    expect.sha256 = row.have_digest ? &row.digest : NULL;
    expect.bytes = row.bytes;
    expect.content_name = row.content_name;
    return store_check_object(f->store, id, &expect, f->options->deep, on_object_fault, f, f->err);
}

static int check_store(struct fsck *f, struct error *err)
{
    fsck_progress(f, "looking at objects", 0);
    return store_each_object(f->store, on_object, on_foreign, f, err);
}

/* ---- catalogue against store and ledger --------------------------------------------------------------------------------- */

/* The act that sealed it must name these very bytes. */
static void check_sealed_leaf(struct fsck *f, const char *id, int64_t leaf, const char *digest_hex)
{
    _cleanup_free_ char *entry = NULL;
    _cleanup_json_ json_t *root = NULL;
    struct error why = ERROR_INIT;
    struct act act = {0};
    const char *named;
    size_t size;
    int r;

    if (leaf < 0 || (uint64_t)leaf >= ledger_size(f->ledger))
        return; /* waiting to be published: check_leaves has looked */
    r = ledger_read_entry(f->ledger, (uint64_t)leaf, &entry, &size, &why);
    r = r != 0 ? r : act_decode(entry, size, &act, &root, &why);
    if (r != 0) {
        fsck_fault(f, 1, id, "its leaf %lld cannot be read: %s", (long long)leaf, why.text);
        return;
    }
    named = json_get_string(act.facts, "digest");
    if (strcmp(act.kind, "recording.sealed") != 0 || strcmp(act.subject, id) != 0 || !named ||
        strcmp(named, digest_hex) != 0)
        fsck_fault(f, 1, id, "leaf %lld of the ledger is not the seal of these bytes", (long long)leaf);
}

static int on_row(void *userdata, const struct audit_recording *row)
{
    struct fsck *f = userdata;
    struct recording_id id;
    char hex[DIGEST_HEX_SIZE];
    bool there = false;
    int r;

    if (++f->result->recordings % 1000 == 0)
        fsck_progress(f, "looking at rows", f->result->recordings);
    if (recording_id_parse(row->id, &id) < 0) {
        fsck_fault(f, 2, row->id, "is not a recording id");
        return 0;
    }
    digest_to_hex(&row->digest, hex);
    check_sealed_leaf(f, id.text, row->leaf, hex);
    if (row->disposed)
        return 0;
    r = store_has(f->store, &id, &there, f->err);
    if (r == 0 && !there) {
        fsck_fault(f, 1, id.text, "was acknowledged, but its object is not in the store");
        fsck_fault(f, 2, id.text, "has a row but no object, and no tombstone says why");
    }
    return r;
}

/* ---- erasure ------------------------------------------------------------------------------------------------------------ */

static int on_tombstone(void *userdata, const struct audit_tombstone *t)
{
    struct fsck *f = userdata;
    bool act;
    int r = audit_has_act(f->db, t->leaf, "recording.disposed", t->recording, &act, f->err);

    if (r != 0)
        return r;
    if (!act)
        fsck_fault(f, 4, t->recording, "has a tombstone, but no act in the ledger disposed of it");
    if (!t->class_name)
        fsck_fault(f, 8, t->recording, "was disposed of although no class had been decided for it");
    else if (t->until_usec == INT64_MAX)
        fsck_fault(f, 4, t->recording, "was disposed of although it was to be kept without end");
    else if (t->until_usec > t->disposed_usec)
        fsck_fault(f, 4, t->recording, "was disposed of before its time was over");
    return 0;
}

static int on_untold(void *userdata, const char *id)
{
    fsck_fault(userdata, 4, id, "is recorded as disposed of, but there is no tombstone");
    return 0;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------- */

static int open_catalogue(struct fsck *f, struct error *err)
{
    int r = catalogue_open(f->dsn, DB_READ, &f->db, err);

    if (r == -ENOENT || r == -EBADMSG) {
        struct error why = *err;
        error_set(err, r, why.object,
                  "%s; `liuhen rebuild` makes a lost or damaged catalogue anew from the ledger", why.text);
    }
    return r;
}

/* Rows and files of a running daemon: the rows must reach what the files had before the snapshot, and the files, read again after
 * it, whatever the snapshot no longer keeps as pending. */
static int take_snapshot(struct fsck *f, struct error *err)
{
    int64_t acts;
    int r;

    f->size_at_start = ledger_size(f->ledger);
    r = db_begin_read(f->db, err);
    r = r != 0 ? r : acts_next_index(f->db, &acts, err); /* the first look fixes it */
    if (r != 0)
        return r;
    f->ledger = ledger_close(f->ledger);
    f->key = verifier_key_free(f->key);
    return replay_open_ledger(f->options->archive, &f->key, &f->ledger, err);
}

static int open_all(struct fsck *f, struct error *err)
{
    struct store_options options = {.immutable = STORE_IMMUTABLE_NO};
    int r;

    if (f->options->dsn)
        f->dsn = strdup(f->options->dsn);
    else if (asprintf(&f->dsn, "%s/catalogue.db", f->options->archive) < 0)
        f->dsn = NULL;
    if (!f->dsn)
        return -ENOMEM;
    r = store_open_local(f->options->archive, &options, &f->store, err);
    r = r != 0 ? r : open_catalogue(f, err);
    if (r == 0) {
        r = replay_open_ledger(f->options->archive, &f->key, &f->ledger, err);
        if (r == -EBADMSG ||
            r == -ENOENT) { /* a ledger that does not even open is a finding, not a failure */
            fsck_fault(f, 5, err->object[0] ? err->object : "ledger", "%s", err->text);
            return 1;
        }
    }
    return r != 0 ? r : take_snapshot(f, err);
}

static void close_all(struct fsck *f)
{
    if (f->db)
        db_rollback(f->db);
    db_close(f->db);
    ledger_close(f->ledger);
    verifier_key_free(f->key);
    store_close(f->store);
    free(f->dsn);
}

int fsck_run(const struct fsck_options *options, struct fsck_result *ret, struct error *err)
{
    struct fsck f = {.options = options, .result = ret, .err = err};
    int r;

    *ret = (struct fsck_result){0};
    r = open_all(&f, err);
    if (r == 1) {
        close_all(&f);
        return 0;
    }
    r = r != 0 ? r : check_ledger(&f, err);
    r = r != 0 ? r : check_store(&f, err);
    r = r != 0 ? r : audit_each_recording(f.db, on_row, &f, err);
    r = r != 0 ? r : audit_each_tombstone(f.db, on_tombstone, &f, err);
    r = r != 0 ? r : audit_each_untold(f.db, on_untold, &f, err);
    if (r == 0 && !options->quick)
        r = fsck_check_replay(&f, err);
    if (r == 0 && !options->quick)
        r = fsck_check_decisions(&f, err);
    close_all(&f);
    return r;
}
