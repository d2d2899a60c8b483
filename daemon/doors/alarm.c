/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counting denials (see doors-internal.h): for each address and each device the times of the last ones, as many as make an alarm. So
 * "5 within 10 minutes" is meant exactly, whenever the minutes begin. Who was silent longest gives way to new ones, alarms last; an alarm is
 * raised once and again only after the time has passed without it, and is shown for a day.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "doors/doors-internal.h"

#define WHO_MAX    1024
#define TIMES_MAX  1000 /* settings devices.denials is at most so many */
#define SHOWN_USEC USEC_PER_DAY

struct denied {
    char who[320];  /* "" = a free place */
    int64_t *times; /* a ring of n_times */
    size_t n_times, next;
    int64_t last_usec, total;
    int64_t since_usec; /* of the last alarm; 0 = none */
    bool alarmed;       /* it is on: what follows belongs to it */
};

struct denials {
    pthread_mutex_t lock;
    struct denied list[WHO_MAX];
};

int denials_new(struct denials **ret)
{
    struct denials *d = calloc(1, sizeof *d);

    if (!d)
        return -ENOMEM;
    pthread_mutex_init(&d->lock, NULL);
    *ret = d;
    return 0;
}

struct denials *denials_free(struct denials *d)
{
    if (!d)
        return NULL;
    for (size_t i = 0; i < WHO_MAX; i++)
        free(d->list[i].times);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return NULL;
}

/* Which of two gives way: an alarm that is still shown only when there is nothing else, or made-up names would push it out. */
static bool gives_way(const struct denied *a, const struct denied *b, int64_t now_usec)
{
    bool shown_a = a->since_usec && a->last_usec > now_usec - SHOWN_USEC;
    bool shown_b = b->since_usec && b->last_usec > now_usec - SHOWN_USEC;

    return shown_a != shown_b ? shown_b : a->last_usec < b->last_usec;
}

static struct denied *find(struct denials *d, const char *who, int64_t now_usec)
{
    struct denied *oldest = &d->list[0];

    for (size_t i = 0; i < WHO_MAX; i++) {
        if (strcmp(d->list[i].who, who) == 0)
            return &d->list[i];
        if (gives_way(&d->list[i], oldest, now_usec))
            oldest = &d->list[i];
    }
    free(oldest->times);
    *oldest = (struct denied){.who = ""};
    snprintf(oldest->who, sizeof oldest->who, "%s", who);
    return oldest;
}

/* The ring holds as many as make an alarm; another number in the settings begins it anew. */
static bool prepare(struct denied *e, const struct settings *s)
{
    size_t n = (size_t)MIN(s->devices.denials, (int64_t)TIMES_MAX);

    if (e->n_times == n)
        return true;
    free(e->times);
    e->times = calloc(n, sizeof *e->times);
    e->n_times = e->times ? n : 0;
    e->next = 0;
    return e->times;
}

bool denials_count(struct denials *d, const struct settings *s, const char *who, int64_t now_usec,
                   int64_t *ret_n)
{
    int64_t from = now_usec - s->devices.denials_usec;
    struct denied *e;
    bool raised;

    *ret_n = 0;
    pthread_mutex_lock(&d->lock);
    e = find(d, who, now_usec);
    e->alarmed &= e->last_usec > from;
    e->last_usec = now_usec;
    e->total++;
    if (prepare(e, s)) {
        e->times[e->next] = now_usec;
        e->next = (e->next + 1) % e->n_times;
        for (size_t i = 0; i < e->n_times; i++)
            *ret_n += e->times[i] > from;
    }
    raised = !e->alarmed && *ret_n > 0 && (size_t)*ret_n == e->n_times;
    e->alarmed |= raised;
    if (raised)
        e->since_usec = now_usec;
    pthread_mutex_unlock(&d->lock);
    return raised;
}

static int add_alarm(json_t *list, const struct denied *e)
{
    json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    r = r != 0 ? r : json_set_string(o, "who", e->who);
    r = r != 0 ? r : json_set_integer(o, "denials", e->total);
    r = r != 0 ? r : json_set_integer(o, "since", e->since_usec);
    r = r != 0 ? r : json_set_integer(o, "last", e->last_usec);
    if (r != 0) {
        json_decref(o);
        return r;
    }
    return json_array_append_new(list, o) < 0 ? -ENOMEM : 0;
}

json_t *denials_alarms(struct denials *d, int64_t now_usec)
{
    json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;

    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < WHO_MAX && r == 0; i++)
        if (d->list[i].since_usec && d->list[i].last_usec > now_usec - SHOWN_USEC)
            r = add_alarm(list, &d->list[i]);
    pthread_mutex_unlock(&d->lock);
    return list;
}
