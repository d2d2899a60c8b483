/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts of body-worn systems (see bodyworn-store.h).
 */
#include "doors/bodyworn-store.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "cases/bodyworn-trail.h"
#include "cases/bodyworn.h"
#include "catalogue/ids.h"
#include "doors/swift-names.h"

#define PLACED_AT_ONCE                                                                                       \
    2000 /* recordings that wait for a name; more are placed when something else is said of them */

/* ---- placing again ---- */

static int place_text(struct intake *in, struct txn *t, const char *recording, struct error *err)
{
    struct recording_id id;

    return recording_id_parse(recording, &id) < 0 ? 0 : intake_place_again(in, t, &id, err);
}

static int place_container(struct intake *in, struct txn *t, const char *container, struct error *err)
{
    _cleanup_ids_ struct recording_ids ids = RECORDING_IDS_INIT;
    int r = ids_of_container(txn_db(t), container, &ids, err);

    for (size_t i = 0; r == 0 && i < ids.n; i++)
        r = intake_place_again(in, t, &ids.ids[i], err);
    return r;
}

/* Somebody's name has come: recordings that had to do with the id until now get it. Those that have a name keep it until something else is
 * said of them. */
static int place_user(struct intake *in, struct txn *t, const char *user, struct error *err)
{
    _cleanup_ids_ struct recording_ids ids = RECORDING_IDS_INIT;
    int r = ids_of_officer(txn_db(t), "bodyworn", user, PLACED_AT_ONCE, &ids, err);

    for (size_t i = 0; r == 0 && i < ids.n; i++)
        r = intake_place_again(in, t, &ids.ids[i], err);
    return r;
}

/* The key that a clip opens with may have come before it, and has its times. */
static int place_key(struct intake *in, struct txn *t, const char *container, const char *clip,
                     struct error *err)
{
    _cleanup_(bodyworn_object_done) struct bodyworn_object key = {0};
    const char *dot = strrchr(clip, '.');
    _cleanup_free_ char *name = NULL;
    int r;

