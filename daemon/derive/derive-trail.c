/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * trail.gpx of clips whose camera system sent the trail as an object of its own: the footage has none in it, so that the media program
 * cannot make it. Such a trail is a text of our own store; it is read here, within the bounds of base/json.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cases/bodyworn-trail.h"
#include "cases/bodyworn.h"
#include "derive/derive-run.h"

#define TRAIL_MAX ((size_t)1 << 20)

/* Says something of the file in the program's answer, where describe() looks for it. */
static int say(struct making *m, const char *key, const char *text)
{
    json_t *list = json_get_array(m->result.answer, "files"), *each, *of = NULL;
    size_t i;

    if (!m->result.answer)
        return 0;
    if (!list) {
        list = json_array();
        if (!list || json_set_take(m->result.answer, "files", list) < 0)
            return -ENOMEM;
    }
    json_array_foreach (list, i, each) {
        const char *name = json_get_string(each, "name");

        if (name && strcmp(name, DERIVE_TRAIL_NAME) == 0)
            of = each;
    }
    if (!of) {
        of = json_pack("{s:s}", "name", DERIVE_TRAIL_NAME);
        if (!of || json_array_append_new(list, of) < 0)
            return -ENOMEM;
    }
    return json_set_string(of, key, text);
}

static int find(struct making *m, struct error *err)
{
    struct db *db;
    int r = readers_take(m->slot->d->readers, &db, err);

    if (r != 0)
        return r;
    r = bodyworn_trail_of(db, &m->job->recording, &m->trail, err);
    readers_give(m->slot->d->readers, db, r != 0 && r != BODYWORN_E_NONE);
    return r;
}

static int read_trail(struct making *m, char **ret, size_t *ret_size, struct error *err)
{
    _cleanup_free_ char *text = malloc(TRAIL_MAX + 1);
    _cleanup_close_ int fd = -1;
    ssize_t n;
    int r;

    if (!text)
        return -ENOMEM;
    r = store_open_content(m->slot->d->store, &m->trail, NULL, &fd, err);
    if (r != 0)
        return r;
    n = fd_read_full(fd, text, TRAIL_MAX + 1); /* one more: json_parse refuses it then */
    if (n < 0)
        return (int)n;
    *ret_size = (size_t)n;
    *ret = TAKE_PTR(text);
    return 0;
}

static int write_gpx(struct making *m, size_t i, const char *gpx, struct error *err)
{
    int r = ftruncate(m->files[i], 0) < 0 || lseek(m->files[i], 0, SEEK_SET) < 0 ? -errno : 0;

    r = r < 0 ? r : fd_write_full(m->files[i], gpx, strlen(gpx));
    if (r < 0)
        return error_errno(err, r, DERIVE_TRAIL_NAME, "what was derived cannot be kept");
    m->result.bytes[i] = strlen(gpx);
    return say(m, "how", DERIVE_TRAIL_HOW);
}

static int make(struct making *m, size_t i, struct error *err)
{
    _cleanup_free_ char *text = NULL, *gpx = NULL;
    struct error why = ERROR_INIT;
    char reason[300];
    size_t size = 0;
    int r = find(m, err);

    if (r == BODYWORN_E_NONE)
        return 0;
    r = r != 0 ? r : read_trail(m, &text, &size, err);
    if (r == STORE_E_UNKNOWN || r == STORE_E_DAMAGED) {
        error_clear(err);
        return say(m, "message", "the camera system's GPS trail cannot be read in the archive");
    }
    r = r != 0 ? r : bodyworn_trail_gpx(text, size, &gpx, &why);
    if (r == -EINVAL || r == -ENODATA)
        return say(m, "message", error_format(&why, reason, sizeof reason));
    return r != 0 ? r : write_gpx(m, i, gpx, err);
}

int derive_trail_add(struct making *m, struct error *err)
{
    for (size_t i = 0; i < m->plan.names.n && i < m->n_files; i++)
        if (strcmp(m->plan.names.items[i], DERIVE_TRAIL_NAME) == 0)
            return m->result.bytes[i] > 0 ? 0 : make(m, i, err);
    return 0;
}

/* Something of it came while this job was in hand: once more. */
int derive_trail_check(struct txn *t, struct making *m, struct error *err)
{
    struct recording_id now = {.text = ""};
    int r = bodyworn_trail_of(txn_db(t), &m->job->recording, &now, err);

    if (r != 0 && r != BODYWORN_E_NONE)
        return r;
    for (size_t i = 0; i < m->n_rows; i++)
        if (strcmp(m->rows[i].name, DERIVE_TRAIL_NAME) == 0 && strcmp(m->rows[i].how, DERIVE_TRAIL_HOW) != 0)
            return 0; /* the footage has one of its own */
    if (r == BODYWORN_E_NONE || strcmp(now.text, m->trail.text) == 0)
        return 0;
    return jobs_want_again(txn_db(t), &m->job->recording, m->job->priority, clock_now_usec(), err);
}
