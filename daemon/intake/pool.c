/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Thread pool (see pool.h).
 */
#include "intake/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

struct work {
    struct work *next;
    void (*run)(void *userdata);
    void *userdata;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct work *head, **tail;
    bool stopping;
    unsigned n;
    pthread_t threads[64];
};

static void *pool_thread(void *userdata)
{
    struct pool *p = userdata;

    for (;;) {
        struct work *work;

        pthread_mutex_lock(&p->lock);
        while (!p->head && !p->stopping)
            pthread_cond_wait(&p->more, &p->lock);
        work = p->head;
        if (work) {
            p->head = work->next;
            if (!p->head)
                p->tail = &p->head;
        }
        pthread_mutex_unlock(&p->lock);
        if (!work)
            return NULL;
        work->run(work->userdata);
        free(work);
    }
}

int pool_new(unsigned threads, struct pool **ret)
{
    struct pool *p = calloc(1, sizeof *p);
    int r = 0;

    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->tail = &p->head;
    threads = MAX(1u, MIN(threads, (unsigned)ARRAY_SIZE(p->threads)));
    while (p->n < threads && (r = pthread_create(&p->threads[p->n], NULL, pool_thread, p)) == 0)
        p->n++;
    if (p->n == 0) {
        pool_free(p);
        return -r;
    }
    *ret = p;
    return 0;
}

struct pool *pool_free(struct pool *p)
{
    if (!p)
        return NULL;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

int pool_add(struct pool *p, void (*run)(void *userdata), void *userdata)
{
    struct work *work = malloc(sizeof *work);

    if (!work)
        return -ENOMEM;
    *work = (struct work){NULL, run, userdata};
    pthread_mutex_lock(&p->lock);
    *p->tail = work;
    p->tail = &work->next;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
    return 0;
}
