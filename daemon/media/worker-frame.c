/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The frame of both locked programs (see worker-verbs.h):
 *
 *   liuhen-media VERB MEMORY_BYTES CPU_SECONDS BUDGET_USEC FILES THREADS FILE_BYTES
 *
 * with the descriptors of messages.h. Before the lock nothing is looked at but what the descriptors are.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "media/worker-escape.h"
#include "media/worker-say.h"
#include "media/worker-verbs.h"

enum { MEMORY, CPU, BUDGET, FILES, THREADS, FILE_BYTES, NUMBERS };
#define THREADS_MAX 64

static int usage(const char *name)
{
    fprintf(stderr,
            "usage: %s VERB MEMORY_BYTES CPU_SECONDS BUDGET_USEC FILES THREADS FILE_BYTES 3<RECORDING "
            "4>MESSAGES 5<PLAN "
            "6<>FILE…\nIt is started by liuhend; by hand:\n  %s probe 1500000000 60 0 0 0 0 3<clip.mp4 4>&1 "
            "5<<<'{}' | strings\n",
            name, name);
    return WORKER_EXIT_USAGE;
}

static bool read_numbers(int argc, char **argv, uint64_t numbers[NUMBERS])
{
    if (argc != NUMBERS)
        return false;
    for (int i = 0; i < argc; i++) {
        char *end;

        errno = 0;
        numbers[i] = strtoull(argv[i], &end, 10);
        if (errno || *end || end == argv[i] || argv[i][0] == '-')
            return false;
    }
    return numbers[FILES] <= WORKER_FILES_MAX && numbers[THREADS] <= THREADS_MAX;
}

/* Whether the descriptors are as they should be: files to be made empty and open both ways, others (more input) read-only. */
static bool check_descriptors(uint64_t n_files, struct lock_limits *limits)
{
    struct stat st;

    if (fstat(WORKER_FD_PLAN, &st) < 0 || !S_ISREG(st.st_mode) || fcntl(WORKER_FD_OUTPUT, F_GETFD) < 0)
        return false;
    for (unsigned i = 0; i < n_files; i++) {
        int fd = WORKER_FD_FILES + (int)i, flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
            return false;
        if ((flags & O_ACCMODE) == O_RDONLY)
            continue;
        if ((flags & O_ACCMODE) != O_RDWR || st.st_size != 0)
            return false;
        if (limits->profile != LOCK_PROBE)
            limits->writable |= 1u << i;
    }
    limits->n_files = (unsigned)n_files;
    return true;
}

static void on_continue(int sig)
{
    input_was_stopped();
}

/* What has to be done before the lock and outside of any verb. */
static void before_lock(void)
{
    const struct sigaction act = {.sa_handler = on_continue, .sa_flags = SA_RESTART};

    json_object_seed(0); /* opens /dev/urandom, which it cannot do later */
    mallopt(M_ARENA_MAX, 2);
    sigaction(SIGCONT, &act, NULL);
}

static int exit_of(int r)
{
    switch (r) {
    case 0:
        return WORKER_EXIT_OK;
    case -ENOMEM:
        return WORKER_EXIT_MEMORY;
    case -EREMOTEIO:
        return WORKER_EXIT_HARDWARE;
    case -EINVAL:
    case -E2BIG:
        return WORKER_EXIT_USAGE;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
    case -EIO:
        return WORKER_EXIT_OUTPUT;
    default:
        return WORKER_EXIT_FAULT;
    }
}

static int answer(struct job *job)
{
    _cleanup_free_ char *text = NULL;
    int r;

    if (job->elsewhere) {
        say_elsewhere();
        return 0;
    }
    r = facts_answer(&job->facts, &text);
    if (r == 0)
        say_answer(text, strlen(text));
    return r;
}

static int work(struct job *job, const struct verb *verb, bool landlock)
{
    int r = plan_read(&job->plan);

    if (r == 0)
        r = facts_init(&job->facts, clock_now_usec());
    if (r == 0)
        r = json_set_string(job->facts.media, "lock", landlock ? "full" : "no-landlock");
    if (r == 0)
        r = verb->run(job);
    return r == 0 ? answer(job) : r;
}

static int locked(struct job *job, const struct verb *verb, const struct lock_limits *limits)
{
    bool landlock;

    before_lock();
    if ((verb->prepare && verb->prepare(job) < 0) || lock_limits(limits) < 0 ||
        lock_in(limits, &landlock) < 0)
        return WORKER_EXIT_LOCK;
    say_locked(landlock);
#ifdef LIUHEN_INJECT
    char what[ESCAPE_NAME_MAX];

    if (!verb->no_input && escape_wanted(&job->in, what))
        return escape_attempt(what);
#endif
    return exit_of(work(job, verb, landlock));
}

#ifdef LIUHEN_INJECT
static int nothing_else(struct job *job)
{
    return -EINVAL;
}

/* Only for attempts, one verb a profile. */
static const struct verb test_verbs[] = {
    {"test-probe", nothing_else, LOCK_PROBE, false, NULL},
    {"test-encode", nothing_else, LOCK_ENCODE, false, NULL},
    {"test-stills", nothing_else, LOCK_STILLS, false, NULL},
    {"test-hardware", nothing_else, LOCK_HARDWARE, false, NULL},
};
#endif

static const struct verb *find_verb(const struct verb *verbs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return &verbs[i];
#ifdef LIUHEN_INJECT
    if (verbs != test_verbs)
        return find_verb(test_verbs, ARRAY_SIZE(test_verbs), name);
#endif
    return NULL;
}

static int run(const char *name, const struct verb *verbs, size_t n, int argc, char **argv)
{
    struct lock_limits limits = {.profile = LOCK_PROBE};
    uint64_t numbers[NUMBERS];
    const struct verb *verb = argc > 1 ? find_verb(verbs, n, argv[1]) : NULL;
    struct job job = {.in = {.fd = -1}};

    if (verb)
        limits.profile = verb->profile;
    if (!verb || !read_numbers(argc - 2, argv + 2, numbers) || !check_descriptors(numbers[FILES], &limits))
        return usage(name);
    if (!verb->no_input && input_init_fd(&job.in, WORKER_FD_INPUT, (int64_t)numbers[BUDGET]) < 0)
        return usage(name);
    job.in.beat = say_beat;
    job.threads = (unsigned)numbers[THREADS];
    job.n_files = limits.n_files;
    job.file_bytes = limits.file_bytes = numbers[FILE_BYTES];
    job.memory_bytes = limits.memory_bytes = numbers[MEMORY];
    limits.cpu_seconds = numbers[CPU];
    limits.threads = job.threads;
    return locked(&job, verb, &limits);
}

void worker_frame(const char *name, const struct verb *verbs, size_t n, int argc, char **argv)
{
    _exit(run(name, verbs, n, argc, argv)); /* no exit handlers of 130 libraries inside the lock */
}
