/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stops and continues a program (see run-pace.h). Time on the processor is a credit that grows with the clock and is spent by the process; at
 * most a tenth of a second's growth is kept, so that a pause earns no burst. One thread.
 */
#include "media/run-pace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

#define LOOK_USEC       (250 * USEC_PER_MSEC)
#define LOOK_SHARE_USEC (20 * USEC_PER_MSEC)
#define KEEP_USEC       (100 * USEC_PER_MSEC)

void pace_init(struct pace *p, pid_t pid, unsigned share_permille, unsigned threads_max, int64_t now_usec)
{
    char path[40];

    *p = (struct pace){.pid = pid,
                       .share_permille = share_permille,
                       .threads_max = threads_max,
                       .looked_usec = now_usec,
                       .every_usec = share_permille ? LOOK_SHARE_USEC : LOOK_USEC};
    p->has_clock = clock_getcpuclockid(pid, &p->clock) == 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    /* opened now: with hidepid= it cannot be once the process has locked itself in */
    p->status_fd = open(path, O_RDONLY | O_CLOEXEC);
}

void pace_done(struct pace *p)
{
    if (p->pid > 0)
        fd_closep(&p->status_fd);
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void look_at_status(struct pace *p)
{
    char text[4096];
    ssize_t n = p->status_fd < 0 ? -1 : fd_pread_full(p->status_fd, text, sizeof text - 1, 0);
    uint64_t peak;

    if (n <= 0)
        return;
    text[n] = 0;
    p->threads = (unsigned)number_after(text, "\nThreads:");
    peak = number_after(text, "\nVmHWM:") << 10;
    p->peak_bytes = MAX(p->peak_bytes, peak);
}

/* What the process has used since the last look is taken from its credit. */
static void count(struct pace *p, int64_t passed)
{
    struct timespec t;
    int64_t cpu;

    if (!p->share_permille || !p->has_clock || clock_gettime(p->clock, &t) < 0)
        return;
    cpu = t.tv_sec * USEC_PER_SEC + t.tv_nsec / NSEC_PER_USEC;
    p->credit_usec += passed * p->share_permille / 1000 - (cpu - p->cpu_usec);
    p->credit_usec = MIN(p->credit_usec, KEEP_USEC * p->share_permille / 1000);
    p->cpu_usec = cpu;
}

bool pace_look(struct pace *p, int64_t now_usec, bool may_run)
{
    bool was = p->stopped;

    count(p, now_usec - p->looked_usec);
    p->looked_usec = now_usec;
    look_at_status(p);
    p->stopped = !may_run || p->credit_usec < 0;
    if (p->stopped != was)
        kill(p->pid, p->stopped ? SIGSTOP : SIGCONT);
    return was && !p->stopped;
}
