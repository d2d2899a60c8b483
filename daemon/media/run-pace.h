/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pace of a running program: it is stopped (SIGSTOP) and continued so that it uses no more than its share of the processor, and while its
 * owner says that it may not run; and its threads are counted, which no limit of the kernel does for one process.
 */
#ifndef LIUHEN_MEDIA_RUN_PACE_H
#define LIUHEN_MEDIA_RUN_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct pace {
    pid_t pid;
    clockid_t clock;
    bool has_clock;
    int status_fd;           /* its /proc/PID/status, or -1 where that cannot be seen */
    unsigned share_permille; /* of one processor; 0: all */
    unsigned threads_max;    /* with its first; 0: not counted */
    int64_t every_usec;      /* how often pace_look should be called */
    int64_t looked_usec, cpu_usec, credit_usec;
    unsigned threads;
    uint64_t peak_bytes; /* of memory, when it was last looked at */
    bool stopped;        /* by us, now */
};

/* Right after its start. Never fails: what cannot be seen is not watched. */
void pace_init(struct pace *p, pid_t pid, unsigned share_permille, unsigned threads_max, int64_t now_usec);
void pace_done(struct pace *p);

/* Looks, and stops or continues. Return: whether it was continued now. */
bool pace_look(struct pace *p, int64_t now_usec, bool may_run);

/* Whether it has more threads than it may. */
static inline bool pace_crowded(const struct pace *p)
{
    return p->threads_max && p->threads > p->threads_max;
}

#endif
