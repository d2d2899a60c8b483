/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recovery at start-up, from staging/ alone. Each intent names what a batch was about to do: what is in the store or durable in
 * staging is carried forward, what is not is thrown away while its source still stands, and nothing is done twice. A staged object
 * that no intent names was never promised to anybody: it goes, its source is taken again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/log.h"
#include "catalogue/recordings.h"
#include "catalogue/schema.h"
#include "intake/intake-internal.h"

struct recovery {
    struct intake *in;
    struct db *db;
    struct error *err;
    unsigned finished, undone, kept;
};

/* One line of an intent. */
struct promise {
    struct recording_id id;
    const char *known, *arrival, *folder;
    bool is_move;
    enum folder_after after;
    char *path;
    struct source_stat was;
};

static int parse_promise(const struct intake *in, const json_t *o, struct promise *ret)
{
    const char *id = json_get_string(o, "id"), *after = json_get_string(o, "after"),
               *path = json_get_string(o, "path");

    *ret = (struct promise){
        .known = json_get_string(o, "known"),
        .arrival = json_get_string(o, "arrival"),
        .folder = json_get_string(o, "folder"),
        .is_move = json_get_bool(o, "move", false),
        .after = !after                     ? FOLDER_AFTER_KEEP
                 : !strcmp(after, "remove") ? FOLDER_AFTER_REMOVE
                 : !strcmp(after, "move")   ? FOLDER_AFTER_MOVE
                                            : FOLDER_AFTER_KEEP,
        .was = {(dev_t)json_get_integer(o, "dev", 0), (ino_t)json_get_integer(o, "ino", 0),
                json_get_integer(o, "bytes", -1), json_get_integer(o, "mtime_nsec", 0)},
    };
    if (!id || recording_id_parse(id, &ret->id) < 0 || !ret->folder || !ret->arrival || !path)
        return -EINVAL;
    if (json_object_get(o, "upload")) /* where staging is now, wherever the archive was then */
        ret->folder = in->staging_path;
    return decode_percent(path, &ret->path, NULL);
}

/* Brings a staged object into the store. Return: 0 it is there, 1 there was nothing to bring, negative errno. */
static int bring_in(struct recovery *rec, const struct promise *p)
{
    _cleanup_(store_staged_freep) struct store_staged *staged = NULL;
    _cleanup_close_ int dirfd = -1;
    struct error why = ERROR_INIT;
    bool there = false;
    const char *name;
    int r = store_has(rec->in->store, &p->id, &there, rec->err);

    if (r != 0)
        return r;
    if (there)
        return store_commit_again(rec->in->store, &p->id, rec->err);
    r = store_stage_reopen(rec->in->store, &p->id, &staged, &why);
    if (r == STORE_E_UNKNOWN)
        return 1;
    if (r == 0)
        r = store_staged_has_content(staged, &there, &why);
    if (r == 0 && there && store_staged_is_finished(staged)) {
        r = store_staged_verify(staged, &why);
        r = r != 0 ? r : store_stage_commit(staged, rec->err);
        if (r == 0)
            return store_commit_sync(rec->in->store, &staged, 1, rec->err);
    }
    if (r < 0)
        return r;
    dirfd = source_open_folder(p->folder, p->path, &name);
    r = store_stage_abort(staged, dirfd, name, rec->err);
    rec->undone++;
    return r == 0 ? 1 : r;
}

struct commitment {
    const struct promise *p;
    json_t *facts;
    int64_t received_usec;
};

static int commit_sealed(struct txn *t, void *userdata, struct error *err)
{
    struct commitment *c = userdata;

    return seal_record(t, c->p->id.text, c->facts, c->received_usec, NULL, err);
}

/* The act from the object's own arrival.json: exactly what would have been committed. */
static int commit_from_store(struct recovery *rec, const struct promise *p)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *facts = NULL;
    struct commitment c = {.p = p};
    int r = store_read_arrival(rec->in->store, &p->id, &text, rec->err);

    r = r != 0 ? r : json_parse(text, strlen(text), p->id.text, &facts, rec->err);
    if (r != 0)
        return r > 0 ? -EUCLEAN : r;
    c.received_usec = json_get_integer(facts, "received", 0);
    json_object_del(facts, "received");
    json_object_del(facts, "recording");
    c.facts = facts;
    r = writer_run(rec->in->writer, true, commit_sealed, &c, rec->err);
    return r > 0 ? -EUCLEAN : r;
}

static int carry_on(struct recovery *rec, const struct promise *p)
{
    struct settings_folder folder = {.path = (char *)p->folder, .after = p->after};
    struct error err = ERROR_INIT;
    bool committed;
    int r =
        recordings_has_arrival(rec->db, p->known ? p->known : p->id.text, p->arrival, &committed, rec->err);

    if (r != 0)
        return r > 0 ? -EBUSY : r;
    if (!committed && p->known)
        return 0; /* the second arrival is simply taken again */
    if (!p->known) {
        r = bring_in(rec, p);
        if (r == 1)
            return 0;
        if (r == 0 && !committed)
            r = commit_from_store(rec, p);
        if (r != 0)
            return r;
    }
    rec->finished++;
    if ((!p->is_move || p->known) && source_finish(&folder, p->path, &p->was, p->id.text, -1, &err) < 0)
        log_event(EVENT_SOURCE_LEFT, "FILE", err.object, "REASON", err.text, NULL);
    return 0;
}

