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
    struct ticket ticket;
    int64_t boot_usec; /* ends no later than this by the other clock; 0: has ended */
    uint64_t number;   /* in the order they were given out; 0: nothing here */
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

static bool is_good(const struct place *p, struct ticket_time now)
{
    return p->ticket.expires_usec > now.wall_usec && p->boot_usec > now.boot_usec;
}

/* Where a new one goes: in place of the person's oldest when they have all they may, else to a free place. NULL: there is none. */
static struct place *choose(struct tickets *t, uid_t uid, struct ticket_time now)
{
    struct place *free_place = NULL, *oldest = NULL;
    size_t theirs = 0;

    for (size_t i = 0; i < TICKETS_MAX; i++) {
        struct place *p = &t->list[i];

        if (!is_good(p, now)) {
            free_place =
                free_place && free_place->number <= p->number ? free_place : p; /* the longest ended */
        } else if (p->ticket.uid == uid) {
            theirs++;
            if (!oldest || p->number < oldest->number)
                oldest = p;
        }
    }
    return theirs >= TICKETS_PER_PERSON ? oldest : free_place;
}

int tickets_issue(struct tickets *t, const struct ticket *ticket, struct ticket_time now,
                  char ret_text[TICKET_SIZE], struct error *err)
{
    uint8_t secret[TICKET_BYTES];
    struct place *p;

    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return -EIO;
    pthread_mutex_lock(&t->lock);
    p = choose(t, ticket->uid, now);
    if (p) {
        *p = (struct place){.ticket = *ticket,
                            .boot_usec = now.boot_usec + (ticket->expires_usec - now.wall_usec),
                            .number = ++t->given};
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

/* The place of a secret, TICKETS_MAX when there is none; all are looked at. */
static size_t find(const struct tickets *t, const uint8_t *secret)
{
    size_t at = 0;
    uint8_t any = 0;

    for (size_t i = 0; i < TICKETS_MAX; i++) {
        uint8_t used = t->list[i].number ? 0xff : 0;
        uint8_t mask = same(t->list[i].secret, secret) & used;

        any |= mask;
        at |= i & (size_t)(mask * (SIZE_MAX / 0xff));
    }
    return any ? at : TICKETS_MAX;
}

enum ticket_state tickets_find(struct tickets *t, const char *text, struct ticket_time now,
                               struct ticket *ret)
{
    enum ticket_state state = TICKET_UNKNOWN;
    uint8_t secret[TICKET_BYTES];
    size_t at;

    if (decode_hex(text, secret, sizeof secret) < 0)
        return TICKET_UNKNOWN;
    pthread_mutex_lock(&t->lock);
    at = find(t, secret);
    if (at < TICKETS_MAX)
        state = is_good(&t->list[at], now) ? TICKET_GOOD : TICKET_ENDED;
    if (state == TICKET_GOOD)
        *ret = t->list[at].ticket;
    pthread_mutex_unlock(&t->lock);
    return state;
}

void tickets_revoke(struct tickets *t, const char *text)
{
    uint8_t secret[TICKET_BYTES];
    size_t at;

    if (decode_hex(text, secret, sizeof secret) < 0)
        return;
    pthread_mutex_lock(&t->lock);
    at = find(t, secret);
    if (at < TICKETS_MAX)
        t->list[at].boot_usec = 0;
    pthread_mutex_unlock(&t->lock);
}
