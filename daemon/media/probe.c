/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client of liuhen-media (see probe.h). Thread-safe: no state is shared between calls; every descriptor made here is close-on-exec,
 * and the worker gets exactly two of them. The process is followed by its pidfd, so nobody else's child can be meant.
 */
#include "media/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/inject.h"
#include "media/probe-facts.h"

#define DEADLINE_DEFAULT (60 * USEC_PER_SEC)
#define MEMORY_DEFAULT   (UINT64_C(3) << 29)
#define ATTEMPTS         2
#define BUDGET_OF(usec)                                                                                      \
    ((usec) / 10 * 8) /* the worker's own end, which leaves it time to say what it knows */
#define FD_CLEAR 10   /* our copies of the two descriptors lie above all that the worker's have */

/* One run of the worker. */
struct run {
    pid_t pid;
    int pidfd;
    int pipe;   /* its answer */
    char *text; /* FACTS_ANSWER_MAX + 1 bytes */
    size_t size;
    int64_t deadline_usec;    /* monotonic */
    int64_t budget_left_usec; /* how long before it the worker is to finish by itself */
    int status;               /* as waitid gives it */
    int code;                 /* CLD_EXITED, … */
    bool late, flooded;
};

const char *probe_status_name(enum probe_status s)
{
    static const char *const names[] = {"ok", "damaged", "unknown"};

    return (size_t)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

void probe_result_done(struct probe_result *r)
{
    json_decref(r->media);
    *r = (struct probe_result){0};
}

static void kill_worker(struct run *run)
{
    kill(run->pid, SIGKILL); /* not yet waited for, so the number is still its own */
}

/* Kills what still runs, takes its status and frees. Safe on a run that never started. */
static void run_done(struct run *run)
{
    siginfo_t info;

    if (run->pid > 0) {
        kill_worker(run);
        while (waitid(P_PID, (id_t)run->pid, &info, WEXITED) < 0 && errno == EINTR)
            ;
    }
    fd_closep(&run->pidfd);
    fd_closep(&run->pipe);
    free(run->text);
}

static int set_actions(posix_spawn_file_actions_t *a, int input, int output)
{
    int r = posix_spawn_file_actions_adddup2(a, input, WORKER_FD_INPUT);

    if (r == 0)
        r = posix_spawn_file_actions_adddup2(a, output, WORKER_FD_OUTPUT);
    for (int fd = 0; r == 0 && fd < 2; fd++)
        r = posix_spawn_file_actions_addclose(a, fd);
    if (r == 0 && !UNDER_ASAN)
        r = posix_spawn_file_actions_addclose(a, 2);
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(a, WORKER_FD_OUTPUT + 1);
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

static int spawn_with(const struct probe_options *o, int input, int output, pid_t *ret_pid)
{
    char memory[24], cpu[24], budget[24];
    char *argv[] = {(char *)o->worker, (char *)"probe", memory, cpu, budget, NULL};
    char *envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r;

    snprintf(memory, sizeof memory, "%" PRIu64, o->memory_bytes);
    snprintf(cpu, sizeof cpu, "%" PRId64, o->deadline_usec / USEC_PER_SEC + 1);
    snprintf(budget, sizeof budget, "%" PRId64, BUDGET_OF(o->deadline_usec));
    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = set_attributes(&attributes);
        if (r == 0)
            r = set_actions(&actions, input, output);
        if (r == 0)
            r = -posix_spawn(ret_pid, o->worker, &actions, &attributes, argv, envp);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r > 0 ? -r : r;
}

/* Best effort: a worker that runs at normal priority is still right. */
static void make_nice(pid_t pid, int nice)
{
    const struct sched_param none = {0};

    if (nice > 0)
        setpriority(PRIO_PROCESS, (id_t)pid, nice);
    if (nice >= 19)
        sched_setscheduler(pid, SCHED_IDLE, &none);
}

static int run_start(struct run *run, int fd, const struct probe_options *o)
{
    _cleanup_close_ int input = -1, output = -1;
    int ends[2], r;

    r = inject_point("probe.start");
    if (r < 0)
        return r;
    run->text = malloc(FACTS_ANSWER_MAX + 1);
    if (!run->text)
        return -ENOMEM;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    run->pipe = ends[0];
    output = fcntl(ends[1], F_DUPFD_CLOEXEC, FD_CLEAR);
    r = output < 0 ? -errno : 0;
    close(ends[1]);
    if (r < 0)
        return r;
    input = fcntl(fd, F_DUPFD_CLOEXEC, FD_CLEAR);
    if (input < 0 || fcntl(run->pipe, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    run->deadline_usec = clock_monotonic_usec() + o->deadline_usec;
    run->budget_left_usec = o->deadline_usec - BUDGET_OF(o->deadline_usec);
    r = spawn_with(o, input, output, &run->pid);
    if (r < 0) {
        run->pid = 0;
        return r;
    }
    make_nice(run->pid, o->nice);
    run->pidfd = pidfd_open(run->pid, 0);
    return run->pidfd < 0 ? -errno : 0;
}

/* Takes what is in the pipe. Return: whether more may come. */
static bool run_read(struct run *run)
{
    for (;;) {
        ssize_t n = read(run->pipe, run->text + run->size, FACTS_ANSWER_MAX + 1 - run->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        run->size += (size_t)n;
        if (run->size > FACTS_ANSWER_MAX) {
            run->flooded = true;
            return false;
        }
    }
}

/* Milliseconds to the deadline, rounded up; 0 when it has passed. */
static int time_left(const struct run *run)
{
    int64_t left = run->deadline_usec - clock_monotonic_usec();

    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, (int64_t)INT32_MAX);
}

/* Reads until the worker is dead, killing it at the deadline or when it floods. Return: 0 or negative errno; run_done kills what
 * is then still there. */
static int run_follow(struct run *run, int stop_fd)
{
    struct pollfd fds[3] = {{.fd = run->pidfd, .events = POLLIN},
                            {.fd = run->pipe, .events = POLLIN},
                            {.fd = stop_fd > 0 ? stop_fd : -1, .events = POLLIN}};
    siginfo_t info = {0};

    for (;;) {
        int left = time_left(run), n = left ? poll(fds, ARRAY_SIZE(fds), left) : 0;

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && fds[2].revents)
            return -ECANCELED;
        if (fds[1].fd >= 0 && n > 0 && fds[1].revents && !run_read(run))
            fds[1].fd = -1; /* end of the answer; the process may still be ending */
        if (n > 0 && (fds[0].revents & POLLIN))
            break;
        run->late = n == 0 && time_left(run) == 0;
        if (run->late || run->flooded) {
            kill_worker(run);
            break;
        }
    }
    while (waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED) < 0)
        if (errno != EINTR)
            return -errno;
    run->pid = 0;
    run->status = info.si_status;
    run->code = info.si_code;
    if (fds[1].fd >= 0)
        run_read(run);
    return 0;
}

static const char *signal_reason(int sig)
{
    switch (sig) {
    case SIGSYS:
        return " (forbidden system call)";
    case SIGXCPU:
        return " (too much processor time)";
    case SIGSEGV:
    case SIGBUS:
        return " (bad memory access)";
    case SIGABRT:
        return " (it gave up on an inner fault)";
    case SIGXFSZ:
        return " (it tried to write a file)";
    default:
        return "";
    }
}

/* Says in words how a run failed. Return: false when it did not fail. */
static bool describe_failure(const struct run *run, const struct probe_options *o, char *out, size_t size)
{
    const char *abbreviation = sigabbrev_np(run->status);

    if (run->late)
        snprintf(out, size, "media worker did not finish within %" PRId64 " s and was stopped",
                 (o->deadline_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
    else if (run->flooded)
        snprintf(out, size, "media worker wrote more than %d bytes and was stopped", FACTS_ANSWER_MAX);
    else if (run->code != CLD_EXITED)
        snprintf(out, size, "media worker was killed by SIG%s%s", abbreviation ? abbreviation : "?",
                 signal_reason(run->status));
    else if (run->status == WORKER_EXIT_MEMORY)
        snprintf(out, size, "media worker ran out of memory (%" PRIu64 " MiB allowed)",
                 o->memory_bytes >> 20);
    else if (run->status != WORKER_EXIT_OK)
        snprintf(out, size, "media worker ended with exit status %d", run->status);
    else
        return false;
    return true;
}

/* The endings that say nothing about the file: the worker is not there, or cannot be trusted to run. */
static int check_installation(const struct run *run, const char *worker, struct error *err)
{
    if (run->code != CLD_EXITED || run->late || run->flooded)
        return 0;
    if (run->status == WORKER_EXIT_LOCK)
        return error_set(
            err, -ENOSYS, worker,
            "the media worker could not lock itself in (seccomp is needed) and so refuses to read anything");
    if (run->status == 127 || run->status == WORKER_EXIT_USAGE)
        return error_set(err, -ENOEXEC, worker,
                         "this is not a liuhen-media that can run here (exit status %d)", run->status);
    return 0;
}

/* One attempt. Return: 0 with *ret filled; 1 with why the worker failed in reason; negative errno. */
static int attempt(int fd, const struct probe_options *o, struct probe_result *ret, char *reason, size_t size,
                   struct error *err)
{
    _cleanup_(run_done) struct run run = {.pidfd = -1, .pipe = -1};
    struct error bad = ERROR_INIT;
    int r = run_start(&run, fd, o);

    if (r == 0)
        r = run_follow(&run, o->stop_fd);
    if (r < 0)
        return error_errno(err, r, o->worker, "cannot run the media worker");
    r = check_installation(&run, o->worker, err);
    if (r < 0)
        return r;
    if (describe_failure(&run, o, reason, size))
        return 1;
    r = probe_facts_read(run.text, run.size, ret, &bad);
    if (r == -ENOMEM)
        return error_errno(err, r, o->worker, "cannot take the media worker's answer");
    if (r == 0 && o->nice > 0 && clock_monotonic_usec() > run.deadline_usec - run.budget_left_usec) {
        probe_result_done(ret); /* its own time ran out, perhaps only for want of a processor */
        return 1;
    }
    if (r < 0)
        snprintf(reason, size, "media worker gave no valid answer: %.200s", bad.text);
    return r < 0 ? 1 : 0;
}

int probe_file(int fd, const struct probe_options *options, struct probe_result *ret, struct error *err)
{
    struct probe_options o = *options;
    char reason[sizeof ret->message] = "";
    struct stat st;
    int r = 1;

    if (o.deadline_usec <= 0)
        o.deadline_usec = DEADLINE_DEFAULT;
    if (o.memory_bytes == 0)
        o.memory_bytes = MEMORY_DEFAULT;
    if (fstat(fd, &st) < 0)
        return error_errno(err, -errno, NULL, "cannot look at the file");
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, NULL, "not a regular file; only those are examined");
    for (int i = 0; r == 1 && i < ATTEMPTS; i++, o.nice = 0)
        r = attempt(fd, &o, ret, reason, sizeof reason, err);
    if (r <= 0)
        return r;
    *ret = (struct probe_result){.status = PROBE_DAMAGED, .kind = "data", .media = json_object()};
    snprintf(ret->message, sizeof ret->message, "%s", reason);
    return ret->media ? 0 : error_errno(err, -ENOMEM, NULL, "cannot note how the media worker died");
}
