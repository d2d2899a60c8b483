/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Views (see views.h). The list is bounded: who was seen longest ago makes room, which at worst makes two acts of one view. The lock is
 * held while the act is written, so that the requests with which a player begins are one view too.
 */
#include "api/views.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define VIEWS_MAX 1024

struct view {
    char actor[72];
    struct recording_id id;
    int64_t last_usec; /* 0 = a free place */
};

struct views {
    pthread_mutex_t lock;
    struct view list[VIEWS_MAX];
};

struct viewing {
    const char *actor;
    const struct recording_id *id;
    uint64_t from;
};

int views_new(struct views **ret)
{
    struct views *v = calloc(1, sizeof *v);

    if (!v)
        return -ENOMEM;
    pthread_mutex_init(&v->lock, NULL);
    *ret = v;
    return 0;
}

struct views *views_free(struct views *v)
{
    if (!v)
        return NULL;
    pthread_mutex_destroy(&v->lock);
    free(v);
    return NULL;
}

static int record(struct txn *t, void *userdata, struct error *err)
{
    const struct viewing *x = userdata;
    json_t *facts = json_object();

    if (!facts || json_set_integer(facts, "from", (int64_t)x->from) < 0) {
        json_decref(facts);
        return -ENOMEM;
    }
    return txn_act(t, "recording.viewed", x->actor, x->id->text, 0, facts, NULL, err);
}

static struct view *find(struct views *v, const char *actor, const struct recording_id *id)
{
    struct view *oldest = &v->list[0];

    for (size_t i = 0; i < VIEWS_MAX; i++) {
        struct view *one = &v->list[i];

        if (one->last_usec && strcmp(one->id.text, id->text) == 0 && strcmp(one->actor, actor) == 0)
            return one;
        if (one->last_usec < oldest->last_usec)
            oldest = one;
    }
    *oldest = (struct view){.id = *id};
    snprintf(oldest->actor, sizeof oldest->actor, "%s", actor);
    return oldest;
}

int views_record(struct views *v, struct writer *w, const char *actor, const struct recording_id *id,
                 uint64_t from, int64_t now_usec, struct error *err)
{
    struct viewing x = {actor, id, from};
    struct view *one;
    int r = 0;

    pthread_mutex_lock(&v->lock);
    one = find(v, actor, id);
    if (one->last_usec == 0 || now_usec - one->last_usec > VIEWS_GAP_USEC)
        r = writer_run(w, false, record, &x, err);
    if (r == 0)
        one->last_usec = now_usec;
    pthread_mutex_unlock(&v->lock);
    return r;
}
