/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Starts a locked program (see run-start.h). Every descriptor made here is close-on-exec and lies above all that the program's have, so that
 * moving them to their places overwrites none, and the program gets those and no other.
 */
#include "media/run-start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inject.h"

#define FD_CLEAR (WORKER_FD_FILES + WORKER_FILES_MAX)

/* Our copies of what the program gets, in the order of its descriptors from WORKER_FD_INPUT on; -1: that one is closed. */
struct gifts {
    int fds[FD_CLEAR - WORKER_FD_INPUT];
    size_t n;
};

static void gifts_close(struct gifts *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->fds[i] >= 0)
            close(g->fds[i]);
}

static int give(struct gifts *g, int fd)
{
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_CLEAR);

    if (fd >= 0 && copy < 0)
        return -errno;
    g->fds[g->n++] = copy;
    return 0;
}

/* Sealed: neither side can change it any more. */
static int plan_memfd(const json_t *plan, int *ret)
{
    _cleanup_close_ int fd = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    _cleanup_free_ char *text = NULL;
    int r = 0;

    if (fd < 0)
        return -errno;
    if (plan)
        r = json_canonical(plan, &text);
    if (r == 0 && text && strlen(text) > WORKER_PLAN_BYTES_MAX)
        return -E2BIG;
    if (r == 0)
        r = fd_write_full(fd, text ? text : "{}", text ? strlen(text) : 2);
    if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        r = -errno;
    if (r == 0)
        *ret = TAKE_FD(fd);
    return r;
}

static int set_actions(posix_spawn_file_actions_t *a, const struct gifts *g)
{
    int r = 0;

    for (int fd = 0; r == 0 && fd < (UNDER_ASAN ? 2 : 3); fd++)
        r = posix_spawn_file_actions_addclose(a, fd);
    for (size_t i = 0; r == 0 && i < g->n; i++) {
        int place = WORKER_FD_INPUT + (int)i;

        r = g->fds[i] < 0 ? posix_spawn_file_actions_addclose(a, place)
                          : posix_spawn_file_actions_adddup2(a, g->fds[i], place);
    }
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(a, WORKER_FD_INPUT + (int)g->n);
    return -r;
}

/* Signals as at login, whatever the daemon's threads block or ignore. */
static int set_attributes(posix_spawnattr_t *a)
{
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    r = posix_spawnattr_setsigmask(a, &none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(a, &all);
    if (r == 0)
        r = posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return -r;
}

static int spawn(const char *program, char **argv, const struct gifts *g, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *envp[] = {NULL};
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = -posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = set_attributes(&attributes);
        if (r == 0)
            r = set_actions(&actions, g);
        if (r == 0)
            r = -posix_spawn(ret_pid, program, &actions, &attributes, argv, envp);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* Verb and numbers as worker-frame.c reads them. */
static int spawn_with(const char *program, const struct media_request *request, const struct gifts *g,
                      pid_t *ret_pid)
{
    const struct media_limits *l = &request->limits;
    uint64_t seconds = (uint64_t)(l->deadline_usec / USEC_PER_SEC) + 1;
    const uint64_t numbers[] = {l->memory_bytes,
                                seconds * (l->threads + 1),
                                (uint64_t)RUN_BUDGET(l->deadline_usec),
                                request->n_files,
                                l->threads,
                                l->file_bytes};
    char texts[ARRAY_SIZE(numbers)][24];
    char *argv[ARRAY_SIZE(numbers) + 3] = {(char *)program, (char *)request->verb};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        snprintf(texts[i], sizeof texts[i], "%" PRIu64, numbers[i]);
        argv[2 + i] = texts[i];
    }
    return spawn(program, argv, g, ret_pid);
}

/* Best effort: a program that runs at normal priority is still right. */
static void make_nice(pid_t pid, int nice)
{
    const struct sched_param none = {0};

    if (nice > 0)
        setpriority(PRIO_PROCESS, (id_t)pid, nice);
    if (nice >= 19)
        sched_setscheduler(pid, SCHED_IDLE, &none);
}

int run_start(const char *program, const struct media_request *request, pid_t *ret_pid, int *ret_pipe)
{
    _cleanup_(gifts_close) struct gifts gifts = {.n = 0};
    _cleanup_close_ int plan = -1, reader = -1, writer = -1;
    int ends[2], r = inject_point("media.start");

    if (r < 0)
        return r;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    reader = ends[0];
    writer = ends[1];
    if (fcntl(reader, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    r = plan_memfd(request->plan, &plan);
    if (r == 0)
        r = give(&gifts, request->input);
    if (r == 0)
        r = give(&gifts, writer);
    if (r == 0)
        r = give(&gifts, plan);
    for (size_t i = 0; r == 0 && i < request->n_files; i++)
        r = give(&gifts, request->files[i]);
    if (r == 0)
        r = spawn_with(program, request, &gifts, ret_pid);
    if (r < 0)
        return r;
    make_nice(*ret_pid, request->limits.nice);
    *ret_pipe = TAKE_FD(reader);
    return 0;
}
