/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A feed of texts in a ring (see feed.h).
 */
#include "base/feed.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

struct feed {
    pthread_mutex_t lock;
    pthread_cond_t more;
    char *lines[FEED_KEEP];
    uint64_t next; /* number of the next line; line n is at n % FEED_KEEP */
    bool closed;
};

int feed_new(struct feed **ret)
{
    struct feed *f = calloc(1, sizeof *f);
    pthread_condattr_t attr;

    if (!f)
        return -ENOMEM;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->more, &attr);
    pthread_condattr_destroy(&attr);
    *ret = f;
    return 0;
}

struct feed *feed_free(struct feed *f)
{
    if (!f)
        return NULL;
    for (size_t i = 0; i < FEED_KEEP; i++)
        free(f->lines[i]);
    pthread_cond_destroy(&f->more);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return NULL;
}

void feed_add(struct feed *f, json_t *line)
{
    _cleanup_json_ json_t *owned = line;
    char *text = NULL;

    if (!f || !line || json_canonical(line, &text) < 0)
        return;
    pthread_mutex_lock(&f->lock);
    free(f->lines[f->next % FEED_KEEP]);
    f->lines[f->next++ % FEED_KEEP] = text;
    pthread_cond_broadcast(&f->more);
    pthread_mutex_unlock(&f->lock);
}

uint64_t feed_position(struct feed *f)
{
    uint64_t n;

    pthread_mutex_lock(&f->lock);
    n = f->next;
    pthread_mutex_unlock(&f->lock);
    return n;
}

int feed_next(struct feed *f, uint64_t *position, int64_t timeout_usec, char **ret_line, uint64_t *ret_missed)
{
    struct timespec until;
    int r = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_usec / USEC_PER_SEC;
    until.tv_nsec += timeout_usec % USEC_PER_SEC * NSEC_PER_USEC;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;

    pthread_mutex_lock(&f->lock);
    while (f->next <= *position && !f->closed && r == 0)
        r = pthread_cond_timedwait(&f->more, &f->lock, &until);
    if (f->closed) {
        r = -EPIPE;
    } else if (f->next <= *position) {
        r = 0;
    } else {
        uint64_t oldest = f->next > FEED_KEEP ? f->next - FEED_KEEP : 0;
        *ret_missed = *position < oldest ? oldest - *position : 0;
        *position = MAX(*position, oldest);
        *ret_line = strdup(f->lines[*position % FEED_KEEP]);
        r = *ret_line ? 1 : -ENOMEM;
        (*position)++;
    }
    pthread_mutex_unlock(&f->lock);
    return r;
}

void feed_close(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->closed = true;
    pthread_cond_broadcast(&f->more);
    pthread_mutex_unlock(&f->lock);
}
