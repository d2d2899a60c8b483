/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client of the locked programs (see run.h). The process is followed by its pidfd, so nobody else's child can be meant. While it runs, this
 * thread looks at it a few times a second: the processor time it has used, the threads it has, whether it may go on.
 */
#include "media/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/inject.h"
#include "media/run-answer.h"
#include "media/run-messages.h"
#include "media/run-pace.h"
#include "media/run-start.h"

#define DEADLINE_DEFAULT (60 * USEC_PER_SEC)
#define SILENCE_DEFAULT  (30 * USEC_PER_SEC)
#define MEMORY_DEFAULT   (UINT64_C(3) << 29)
#define ROOM_WANTED      (1 << 20)

/* One run. */
struct run {
    const struct media_request *request;
    struct media_limits limits; /* with the defaults filled in */
    char program[4096];
    pid_t pid;
    int pidfd, pipe;
    struct messages *messages;
    struct pace pace;
    int64_t began_usec, looked_usec; /* monotonic */
    int64_t spent_usec, quiet_usec;  /* while it was not stopped: since the start, since its last message */
    int status, code;                /* as waitid gives it: si_status, CLD_EXITED, … */
    struct rusage usage;
    enum { ALIVE, LATE, SILENT, FAULTY, CROWDED } killed; /* by us, why */
};

const char *media_status_name(enum media_status s)
{
    static const char *const names[] = {"ok", "damaged", "unknown", "failed"};

    return (size_t)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

void media_result_done(struct media_result *r)
{
    json_decref(r->answer);
    *r = (struct media_result){0};
}

static int wait_end(struct run *run)
{
    siginfo_t info = {0};

    while (syscall(SYS_waitid, P_PID, run->pid, &info, WEXITED, &run->usage) < 0)
        if (errno != EINTR)
            return -errno;
    run->pid = 0;
    run->status = info.si_status;
    run->code = info.si_code;
    return 0;
}

static void kill_process(struct run *run)
{
    kill(run->pid, SIGKILL); /* not yet waited for, so the number is still its own */
}

/* Kills what still runs, takes its status and frees. Safe on a run that never started. */
static void run_done(struct run *run)
{
    if (run->pid > 0) {
        kill_process(run);
        wait_end(run);
    }
    pace_done(&run->pace);
    fd_closep(&run->pidfd);
    fd_closep(&run->pipe);
    free(run->messages);
}

/* Takes what is in the pipe. Return: whether more may come. */
static bool take_messages(struct run *run)
{
    char block[4096];

    for (;;) {
        ssize_t n = read(run->pipe, block, sizeof block);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (!messages_take(run->messages, block, (size_t)n, clock_monotonic_usec() - run->began_usec)) {
            run->killed = FAULTY;
            return false;
        }
        run->quiet_usec = 0;
    }
}

static void tell_progress(struct run *run)
{
    if (run->messages->progressed && run->request->on_progress)
        run->request->on_progress(run->request->userdata, run->messages->permille, run->messages->at_usec);
    run->messages->progressed = false;
}

/* Adds up the time since the last look and says whether there has been too much of it. */
static void look_at_time(struct run *run)
{
    int64_t now = clock_monotonic_usec(), passed = now - run->looked_usec;

    run->looked_usec = now;
    if (run->pace.stopped)
        return;
    run->spent_usec += passed;
    run->quiet_usec += passed;
    if (run->spent_usec >= run->limits.deadline_usec)
        run->killed = LATE;
    else if (run->quiet_usec >= run->limits.silence_usec)
        run->killed = SILENT;
}

static void look(struct run *run)
{
    const struct media_request *q = run->request;

    look_at_time(run);
    if (run->killed)
        return;
    if (pace_look(&run->pace, run->looked_usec, q->may_run ? q->may_run(q->userdata) : true))
        run->quiet_usec = 0;
    if (pace_crowded(&run->pace))
        run->killed = CROWDED;
}

/* Milliseconds until the next look. */
static int until_next(const struct run *run)
{
    int64_t left =
        MIN(run->limits.deadline_usec - run->spent_usec, run->limits.silence_usec - run->quiet_usec);

    if (run->pace.stopped)
        left = run->pace.every_usec;
    return (int)((MIN(left, run->pace.every_usec) + 999) / 1000);
}

/* Reads until the process is dead, killing it when it is too late, silent, faulty or has too many threads. Return: 0 or negative errno;
 * run_done kills what is then still there. */
static int follow(struct run *run)
{
    int stop_fd = run->request->stop_fd;
    struct pollfd fds[3] = {{.fd = run->pidfd, .events = POLLIN},
                            {.fd = run->pipe, .events = POLLIN},
                            {.fd = stop_fd > 0 ? stop_fd : -1, .events = POLLIN}};
    int r;

    for (;;) {
        int n = poll(fds, ARRAY_SIZE(fds), until_next(run));

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && fds[2].revents)
            return -ECANCELED;
        if (fds[1].fd >= 0 && n > 0 && fds[1].revents && !take_messages(run))
            fds[1].fd = -1; /* the end; the process may still be ending */
        tell_progress(run);
        if (n > 0 && (fds[0].revents & POLLIN))
            break;
        if (!run->killed)
            look(run);
        if (run->killed) {
            kill_process(run);
            break;
        }
    }
    r = wait_end(run);
    if (r < 0)
        return r;
    if (fds[1].fd >= 0 && !run->killed)
        take_messages(run);
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
    default:
        return "";
    }
}