    if (asprintf(&name, "%.*s.key", dot ? (int)(dot - clip) : (int)strlen(clip), clip) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    r = bodyworn_object_find(txn_db(t), container, name, &key, err);
    return r == BODYWORN_E_NONE ? 0 : r != 0 ? r : place_text(in, t, key.recording, err);
}

/* A clip that comes after the recording was said to be complete moves the numbers of those behind it, and nothing else would place them
 * again. */
static int place_clip(struct intake *in, struct txn *t, const char *container, const char *name,
                      const char *recording, struct error *err)
{
    _cleanup_(bodyworn_container_done) struct bodyworn_container c = {0};
    int r = bodyworn_container_read(txn_db(t), container, &c, err);

    if (r == 0 && strcmp(c.status, "complete") == 0)
        return place_container(in, t, container, err);
    r = r != 0 ? r : place_text(in, t, recording, err);
    return r != 0 ? r : place_key(in, t, container, name, err);
}

/* Something was said of an object: a bookmark speaks of the whole recording, a key of its clip (and has its times from it). */
static int place_around(struct intake *in, struct txn *t, const char *container, const char *kind,
                        const char *name, const char *recording, struct error *err)
{
    if (strcmp(kind, "setting") == 0)
        return place_user(in, t, name, err);
    if (strcmp(kind, "bookmark") == 0 || strcmp(kind, "key") == 0)
        return place_container(in, t, container, err);
    if (!recording || !*recording)
        return 0;
    return strcmp(kind, "clip") == 0 ? place_clip(in, t, container, name, recording, err)
                                     : place_text(in, t, recording, err);
}

/* ---- containers ---- */

struct container_job {
    const struct bodyworn_keep *keep;
    struct bodyworn_container_said *said;
};

/* Whether there is room for one more among what is known: an act has an end, and so have the headers of an answer. The status ends a
 * recording, and always fits. */
static bool has_room(const json_t *o, const char *key, const json_t *value)
{
    const json_t *old = json_object_get(o, key), *each;
    size_t bytes = strlen(key) + json_string_length(value);
    const char *name;

    json_object_foreach ((json_t *)o, name, each)
        bytes += each == old ? 0 : strlen(name) + json_string_length(each);
    return strcmp(key, "status") == 0 || strcmp(key, BODYWORN_LEFT_OUT) == 0 ||
           (bytes <= SWIFT_META_ALL_MAX && (old || json_object_size(o) < SWIFT_META_MAX));
}

/* What is known with what was said put over it; new object, NULL = no memory. */
static json_t *merge(const json_t *known, const json_t *said)
{
    _cleanup_json_ json_t *o = known ? json_copy((json_t *)known) : json_object();
    const char *key, *text = json_get_string(said, BODYWORN_LEFT_OUT);
    long left_out = text ? strtol(text, NULL, 10) : 0, before = left_out;
    char number[24];
    json_t *value;

    if (!o)
        return NULL;
    json_object_foreach ((json_t *)said, key, value) {
        if (json_string_length(value) == 0)
            json_object_del(o, key);
        else if (!has_room(o, key, value))
            left_out++;
        else if (json_object_set(o, key, value) < 0)
            return NULL;
    }
    snprintf(number, sizeof number, "%ld", left_out);
    if (left_out > before && json_set_string(o, BODYWORN_LEFT_OUT, number) < 0)
        return NULL;
    return TAKE_PTR(o);
}

/* Once complete it stays so: nothing that has ended begins again. */
static const char *status_of(const char *known, const json_t *metadata)
{
    const char *said = bodyworn_value(metadata, "status");

    if (strcmp(known, "complete") == 0 || (said && strcasecmp(said, "Complete") == 0))
        return "complete";
    return said ? "transferring" : *known ? known : NULL;
}

static int record_container(struct txn *t, const struct container_job *job,
                            const struct bodyworn_container *known, json_t *metadata, struct error *err)
{
    const struct bodyworn_container_said *said = job->said;
    json_t *facts = json_pack("{s:s, s:s, s:s, s:O, s:s*}", "device", job->keep->device, "name", said->name,
                              "kind", bodyworn_container_kind_name(bodyworn_container_kind(said->name)),
                              "metadata", metadata, "status", status_of(known->status, metadata));

    return txn_act(t, "bodyworn.container", BODYWORN_ACTOR, said->id, 0, facts, NULL, err);
}

static int run_container(struct txn *t, void *userdata, struct error *err)
{
    struct container_job *job = userdata;
    _cleanup_(bodyworn_container_done) struct bodyworn_container known = {0};
    _cleanup_json_ json_t *metadata = NULL;
    int r = bodyworn_container_find(txn_db(t), job->keep->device, job->said->name, &known, err);

    job->said->created = r == BODYWORN_E_NONE;
    if ((r != 0 && r != BODYWORN_E_NONE) || (r == BODYWORN_E_NONE && !job->said->create))
        return r;
    metadata = merge(known.metadata, job->said->metadata);
    if (!metadata)
        return -ENOMEM;
    if (job->said->created)
        ulid_make(clock_now_usec(), job->said->id);
    else
        memcpy(job->said->id, known.id, sizeof known.id);
    if (!job->said->created && json_equal(metadata, known.metadata))
        return 0;
    r = record_container(t, job, &known, metadata, err);
    return r != 0 || job->said->created ? r : place_container(job->keep->intake, t, job->said->id, err);
}

int bodyworn_keep_container(const struct bodyworn_keep *k, struct bodyworn_container_said *said,
                            struct error *err)
{
    struct container_job job = {k, said};

