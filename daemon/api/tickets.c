/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of tickets (see tickets.h). Every look-up compares the text with every place of the table, used or not, without leaving
 * early: how long it takes says nothing of how much of a guess was right.
 */
#include "api/tickets.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/encode.h"

struct place {
    uint8_t secret[TICKET_BYTES];
    struct ticket ticket; /* expires_usec 0: nothing here */
    uint64_t number;      /* in the order they were given out */
};

struct tickets {
    pthread_mutex_t lock;
    uint64_t given;
    struct place list[TICKETS_MAX];
};

int tickets_new(struct tickets **ret)
{
    struct tickets *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    *ret = t;
    return 0;
}

struct tickets *tickets_free(struct tickets *t)
{
    if (!t)
        return NULL;
    pthread_mutex_destroy(&t->lock);
    explicit_bzero(t, sizeof *t);
    free(t);
    return NULL;
}

/* Where a new one goes: in place of the person's oldest when they have all they may, else to a free place. NULL: there is none. */
static struct place *choose(struct tickets *t, uid_t uid, int64_t now_usec)
{
    struct place *free_place = NULL, *oldest = NULL;
    size_t theirs = 0;

    for (size_t i = 0; i < TICKETS_MAX; i++) {
        struct place *p = &t->list[i];

        if (p->ticket.expires_usec <= now_usec) {
            free_place = free_place ? free_place : p;
        } else if (p->ticket.uid == uid) {
            theirs++;
            if (!oldest || p->number < oldest->number)
                oldest = p;
        }
    }
    return theirs >= TICKETS_PER_PERSON ? oldest : free_place;
}

int tickets_issue(struct tickets *t, const struct ticket *ticket, int64_t now_usec,
                  char ret_text[TICKET_SIZE], struct error *err)
{
    uint8_t secret[TICKET_BYTES];
    struct place *p;

    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return -EIO;
    pthread_mutex_lock(&t->lock);
    p = choose(t, ticket->uid, now_usec);
    if (p) {
        *p = (struct place){.ticket = *ticket, .number = ++t->given};
        memcpy(p->secret, secret, sizeof secret);
        encode_hex(secret, sizeof secret, ret_text);
    }
    pthread_mutex_unlock(&t->lock);
    explicit_bzero(secret, sizeof secret);
    if (!p)
        return error_set(err, -EAGAIN, "",
                         "%d addresses are given out and still good; try again when some have ended",
                         TICKETS_MAX);
    return 0;
}

/* 0xff where both are the same, else 0; no branch depends on what differs. */
static uint8_t same(const uint8_t *a, const uint8_t *b)
{
    unsigned differs = 0;

    for (size_t i = 0; i < TICKET_BYTES; i++)
        differs |= (unsigned)(a[i] ^ b[i]);
    return (uint8_t)((differs - 1) >> 8);
}

/* The place of a secret that is good now, TICKETS_MAX when there is none. */
static size_t find(const struct tickets *t, const uint8_t *secret, int64_t now_usec)
{
    size_t at = 0;
    uint8_t any = 0;

    for (size_t i = 0; i < TICKETS_MAX; i++) {
        uint8_t good = t->list[i].ticket.expires_usec > now_usec ? 0xff : 0;
        uint8_t mask = same(t->list[i].secret, secret) & good;

        any |= mask;
        at |= i & (size_t)(mask * (SIZE_MAX / 0xff));
    }
    return any ? at : TICKETS_MAX;
}

bool tickets_find(struct tickets *t, const char *text, int64_t now_usec, struct ticket *ret)
{
    uint8_t secret[TICKET_BYTES];
    size_t at;

    if (decode_hex(text, secret, sizeof secret) < 0)
        return false;
    pthread_mutex_lock(&t->lock);
    at = find(t, secret, now_usec);
    if (at < TICKETS_MAX)
        *ret = t->list[at].ticket;
    pthread_mutex_unlock(&t->lock);
    return at < TICKETS_MAX;
}

void tickets_revoke(struct tickets *t, const char *text)
{
    uint8_t secret[TICKET_BYTES];
    size_t at;

    if (decode_hex(text, secret, sizeof secret) < 0)
        return;
    pthread_mutex_lock(&t->lock);
    at = find(t, secret, 0);
    if (at < TICKETS_MAX)
        explicit_bzero(&t->list[at], sizeof t->list[at]);
    pthread_mutex_unlock(&t->lock);
}
