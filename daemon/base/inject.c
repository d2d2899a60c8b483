/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Injected stops and failures (see inject.h). The environment is read once; counters are atomic.
 */
#include "base/inject.h"

#ifdef LIUHEN_INJECT
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char kill_name[64], fail_name[64];
    long kill_at, fail_at;
    bool fail_on;
    int fail_errno;
    atomic_long kill_seen, fail_seen;
} plan;
static pthread_once_t plan_once = PTHREAD_ONCE_INIT;

static int errno_from_name(const char *s, size_t n)
{
    static const struct {
        const char *name;
        int value;
    } known[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM},
                 {"EACCES", EACCES}, {"EROFS", EROFS},   {"EBUSY", EBUSY},   {"EDQUOT", EDQUOT},
                 {"EPERM", EPERM},   {"ENOENT", ENOENT}, {"EXDEV", EXDEV},   {"EOPNOTSUPP", EOPNOTSUPP}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == n && strncmp(known[i].name, s, n) == 0)
            return known[i].value;
    return EIO;
}

static void copy_name(char *to, size_t size, const char *from, size_t n)
{
    n = n < size - 1 ? n : size - 1;
    memcpy(to, from, n);
    to[n] = 0;
}

static void read_plan(void)
{
    const char *k = getenv("LIUHEN_KILL_AT"), *f = getenv("LIUHEN_FAIL_AT"), *eq, *colon;

    if (k) {
        colon = strchr(k, ':');
        copy_name(plan.kill_name, sizeof plan.kill_name, k, colon ? (size_t)(colon - k) : strlen(k));
        plan.kill_at = colon ? strtol(colon + 1, NULL, 10) : 1;
    }
    if (f && (eq = strchr(f, '='))) {
        colon = strchr(eq, ':');
        copy_name(plan.fail_name, sizeof plan.fail_name, f, (size_t)(eq - f));
        plan.fail_errno = errno_from_name(eq + 1, colon ? (size_t)(colon - eq - 1) : strlen(eq + 1));
        plan.fail_at = colon ? strtol(colon + 1, NULL, 10) : 1;
        plan.fail_on = colon && strchr(colon, '+');
    }
}

int inject_point(const char *name)
{
    pthread_once(&plan_once, read_plan);
    if (plan.kill_at && strcmp(name, plan.kill_name) == 0 &&
        atomic_fetch_add(&plan.kill_seen, 1) + 1 == plan.kill_at)
        kill(getpid(), SIGKILL);
    if (plan.fail_at && strcmp(name, plan.fail_name) == 0) {
        long n = atomic_fetch_add(&plan.fail_seen, 1) + 1;
        if (n == plan.fail_at || (plan.fail_on && n > plan.fail_at))
            return -plan.fail_errno;
    }
    return 0;
}
#else
typedef int inject_is_off;
#endif
