/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clips and their GPS trails (see bodyworn-trail.h). One trail usually tells of all clips of a container; systems that cut both tell by the
 * time at the beginning of their names.
 */
#include "cases/bodyworn-trail.h"

#include <string.h>

#include "cases/bodyworn.h"
#include "catalogue/ids.h"
#include "catalogue/job-rows.h"

#define MADE_FILES_MAX 16

/* Whether the trail at time a is nearer to what the clip needs than that at b. */
static bool is_better(int64_t a, int64_t b, int64_t clip)
{
    if ((a <= clip) != (b <= clip))
        return a <= clip;
    return a <= clip ? a > b : a < b;
}

int bodyworn_trail_of(struct db *db, const struct recording_id *clip, struct recording_id *ret,
                      struct error *err)
{
    _cleanup_(bodyworn_object_done) struct bodyworn_object object = {0};
    _cleanup_json_ json_t *trails = NULL;
    int64_t began, best = 0;
    bool found = false;
    int r = bodyworn_object_of(db, clip->text, NULL, &object, err);

    if (r == 0 && strcmp(object.kind, "clip") != 0)
        return BODYWORN_E_NONE;
    r = r != 0 ? r : bodyworn_objects_of_kind(db, object.container, "trail", &trails, err);
    if (r != 0)
        return r;
    began = bodyworn_clip_usec(object.name);
    for (size_t i = 0; i < json_array_size(trails); i++) {
        const json_t *trail = json_array_get(trails, i);
        const char *recording = json_get_string(trail, "recording"), *name = json_get_string(trail, "name");
        int64_t at = name ? bodyworn_clip_usec(name) : INT64_MIN;
        struct recording_id id;

        if (!recording || recording_id_parse(recording, &id) < 0 || (found && !is_better(at, best, began)))
            continue;
        *ret = id;
        best = at;
        found = true;
    }
    return found ? 0 : BODYWORN_E_NONE;
}

/* Whether a clip's derivatives are made, and none of them is a trail that lay in the footage itself. */
static int is_to_be_made_again(struct db *db, const struct recording_id *clip, bool *ret, struct error *err)
{
    struct derivative_row rows[MADE_FILES_MAX];
    struct job_state job = {0};
    size_t n = 0;
    int r = jobs_of_recording(db, clip, &job, err);

    *ret = r == 0 && strcmp(job.state, "done") == 0;
    r = *ret ? derivatives_of_job(db, job.id, rows, MADE_FILES_MAX, &n, err) : r == JOBS_E_NONE ? 0 : r;
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, "trail.gpx") == 0 && strcmp(rows[i].how, "bodyworn") != 0)
            *ret = false;
    job_state_done(&job);
    return r;
}

int bodyworn_trail_came(struct db *db, const char *container, int64_t now_usec, struct error *err)
{
    _cleanup_ids_ struct recording_ids ids = RECORDING_IDS_INIT;
    int r = ids_of_container(db, container, &ids, err);

    for (size_t i = 0; r == 0 && i < ids.n; i++) {
        struct recording_id trail;
        bool again;

        r = bodyworn_trail_of(db, &ids.ids[i], &trail, err);
        if (r == BODYWORN_E_NONE) {
            r = 0;
            continue;
        }
        r = r != 0 ? r : is_to_be_made_again(db, &ids.ids[i], &again, err);
        if (r == 0 && again)
            r = jobs_want_again(db, &ids.ids[i], JOB_USUAL, now_usec, err);
    }
    return r;
}
