/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tickets: addresses that a browser on this machine can open without signing in. Each is for one recording and one person, who asked
 * for it over the unix socket; it stands in the address, is 160 random bits, and lives in memory only, so that it ends with the daemon.
 *
 * One ends when the wall clock says so, as its person was told, or when as much time has passed since it was given out: a clock that
 * is set back makes none last longer.
 */
#ifndef LIUHEN_API_TICKETS_H
#define LIUHEN_API_TICKETS_H

#include <sys/types.h>

#include "base/error.h"
#include "base/ulid.h"

#define TICKET_BYTES       20
#define TICKET_SIZE        (2 * TICKET_BYTES + 1) /* hex, with the NUL */
#define TICKETS_MAX        1000
#define TICKETS_PER_PERSON 50 /* one more ends the oldest of that person */

struct tickets;

struct ticket {
    struct recording_id recording;
    uid_t uid; /* whose it is */
    int64_t expires_usec;
};

int tickets_new(struct tickets **ret); /* 0 or -ENOMEM */
struct tickets *tickets_free(struct tickets *t);
DEFINE_CLEANUP(struct tickets *, tickets_free)

/* Now, by both clocks. */
struct ticket_time {
    int64_t wall_usec, boot_usec; /* clock_now_usec(), clock_boottime_usec() */
};

enum ticket_state {
    TICKET_UNKNOWN, /* was never given out, or is forgotten */
    TICKET_ENDED,   /* was good; told only to whoever knows all of it */
    TICKET_GOOD
};

/* A new ticket; its text is nowhere else. Return: 0, -EAGAIN (TICKETS_MAX are good at the moment), other negative errno. */
int tickets_issue(struct tickets *t, const struct ticket *ticket, struct ticket_time now,
                  char ret_text[TICKET_SIZE], struct error *err);

/* Looks a ticket up, in a time that does not depend on its text. *ret: the one that is good. */
enum ticket_state tickets_find(struct tickets *t, const char *text, struct ticket_time now,
                               struct ticket *ret);

/* Ends one; one that is unknown is no fault. */
void tickets_revoke(struct tickets *t, const char *text);

#endif