static int quarantine_entry(struct recovery *rec, const char *name, const char *reason)
{
    char text[256];
    int r;

    snprintf(text, sizeof text, "{\"door\":\"staging\",\"reason\":\"%s\"}", reason);
    r = store_quarantine(rec->in->store, store_staging_fd(rec->in->store), name, text, NULL, rec->err);
    rec->kept++;
    log_event(EVENT_FILE_QUARANTINED, "FILE", name, "REASON", reason, NULL);
    return r > 0 ? 0 : r;
}

static int recover_intent(struct recovery *rec, const char *name)
{
    _cleanup_free_ char *text = NULL, *file = NULL;
    _cleanup_json_ json_t *list = NULL;
    struct error bad = ERROR_INIT;
    bool all = true;
    json_t *o;
    size_t i;
    int r = store_intent_read(rec->in->store, name, &text, rec->err);

    if (r != 0)
        return r > 0 ? 0 : r;
    if (json_parse(text, strlen(text), name, &list, &bad) < 0 || !json_is_array(list)) {
        /* torn before it was synced: nothing was moved yet on its behalf */
        if (asprintf(&file, "%s.intent", name) < 0)
            return -ENOMEM;
        return quarantine_entry(rec, file, "an intent that cannot be read");
    }
    json_array_foreach (list, i, o) {
        struct promise p;
        error_clear(rec->err);
        r = parse_promise(rec->in, o, &p);
        r = r < 0 ? r : carry_on(rec, &p);
        free(p.path);
        if (r < 0 && (error_is_resource(r) || r == -ECANCELED))
            return error_prefix(rec->err, "recovering %s", name), r;
        if (r !=
            0) { /* one bad entry does not keep the daemon down; its intent stays until somebody has looked */
            all = false;
            log_event(EVENT_FILE_REFUSED, "FILE", name, "REASON",
                      rec->err->text[0] ? rec->err->text : "the intent cannot be carried out", NULL);
        }
    }
    error_clear(rec->err);
    return all ? store_intent_remove(rec->in->store, name, rec->err) : 0;
}

static int recover_upload(struct recovery *rec, const char *id)
{
    char folder[ULID_LENGTH + 16];
    int r = uploads_recover(rec->in, rec->db, id, rec->err);

    if (r <= 0)
        return r;
    snprintf(folder, sizeof folder, "%s" STORE_UPLOAD_SUFFIX, id);
    return quarantine_entry(rec, folder, "an upload whose info.json cannot be read");
}

static int on_intent(void *userdata, enum store_staging_kind kind, const char *name)
{
    return kind == STORE_STAGING_INTENT ? recover_intent(userdata, name) : 0;
}

static int on_rest(void *userdata, enum store_staging_kind kind, const char *name)
{
    struct recovery *rec = userdata;
    _cleanup_(store_staged_freep) struct store_staged *staged = NULL;
    struct recording_id id;
    int r;

    switch (kind) {
    case STORE_STAGING_TEMP:
        return store_staging_remove_temp(rec->in->store, name, rec->err);
    case STORE_STAGING_FOREIGN:
        return quarantine_entry(rec, name, "found in staging, not ours");
    case STORE_STAGING_OBJECT:
        r = recording_id_parse(name, &id) < 0 ? -EINVAL
                                              : store_stage_reopen(rec->in->store, &id, &staged, rec->err);
        r = r != 0 ? r : store_stage_abort(staged, -1, NULL, rec->err);
        rec->undone++;
        return r > 0 ? 0 : r;
    case STORE_STAGING_UPLOAD:
        return recover_upload(rec, name);
    case STORE_STAGING_INTENT:
        return 0;
    }
    return 0;
}

/* Whatever lies in quarantine has its act: a crash may have come between the two, and recovery itself only moves. */
static int on_quarantined(void *userdata, const char *name, uint64_t bytes, const char *reason_json)
{
    struct recovery *rec = userdata;
    char id[ULID_LENGTH + 1];
    bool known = false;
    int r;

    snprintf(id, sizeof id, "%.26s", name);
    if (!ulid_is_valid(id))
        return 0;
    r = recordings_quarantine_is_known(rec->db, id, &known, rec->err);
    return r != 0 || known ? r : intake_record_quarantined(rec->in, id, name, reason_json, rec->err);
}

int recover_staging(struct intake *in, struct error *err)
{
    struct recovery rec = {.in = in, .err = err};
    char a[16], b[16], c[16];
    int r = catalogue_open(in->dsn, DB_READ, &rec.db, err);

    r = r != 0 ? r : store_each_staging(in->store, on_intent, &rec, err);
    r = r != 0 ? r : store_each_staging(in->store, on_rest, &rec, err);
    r = r != 0 ? r : store_quarantine_list(in->store, on_quarantined, &rec, err);
    db_close(rec.db);
    snprintf(a, sizeof a, "%u", rec.finished);
    snprintf(b, sizeof b, "%u", rec.undone);
    snprintf(c, sizeof c, "%u", rec.kept);
    if (r == 0 && rec.finished + rec.undone + rec.kept > 0)
        log_event(EVENT_RECOVERY_DONE, "FINISHED", a, "UNDONE", b, "KEPT", c, NULL);
    return r > 0 ? -EBUSY : r;
}
