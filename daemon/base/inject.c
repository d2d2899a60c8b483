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

struct trap {
    char after[64], name[64]; /* after "" = from the beginning */
    long at;                  /* 0 = none */
    atomic_bool armed;
    atomic_long seen;
};

static struct {
    struct trap kill, fail;
    bool fail_on;
    int fail_errno;
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

/* "after>name" or "name". */
static void read_trap(struct trap *t, const char *text, size_t n, const char *count)
{
    const char *mark = memchr(text, '>', n);
    size_t skip = mark ? (size_t)(mark - text) + 1 : 0;

    if (mark)
        copy_name(t->after, sizeof t->after, text, skip - 1);
    copy_name(t->name, sizeof t->name, text + skip, n - skip);
    t->at = count ? strtol(count + 1, NULL, 10) : 1;
    atomic_store(&t->armed, !mark);
}

static void read_plan(void)
{
    const char *k = getenv("LIUHEN_KILL_AT"), *f = getenv("LIUHEN_FAIL_AT"), *eq, *colon;

    if (k) {
        colon = strchr(k, ':');
        read_trap(&plan.kill, k, colon ? (size_t)(colon - k) : strlen(k), colon);
    }
    if (f && (eq = strchr(f, '='))) {
        colon = strchr(eq, ':');
        read_trap(&plan.fail, f, (size_t)(eq - f), colon);
        plan.fail_errno = errno_from_name(eq + 1, colon ? (size_t)(colon - eq - 1) : strlen(eq + 1));
        plan.fail_on = colon && strchr(colon, '+');
    }
}

/* How often this point has been passed since the trap counts; 0 = it is another, or not yet. */
static long pass(struct trap *t, const char *name)
{
    if (!t->at)
        return 0;
    if (!atomic_load(&t->armed)) {
        if (strcmp(name, t->after) == 0)
            atomic_store(&t->armed, true);
        return 0;
    }
    return strcmp(name, t->name) == 0 ? atomic_fetch_add(&t->seen, 1) + 1 : 0;
}

int inject_point(const char *name)
{
    long n;

    pthread_once(&plan_once, read_plan);
    n = pass(&plan.kill, name);
    if (n && n == plan.kill.at)
        kill(getpid(), SIGKILL);
    n = pass(&plan.fail, name);
    return n && (n == plan.fail.at || (plan.fail_on && n > plan.fail.at)) ? -plan.fail_errno : 0;
}
#else
typedef int inject_is_off;
#endif