    return writer_run(k->writer, false, run_container, &job, err);
}

/* ---- objects ---- */

struct object_job {
    const struct bodyworn_keep *keep;
    const struct bodyworn_object_said *said;
};

static int record_object(struct txn *t, const char *id, const struct bodyworn_object_said *o,
                         struct error *err)
{
    json_t *facts = json_pack("{s:s, s:s, s:s, s:s*, s:I, s:s, s:s*, s:O, s:s*, s:O*}", "container",
                              o->container, "name", o->name, "kind", o->kind, "recording", o->recording,
                              "bytes", (json_int_t)o->bytes, "etag", o->etag, "type", o->type, "metadata",
                              o->metadata, "content", o->content, "detail", o->detail);

    return txn_act(t, "bodyworn.object", BODYWORN_ACTOR, id, 0, facts, NULL, err);
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Whether what is known has these very bytes. */
static bool is_same_bytes(const struct bodyworn_object *known, const struct bodyworn_object_said *said)
{
    return known->bytes == said->bytes && strcmp(known->etag, said->etag) == 0 &&
           is_same_text(known->recording, said->recording) && is_same_text(known->content, said->content);
}

/* Whether a clip may now have a trail that its derivatives were made without. */
static bool brings_trail(const struct bodyworn_object_said *said)
{
    return strcmp(said->kind, "trail") == 0 || strcmp(said->kind, "clip") == 0;
}

static int run_object(struct txn *t, void *userdata, struct error *err)
{
    const struct object_job *job = userdata;
    const struct bodyworn_object_said *said = job->said;
    _cleanup_(bodyworn_object_done) struct bodyworn_object known = {0};
    char id[ULID_LENGTH + 1];
    int r = bodyworn_object_find(txn_db(t), said->container, said->name, &known, err);

    if (r != 0 && r != BODYWORN_E_NONE)
        return r;
    if (r == 0 && is_same_bytes(&known, said)) {
        if (json_equal(known.metadata, said->metadata) && is_same_text(known.type, said->type))
            return 0;
        memcpy(id, known.id, sizeof id);
    } else {
        ulid_make(clock_now_usec(), id);
    }
    r = record_object(t, id, said, err);
    r = r != 0 ? r
               : place_around(job->keep->intake, t, said->container, said->kind, said->name, said->recording,
                              err);
    return r != 0 || !brings_trail(said)
               ? r
               : bodyworn_trail_came(txn_db(t), said->container, clock_now_usec(), err);
}

int bodyworn_keep_object(const struct bodyworn_keep *k, const struct bodyworn_object_said *said,
                         struct error *err)
{
    struct object_job job = {k, said};
    int r = writer_run(k->writer, false, run_object, &job, err);

    if (r == 0 && brings_trail(said))
        intake_call_examined(k->intake);
    return r;
}

struct metadata_job {
    const struct bodyworn_keep *keep;
    const char *container, *name;
    const json_t *metadata;
};

static int run_metadata(struct txn *t, void *userdata, struct error *err)
{
    const struct metadata_job *job = userdata;
    _cleanup_(bodyworn_object_done) struct bodyworn_object known = {0};
    struct bodyworn_object_said said;
    int r = bodyworn_object_find(txn_db(t), job->container, job->name, &known, err);

    if (r != 0 || json_equal(known.metadata, job->metadata))
        return r;
    said = (struct bodyworn_object_said){.container = known.container,
                                         .name = known.name,
                                         .kind = known.kind,
                                         .recording = *known.recording ? known.recording : NULL,
                                         .etag = known.etag,
                                         .type = known.type,
                                         .content = known.content,
                                         .bytes = known.bytes,
                                         .metadata = job->metadata,
                                         .detail = known.detail};
    r = record_object(t, known.id, &said, err);
    return r != 0 ? r
                  : place_around(job->keep->intake, t, known.container, known.kind, known.name,
                                 known.recording, err);
}

int bodyworn_keep_metadata(const struct bodyworn_keep *k, const char *container, const char *name,
                           const json_t *metadata, struct error *err)
{
    struct metadata_job job = {k, container, name, metadata};

    return writer_run(k->writer, false, run_metadata, &job, err);
}
