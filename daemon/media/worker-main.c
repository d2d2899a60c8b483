/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen-media: the only program of Liuhen that parses media. One process looks at one file: descriptor 3 is the file, 4 takes the
 * answer (worker-facts.h); it locks itself in first and reads afterwards. Started by the daemon (probe.c).
 *
 *   liuhen-media probe [MEMORY_BYTES [CPU_SECONDS [BUDGET_USEC]]]
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "media/worker-escape.h"
#include "media/worker-lock.h"
#include "media/worker-probe.h"

#define MEMORY_DEFAULT (UINT64_C(3) << 29) /* 1.5 GiB */
#define CPU_DEFAULT    60
#define NUMBERS        3

static int usage(void)
{
    static const char text[] =
        "usage: liuhen-media probe [MEMORY_BYTES [CPU_SECONDS [BUDGET_USEC]]] 3<FILE 4>ANSWER\n"
        "It is started by liuhend; by hand: liuhen-media probe 3<clip.mp4 4>&1 | cat\n";

    fputs(text, stderr);
    return WORKER_EXIT_USAGE;
}

static bool read_numbers(int argc, char **argv, uint64_t numbers[NUMBERS])
{
    if (argc > NUMBERS)
        return false;
    for (int i = 0; i < argc; i++) {
        char *end;

        errno = 0;
        numbers[i] = strtoull(argv[i], &end, 10);
        if (errno || *end || end == argv[i] || argv[i][0] == '-')
            return false;
    }
    return true;
}

/* Locks in and notes how well. Return: 0 or a worker_exit. */
static int lock(bool *ret_landlock, const uint64_t numbers[NUMBERS])
{
    const struct lock_limits limits = {.memory_bytes = numbers[0], .cpu_seconds = numbers[1]};

    json_object_seed(0); /* opens /dev/urandom, which it cannot do later */
    if (lock_limits(&limits) < 0 || lock_in(ret_landlock) < 0)
        return WORKER_EXIT_LOCK;
    return 0;
}

static int write_answer(struct facts *f)
{
    _cleanup_free_ char *text = NULL;

    if (facts_answer(f, &text) < 0)
        return WORKER_EXIT_MEMORY;
    return fd_write_full(WORKER_FD_OUTPUT, text, strlen(text)) < 0 ? WORKER_EXIT_OUTPUT : 0;
}

static int probe(const uint64_t numbers[NUMBERS])
{
    struct facts f;
    struct input in;
    bool landlock;
    int r;

    if (input_init_fd(&in, WORKER_FD_INPUT, (int64_t)numbers[2]) < 0)
        return usage();
    r = lock(&landlock, numbers);
    if (r)
        return r;
#ifdef LIUHEN_INJECT
    char what[32];

    if (escape_wanted(&in, what))
        return escape_attempt(what);
#endif
    if (facts_init(&f, clock_now_usec()) < 0)
        return WORKER_EXIT_MEMORY;
    if (json_set_string(f.media, "lock", landlock ? "full" : "no-landlock") < 0)
        return WORKER_EXIT_MEMORY;
    worker_probe(&in, &f);
    r = write_answer(&f);
    facts_done(&f);
    return r;
}

int main(int argc, char **argv)
{
    uint64_t numbers[NUMBERS] = {MEMORY_DEFAULT, CPU_DEFAULT, 0};
    int r;

#ifdef LIUHEN_INJECT
    if (argc == 3 && strcmp(argv[1], "test-escape") == 0) {
        bool landlock;

        r = lock(&landlock, numbers);
        _exit(r ? r : escape_attempt(argv[2]));
    }
#endif
    if (argc < 2 || strcmp(argv[1], "probe") != 0 || !read_numbers(argc - 2, argv + 2, numbers))
        return usage();
    r = probe(numbers);
    _exit(r); /* no exit handlers of 130 libraries inside the lock */
}