/* Why we ended it. */
static void describe_killed(const struct run *run, char *out, size_t size)
{
    switch (run->killed) {
    case LATE:
        snprintf(out, size, "media worker did not finish within %" PRId64 " s and was stopped",
                 (run->limits.deadline_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
        break;
    case SILENT:
        snprintf(out, size, "media worker gave no sign of life for %" PRId64 " s and was stopped",
                 (run->limits.silence_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
        break;
    case CROWDED:
        snprintf(out, size, "media worker had %u threads where %u are allowed and was stopped",
                 run->pace.threads, run->pace.threads_max);
        break;
    default:
        snprintf(out, size, "media worker %s and was stopped", run->messages->fault);
    }
}

static void describe_exit(const struct run *run, char *out, size_t size)
{
    switch (run->status) {
    case WORKER_EXIT_MEMORY:
        snprintf(out, size, "media worker ran out of memory (%" PRIu64 " MiB allowed)",
                 run->limits.memory_bytes >> 20);
        break;
    case WORKER_EXIT_OUTPUT:
        snprintf(out, size, "media worker could not write what it made (%" PRIu64 " MiB a file allowed)",
                 run->limits.file_bytes >> 20);
        break;
    case WORKER_EXIT_HARDWARE:
        snprintf(out, size, "the device failed at decoding or encoding, or the footage is damaged");
        break;
    case WORKER_EXIT_USAGE:
        snprintf(out, size, "media worker does not understand its plan");
        break;
    default:
        snprintf(out, size, "media worker ended with exit status %d", run->status);
    }
}

/* Says in words how a run failed. Return: false when it did not fail. */
static bool describe_failure(const struct run *run, char *out, size_t size)
{
    const char *abbreviation = sigabbrev_np(run->status);

    if (run->killed)
        describe_killed(run, out, size);
    else if (run->code != CLD_EXITED)
        snprintf(out, size, "media worker was killed by SIG%s%s", abbreviation ? abbreviation : "?",
                 signal_reason(run->status));
    else if (run->status != WORKER_EXIT_OK)
        describe_exit(run, out, size);
    else
        return false;
    return true;
}

/* Whether the file system takes more: a program that was taken over must not make us believe that it does not. */
static bool has_room(int fd)
{
    struct stat st;

    if (inject_point("media.room") < 0 || fstat(fd, &st) < 0)
        return false;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM_WANTED) < 0)
        return errno != ENOSPC && errno != EDQUOT && errno != EIO;
    return true;
}

static int check_room(const struct run *run, struct error *err)
{
    const struct media_request *q = run->request;

    for (size_t i = 0; i < q->n_files; i++)
        if ((run->messages->writable >> i & 1) && !has_room(q->files[i]))
            return error_set(err, -ENOSPC, NULL, "no room for what the media worker makes");
    return 0;
}

/* The endings that say nothing about the recording: the program is not there, cannot be trusted to run, or has no room. Once it has locked
 * itself in it has perhaps been taken over, and its word is not enough. */
static int check_installation(const struct run *run, struct error *err)
{
    if (run->code != CLD_EXITED || run->killed)
        return 0;
    if (run->status == WORKER_EXIT_OUTPUT && run->messages->locked)
        return check_room(run, err);
    if (run->messages->locked)
        return 0;
    if (run->status == WORKER_EXIT_LOCK)
        return error_set(
            err, -ENOSYS, run->program,
            "the media worker could not lock itself in (seccomp is needed) and so refuses to read anything");
    if (run->status == 127 || run->status == WORKER_EXIT_USAGE)
        return error_set(err, -ENOEXEC, run->program,
                         "this is not a media worker that can run here (exit status %d)", run->status);
    return 0;
}

/* Whether each file is as long as it was said to be. The process is dead: nobody changes it any more. */
static bool check_files(const struct run *run, char *out, size_t size)
{
    for (size_t i = 0; i < run->request->n_files; i++) {
        uint64_t bytes = run->messages->bytes[i];
        struct stat st;

        if (bytes == 0)
            continue;
        if (fstat(run->request->files[i], &st) < 0 || (uint64_t)st.st_size != bytes) {
            snprintf(out, size, "media worker told a wrong length of file %zu", i);
            return false;
        }
    }
    return true;
}

/* What came of a run that ended by itself and well. Return: 0, or -ENOMEM. */
static int take_result(struct run *run, struct media_result *ret)
{
    struct error bad = ERROR_INIT;
    const char *text;
    size_t size;
    int r = 0;

    ret->status = MEDIA_FAILED;
    if (!messages_end(run->messages)) {
        snprintf(ret->message, sizeof ret->message, "media worker %s", run->messages->fault);
        return 0;
    }
    if (!check_files(run, ret->message, sizeof ret->message))
        return 0;
    ret->elsewhere = run->messages->elsewhere;
    text = messages_answer(run->messages, &size);
    if (!ret->elsewhere)
        r = run_answer_read(text, size, ret, &bad);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        snprintf(ret->message, sizeof ret->message, "media worker gave no valid answer: %.200s", bad.text);
    else
        memcpy(ret->bytes, run->messages->bytes, sizeof ret->bytes);
    return 0;
}

/* ru_maxrss begins with what the daemon's own process had at its peak, which the new one shared until it was loaded
 * (posix_spawn); where it is no more than that, what was last seen is the better figure. */
static uint64_t memory_peak(const struct run *run)
{
    uint64_t peak = (uint64_t)run->usage.ru_maxrss << 10;
    struct rusage own;

    if (getrusage(RUSAGE_SELF, &own) == 0 && run->usage.ru_maxrss <= own.ru_maxrss && run->pace.peak_bytes)
        return run->pace.peak_bytes;
    return peak;
}

static int64_t usec_of(struct timeval t)
{
    return t.tv_sec * USEC_PER_SEC + t.tv_usec;
}

static int begin(struct run *run)
{
    const struct media_limits *l = &run->limits;
    struct media_request request = *run->request;
    int r;

    request.limits = *l;
    run->messages = calloc(1, sizeof *run->messages);
    if (!run->messages)
        return -ENOMEM;
    run->messages->may_elsewhere = run->request->program == MEDIA_AV;
    for (size_t i = 0; i < request.n_files; i++)
        if ((fcntl(request.files[i], F_GETFL) & O_ACCMODE) == O_RDWR)
            run->messages->writable |= 1u << i;
    r = run_start(run->program, &request, &run->pid, &run->pipe);
    if (r < 0) {
        run->pid = 0;
        return r;
    }
    run->began_usec = run->looked_usec = clock_monotonic_usec();
    pace_init(&run->pace, run->pid, l->share_permille, l->threads + 1, run->began_usec);
    run->pidfd = pidfd_open(run->pid, 0);
    return run->pidfd < 0 ? -errno : 0;
}

static int check_request(const struct media_request *q, struct error *err)
{
    struct stat st;

    if (q->n_files > WORKER_FILES_MAX || json_array_size(json_get_array(q->plan, "files")) != q->n_files)
        return error_set(err, -EINVAL, NULL, "the plan names not as many files as there are");
    if (q->input < 0)
        return 0;
    if (fstat(q->input, &st) < 0)
        return error_errno(err, -errno, NULL, "cannot look at the file");
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, NULL, "not a regular file; only those are examined");
    return 0;
}

/* liuhen-stills lies beside liuhen-media. */
static int find_program(const char *path, enum media_program program, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0, n;

    n = program == MEDIA_AV ? snprintf(out, size, "%s", path)
                            : snprintf(out, size, "%.*sliuhen-stills", folder, path);
    return n >= (int)size ? -ENAMETOOLONG : 0;
}

int media_check(const char *path, struct error *err)
{
    for (enum media_program p = MEDIA_AV; p <= MEDIA_STILLS; p++) {
        char program[4096];
        int r = find_program(path, p, program, sizeof program);

        if (r == 0 && access(program, X_OK) < 0)
            r = -errno;
        if (r < 0)
            return error_errno(err, r, program,
                               "this program is needed to look at recordings (setting media.worker; "
                               "liuhen-stills lies beside liuhen-media)");
    }
    return 0;
}

static struct media_limits limits_of(const struct media_request *q)
{
    struct media_limits l = q->limits;

    if (l.deadline_usec <= 0)
        l.deadline_usec = DEADLINE_DEFAULT;
    if (l.silence_usec <= 0)
        l.silence_usec = SILENCE_DEFAULT;
    if (l.memory_bytes == 0)
        l.memory_bytes = MEMORY_DEFAULT;
    return l;
}

int media_run(const char *path, const struct media_request *request, struct media_result *ret,
              struct error *err)
{
    _cleanup_(run_done) struct run run = {.request = request, .pidfd = -1, .pipe = -1};
    struct media_result result = {.status = MEDIA_FAILED};
    int r = check_request(request, err);

    if (r < 0)
        return r;
    run.limits = limits_of(request);
    r = find_program(path, request->program, run.program, sizeof run.program);
    if (r == 0)
        r = begin(&run);
    if (r == 0)
        r = follow(&run);
    if (r < 0)
        return error_errno(err, r, run.program, "cannot run the media worker");
    r = check_installation(&run, err);
    if (r < 0)
        return r;
    if (!describe_failure(&run, result.message, sizeof result.message))
        r = take_result(&run, &result);
    else
        for (size_t i = 0; i < request->n_files; i++)
            result.reached = run.messages->bytes[i] > 0 ? i + 1 : result.reached;
    if (r < 0)
        return error_errno(err, r, run.program, "cannot take the media worker's answer");
    result.cpu_usec = usec_of(run.usage.ru_utime) + usec_of(run.usage.ru_stime);
    result.memory_peak_bytes = memory_peak(&run);
    *ret = result;
    return 0;
}
