/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quarantine of items (failure tier "item"): the file goes to quarantine/ with its reason, and the act says so. Nothing is
 * deleted.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "intake/intake-internal.h"

struct note {
    char id[ULID_LENGTH + 1];
    const char *door, *path, *reason;
};

static int record(struct txn *t, void *userdata, struct error *err)
{
    const struct note *n = userdata;
    _cleanup_json_ json_t *facts = json_object();
    char actor[DOOR_ACTOR_SIZE];
    int r = facts ? 0 : -ENOMEM;

    r = r < 0 ? r : json_set_string(facts, "door", n->door);
    r = r < 0 ? r : json_set_string(facts, "path", n->path);
    r = r < 0 ? r : json_set_string(facts, "reason", n->reason);
    if (r < 0)
        return r;
    return txn_act(t, "item.quarantined", actor_of_door(n->door, actor), n->id, 0, TAKE_PTR(facts), NULL,
                   err);
}

static int reason_text(const struct note *n, char **ret)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "door", n->door);
    r = r < 0 ? r : json_set_string(o, "path", n->path);
    r = r < 0 ? r : json_set_string(o, "reason", n->reason);
    r = r < 0 ? r : json_set_integer(o, "time", clock_now_usec());
    return r < 0 ? r : json_canonical(o, ret);
}

int intake_quarantine_source(struct item *item, const char *reason)
{
    _cleanup_free_ char *door = door_of_folder(item->folder),
                        *path = encode_percent(item->path, strlen(item->path)), *text = NULL, *name = NULL;
    struct note note = {"", door, path, reason};
    int r;

    if (!path || !door)
        return -ENOMEM;
    r = reason_text(&note, &text);
    if (r < 0)
        return r;
    r = store_quarantine(item->in->store, item->source_dirfd, item->source_name, text, &name, &item->err);
    if (r == STORE_E_UNKNOWN)
        return -ENOENT; /* taken away meanwhile: nothing is short */
    if (r != 0 && r != STORE_E_STAYS)
        return r > 0 ? -EIO : r;
    snprintf(note.id, sizeof note.id, "%.26s", name);
    r = writer_run(item->in->writer, true, record, &note, &item->err);
    log_event(EVENT_FILE_QUARANTINED, "FILE", path, "REASON", reason, NULL);
    return r > 0 ? -EIO : r;
}

int intake_record_quarantined(struct intake *in, const char *id, const char *name, const char *reason_json,
                              struct error *err)
{
    _cleanup_json_ json_t *o = NULL;
    struct note note = {.door = "unknown", .path = name, .reason = "found in quarantine without a reason"};
    struct error ignored;
    const char *text;
    int r;

    snprintf(note.id, sizeof note.id, "%s", id);
    if (reason_json && json_parse(reason_json, strlen(reason_json), name, &o, &ignored) == 0) {
        note.door = (text = json_get_string(o, "door")) ? text : note.door;
        note.path = (text = json_get_string(o, "path")) ? text : note.path;
        note.reason = (text = json_get_string(o, "reason")) ? text : note.reason;
    }
    r = writer_run(in->writer, true, record, &note, err);
    return r > 0 ? -EBUSY : r;
}
