/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What devices may use up (see doors-internal.h): a bucket of requests that fills by the minute, and the bytes of the day. Only devices
 * that were identified get here, so the list is no longer than the register of devices.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "doors/doors-internal.h"

struct usage {
    char device[ULID_LENGTH + 1];
    int64_t midnight_usec; /* of the day that used belongs to; -1 = not known */
    uint64_t used, counted;
    uint64_t held;       /* by requests in hand */
    int64_t filled_usec; /* when the bucket was filled last; 0 = never, it is full */
    double requests;     /* that are in it */
};

struct limits {
    pthread_mutex_t lock;
    struct usage *list;
    size_t n, room;
};

int limits_new(struct limits **ret)
{
    struct limits *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    pthread_mutex_init(&l->lock, NULL);
    *ret = l;
    return 0;
}

struct limits *limits_free(struct limits *l)
{
    if (!l)
        return NULL;
    pthread_mutex_destroy(&l->lock);
    free(l->list);
    free(l);
    return NULL;
}

/* NULL: no memory. */
static struct usage *find(struct limits *l, const char *device)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->list[i].device, device) == 0)
            return &l->list[i];
    if (l->n == l->room) {
        size_t room = MAX(2 * l->room, (size_t)16);
        struct usage *bigger = reallocarray(l->list, room, sizeof *bigger);
        if (!bigger)
            return NULL;
        l->list = bigger;
        l->room = room;
    }
    l->list[l->n] = (struct usage){.midnight_usec = -1};
    snprintf(l->list[l->n].device, sizeof l->list->device, "%s", device);
    return &l->list[l->n++];
}

/* now_usec: of a clock that never jumps. */
static int64_t take_request(struct usage *u, uint64_t per_minute, int64_t now_usec)
{
    double rate = (double)per_minute / (double)USEC_PER_MIN;

    u->requests = u->filled_usec
                      ? MIN((double)per_minute, u->requests + (double)(now_usec - u->filled_usec) * rate)
                      : (double)per_minute;
    u->filled_usec = now_usec;
    if (u->requests >= 1) {
        u->requests -= 1;
        return 0;
    }
    return MAX(INT64_C(1), (int64_t)((1 - u->requests) / rate / (double)USEC_PER_SEC + 0.999));
}

int64_t limits_request(struct limits *l, const char *device, uint64_t per_minute, int64_t now_usec)
{
    int64_t wait = 0;
    struct usage *u;

    if (per_minute == 0)
        return 0;
    pthread_mutex_lock(&l->lock);
    u = find(l, device);
    if (u)
        wait = take_request(u, per_minute, now_usec);
    pthread_mutex_unlock(&l->lock);
    return wait;
}

bool limits_used(struct limits *l, const char *device, int64_t midnight_usec, uint64_t *ret_bytes,
                 uint64_t *ret_seen)
{
    struct usage *u;
    bool known;

    pthread_mutex_lock(&l->lock);
    u = find(l, device);
    known = u && u->midnight_usec == midnight_usec;
    *ret_bytes = known ? u->used : 0;
    *ret_seen = u ? u->counted : 0;
    pthread_mutex_unlock(&l->lock);
    return known;
}

bool limits_set_used(struct limits *l, const char *device, int64_t midnight_usec, uint64_t bytes,
                     uint64_t seen)
{
    struct usage *u;
    bool same;

    pthread_mutex_lock(&l->lock);
    u = find(l, device);
    same = u && u->counted == seen;
    if (same) {
        u->midnight_usec = midnight_usec;
        u->used = bytes;
    }
    pthread_mutex_unlock(&l->lock);
    return same;
}

bool limits_hold(struct limits *l, const char *device, uint64_t left, uint64_t bytes, uint64_t *held)
{
    struct usage *u;
    uint64_t others;
    bool fits;

    pthread_mutex_lock(&l->lock);
    u = find(l, device);
    others = u ? u->held - (held ? *held : 0) : 0;
    fits = others <= left && bytes <= left - others;
    if (fits && held && u) {
        u->held = others + bytes;
        *held = bytes;
    }
    pthread_mutex_unlock(&l->lock);
    return fits;
}

void limits_release(struct limits *l, const char *device, uint64_t bytes)
{
    struct usage *u;

    pthread_mutex_lock(&l->lock);
    u = find(l, device);
    if (u)
        u->held -= MIN(bytes, u->held);
    pthread_mutex_unlock(&l->lock);
}

void limits_count(struct limits *l, const char *device, int64_t midnight_usec, uint64_t bytes)
{
    struct usage *u;

    pthread_mutex_lock(&l->lock);
    u = find(l, device);
    if (u) {
        u->counted++;
        if (u->midnight_usec == midnight_usec)
            u->used += bytes;
    }
    pthread_mutex_unlock(&l->lock);
}
