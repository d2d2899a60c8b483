/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pool of read connections (see readers.h). A slot is taken under the lock, its connection opened and closed outside it.
 */
#include "catalogue/readers.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "catalogue/schema.h"

struct slot {
    struct db *db;
    bool taken;
    unsigned uses;
};

struct readers {
    char *dsn;
    pthread_mutex_t lock;
    pthread_cond_t free_slot;
    struct slot slots[READERS_MAX];
};

int readers_new(const char *dsn, struct readers **ret)
{
    struct readers *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->dsn = strdup(dsn);
    if (!r->dsn) {
        free(r);
        return -ENOMEM;
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->free_slot, NULL);
    *ret = r;
    return 0;
}

struct readers *readers_free(struct readers *r)
{
    if (!r)
        return NULL;
    for (size_t i = 0; i < READERS_MAX; i++)
        db_close(r->slots[i].db);
    pthread_cond_destroy(&r->free_slot);
    pthread_mutex_destroy(&r->lock);
    free(r->dsn);
    free(r);
    return NULL;
}

/* An open one if possible, else an empty one. */
static struct slot *find_slot(struct readers *r)
{
    struct slot *empty = NULL;

    for (size_t i = 0; i < READERS_MAX; i++) {
        struct slot *s = &r->slots[i];
        if (!s->taken && s->db)
            return s;
        if (!s->taken && !empty)
            empty = s;
    }
    return empty;
}

int readers_take(struct readers *r, struct db **ret, struct error *err)
{
    struct db *db = NULL;
    struct slot *s;
    int status = 0;

    pthread_mutex_lock(&r->lock);
    while (!(s = find_slot(r)))
        pthread_cond_wait(&r->free_slot, &r->lock);
    s->taken = true;
    pthread_mutex_unlock(&r->lock);

    db = s->db; /* nobody else touches a taken slot's db but under the lock */
    if (!db)
        status = catalogue_open(r->dsn, DB_READ, &db, err);
    pthread_mutex_lock(&r->lock);
    s->uses = s->db ? s->uses + 1 : 1;
    s->db = db;
    s->taken = status == 0;
    if (status != 0)
        pthread_cond_signal(&r->free_slot);
    pthread_mutex_unlock(&r->lock);
    if (status == 0)
        *ret = db;
    return status;
}

void readers_give(struct readers *r, struct db *db, bool broken)
{
    struct db *old = NULL;
    struct slot *s = NULL;
    unsigned idle = 0;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < READERS_MAX; i++) {
        if (r->slots[i].db == db)
            s = &r->slots[i];
        else if (r->slots[i].db && !r->slots[i].taken)
            idle++;
    }
    if (broken || idle >= READERS_IDLE || s->uses >= READERS_USES_MAX)
        old = TAKE_PTR(s->db);
    s->taken = false;
    pthread_cond_signal(&r->free_slot);
    pthread_mutex_unlock(&r->lock);
    db_close(old);
}
